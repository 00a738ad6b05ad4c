"""Adapters for commands that ask the systems themselves; built as the daemon builds its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from syncd.cli import stores
from syncd.cli.logins import token_store

if TYPE_CHECKING:
    from syncd.model.ids import ConnectionName
    from syncd.ports.adapter import Adapter
    from syncd.ports.served import ServedTickets
    from syncd.settings.values import Settings


@asynccontextmanager
async def adapter(
    settings: "Settings", name: "ConnectionName", *, share: float = 1.0
) -> "AsyncIterator[Adapter]":
    """Build one connection's adapter; nothing is sent until it is used.

    Args:
        settings: the configuration.
        name: the connection.
        share: part of its rate that may be used, beside a daemon that uses it too.

    Raises:
        CommandRefused: a daemon uses its login, which two cannot share.
    """
    from syncd.app.assembly import Workshop, build
    from syncd.log import ExchangeLog
    from syncd.ports.clock import SystemClock, SystemIds
    from syncd.transport.pool import ClientPool

    stores.be_quiet()
    wanted = {name, settings.connections[name].login}
    alone = replace(
        settings,
        connections={each: settings.connections[each] for each in wanted},
        mappings={},
        tests={},
    )
    async with AsyncExitStack() as stack:
        pool = ClientPool()
        stack.push_async_callback(pool.close)
        workshop = Workshop(
            pool=pool,
            clock=SystemClock(),
            ids=SystemIds(),
            tokens=await token_store(settings, stack),
            log=ExchangeLog([]),
            changed=_nothing,
            served=await _served(alone, stack),
            share=share,
        )
        plant = await build(alone, workshop)
        yield plant.adapters[name]


async def _served(settings: "Settings", stack: AsyncExitStack) -> "ServedTickets | None":
    """Open the tickets of a connection that is served, for reading."""
    from syncd.app.assembly import offers_of
    from syncd.app.places import store_url
    from syncd.app.serving import Offers, served_tickets
    from syncd.ports.clock import SystemClock, SystemIds
    from syncd.store.database import Database
    from syncd.store.spool import Spool

    if not offers_of(settings):
        return None
    db = await stack.enter_async_context(
        await Database.open(store_url(settings.store), read_only=True)
    )
    spool = Spool(settings.store.spool)
    return served_tickets(db, spool, Offers(settings), clock=SystemClock(), ids=SystemIds())


def _nothing() -> None:
    """Nobody waits for a change of the connection."""
