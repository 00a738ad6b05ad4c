"""A ticket raised through the gateway reaches the vendor, and what the vendor does comes back."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from syncd.cli import realms
from syncd.model.ids import ConnectionName
from syncd.sandbox import TelenorSandbox, TelenorSandboxSettings
from tests.app.world import LIMIT_S, SECRETS, Running, World, until
from tests.support.issuer import Issuer, running

DAEMON = """\
environment: test
store: {{url: "sqlite:///{folder}/syncd.db", key: {{env: STORE_KEY}}}}
http: {{listen: "127.0.0.1:0"}}
log: {{level: info}}
connections:
  automation:
    provider: smartops
    mode: serve
    serve:
      realms: [{{issuer: "{issuer}", audience: syncd, role: raise-tickets}}]
      bind: {{field: vendor_ref, wait: 100s}}
    poll: {{every: 100ms}}
    fields:
      vendor_ref: {{key: u_vendor_ref, access: write, max: 40}}
    visibility: {{comments: public}}
    phases: {{open: [New, In Progress], resolved: [Resolved], closed: [Closed]}}
  telenor:
    provider: telenor
    base_url: {telenor}
    user_name: syncd
    auth:
      token_url: {telenor}/oauth/v2/token
      client_id: acme
      client_secret: {{env: TELENOR_SECRET}}
      username: acme-system
      password: {{env: TELENOR_PASSWORD}}
    poll: {{every: 100ms}}
    pace: {{requests_per_s: 500, concurrency: 4}}
    settle: {{read_s: 0}}
    phases: {{open: [New], resolved: [Solved], closed: [Customer Accepted]}}
mappings: mappings/*.yaml
"""

MAPPING = """\
mapping: incidents
mode: live
itsm: {connection: automation}
vendor: {connection: telenor, kind: incident}
open:
  to_vendor:
    when: {phase: open}
references:
  on_itsm: {field: vendor_ref, value: number}
fields:
  to_vendor:
    title: {from: title}
    description: {from: description}
    organization_number: {value: "912345678"}
    product_category_name: {value: Nordic Connect}
    identification_number: {value: LU-12345678}
    incident_type: {value: Annen type feil}
status:
  to_itsm:
    New: nothing
    Solved: {set: Resolved, with: {closure_note: "Telenor: {{ root_cause }}"}}
    Customer Accepted: {set: Closed}
    unknown: work_note
  to_vendor:
    New: nothing
    In Progress: nothing
    Resolved: nothing
    Closed: nothing
    unknown: nothing
comments:
  to_vendor:
    share: [{kind: comment}]
    text: "{{ author }}: {{ body }}"
  to_itsm: {as: work_note, text: "{{ body }}"}
attachments:
  to_vendor: {max_size: 1MB}
  to_itsm: {max_size: 1MB}
"""


@dataclass
class Scene:
    issuer: Issuer
    telenor: TelenorSandbox
    world: World

    async def call(self, daemon: Running, path: str, body: object, **more: Any) -> dict[str, Any]:
        login = {"Authorization": f"Bearer {self.issuer.token()}"}
        url = f"{daemon.url}/smartops/automation/itsm/{path}"
        data = more.pop("data", None)
        content = {"data": data} if data is not None else {"json": body}
        async with (
            aiohttp.ClientSession() as http,
            http.request(
                more.pop("method", "POST"), url, headers=login, **content, **more
            ) as answer,
        ):
            told: dict[str, Any] = await answer.json()
            assert told["statusCode"] == "200", told
            return told

    async def shown(self, daemon: Running, number: str, *names: str) -> dict[str, Any]:
        asked = {"ticketNumber": number, "ticketFields": names}
        details: dict[str, Any] = (await self.call(daemon, "tickets/details", asked))[
            "ticketDetails"
        ]
        return details

    async def until_shown(self, daemon: Running, number: str, name: str, value: object) -> None:
        told: dict[str, Any] = {}
        try:
            async with asyncio.timeout(LIMIT_S):
                while told.get(name) != value:
                    told = await self.shown(daemon, number, name)
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{name} never became {value}: {told}") from None


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    telenor = TelenorSandbox(TelenorSandboxSettings(seed=1, oddities=False, whole_seconds=False))
    await telenor.start()
    async with running(Issuer(now=lambda: datetime.now(UTC))) as issuer:
        world = World(folder=tmp_path, desk=None, telenor=telenor)  # type: ignore[arg-type]
        text = DAEMON.format(folder=tmp_path, issuer=issuer.iss, telenor=telenor.base_url)
        (tmp_path / "syncd.yaml").write_text(text)
        (tmp_path / "mappings").mkdir()
        (tmp_path / "mappings" / "incidents.yaml").write_text(MAPPING)
        assert SECRETS
        yield Scene(issuer, telenor, world)
    await telenor.stop()


async def test_a_raised_ticket_is_the_vendors_once_and_what_it_does_is_fetched(
    scene: Scene,
) -> None:
    raised = {"shortDescription": "Link down", "longDescription": "since 08:12"}
    async with scene.world.daemon() as daemon:
        told = await scene.call(daemon, "tickets/create", {"ticketJSON": raised})
        number, sys_id = told["ticketDetails"]["ticketNumber"], told["ticketDetails"]["sysId"]
        (case,) = scene.telenor.tickets()
        assert case["number"] == number
        note = {"sysId": sys_id, "ticketJSON": {"comments": "any news?", "workNotes": "private"}}
        await scene.call(daemon, "tickets/update", note)
        url = f"attachments/{sys_id}"
        await scene.call(daemon, url, None, data=b"\x89PNG", params={"name": "a.png"})
        scene.telenor.person_comments(case["id"], "we look", "Tone")
        scene.telenor.person_attaches(case["id"], "spor.txt", b"trace", "text/plain", "Tone")
        scene.telenor.person_updates(case["id"], {"rootCause": "a digger"}, "Tone")
        scene.telenor.person_sets_status(case["id"], "Solved", "Tone", "done")
        await scene.until_shown(daemon, number, "ticketStatus", "Resolved")

        def arrived() -> bool:
            (now,) = scene.telenor.tickets()
            texts = [each["text"] for each in now["comments"] if each["actor"] == "client"]
            return len(texts) == 1 and len(now["attachments"]) == 2

        await until(arrived, "comment and file at the vendor")
        now = await scene.shown(daemon, number, "workNotes", "closureNotes", "resolvedTime")
        assert [each["closureNote"] for each in now["closureNotes"]] == ["Telenor: a digger"]
        assert now["resolvedTime"]
        assert "we look" in [each["workNote"] for each in now["workNotes"]]
        files: list[dict[str, Any]] = []
        async with asyncio.timeout(LIMIT_S):
            while len(files) < 2:
                await asyncio.sleep(0.02)
                files = (await scene.call(daemon, url, None, method="GET"))["attachments"]
        assert [each["name"] for each in files] == ["a.png", "spor.txt"]
    (case,) = scene.telenor.tickets()
    (comment,) = [each for each in case["comments"] if each["actor"] == "client"]
    assert "any news?" in comment["text"]
    assert "private" not in str(case)


async def test_the_live_check_asks_the_realms_of_what_is_served_and_of_nothing_else(
    scene: Scene,
) -> None:
    settings = scene.world.load()
    (found,) = await realms.asked(settings, ConnectionName("automation"))
    assert found.ok
    assert await realms.asked(settings, ConnectionName("telenor")) == []
