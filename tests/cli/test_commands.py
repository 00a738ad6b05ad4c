"""Commands that look and commands that change, on a store nobody else works on."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.model.ids import AttachmentId, CommentId, Side, TicketId, TicketRow
from syncd.model.operation import OperationState, ParkReason
from syncd.model.ticket import Attachment, Comment, Visibility
from syncd.ports.served import FileDraft, ServedChange, ServedRequest, ServedRules
from syncd.store import (
    conflicts,
    connections,
    journal,
    links,
    mappings,
    marking,
    meta,
    operations,
    served,
    tickets,
)
from syncd.store.records import JournalFilter
from tests.cli.office import DESK, TELENOR, Office, incident, place, ticket
from tests.cli.outcomes import applied, parked, refused


def state(office: Office, number: int) -> OperationState:
    return office.writes(operations.show, number).record.state


# --- operations ------------------------------------------------------------------------------


def test_operations_are_listed_and_shown(office: Office, pair: TicketRow) -> None:
    number = refused(office)
    listed = office.says("ops", "list")
    assert re.search(
        rf"^{number} +update Case-00000002 +from INC0012399 +parked: refused", listed.out, re.M
    )
    shown = office.says("ops", "show", str(number))
    assert (listed.status, shown.status) == (0, 0)
    assert shown.out.startswith(f"operation {number}  update on telenor-no  parked: refused\n")
    assert "  title  Link down Fornebu, both\n" in shown.out
    assert "403 no" in shown.out
    assert f"syncd ops discard {number}" in shown.out
    told = office.says("ops", "show", str(number), "--json").json
    assert told["fields"] == {"title": "Link down Fornebu, both"}
    assert (told["id"], told["can_probe"], told["attempts"][0]["outcome"]) == (
        number,
        True,
        "parked",
    )


def test_only_parked_or_all_operations_can_be_listed(office: Office, pair: TicketRow) -> None:
    number = refused(office)
    office.read(DESK, ticket("INC0000002"))
    found = office.says("ops", "list", "--parked", "--json").json["operations"]
    assert [each["id"] for each in found] == [number]
    everything = office.says("ops", "list", "--all", "--json").json["operations"]
    assert {each["state"] for each in everything} == {"applied", "parked", "ready"}


def test_a_listing_with_details_shows_each_as_it_is_shown_alone(
    office: Office, pair: TicketRow
) -> None:
    number = refused(office)
    office.read(DESK, ticket("INC0000002"))
    listed = office.says("ops", "list", "--details", "--json").json["operations"]
    alone = [office.says("ops", "show", str(each["id"]), "--json").json for each in listed]
    # What is due is told by the clock: minutes may pass between two commands.
    for each in (*listed, *alone):
        each["advice"].pop("next")
    assert listed == alone
    assert len(listed) == 2
    told = office.says("ops", "list", "--details").out
    assert told.count("\nwrites\n") == 2
    assert office.says("ops", "show", str(number)).out in told
    assert (
        len(office.says("ops", "list", "--details", "--parked", "--json").json["operations"]) == 1
    )


def test_a_parked_operation_goes_on_when_told(office: Office, pair: TicketRow) -> None:
    number = refused(office)
    told = office.says("ops", "retry", str(number), "--json")
    assert (told.status, told.json) == (0, {"id": number, "state": "ready"})
    assert state(office, number) is OperationState.READY
    lines = office.writes(journal.tail, where=JournalFilter(event="operation.retried"))
    assert lines[0].line.actor == "cli:anna"


def test_what_cannot_be_probed_is_sent_again_only_by_one_who_knows(office: Office) -> None:
    office.read(TELENOR, incident(organization_number="912345678"))
    office.delivers(lambda _: parked(office.now, ParkReason.IN_DOUBT, "no answer"))
    told = office.says("ops", "retry", "1")
    assert told.status == 2
    assert "servicedesk cannot be asked" in told.err
    assert office.says("ops", "show", "1", "--json").json["can_probe"] is False
    assert "syncd ops retry 1 --i-know" in office.says("ops", "show", "1").out
    assert office.says("ops", "retry", "1", "--i-know").status == 0
    assert state(office, 1) is OperationState.READY


def test_an_operation_can_be_given_up(office: Office, pair: TicketRow) -> None:
    number = refused(office)
    assert office.says("ops", "discard", str(number)).out == f"operation {number} is given up\n"
    assert state(office, number) is OperationState.DISCARDED
    again = office.says("ops", "discard", str(number))
    assert (again.status, again.out) == (2, "")
    assert f"operation {number} is discarded: there is nothing left to discard" in again.err


def test_a_create_that_happened_is_adopted(office: Office) -> None:
    row = office.read(DESK, ticket())
    office.delivers(lambda _: parked(office.now, ParkReason.IN_DOUBT, "no answer"))
    told = office.says("ops", "adopt", "1", "id-Case-00000009")
    assert (told.status, told.out) == (0, "operation 1 counts as done: id-Case-00000009\n")
    assert Side.VENDOR in office.writes(links.links_of, row)[0].rows


def test_an_operation_that_is_not_there_is_refused(office: Office) -> None:
    office.writes(lambda _tx: None)
    for words in (("show", "7"), ("retry", "7"), ("discard", "7"), ("adopt", "7", "x")):
        told = office.says("ops", *words)
        assert told.status == 2
        assert "there is no operation 7" in told.err


# --- conflicts and links -----------------------------------------------------------------------


def test_a_conflict_is_listed_and_decided(office: Office) -> None:
    office.configure(changes={"conflict: itsm": "conflict: park"})
    office.read(DESK, ticket())
    office.delivers(lambda operation: applied(office.now, operation))
    office.read(TELENOR, incident())
    office.delivers(lambda operation: applied(office.now, operation))
    office.later(10)
    office.read(DESK, ticket(priority="2"))
    office.read(TELENOR, incident(priority="Low"))
    listed = office.says("conflicts", "list").out
    assert re.search(r"1 +INC0012399 ⇄ Case-00000002 +both.priority +itsm 2 +vendor Low", listed)
    assert office.says("conflicts", "resolve", "1", "--keep", "nobody").status == 2
    assert office.says("conflicts", "resolve", "1", "--keep", "vendor").status == 0
    assert office.writes(conflicts.list_open) == []
    assert office.says("conflicts", "list").out == "no conflicts\n"


def test_links_are_listed(office: Office, pair: TicketRow) -> None:
    told = office.says("link", "list")
    assert re.search(
        r"^1 +telenor-incidents +INC0012399 +Case-00000002 +open +0 +0 +0", told.out, re.M
    )
    assert (
        len(office.says("link", "list", "--mapping", "telenor-incidents", "--json").json["links"])
        == 1
    )
    wrong = office.says("link", "list", "--mapping", "telenor-incident")
    assert wrong.status == 2
    assert "did you mean telenor-incidents?" in wrong.err


def test_two_tickets_are_paired_and_read_though_nobody_knew_them(office: Office) -> None:
    office.writes(lambda _tx: None)
    told = office.says("link", "add", "telenor-incidents", "INC0000001", "Case-00000001")
    assert told.status == 0
    (overview,) = office.writes(links.overview)
    assert dict(overview.numbers) == {Side.ITSM: "INC0000001", Side.VENDOR: "Case-00000001"}
    stored = office.writes(tickets.load_tickets, list(overview.link.rows.values()))
    watched = {each.connection: each.watched for each in stored.values()}
    # The contract has no list: the ITSM's ticket is polled by its number.
    assert watched == {DESK: True, TELENOR: False}
    assert overview.link.added_by == "cli:anna"


def test_a_link_is_removed_by_number_or_by_ticket(office: Office, pair: TicketRow) -> None:
    assert office.says("link", "remove", "INC0012399").out == "link 1 is removed\n"
    again = office.says("link", "remove", "1")
    assert again.status == 2
    assert "link 1 was removed" in again.err
    none = office.says("link", "remove", "INC0012399")
    assert none.err == "INC0012399 has no link\n"


# --- reading, pausing --------------------------------------------------------------------------


def test_tickets_become_known_and_watched_by_their_numbers(office: Office) -> None:
    office.writes(lambda _tx: None)
    told = office.says("watch", "servicedesk", "INC0000001", "INC0000002")
    assert (
        told.out == "INC0000001: watched, and read at once\nINC0000002: watched, and read at once\n"
    )
    due = office.writes(tickets.due_reads, DESK, now=office.now + timedelta(days=400), limit=9)
    assert {each.ref.number for each in due} == {"INC0000001", "INC0000002"}
    assert office.says("watch", "servicedesk", "INC0000001", "--stop").status == 0
    assert "not known on servicedesk" in office.says("watch", "servicedesk", "X", "--stop").err


def test_watching_names_what_it_does_not_know(office: Office) -> None:
    office.writes(lambda _tx: None)
    told = office.says("watch", "servicedesc", "INC1")
    assert told.status == 2
    assert "there is no connection servicedesc; did you mean servicedesk?" in told.err
    told = office.says("watch", "servicedesk", "INC1", "--kind", "incident")
    assert "there is no kind of ticket incident; known: ticket" in told.err


@pytest.mark.parametrize("name", ["telenor-no", "telenor-incidents", "INC0012399"])
def test_whatever_is_paused_can_be_resumed(office: Office, pair: TicketRow, name: str) -> None:
    def pauses() -> list[object]:
        return [
            *office.writes(connections.paused).values(),
            *office.writes(mappings.paused).values(),
            *(each.pause for each in office.writes(links.links_of, pair) if each.pause),
        ]

    told = office.says("pause", name, "--reason", "moving")
    assert (told.status, told.out) == (0, f"{name} is paused; to go on: syncd resume {name}\n")
    (pause,) = pauses()
    assert (pause.by, pause.reason) == ("cli:anna", "moving")  # type: ignore[attr-defined]
    assert office.says("resume", name).status == 0
    assert pauses() == []


def test_pausing_names_what_is_configured_but_was_never_loaded(office: Office) -> None:
    office.says("db", "upgrade")
    told = office.says("pause", "telenor-no")
    assert told.status == 2
    assert "the connection telenor-no is configured, but no daemon has loaded it yet" in told.err


def test_a_ticket_of_two_systems_must_be_named_whole(office: Office, pair: TicketRow) -> None:
    twin = replace(incident("INC0012399"), id=incident().id)
    office.read(TELENOR, replace(twin, id=ticket("X").id))
    told = office.says("pause", "INC0012399")
    assert told.status == 2
    assert "servicedesk:INC0012399, telenor-no:INC0012399" in told.err
    assert office.says("pause", "servicedesk:INC0012399").status == 0
    both = office.says("explain", "INC0012399")
    assert both.out.count("WHY ") == 2


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (("INC0012399",), 1),
        (("telenor-incidents",), 2),
        (("telenor-incidents", "--limit", "1"), 1),
        (("servicedesk",), 1),
        (("servicedesk", "--since", "1h"), 0),
    ],
)
def test_tickets_are_read_and_decided_about_anew(
    office: Office, pair: TicketRow, words: tuple[str, ...], number: int
) -> None:
    told = office.says("resync", *words, "--json")
    assert (told.status, told.json["tickets"]) == (0, number)


def test_a_time_nobody_understands_is_refused(office: Office, pair: TicketRow) -> None:
    told = office.says("resync", "INC0012399", "--since", "yesterday")
    assert told.status == 2
    assert told.err == (
        "--since 'yesterday' is no time; accepted: 15m, 3h, 2d, 2026-03-01, 2026-03-01T12:00\n"
    )


# --- the journal -------------------------------------------------------------------------------


def test_the_journal_names_tickets_operations_and_who(office: Office, pair: TicketRow) -> None:
    office.says("pause", "telenor-no", "--reason", "moving")
    told = office.says("log")
    assert told.out.startswith("2026-03-01 (UTC)\n02:55:58  mapping.loaded")
    assert re.search(
        r"operation.planned +INC0012399 ⇄ Case-00000002 +op 1 create on vendor: opened", told.out
    )
    assert re.search(r"connection.paused +telenor-no +moving by cli:anna", told.out)


def test_the_journal_is_picked_by_ticket_mapping_connection_and_time(
    office: Office, pair: TicketRow
) -> None:
    def events(*words: str) -> set[str]:
        return {each["event"] for each in office.says("log", "--json", *words).json["lines"]}

    office.says("pause", "telenor-no")
    assert "operation.applied" in events("--ticket", "INC0012399")
    assert events("--connection", "telenor-no", "--since", "1h") == {"connection.paused"}
    assert "mapping.loaded" in events("--mapping", "telenor-incidents")
    assert events("--ticket", "INC0012399", "--since", "1h") == set()
    assert len(office.says("log", "--limit", "2", "--json").json["lines"]) == 2
    assert office.says("log", "--ticket", "INC7").status == 2


# --- plans and drift -----------------------------------------------------------------------------


def test_a_plan_shows_what_is_queued_and_what_the_next_decisions_add(
    office: Office, pair: TicketRow
) -> None:
    assert office.says("plan").status == 0
    refused(office)
    office.writes(links.pause, 1, "x", by="cli:anna", now=office.now)
    said = Comment(
        id=CommentId("c9"), body="Any news?", visibility=Visibility.PUBLIC, author="Kari"
    )
    office.read(DESK, ticket(title="Link down Fornebu, both", priority="3", comments=(said,)))
    told = office.says("plan")
    assert told.status == 1
    assert "planned already, to be sent (1)" in told.out
    assert "INC0012399 ⇄ Case-00000002   telenor-incidents  held: paused by cli:anna" in told.out
    assert re.search(r"update telenor-no +priority=Medium", told.out)
    assert re.search(r"comment telenor-no +Kari \(Acme INC0012399\): Any news\?", told.out)
    document = office.says("plan", "INC0012399", "--json").json
    assert [each["kind"] for each in document["foreseen"][0]["operations"]] == ["update", "comment"]


def test_a_plan_uses_the_files_as_they_are_now(office: Office) -> None:
    office.read(DESK, ticket(assigned_group="Network"))
    assert "nothing new would be sent" in office.says("plan").out
    office.configure(
        changes={"when: {assigned_group: Telenor NOC,": "when: {assigned_group: Network,"}
    )
    told = office.says("plan", "--mapping", "telenor-incidents")
    assert told.status == 1
    assert "INC0012399 opens a partner   telenor-incidents" in told.out
    assert re.search(r"create telenor-no +title=Link down Fornebu, ", told.out)
    assert office.writes(operations.list_operations) == []


def test_a_dry_run_is_planned_as_if_it_were_live_and_says_so(office: Office) -> None:
    office.configure(mode="dry_run")
    office.read(DESK, ticket())
    told = office.says("plan")
    assert told.status == 1
    assert "opens a partner   telenor-incidents (dry_run: told, not sent)" in told.out


def test_a_plan_of_a_connection_is_refused(office: Office, pair: TicketRow) -> None:
    told = office.says("plan", "servicedesk")
    assert (told.status, told.err) == (
        2,
        "servicedesk is a connection; accepted: a mapping or a ticket\n",
    )


def drifted(office: Office) -> None:
    """What an edit of the mapping made different, and no change ever carried."""
    office.configure(
        changes={"location: {from: site}": "location: {text: 'at {{ site }}'}",
                 '"1": Critical': '"1": High', '"2": High': '"2": Critical'}
    )  # fmt: skip


def test_drift_is_what_no_change_will_carry(office: Office, pair: TicketRow) -> None:
    assert office.says("reconcile").status == 0
    assert office.says("plan").status == 0
    drifted(office)
    assert office.says("plan").status == 0
    told = office.says("reconcile")
    assert told.status == 1
    assert "INC0012399 ⇄ Case-00000002   telenor-incidents (link 1)" in told.out
    assert re.search(r"telenor-no location +is Fornebu +should be at Fornebu", told.out)
    assert re.search(r"telenor-no priority +is Critical +should be High", told.out)
    assert "1 link compared as last read; 1 differ" in told.out
    assert "Not compared: " in told.out
    document = office.says("reconcile", "telenor-incidents", "--json").json
    assert {each["name"] for each in document["drifted"][0]["fields"]} == {"location", "priority"}


def test_drift_is_repaired_when_told_and_only_then(office: Office, pair: TicketRow) -> None:
    drifted(office)
    told = office.says("reconcile", "--repair")
    assert told.status == 1
    assert "1 link will be decided anew" in told.err
    assert office.writes(operations.list_operations) == []
    office.decides(pair)
    (operation,) = office.writes(operations.list_operations)
    fields = office.writes(operations.show, operation.id).fields
    assert fields == {"location": "at Fornebu", "priority": "High"}
    office.delivers(lambda each: applied(office.now, each))
    office.read(TELENOR, incident(priority="High", location="at Fornebu"))
    assert office.says("reconcile").status == 0


# --- configuration and store ---------------------------------------------------------------------


def test_a_good_configuration_is_fine(office: Office) -> None:
    told = office.says("check", "--no-secrets")
    assert told.status == 0
    assert re.fullmatch(
        r"fine: 2 connections, 1 mapping, \d+ tests passed \(revision \w+\)\n", told.out
    )
    assert office.says("check", "--no-secrets", "--json").json["ok"] is True


def test_a_test_that_fails_is_a_finding_with_its_place(office: Office) -> None:
    office.configure(
        changes={'closure_note: "Telenor: Restart"': 'closure_note: "Telenor: Reboot"'}
    )
    told = office.says("check", "--no-secrets")
    assert told.status == 1
    assert re.search(
        r"^telenor-incidents.yaml:\d+: telenor-incidents: failed: solved becomes resolved", told.out
    )
    assert "Telenor: Reboot" in told.out
    assert "not fine: " in told.out


def test_secrets_are_looked_up_unless_told_otherwise(office: Office) -> None:
    told = office.says("check", environ={"TELENOR_SECRET": "", "CREDENTIALS_DIRECTORY": ""})
    assert told.status == 2
    assert "the environment variable TELENOR_SECRET is not set" in told.err


def test_what_is_worth_knowing_is_noted(office: Office) -> None:
    office.configure(
        changes={"  # telenor-sub:\n  #   like: telenor-no\n": "  spare:\n    like: telenor-no\n"}
    )
    told = office.says("check", "--no-secrets")
    assert "note    connection spare is used by no mapping" in told.out


SECOND = """\
mapping: second
mode: dry_run
itsm: {connection: servicedesk}
vendor: {connection: telenor-no, kind: order}
open: {to_vendor: {when: {assigned_group: Second, phase: open}}}
"""


@pytest.mark.parametrize(
    ("rules", "line"),
    [
        ("references:\n  on_itsm: {field: vendor_ref, value: number}\n", 7),
        ("fields:\n  to_itsm:\n    vendor_ref: {from: title}\n", 8),
        ("references:\n  on_itsm: {field: second_ref, value: number}\n", None),
        ("fields:\n  to_itsm:\n    title: {from: title}\n", None),
    ],
)
def test_check_notes_every_place_that_writes_over_another_partners_number(
    office: Office, rules: str, line: int | None
) -> None:
    ours = "      vendor_ref: {key: u_vendor_ref, access: read_write, max: 40}\n"
    office.configure(changes={ours: ours + ours.replace("vendor_ref", "second_ref")})
    (office.folder / "mappings" / "second.yaml").write_text(SECOND + rules)
    told = office.says("check", "--no-secrets", "--json")
    notes = [each for each in told.json["notes"] if " write " in each]
    assert (told.status, len(notes)) == (0, 0 if line is None else 1), told.err
    if line is not None:
        first = place("on_itsm: {field: vendor_ref")
        assert notes[0].startswith(
            f"second.yaml:{line} and {first} write vendor_ref of servicedesk: "
        )


def test_fields_are_listed_with_values_seen(office: Office, pair: TicketRow) -> None:
    told = office.says("fields", "servicedesk", "--json").json["fields"]
    seen = {each["info"]["name"]: each["seen"] for each in told}
    assert seen["assigned_group"] == ["Telenor NOC"]
    text = office.says("fields", "telenor-no", "--kind", "incident").out
    assert re.search(r"status +label +255 +status +accepts New, Solved, Customer Accepted", text)
    assert office.says("fields", "telenor-no", "--kind", "parcel").status == 2
    assert office.says("fields", "nobody").status == 2


def test_fields_need_no_store(office: Office) -> None:
    told = office.says("fields", "telenor-no")
    assert told.status == 0
    assert "no values seen: there is no store" in told.err


@pytest.mark.parametrize(("of", "key"), [((), "connections"), (("daemon",), "connections"), (("mapping",), "fields")])  # noqa: E501  # fmt: skip
def test_schemas_are_printed_for_editors(office: Office, of: tuple[str, ...], key: str) -> None:
    assert key in office.types("schema", *of).json["properties"]


def test_the_store_is_made_and_a_restored_one_probes_first(office: Office) -> None:
    told = office.says("db", "upgrade").out
    assert re.fullmatch(r"the store's schema is \d{4}, as this syncd needs it\n", told)
    office.read(DESK, ticket())
    told = office.says("db", "restored", "--json")
    assert (told.status, told.json["epoch"]) == (0, 2)
    assert state(office, 1) is OperationState.UNKNOWN
    assert office.writes(meta.instance).prefix == told.json["prefix"] != "e98c49"


def test_a_lost_spool_is_given_up_with_its_missing_files_told(office: Office) -> None:
    note = FileDraft(name="a", content_type="", size_bytes=1, digest="ab" * 32, author="Kari")
    request = ServedRequest(connection=DESK, caller="robot", fingerprint="f")
    change = ServedChange(by="robot", files=[note])
    made = {"sys_id": TicketId("served"), "rules": ServedRules(), "now": office.now}
    office.writes(served.create, request, change, **made)
    told = office.says("db", "spool", "--json")
    assert (told.status, told.json["missing"]) == (0, ["ab" * 32])
    assert "1 of 1 files are not in it" in office.says("db", "spool").out
    assert not office.writes(marking.known).is_made, "the next daemon to start makes the mark"


def test_attachments_of_a_hostile_name_stay_text(office: Office, pair: TicketRow) -> None:
    file = Attachment(id=AttachmentId("a1"), name="a\x1b[31m.txt", size_bytes=3)
    office.read(DESK, ticket(attachments=(file,)))
    for words in (("ops", "list", "--all"), ("ops", "show", "2"), ("log",), ("plan",)):
        assert "\x1b" not in office.says(*words).out
        assert "\x1b" not in office.says(*words, "--json").out
