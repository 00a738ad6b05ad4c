"""Operations as delivery is handed them, for tests that need no store."""

from datetime import UTC, datetime
from typing import Any

from syncd.model.ids import (
    ConnectionName,
    CorrelationId,
    LinkRow,
    MappingName,
    OperationId,
    OperationKey,
    Side,
    TicketId,
    TicketRow,
)
from syncd.model.operation import OperationState, Write, WriteKind
from syncd.model.outbox import ClaimedOperation

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_write(**changes: Any) -> Write:
    values: dict[str, Any] = {
        "kind": WriteKind.UPDATE,
        "key": OperationKey("t3st-0123456789"),
        "ticket_kind": "incident",
        "ticket_id": TicketId("V1"),
        "fields": {"title": "secret words"},
    }
    return Write(**(values | changes))


def a_claim(**changes: Any) -> ClaimedOperation:
    values: dict[str, Any] = {
        "id": OperationId(7),
        "attempt": 1,
        "owner": "me",
        "state": OperationState.READY,
        "link_id": LinkRow(1),
        "mapping": MappingName("m"),
        "connection": ConnectionName("vendor"),
        "target": Side.VENDOR,
        "target_row": TicketRow(2),
        "source_connection": ConnectionName("desk"),
        "source_row": TicketRow(1),
        "source": None,
        "write": a_write(),
        "snapshot": None,
        "only_from": None,
        "attempts": 0,
        "sends": 0,
        "looks": 0,
        "sent_at": None,
        "closed_at": None,
        "seen_at": AT,
        "planned_at": AT,
        "correlation_id": CorrelationId("c1"),
    }
    return ClaimedOperation(**(values | changes))
