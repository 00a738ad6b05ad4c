"""Opening the store, and handing units of work to it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import sqlalchemy as sa

from syncd.model.errors import CommandRefused
from syncd.ports.clock import Clock, SystemClock
from syncd.store.lock import holder_of
from syncd.store.records import HolderInfo
from syncd.store.tx import Tx

__all__ = [
    "Call",
    "Database",
    "Tx",
    "Unit",
    "is_sqlite",
    "many_of",
    "read_holder",
    "sqlite_path",
    "together",
]

P = ParamSpec("P")
T = TypeVar("T")

Call = tuple[tuple[Any, ...], dict[str, Any]]
"""Arguments of one call of a unit, the transaction apart."""

Many = Callable[[Tx, Sequence[Call]], list[Any]]
"""Does what a unit does, for many calls; all of them or none."""

Unit = Callable[Concatenate[Tx, P], T]
"""A plain function that works in one transaction; the package's docstring says what it may do."""


def together(many: Many) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Say how many calls of a unit that wait at the same time are carried out as one.

    Each call keeps its own result. When `many` fails, the calls are carried out one by one, so that
    one that cannot be stored does not harm the others.
    """

    def mark(unit: Callable[P, T]) -> Callable[P, T]:
        unit.together = many  # type: ignore[attr-defined]
        return unit

    return mark


def many_of(unit: object) -> Many | None:
    """Return how to carry out many calls of a unit; None: one by one."""
    return getattr(unit, "together", None)


def _engine(name: str) -> Any:
    """Load an engine only when a store of its kind is opened; engines build on this module."""
    return import_module(f"syncd.store.{name}").ENGINE


class Database(ABC):
    """The store, open. Used by many tasks at once."""

    is_shared: bool
    """Whether other processes may work on the same store (PostgreSQL)."""

    @staticmethod
    async def open(
        url: str,
        *,
        read_only: bool = False,
        upgrade: bool = False,
        what: str = "syncd",
        clock: Clock | None = None,
    ) -> "Database":
        """Open a store.

        Args:
            url: `sqlite:////absolute/path` or `postgresql+asyncpg://…`.
            read_only: never writes, needs no lock, works beside a running daemon.
            upgrade: bring the schema up to date first (and make it in an empty database).
            what: how we call ourselves to whoever meets our lock.
            clock: for the start time in the lock; None: the machine's.

        Raises:
            CommandRefused: the address cannot be used.
            StoreHeld: another process holds this SQLite file.
            SchemaMismatch: the schema is older or newer than this version.
            StoreUnavailable: it cannot be reached.
        """
        started_at = (clock or SystemClock()).now()
        if is_sqlite(url):
            opened: Database = await _engine("sqlite").start(
                sqlite_path(url),
                read_only=read_only,
                upgrade=upgrade,
                what=what,
                started_at=started_at,
            )
            return opened
        database: Database = await _engine("postgres").start(
            url, read_only=read_only, upgrade=upgrade
        )
        return database

    @abstractmethod
    async def write(self, unit: Unit[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a unit in a transaction; return once it is stored for good.

        A caller that is cancelled while waiting does not undo the unit.

        Raises:
            StoreUnavailable: it could not be stored.
        """

    @abstractmethod
    async def read(self, unit: Unit[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a unit that only reads, on one consistent state of the store.

        Raises:
            StoreUnavailable: it could not be read.
        """

    @abstractmethod
    async def close(self) -> None:
        """Finish what was handed in, then close."""

    async def hold_owner(self, owner: str) -> None:  # noqa: B027 - one process alone need not
        """Let others see, while this process lives, that the claims of `owner` are alive.

        To be called again now and then: a session that was lost is made anew.

        Raises:
            StoreUnavailable: others may take this owner for dead; it must not claim anything.
        """

    @property
    def is_owner_held(self) -> bool:
        """Whether others see that the owner lives; what is not held may not claim."""
        return True

    def belongs_to(self, prefix: str) -> None:  # noqa: B027 - a file is opened once
        """Use no database but the one with this prefix from now on.

        Where a server's name leads to another one all at once, to a standby without the data, every
        unit fails with StoreUnavailable until the right one is back.
        """

    @property
    def held_as(self) -> str:
        """The owner's name, while others see that it lives; empty: they cannot."""
        return ""

    def ring_with(self, bell: Callable[[str], None]) -> None:  # noqa: B027 - nobody else is there
        """Call this when another process says `delivery` or `intake` (see `Tx.ring`)."""

    async def __aenter__(self) -> Self:
        """Use the store as a context."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.close()


def is_sqlite(url: str) -> bool:
    """Say which database an address is of.

    Raises:
        CommandRefused: of none that syncd works on.
    """
    try:
        backend = sa.make_url(url).get_backend_name()
    except sa.exc.ArgumentError as error:
        raise CommandRefused(f"the store's address cannot be read; {ACCEPTED}") from error
    if backend not in ("sqlite", "postgresql"):
        raise CommandRefused(f"syncd does not work on {backend}; {ACCEPTED}")
    return backend == "sqlite"


ACCEPTED = "accepted: sqlite:////absolute/path or postgresql+asyncpg://user@host/database"


def sqlite_path(url: str) -> Path:
    """Give the file of a SQLite address.

    Raises:
        CommandRefused: the path is missing or relative.
    """
    name = sa.make_url(url).database or ""
    path = Path(name)
    if not path.is_absolute():
        raise CommandRefused(
            f"the store's path {name!r} is relative, so it would depend on where syncd is started; "
            f"write sqlite:////absolute/path (four slashes)"
        )
    return path


def read_holder(url: str) -> HolderInfo | None:
    """Say who holds a store for writing; None when nobody does, or on PostgreSQL."""
    return holder_of(sqlite_path(url)) if is_sqlite(url) else None
