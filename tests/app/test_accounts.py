"""Two accounts at one vendor, as config/ has them: one login, one budget, tickets apart."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from syncd.app.assembly import Plant, TokenStore, Workshop, build
from syncd.log import ExchangeLog
from syncd.model.ids import ConnectionName
from syncd.model.secret import Secret
from syncd.ports.clock import SystemClock, SystemIds
from syncd.sandbox import DigitalRealtySandbox, DigitalRealtySandboxSettings
from syncd.transport.pool import ClientPool
from tests.settings.support import make_folder

OURS = Path(__file__).resolve().parents[2] / "config"
AMSTERDAM, LONDON = ConnectionName("dlr-ams"), ConnectionName("dlr-lon")


@pytest.fixture
async def sandbox() -> AsyncIterator[DigitalRealtySandbox]:
    settings = DigitalRealtySandboxSettings(client_secret="s3cret-DLR_SECRET")
    async with DigitalRealtySandbox(settings) as one:
        yield one


@pytest.fixture
async def plant(sandbox: DigitalRealtySandbox, tmp_path: Path) -> AsyncIterator[Plant]:
    folder = make_folder(tmp_path, OURS)
    folder.edit("syncd.yaml", "https://api.digitalrealty.example", sandbox.base_url)
    settings = folder.load()
    names = (AMSTERDAM, LONDON)
    connections = {name: settings.connections[name] for name in names}

    async def load(_key: str) -> Secret | None:
        return None

    async def save(_key: str, _token: Secret) -> None:
        raise AssertionError("this login rotates nothing")

    async with ClientPool() as pool:
        workshop = Workshop(
            pool=pool, clock=SystemClock(), ids=SystemIds(), tokens=TokenStore(load, save),
            log=ExchangeLog(), changed=lambda: None,
        )  # fmt: skip
        only = replace(settings, connections=connections, mappings={}, tests={})
        yield await build(only, workshop)


async def test_two_accounts_share_a_token_and_a_budget_and_never_a_ticket(
    sandbox: DigitalRealtySandbox, plant: Plant
) -> None:
    here = sandbox.person_creates({"title": "Amsterdam"}, account="A1")
    there = sandbox.person_creates({"title": "London"}, account="A2")

    seen = {
        name: [
            str(one.ref.id) for one in (await plant.adapters[name].poll("ticket", None)).sightings
        ]
        for name in (AMSTERDAM, LONDON)
    }

    assert seen == {AMSTERDAM: [here], LONDON: [there]}
    assert plant.budget(AMSTERDAM) is plant.budget(LONDON)
    assert len(sandbox.record.requests("token")) == 1
    assert sandbox.violations == []
