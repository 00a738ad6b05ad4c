"""Where a command keeps refresh tokens that rotate.

Some logins change their refresh token with every use, so that two processes must not share one: the
daemon's is in the store, and a command beside it would leave the daemon with one that is used up.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from syncd.model.errors import CommandRefused

if TYPE_CHECKING:
    from syncd.app.assembly import TokenStore
    from syncd.model.secret import Secret
    from syncd.settings.values import Settings


async def token_store(settings: "Settings", stack: AsyncExitStack) -> "TokenStore":
    """Keep tokens in the store where that is ours; else make sure that none is used up.

    Args:
        settings: the configuration.
        stack: closes the store in the end.
    """
    from syncd.app.assembly import TokenStore
    from syncd.app.places import store_url
    from syncd.app.stored import token_store as stored
    from syncd.ports.clock import SystemClock
    from syncd.store.database import Database, is_sqlite, sqlite_path
    from syncd.store.errors import StoreHeld

    url = store_url(settings.store)
    if is_sqlite(url) and not sqlite_path(url).exists():
        return TokenStore(_none, _made(settings))
    try:
        db = await stack.enter_async_context(await Database.open(url, what="syncd, asking"))
    except StoreHeld:
        beside = await stack.enter_async_context(await Database.open(url, read_only=True))
        return TokenStore(_refusing(stored(beside, settings.store.key, SystemClock()).load), _lost)
    return stored(db, settings.store.key, SystemClock())


async def _none(_key: str) -> "Secret | None":
    return None


def _refusing(
    load: "Callable[[str], Awaitable[Secret | None]]",
) -> "Callable[[str], Awaitable[Secret | None]]":
    async def loaded(key: str) -> "Secret | None":
        if await load(key) is not None:
            raise CommandRefused(
                f"the running daemon uses the login of {_name(key)}, which changes its token with "
                f"every use: stop the daemon for this command"
            )
        return None

    return loaded


async def _lost(key: str, _token: "Secret") -> None:
    raise CommandRefused(
        f"the login of {_name(key)} changed its token and a running daemon holds the store: the "
        f"new one cannot be kept; give the connection a new token and restart the daemon"
    )


def _made(settings: "Settings") -> "Callable[[str, Secret], Awaitable[None]]":
    async def save(key: str, token: "Secret") -> None:
        # The old token is used up: a store is made rather than the new one lost.
        from syncd.app.places import store_url
        from syncd.app.stored import token_store as stored
        from syncd.ports.clock import SystemClock
        from syncd.store.database import Database

        async with await Database.open(store_url(settings.store), upgrade=True) as db:
            await stored(db, settings.store.key, SystemClock()).save(key, token)

    return save


def _name(key: str) -> str:
    return key.split("/")[1] if "/" in key else key
