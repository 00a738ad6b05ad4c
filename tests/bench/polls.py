"""Requests of a quiet poll: one Telenor connection with many linked tickets, where nothing happens.

Floor: one request, the least a feed can be asked with.
"""

from collections.abc import Sequence

import aiohttp

from syncd.intake.service import Intake, IntakePorts
from syncd.model.ids import Side
from tests.bench import fill, world
from tests.bench.delivery import quiet_log
from tests.bench.harness import Bench, Goal, Round, Row, Setting, judged

LINKS = 10_000
QUICK_LINKS = 1_000
POLLS = 5
"""Quiet polls whose requests are counted together."""
AGED_S = 3600
"""How long ago the last thing happened at the vendor; beyond the overlap."""
WARM_UP_MAX = 500
ROW = "quiet-poll-feed"


async def run(setting: Setting) -> list[Row]:
    """Count what polls cost once everything is known."""
    count = QUICK_LINKS if setting.quick else LINKS
    setting.say(f"{ROW}: making {count} incidents")
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
                rounds = await _measure(setting, here, people)
    note = f"{count} links, {POLLS} polls with what follows them"
    return [judged(ROW, rounds, unit="requests", goal=Goal(bound=1), note=note)]


async def _measure(setting: Setting, here: world.World, people: world.People) -> list[Round]:
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
        setting.say(f"{ROW} {number}/{setting.rounds}: {each} requests a poll")
        rounds.append(Round(value=each, floor=1.0))
    return rounds


def benches() -> Sequence[Bench]:
    return [Bench(rows=(ROW,), run=run)]
