"""The ITSM's webhook that rings the daemon's notify address (issue 2, items 6 and 10)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from syncd.sandbox import SmartOpsSandbox, SmartOpsSandboxSettings
from tests.sandbox.conftest import Caller
from tests.sandbox.test_smartops import create, running


class Doorbell:
    """What the daemon's notify address received."""

    def __init__(self) -> None:
        self.heard: list[tuple[str | None, Any]] = []
        self.status = 202
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.heard.append((request.headers.get("Authorization"), await request.json()))
        return web.Response(status=self.status)


@pytest.fixture
async def doorbell() -> AsyncIterator[Doorbell]:
    bell = Doorbell()
    app = web.Application()
    app.router.add_post("/notify/servicedesk", bell.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    bell.url = f"http://127.0.0.1:{runner.addresses[0][1]}/notify/servicedesk"
    yield bell
    await runner.cleanup()


async def test_each_change_by_a_person_rings_once(
    smartops: SmartOpsSandbox, ask: Caller, doorbell: Doorbell
) -> None:
    smartops.notify_to(doorbell.url, "secret")
    sys_id = smartops.person_creates({"shortDescription": "x"})
    smartops.person_comments(sys_id, "hello")
    smartops.person_updates(sys_id, {"category": "net"})
    smartops.person_updates(sys_id, {"category": "net"})
    await create(ask)
    await smartops.settle_notifies()

    assert doorbell.heard == [("Bearer secret", {"numbers": ["INC0012399"]})] * 3
    assert len(smartops.record.of("notify_sent")) == 3
    assert "secret" not in str(smartops.record)


async def test_a_refused_ring_is_recorded_and_can_be_repeated(
    smartops: SmartOpsSandbox, doorbell: Doorbell
) -> None:
    smartops.notify_to(doorbell.url, "secret")
    doorbell.status = 503
    sys_id = smartops.person_creates({"shortDescription": "x"})
    await smartops.settle_notifies()
    unheard = dict(smartops.unheard)
    doorbell.status = 202
    smartops.person_notifies(sys_id)
    await smartops.settle_notifies()

    assert unheard == {"INC0012399": "answered 503"}
    assert smartops.record.of("notify_failed")[0]["problem"] == "answered 503"
    assert smartops.unheard == {}


async def test_nobody_there_is_recorded_not_raised(session: Any) -> None:
    options = {"notify_url": "http://127.0.0.1:9/x", "notify_tries": 2, "notify_retry_s": 0.0}
    async with running(session, **options) as (sandbox, _):
        sandbox.person_creates({"shortDescription": "x"})
        await sandbox.settle_notifies()

        assert [each["attempt"] for each in sandbox.record.of("notify_failed")] == [1, 2]
        assert list(sandbox.unheard) == ["INC0012399"]


async def test_a_set_fraction_of_rings_is_lost(session: Any, doorbell: Doorbell) -> None:
    options = {"notify_url": doorbell.url, "notify_loss": 0.5, "seed": 3}
    async with running(session, **options) as (sandbox, _):
        for _ in range(20):
            sandbox.person_creates({"shortDescription": "x"})
        await sandbox.settle_notifies()

        lost = len(sandbox.record.of("notify_lost"))
        assert 3 < lost < 17
        assert len(doorbell.heard) == 20 - lost
        assert len(sandbox.unheard) == lost


async def test_our_own_changes_ring_only_where_set(session: Any, doorbell: Doorbell) -> None:
    async with running(session, notify_url=doorbell.url, notify_own=True) as (sandbox, ask):
        await create(ask)
        await sandbox.settle_notifies()

        assert len(doorbell.heard) == 1


def test_outside_a_loop_a_ring_waits() -> None:
    sandbox = SmartOpsSandbox(SmartOpsSandboxSettings(notify_url="http://127.0.0.1:9/x"))

    sandbox.person_creates({"shortDescription": "x"})

    assert sandbox.unheard == {}
    assert sandbox.record.of("notify_failed") == []
