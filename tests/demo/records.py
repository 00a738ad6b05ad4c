"""Writes records by hand, as the sandboxes keep them."""

from typing import Any

from syncd.demo.judge import judge
from syncd.demo.pairing import ORGANIZATION, TELENOR
from syncd.demo.verdict import Shown, Verdict

START = "2026-11-22T12:00:{:02d}.000000Z"


class Records:
    """Both records; every event is a second after the one before."""

    def __init__(self) -> None:
        self.itsm: list[dict[str, Any]] = []
        self.vendor: list[dict[str, Any]] = []
        self._second = 0

    def add(self, side: str, what: str, actor: str, ticket: str, **contents: Any) -> None:
        record = self.itsm if side == "itsm" else self.vendor
        at = START.format(self._second)
        self._second += 1
        base = {"seq": len(record) + 1, "at": at, "what": what, "actor": actor, "by": actor}
        record.append(base | {"ticket": ticket, "number": ticket, "request": None} | contents)

    def desk_opens(
        self, title: str, ticket: str = "INC1", actor: str = "person", **more: str
    ) -> None:
        fields = {
            "shortDescription": title,
            "assignedGroup": TELENOR.group,
            "ticketPriority": "2",
        } | more
        self.add("itsm", "ticket_created", actor, ticket, status="New", fields=fields)

    def carrier_opens(
        self, title: str, ticket: str = "Case1", actor: str = "person", **more: str
    ) -> None:
        fields = {"subject": title, "organizationNumber": ORGANIZATION, "priority": "High"} | more
        self.add("vendor", "ticket_created", actor, ticket, status="New", fields=fields)

    def pair(self) -> None:
        """A ticket of the desk, INC1, and its copy, Case1."""
        self.desk_opens("T0101-abc down", longDescription="T0102-abc since 08:12")
        self.carrier_opens(
            "T0101-abc down", actor="client", description="T0102-abc since 08:12\n[ref:x]"
        )

    def desk_says(
        self, text: str, kind: str = "comments", actor: str = "person", ticket: str = "INC1"
    ) -> None:
        self.add("itsm", "comment_added", actor, ticket, kind=kind, text=text, comment=1)

    def carrier_says(self, text: str, actor: str = "person", ticket: str = "Case1") -> None:
        self.add("vendor", "comment_added", actor, ticket, kind="comment", text=text, comment="c")

    def desk_sets(self, field: str, old: str, new: str, actor: str = "person") -> None:
        what = "status_changed" if field == "ticketStatus" else "field_changed"
        self.add("itsm", what, actor, "INC1", field=field, old=old, new=new)

    def carrier_sets(self, field: str, old: str, new: str, actor: str = "person") -> None:
        self.add("vendor", "field_changed", actor, "Case1", field=field, old=old, new=new)

    def carrier_status(self, old: str, new: str, actor: str = "person") -> None:
        self.add("vendor", "status_changed", actor, "Case1", old=old, new=new, text=None)

    def carrier_attaches(self, name: str, size: int = 3, sha256: str = "ab" * 32) -> None:
        self.add(
            "vendor", "attachment_added", "person", "Case1", name=name, size=size, sha256=sha256
        )

    def judged(self, *shown: Shown) -> Verdict:
        return judge(TELENOR, self.itsm, self.vendor, shown)


def made() -> Records:
    """Records with one pair of tickets."""
    records = Records()
    records.pair()
    return records
