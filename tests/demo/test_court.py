"""Several vendors are judged each by itself, and nothing of one may be seen at another."""

from typing import Any

import pytest

from syncd.demo.court import Judgement, judge_all
from syncd.demo.evidence import Kind
from syncd.demo.pairing import B612, DIGITAL_REALTY, SIPSYNERGY, Side
from syncd.demo.verdict import Fate
from tests.demo.records import START

PAIRINGS = (SIPSYNERGY, DIGITAL_REALTY, B612)
NAMES = {
    "sipsynergy": ("title", "description"),
    "digital_realty": ("title", "description"),
    "b612": ("", "todo"),
}


class Records:
    """The ITSM's record and each vendor's; every event is a second after the one before."""

    def __init__(self) -> None:
        self.itsm: list[dict[str, Any]] = []
        self.vendors: dict[str, list[dict[str, Any]]] = {each.name: [] for each in PAIRINGS}
        self._second = 0

    def add(self, where: str, what: str, ticket: str, *, by: str = "person", **more: Any) -> None:
        record = self.itsm if where == "itsm" else self.vendors[where]
        at = START.format(self._second)
        self._second += 1
        base = {"seq": len(record) + 1, "at": at, "what": what, "actor": by, "by": by}
        record.append(base | {"ticket": ticket, "number": ticket} | more)

    def opened(
        self,
        group: str,
        ticket: str = "INC1",
        *,
        by: str = "person",
        token: int = 1,
        priority: str = "4",
    ) -> None:
        fields = {
            "shortDescription": f"T{token:02d}01-abc down",
            "longDescription": f"T{token:02d}02-abc since 08:12",
            "ticketPriority": priority,
            "assignedGroup": group,
        }
        self.add("itsm", "ticket_created", ticket, by=by, status="New", fields=fields)

    def copied(
        self, vendor: str, ticket: str = "V1", *, by: str = "client", token: int = 1
    ) -> None:
        title, text = NAMES[vendor]
        fields = {
            title: f"T{token:02d}01-abc down",
            text: f"T{token:02d}02-abc since 08:12",
            "organisationHumanId": "ORG-2134-342",
        }
        self.add(vendor, "ticket_created", ticket, by=by, status="New", fields=fields)

    def judged(self) -> Judgement:
        return judge_all(PAIRINGS, self.itsm, self.vendors)


def fates(judgement: Judgement) -> list[Fate]:
    return [each.fate for each in judgement.whole.findings]


def pair(vendor: str, group: str) -> Records:
    records = Records()
    records.opened(group)
    records.copied(vendor)
    return records


def realty() -> Records:
    return pair("digital_realty", "Digital Realty")


@pytest.mark.parametrize("pairing", PAIRINGS, ids=lambda each: each.name)
def test_a_ticket_belongs_to_the_vendor_of_its_group(pairing: Any) -> None:
    found = pair(pairing.name, pairing.group).judged()
    assert fates(found) == []
    assert found.by_vendor[pairing.name].arrived[Kind.TICKETS, Side.VENDOR] == 1
    assert found.whole.did[Kind.TICKETS, Side.VENDOR] == 1


@pytest.mark.parametrize("pairing", PAIRINGS, ids=lambda each: each.name)
def test_a_ticket_that_reached_no_vendor_is_lost_to_its_own(pairing: Any) -> None:
    records = Records()
    records.opened(pairing.group)
    found = records.judged()
    assert fates(found) == [Fate.LOST]
    assert found.by_vendor[pairing.name].count(Fate.LOST) == 1


def test_a_ticket_opened_for_a_vendor_belongs_to_it_though_its_group_says_nothing() -> None:
    records = Records()
    records.copied("sipsynergy", by="person")
    records.opened("Telephony", by="client")
    found = records.judged()
    assert fates(found) == []
    assert found.by_vendor["sipsynergy"].arrived[Kind.TICKETS, Side.ITSM] == 1


def test_a_ticket_of_one_vendor_at_another_is_leaked() -> None:
    records = realty()
    records.copied("b612", "B1")
    assert Fate.LEAKED in {each.fate for each in records.judged().by_vendor["b612"].findings}


def test_words_of_one_vendor_at_another_are_leaked() -> None:
    records = realty()
    records.opened("SIP Synergy NOC", "INC2", token=2)
    records.copied("sipsynergy", "S1", token=2)
    records.add("digital_realty", "comment_added", "V1", kind="comment", text="T0301-abc soon")
    note = {"by": "client", "kind": "workNotes", "text": "Dana: T0301-abc soon"}
    records.add("itsm", "comment_added", "INC1", **note)
    assert fates(records.judged()) == []
    again = {"by": "client", "kind": "comment", "text": "syncd: T0301-abc soon"}
    records.add("sipsynergy", "comment_added", "S1", **again)
    found = records.judged()
    assert fates(found) == [Fate.LEAKED]
    assert found.by_vendor["sipsynergy"].count(Fate.LEAKED) == 1


def test_a_ticket_of_nobody_must_be_seen_at_no_vendor() -> None:
    records = Records()
    records.opened("Service Desk")
    assert fates(records.judged()) == []
    records.copied("b612", "B1")
    assert Fate.LEAKED in fates(records.judged())


def test_a_title_that_cannot_be_written_is_said_once() -> None:
    records = realty()
    change = {"field": "shortDescription", "old": "T0101-abc down", "new": "T0103-abc up"}
    records.add("itsm", "field_changed", "INC1", **change)
    assert fates(records.judged()) == [Fate.LOST]
    said = {"by": "client", "kind": "comment", "text": "title is now T0103-abc up"}
    records.add("digital_realty", "comment_added", "V1", **said)
    assert fates(records.judged()) == []
    records.add("digital_realty", "comment_added", "V1", **said)
    assert fates(records.judged()) == [Fate.DOUBLED]


def test_a_status_is_expected_only_from_where_it_applies() -> None:
    records = realty()
    records.add("digital_realty", "status_changed", "V1", old="New", new="In Progress", text=None)
    assert fates(records.judged()) == [Fate.LOST]
    records = realty()
    moved = {"field": "ticketStatus", "old": "New", "new": "Closed"}
    records.add("itsm", "status_changed", "INC1", **moved)
    records.add("digital_realty", "status_changed", "V1", old="New", new="In Progress", text=None)
    assert fates(records.judged()) == []


def test_expenses_are_told_once() -> None:
    records = pair("b612", "Remote Hands")
    change = {"field": "total_expenses", "old": "0", "new": "12.25"}
    records.add("b612", "field_changed", "V1", **change)
    assert fates(records.judged()) == [Fate.LOST]
    said = {"by": "client", "kind": "workNotes", "text": "B-612 logged 1 h, expenses 12.25."}
    records.add("itsm", "comment_added", "INC1", **said)
    assert fates(records.judged()) == []
    records.add("itsm", "comment_added", "INC1", **said)
    assert fates(records.judged()) == [Fate.DOUBLED]


def test_a_comment_where_comments_do_not_cross_is_leaked() -> None:
    records = pair("b612", "Remote Hands")
    records.add("itsm", "comment_added", "INC1", kind="comments", text="T0103-abc for us alone")
    assert fates(records.judged()) == []
    texts = {"old": "T0102-abc since 08:12", "new": "T0102-abc since 08:12 T0103-abc for us alone"}
    records.add("b612", "field_changed", "V1", by="client", field="todo", **texts)
    assert Fate.LEAKED in fates(records.judged())


def test_what_the_vendor_chooses_for_our_ticket_may_be_carried_once() -> None:
    records = Records()
    records.opened("SIP Synergy NOC", priority="2")
    records.copied("sipsynergy")
    assert fates(records.judged()) == []
    change = {"by": "client", "field": "ticketPriority", "old": "2", "new": "4"}
    records.add("itsm", "field_changed", "INC1", **change)
    assert fates(records.judged()) == []
    records.add("itsm", "field_changed", "INC1", **change)
    assert fates(records.judged()) == [Fate.ECHOED]


def test_requests_of_the_itsm_are_counted_once() -> None:
    records = realty()
    request = {"seq": 99, "at": START.format(50), "what": "request"}
    records.itsm.append(request)
    records.vendors["b612"] += [request, request | {"what": "violation"}]
    found = records.judged().whole
    assert dict(found.requests) == {Side.ITSM: 1, Side.VENDOR: 1}
    assert dict(found.violations) == {Side.VENDOR: 1}


# --- one ticket of the desk, two vendors ---------------------------------------------------------


def shared() -> Records:
    """A ticket that was given to SIP Synergy, then to Digital Realty, with a partner at each."""
    records = Records()
    records.opened("SIP Synergy NOC")
    records.copied("sipsynergy", "S1")
    change = {"field": "assignedGroup", "old": "SIP Synergy NOC", "new": "Digital Realty"}
    records.add("itsm", "field_changed", "INC1", **change)
    records.copied("digital_realty", "D1")
    return records


def carried(records: Records, vendor: str, ticket: str, text: str) -> None:
    records.add(vendor, "comment_added", ticket, by="client", kind="comment", text=text)


def test_a_ticket_with_two_vendors_is_judged_at_both() -> None:
    found = shared().judged()
    assert fates(found) == []
    for name in ("sipsynergy", "digital_realty"):
        assert found.by_vendor[name].arrived[Kind.TICKETS, Side.VENDOR] == 1


@pytest.mark.parametrize("missing", ["sipsynergy", "digital_realty"])
def test_a_comment_on_it_must_reach_both_vendors(missing: str) -> None:
    records = shared()
    records.add("itsm", "comment_added", "INC1", kind="comments", text="T0103-abc any news?")
    for name, ticket in (("sipsynergy", "S1"), ("digital_realty", "D1")):
        if name != missing:
            carried(records, name, ticket, "Kari: T0103-abc any news?")
    found = records.judged()
    assert fates(found) == [Fate.LOST]
    assert found.by_vendor[missing].count(Fate.LOST) == 1
    carried(records, missing, {"sipsynergy": "S1", "digital_realty": "D1"}[missing], "K: T0103-abc")
    assert fates(records.judged()) == []


def test_what_one_of_its_vendors_says_reaches_the_desk_and_not_the_other() -> None:
    records = shared()
    records.add("sipsynergy", "comment_added", "S1", kind="comment", text="T0104-abc soon")
    note = {"by": "client", "kind": "workNotes", "text": "Sam: T0104-abc soon"}
    records.add("itsm", "comment_added", "INC1", **note)
    assert fates(records.judged()) == []
    carried(records, "digital_realty", "D1", "Sam: T0104-abc soon")
    found = records.judged()
    assert Fate.LEAKED in {each.fate for each in found.by_vendor["digital_realty"].findings}


def test_what_one_of_its_vendors_set_is_no_echo_of_the_others() -> None:
    records = shared()
    records.add("sipsynergy", "status_changed", "S1", old="New", new="Open", text=None)
    moved = {"field": "ticketStatus", "old": "New", "new": "In Progress"}
    records.add("itsm", "status_changed", "INC1", by="client", **moved)
    assert fates(records.judged()) == []
    again = {"field": "ticketStatus", "old": "In Progress", "new": "On Hold"}
    records.add("itsm", "status_changed", "INC1", by="client", **again)
    assert Fate.ECHOED in fates(records.judged())


def test_a_ticket_given_to_another_vendor_before_it_was_read_is_not_lost_to_the_first() -> None:
    records = Records()
    records.opened("SIP Synergy NOC")
    change = {"field": "assignedGroup", "old": "SIP Synergy NOC", "new": "Digital Realty"}
    records.add("itsm", "field_changed", "INC1", **change)
    records.copied("digital_realty", "D1")
    found = records.judged()
    assert fates(found) == [Fate.SUPERSEDED]
    assert found.by_vendor["sipsynergy"].count(Fate.SUPERSEDED) == 1
