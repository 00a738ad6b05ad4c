"""Mappings: what outlives their files, and which links a configuration would leave without one."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from syncd.model.errors import CommandRefused
from syncd.model.ids import ConnectionName, MappingName
from syncd.store import journal, meta
from syncd.store import tables as t
from syncd.store.links import pause_of
from syncd.store.records import Line, MappingRecord, Pause
from syncd.store.tx import Row, Tx
from syncd.store.types import sooner

ASKED = "opening.asked"
"""Journalled of a ticket for which a person asked a partner, however old it is."""

_c = t.mapping_state.c
_NAMED = sa.select(t.mapping_state).where(_c.name == sa.bindparam("asked", type_=sa.Text()))
_GOES_LIVE = (
    sa.update(t.mapping_state)
    .where(_c.name == sa.bindparam("asked"), _c.first_live_at.is_(None))
    .values(first_live_at=sa.bindparam("now"))
)
_LOCKED = _NAMED.with_for_update()
_PAUSED = sa.select(t.mapping_state).where(_c.paused_at.is_not(None)).order_by(_c.name)


def sync(
    tx: Tx,
    name: MappingName,
    *,
    mode: str,
    revision: str,
    now: datetime,
    was: MappingName | None = None,
    sides: Collection[tuple[ConnectionName, str]] = (),
) -> MappingRecord:
    """Take note of a mapping as configured; a new mode or revision is journalled.

    One that goes live again is decided about anew: what it would have written meanwhile is due.

    Args:
        tx: the transaction.
        name: the mapping.
        mode: dry_run, live or paused; the first time it is live is kept.
        revision: digest of its file and tables.
        now: when.
        was: a former name, whose links and state it takes over.
        sides: connection and kind of ticket of both sides.
    """
    if was is not None:
        _rename(tx, was, name)
    row = tx.first(_NAMED, {"asked": name})
    if row is None:
        tx.run(sa.insert(t.mapping_state), {"name": name, "mode": "", "revision": ""})
    if row is None or (row.mode, row.revision) != (mode, revision):
        update = sa.update(t.mapping_state).where(_c.name == name)
        tx.run(update.values(mode=mode, revision=revision))
        if row is not None and row.revision not in ("", revision):
            tx.run(update.values(edited_at=now))
        line = Line(at=now, event="mapping.loaded", detail=mode, mapping=name, revision=revision)
        journal.append(tx, line)
    if mode == "live":
        live_at = first_live(tx, name, now)
        if row is not None and row.mode not in ("", "live"):
            _decide_anew(tx, name, sides, since=live_at.replace(microsecond=0), now=now)
    return get(tx, name)


def _decide_anew(
    tx: Tx,
    name: MappingName,
    sides: Collection[tuple[ConnectionName, str]],
    *,
    since: datetime,
    now: datetime,
) -> None:
    """Make the mapping's linked tickets due to be decided, and those it may open partners for.

    These are the ones made since it is live, and older ones for which a person asked a partner.
    """
    c, k = t.ticket.c, t.link.c
    is_linked = sa.exists().where(
        sa.or_(k.itsm_ticket == c.id, k.vendor_ticket == c.id),
        k.mapping == name,
        k.tombstone_at.is_(None),
    )
    made = sa.func.coalesce(c.provider_created_at, c.first_seen_at) >= since
    here = (sa.and_(c.connection == each, c.kind == kind) for each, kind in sides)
    j = t.journal.c
    asked = sa.exists().where(j.ticket == c.id, j.mapping == name, j.event == ASKED)
    which = sa.or_(is_linked, sa.and_(sa.or_(sa.false(), *here), sa.or_(made, asked)))
    tx.run(
        sa.update(t.ticket)
        .where(which, c.snapshot.is_not(None))
        .values(decide_due_at=sooner(c.decide_due_at, now))
    )


def _rename(tx: Tx, old: MappingName, new: MappingName) -> None:
    if tx.scalar(sa.select(_c.name).where(_c.name == old)) is None:
        return
    if tx.scalar(sa.select(_c.name).where(_c.name == new)) is not None:
        raise CommandRefused(f"mapping {old} cannot become {new}: the store has links of both")
    meta.note_renamed(tx, "mapping", old, new)
    for column in (_c.name, t.link.c.mapping, t.operation.c.mapping):
        tx.run(sa.update(column.table).where(column == old).values({column: new}))
    # What was told of a ticket is asked for again when it is decided about, by the mapping's name.
    c = t.journal.c
    told = sa.update(t.journal).where(c.mapping == old, c.ticket.is_not(None))
    tx.run(told.values(mapping=new))


def first_live(tx: Tx, name: MappingName, now: datetime) -> datetime:
    """Return when a mapping first went live: now, when it did not yet."""
    tx.run(_GOES_LIVE, {"asked": name, "now": now})
    at = get(tx, name).first_live_at
    return at or now


def live_since(tx: Tx, name: MappingName) -> datetime | None:
    """Return when a mapping first went live; None when it did not yet."""
    at: datetime | None = tx.scalar(sa.select(_c.first_live_at).where(_c.name == name))
    return at


def find(tx: Tx, name: MappingName) -> MappingRecord | None:
    """Return a mapping's state; None where the store knows none, as when it was just renamed."""
    row = tx.first(_NAMED, {"asked": name})
    return _record(row) if row is not None else None


def refuse_former_name(tx: Tx, name: MappingName) -> None:
    """Refuse to work for a mapping under a name that it no longer has.

    Who gave the command had loaded the configuration before the mapping was renamed. A name that
    the store never heard of is that of a mapping no daemon has run yet.

    Raises:
        CommandRefused: it has another name now.
    """
    if find(tx, name) is not None:
        return
    known = [one.name for one in overview(tx)]
    asked = [("mapping", str(each)) for each in (name, *known)]
    first, *firsts = meta.first_names(tx, *asked)
    for new, first_of_it in zip(known, firsts, strict=True):
        if first_of_it == first:
            raise CommandRefused(f"mapping {name} is called {new} now; give the command again")


def get(tx: Tx, name: MappingName, *, lock: bool = False) -> MappingRecord:
    """Return a mapping's state.

    Args:
        tx: the transaction.
        name: the mapping.
        lock: nobody else counts and opens for it until the transaction ends.

    Raises:
        CommandRefused: the store does not know it.
    """
    row = tx.first(_LOCKED if lock and tx.is_postgres else _NAMED, {"asked": name})
    if row is None:
        known = ", ".join(tx.scalars(sa.select(_c.name).order_by(_c.name))) or "none yet"
        raise CommandRefused(f"there is no mapping {name}; known: {known}")
    return _record(row)


def _record(row: Row) -> MappingRecord:
    return MappingRecord(
        name=MappingName(row.name),
        mode=row.mode,
        revision=row.revision,
        first_live_at=row.first_live_at,
        pause=pause_of(row),
        resumed_at=row.resumed_at,
        edited_at=row.edited_at,
    )


def pause(tx: Tx, name: MappingName, reason: str, *, by: str, now: datetime) -> None:
    """Stop writing for a mapping; what is planned waits.

    Raises:
        CommandRefused: the store does not know it.
    """
    get(tx, name)
    values = {"paused_by": by, "paused_reason": reason, "paused_at": now}
    tx.run(sa.update(t.mapping_state).where(_c.name == name).values(values))
    line = Line(at=now, event="mapping.paused", detail=reason, mapping=name, actor=by)
    journal.append(tx, line)


def resume(tx: Tx, name: MappingName, *, by: str, now: datetime) -> None:
    """Let a mapping write again.

    Raises:
        CommandRefused: the store does not know it.
    """
    get(tx, name)
    values = {"paused_by": None, "paused_reason": None, "paused_at": None, "resumed_at": now}
    tx.run(sa.update(t.mapping_state).where(_c.name == name).values(values))
    journal.append(tx, Line(at=now, event="mapping.resumed", mapping=name, actor=by))


def paused(tx: Tx) -> dict[MappingName, Pause]:
    """Return the mappings a person or a fuse paused."""
    pauses = {MappingName(row.name): pause_of(row) for row in tx.rows(_PAUSED)}
    return {name: found for name, found in pauses.items() if found is not None}


def overview(tx: Tx) -> list[MappingRecord]:
    """Return all mappings the store knows, by name."""
    return [_record(row) for row in tx.rows(sa.select(t.mapping_state).order_by(_c.name))]


def orphans(
    tx: Tx, mappings: Collection[MappingName], connections: Collection[ConnectionName]
) -> list[str]:
    """Name what a configuration would leave behind, one line each; empty: nothing.

    Args:
        tx: the transaction.
        mappings: names of the new configuration, former names included.
        connections: likewise.
    """
    k, c = t.link.c, t.ticket.c
    live = k.tombstone_at.is_(None)
    links = sa.select(k.mapping, sa.func.count().label("n")).where(live).group_by(k.mapping)
    lost = [
        f"mapping {row.mapping} is not configured any more but has {row.n} links; bring it back, "
        f"or say `was: {row.mapping}` in the file it became"
        for row in tx.rows(links)
        if row.mapping not in mappings
    ]
    linked = sa.or_(k.itsm_ticket == c.id, k.vendor_ticket == c.id)
    used = sa.select(c.connection).distinct().where(sa.exists().where(linked, live))
    return lost + [
        f"connection {name} is not configured any more but has linked tickets; bring it back, or "
        f"say `was: {name}` in the one it became"
        for name in sorted(tx.scalars(used))
        if name not in connections
    ]
