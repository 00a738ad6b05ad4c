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
