"""An operator's desk: the example configuration, a real store, and the command line."""

import asyncio
import itertools
import os
import re
from collections.abc import Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import orjson
from typer.testing import CliRunner

from syncd.app.stored import settle as settle_settings
from syncd.cli.application import make
from syncd.cli.facts.traits import intake_config
from syncd.intake.decide import decide_ticket, ingest
from syncd.intake.records import Decider, Snapshot
from syncd.model.ids import ConnectionName, CorrelationId, OperationKey, TicketId, TicketRow
from syncd.model.outbox import ClaimedOperation, Outcome
from syncd.model.ticket import Ticket
from syncd.settings.load import load
from syncd.settings.secrets import SecretSource
from syncd.settings.values import Settings
from syncd.store import journal, outbox, tickets
from syncd.store.database import Database, Tx
from syncd.store.records import Claim, Line
from tests.support.stores import sqlite_store

T = TypeVar("T")

CONFIG = Path(__file__).parents[2] / "config"
"""The configuration we ship; an office has its service desk and Telenor's incidents."""
MAPPING = "mappings/telenor-incidents.yaml"
START = datetime(2026, 3, 1, 2, 55, 58, tzinfo=UTC)
DESK = ConnectionName("servicedesk")
TELENOR = ConnectionName("telenor-no")
KINDS = {DESK: "ticket", TELENOR: "incident"}
OWNER = "test"
READ = (".yaml", ".csv")
"""How the names of a configuration's files end."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its one JSON document."""
        return orjson.loads(self.out)


@dataclass
class Office:
    """One folder with a configuration and a store, filled through the store's own functions."""

    folder: Path
    now: datetime = START
    serial: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _read: tuple[object, Settings] | None = None

    # --- the configuration -------------------------------------------------------------------

    def configure(self, *, mode: str = "live", changes: dict[str, str] | None = None) -> None:
        """Write the configuration we ship, with its store in this folder."""
        (self.folder / "mappings").mkdir(exist_ok=True)
        (self.folder / "tables").mkdir(exist_ok=True)
        daemon = only((CONFIG / "syncd.yaml").read_text(), DESK, TELENOR)
        daemon = daemon.replace("/var/lib/syncd/syncd.db", str(self.folder / "syncd.db"))
        mapping = (CONFIG / MAPPING).read_text()
        mapping = mapping.replace("mode: dry_run", f"mode: {mode}")
        for before, after in (changes or {}).items():
            assert before in daemon + mapping
            daemon, mapping = daemon.replace(before, after), mapping.replace(before, after)
        self.config.write_text(daemon)
        (self.folder / MAPPING).write_text(mapping)
        sites = (CONFIG / "tables" / "sites.csv").read_text()
        (self.folder / "tables" / "sites.csv").write_text(sites)

    @property
    def config(self) -> Path:
        return self.folder / "syncd.yaml"

    def settings(self) -> Settings:
        """Read the configuration, again only when a file of it changed."""
        files = sorted(path for path in self.folder.rglob("*.*") if path.suffix in READ)
        content = tuple((path, path.read_bytes()) for path in files)
        if self._read is None or self._read[0] != content:
            found = load(self.config, secrets=SecretSource(environ={}, needed=False))
            self._read = (content, found)
        return self._read[1]

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'syncd.db'}"

    # --- commands ------------------------------------------------------------------------------

    def says(self, *words: str, environ: dict[str, str] | None = None) -> Said:
        """Give a command with this configuration."""
        return self.types("--config", str(self.config), *words, environ=environ)

    def types(self, *words: str, environ: dict[str, str] | None = None) -> Said:
        """Give a command as typed."""
        given = {"COLUMNS": "400", "SUDO_USER": "anna"} | (environ or {})
        kept = {name: None for name in os.environ if name.startswith("SYNCD_")}
        result = CliRunner().invoke(make(), list(words), env=kept | given)
        return Said(result.exit_code, result.stdout, result.stderr)

    # --- the store -----------------------------------------------------------------------------

    def does(self, work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
        """Do something with the store, open for writing."""

        async def open_and_work() -> T:
            async with self.opened() as db:
                return await work(db)

        return asyncio.run(open_and_work())

    @asynccontextmanager
    async def opened(self) -> Any:
        async with await Database.open(sqlite_store(self.folder / "syncd.db")) as db:
            await settle_settings(db, self.settings(), prefix="e98c49", now=self.now)
            yield db

    def writes(self, unit: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run one unit in a transaction of its own."""

        async def work(db: Database) -> T:
            return await db.write(unit, *args, **kwargs)

        return self.does(work)

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def decider(self) -> Decider:
        number = next(self.serial)
        keys = itertools.count(1)
        return Decider(
            config=intake_config(self.settings()),
            new_key=lambda: OperationKey(f"e98c49-{number:06x}{next(keys):06x}"),
            correlation_id=CorrelationId(f"{number:08x}"),
            seen_at=self.now,
            now=self.now,
        )

    def read(
        self, connection: ConnectionName, ticket: Ticket, *, notified: bool = False
    ) -> TicketRow:
        """Have a ticket be read, and decided about."""
        decider = self.decider()

        def unit(tx: Tx) -> TicketRow:
            row = tickets.ensure_ticket(
                tx, connection, ticket.kind, external_id=ticket.id, number=ticket.number,
                now=self.now,
            )  # fmt: skip
            if notified:
                line = Line(
                    at=self.now, event="ticket.notified", detail="by 10.1.4.7",
                    connection=connection, ticket=row,
                )  # fmt: skip
                journal.append(tx, line)
            due = tickets.due_read(tx, row)
            assert due is not None
            read = Snapshot(due=due, ticket=ticket, started_at=self.now, next_poll_at=None)
            ingest(tx, read, decider)
            return row

        return self.writes(unit)

    def decides(self, row: TicketRow) -> None:
        """Have a ticket be decided about again."""
        self.writes(decide_ticket, row, self.decider())

    def delivers(self, outcome: Callable[[ClaimedOperation], Outcome | None]) -> list[str]:
        """Claim what is due and settle it as the outcome says; None leaves it as being sent."""
        done: list[str] = []

        def unit(tx: Tx) -> None:
            claim = Claim(
                owner=OWNER,
                now=self.now,
                lease_until=self.now + timedelta(minutes=5),
                free={DESK: 100, TELENOR: 100},
                writable_mappings=frozenset(self.settings().mappings),
            )
            for operation in outbox.claim(tx, claim):
                if operation.state == "ready":
                    outbox.mark_sending(
                        tx, operation.id, operation.owner, operation.attempt, self.now
                    )
                settled = outcome(operation)
                if settled is not None:
                    outbox.settle(tx, operation, settled, now=settled.ended_at)
                done.append(f"{operation.id} {operation.write.kind} {operation.connection}")

        self.writes(unit)
        return done


def ticket(number: str = "INC0012399", **fields: Any) -> Ticket:
    """A ticket of the service desk that the mapping opens at Telenor."""
    given: dict[str, Any] = {
        "title": "Link down Fornebu",
        "description": "Both routers are dark since 02:50.",
        "priority": "1",
        "status": "New",
        "assigned_group": "Telenor NOC",
        "site": "Fornebu",
    }
    more = {name: fields.pop(name) for name in ("comments", "attachments") if name in fields}
    made = Ticket(id=TicketId(f"sys-{number}"), number=number, kind="ticket", fields=given | fields)
    return replace(made, **more)


def incident(number: str = "Case-00000002", **fields: Any) -> Ticket:
    """Telenor's side of it."""
    given: dict[str, Any] = {
        "title": "Link down Fornebu",
        "description": "Both routers are dark since 02:50.",
        "priority": "Critical",
        "status": "New",
        "location": "Fornebu",
        "product_category_name": "Nordic Connect",
        "incident_type": "Annen type feil",
        "identification_number": "LU-00000012",
        "organization_number": "912345678",
    }
    more = {
        name: fields.pop(name) for name in ("comments", "attachments", "keys") if name in fields
    }
    made = Ticket(
        id=TicketId(f"id-{number}"), number=number, kind="incident", fields=given | fields
    )
    return replace(made, **more)


def only(daemon: str, *names: str) -> str:
    """Leave out all other connections of a syncd.yaml."""
    head, tail = daemon.split("\nconnections:\n")
    blocks, end = tail.split("\nmappings:")
    kept: list[str] = []
    is_kept = True
    for each in blocks.splitlines():
        if re.match(r"  [a-z]", each):
            is_kept = each.strip().rstrip(":") in names
        kept += [each] * is_kept
    return f"{head}\nconnections:\n{chr(10).join(kept)}\n\nmappings:{end}"


def place(text: str, file: str = MAPPING, *, after: str = "") -> str:
    """Give where a text stands first in a shipped file: `telenor-incidents.yaml:27`."""
    lines = (CONFIG / file).read_text().splitlines()
    begun = lines.index(after) if after else 0
    at = next(number for number, each in enumerate(lines, 1) if number > begun and text in each)
    return f"{Path(file).name}:{at}"
