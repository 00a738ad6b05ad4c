"""Conflicts: slots both sides changed differently, and how a person resolves them (DESIGN R7)."""

from datetime import datetime

import sqlalchemy as sa

from syncd.core.state import BaselineState
from syncd.model.errors import CommandRefused
from syncd.model.ids import LinkRow, MappingName, Side
from syncd.model.ticket import Value
from syncd.store import codec, journal
from syncd.store import tables as t
from syncd.store.links import lock_links
from syncd.store.records import ConflictRecord, Line
from syncd.store.tx import Row, Tx

_c = t.conflict.c


def list_open(tx: Tx, *, link_id: LinkRow | None = None) -> list[ConflictRecord]:
    """Return the conflicts that wait for a person, oldest first."""
    rows = tx.rows(_OPEN) if link_id is None else tx.rows(_OPEN_OF, {"of_link": link_id})
    return [_record(row) for row in rows]


_itsm, _vendor = t.ticket.alias(), t.ticket.alias()
_QUERY = (
    sa.select(
        t.conflict,
        t.link.c.mapping,
        _itsm.c.number.label("itsm_number"),
        _vendor.c.number.label("vendor_number"),
    )
    .join_from(t.conflict, t.link, t.link.c.id == _c.link)
    .outerjoin(_itsm, _itsm.c.id == t.link.c.itsm_ticket)
    .outerjoin(_vendor, _vendor.c.id == t.link.c.vendor_ticket)
)
_OPEN = _QUERY.where(_c.resolved_at.is_(None)).order_by(_c.id)
_OPEN_OF = _OPEN.where(_c.link == sa.bindparam("of_link"))


def _record(row: Row) -> ConflictRecord:
    return ConflictRecord(
        id=row.id,
        link_id=LinkRow(row.link),
        mapping=MappingName(row.mapping),
        slot=row.slot,
        itsm_value=codec.load(row.itsm_value),
        vendor_value=codec.load(row.vendor_value),
        place=row.place,
        found_at=row.found_at,
        numbers={Side.ITSM: row.itsm_number or "", Side.VENDOR: row.vendor_number or ""},
    )


def resolve(tx: Tx, conflict_id: int, keep: Side, *, by: str, now: datetime) -> ConflictRecord:
    """Decide a conflict: the kept side's value is sent to the other by the next decision.

    How: the value given up becomes the baseline of its side, so that it is no longer a change; the
    kept side's baseline becomes one that no value equals, so that what it shows then is one, also
    where that was changed back meanwhile. Then the slot is no longer frozen and the next decision
    sees a change on one side only.

    Raises:
        CommandRefused: there is no such conflict, or it is resolved.
    """
    row = tx.first(_QUERY.where(_c.id == conflict_id))
    if row is None:
        raise CommandRefused(
            f"there is no conflict {conflict_id}; `syncd conflicts list` shows them"
        )
    if row.resolved_at is not None:
        raise CommandRefused(
            f"conflict {conflict_id} was resolved by {row.resolved_by} at "
            f"{row.resolved_at:%Y-%m-%d %H:%M} in favour of {row.kept}"
        )
    record = _record(row)
    lock_links(tx, [record.link_id])
    values = {Side.ITSM: record.itsm_value, Side.VENDOR: record.vendor_value}
    _set_baseline(tx, record, keep.other, values[keep.other])
    # No field holds this value, so that whatever the kept side shows by then is a change.
    _set_baseline(tx, record, keep, {"kept": f"conflict {conflict_id}"})
    tx.run(
        sa.update(t.conflict)
        .where(_c.id == conflict_id)
        .values(resolved_at=now, resolved_by=by, kept=keep)
    )
    sides = sa.select(t.link.c.itsm_ticket).where(t.link.c.id == record.link_id)
    other = sa.select(t.link.c.vendor_ticket).where(t.link.c.id == record.link_id)
    about = sa.or_(t.ticket.c.id.in_(sides), t.ticket.c.id.in_(other))
    tx.run(sa.update(t.ticket).where(about).values(decide_due_at=now))
    journal.append(
        tx,
        Line(
            at=now,
            event="conflict.resolved",
            detail=f"{record.slot}: kept {keep} {values[keep]!r}, gave up {values[keep.other]!r}",
            link=record.link_id,
            mapping=record.mapping,
            actor=by,
            place=record.place,
        ),
    )
    return record


def _set_baseline(tx: Tx, record: ConflictRecord, side: Side, value: Value) -> None:
    insert = tx.insert(t.baseline).values(
        link=record.link_id,
        side=side,
        slot=record.slot,
        value=codec.dump(value),
        state=BaselineState.AGREED,
    )
    tx.run(
        insert.on_conflict_do_update(
            index_elements=["link", "side", "slot"],
            set_={"value": insert.excluded.value, "state": insert.excluded.state},
        )
    )
