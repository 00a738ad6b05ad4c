"""Writes, probes, accounts and the live check, over real HTTP against the sandbox."""

from datetime import timedelta

import pytest

from syncd.model.operation import Finding, Write, WriteKind
from syncd.model.ticket import Value
from syncd.ports.adapter import Expectation
from syncd.ports.errors import CredentialsRejected, NotFound, Refused, Unsupported
from syncd.providers.digital_realty import normalise
from syncd.sandbox import DigitalRealtySandbox
from tests.providers.digital_realty.desk import (
    FIELDS,
    KEY,
    OTHER_KEY,
    Bytes,
    Connecting,
    Desk,
    attach,
    cancel,
    change,
    create,
    ref_to,
    say,
)


async def found(desk: Desk, write: Write, sent: timedelta = timedelta(0)) -> Finding:
    return (await desk.adapter.probe(write, desk.clock.now() - sent)).finding


# --- create --------------------------------------------------------------------------------------


async def test_the_key_shares_the_reference_with_the_itsms_number(desk: Desk) -> None:
    ref = await desk.opened()
    ticket = await desk.adapter.read(ref)
    stored = desk.sandbox.tickets()[0]["fields"]

    assert stored["customerReference"] == f"INC0012399 [ref:{KEY}]"
    assert stored["notificationRecipients"] == "noc@acme.example,kari@acme.example"
    assert ticket.keys == (KEY,)
    assert ticket.fields["customer_reference"] == "INC0012399"
    for name, value in FIELDS.items():
        assert normalise(name, ticket.fields[name]) == normalise(name, value), name


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"title": "x" * 161}, "title: 161 characters, Digital Realty takes 160"),
        ({"site": "AMS0110"}, "site: 7 characters"),
        ({"location": "x" * 41}, "location: 41 characters"),
        ({"customer_reference": "x" * 15}, "room for 14 of 40"),
        ({"description": "å" * 16_001}, "32002 bytes"),
        ({"description": None}, "description is missing"),
        ({"notification_recipients": "fsl_test Testing"}, "is no e-mail address"),
        ({"request_type": "Amenities"}, "it is part of Facilities Request; accepted: Elevator"),
        ({"request_type": "Catering"}, "accepted: Account Management"),
        ({"category": "Cooling"}, "accepted: Cooling - Datacenter, Cooling - Office"),
        ({"caller": "Kari"}, "by nobody but Digital Realty"),
        ({"severity": "1"}, "no field severity"),
        ({"title": {"name": "x"}}, "not a contact"),
    ],
)
async def test_what_the_document_does_not_allow_is_refused_here(
    desk: Desk, fields: dict[str, Value], why: str
) -> None:
    with pytest.raises(Refused, match="not sent") as told:
        await desk.adapter.write(create(**{**FIELDS, **fields}))

    assert why in str(told.value)
    assert desk.requests("create_ticket") == 0


async def test_categories_that_cannot_be_had_block_nothing(desk: Desk) -> None:
    desk.sandbox.faults.next("error_before", operation="categories", count=50, status=503)
    await desk.opened()
    asked = desk.requests("categories")
    await desk.opened()
    with pytest.raises(Refused, match="is part of Facilities Request"):
        await desk.opened(request_type="Amenities")

    assert desk.requests("categories") == asked, "not asked again for a while"
    desk.sandbox.faults.clear()
    desk.advance(601)
    await desk.opened()
    await desk.opened()
    assert desk.requests("categories") == asked + 1, "kept once known"


async def test_a_lost_create_is_found_by_its_reference_though_all_else_was_changed(
    desk: Desk,
) -> None:
    desk.sandbox.person_creates({"title": "x", "site": "AMS011"})
    await desk.adapter.write(create(OTHER_KEY, **FIELDS))
    sent_at = await desk.lost(create(**FIELDS))
    (ours,) = (one["id"] for one in desk.sandbox.tickets()
               if str(KEY) in one["fields"].get("customerReference", ""))  # fmt: skip
    moved = {"title": "Hot", "site": "LON003", "requestType": "Amenities", "category": "Parking"}
    desk.sandbox.person_updates(ours, moved)
    desk.advance(301)

    probe = await desk.adapter.probe(create(**FIELDS), sent_at)

    assert (probe.finding, probe.others) == (Finding.FOUND, ())
    assert probe.receipt is not None
    assert probe.receipt.ticket_id == ours


async def test_a_ticket_of_ours_whose_reference_was_rewritten_is_no_absence(desk: Desk) -> None:
    sent_at = await desk.lost(create(**FIELDS))
    ticket = desk.sandbox.tickets()[0]["id"]
    desk.sandbox.person_updates(ticket, {"customerReference": "ours"})

    probe = await desk.adapter.probe(create(**FIELDS), sent_at)

    assert probe.finding is Finding.UNCLEAR
    assert "another customer reference" in probe.looked_at


async def test_a_list_longer_than_is_read_is_no_absence(
    sandbox: DigitalRealtySandbox, connecting: Connecting
) -> None:
    desk = Desk(sandbox, connecting, scan={"page_size": 2}, probe={"pages_max": 2})
    for _ in range(5):
        desk.sandbox.person_creates({"title": "old"})
    desk.advance(3600)

    assert await found(desk, create(**FIELDS)) is Finding.UNCLEAR


async def test_a_lagging_list_hides_a_create_until_it_shows_it(desk: Desk) -> None:
    sent_at = await desk.lost(create(**FIELDS))
    desk.sandbox.faults.next("search_lag", operation="list_tickets", count=3, lag_s=60)
    lagging = await desk.adapter.probe(create(**FIELDS), sent_at)
    desk.advance(300)
    later = await desk.adapter.probe(create(**FIELDS), sent_at)

    # Absence is believed only after the settle time and several looks (Features).
    assert [lagging.finding, later.finding] == [Finding.ABSENT, Finding.FOUND]
    feature = desk.adapter.features.writes[WriteKind.CREATE]
    assert (feature.settle_s, feature.looks) == (300, 3)


# --- update and cancel ---------------------------------------------------------------------------


async def test_an_update_keeps_the_key_and_what_it_does_not_name(desk: Desk) -> None:
    ref = await desk.opened()
    receipt = await desk.adapter.write(change(ref, customer_reference="INC0012400"))
    await desk.adapter.write(change(ref, notification_recipients=None))
    ticket = await desk.adapter.read(ref)

    assert receipt.fields == {"customer_reference": "INC0012400"}
    assert ticket.keys == (KEY,)
    assert ticket.fields["customer_reference"] == "INC0012400"
    assert ticket.fields["notification_recipients"] is None
    changes = desk.sandbox.record.of("field_changed")
    assert [one["field"] for one in changes] == ["customerReference", "notificationRecipients"]


async def test_recipients_that_are_no_addresses_survive_an_update_of_the_reference(
    desk: Desk,
) -> None:
    ticket = desk.sandbox.person_creates({"title": "x", "notificationRecipients": "fsl_test Test"})
    await desk.adapter.write(change(ref_to(ticket), customer_reference="INC1"))

    fields = desk.sandbox.tickets()[0]["fields"]
    assert fields["notificationRecipients"] == "fsl_test Test"
    assert fields["customerReference"] == "INC1"


async def test_title_and_description_are_not_updated_unless_told(desk: Desk) -> None:
    ref = await desk.opened()
    with pytest.raises(Refused, match="title cannot be set by update, only by create"):
        await desk.adapter.write(change(ref, title="Other"))
    (title,) = (one for one in desk.adapter.fields("ticket") if one.name == "title")
    assert title.writable == {"create"}


@pytest.mark.parametrize("status", ["Completed", "Cancelled"])
async def test_a_closed_ticket_takes_nothing_and_the_reason_says_so(
    desk: Desk, status: str
) -> None:
    ref = await desk.opened()
    desk.sandbox.person_sets_status(str(ref.id), status)
    writes = [change(ref, customer_reference="x"), say(ref, "hello"), attach(ref, "a.png", 3)]
    if status == "Completed":
        writes.append(cancel(ref))
    for write in writes:
        with pytest.raises(Refused, match=f"the ticket is {status}; an? .* only taken while"):
            await desk.adapter.write(write, Bytes(b"abc"))
    assert desk.sandbox.tickets()[0]["comments"] == []


async def test_a_cancel_names_its_reason_and_is_done_once(desk: Desk) -> None:
    ref = await desk.opened()
    await desk.adapter.write(cancel(ref, cancel_reason="duplicate request"))
    again = await desk.adapter.write(cancel(ref))
    default = await desk.opened()
    await desk.adapter.write(cancel(default))

    assert again.fields == {"status": "Cancelled"}
    assert [one["cancel_reason"] for one in desk.sandbox.tickets()] == [
        "Duplicate request", "Request no longer needed",
    ]  # fmt: skip
    assert desk.requests("cancel_ticket") == 2


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"status": "Completed"}, "we can only cancel"),
        ({"cancel_reason": "Changed my mind"}, "accepted: Duplicate request"),
        ({"closure_note": "x"}, "not closure_note"),
    ],
)
async def test_no_other_status_is_ever_sent(desk: Desk, fields: dict[str, Value], why: str) -> None:
    ref = await desk.opened()
    with pytest.raises(Refused, match=why):
        await desk.adapter.write(cancel(ref, **fields))
    assert desk.requests("cancel_ticket") == 0


async def test_a_refusal_the_status_does_not_explain_stays_as_it_is(desk: Desk) -> None:
    ref = await desk.opened()
    desk.sandbox.faults.next("error_before", operation="cancel_ticket", status=422)
    with pytest.raises(Refused, match=r"422: the request is not accepted \(") as told:
        await desk.adapter.write(cancel(ref))
    assert "only taken" not in str(told.value)


async def test_what_was_done_and_what_not_is_seen_by_reading(desk: Desk) -> None:
    ref = await desk.opened()
    for write in (change(ref, customer_reference="INC2"), cancel(ref)):
        assert await found(desk, write) is Finding.ABSENT
        await desk.lost(write)
        assert await found(desk, write) is Finding.FOUND


# --- comments and files --------------------------------------------------------------------------


async def test_comments_are_known_by_what_they_show_and_ours_by_their_marker(desk: Desk) -> None:
    ref = await desk.opened()
    desk.sandbox.person_comments(str(ref.id), "same", "Dana")
    desk.sandbox.person_comments(str(ref.id), "same", "Dana")
    receipt = await desk.adapter.write(say(ref, "Any news?"))
    first = (await desk.adapter.read(ref)).comments
    desk.advance(60)
    desk.sandbox.person_comments(str(ref.id), f"> Any news? [ref:{KEY}]\nSoon", "Dana")
    second = (await desk.adapter.read(ref)).comments

    assert [one.body for one in first] == ["same", "same", "Any news?"]
    assert len({one.id for one in first}) == 3
    assert receipt.comment_id == first[2].id
    assert [one.id for one in second[:3]] == [one.id for one in first]
    assert [one.keys for one in second] == [(), (), (KEY,), (KEY,)]


async def test_a_lost_comment_is_found_but_a_quote_of_it_is_unclear(desk: Desk) -> None:
    ref = await desk.opened()
    write = say(ref, "Any news?")
    assert await found(desk, write) is Finding.ABSENT
    desk.sandbox.person_comments(str(ref.id), f"What is [ref:{KEY}]?", "Dana")
    assert await found(desk, write) is Finding.UNCLEAR
    await desk.lost(write)
    probe = await desk.adapter.probe(write, desk.clock.now())
    assert (probe.finding, len(probe.others)) == (Finding.FOUND, 0)


async def test_a_person_who_quotes_a_whole_comment_of_ours_made_no_second_effect(
    desk: Desk,
) -> None:
    ref = await desk.opened()
    write = say(ref, "Any news?")
    await desk.lost(write)
    quoting = f"One moment.\n> Any news?\n> [ref:{KEY}]"
    desk.sandbox.person_comments(str(ref.id), quoting, "Dana")
    probe = await desk.adapter.probe(write, desk.clock.now())
    assert (probe.finding, len(probe.others)) == (Finding.FOUND, 0)


@pytest.mark.parametrize("body", ["å" * 2000, "x" * 3980])
async def test_a_comment_above_the_limit_with_its_marker_is_refused_here(
    desk: Desk, body: str
) -> None:
    ref = await desk.opened()
    with pytest.raises(Refused, match="not sent: a comment with its marker"):
        await desk.adapter.write(say(ref, body))
    await desk.adapter.write(say(ref, "x" * 3974))


async def test_a_file_is_uploaded_and_nothing_can_be_asked_about_it(desk: Desk) -> None:
    ref = await desk.opened()
    content = b"x" * 100_000
    await desk.adapter.write(attach(ref, "skjerm æ.png", len(content)), Bytes(content))

    (kept,) = desk.sandbox.tickets()[0]["attachments"]
    assert (kept["name"], kept["size"], kept["content_type"]) == (
        "skjerm æ.png", 100_000, "image/png",
    )  # fmt: skip
    features = desk.adapter.features
    assert not features.attachments
    assert not features.writes[WriteKind.ATTACHMENT].can_probe
    assert await found(desk, attach(ref, "a.png", 1)) is Finding.UNCLEAR
    with pytest.raises(Unsupported):
        desk.adapter.download(ref, kept["id"])
    for name, size in (("", 1), ("a/b.png", 1), ("a.png", 0), ("a.png", 26_000_000)):
        with pytest.raises(Refused, match="not sent"):
            await desk.adapter.write(attach(ref, name, size), Bytes(b"x"))


# --- accounts, login, look-ups -------------------------------------------------------------------


async def test_two_accounts_never_see_each_others_tickets(
    desk: Desk, connecting: Connecting
) -> None:
    london = Desk(desk.sandbox, connecting, account_id="A2")
    here = await desk.opened()
    there = ref_to(desk.sandbox.person_creates({"title": "London"}, account="A2"))

    assert [one.ref.id for one in (await desk.poll()).sightings] == [here.id]
    assert [one.ref.id for one in (await london.poll()).sightings] == [there.id]
    with pytest.raises(NotFound):
        await desk.adapter.read(there)
    with pytest.raises(NotFound):
        await london.adapter.write(cancel(here))


async def test_a_token_that_ended_is_renewed_and_a_locked_login_is_told(desk: Desk) -> None:
    await desk.poll()
    desk.sandbox.tokens.expire_all()
    await desk.poll()
    assert desk.requests("token") == 2
    desk.sandbox.person_locks_login()
    with pytest.raises(CredentialsRejected):
        await desk.poll()


async def test_the_live_check_names_what_does_not_fit(desk: Desk, connecting: Connecting) -> None:
    values = {
        "request_type": frozenset({"Facilities Request", "Amenities"}),
        "category": frozenset({"Electrical", "Cooling"}),
        "site": frozenset({"AMS011", "OSL001"}),
    }
    expectation = Expectation(values=values, statuses=frozenset({"Completed", "Resolved"}))
    findings = await desk.adapter.check(expectation)
    wrong = " | ".join(one.what for one in findings if not one.ok)
    other = Desk(desk.sandbox, connecting, account_id="A9")
    (refused,) = await other.adapter.check(expectation)

    assert "login works; account 100123 / A1 has 0 tickets" in [one.what for one in findings]
    assert len([one for one in findings if not one.ok]) == 4
    for part in ("category 'Cooling'", "'Amenities': none of its", "site 'OSL001'", "'Resolved'"):
        assert part in wrong
    assert not refused.ok
    assert "account 100123 / A9" in refused.what


async def test_every_other_call_can_be_made_by_name(desk: Desk) -> None:
    ref = await desk.opened()
    arguments = {
        "list": {"status": "New", "site": "AMS011", "size": "5"},
        "ticket": {"id": str(ref.id)},
        "categories": {"request_type": "Amenities"},
        "accounts": {"default": "true"},
        "sites": {},
        "locations": {"site": "AMS011"},
    }
    answers = {name: await desk.adapter.call(name, given) for name, given in arguments.items()}

    assert set(desk.adapter.calls()) == {*arguments, "notifications"}
    assert str(ref.id) in str(answers["list"])
    assert answers["categories"] == {
        "Amenities": ["Elevator", "Loading Dock", "Parking", "General Inquiry"]
    }
    with pytest.raises(Refused, match="permission"):
        await desk.adapter.call("notifications", {"type": "x"})
    with pytest.raises(Refused, match=r"missing \['site'\]"):
        await desk.adapter.call("locations", {})
    with pytest.raises(Unsupported, match="there are accounts"):
        await desk.adapter.call("dance", {})
