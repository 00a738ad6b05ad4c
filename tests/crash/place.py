"""Two systems with people, a daemon between them that is ours to kill, and a judge."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from syncd.demo.clerk import Clerk
from syncd.demo.daemon import Pulse
from syncd.demo.judge import judge
from syncd.demo.options import DemoOptions
from syncd.demo.pairing import ORGANIZATION, TELENOR
from syncd.demo.staff import Life
from syncd.demo.telenor_staff import TelenorStaff
from syncd.demo.verdict import Fate, Shown, Verdict
from syncd.demo.world import World, world
from syncd.sandbox import TelenorSandbox
from tests.crash.process import Process
from tests.support.nursed import nursed
from tests.support.nursery import Nursery

LOOK_S = 0.2
READ_S = 0.5
"""A complete read that ends so long after rest began was begun after it as well."""
REREAD_S = 2.5
"""Longer than the reads after writes are put off (`settle` in the demo's configuration)."""
SETTLE_MAX_S = 180.0
LEASE_S = 8.0
"""On PostgreSQL: how long what a dead one was sending is waited for; longer than a request."""
SITES = ("Fornebu", "Bergen")


@dataclass(slots=True)
class Place:
    """What the tests of this folder stand on.

    Attributes:
        world: both systems and the configuration.
        process: the daemon.
        people: who acts.
        carrier: the vendor.
        lives: tickets and what their people know of them.
        left: what was open when waiting for the end was given up, and that it was.
    """

    world: World
    process: Process
    people: TelenorStaff
    carrier: TelenorSandbox
    lives: list[Life] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    async def goes_live(self) -> None:
        """Have the daemon run once: what is older than its mapping's first day is not opened."""
        await self.process.start()
        await self.process.ready()
        await self.process.kill()

    # --- people ----------------------------------------------------------------------------------

    def goes_on(self) -> None:
        """Let people open another ticket, and work on the one before it."""
        number = len(self.lives)
        life = Life(
            place=number % 100,
            chance=random.Random(f"crash:{number}"),
            suffix=f"{number // 100:03d}",
        )
        self.lives.append(life)
        title = life.mark()
        if number % 3 == 2:
            self._opens_at_carrier(life, title)
        else:
            self._opens_at_desk(life, title)
        for earlier in self.lives[-2:-1]:
            self.look(earlier)
            self.people.carrier_comments(earlier)
            self.people.desk_comments_twice(earlier)
            self.people.desk_prioritises(earlier)
            self.people.carrier_attaches(earlier)

    def _opens_at_desk(self, life: Life, title: str) -> None:
        life.is_desks = True
        fields = {
            "shortDescription": f"{title} Link down",
            "longDescription": f"{life.token()} seen from the desk",
            "ticketPriority": "2",
            "assignedGroup": TELENOR.group,
            "subCategory": "Slow",
            "callerId": "ola.nordmann",
            "u_site": life.chance.choice(SITES),
        }
        life.desk_ticket = self.world.desk.person_creates(fields, "Dina Desk")
        self.people.desk_comments(life)

    def _opens_at_carrier(self, life: Life, title: str) -> None:
        fields = {
            "subject": f"{title} Fibre cut",
            "description": f"{life.token()} seen by the network centre",
            "priority": "High",
            "productCategoryName": "Ethernet Connect",
            "incidentType": "Treghet",
            "location": "Bergen",
            "organizationNumber": ORGANIZATION,
        }
        life.vendor_ticket = self.carrier.person_creates(fields, "Tone Telenor")
        self.people.carrier_comments(life)

    def look(self, life: Life) -> None:
        """See whether a ticket has got its partner."""
        for system, name in ((self.world.desk, "desk"), (self.carrier, "vendor")):
            for ticket in system.tickets():
                told = " ".join(str(value) for value in ticket["fields"].values())
                if ticket["actor"] == "client" and life.marks[0] in told:
                    setattr(life, f"{name}_ticket", str(ticket["id"]))

    # --- judging ---------------------------------------------------------------------------------

    @property
    def clerk(self) -> Clerk:
        return Clerk(self.world.daemon, self.world.desk, self.world.by_connection)

    async def verdict(self) -> Verdict:
        """Judge by both systems' records, and what the daemon shows as not crossing."""
        return judge(TELENOR, self.world.itsm_record, self.carrier.record, await self._shown())

    async def settled_pulse(self) -> Pulse | None:
        """Settle what is in doubt; give the pulse, None while something is open or missing."""
        pulse = await self.world.daemon.pulse()
        if pulse is None:
            return None
        if pulse.in_doubt:
            await self.clerk.settle()
        if not pulse.is_quiet or await self._is_missing(pulse):
            return None
        return pulse

    async def _is_missing(self, pulse: Pulse) -> bool:
        if not self._lost(()):
            return False
        # Asking takes a process of its own, so only when it may excuse something.
        is_asking = pulse.parked + pulse.conflicts > 0
        return not is_asking or self._lost(await self._shown())

    async def _shown(self) -> list[Shown]:
        return (await self.clerk.waiting())[0]

    def _lost(self, shown: Sequence[Shown]) -> bool:
        found = judge(TELENOR, self.world.itsm_record, self.carrier.record, shown)
        return found.count(Fate.LOST) > 0

    async def settled(self, *, read_s: float = READ_S) -> Verdict:
        """Wait until everything has arrived, and judge; after so long what is missing is lost.

        Args:
            read_s: as for `Rest`.
        """
        rest, until_s = Rest(self, read_s=read_s), _now_s() + SETTLE_MAX_S
        while not await rest.is_over():
            assert self.process.is_alive, f"it ended by itself: {self.process.said()}"
            if _now_s() > until_s:
                self.left = [f"not at rest within {SETTLE_MAX_S:.0f} s", *await self._open()]
                break
            await asyncio.sleep(LOOK_S)
        return await self.verdict()

    def keep(self) -> Path:
        """Keep the folder with configuration, store, logs and what both systems recorded."""
        self.world.is_kept = True
        self.world.save_records()
        return self.world.folder

    async def _open(self) -> list[str]:
        """Say what the daemon still has to do, for who wonders why something did not arrive."""
        _, told = await self.world.daemon.command("ops", "list")
        names = ("id", "kind", "target_number", "source_number", "state", "detail")
        return [" ".join(str(each.get(name)) for name in names) for each in told["operations"]]

    def assert_good(self, verdict: Verdict) -> None:
        """Assert that nothing was lost, doubled, echoed or leaked, and that something crossed."""
        bad = [str(each) for each in verdict.findings if each.fate not in _FINE]
        assert verdict.is_good, (bad, self.left)
        assert sum(verdict.arrived.values()) >= len(self.lives), "hardly anything crossed"
        crashes = self.world.daemon.crashes()
        assert not crashes, crashes
        assert (self.world.desk.violations, self.carrier.violations) == ([], [])


_FINE = (Fate.SUPERSEDED, Fate.SHOWN)


@dataclass(slots=True)
class Rest:
    """Looks whether a life is at rest: all has arrived, nothing is open, and all was read since.

    A life polls for ever, so rest has no end of its own. It is called over once every connection
    was read completely `read_s` after it began: what the last writes brought would have shown.

    Attributes:
        place: where it lives.
        read_s: how long after the beginning of rest those reads must end.
        since_s: time of the loop when it was first seen at rest; None: it is not.
    """

    place: Place
    read_s: float
    since_s: float | None = None

    async def is_over(self) -> bool:
        """Look once."""
        pulse = await self.place.settled_pulse()
        if pulse is None:
            self.since_s = None
            return False
        if self.since_s is None:
            self.since_s = _now_s()
        return _now_s() - self.since_s - pulse.polled_s > self.read_s


def _now_s() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def place(
    nursery: Nursery, *, store_url: str = "", spool: Path | None = None
) -> AsyncIterator[Place]:
    """Build the world.

    Args:
        nursery: where the daemon and its commands are born.
        store_url: where the store is; empty: a file in the world's folder.
        spool: where attachments lie meanwhile; needed with `store_url`.
    """
    async with world(DemoOptions(vendors=("telenor",)), 1) as made:
        if store_url:
            _use_store(made.daemon.config, store_url, spool or made.folder / "spool")
        made.daemon = daemon = nursed(made.daemon, nursery)
        process = Process(daemon=daemon)
        process.arm(0)
        carrier = made.vendors["telenor"]
        assert isinstance(carrier, TelenorSandbox)
        people = TelenorStaff(made.desk, carrier, made.automation)
        try:
            yield Place(world=made, process=process, people=people, carrier=carrier)
        finally:
            await process.kill()


def _use_store(config: Path, url: str, spool: Path) -> None:
    lines = config.read_text(encoding="utf-8").splitlines(keepends=True)
    (at,) = [number for number, line in enumerate(lines) if line.startswith("store:")]
    key = "key: {env: SYNCD_DEMO_STORE_KEY}"
    lines[at] = f'store: {{url: "{url}", spool: "{spool}", lease: {LEASE_S:g}s, {key}}}\n'
    config.write_text("".join(lines), encoding="utf-8")
