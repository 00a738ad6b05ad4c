"""Requests of quiet polls: what it costs to learn that nothing happened.

A feed: one Telenor connection with many linked tickets; floor: one request, the least a feed can
be asked with. A watch: tickets of a SmartOps connection whose turn has come; floor: one request
for each that is due, as the contract has no list.
"""

from collections.abc import Sequence

import aiohttp

from syncd.intake.service import Intake, IntakePorts
from syncd.model.ids import Side
from syncd.store import tickets, watching
from syncd.store.tx import Tx
from tests.bench import fill, world
from tests.bench.delivery import quiet_log
from tests.bench.harness import Bench, Goal, Of, Round, Row, Setting, judged

LINKS = 10_000
QUICK_LINKS = 1_000
POLLS = 5
"""Quiet polls whose requests are counted together."""
AGED_S = 3600
"""How long ago the last thing happened at the vendor; beyond the overlap."""
WARM_UP_MAX = 500
WATCHED = 200
FEED, WATCH = "quiet-poll-feed", "quiet-poll-watch"


async def run(setting: Setting) -> list[Row]:
    """Count what polls of both sorts cost once everything is known."""
    rows = []
    if setting.wants(FEED):
        rows.append(await _feed(setting.inside("feed")))
    if setting.wants(WATCH):
        rows.append(await _watch(setting.inside("watch")))
    return rows


async def _feed(setting: Setting) -> Row:
    count = QUICK_LINKS if setting.quick else LINKS
    setting.say(f"{FEED}: making {count} incidents")
    specs = {
        "desk": {"provider": "smartops"},
        "carrier": {"provider": "telenor", "incidents": count, "aged_s": AGED_S},
    }
    async with (
        world.sandboxes(setting.folder, **specs) as told,
        aiohttp.ClientSession() as session,
    ):
        path = world.configure(
            setting.folder / "config", desk=told["desk"]["url"], carrier=told["carrier"]["url"]
        )
        people = world.People(session, told["carrier"]["url"])
        with quiet_log():
            async with world.alive(path) as here:
                await fill.fill(
                    here.db,
                    told["carrier"]["tickets"],
                    mapping=world.MAPPING,
                    sides={
                        Side.ITSM: (world.DESK, "ticket"),
                        Side.VENDOR: (world.CARRIER, "incident"),
                    },
                )
                rounds = await _measure_feed(setting, here, people)
    note = f"{count} links, {POLLS} polls with what follows them"
    return judged(FEED, rounds, unit="requests", goal=Goal(bound=1), note=note)


async def _measure_feed(setting: Setting, here: world.World, people: world.People) -> list[Round]:
    ports = IntakePorts(db=here.db, clock=here.clock, ids=here.ids, prefix="bench")
    intake = Intake(ports, here.plant.intake_config())
    for _ in range(WARM_UP_MAX):
        polled = await intake.poll(world.CARRIER)
        if polled.error:
            raise AssertionError(polled.error)
        read = await intake.drain()
        if not polled.gap and not polled.due and read.is_idle:
            break
    rounds: list[Round] = []
    for number in range(1, setting.rounds + 1):
        before = len(await people.requests())
        for _ in range(POLLS):
            polled = await intake.poll(world.CARRIER)
            read = await intake.drain()
            if polled.error or polled.due or not read.is_idle:
                raise AssertionError(f"not a quiet poll: {polled}, {read}")
        each = (len(await people.requests()) - before) / POLLS
        setting.say(f"{FEED} {number}/{setting.rounds}: {each} requests a poll")
        rounds.append(Round(value=each, floor=1.0))
    return rounds


async def _watch(setting: Setting) -> Row:
    setting.say(f"{WATCH}: making {WATCHED} tickets")
    specs = {"desk": {"provider": "smartops"}, "carrier": {"provider": "telenor"}}
    async with (
        world.sandboxes(setting.folder, **specs) as told,
        aiohttp.ClientSession() as session,
    ):
        path = world.configure(
            setting.folder / "config", desk=told["desk"]["url"], carrier=told["carrier"]["url"]
        )
        people = world.People(session, told["desk"]["url"])
        for number in range(WATCHED):
            fields = {"shortDescription": f"Printer {number}", "assignedGroup": "Printers"}
            await people.act("create", fields=fields, by="Kari")
        numbers = [ticket["number"] for ticket in await people.tickets()]
        with quiet_log():
            async with world.alive(path) as here:
                rounds = await _measure_watch(setting, here, people, numbers)
    note = f"{WATCHED} tickets whose turn has come"
    goal = Goal(bound=1, of=Of.RATIO)
    return judged(WATCH, rounds, unit="requests", goal=goal, note=note)


async def _measure_watch(
    setting: Setting, here: world.World, people: world.People, numbers: Sequence[str]
) -> list[Round]:
    def know(tx: Tx) -> None:
        for number in numbers:
            tickets.ensure_ticket(
                tx, world.DESK, "ticket", number=number, now=here.clock.now(), watched=True
            )

    def take_turns(tx: Tx) -> None:
        for number in numbers:
            row = tickets.find(tx, world.DESK, number=number)
            assert row is not None
            watching.set_watched(tx, row, True, here.clock.now())

    ports = IntakePorts(db=here.db, clock=here.clock, ids=here.ids, prefix="bench")
    intake = Intake(ports, here.plant.intake_config())
    await here.db.write(know)
    await intake.drain()
    rounds: list[Round] = []
    for number in range(1, setting.rounds + 1):
        before = len(await people.requests())
        await here.db.write(take_turns)
        read = await intake.drain()
        if read.changed or read.failed:
            raise AssertionError(f"not a quiet round: {read}")
        asked = len(await people.requests()) - before
        setting.say(f"{WATCH} {number}/{setting.rounds}: {asked} requests for {len(numbers)} due")
        rounds.append(Round(value=asked, floor=len(numbers)))
    return rounds


def benches() -> Sequence[Bench]:
    return [Bench(rows=(FEED, WATCH), run=run)]
