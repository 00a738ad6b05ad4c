"""What a write that was applied changes: baselines, pairs, the link's partner, what is due.

Shared by outcomes, by effects met in snapshots, and by an operator's `adopt`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import Insert

from syncd.core.keys import SKEW
from syncd.core.state import WRITTEN, BaselineState, ItemKind, ItemPair, PairState, SlotMove
from syncd.model.errors import BrokenInvariant
from syncd.model.ids import ConnectionName, LinkRow, OperationId, Side, TicketRow
from syncd.model.operation import OperationState, ParkReason, Receipt, WriteKind
from syncd.model.ticket import Missing, Value
from syncd.store import codec, journal, lanes, meta, sharing
from syncd.store import tables as t
from syncd.store.bulk import Bulk, Writes
from syncd.store.records import Line, LinkPhase
from syncd.store.tickets import ensure_ticket
from syncd.store.tx import Row, Tx, among, locking
from syncd.store.types import sooner

DETAIL_CHARS_MAX = 2_000
RELEASED: Mapping[str, None] = {"lease_owner": None, "lease_until": None, "claimed_from": None}
"""Columns of an operation nobody holds."""

_o, _k, _i = t.operation.c, t.ticket.c, t.item_pair.c
_COLUMNS = (
    _o.id, _o.link, _o.mapping, _o.connection, _o.target, _o.target_row, _o.source_row, _o.lane,
    _o.rank, _o.blocks, _o.kind, _o.key, _o.ticket_kind, _o.payload, _o.slots, _o.item_kind,
    _o.item_origin, _o.item_source_id, _o.state, _o.claimed_from, _o.lease_owner, _o.attempt,
    _o.attempts, _o.sends, _o.looks, _o.park_reason, _o.sent_at, _o.closed_at, _o.receipt,
    _o.correlation_id, _o.revision, _o.source_connection, _o.planned_at,
)  # fmt: skip

UPDATE = Bulk(
    lambda v, names: (
        sa.update(t.operation)
        .where(_o.id == v("operation", _o.id.type))
        .values({name: v(name, _o[name].type) for name in names if name != "operation"})
    )
)
"""Changes columns of operations; `operation` is which."""
INSERT_ATTEMPT = Bulk(lambda v, names: v.insert(t.attempt, names))
# Several rows for one ticket count once: what matters is that its epochs move.
_EPOCH = Bulk(
    lambda v, _: (
        sa.update(t.ticket)
        .where(_k.id == v("row", _k.id.type))
        .values(write_epoch=_k.write_epoch + sa.literal_column("1"))
    )
)
_WROTE = Bulk(
    lambda v, _: (
        sa.update(t.ticket)
        .where(_k.id == v("row", _k.id.type))
        .values(
            write_epoch=_k.write_epoch + sa.literal_column("1"),
            read_due_at=sooner(_k.read_due_at, v("now", _k.read_due_at.type)),
            sight_epoch=_k.sight_epoch + sa.literal_column("1"),
            decide_due_at=sooner(_k.decide_due_at, v("now", _k.read_due_at.type)),
            cause=sa.literal_column("'after our write'"),
        )
    )
)
_DECIDE = Bulk(
    lambda v, _: (
        sa.update(t.ticket)
        .where(_k.id == v("row", _k.id.type))
        .values(decide_due_at=sooner(_k.decide_due_at, v("now", _k.decide_due_at.type)))
    )
)
_OF_PAIR = {
    "of_link": _i.link,
    "of_kind": _i.kind,
    "of_origin": _i.origin,
    "of_source": _i.source_id,
}
_PAIR = Bulk(
    lambda v, names: (
        sa.update(t.item_pair)
        .where(*(column == v(name, column.type) for name, column in _OF_PAIR.items()))
        .values({name: v(name, _i[name].type) for name in names if name not in _OF_PAIR})
    )
)
_SAVE_PAIR = Bulk(
    lambda v, names: _upsert(
        v.insert(t.item_pair, names),
        ("link", "kind", "origin", "source_id"),
        ("target_id", "state", "reason", "key"),
    ),
    key=("link", "kind", "origin", "source_id"),
)
_BASELINE = ("link", "side", "slot")
ACCOUNT = Bulk(
    lambda v, names: _upsert(v.insert(t.baseline, names), _BASELINE, ("value", "state")),
    key=_BASELINE,
)
"""Moves a baseline where nothing was written."""
_ACCOUNT_WRITTEN = Bulk(
    lambda v, names: _upsert(
        v.insert(t.baseline, names), _BASELINE, ("value", "state", "previous", "written_at")
    ),
    key=_BASELINE,
)


def _upsert(insert: Insert, key: Sequence[str], moved: Sequence[str]) -> sa.Executable:
    """Let the row that is there take these columns."""
    return insert.on_conflict_do_update(
        index_elements=key, set_={name: insert.excluded[name] for name in moved}
    )


@dataclass(slots=True)
class Effects:
    """The changes of one or many settled operations, gathered and then written together.

    Attributes:
        writes: gathered statements.
        old: values of baselines before, by (link, side, slot).
        written: when we wrote there last, by (link, side, slot).
        sharers: live links by ITSM ticket written.
        lanes: queues that may need a new head, once everything else is written.
        lines: for the journal.
    """

    writes: Writes
    old: Mapping[tuple[int, str, str], str] = field(default_factory=dict)
    written: dict[tuple[int, str, str], datetime] = field(default_factory=dict)
    sharers: Mapping[int, Sequence[int]] = field(default_factory=dict)
    lanes: set[str] = field(default_factory=set)
    lines: list[Line] = field(default_factory=list)

    @property
    def tx(self) -> Tx:
        """The transaction."""
        return self.writes.tx

    def write(self) -> None:
        """Carry everything out; heads last, when the queues are as they will be."""
        self.writes.flush()
        lanes.promote(self.tx, self.lanes)
        journal.append(self.tx, *self.lines)


# --- loading and locking ---------------------------------------------------------------------


def load_rows(tx: Tx, ids: Collection[OperationId]) -> dict[int, Row]:
    """Load (and on PostgreSQL lock) the rows of operations about to be settled, by id.

    Raises:
        BrokenInvariant: one of them is not there.
    """
    found = {row.id: row for row in tx.gather(_rows_of(tx.is_postgres), {"ids": tx.many(ids)})}
    for wanted in ids:
        if wanted not in found:
            raise BrokenInvariant(f"operation {wanted} is not there")
    return found


@cache
def _rows_of(is_postgres: bool) -> sa.Select[Any]:
    wanted = among(_o.id, "ids", is_postgres=is_postgres)
    query = sa.select(*_COLUMNS).where(wanted).order_by(_o.id)
    return query.with_for_update() if is_postgres else query


def effects_of(tx: Tx, rows: Collection[Row]) -> Effects:
    """Get ready to settle these operations."""
    links = {row.link for row in rows if row.slots != "{}"}
    on_itsm = {row.target_row for row in rows if row.target == Side.ITSM and row.target_row}
    sharers = sharing.sharers(tx, on_itsm)
    if not links:
        return Effects(Writes(tx), sharers=sharers)
    old, written = {}, {}
    for row in tx.gather(_baselines_of(tx.is_postgres), {"links": tx.many(links)}):
        old[row.link, row.side, row.slot] = row.value
        if row.written_at is not None:
            written[row.link, row.side, row.slot] = row.written_at
    return Effects(Writes(tx), old, written, sharers)


@cache
def _baselines_of(is_postgres: bool) -> sa.Select[Any]:
    c = t.baseline.c
    of_links = among(c.link, "links", is_postgres=is_postgres)
    return sa.select(c.link, c.side, c.slot, c.value, c.written_at).where(of_links)


def lock_around(tx: Tx, tickets: Collection[TicketRow], link_ids: Collection[LinkRow]) -> None:
    """Lock what settling touches: tickets in id order, then links."""
    if not tx.is_postgres:
        return
    for table, ids in ((t.ticket, tickets), (t.link, link_ids)):
        tx.rows(locking(table), {"ids": tx.many(ids)})


# --- an applied write ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is said about an effect.

    Attributes:
        now: when it is stored.
        detail: for the operator.
        actor: the operator who said that it happened; empty when the provider did.
        columns: further columns of the operation.
    """

    now: datetime
    detail: str
    actor: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict)


def apply_receipt(effects: Effects, row: Row, receipt: Receipt, told: Told) -> bool:
    """Settle an operation as applied, with all that follows from it.

    Args:
        effects: where the changes are gathered.
        row: the operation, as `load_rows` gave it.
        receipt: the effect.
        told: what is said about it.

    Returns:
        False when the effect is a ticket that has another partner: the operation is parked.
    """
    target_row = row.target_row
    if row.kind == WriteKind.CREATE:
        target_row = _adopt_ticket(effects.tx, row, receipt, told.now)
        if target_row is None:
            _park_taken(effects, row, receipt, told.now)
            return False
        effects.lanes.add(lanes.of_ticket(target_row))
    effects.writes.add(
        UPDATE,
        {
            "operation": row.id,
            **RELEASED,
            "state": OperationState.APPLIED,
            "park_reason": None,
            "target_row": target_row,
            "settled_at": told.now,
            "receipt": codec.dump_receipt(receipt),
            "detail": told.detail[:DETAIL_CHARS_MAX],
            **told.columns,
        },
    )
    _move_baselines(effects, row, receipt, told.now)
    _complete_pair(effects, row, receipt)
    _tell_sharers(effects, row, receipt, told.now)
    effects.writes.add(_WROTE, {"row": target_row, "now": told.now})
    if row.kind == WriteKind.DELETE:
        _end_link(effects, row, told.now)
    decide_about_source(effects, row, told.now)
    effects.lanes.add(row.lane)
    note(effects, row, "operation.applied", told, target_row=target_row)
    return True


_NO_STRANGER = (
    sa.update(t.ticket).where(_k.id == sa.bindparam("row"), _k.stray.is_(True)).values(stray=False)
)

_UNREAD = (
    # Its state is of before the time that was lost: the read that is due has to come first.
    sa.update(t.ticket)
    .where(_k.id == sa.bindparam("row"), _k.read_at < sa.bindparam("before", type_=_k.read_at.type))
    .values(digest=None)
)


def _adopt_ticket(tx: Tx, row: Row, receipt: Receipt, now: datetime) -> TicketRow | None:
    """Give the link its new ticket; None when that ticket has another partner."""
    created = ensure_ticket(
        tx,
        ConnectionName(row.connection),
        row.ticket_kind,
        external_id=receipt.ticket_id or None,
        number=receipt.ticket_number,
        now=now,
    )
    taken, take = _taking(Side(row.target))
    given = {"ticket_row": created, "of_link": row.link}
    of_mapping = {"of_mapping": row.mapping} if row.target == Side.ITSM else {}
    if tx.scalar(taken, given | of_mapping) is not None:
        return None
    tx.run(take, given)
    # After a restored backup it may have been met before anybody knew whose it is.
    tx.run(_NO_STRANGER, {"row": created})
    if (restored_at := meta.restored_at(tx)) is not None:
        tx.run(_UNREAD, {"row": created, "before": restored_at + SKEW})
    before, lane = lanes.of_link(row.link, Side(row.target)), lanes.of_ticket(created)
    tx.run(_REQUEUE, {"ticket_row": created, "before": before, "to_lane": lane})
    return created


@cache
def _taking(target: Side) -> tuple[sa.Select[Any], sa.Update]:
    """Ask for another link that has a ticket, and give the ticket to this one."""
    c = t.link.c
    column = c[f"{target}_ticket"]
    created = sa.bindparam("ticket_row", type_=c.id.type)
    link = sa.bindparam("of_link", type_=c.id.type)
    taken = sa.select(c.id).where(column == created, c.tombstone_at.is_(None), c.id != link)
    if target is Side.ITSM:
        taken = taken.where(c.mapping == sa.bindparam("of_mapping"))
    take = sa.update(t.link).where(c.id == link)
    take = take.values({column: created, c.phase: sa.text(f"'{LinkPhase.OPEN}'")})
    return taken.limit(sa.literal_column("1")), take


_REQUEUE = (
    sa.update(t.operation)
    .where(_o.lane == sa.bindparam("before"), _o.state == sa.literal_column("'waiting'"))
    .values(target_row=sa.bindparam("ticket_row"), lane=sa.bindparam("to_lane"))
)


def _park_taken(effects: Effects, row: Row, receipt: Receipt, now: datetime) -> None:
    detail = f"the answer names ticket {receipt.ticket_id}, which belongs to another link"
    effects.writes.add(
        UPDATE,
        {
            "operation": row.id,
            **RELEASED,
            "state": OperationState.PARKED,
            "park_reason": ParkReason.INVALID,
            "settled_at": now,
            "receipt": codec.dump_receipt(receipt),
            "detail": detail,
        },
    )
    note(effects, row, "operation.parked", Told(now=now, detail=detail))


def _end_link(effects: Effects, row: Row, now: datetime) -> None:
    """End the link of a ticket we deleted; what it knows stays, also what is due elsewhere."""
    tx = effects.tx
    rest = (_o.link == row.link, _o.target == row.target, _o.id != row.id)
    tx.run(
        sa.update(t.operation)
        .where(*rest, t.state_in(*t.REPLACEABLE))
        .values(state=OperationState.DISCARDED, settled_at=now, detail="its ticket was deleted")
    )
    ended = {"tombstone_at": now, "phase": LinkPhase.REMOVED}
    c = t.link.c
    if tx.run(sa.update(t.link).where(c.id == row.link, c.tombstone_at.is_(None)).values(ended)):
        detail = "its ticket was deleted, as the mapping says"
        note(effects, row, "link.removed", Told(now=now, detail=detail))


# --- baselines -------------------------------------------------------------------------------


def _move_baselines(effects: Effects, row: Row, receipt: Receipt, now: datetime) -> None:
    slots = codec.load_slots(row.slots)
    if not slots:
        return
    sent = codec.load_payload(row.payload)[0]
    account_for_source(effects, row, slots)
    for slot, move in slots.items():
        if isinstance(move.target_value, Missing):
            continue
        value, state = _target_value(slot, move.target_value, sent, receipt)
        side = move.source.other
        effects.written[row.link, side, slot] = now
        effects.writes.add(
            _ACCOUNT_WRITTEN,
            {
                "link": row.link,
                "side": side,
                "slot": slot,
                "value": codec.dump(value),
                "state": state,
                "previous": _before(row, move, effects.old.get((row.link, side, slot))),
                "written_at": now,
            },
        )


def _before(row: Row, move: SlotMove, stored: str | None) -> str | None:
    """Give what stood at the target before our write: what was overruled, else the baseline.

    Nothing stood in a ticket we create. In any other something did, though we never wrote it.
    """
    if not isinstance(move.overruled, Missing):
        return codec.dump(move.overruled)
    return stored if stored is not None or row.kind == WriteKind.CREATE else codec.dump(None)


def _target_value(
    slot: str, value: Value, sent: Mapping[str, Value], receipt: Receipt
) -> tuple[Value, BaselineState]:
    # The slot's last word is the written field's name (`to_vendor.title`); where it is not, what
    # was sent stays the baseline and the next read shows the difference.
    name = slot.rpartition(".")[2]
    if name in sent and name in receipt.fields and receipt.fields[name] != value:
        return receipt.fields[name], BaselineState.ALTERED
    return value, BaselineState.PROVISIONAL


def account_for_source(effects: Effects, row: Row, slots: Mapping[str, SlotMove]) -> None:
    """Account for a change on the side it came from, unless we wrote there since it was planned."""
    for slot, move in slots.items():
        written_at = effects.written.get((row.link, move.source, slot))
        if written_at is not None and written_at > row.planned_at:
            continue
        effects.writes.add(
            ACCOUNT,
            {
                "link": row.link,
                "side": move.source,
                "slot": slot,
                "value": codec.dump(move.source_value),
                "state": BaselineState.AGREED,
            },
        )


# --- comments and attachments ----------------------------------------------------------------


def _complete_pair(effects: Effects, row: Row, receipt: Receipt) -> None:
    if row.kind == WriteKind.COMMENT and row.item_kind != ItemKind.COMMENT and receipt.comment_id:
        # Words of our own are nobody's copy: where no marker tells them, their id does.
        own = ItemPair(
            kind=ItemKind.COMMENT,
            origin=Side(row.target),
            source_id=receipt.comment_id,
            state=PairState.SKIPPED,
            reason=f"written by syncd ({row.key})",
            key=row.key,
        )
        save_pairs(effects.writes, row.link, [own])
    if row.item_kind is None:
        return
    made = receipt.attachment_id if row.item_kind == "attachment" else receipt.comment_id
    made = made or receipt.comment_id or receipt.attachment_id
    values: dict[str, Any] = {"key": row.key}
    if made:
        # Without an id the pair stays PLANNED until the effect is met on the ticket.
        values |= {"target_id": made, "state": PairState.PAIRED}
    effects.writes.add(_PAIR, _pair_of(row) | values)


def _tell_sharers(effects: Effects, row: Row, receipt: Receipt, now: datetime) -> None:
    """Let the ticket's other links know that a link wrote this, so that they do not carry it on."""
    others = [each for each in effects.sharers.get(row.target_row or 0, ()) if each != row.link]
    if not others:
        return
    fields = codec.load_payload(row.payload)[0]
    items = {"comment": receipt.comment_id, "attachment": receipt.attachment_id}
    for link in others:
        for name, value in fields.items():
            effects.writes.add(
                _ACCOUNT_WRITTEN,
                {
                    "link": link,
                    "side": row.target,
                    "slot": WRITTEN + name,
                    "value": codec.dump(value),
                    "state": BaselineState.AGREED,
                    "previous": None,
                    "written_at": now,
                },
            )
        pairs = [
            ItemPair(
                kind=ItemKind(kind),
                origin=Side(row.target),
                source_id=made,
                state=PairState.FOREIGN,
                reason=f"by link {row.link}",
            )
            for kind, made in items.items()
            if made
        ]
        save_pairs(effects.writes, LinkRow(link), pairs)


def forget_pair(effects: Effects, row: Row) -> None:
    """Let a comment or attachment be decided about anew: its operation ended without effect."""
    if row.item_kind is not None:
        tx = effects.tx
        tx.run(
            sa.delete(t.item_pair).where(
                _i.link == row.link,
                _i.kind == row.item_kind,
                _i.origin == row.item_origin,
                _i.source_id == row.item_source_id,
                _i.state == PairState.PLANNED,
            )
        )


def _pair_of(row: Row) -> dict[str, Any]:
    return {
        "of_link": row.link,
        "of_kind": row.item_kind,
        "of_origin": row.item_origin,
        "of_source": row.item_source_id,
    }


def save_pairs(writes: Writes, link_id: LinkRow, pairs: Collection[ItemPair]) -> None:
    """Store comments and attachments accounted for; those known already take the new state."""
    for pair in pairs:
        writes.add(
            _SAVE_PAIR,
            {
                "link": link_id,
                "kind": pair.kind,
                "origin": pair.origin,
                "source_id": pair.source_id,
                "target_id": pair.target_id,
                "state": pair.state,
                "reason": pair.reason,
                "key": pair.key,
            },
        )


def record_others(effects: Effects, row: Row, others: Collection[Receipt], now: datetime) -> None:
    """Note further effects of one write: known, and never given a partner (DESIGN R3)."""
    for other in others:
        if row.kind == WriteKind.CREATE:
            twin = ensure_ticket(
                effects.tx,
                ConnectionName(row.connection),
                row.ticket_kind,
                external_id=other.ticket_id,
                number=other.ticket_number,
                now=now,
            )
            effects.tx.run(sa.update(t.ticket).where(_k.id == twin).values(stray=True))
            what = f"ticket {other.ticket_number or other.ticket_id}"
        else:
            made = other.comment_id or other.attachment_id or ""
            what = f"{row.kind} {made}"
            if row.item_kind is not None and made:
                twin_pair = ItemPair(
                    kind=row.item_kind,
                    origin=Side(row.target),
                    source_id=made,
                    state=PairState.DUPLICATE,
                    key=row.key,
                )
                save_pairs(effects.writes, row.link, [twin_pair])
        note(effects, row, "operation.doubled", Told(now=now, detail=f"a second effect: {what}"))


# --- around it -------------------------------------------------------------------------------


def touch_target(effects: Effects, row: Row, now: datetime, *, wrote: bool) -> None:
    """Move the target's write epoch; have it read back when bytes may have reached it."""
    if row.target_row is None:
        return
    if wrote:
        effects.writes.add(_WROTE, {"row": row.target_row, "now": now})
    else:
        effects.writes.add(_EPOCH, {"row": row.target_row})


def decide_about_source(effects: Effects, row: Row, now: datetime) -> None:
    """Have the ticket the change came from decided about."""
    effects.writes.add(_DECIDE, {"row": row.source_row, "now": now})


def note(
    effects: Effects, row: Row, event: str, told: Told, *, target_row: TicketRow | None = None
) -> None:
    """Add a journal line about an operation."""
    effects.lines.append(
        Line(
            at=told.now,
            event=event,
            detail=told.detail,
            correlation_id=row.correlation_id,
            connection=row.connection,
            ticket=target_row or row.target_row,
            link=row.link,
            operation=row.id,
            mapping=row.mapping,
            actor=told.actor,
            revision=row.revision,
        )
    )
