"""Over real HTTP, against the document as the sandbox plays it."""

import hashlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from syncd.model.ids import AttachmentId
from syncd.model.operation import Finding, ProbeResult, Receipt, Write
from syncd.model.ticket import Ticket
from syncd.ports.adapter import Expectation, TicketRef
from syncd.ports.errors import (
    CredentialsRejected,
    NotFound,
    OddAnswer,
    OutcomeUnknown,
    RateLimited,
    Refused,
    TokenRejected,
)
from syncd.providers.telenor import TelenorAdapter, mapping
from syncd.sandbox.clock import SandboxClock
from syncd.sandbox.telenor import TelenorSandbox, TelenorSandboxSettings
from tests.providers.telenor.desk import (
    KEY,
    OTHER_KEY,
    Bytes,
    Connecting,
    attach,
    change,
    create,
    ref_to,
    say,
    set_status,
)

LINE = {
    "title": "Link down Fornebu",
    "description": "Router says nothing.\r\nRestarted twice. Æøå",
    "priority": "High",
    "location": "Fornebu",
    "organization_number": "912345678",
    "product_category_name": "Nordic Connect",
    "incident_type": "Ustabilitet",
    "identification_number": "LU-12345678",
    "local_contact": {"name": "Ola Nordman", "phone": "4712345678"},
}


class Desk:
    """The sandbox, our adapter, and clocks that go together."""

    def __init__(self, sandbox: TelenorSandbox, connecting: Connecting, **keys: object) -> None:
        self.sandbox = sandbox
        self.clock = connecting.clock
        self.adapter: TelenorAdapter = connecting.adapter(sandbox.base_url, **keys)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.sandbox.clock.advance(seconds)

    async def opened(self, **fields: Any) -> TicketRef:
        receipt = await self.adapter.write(create(**{**LINE, **fields}))
        return ref_to(receipt.ticket_id)

    async def lost(self, write: Write, fault: str, file: Bytes | None = None) -> datetime:
        """Send a write whose answer does not come; give when it was sent."""
        self.sandbox.faults.next(fault, operation=OPERATIONS[write.kind.value])
        sent_at = self.clock.now()
        with pytest.raises(OutcomeUnknown):
            await self.adapter.write(write, file)
        return sent_at


OPERATIONS = {
    "create": "create_incident",
    "update": "update_incident",
    "status": "set_status",
    "comment": "add_comment",
    "attachment": "add_attachment",
}


@pytest.fixture
async def sandbox(connecting: Connecting) -> AsyncIterator[TelenorSandbox]:
    clock = SandboxClock(connecting.clock.now())
    async with TelenorSandbox(TelenorSandboxSettings(clock=clock)) as one:
        yield one
        assert one.violations == [], "we sent what the document does not allow"


@pytest.fixture
async def desk(sandbox: TelenorSandbox, connecting: Connecting) -> Desk:
    return Desk(sandbox, connecting)


def receipt_of(found: ProbeResult) -> Receipt:
    assert found.finding is Finding.FOUND, found.looked_at
    assert found.receipt is not None
    return found.receipt


# --- what is written is read back ----------------------------------------------------------------


async def test_a_ticket_is_created_and_read_back_as_it_was_sent(desk: Desk) -> None:
    ref = await desk.opened()
    one = await desk.adapter.read(ref)
    for name, value in LINE.items():
        assert mapping.same_value(name, one.get(name), value), name
    assert one.keys == (KEY,)
    assert "[ref:" not in str(one.fields)
    assert one.fields["caller"] == "syncd"
    assert one.fields["status"] == "New"
    assert one.number.startswith("Case-")
    assert await desk.adapter.read(ref_to(None, one.number)) == one
    assert await desk.adapter.read(ref_to(None, one.id)) == one


async def test_an_update_changes_what_it_names_and_keeps_the_creates_marker(desk: Desk) -> None:
    ref = await desk.opened()
    await desk.adapter.write(
        change(
            ref,
            OTHER_KEY,
            title="Link up",
            description="All well",
            contact={"name": "Kari", "email": "kari@nordman.no"},
            local_contact=None,
        )
    )
    one = await desk.adapter.read(ref)
    assert (one.fields["title"], one.fields["description"]) == ("Link up", "All well")
    assert one.fields["contact"] == {"name": "Kari", "email": "kari@nordman.no"}
    assert one.get("local_contact") in (None, {}) or not one.get("local_contact")
    assert one.fields["location"] == "Fornebu"
    assert one.keys == (KEY,)


async def test_statuses_follow_the_table_of_the_vendor(desk: Desk) -> None:
    ref = await desk.opened()
    await desk.adapter.write(set_status(ref, status="Solved", text="Restarted"))
    assert (await desk.adapter.read(ref)).fields["status"] == "Solved"
    await desk.adapter.write(set_status(ref, OTHER_KEY, status="Customer Accepted"))
    one = await desk.adapter.read(ref)
    assert one.fields["closed_at"]
    with pytest.raises(Refused, match="'Customer Accepted' to 'New' refused"):
        await desk.adapter.write(set_status(ref, status="New"))


async def test_comments_have_authors_though_the_vendor_lists_none(desk: Desk) -> None:
    ref = await desk.opened()
    receipt = await desk.adapter.write(say(ref, "Any news? Æ"))
    desk.advance(30)
    desk.sandbox.person_comments(str(ref.id), "We look into it", "Tone Telenor")
    desk.sandbox.person_comments(str(ref.id), "We look into it", "Berit Bedrift")
    ours, first, second = (await desk.adapter.read(ref)).comments
    assert (ours.id, ours.body, ours.keys) == (receipt.comment_id, "Any news? Æ", (KEY,))
    assert ours.author == "syncd"
    assert {first.author, second.author} == {"Tone Telenor", "Berit Bedrift"}


async def test_a_file_goes_up_and_comes_down_whole(desk: Desk) -> None:
    ref = await desk.opened()
    content = bytes(range(256)) * 4000
    name = "Router Status æ&ø=1.jpg"
    receipt = await desk.adapter.write(attach(ref, name, len(content)), Bytes(content))
    (file,) = (await desk.adapter.read(ref)).attachments
    assert (file.id, file.name, file.size_bytes) == (receipt.attachment_id, name, len(content))
    assert file.content_type == "image/jpeg"
    digest = hashlib.sha256()
    async with desk.adapter.download(ref, file.id) as chunks:
        async for chunk in chunks:
            digest.update(chunk)
    assert digest.digest() == hashlib.sha256(content).digest()
    assert await desk.adapter.call(
        "delete_attachment", {"id": str(ref.id), "attachment": str(file.id)}
    ) == {"deleted": True, "name": name}
    with pytest.raises(NotFound):
        async with desk.adapter.download(ref, AttachmentId(file.id)):
            pass


async def test_every_named_read_works(desk: Desk) -> None:
    ref = await desk.opened()
    activities = await desk.adapter.call("incident_activities", {"id": str(ref.id)})
    assert isinstance(activities, dict)
    activity = activities["items"][0]["id"]
    for name, arguments in (
        ("list", {"status": "New,Solved", "is_closed": "false", "logged_by": "syncd"}),
        ("activities", {"count": "1"}),
        ("count", {"status": "New"}),
        ("product_categories", {}),
        ("incident", {"id": str(ref.id)}),
        ("activity", {"id": str(ref.id), "activity": activity}),
        ("attachments", {"id": str(ref.id)}),
        ("comments", {"id": str(ref.id)}),
    ):
        assert await desk.adapter.call(name, arguments) is not None, name


async def test_a_ticket_that_is_not_there_is_not_found(desk: Desk) -> None:
    with pytest.raises(NotFound):
        await desk.adapter.read(ref_to("5004E000003uH0YQAU"))
    with pytest.raises(NotFound):
        await desk.adapter.read(ref_to(None, "Case-99999999"))


async def test_the_live_check_reads_the_vendors_lists(desk: Desk) -> None:
    findings = await desk.adapter.check(
        Expectation(
            values={"incident_type": frozenset({"Ikke på nett", "Ingen ting"})},
            statuses=frozenset({"New", "Solved"}),
        )
    )
    assert [one.ok for one in findings] == [True] * 4 + [True, False, True, True]


# --- the feed ------------------------------------------------------------------------------------


async def sighted(desk: Desk, cursor: str | None, rounds: int = 1) -> tuple[set[str], str, int]:
    ids: set[str] = set()
    requests = 0
    for _ in range(rounds):
        result = await desk.adapter.poll("incident", cursor)
        ids |= {str(one.ref.id) for one in result.sightings}
        cursor, requests = result.cursor, requests + result.requests
    return ids, str(cursor), requests


async def test_every_kind_of_change_is_seen_and_silence_costs_one_request(desk: Desk) -> None:
    people = desk.sandbox
    tickets = [people.person_creates({"subject": f"T{number}"}) for number in range(7)]
    _, cursor, _ = await sighted(desk, None)
    changes = [
        lambda: people.person_updates(tickets[0], {"subject": "x"}),
        lambda: people.person_comments(tickets[1], "x"),
        lambda: people.person_attaches(tickets[2], "a.txt", b"x"),
        lambda: people.person_sets_status(tickets[3], "Solved"),
        lambda: people.person_sets_status(tickets[4], "Customer Accepted"),
        lambda: people.person_updates(tickets[5], {"rootCause": "Restart"}),
    ]
    for number, act in enumerate(changes):
        desk.advance(60)
        act()
        ids, cursor, requests = await sighted(desk, cursor)
        assert (ids, requests) == ({tickets[number]}, 1)
    before = len(people.record.requests())
    ids, after, requests = await sighted(desk, cursor, rounds=5)
    assert (ids, requests, after) == (set(), 5, cursor)
    assert len(people.record.requests()) - before == 5


@pytest.mark.parametrize("sort_fields", [("lastActivity",), ("caseId",)])
async def test_the_feed_misses_nothing_while_pages_drift(
    connecting: Connecting, sort_fields: tuple[str, ...]
) -> None:
    clock = SandboxClock(connecting.clock.now())
    told = TelenorSandboxSettings(clock=clock, activity_sort_fields=sort_fields)
    async with TelenorSandbox(told) as sandbox:
        desk = Desk(sandbox, connecting, feed={"page_size": 7, "overlap_items": 2})
        sandbox.person_creates({"subject": "first"})
        _, cursor, _ = await sighted(desk, None)
        desk.advance(1000)
        expected = set()
        for number in range(40):
            desk.advance(number % 3)
            expected.add(sandbox.person_creates({"subject": f"T{number}"}))
        sandbox.faults.next("page_drift", count=3, operation="list_activities")
        ids, cursor, _ = await sighted(desk, cursor, rounds=3)
        assert expected <= ids


async def test_a_vanished_ticket_hides_nothing_in_the_feed(
    desk: Desk, connecting: Connecting
) -> None:
    desk = Desk(desk.sandbox, connecting, feed={"page_size": 3, "overlap_items": 1})
    people = desk.sandbox
    _, cursor, _ = await sighted(desk, None)
    kept = people.person_creates({"subject": "kept"})
    gone = [people.person_creates({"subject": f"gone {number}"}) for number in range(4)]
    for ticket in gone:
        people.person_removes(ticket)
    ids, _, _ = await sighted(desk, cursor, rounds=2)
    assert kept in ids


@pytest.mark.parametrize("body", ["html", "cut"])
async def test_garbage_with_200_leaves_the_cursor_where_it_was(desk: Desk, body: str) -> None:
    desk.sandbox.person_creates({"subject": "x"})
    _, cursor, _ = await sighted(desk, None)
    desk.advance(60)
    new = desk.sandbox.person_creates({"subject": "y"})
    desk.sandbox.faults.next("garbage", operation="list_activities", body=body)
    with pytest.raises(OddAnswer):
        await desk.adapter.poll("incident", cursor)
    ids, _, _ = await sighted(desk, cursor)
    assert new in ids


# --- lost answers --------------------------------------------------------------------------------

LOST = ["lost_answer", "error_after", "garbage"]
NOTHING_DONE = ["error_before", "reset_before"]


@pytest.mark.parametrize("fault", LOST)
async def test_a_create_whose_answer_was_lost_is_found(desk: Desk, fault: str) -> None:
    for number in range(5):
        desk.sandbox.person_creates({"subject": f"T{number}"})
    write = create(**LINE)
    sent_at = await desk.lost(write, fault)
    desk.advance(10)
    receipt = receipt_of(await desk.adapter.probe(write, sent_at))
    assert desk.sandbox.tickets()[-1]["id"] == receipt.ticket_id
    assert receipt.ticket_number == desk.sandbox.tickets()[-1]["number"]


@pytest.mark.parametrize("fault", NOTHING_DONE)
async def test_a_create_that_did_not_happen_is_absent(desk: Desk, fault: str) -> None:
    desk.sandbox.person_creates({"subject": "T"})
    write = create(**LINE)
    sent_at = await desk.lost(write, fault)
    found = await desk.adapter.probe(write, sent_at)
    assert found.finding is Finding.ABSENT
    assert found.looked_at == "search 0, newest 1 cases 0"


async def test_a_create_is_found_among_the_newest_though_search_lags(
    connecting: Connecting,
) -> None:
    clock = SandboxClock(connecting.clock.now())
    async with TelenorSandbox(TelenorSandboxSettings(clock=clock, search_lag_s=600)) as sandbox:
        desk = Desk(sandbox, connecting)
        write = create(**LINE)
        sent_at = await desk.lost(write, "lost_answer")
        found = await desk.adapter.probe(write, sent_at)
        assert found.looked_at == "search 0, newest 1 cases 1"
        receipt_of(found)


async def test_a_create_sent_twice_shows_both_oldest_first(desk: Desk) -> None:
    write = create(**LINE)
    sent_at = await desk.lost(write, "lost_answer")
    desk.advance(60)
    await desk.adapter.write(write)
    found = await desk.adapter.probe(write, sent_at)
    first, second = desk.sandbox.tickets()
    assert receipt_of(found).ticket_id == first["id"]
    assert [one.ticket_id for one in found.others] == [second["id"]]


@pytest.mark.parametrize("fault", [*LOST, *NOTHING_DONE])
async def test_a_comment_whose_answer_was_lost_is_told_apart(desk: Desk, fault: str) -> None:
    ref = await desk.opened()
    await desk.adapter.write(say(ref, "again", OTHER_KEY))
    write = say(ref, "again")
    sent_at = await desk.lost(write, fault)
    found = await desk.adapter.probe(write, sent_at)
    comments = desk.sandbox.tickets()[0]["comments"]
    if fault in NOTHING_DONE:
        assert found.finding is Finding.ABSENT
        return
    assert receipt_of(found).comment_id == comments[-1]["id"]


@pytest.mark.parametrize("fault", [*LOST[:2], *NOTHING_DONE])
async def test_a_file_whose_answer_was_lost_is_told_apart(desk: Desk, fault: str) -> None:
    ref = await desk.opened()
    write = attach(ref, "a.jpg", 5)
    sent_at = await desk.lost(write, fault, Bytes(b"hello"))
    found = await desk.adapter.probe(write, sent_at)
    if fault in NOTHING_DONE:
        assert found.finding is Finding.ABSENT
        return
    (file,) = desk.sandbox.tickets()[0]["attachments"]
    assert receipt_of(found).attachment_id == file["id"]


@pytest.mark.parametrize("fault", ["lost_answer", "garbage", "error_before"])
async def test_updates_and_statuses_whose_answer_was_lost_are_told_apart(
    desk: Desk, fault: str
) -> None:
    ref = await desk.opened()
    for write in (change(ref, title="Other"), set_status(ref, status="Solved")):
        sent_at = await desk.lost(write, fault)
        found = await desk.adapter.probe(write, sent_at)
        assert found.finding is (Finding.ABSENT if fault == "error_before" else Finding.FOUND)


async def test_people_who_rewrite_what_we_wrote_hide_no_write_of_ours(desk: Desk) -> None:
    write = create(**LINE)
    sent_at = await desk.lost(write, "lost_answer")
    made = desk.sandbox.tickets()[-1]["id"]
    desk.advance(10)
    desk.sandbox.person_updates(made, {"description": "Fibre cut", "subject": "Fibre"})
    assert receipt_of(await desk.adapter.probe(write, sent_at)).ticket_id == made
    assert (await desk.adapter.read(ref_to(made))).keys == (KEY,)
    changes = (change(ref_to(made), title="Other"), set_status(ref_to(made), status="Solved"))
    for one in changes:
        sent_at = await desk.lost(one, "lost_answer")
        desk.advance(1)
        desk.sandbox.person_updates(made, {"subject": "Mine"})
        desk.sandbox.person_sets_status(made, "New")
        receipt_of(await desk.adapter.probe(one, sent_at))


# --- login, limits -------------------------------------------------------------------------------


async def test_an_expired_token_is_renewed_for_a_read_and_told_for_a_write(desk: Desk) -> None:
    ref = await desk.opened()
    desk.sandbox.tokens.expire_all()
    assert (await desk.adapter.read(ref)).id == ref.id
    desk.sandbox.tokens.expire_all()
    with pytest.raises(TokenRejected):
        await desk.adapter.write(say(ref, "hello"))
    await desk.adapter.write(say(ref, "hello"))
    assert len(desk.sandbox.tickets()[0]["comments"]) == 1


async def test_a_locked_login_rejects_our_credentials(desk: Desk) -> None:
    ref = await desk.opened()
    desk.sandbox.person_locks_login()
    with pytest.raises(CredentialsRejected):
        await desk.adapter.read(ref)


async def test_no_access_to_an_organisation_refuses_that_ticket_only(
    connecting: Connecting,
) -> None:
    clock = SandboxClock(connecting.clock.now())
    told = TelenorSandboxSettings(clock=clock, organizations=("912345678",))
    async with TelenorSandbox(told) as sandbox:
        desk = Desk(sandbox, connecting)
        other = sandbox.person_creates({"subject": "x", "organizationNumber": "900000123"})
        with pytest.raises(Refused, match="Min Bedrift"):
            await desk.adapter.read(ref_to(other))
        assert (await desk.adapter.read(await desk.opened())).number


async def test_a_429_on_a_write_says_when_to_come_back(desk: Desk) -> None:
    ref = await desk.opened()
    desk.sandbox.faults.next("rate_limited", retry_after_s=7.0, operation="add_comment")
    with pytest.raises(RateLimited) as caught:
        await desk.adapter.write(say(ref, "hello"))
    assert caught.value.retry_after_s == 7.0
    desk.sandbox.faults.next("rate_limited", retry_after_s=1.0, operation="get_incident")
    assert (await desk.adapter.read(ref)).id == ref.id


async def test_a_create_sends_no_user_name_and_every_other_write_does(desk: Desk) -> None:
    ref = await desk.opened()
    await desk.adapter.write(say(ref, "hello"))
    await desk.adapter.write(change(ref, title="x"))
    sent = {
        event["operation"]: event["headers"].get("X-User-Name")
        for event in desk.sandbox.record.requests()
    }
    assert sent["create_incident"] is None
    assert (sent["add_comment"], sent["update_incident"]) == ("syncd", "syncd")


async def test_odd_dates_and_booleans_are_read_on_every_ticket(desk: Desk) -> None:
    tickets: list[Ticket] = []
    for number in range(12):
        desk.advance(1)
        ref = await desk.opened(title=f"T{number}")
        await desk.adapter.write(set_status(ref, status="Solved"))
        tickets.append(await desk.adapter.read(ref))
    for one in tickets:
        assert one.created_at is not None
        assert one.updated_at is not None
        assert abs(one.created_at - desk.clock.now()) < timedelta(minutes=5)
