"""A lost write is found again, absent, or said to be unclear; and the live check."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from syncd.model.operation import Finding, Write
from syncd.ports.adapter import Expectation
from syncd.ports.errors import OutcomeUnknown
from syncd.providers.sipsynergy import SipSynergyAdapter
from syncd.sandbox import SandboxClock, SipSynergySandbox, SipSynergySandboxSettings
from tests.providers.sipsynergy.desk import (
    KEY,
    OTHER_KEY,
    USER,
    Connecting,
    change,
    create,
    delete,
    ref_to,
    say,
)


class Desk:
    """The sandbox, our adapter, and clocks that go together."""

    def __init__(self, sandbox: SipSynergySandbox, connecting: Connecting) -> None:
        self.sandbox = sandbox
        self.clock = connecting.clock
        self.adapter: SipSynergyAdapter = connecting.adapter(
            f"{sandbox.base_url}/api", auth={"kind": "none"}
        )

    async def probed(self, write: Write, since_s: float = 0.0) -> tuple[Finding, str]:
        found = await self.adapter.probe(write, self.clock.now() - timedelta(seconds=since_s))
        return found.finding, found.looked_at

    def opens(self, **fields: str) -> str:
        return self.sandbox.person_creates(fields)


@pytest.fixture
async def desk(connecting: Connecting) -> AsyncIterator[Desk]:
    clock = SandboxClock(connecting.clock.now())
    settings = SipSynergySandboxSettings(auth="none", clock=clock)
    async with SipSynergySandbox(settings) as sandbox:
        yield Desk(sandbox, connecting)


async def test_a_lost_create_is_found_in_the_list_also_where_its_title_was_rewritten(
    desk: Desk,
) -> None:
    desk.sandbox.faults.next("lost_answer", operation="create_ticket")
    with pytest.raises(OutcomeUnknown):
        await desk.adapter.write(create())
    (ticket,) = desk.sandbox.tickets()
    desk.sandbox.person_updates(ticket["id"], {"title": f"Renamed [ref:{KEY}]"})
    found = await desk.adapter.probe(create(), desk.clock.now())
    assert found.receipt is not None
    assert (found.receipt.ticket_id, found.others) == (ticket["id"], ())
    assert desk.sandbox.violations == []


async def test_a_ticket_like_ours_without_a_marker_leaves_a_create_unclear(desk: Desk) -> None:
    assert (await desk.probed(create()))[0] is Finding.ABSENT
    desk.opens(title="No calls out", reporterHumanId="USR-somebody")
    desk.opens(title=f"No calls out [ref:{OTHER_KEY}]", reporterHumanId=USER)
    assert (await desk.probed(create()))[0] is Finding.ABSENT
    desk.opens(title="no calls  out", reporterHumanId=USER)
    assert (await desk.probed(create()))[0] is Finding.ABSENT, "a title's capitals count"
    desk.opens(title="No calls out", reporterHumanId=USER)
    finding, why = await desk.probed(create())
    assert finding is Finding.UNCLEAR
    assert "alike" in why


async def test_a_marker_older_than_the_sending_is_a_quote(desk: Desk) -> None:
    desk.opens(title=f"About [ref:{KEY}]")
    finding, why = await desk.probed(create(), since_s=-3600)
    assert (finding, "quote" in why) == (Finding.UNCLEAR, True)


async def test_a_comment_that_quotes_our_marker_is_not_ours(desk: Desk) -> None:
    ticket = desk.opens(title="x")
    write = say(ref_to(ticket), "Any news?\nSoon?")
    assert (await desk.probed(write))[0] is Finding.ABSENT
    desk.sandbox.person_comments(ticket, f"> Any news? [ref:{KEY}]")
    assert (await desk.probed(write))[0] is Finding.UNCLEAR
    await desk.adapter.write(write)
    found = await desk.adapter.probe(write, desk.clock.now())
    assert found.receipt is not None
    assert found.receipt.comment_id == str(desk.sandbox.tickets()[0]["comments"][-1]["id"])


async def test_an_update_is_found_by_its_values_and_a_delete_by_absence(desk: Desk) -> None:
    ref = ref_to((await desk.adapter.write(create())).ticket_id)
    for write, before in ((change(ref, title="Calls again"), Finding.ABSENT), (delete(ref), None)):
        assert (await desk.probed(write))[0] is Finding.ABSENT
        await desk.adapter.write(write)
        assert (await desk.probed(write))[0] is Finding.FOUND, before
    assert (await desk.probed(change(ref, title="x")))[0] is Finding.UNCLEAR
    assert (await desk.probed(say(ref, "x")))[0] is Finding.UNCLEAR
    assert desk.sandbox.violations == []


async def test_the_live_check_says_what_statuses_rest_on_and_what_is_wrong(desk: Desk) -> None:
    ticket = desk.opens(title="x")
    expected = Expectation(
        values={"priority": frozenset({"P2", "P9"})}, statuses=frozenset({"Open", "Solved"})
    )
    told = {one.what: one.ok for one in await desk.adapter.check(expected)}
    assert told["statuses rest on the weekly report, read every 15 min; it tells 1 tickets"]
    assert told["login works; 1 tickets can be seen"]
    assert told[f"we are {USER} (syncd)"]
    assert told["status 'Open' exists"]
    assert told["priority 'P2' exists"]
    wrong = [what for what, ok in told.items() if not ok]
    assert len(wrong) == 2
    assert wrong[0].startswith("status 'Solved' is not in")
    assert wrong[1].startswith("priority 'P9' was not seen")

    desk.sandbox.person_sets_status(ticket, "Vanished")
    wrong = [one.what for one in await desk.adapter.check(Expectation()) if not one.ok]
    assert wrong == ["the report shows statuses that `statuses` lacks: Vanished"]


async def test_the_live_check_says_when_we_are_somebody_else_or_nobody(
    desk: Desk, connecting: Connecting
) -> None:
    base_url = f"{desk.sandbox.base_url}/api"
    other = connecting.adapter(base_url, auth={"kind": "none"}, user_human_id="USR-9")
    wrong = [one.what for one in await other.check(Expectation()) if not one.ok]
    assert wrong == [f"user_human_id is USR-9, but the login is {USER} (syncd)"]
    nowhere = connecting.adapter(f"{desk.sandbox.base_url}/elsewhere", auth={"kind": "none"})
    (told,) = await nowhere.check(Expectation())
    assert not told.ok
