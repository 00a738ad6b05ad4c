"""What must be true once everything has come to rest, judged from both systems' own records."""

import re
from collections import Counter
from collections.abc import Mapping

from syncd.core.rules import MappingRules
from syncd.model.ids import LinkRow, Side, TicketId
from syncd.model.operation import WriteKind
from syncd.store import conflicts, links
from syncd.store import tables as t
from syncd.store.tx import Tx
from tests.intake.inline import InlineDatabase
from tests.intake.people import SECRET, People
from tests.intake.vendor import US, Vendor


class Reckoning:
    """Compares what people did with what stands on the other side."""

    def __init__(
        self, vendors: Mapping[Side, Vendor], people: Mapping[Side, People], rules: MappingRules
    ) -> None:
        self.vendors = vendors
        self.people = people
        self.rules = rules
        self.problems: list[str] = []
        self.partners: dict[Side, dict[TicketId, TicketId]] = {side: {} for side in Side}
        self.frozen: set[tuple[TicketId, str]] = set()
        self.parked: set[TicketId] = set()

    async def judge(self, db: InlineDatabase) -> list[str]:
        """List everything that is wrong."""
        await db.read(self._pair_up)
        self._judge_keys()
        for side in Side:
            self._judge_tickets(side)
            self._judge_words(side)
            self._judge_order(side)
            self._judge_files(side)
        self._judge_fields()
        return self.problems

    def _pair_up(self, tx: Tx) -> None:
        for record in links.overview(tx):
            rows = record.link.rows
            if len(rows) < len(Side):
                self.problems.append(f"link {record.link.id} has one ticket: {record.numbers}")
                continue
            ids = {
                side: TicketId(
                    tx.scalar(
                        t.ticket.select()
                        .with_only_columns(t.ticket.c.external_id)
                        .where(t.ticket.c.id == row)
                    )
                )
                for side, row in rows.items()
            }
            for side in Side:
                self.partners[side][ids[side]] = ids[side.other]
            if _was_parked(tx, record.link.id):
                self.parked.update(ids.values())
            for conflict in conflicts.list_open(tx, link_id=record.link.id):
                self.frozen.add((ids[Side.ITSM], conflict.slot))

    def _judge_keys(self) -> None:
        for vendor in self.vendors.values():
            for key, count in vendor.counts().items():
                if count > 1 and vendor.effect_of(key).kind not in _HARMLESS:
                    self.problems.append(f"{key} happened {count} times at {vendor.name}")

    def _judge_tickets(self, side: Side) -> None:
        """Each ticket of a person that matches has one partner, and nothing else was made."""
        deeds = self.people[side].deeds
        for ticket_id, matches in deeds.opened.items():
            if matches and ticket_id not in self.partners[side]:
                self.problems.append(f"{ticket_id} has no partner")
            if not matches and ticket_id in self.partners[side]:
                self.problems.append(f"{ticket_id} has a partner it should not have")
        there = {ticket.id for ticket in self.vendors[side.other].tickets()}
        made = there - set(self.people[side.other].deeds.opened)
        partners = {self.partners[side].get(ticket_id) for ticket_id in deeds.opened}
        for ticket_id in made - partners:
            self.problems.append(f"{ticket_id} was made and is nobody's partner")

    def _judge_words(self, side: Side) -> None:
        """Public words arrive once each, private ones never."""
        wanted: dict[TicketId, Counter[str]] = {}
        for ticket_id, author, text in self.people[side].deeds.said:
            partner = self.partners[side].get(ticket_id)
            if partner is not None:
                copy = f"{author}: {text}" if side is Side.ITSM else text
                wanted.setdefault(partner, Counter())[copy] += 1
        for ticket in self.vendors[side.other].tickets():
            found = Counter(
                text
                for author, text in self.vendors[side.other].said(ticket.id)
                if author == US and not _is_own_word(text)
            )
            expected = wanted.get(ticket.id, Counter())
            for text in (expected - found).elements():
                self.problems.append(f"lost on {ticket.id}: {text!r}")
            for text in (found - expected).elements():
                self.problems.append(f"too many on {ticket.id}: {text!r}")
            whole = repr(ticket)
            if side is Side.ITSM and f"{SECRET} {side}" in whole:
                self.problems.append(f"private words on {ticket.id}")

    def _judge_order(self, side: Side) -> None:
        """Words arrive in the order they were said, unless one was parked and others passed it."""
        for ticket_id, partner in self.partners[side].items():
            if ticket_id in self.parked:
                continue
            said = [
                f"{author}: {text}" if side is Side.ITSM else text
                for where, author, text in self.people[side].deeds.said
                if where == ticket_id
            ]
            copies = [
                text
                for author, text in self.vendors[side.other].said(partner)
                if author == US and not _is_own_word(text)
            ]
            if copies != said and Counter(copies) == Counter(said):
                self.problems.append(f"out of order on {partner}: {copies} instead of {said}")

    def _judge_files(self, side: Side) -> None:
        wanted: dict[TicketId, Counter[bytes]] = {}
        for ticket_id, _, body in self.people[side].deeds.files:
            partner = self.partners[side].get(ticket_id)
            if partner is not None:
                wanted.setdefault(partner, Counter())[body] += 1
        if not self.vendors[side.other].profile.takes_files:
            return
        for ticket in self.vendors[side.other].tickets():
            files = self.vendors[side.other].files(ticket.id)
            found = Counter(body for author, _, body in files if author == US)
            expected = wanted.get(ticket.id, Counter())
            if found != expected:
                self.problems.append(f"files on {ticket.id}: {found} instead of {expected}")

    def _judge_fields(self) -> None:
        for itsm_id, vendor_id in self.partners[Side.ITSM].items():
            itsm = self.vendors[Side.ITSM].ticket(itsm_id)
            vendor = self.vendors[Side.VENDOR].ticket(vendor_id)
            told = f"{itsm_id} {dict(itsm.fields)} and {vendor_id} {dict(vendor.fields)}"
            for paired in self.rules.paired:
                here, there = itsm.get(paired.itsm), vendor.get(paired.vendor)
                table = paired.to_vendor
                wanted = table.get(str(here)) if table is not None else here
                if wanted != there and (itsm_id, paired.slot) not in self.frozen:
                    self.problems.append(f"{paired.slot} differs: {told}")
            for rule in self.rules.fields:
                if itsm.get(rule.target) != vendor.get(rule.target):
                    self.problems.append(f"{rule.target} differs: {told}")
            if itsm.get("vendor_ref") != vendor.number:
                self.problems.append(f"vendor_ref differs: {told}")


def _was_parked(tx: Tx, link_id: LinkRow) -> bool:
    c = t.journal.c
    query = t.journal.select().where(c.link == link_id, c.event == "operation.parked")
    return tx.first(query) is not None


def _is_own_word(text: str) -> bool:
    return re.match(r"N-\S+: status is now |Attachment not copied |Not sent: ", text) is not None


_HARMLESS = (WriteKind.UPDATE, WriteKind.STATUS)
"""Setting a field twice is one effect."""
