"""An operation whole, with what decides which ways out it has."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

from syncd.cli.facts.traits import can_probe
from syncd.model.errors import CommandRefused
from syncd.model.ids import OperationId
from syncd.settings.values import Settings
from syncd.store import operations
from syncd.store.database import Tx
from syncd.store.records import OperationDetail, OperationRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeOperation:
    """An operation and what the configuration says of its target.

    Attributes:
        detail: as stored, with its attempts.
        can_probe: the target can tell whether it happened.
        support: whom to call about the target; empty when the configuration does not say.
    """

    detail: OperationDetail
    can_probe: bool
    support: str


def whole(tx: Tx, settings: Settings, number: int) -> WholeOperation:
    """Load an operation (a unit of the store).

    Raises:
        CommandRefused: there is none of that number.
    """
    detail = operations.show(tx, OperationId(number))
    record = detail.record
    connection = settings.connections.get(record.connection)
    return WholeOperation(
        detail=detail,
        can_probe=can_probe(settings, record.connection, record.kind),
        support=connection.support if connection else "",
    )


def wholes(tx: Tx, settings: Settings, listed: Iterable[OperationRecord]) -> list[WholeOperation]:
    """Load each of a list (a unit of the store); what was removed since it was made is left out."""
    found = []
    for each in listed:
        with contextlib.suppress(CommandRefused):
            found.append(whole(tx, settings, each.id))
    return found
