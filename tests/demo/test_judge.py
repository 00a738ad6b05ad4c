"""The judge counts what the records show, and nothing escapes it."""

import pytest

from syncd.demo.clerk import whats_of
from syncd.demo.evidence import Kind
from syncd.demo.pairing import Side
from syncd.demo.verdict import Fate, Shown, Verdict
from tests.demo.records import Records, made


def fates(verdict: Verdict) -> list[Fate]:
    return [each.fate for each in verdict.findings]


def counted(verdict: Verdict, kind: Kind, side: Side) -> tuple[int, int]:
    return verdict.did[kind, side], verdict.arrived[kind, side]


# --- tickets -------------------------------------------------------------------------------------


def test_a_ticket_with_one_partner_arrived() -> None:
    verdict = made().judged()
    assert fates(verdict) == []
    assert counted(verdict, Kind.TICKETS, Side.VENDOR) == (1, 1)
    assert verdict.delays_s == [1.0]
    assert verdict.is_good


def test_a_ticket_of_the_vendor_is_counted_toward_the_itsm() -> None:
    records = Records()
    records.carrier_opens("T0101-abc down")
    records.desk_opens("T0101-abc down", actor="client")
    verdict = records.judged()
    assert counted(verdict, Kind.TICKETS, Side.ITSM) == (1, 1)
    assert verdict.is_good


def test_a_ticket_without_a_partner_is_lost() -> None:
    records = Records()
    records.desk_opens("T0101-abc down")
    assert fates(records.judged()) == [Fate.LOST]


def test_a_ticket_shown_as_parked_is_not_lost() -> None:
    records = Records()
    records.desk_opens("T0101-abc down")
    assert fates(records.judged(Shown("INC1"))) == [Fate.SHOWN]


def test_a_ticket_opened_twice_is_doubled() -> None:
    records = made()
    records.carrier_opens("T0101-abc down", "Case2", "client")
    assert fates(records.judged()) == [Fate.DOUBLED]


def test_a_copy_of_a_copy_is_echoed() -> None:
    records = made()
    records.desk_opens("T0101-abc down", "INC2", "client")
    assert fates(records.judged()) == [Fate.ECHOED]


def test_a_ticket_that_nobody_opened_is_echoed() -> None:
    records = made()
    records.carrier_opens("no token at all", "Case2", "client")
    assert fates(records.judged()) == [Fate.ECHOED]


def test_a_ticket_of_another_group_must_not_leave() -> None:
    records = Records()
    records.desk_opens("T0101-abc down", assignedGroup="Service Desk")
    assert fates(records.judged()) == []
    records.carrier_opens("T0101-abc down", actor="client")
    assert fates(records.judged()) == [Fate.LEAKED]


def test_a_ticket_of_another_organisation_is_unwanted() -> None:
    records = Records()
    records.carrier_opens("T0101-abc down", organizationNumber="1")
    assert fates(records.judged()) == []
    records.desk_opens("T0101-abc down", actor="client")
    assert fates(records.judged()) == [Fate.UNWANTED]


def test_a_ticket_shared_later_is_expected_from_then_on() -> None:
    records = Records()
    records.desk_opens("T0101-abc down", assignedGroup="Service Desk")
    records.desk_sets("assignedGroup", "Service Desk", "Telenor NOC")
    assert fates(records.judged()) == [Fate.LOST]
    records.carrier_opens("T0101-abc down", actor="client")
    verdict = records.judged()
    assert (fates(verdict), verdict.delays_s) == ([], [1.0])


def test_a_ticket_closed_before_it_was_read_is_superseded() -> None:
    records = Records()
    records.desk_opens("T0101-abc down")
    records.desk_sets("ticketStatus", "New", "Cancelled")
    assert fates(records.judged()) == [Fate.SUPERSEDED]


def test_a_copy_opened_with_a_newer_title_is_the_tickets_copy() -> None:
    records = Records()
    records.desk_opens("T0101-abc down")
    records.desk_sets("shortDescription", "T0101-abc down", "T0103-abc up")
    records.carrier_opens("T0103-abc up", actor="client")
    verdict = records.judged()
    assert fates(verdict) == []
    assert counted(verdict, Kind.FIELD_CHANGES, Side.VENDOR) == (1, 1)


# --- comments ------------------------------------------------------------------------------------


def test_a_comment_crosses_once() -> None:
    records = made()
    records.desk_says("T0103-abc hello")
    records.carrier_says("person (Acme INC1): T0103-abc hello\n[ref:k]", "client")
    verdict = records.judged()
    assert fates(verdict) == []
    assert counted(verdict, Kind.COMMENTS, Side.VENDOR) == (1, 1)


def test_a_comment_that_did_not_cross_is_lost() -> None:
    records = made()
    records.desk_says("T0103-abc hello")
    assert fates(records.judged()) == [Fate.LOST]
    assert fates(records.judged(Shown("Case1", "comment"))) == [Fate.SHOWN]
    assert fates(records.judged(Shown("Case1", "title"))) == [Fate.LOST]


def test_a_parked_comment_excuses_its_own_words_and_no_others() -> None:
    records = made()
    records.desk_says("T0103-abc hello")
    records.desk_says("T0104-abc and again")
    parked = {"kind": "comment", "comment": "Kari (Acme INC1): T0103-abc hello", "fields": {}}
    excused = [Shown("INC1", each) for each in whats_of(parked)]
    verdict = records.judged(*excused)
    assert fates(verdict) == [Fate.SHOWN, Fate.LOST]
    assert "T0104-abc" in verdict.findings[-1].detail


@pytest.mark.parametrize(("parked", "named"), [
    ({"kind": "create"}, ["*"]),
    ({"kind": "comment", "comment": "INC1: status is now Closed"}, ["status", "expenses"]),
    ({"kind": "attachment", "attachment": "T0105-abc.txt"}, ["T0105-abc"]),
    ({"kind": "update", "fields": {"title": "x", "location": "y"}}, ["title", "location"]),
    ({"kind": "delete", "fields": {}}, ["*"]),
])  # fmt: skip
def test_a_parked_write_names_what_it_keeps_back(
    parked: dict[str, object], named: list[str]
) -> None:
    assert whats_of(parked) == named


@pytest.mark.parametrize(("copies", "fate"), [(1, [Fate.LOST]), (2, []), (3, [Fate.DOUBLED])])
def test_the_same_words_twice_must_cross_twice(copies: int, fate: list[Fate]) -> None:
    records = made()
    for _ in range(2):
        records.desk_says("T0103-abc hello")
    for _ in range(copies):
        records.carrier_says("person: T0103-abc hello", "client")
    assert fates(records.judged()) == fate


def test_a_comment_that_came_back_is_echoed() -> None:
    records = made()
    records.desk_says("T0103-abc hello")
    records.carrier_says("person: T0103-abc hello", "client")
    records.desk_says("Telenor: person: T0103-abc hello", "workNotes", "client")
    assert fates(records.judged()) == [Fate.ECHOED]


def test_a_comment_on_the_wrong_ticket_is_lost_and_doubled() -> None:
    records = made()
    records.desk_opens("T0201-abc other", "INC2")
    records.carrier_opens("T0201-abc other", "Case2", "client")
    records.desk_says("T0103-abc hello")
    records.carrier_says("person: T0103-abc hello", "client", "Case2")
    assert sorted(fates(records.judged())) == [Fate.DOUBLED, Fate.LOST]


@pytest.mark.parametrize("kind", ["workNotes", "closureNotes"])
def test_a_private_note_at_the_vendor_is_leaked(kind: str) -> None:
    records = made()
    records.desk_says("T0103-abc secret", kind)
    assert fates(records.judged()) == []
    records.carrier_says("person: T0103-abc secret", "client")
    assert fates(records.judged()) == [Fate.LEAKED]


def test_a_private_note_within_another_text_is_leaked_too() -> None:
    records = made()
    records.desk_says("T0103-abc secret", "workNotes")
    records.desk_says("T0104-abc hello")
    records.carrier_says("person: T0104-abc hello, T0103-abc secret", "client")
    assert fates(records.judged()) == [Fate.LEAKED]


def test_a_note_marked_to_be_shared_must_cross() -> None:
    records = made()
    records.desk_says("@telenor T0103-abc please look", "workNotes")
    assert fates(records.judged()) == [Fate.LOST]
    records.carrier_says("person: @telenor T0103-abc please look", "client")
    assert fates(records.judged()) == []


def test_a_machines_reply_must_not_cross() -> None:
    records = made()
    records.carrier_says("Auto-reply: T0103-abc")
    assert fates(records.judged()) == []
    records.desk_says("person: Auto-reply: T0103-abc", "workNotes", "client")
    assert fates(records.judged()) == [Fate.UNWANTED]


def test_a_quotation_is_a_comment_of_its_own() -> None:
    records = made()
    records.desk_says("T0103-abc hello")
    records.carrier_says("person: T0103-abc hello\n[ref:k]", "client")
    records.carrier_says("T0104-abc see\n> T0103-abc hello\n> [ref:k]")
    assert fates(records.judged()) == [Fate.LOST]
    records.desk_says("x (Telenor): T0104-abc see\n> T0103-abc hello", "workNotes", "client")
    assert fates(records.judged()) == []


def test_the_end_of_a_long_comment_must_arrive_in_some_part() -> None:
    records = made()
    records.desk_says("T0103-abc long … T0104-abc")
    records.carrier_says("person: T0103-abc long …", "client")
    assert fates(records.judged()) == [Fate.LOST]
    records.carrier_says("T0104-abc", "client")
    assert fates(records.judged()) == []


# --- attachments ---------------------------------------------------------------------------------


def test_an_attachment_arrives_as_a_note_with_its_size_and_digest() -> None:
    records = made()
    records.carrier_attaches("T0103-abc måling.txt")
    assert fates(records.judged()) == [Fate.LOST]
    records.desk_says(f"T0103-abc måling.txt, 3 bytes, {'ab' * 32}", "workNotes", "client")
    verdict = records.judged()
    assert fates(verdict) == []
    assert counted(verdict, Kind.ATTACHMENTS, Side.ITSM) == (1, 1)


@pytest.mark.parametrize("said", ["3 bytes", "ab" * 32])
def test_a_note_without_digest_or_size_is_not_enough(said: str) -> None:
    records = made()
    records.carrier_attaches("T0103-abc måling.txt", size=7, sha256="ab" * 32)
    records.desk_says(f"T0103-abc måling.txt, {said}", "workNotes", "client")
    assert Fate.LOST in fates(records.judged())


# --- fields --------------------------------------------------------------------------------------


def test_a_changed_field_that_arrives_is_counted() -> None:
    records = made()
    records.carrier_sets("subject", "T0101-abc down", "T0103-abc up")
    records.desk_sets("shortDescription", "T0101-abc down", "T0103-abc up", "client")
    verdict = records.judged()
    assert fates(verdict) == []
    assert counted(verdict, Kind.FIELD_CHANGES, Side.ITSM) == (1, 1)


def test_a_changed_field_that_does_not_arrive_is_lost_once() -> None:
    records = made()
    records.carrier_sets("subject", "T0101-abc down", "T0103-abc up")
    assert fates(records.judged()) == [Fate.LOST]
    assert fates(records.judged(Shown("INC1", "title"))) == [Fate.SHOWN]


def test_a_value_overwritten_before_it_was_read_is_superseded() -> None:
    records = made()
    records.desk_sets("ticketPriority", "2", "1")
    records.desk_sets("ticketPriority", "1", "4")
    records.carrier_sets("priority", "High", "Low", "client")
    verdict = records.judged()
    assert fates(verdict) == [Fate.SUPERSEDED]
    assert counted(verdict, Kind.FIELD_CHANGES, Side.VENDOR) == (2, 1)


def test_the_same_value_chosen_on_both_sides_needs_no_write() -> None:
    records = made()
    records.desk_sets("ticketPriority", "2", "1")
    records.carrier_sets("priority", "High", "Critical")
    verdict = records.judged()
    assert fates(verdict) == []
    assert counted(verdict, Kind.FIELD_CHANGES, Side.VENDOR) == (1, 1)
    assert counted(verdict, Kind.FIELD_CHANGES, Side.ITSM) == (1, 1)


def test_an_overruled_value_is_superseded_and_both_ends_must_agree() -> None:
    records = made()
    records.desk_sets("ticketPriority", "2", "1")
    records.carrier_sets("priority", "High", "Low")
    assert Fate.LOST in fates(records.judged())
    records.carrier_sets("priority", "Low", "Critical", "client")
    assert fates(records.judged()) == [Fate.SUPERSEDED]


def test_an_old_value_written_back_is_echoed() -> None:
    records = made()
    records.desk_sets("shortDescription", "T0101-abc down", "T0103-abc up")
    records.carrier_sets("subject", "T0101-abc down", "T0103-abc up", "client")
    records.desk_sets("shortDescription", "T0103-abc up", "T0101-abc down", "client")
    assert Fate.ECHOED in fates(records.judged())


def test_a_value_written_again_over_a_newer_one_is_doubled() -> None:
    records = made()
    records.desk_sets("ticketPriority", "2", "1")
    records.carrier_sets("priority", "High", "Critical", "client")
    records.carrier_sets("priority", "Critical", "Low")
    records.carrier_sets("priority", "Low", "Critical", "client")
    assert Fate.DOUBLED in fates(records.judged())


def test_a_changed_description_is_said_once() -> None:
    records = made()
    records.desk_sets("longDescription", "T0102-abc since 08:12", "T0103-abc since 08:13")
    assert fates(records.judged()) == [Fate.LOST]
    records.carrier_says("description changed: T0103-abc since 08:13", "client")
    assert fates(records.judged()) == []
    records.carrier_says("description changed: T0103-abc since 08:13", "client")
    assert fates(records.judged()) == [Fate.DOUBLED]


# --- status --------------------------------------------------------------------------------------


def test_a_status_that_sets_another_must_be_followed() -> None:
    records = made()
    records.carrier_status("New", "Solved")
    assert fates(records.judged()) == [Fate.LOST]
    records.desk_sets("ticketStatus", "New", "Resolved", "client")
    assert fates(records.judged()) == []


def test_a_status_that_is_said_must_be_said_once() -> None:
    records = made()
    records.desk_sets("ticketStatus", "New", "Cancelled")
    assert fates(records.judged()) == [Fate.LOST]
    records.carrier_says("INC1: status is now Cancelled\n[ref:k]", "client")
    assert fates(records.judged()) == []
    records.carrier_says("INC1: status is now Cancelled\n[ref:k]", "client")
    assert fates(records.judged()) == [Fate.DOUBLED]


def test_a_status_said_that_only_the_client_had_set_is_echoed() -> None:
    records = made()
    records.carrier_status("New", "Solved")
    records.desk_sets("ticketStatus", "New", "Resolved", "client")
    records.carrier_says("INC1: status is now Resolved\n[ref:k]", "client")
    assert fates(records.judged()) == [Fate.ECHOED]


def test_a_status_set_without_a_change_is_echoed() -> None:
    records = made()
    records.desk_sets("ticketStatus", "New", "Resolved", "client")
    assert fates(records.judged()) == [Fate.ECHOED]


def test_a_status_that_does_nothing_is_not_expected_across() -> None:
    records = made()
    records.desk_sets("ticketStatus", "New", "On Hold")
    verdict = records.judged()
    assert fates(verdict) == []
    assert counted(verdict, Kind.FIELD_CHANGES, Side.VENDOR) == (0, 0)


def test_a_root_cause_in_two_closure_notes_is_doubled() -> None:
    records = made()
    records.carrier_sets("rootCause", "", "T0103-abc splice")
    records.carrier_status("New", "Solved")
    records.desk_sets("ticketStatus", "New", "Resolved", "client")
    records.desk_says("Telenor: T0103-abc splice", "closureNotes", "client")
    assert fates(records.judged()) == []
    records.desk_says("Telenor: T0103-abc splice", "closureNotes", "client")
    assert fates(records.judged()) == [Fate.DOUBLED]


# --- the rest ------------------------------------------------------------------------------------


def test_requests_and_violations_are_counted_by_system() -> None:
    records = made()
    records.add("itsm", "request", "client", "INC1")
    records.add("vendor", "request", "client", "Case1")
    records.add("vendor", "violation", "client", "Case1")
    verdict = records.judged()
    assert dict(verdict.requests) == {Side.ITSM: 1, Side.VENDOR: 1}
    assert dict(verdict.violations) == {Side.VENDOR: 1}


def test_delays_are_given_by_share() -> None:
    verdict = Verdict(delays_s=[float(each) for each in range(100)])
    assert (verdict.percentile_s(0.5), verdict.percentile_s(0.99)) == (50.0, 99.0)
    assert Verdict().percentile_s(0.5) is None
