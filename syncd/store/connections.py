"""Connections: what is pinned of them, how they are, whether a person or an error paused them."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from syncd.model.errors import CommandRefused
from syncd.model.ids import ConnectionName
from syncd.model.operation import OperationState
from syncd.store import journal, meta
from syncd.store import tables as t
from syncd.store.links import pause_of
from syncd.store.records import ConnectionPin, ConnectionRecord, Line, Pause
from syncd.store.tx import Row, Tx
from syncd.store.types import Instant

_c = t.connection.c
_P = sa.bindparam
_NOTE_NEWS = (
    sa.update(t.connection)
    .where(
        _c.name == _P("which"),
        sa.or_(_c.last_news_at.is_(None), _c.last_news_at <= _P("stale_at", type_=Instant())),
    )
    .values(last_news_at=_P("at", type_=Instant()))
)
_PAUSED = sa.select(t.connection).where(_c.paused_at.is_not(None))
# A maximum per connection, each the end of an index: grouping would walk every row there ever was.
_LAST_READ = sa.select(sa.func.max(t.ticket.c.read_at)).where(
    t.ticket.c.connection == _c.name, t.ticket.c.read_at.is_not(None)
)
_NAMED = sa.select(t.connection).where(_c.name == sa.bindparam("asked"))
_LAST_WRITE = sa.select(sa.func.max(t.operation.c.settled_at)).where(
    t.operation.c.connection == _c.name,
    t.operation.c.state == sa.literal_column(f"'{OperationState.APPLIED}'"),
)
_OVERVIEW = sa.select(
    t.connection,
    _LAST_READ.scalar_subquery().label("last_read_at"),
    _LAST_WRITE.scalar_subquery().label("last_write_at"),
).order_by(_c.name)


def pin(tx: Tx, pinned: ConnectionPin) -> None:
    """Note a connection's provider, host and account, or compare them with what is noted.

    Raises:
        CommandRefused: they differ: its tickets would be taken for another system's.
    """
    row = tx.first(_NAMED, {"asked": pinned.name})
    if row is None:
        values = {
            "name": pinned.name,
            "provider": pinned.provider,
            "base_host": pinned.base_host,
            "account": pinned.account,
            "health": "",
        }
        tx.run(sa.insert(t.connection), values)
        return
    if _pin_of(row) != pinned:
        raise CommandRefused(
            f"connection {pinned.name} was {row.provider} at {row.base_host} {row.account!r} "
            f"in this store, the settings say {pinned.provider} at {pinned.base_host} "
            f"{pinned.account!r}; give the new one another name"
        )


def rename(tx: Tx, old: ConnectionName, new: ConnectionName) -> bool:
    """Rename a connection (`was:`) wherever it is named but in the journal.

    Returns:
        False when the old name is not known (renamed already).
    """
    if tx.scalar(sa.select(_c.name).where(_c.name == old)) is None:
        return False
    if tx.scalar(sa.select(_c.name).where(_c.name == new)) is not None:
        raise CommandRefused(f"connection {old} cannot become {new}: the store has both")
    meta.note_renamed(tx, "connection", old, new)
    columns = (
        _c.name,
        t.feed.c.connection,
        t.ticket.c.connection,
        t.operation.c.connection,
        t.operation.c.source_connection,
        t.link.c.partner_connection,
        t.inbox.c.connection,
        t.served_ticket.c.connection,
        t.served_call.c.connection,
    )
    for column in columns:
        tx.run(sa.update(column.table).where(column == old).values({column: new}))
    return True


def pause_once(tx: Tx, name: ConnectionName, reason: str, *, by: str, now: datetime) -> bool:
    """Stop a connection's traffic unless it is stopped already; False: it was.

    Of several that come at the same moment, one stops it.
    """
    values = {"paused_by": by, "paused_reason": reason, "paused_at": now}
    flowing = sa.update(t.connection).where(_c.name == name, _c.paused_at.is_(None))
    if not tx.run(flowing.values(values)):
        return False
    line = Line(at=now, event="connection.paused", detail=reason, connection=name, actor=by)
    journal.append(tx, line)
    return True


def pause(tx: Tx, name: ConnectionName, reason: str, *, by: str, now: datetime) -> None:
    """Stop all traffic of a connection; what is planned waits.

    Raises:
        CommandRefused: there is no such connection.
    """
    values = {"paused_by": by, "paused_reason": reason, "paused_at": now}
    _set(tx, name, **values)
    line = Line(at=now, event="connection.paused", detail=reason, connection=name, actor=by)
    journal.append(tx, line)


def resume(tx: Tx, name: ConnectionName, *, by: str, now: datetime) -> None:
    """Let a connection's traffic go on.

    Raises:
        CommandRefused: there is no such connection.
    """
    _set(tx, name, paused_by=None, paused_reason=None, paused_at=None)
    journal.append(tx, Line(at=now, event="connection.resumed", connection=name, actor=by))


def _set(tx: Tx, name: ConnectionName, **values: object) -> None:
    if not tx.run(sa.update(t.connection).where(_c.name == name).values(values)):
        known = ", ".join(tx.scalars(sa.select(_c.name).order_by(_c.name))) or "none yet"
        raise CommandRefused(f"there is no connection {name}; known: {known}")


def paused(tx: Tx) -> dict[ConnectionName, Pause]:
    """Return the paused connections."""
    pauses = {ConnectionName(row.name): pause_of(row) for row in tx.rows(_PAUSED)}
    return {name: found for name, found in pauses.items() if found is not None}


def set_health(tx: Tx, name: ConnectionName, health: str, *, now: datetime) -> bool:
    """Note how a connection is, in words; the instant is that of the change.

    Returns:
        Whether it changed.
    """
    changed = sa.update(t.connection).where(_c.name == name, _c.health != health)
    return tx.run(changed.values(health=health, health_at=now)) > 0


def note_news(
    tx: Tx, name: ConnectionName, now: datetime, *, but_once_in: timedelta = timedelta()
) -> None:
    """Note that the connection told us something by itself (`expect_news`).

    Args:
        tx: the transaction.
        name: whose news.
        now: when.
        but_once_in: news so soon after other news costs no write; many callers at once would
            otherwise wait for one another.
    """
    tx.run(_NOTE_NEWS, {"which": name, "at": now, "stale_at": now - but_once_in})


def overview(tx: Tx) -> list[ConnectionRecord]:
    """Return all connections, by name, with their last read and last applied write."""
    return [
        ConnectionRecord(
            pin=_pin_of(row),
            health=row.health,
            health_at=row.health_at,
            last_news_at=row.last_news_at,
            last_read_at=row.last_read_at,
            last_write_at=row.last_write_at,
            pause=pause_of(row),
        )
        for row in tx.rows(_OVERVIEW)
    ]


def _pin_of(row: Row) -> ConnectionPin:
    return ConnectionPin(
        name=ConnectionName(row.name),
        provider=row.provider,
        base_host=row.base_host,
        account=row.account,
    )
