"""Request Tracker against Telenor and Digital Realty, and two of them with each other.

With faults and kill -9, by the daemon's own process: nothing lost, doubled or echoed, files byte
for byte, nothing private at a vendor. The first play is on the sandbox, the others on RT itself.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syncd.sandbox import (
    DigitalRealtySandbox,
    RtSandbox,
    RtSandboxSettings,
    SandboxClock,
    TelenorSandbox,
    TelenorSandboxSettings,
)
from syncd.sandbox.rt import CustomField
from tests.rt import server
from tests.rt.conftest import needs_rt
from tests.rt.proxy import RtProxy
from tests.rt.server import Rt
from tests.rt.story import Story, System, faulty, plain, running

CONFIG = Path(__file__).parents[2] / "config" / "mappings"
SEEDS = range(int(os.environ.get("SYNCD_RT_SEEDS", "1")))
HEAD = """
environment: test
store: {url: "sqlite:///$folder/syncd.db", key: {env: STORE_KEY}}
http: {listen: "127.0.0.1:$port"}
log: {level: info, format: json}
connections:
"""
RT = """
  {name}:
    provider: rt
    base_url: {url}
    user: syncd
    auth: {{token: {{env: {secret}}}}}
    queue: Support
    custom_fields:
      carrier: {{name: Carrier, values: [Telenor, Digital Realty, Other]}}
      vendor_ref: {{name: Vendor Ref}}
      site: {{name: External ID, access: read}}
    transaction_field: Sync Origin
    poll: {{every: 1s}}
    phases: {{open: [new, open, stalled], resolved: [resolved], closed: [rejected, deleted]}}
    settle: {{write: 3s, attachment: 5s}}
    feed: {{settle: 2s}}
    pace: {{requests_per_s: 100, concurrency: 8}}
    timeouts: {{connect: 5s, read: 20s, total: 30s}}
"""
VENDORS = """
  telenor-no:
    provider: telenor
    base_url: {telenor}
    user_name: syncd
    auth:
      token_url: "{telenor}/oauth/v2/token"
      client_id: acme
      client_secret: {{env: TELENOR_SECRET}}
      username: acme-system
      password: {{env: TELENOR_PASSWORD}}
    poll: {{every: 1s}}
    phases: {{open: [New], resolved: [Solved], closed: [Customer Accepted]}}
    settle: {{create_s: 3s, update_s: 2s, status_s: 2s, comment_s: 2s, attachment_s: 2s}}
    pace: {{requests_per_s: 60, concurrency: 8}}
  dlr-ams:
    provider: digital_realty
    base_url: {dlr}
    master_account_id: "100123"
    account_id: A1
    auth: {{client_id: acme, client_secret: {{env: DLR_SECRET}}}}
    poll: {{every: 1s}}
    phases: {{open: [New, In Progress], resolved: [Completed], closed: [Cancelled]}}
    scan: {{reread_every: 2s, closed_every: 2s}}
    settle: {{create_s: 3s, update_s: 2s, cancel_s: 2s, comment_s: 2s, read_s: 1s}}
    pace: {{requests_per_s: 60, concurrency: 8}}
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Rt, Rt]]:
    """Two instances with the real time."""
    needs_rt()
    folder = tmp_path_factory.mktemp("live")
    with server.running(folder / "a", "rta") as one, server.running(folder / "b", "rtb") as other:
        yield one, other


@asynccontextmanager
async def a_desk(rt: Rt | None, token: str) -> AsyncIterator[RtSandbox]:
    """An RT with people: itself, with a frame around it, or its sandbox."""
    if rt is not None:
        async with RtProxy(rt, SandboxClock()) as proxy:
            proxy.begins()
            yield proxy
        return
    own = RtSandboxSettings(token=token)
    more = (
        CustomField(id=7, name="Vendor Ref"),
        CustomField(id=8, name="Carrier", values=("Telenor", "Digital Realty", "Other")),
    )
    async with RtSandbox(replace(own, custom_fields=(*own.custom_fields, *more))) as sandbox:
        yield sandbox


def desk_system(name: str, sandbox: RtSandbox) -> System:
    whole: Any = sandbox.whole if isinstance(sandbox, RtProxy) else plain("Subject")(sandbox)
    return System(name, sandbox, whole)


# --- with two vendors ----------------------------------------------------------------------------


async def people(story: Story, tickets: int) -> None:
    """Open tickets and work on them at all three systems; the daemon dies now and then."""
    opened: list[tuple[str, str]] = []
    for number in range(tickets):
        vendor, carrier = (("telenor", "Telenor"), ("dlr", "Digital Realty"))[number % 2]
        fields = {"Carrier": carrier, "Content": "Dark since noon", "Queue": "Support"}
        opened.append((story.opens("desk", vendor, fields, "Subject"), vendor))
        if number % 3 == 0:
            own = {"organizationNumber": "912345678", "description": "seen by the network centre"}
            story.opens("telenor", "desk", own, "subject")
        for ticket, target in opened[-2:]:
            story.says("desk", target, ticket, internal=False)
            story.says("desk", "", ticket, internal=True)
            story.sends("desk", target, ticket)
            story.sends("desk", "", ticket, internal=True)
        await asyncio.sleep(2)
        if number % 2:
            await story.killed()
        vendors_work(story)
    await asyncio.sleep(2)
    vendors_work(story)


def vendors_work(story: Story) -> None:
    """Let the vendors' people speak on the tickets that have reached them."""
    for name in ("telenor", "dlr"):
        sandbox = story.systems[name].sandbox
        for ticket in sandbox.tickets()[-2:]:
            if ticket["actor"] == "client":
                story.says(name, "desk", ticket["id"])
                if name == "telenor":
                    story.sends("telenor", "desk", ticket["id"])


async def with_vendors(folder: Path, rt: Rt | None, seed: int) -> None:
    token = rt.tokens["syncd"] if rt else "1-33-sandbox"
    async with AsyncExitStack() as stack:
        desk = await stack.enter_async_context(a_desk(rt, token))
        options = TelenorSandboxSettings(seed=seed, oddities=False)
        telenor = await stack.enter_async_context(TelenorSandbox(options))
        dlr = await stack.enter_async_context(DigitalRealtySandbox())
        config = HEAD + RT.format(name="rt", url=desk.base_url, secret="RT_TOKEN")
        config += VENDORS.format(telenor=telenor.base_url, dlr=dlr.base_url)
        config += "mappings: mappings/*.yaml\n"
        mappings = {
            name: (CONFIG / f"{name}.yaml")
            .read_text(encoding="utf-8")
            .replace("mode: dry_run", "mode: live")
            .replace("at_most: 20/h", "at_most: 1000/h")
            .replace("{queue: Network, carrier", "{queue: Support, carrier")
            # People here do not wait for the partner before they speak.
            .replace("    history: none\n", "")
            .replace('{{ body }}"\n', '{{ body }}"\n    history: all\n')
            for name in ("rt-telenor", "rt-dlr")
        }
        systems = [
            desk_system("desk", desk),
            System("telenor", telenor, plain("subject")(telenor)),
            System("dlr", dlr, plain("title")(dlr)),
        ]
        os.environ["RT_TOKEN"] = token
        async with running(folder, systems, config, mappings, seed) as story:
            faulty(story)
            await people(story, 6)
            wrong = await story.settles()
            assert not wrong, "\n".join(wrong[:20])
            assert len(story.words) > 30
            assert not telenor.violations


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_sandbox_and_two_vendors_stay_in_step(tmp_path: Path, seed: int) -> None:
    needs_rt()
    await with_vendors(tmp_path / "run", None, seed)


@pytest.mark.parametrize("seed", SEEDS)
async def test_request_tracker_and_two_vendors_stay_in_step(
    real: tuple[Rt, Rt], tmp_path: Path, seed: int
) -> None:
    await with_vendors(tmp_path / "run", real[0], seed)


# --- two of them ---------------------------------------------------------------------------------

BETWEEN = """
mapping: between
mode: live
itsm: {connection: rt-a}
vendor: {connection: rt-b, kind: ticket}
open:
  to_vendor: {when: {carrier: Other, phase: open}}
  to_itsm: {when: {carrier: Other, phase: open}, set: {queue: Support}}
  since: first_live
  at_most: 1000/h
references:
  on_itsm: {field: vendor_ref, value: number}
  on_vendor: {field: vendor_ref, value: number}
fields:
  both: {title: {conflict: itsm}, priority: {conflict: itsm}}
status: {to_itsm: {STATUSES}, to_vendor: {STATUSES}}
comments:
  to_vendor: {share: [{kind: comment}], history: all}
  to_itsm: {as: comment, skip: [{kind: work_note}], history: all}
attachments: {to_vendor: {max_size: 10MB}, to_itsm: {max_size: 10MB}}
"""
ALIKE = ", ".join(f"{one}: nothing" for one in ("new", "open", "stalled", "rejected", "deleted"))


async def between_two(folder: Path, pair: tuple[Rt, Rt] | None, seed: int) -> None:
    tokens = [pair[0].tokens["syncd"], pair[1].tokens["syncd"]] if pair else ["1-1-a", "1-1-b"]
    async with AsyncExitStack() as stack:
        config, systems = HEAD, []
        for place, name in enumerate(("a", "b")):
            secret = f"RT_TOKEN_{name.upper()}"
            os.environ[secret] = tokens[place]
            one = a_desk(pair[place] if pair else None, tokens[place])
            desk = await stack.enter_async_context(one)
            config += RT.format(name=f"rt-{name}", url=desk.base_url, secret=secret)
            systems.append(desk_system(name, desk))
        statuses = ALIKE + ", resolved: {set: resolved}, unknown: nothing"
        mapping = BETWEEN.replace("STATUSES", statuses)
        config += "mappings: mappings/*.yaml\n"
        async with running(folder, systems, config, {"between": mapping}, seed) as story:
            faulty(story)
            await two_desks_talk(story)
            wrong = await story.settles()
            assert not wrong, "\n".join(wrong[:20])


async def two_desks_talk(story: Story) -> None:
    """Open tickets at both, and say and send things on all that are there, at both ends."""
    for number in range(4):
        origin, target = ("a", "b") if number % 2 else ("b", "a")
        fields = {"Carrier": "Other", "Content": "See here", "Queue": "Support"}
        story.opens(origin, target, fields, "Subject")
        await asyncio.sleep(3)
        for here, there in (("a", "b"), ("b", "a")):
            for ticket in await asyncio.to_thread(numbers, story, here):
                story.says(here, there, ticket, internal=False)
                story.sends(here, there, ticket)
                story.says(here, "", ticket, internal=True)
        if number % 2:
            await story.killed()


def numbers(story: Story, name: str) -> list[str]:
    """Give the newest tickets that this story made."""
    marks = {word.token for word in story.titles}
    whole = story.systems[name].whole()
    return [str(one["id"]) for one in whole if str(one["title"]).partition(" ")[0] in marks][-2:]


@pytest.mark.parametrize("seed", SEEDS)
async def test_two_sandboxes_do_not_loop(tmp_path: Path, seed: int) -> None:
    needs_rt()
    await between_two(tmp_path / "run", None, seed)


@pytest.mark.parametrize("seed", SEEDS)
async def test_two_request_trackers_do_not_loop(
    real: tuple[Rt, Rt], tmp_path: Path, seed: int
) -> None:
    await between_two(tmp_path / "run", real, seed)
