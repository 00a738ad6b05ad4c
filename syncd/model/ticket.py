"""A ticket as read once from one system: its fields, comments and attachments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from typing import Final

from syncd.model.ids import AttachmentId, CommentId, OperationKey, TicketId


class Missing(Enum):
    """The type of MISSING: the source does not say, unlike None (it says: empty)."""

    MISSING = "missing"

    def __bool__(self) -> bool:
        """MISSING is falsy."""
        return False


MISSING: Final = Missing.MISSING

Value = str | int | bool | None | Mapping[str, str]
"""What a field holds: amounts as text, instants as ISO 8601 UTC text, a contact as a mapping."""


class Visibility(StrEnum):
    """Who may see a comment. UNKNOWN is treated as private (DESIGN R9)."""

    PUBLIC = "public"
    PRIVATE = "private"
    UNKNOWN = "unknown"


class CommentKind(StrEnum):
    """The three kinds of remark a ticket system may keep apart."""

    COMMENT = "comment"
    WORK_NOTE = "work_note"
    CLOSURE_NOTE = "closure_note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One remark on a ticket, as read.

    Attributes:
        id: the provider's id; where it has none, made from author, time, text and occurrence.
        body: the text, our markers already taken out.
        author: display name; empty when the provider does not say.
        created_at: aware UTC instant; None when the provider does not say.
        visibility: who may see it.
        kind: which of the ticket's lists it stands in.
        keys: operation keys found as markers in the text, in order of appearance.
    """

    id: CommentId
    body: str
    author: str = ""
    created_at: datetime | None = None
    visibility: Visibility = Visibility.UNKNOWN
    kind: CommentKind = CommentKind.COMMENT
    keys: tuple[OperationKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One file on a ticket, as read (its bytes are fetched separately).

    Attributes:
        id: the provider's id.
        name: file name as the provider gives it.
        size_bytes: its length; None when the provider does not say.
        content_type: MIME type as the provider gives it.
        created_at: aware UTC instant; None when the provider does not say.
        author: display name; empty when the provider does not say.
    """

    id: AttachmentId
    name: str
    size_bytes: int | None = None
    content_type: str = "application/octet-stream"
    created_at: datetime | None = None
    author: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A whole ticket as read once (a snapshot).

    Attributes:
        id: the provider's technical id.
        number: what people call it.
        kind: the provider's kind of ticket, such as `incident`.
        fields: neutral name -> raw value, markers stripped from texts; a name that is absent was
            not told by the provider (MISSING). `status` is the provider's raw label.
        comments: oldest first.
        attachments: oldest first.
        created_at: the provider's time of creation.
        updated_at: the provider's time of the last change.
        keys: operation keys found as markers in the ticket's own text or reference fields.
    """

    id: TicketId
    number: str
    kind: str
    fields: Mapping[str, Value]
    comments: tuple[Comment, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None
    keys: tuple[OperationKey, ...] = ()

    def get(self, name: str) -> Value | Missing:
        """Return a field's raw value, or MISSING when the provider did not tell it."""
        return self.fields.get(name, MISSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldInfo:
    """What `syncd fields` shows of one field.

    Attributes:
        name: neutral name.
        kind: `text`, `number`, `label`, `contact`, `address`, `time` or `list`.
        parts: keys of a structure, such as a contact's; empty for any other field.
        max_chars: longest accepted text; None where there is no known limit.
        max_bytes: likewise in UTF-8; both hold where both are known.
        writable: the writes that can set it (`create`, `update`, `status`); empty: read only.
        readable: False when it can be written but never read back.
        values: accepted values where the provider's document lists them.
        source: the document's section.
    """

    name: str
    kind: str = "text"
    parts: tuple[str, ...] = ()
    max_chars: int | None = None
    max_bytes: int | None = None
    writable: frozenset[str] = field(default_factory=frozenset)
    readable: bool = True
    values: tuple[str, ...] = ()
    source: str = ""
