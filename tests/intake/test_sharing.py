"""Several daemons on one store: each ticket is read and decided about by one of them (DESIGN 8)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from syncd.intake.service import Intake, IntakePorts
from syncd.store.database import Database
from tests.intake.world import World

pytestmark = pytest.mark.postgres
DAEMONS = 3


@pytest.fixture
async def world(postgres_store_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with await Database.open(postgres_store_url) as db:
        made = World(db, tmp_path)
        await made.set_up()
        yield made


async def test_daemons_on_one_store_open_one_partner_for_each_ticket(
    world: World,
) -> None:
    ports = IntakePorts(db=world.db, clock=world.clock, ids=world.ids, prefix="test")
    daemons = [Intake(ports, world.config, options=world.options) for _ in range(DAEMONS)]
    tickets = [world.noc(title=f"t{n}") for n in range(12)]
    await world.notify(*tickets)
    await asyncio.gather(*(daemon.drain() for daemon in daemons))
    await world.settle()
    assert len(world.carrier.tickets()) == len(tickets)


async def test_a_ticket_noticed_by_several_daemons_at_the_same_moment_gets_one_partner(
    world: World,
) -> None:
    ports = IntakePorts(db=world.db, clock=world.clock, ids=world.ids, prefix="test")
    daemons = [Intake(ports, world.config, options=world.options) for _ in range(DAEMONS)]
    tickets = [world.noc(title=f"t{n}") for n in range(6)]
    await world.notify(*tickets)
    await world.read()
    for round_ in range(3):
        for ticket in tickets:
            world.desk.set(ticket, title=f"again {round_}")
        await world.notify(*tickets)
        await asyncio.gather(*(daemon.drain() for daemon in daemons))
    await world.settle()
    assert len(world.carrier.tickets()) == len(tickets)
    titles = {ticket.get("title") for ticket in world.carrier.tickets()}
    assert titles == {"again 2"}
