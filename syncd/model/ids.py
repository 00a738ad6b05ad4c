"""Identifiers, each a type of its own so that one cannot be passed for another."""

from enum import StrEnum
from typing import NewType

ConnectionName = NewType("ConnectionName", str)
"""The name of a connection in syncd.yaml."""
MappingName = NewType("MappingName", str)
"""The name of a mapping; equals its file's name."""
TicketId = NewType("TicketId", str)
"""A provider's technical id of a ticket, verbatim (case-sensitive)."""
CommentId = NewType("CommentId", str)
"""A provider's id of a comment, or one made from (author, time, text, occurrence)."""
AttachmentId = NewType("AttachmentId", str)
"""A provider's id of an attachment."""
OperationKey = NewType("OperationKey", str)
"""Idempotency key of an operation: `<instance prefix>-<random>`, fixed when it is planned."""
CorrelationId = NewType("CorrelationId", str)
"""Follows one change from the read that saw it to the receipt."""
TicketRow = NewType("TicketRow", int)
"""Primary key of a ticket in the store."""
LinkRow = NewType("LinkRow", int)
"""Primary key of a link in the store."""
OperationId = NewType("OperationId", int)
"""Primary key of an operation in the store; what an operator types after `ops show`."""


class Side(StrEnum):
    """Which end of a mapping something belongs to."""

    ITSM = "itsm"
    VENDOR = "vendor"

    @property
    def other(self) -> "Side":
        """The opposite side."""
        return Side.VENDOR if self is Side.ITSM else Side.ITSM
