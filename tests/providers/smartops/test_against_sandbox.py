"""Over real HTTP, against the contract as the sandbox plays it."""

from collections.abc import AsyncIterator, Callable

import pytest

from syncd.model.ids import AttachmentId
from syncd.model.operation import Finding, Receipt, WriteKind
from syncd.model.secret import Secret
from syncd.model.ticket import CommentKind, Visibility
from syncd.ports.adapter import Expectation, TicketRef
from syncd.ports.errors import (
    CredentialsRejected,
    NotFound,
    OddAnswer,
    OutcomeUnknown,
    RateLimited,
    Refused,
    RemoteError,
    TokenRejected,
    Unreachable,
    Unsupported,
)
from syncd.providers.smartops.adapter import SmartOpsAdapter
from syncd.sandbox.smartops import SmartOpsSandbox, SmartOpsSandboxSettings
from tests.providers.smartops.desk import (
    KEY,
    OTHER_KEY,
    Connecting,
    change,
    create,
    offline,
    realm,
    ref_to,
    say,
)

Starter = Callable[..., SmartOpsSandbox]


@pytest.fixture
async def desk() -> AsyncIterator[SmartOpsSandbox]:
    async with SmartOpsSandbox() as sandbox:
        yield sandbox


@pytest.fixture
async def adapter(desk: SmartOpsSandbox, connecting: Connecting) -> SmartOpsAdapter:
    return connecting.adapter(desk.base_url, offline(desk.base_url))


def ref_of(receipt: Receipt) -> TicketRef:
    return TicketRef(kind="ticket", id=receipt.ticket_id, number=receipt.ticket_number)


async def opened(desk: SmartOpsSandbox, **fields: str) -> TicketRef:
    sys_id = desk.person_creates({"shortDescription": "Link down", **fields})
    (ticket,) = [one for one in desk.tickets() if one["id"] == sys_id]
    return ref_to(ticket["number"], sys_id)


def writes(desk: SmartOpsSandbox, operation: str) -> int:
    return len(desk.record.requests(operation))


async def test_a_ticket_is_created_and_read_back(desk: SmartOpsSandbox, adapter: SmartOpsAdapter):
    fields = {
        "title": "Link down",
        "description": "since noon\r\nat Fornebu",
        "priority": "1",
        "vendor_ref": "Case-1",
    }
    receipt = await adapter.write(create(fields))
    ticket = await adapter.read(ref_of(receipt))
    for name, value in {**fields, **receipt.fields}.items():
        assert adapter.normalise(name, ticket.fields[name]) == adapter.normalise(name, value)
    assert ticket.keys == (KEY,)
    assert ticket.number == receipt.ticket_number
    assert ticket.created_at is not None
    assert not desk.violations


async def test_a_ticket_nothing_happens_to_reads_the_same_an_hour_later(
    desk: SmartOpsSandbox, adapter: SmartOpsAdapter
):
    ref = await opened(desk)
    before = await adapter.read(ref)
    desk.clock.advance(3600)
    desk.tokens.expire_all()
    assert await adapter.read(ref) == before


async def test_the_three_lists_are_read_oldest_first(desk: SmartOpsSandbox, connecting: Connecting):
    visibility = {"comments": "public"}
    adapter = connecting.adapter(desk.base_url, offline(desk.base_url), visibility=visibility)
    ref = await opened(desk)
    assert ref.id is not None
    desk.person_comments(ref.id, "hello", by="Kari")
    desk.person_comments(ref.id, "between us", internal=True)
    desk.person_sets_status(ref.id, "Resolved", text="done")
    ticket = await adapter.read(ref)
    told = [(one.kind, one.visibility, one.body) for one in ticket.comments]
    assert told == [
        (CommentKind.COMMENT, Visibility.PUBLIC, "hello"),
        (CommentKind.WORK_NOTE, Visibility.PRIVATE, "between us"),
        (CommentKind.CLOSURE_NOTE, Visibility.PRIVATE, "done"),
    ]
    assert ticket.comments[0].author == "Kari"
    assert ticket.fields["status"] == "Resolved"


async def test_comment_ids_stay_whatever_comes_and_in_either_order(connecting: Connecting):
    for newest_first in (False, True):
        settings = SmartOpsSandboxSettings(notes_newest_first=newest_first, whole_seconds=True)
        async with SmartOpsSandbox(settings) as desk:
            adapter = connecting.adapter(desk.base_url, offline(desk.base_url))
            ref = await opened(desk)
            assert ref.id is not None
            known: list[str] = []
            for text in ("yes", "yes", "no", "yes"):
                desk.person_comments(ref.id, text)
                ids = [one.id for one in (await adapter.read(ref)).comments]
                assert set(known) < set(ids)
                assert len(set(ids)) == len(known) + 1
                known = list(ids)


@pytest.mark.parametrize("kind", list(CommentKind))
async def test_a_comment_arrives_in_its_list_and_is_recognised(
    desk: SmartOpsSandbox, adapter: SmartOpsAdapter, kind: CommentKind
):
    ref = await opened(desk)
    receipt = await adapter.write(say(ref, "hello\n\nthere", kind))
    (comment,) = (await adapter.read(ref)).comments
    assert (comment.kind, comment.body, comment.keys) == (kind, "hello\n\nthere", (KEY,))
    assert receipt.comment_id == comment.id
    assert not desk.violations


@pytest.mark.parametrize("fault", ["lost_answer", "error_after", "envelope_after", "garbage"])
async def test_a_create_whose_answer_is_lost_is_unknown_and_stays_so(
    desk: SmartOpsSandbox, adapter: SmartOpsAdapter, fault: str
):
    desk.faults.next(fault, operation="create_ticket", status=502)
    write = create({"title": "x"})
    with pytest.raises(OutcomeUnknown) as caught:
        await adapter.write(write)
    assert caught.value.closed_at is not None
    assert not adapter.features.writes[WriteKind.CREATE].can_probe
    result = await adapter.probe(write, caught.value.closed_at)
    assert result.finding is Finding.UNCLEAR
    assert writes(desk, "create_ticket") == 1
    (made,) = desk.tickets()
    found = await adapter.read(ref_to(made["number"]))
    assert found.keys == (KEY,)


@pytest.mark.parametrize("fault", ["lost_answer", "error_after", "envelope_after", "garbage"])
async def test_a_lost_comment_is_found_by_its_marker(
    desk: SmartOpsSandbox, adapter: SmartOpsAdapter, fault: str
):
    ref = await opened(desk)
    desk.faults.next(fault, operation="update_ticket", status=502)
    write = say(ref, "hello", CommentKind.WORK_NOTE)
    with pytest.raises(OutcomeUnknown) as caught:
        await adapter.write(write)
    assert caught.value.closed_at is not None
    result = await adapter.probe(write, caught.value.closed_at)
    assert result.finding is Finding.FOUND
    (comment,) = (await adapter.read(ref)).comments
    assert result.receipt is not None
    assert result.receipt.comment_id == comment.id
    assert result.others == ()
    assert writes(desk, "update_ticket") == 1


@pytest.mark.parametrize("fault", ["error_before", "envelope_before", "reset_before"])
async def test_a_comment_that_never_came_is_absent(
    desk: SmartOpsSandbox, adapter: SmartOpsAdapter, fault: str
):
    ref = await opened(desk)
    desk.faults.next(fault, operation="update_ticket", status=503)
    write = say(ref, "hello")
    with pytest.raises(OutcomeUnknown) as caught:
        await adapter.write(write)
    assert caught.value.closed_at is not None
    result = await adapter.probe(write, caught.value.closed_at)
    assert (result.finding, result.receipt) == (Finding.ABSENT, None)


async def test_a_comment_sent_twice_shows_both_and_a_quote_shows_none(
    desk: SmartOpsSandbox, adapter: SmartOpsAdapter, connecting: Connecting
):
    ref = await opened(desk)
    assert ref.id is not None
    write = say(ref, "hello")
    first = await adapter.write(write)
    await adapter.write(write)
    desk.person_comments(ref.id, f"who wrote this?\n> hello\n[ref:{KEY}]")
    result = await adapter.probe(write, connecting.clock.now())
    assert result.receipt is not None
    assert result.receipt.comment_id == first.comment_id
    assert len(result.others) == 1


async def test_a_quote_with_our_marker_is_no_effect_and_no_absence(
    desk: SmartOpsSandbox, adapter: SmartOpsAdapter, connecting: Connecting
):
    ref = await opened(desk)
    assert ref.id is not None
    desk.person_comments(ref.id, f"who wrote this?\n> hello\n> [ref:{KEY}]")
    write = say(ref, "hello")
    now = connecting.clock.now()
    quoted = await adapter.probe(write, now)
    assert (quoted.finding, quoted.receipt) == (Finding.UNCLEAR, None)
    desk.person_comments(ref.id, f"hello\n[ref:{KEY}]")
    result = await adapter.probe(write, now)
    ours = [one for one in (await adapter.read(ref)).comments if one.body == "hello"]
    assert result.receipt is not None
    assert (result.receipt.comment_id, result.others) == (ours[0].id, ())


async def test_a_lost_status_is_compared_and_its_note_looked_for(
    desk: SmartOpsSandbox, adapter: SmartOpsAdapter, connecting: Connecting
):
    ref = await opened(desk)
    assert ref.id is not None
    plain = change(ref, WriteKind.STATUS, {"status": "Resolved"})
    noted = change(
        ref, WriteKind.STATUS, {"status": "Resolved", "closure_note": "Restart"}, OTHER_KEY
    )
    now = connecting.clock.now()
    assert (await adapter.probe(plain, now)).finding is Finding.ABSENT
    desk.person_sets_status(ref.id, "Resolved")
    assert (await adapter.probe(plain, now)).finding is Finding.FOUND
    # Somebody else set the same status: without our note it was not us.
    assert (await adapter.probe(noted, now)).finding is Finding.ABSENT
    desk.faults.next("lost_answer", operation="update_ticket")
    with pytest.raises(OutcomeUnknown):
        await adapter.write(noted)
    desk.person_sets_status(ref.id, "Closed")
    assert (await adapter.probe(noted, now)).finding is Finding.FOUND


async def test_a_lost_update_is_found_by_its_values(
    desk: SmartOpsSandbox, adapter: SmartOpsAdapter, connecting: Connecting
):
    ref = await opened(desk)
    write = change(ref, WriteKind.UPDATE, {"urgency": " High ", "description": "new\r\ntext"})
    now = connecting.clock.now()
    assert (await adapter.probe(write, now)).finding is Finding.ABSENT
    desk.faults.next("lost_answer", operation="update_ticket")
    with pytest.raises(OutcomeUnknown):
        await adapter.write(write)
    result = await adapter.probe(write, now)
    assert result.finding is Finding.FOUND
    assert result.receipt is not None
    assert set(result.receipt.fields) == {"urgency", "description"}


async def test_the_creates_marker_survives_a_rewritten_description(
    desk: SmartOpsSandbox, adapter: SmartOpsAdapter
):
    ref = ref_of(await adapter.write(create({"description": "old"})))
    await adapter.write(change(ref, WriteKind.UPDATE, {"description": "new"}, OTHER_KEY))
    (stored,) = desk.tickets()
    assert stored["fields"]["longDescription"] == f"new\n[ref:{KEY}]"
    ticket = await adapter.read(ref)
    assert (ticket.fields["description"], ticket.keys) == ("new", (KEY,))


@pytest.mark.parametrize(
    ("sandbox_keys", "expected"),
    [
        ({}, NotFound),
        ({"mirror_status": True}, NotFound),
        ({"numeric_status_code": True}, NotFound),
    ],
)
async def test_a_removed_ticket_is_not_found_however_it_is_said(
    connecting: Connecting, sandbox_keys: dict[str, bool], expected: type[RemoteError]
):
    async with SmartOpsSandbox(SmartOpsSandboxSettings(**sandbox_keys)) as desk:  # type: ignore[arg-type]
        adapter = connecting.adapter(desk.base_url, offline(desk.base_url))
        ref = await opened(desk)
        assert ref.id is not None
        assert (await adapter.read(ref)).number == ref.number
        desk.person_removes(ref.id)
        with pytest.raises(expected):
            await adapter.read(ref)
        with pytest.raises(expected):
            await adapter.write(say(ref, "anybody?"))


async def test_results_and_newest_first_and_spelled_values_are_understood(connecting: Connecting):
    settings = SmartOpsSandboxSettings(
        details_key="results", notes_newest_first=True, spelled_priority=True
    )
    async with SmartOpsSandbox(settings) as desk:
        adapter = connecting.adapter(desk.base_url, offline(desk.base_url))
        receipt = await adapter.write(create({"priority": "1"}))
        assert receipt.fields["priority"] == "1 - Critical"


async def test_a_refused_value_is_refused_with_the_itsms_words(
    desk: SmartOpsSandbox, adapter: SmartOpsAdapter
):
    ref = await opened(desk)
    with pytest.raises(Refused, match="Sleeping"):
        await adapter.write(change(ref, WriteKind.STATUS, {"status": "Sleeping"}))


async def test_where_get_loses_its_body_post_is_used(connecting: Connecting):
    async with SmartOpsSandbox(SmartOpsSandboxSettings(takes_get=False)) as desk:
        adapter = connecting.adapter(
            desk.base_url, offline(desk.base_url), fetch_method="POST", time_zone_offset="+05:30"
        )
        ref = await opened(desk)
        assert (await adapter.read(ref)).id == ref.id
        assert not desk.violations


async def test_another_tickets_answer_is_never_taken(
    desk: SmartOpsSandbox, adapter: SmartOpsAdapter
):
    ref = await opened(desk)
    assert ref.id is not None
    with pytest.raises(OddAnswer):
        await adapter.read(ref_to(ref.number, "another"))
    # The server may try the value as the other identifier (O11).
    with pytest.raises(OddAnswer):
        await adapter.read(ref_to(ref.id))


# --- login -------------------------------------------------------------------------------------


async def test_a_read_renews_an_expired_token_by_itself(
    desk: SmartOpsSandbox, adapter: SmartOpsAdapter
):
    ref = await opened(desk)
    await adapter.read(ref)
    desk.tokens.expire_all()
    assert (await adapter.read(ref)).id == ref.id
    assert writes(desk, "token") == 2


async def test_a_write_with_an_expired_token_goes_back_and_then_works(
    desk: SmartOpsSandbox, adapter: SmartOpsAdapter
):
    ref = await opened(desk)
    await adapter.read(ref)
    desk.tokens.expire_all()
    with pytest.raises(TokenRejected):
        await adapter.write(say(ref, "hello"))
    await adapter.write(say(ref, "hello"))
    assert len((await adapter.read(ref)).comments) == 1


async def test_client_credentials_and_a_given_token_work_too(connecting: Connecting):
    async with SmartOpsSandbox(SmartOpsSandboxSettings(access_tokens=("given",))) as desk:
        ref = await opened(desk)
        secret = {"client_secret": Secret("smartops-secret")}
        by_client = connecting.adapter(desk.base_url, realm(desk.base_url) | secret)
        assert (await by_client.read(ref)).id == ref.id
        by_token = connecting.adapter(desk.base_url, {"access_token": Secret("given")})
        assert (await by_token.read(ref)).id == ref.id
        desk.tokens.expire_all()
        with pytest.raises(CredentialsRejected):
            await by_token.read(ref)


async def test_a_rotated_offline_token_is_kept_before_it_is_used(connecting: Connecting):
    async with SmartOpsSandbox(SmartOpsSandboxSettings(rotates_offline_token=True)) as desk:
        ref = await opened(desk)
        adapter = connecting.adapter(desk.base_url, offline(desk.base_url))
        await adapter.read(ref)
        assert len(connecting.rotated) == 1
        desk.tokens.expire_all()
        await adapter.read(ref)
        # A new start with what was kept; the configured one is burnt.
        again = connecting.adapter(desk.base_url, offline(desk.base_url))
        assert (await again.read(ref)).id == ref.id
        assert len(set(connecting.rotated)) == 3


async def test_a_token_that_could_not_be_kept_is_not_used(connecting: Connecting):
    async def fails(token: Secret) -> None:
        raise OSError("disk full")

    async with SmartOpsSandbox(SmartOpsSandboxSettings(rotates_offline_token=True)) as desk:
        ref = await opened(desk)
        connecting.keep = fails  # type: ignore[method-assign]
        adapter = connecting.adapter(desk.base_url, offline(desk.base_url))
        with pytest.raises((OSError, Unreachable), match="disk full"):
            await adapter.read(ref)
        assert writes(desk, "get_ticket") == 0


async def test_a_revoked_offline_token_is_no_good(desk: SmartOpsSandbox, adapter: SmartOpsAdapter):
    ref = await opened(desk)
    desk.person_revokes_token()
    with pytest.raises(CredentialsRejected):
        await adapter.read(ref)


async def test_when_asked_to_wait_a_write_says_how_long(
    desk: SmartOpsSandbox, adapter: SmartOpsAdapter
):
    ref = await opened(desk)
    desk.faults.next("rate_limited", operation="update_ticket", retry_after_s=7)
    with pytest.raises(RateLimited) as caught:
        await adapter.write(say(ref, "hello"))
    assert caught.value.retry_after_s == 7


# --- the rest of the port ----------------------------------------------------------------------


async def test_what_the_contract_lacks_is_unsupported(adapter: SmartOpsAdapter):
    with pytest.raises(Unsupported):
        await adapter.poll("ticket", None)
    with pytest.raises(Unsupported):
        async with adapter.download(ref_to("INC1"), AttachmentId("a")):
            pass
    with pytest.raises(Unsupported):
        await adapter.read(TicketRef(kind="incident", number="INC1"))
    with pytest.raises(Unsupported):
        await adapter.read(TicketRef(kind="ticket"))
    with pytest.raises(Unsupported):
        await adapter.call("delete", {})
    assert WriteKind.ATTACHMENT not in adapter.features.writes
    assert not adapter.features.attachments


async def test_a_named_call_shows_everything(desk: SmartOpsSandbox, adapter: SmartOpsAdapter):
    ref = await opened(desk, u_site="Fornebu")
    assert ref.id is not None
    desk.person_comments(ref.id, "hello")
    answer = await adapter.call("details", {"number": ref.number})
    assert isinstance(answer, dict)
    assert answer["u_site"] == "Fornebu"
    assert answer["comments"][0]["text"] == "hello"
    assert "details" in adapter.calls()
    with pytest.raises(Refused):
        await adapter.call("details", {})


async def test_a_check_without_a_ticket_proves_login_and_path(
    desk: SmartOpsSandbox, adapter: SmartOpsAdapter
):
    findings = await adapter.check(Expectation())
    assert [one.ok for one in findings] == [True]
    desk.person_revokes_token()
    assert [one.ok for one in await adapter.check(Expectation())] == [False]


async def test_a_check_does_not_take_a_wrong_path_for_a_right_one(
    desk: SmartOpsSandbox, connecting: Connecting
):
    paths = {"details": "/itsm/elsewhere"}
    adapter = connecting.adapter(desk.base_url, offline(desk.base_url), paths=paths)
    (finding,) = await adapter.check(Expectation())
    assert not finding.ok


async def test_a_check_with_a_ticket_tells_which_keys_come_back(
    desk: SmartOpsSandbox, connecting: Connecting
):
    ref = await opened(desk, u_site="Fornebu")
    adapter = connecting.adapter(
        desk.base_url,
        offline(desk.base_url),
        check_number=ref.number,
        statuses=["New", "Resolved"],
    )
    expectation = Expectation(
        values={"color": frozenset({"red"})}, statuses=frozenset({"New", "Gone"})
    )
    told = {one.what: one.ok for one in await adapter.check(expectation)}
    assert told["site (u_site) comes back"]
    assert not told["vendor_ref (u_vendor_ref) is empty or not readable there"]
    assert not told["no such field: color"]
    assert not told["status Gone is not among `statuses`"]
