"""What app itself asks of the store: who we are, pushed numbers, commands, tokens, figures."""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel

from syncd.app.assembly import Plant, TokenStore
from syncd.gateway.metrics import StoreSample
from syncd.gateway.operators import UnknownCommand
from syncd.model.errors import CommandRefused, SettingsError
from syncd.model.ids import ConnectionName, Side
from syncd.model.secret import Secret
from syncd.ports.clock import Clock
from syncd.settings.values import ConnectionSettings, Settings
from syncd.store import connections, credentials, inbox, leases, mappings, marking, meta, reports
from syncd.store.commands import COMMANDS
from syncd.store.database import Database, is_sqlite
from syncd.store.errors import SchemaMismatch, SchemaMissing, StoreUnavailable
from syncd.store.records import ConnectionPin, Instance
from syncd.store.tx import Tx

PREFIX_CHARS = 6
"""Random characters that make this store's operation keys its own."""

MARK_CHARS = 16
"""Random characters that make this store's spool its own."""


async def settle(db: Database, settings: Settings, *, prefix: str, now: datetime) -> Instance:
    """Hold a configuration against what the store knows, and make it the one that counts.

    Args:
        db: the store.
        settings: the configuration.
        prefix: of a store that has none yet.
        now: aware UTC instant.

    Raises:
        CommandRefused: another environment, or an account that moved.
        SettingsError: it would orphan live links.
    """
    return await db.write(_settle, settings, prefix=prefix, now=now)


async def refuse_emptied(url: str, folder: Path) -> None:
    """See that a server's database that had our data is not a new one all at once.

    A standby that got none of it, another address: begun anew, nothing would be known any more of
    what is paired and what was sent.

    Args:
        url: the store's address.
        folder: its spool.

    Raises:
        CommandRefused: it has nothing of ours, and the spool shows that it had.
        StoreUnavailable: it cannot be reached.
    """
    if is_sqlite(url) or not await asyncio.to_thread(marking.read, folder):
        return
    try:
        async with await Database.open(url, read_only=True) as db:
            is_new = not await db.read(meta.is_initialised)
    except SchemaMissing:
        is_new = True
    except SchemaMismatch:
        # An older one is brought up to date.
        return
    if is_new:
        raise CommandRefused(
            f"the database is empty, but {folder} is the spool of a store: a standby that has not "
            f"got its data, or another address? Bring the data back, then `syncd db restored`; to "
            f"begin anew with nothing, name an empty folder as store.spool"
        )


def _settle(tx: Tx, settings: Settings, *, prefix: str, now: datetime) -> Instance:
    instance = meta.initialise(tx, environment=settings.environment, prefix=prefix)
    for connection in settings.connections.values():
        if connection.was is not None:
            connections.rename(tx, connection.was, connection.name)
    for connection in settings.connections.values():
        connections.pin(tx, pin_of(connection))
    for rules in settings.mappings.values():
        mappings.sync(
            tx,
            rules.name,
            mode=rules.mode,
            revision=rules.revision,
            now=now,
            was=rules.was,
            sides=[(name, rules.kind(side)) for side in Side for name in rules.connections(side)],
        )
    lost = mappings.orphans(tx, list(settings.mappings), list(settings.connections))
    if lost:
        raise SettingsError(lost)
    return instance


async def settle_spool(db: Database, folder: Path, *, mark: str) -> None:
    """See to it that a folder is the spool of this store (`store.marking`).

    Args:
        db: the store.
        folder: from the settings.
        mark: random, used only when the store has none.

    Raises:
        CommandRefused: it is another folder.
        StoreUnavailable: it cannot be used.
    """
    known = await db.read(marking.known)
    if known.is_made and await asyncio.to_thread(marking.read, folder) == known.mark:
        return
    if not known.mark:
        await db.write(marking.choose, mark)
    await db.write(marking.settle, folder)


def pin_of(connection: ConnectionSettings) -> ConnectionPin:
    """Say what of a connection may not change under a store that knows its tickets."""
    return ConnectionPin(
        name=connection.name,
        provider=connection.provider,
        base_host=urlsplit(connection.base_url).netloc.lower(),
        account=_account_of(connection.options),
    )


def _account_of(options: BaseModel) -> str:
    # The vendor's own name of the account; who logs in to it may change.
    told: object = getattr(options, "account_id", "")
    return told if isinstance(told, str) else ""


class StoredInbox:
    """The gateway's Inbox."""

    def __init__(self, db: Database, clock: Clock) -> None:
        """Take the store."""
        self._db = db
        self._clock = clock

    async def put(self, connection: str, numbers: tuple[str, ...], *, received_from: str) -> None:
        await self._db.write(
            inbox.put,
            ConnectionName(connection),
            "notify",
            orjson.dumps({"numbers": numbers}).decode(),
            received_at=self._clock.now(),
            received_from=received_from,
        )


class StoredCommands:
    """The operators' Commands."""

    def __init__(self, db: Database, clock: Clock) -> None:
        """Take the store."""
        self._db = db
        self._clock = clock

    async def run(self, name: str, args: Mapping[str, object], actor: str) -> object:
        command = COMMANDS.get(name)
        if command is None:
            raise UnknownCommand(name)
        return await self._db.write(command, args, actor, self._clock.now())


def token_store(db: Database, key: Secret, clock: Clock) -> TokenStore:
    """Keep rotated refresh tokens in the store, encrypted."""

    async def load(name: str) -> Secret | None:
        stored = await db.read(credentials.load, key, name)
        return None if stored is None else Secret(stored.secret.decode())

    async def save(name: str, token: Secret) -> None:
        await db.write(credentials.save, key, name, token.reveal().encode(), now=clock.now())

    return TokenStore(load, save)


async def sample(db: Database, plant: Plant, *, now: datetime) -> StoreSample:
    """Ask the store, and the connections' budgets, what a scrape shows."""
    figures = await db.read(reports.metrics, now)
    paused = await db.read(connections.paused)
    return StoreSample(
        operations=figures.operations,
        oldest_undelivered_at=figures.oldest_undelivered_at,
        parked=figures.parked,
        conflicts=figures.conflicts,
        inbox=figures.inbox,
        links=figures.links,
        tickets={
            (name, what): count
            for name, counts in figures.tickets.items()
            for what, count in (
                ("known", counts.known),
                ("watched", counts.watched),
                ("due", counts.due),
                ("failing", counts.failing),
                ("gone", counts.gone),
            )
        },
        paused=frozenset(paused),
        breakers={name: plant.budget(name).breaker.state for name in plant.settings.connections},
    )


async def take_poll(
    db: Database, connection: ConnectionName, *, owner: str, now: datetime, for_s: float
) -> bool:
    """Say whether this process polls a connection now; on SQLite there is no other."""
    if not db.is_shared:
        return True
    until = now + timedelta(seconds=for_s)
    name, held_as = f"poll/{connection}", db.held_as
    return await db.write(leases.take, name, owner, now=now, until=until, held_as=held_as)


async def give_back_poll(db: Database, connection: ConnectionName, *, owner: str) -> None:
    """Let another process poll a connection at once."""
    if db.is_shared:
        await db.write(leases.give_back, f"poll/{connection}", owner)


class SharedRate:
    """One login's time among all daemons of a store (DESIGN section 8)."""

    def __init__(self, db: Database, login: ConnectionName, clock: Clock) -> None:
        """Take the store.

        Args:
            db: shared by several processes.
            login: the connection the login is named after.
            clock: for a store that is a file.
        """
        self._db = db
        self._name = f"rate/{login}"
        self._clock = clock

    async def reserve(self, *, length_s: float, within_s: float) -> float:
        """Take the next free piece; see `SharedTime`."""
        length, within = timedelta(seconds=length_s), timedelta(seconds=max(0.0, within_s))
        now = self._clock.now()
        try:
            begins = await self._db.write(
                leases.reserve, self._name, now=now, length=length, within=within
            )
        except StoreUnavailable:
            # Without the store nothing new is claimed; what is under way keeps its own pace.
            return 0.0
        return begins.total_seconds()

    async def postpone(self, *, by_s: float) -> None:
        """Let no piece begin for a while; see `SharedTime`."""
        length = timedelta(seconds=by_s)
        with contextlib.suppress(StoreUnavailable):  # This process keeps the pause all the same.
            await self._db.write(leases.postpone, self._name, now=self._clock.now(), length=length)


def nothing(_tx: Tx) -> None:
    """Answer that the store's writer answers; a transaction without a write."""
