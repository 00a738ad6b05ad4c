"""What is built from settings, and what a reload keeps."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from syncd.app.assembly import TokenStore, Workshop, build, login_key
from syncd.app.places import socket_path, store_url
from syncd.app.secrets import secrets_in
from syncd.log import ExchangeLog
from syncd.model.features import Reading
from syncd.model.ids import ConnectionName
from syncd.model.secret import Secret
from syncd.ports.clock import SystemIds
from syncd.settings.values import Settings, StoreSettings
from syncd.transport.pool import ClientPool
from tests.app.world import SECRETS, settings_for
from tests.support.clock import FakeClock

DESK, TELENOR = ConnectionName("desk"), ConnectionName("telenor")


@dataclass
class Kept:
    tokens: dict[str, Secret] = field(default_factory=dict)

    async def load(self, name: str) -> Secret | None:
        return self.tokens.get(name)

    async def save(self, name: str, token: Secret) -> None:
        self.tokens[name] = token


@pytest.fixture
async def workshop(clock: FakeClock) -> AsyncIterator[Workshop]:
    kept = Kept()
    async with ClientPool() as pool:
        yield Workshop(
            pool=pool, clock=clock, ids=SystemIds(), tokens=TokenStore(kept.load, kept.save),
            log=ExchangeLog(), changed=lambda: None,
        )  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path)


def changed(settings: Settings, name: ConnectionName, **options: object) -> Settings:
    """The settings with other provider keys of one connection."""
    one = settings.connections[name]
    new = replace(one, options=one.options.model_copy(update=options))
    return replace(settings, connections={**settings.connections, name: new})


async def test_every_connection_has_an_adapter_and_what_the_core_must_know(
    settings: Settings, workshop: Workshop
) -> None:
    plant = await build(settings, workshop)
    assert set(plant.adapters) == set(plant.traits) == {DESK, TELENOR}
    assert plant.traits[DESK].features.reading is Reading.WATCH
    assert plant.watched() == {DESK}
    assert plant.traits[TELENOR].phases["resolved"] == ("Solved",)
    config = plant.intake_config()
    assert config.revision == settings.revision
    assert config.paces[DESK].every_s == 60.0


async def test_connections_with_one_login_share_token_and_budget(
    settings: Settings, workshop: Workshop
) -> None:
    twin = ConnectionName("telenor-2")
    one = replace(settings.connections[TELENOR], name=twin, like=TELENOR)
    plant = await build(
        replace(settings, connections={**settings.connections, twin: one}), workshop
    )
    assert set(plant.accounts) == {DESK, TELENOR}
    assert plant.budget(twin) is plant.budget(TELENOR)
    assert plant.budget(twin) is not plant.budget(DESK)


async def test_a_reload_keeps_logins_and_budgets_that_are_as_before(
    settings: Settings, workshop: Workshop
) -> None:
    before = await build(settings, workshop)
    again = await build(changed(settings, TELENOR, user_name="another"), workshop, before)
    assert again.accounts[TELENOR].auth is before.accounts[TELENOR].auth
    assert again.budget(TELENOR) is before.budget(TELENOR)
    assert again.adapters[TELENOR] is not before.adapters[TELENOR]


async def test_another_pace_is_another_budget_with_the_same_token(
    settings: Settings, workshop: Workshop
) -> None:
    before = await build(settings, workshop)
    pace = settings.connections[DESK].options.pace.model_copy(  # type: ignore[attr-defined]
        update={"requests_per_s": 1.0}
    )
    again = await build(changed(settings, DESK, pace=pace), workshop, before)
    assert again.accounts[DESK].auth is before.accounts[DESK].auth
    assert again.budget(DESK) is not before.budget(DESK)


async def test_another_password_is_another_login(settings: Settings, workshop: Workshop) -> None:
    before = await build(settings, workshop)
    auth = settings.connections[TELENOR].options.auth.model_copy(  # type: ignore[attr-defined]
        update={"password": Secret("new")}
    )
    new = changed(settings, TELENOR, auth=auth)
    again = await build(new, workshop, before)
    assert again.accounts[TELENOR].auth is not before.accounts[TELENOR].auth
    keys = {login_key(one.connections[TELENOR]) for one in (settings, new)}
    assert len(keys) == 2
    assert "telenor-password" not in str(keys)


def test_every_secret_is_found_for_the_log(settings: Settings) -> None:
    found = {one.reveal() for one in secrets_in((settings.connections, settings.store))}
    assert found == set(SECRETS.values())


def test_the_stores_address_carries_driver_and_password() -> None:
    key = Secret("k")
    plain = StoreSettings(url="sqlite:////var/lib/syncd/syncd.db", key=key)
    assert store_url(plain) == plain.url
    url = "postgresql://syncd@db.example:5432/syncd?ssl=require"
    assert store_url(StoreSettings(url=url, key=key)) == f"postgresql+asyncpg{url[10:]}"
    secret = Secret("p@ss/word")
    assert store_url(StoreSettings(url=url, key=key, password=secret)) == (
        "postgresql+asyncpg://syncd:p%40ss%2Fword@db.example:5432/syncd?ssl=require"
    )


def test_the_operators_socket_lies_beside_the_file(settings: Settings, tmp_path: Path) -> None:
    assert socket_path(settings) == tmp_path / "syncd.db.sock"
    shared = StoreSettings(url="postgresql://syncd@db/syncd", key=Secret("k"))
    assert socket_path(replace(settings, store=shared)) is None
