"""What must be true once everything has come to rest, judged from both systems' own histories.

The store is not read. Which ticket was made for which is found by titles, each of which a person
gave once. What the daemon itself shows as parked or in conflict (`Shown`) only excuses an order
and a field that had to wait for a person; it excuses no loss and nothing that came twice.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from syncd.core.rules import MappingRules
from syncd.model.ids import OperationKey, Side, TicketId
from syncd.model.operation import WriteKind
from syncd.model.ticket import Value
from tests.simulation.habits import HabitualVendor
from tests.simulation.people import SECRET, People
from tests.simulation.traits import Effect
from tests.simulation.vendor import US

T = TypeVar("T", str, bytes)


class Wrong(StrEnum):
    """What can be wrong."""

    LOST = "lost"
    DOUBLED = "doubled"
    ECHOED = "echoed"
    LEAKED = "leaked"
    OUT_OF_ORDER = "out_of_order"
    DIFFERENT = "different"
    UNCAUSED = "uncaused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong."""

    what: Wrong
    detail: str

    def __str__(self) -> str:
        return f"{self.what}: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """An operation that an operator discarded.

    Attributes:
        side, ticket_id: where the change came from.
        kind: what was to be written on the other side.
        text, body: what was to be said, or the file's bytes; None: it is not known.
        slots: values that were not to be carried.
    """

    side: Side
    ticket_id: TicketId
    kind: WriteKind
    text: str = ""
    body: bytes | None = None
    slots: Mapping[str, Value] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Apart:
    """A pair that was taken apart, and perhaps put together again.

    Attributes:
        tickets: both.
        copied: what of one side's had been carried when the pair was parted, by that side.
        said, filed: how much people of a side had said and attached when it was decided about anew;
            empty: it was not yet.
        fields: what stood in the fields then.
    """

    tickets: Mapping[Side, TicketId]
    copied: Mapping[Side, Counter[str | bytes]]
    said: dict[Side, int] = field(default_factory=dict)
    filed: dict[Side, int] = field(default_factory=dict)
    fields: dict[Side, Mapping[str, Value]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """What stood on both sides before syncd came.

    Attributes:
        tickets: all of it.
        pairs: those that an operator linked since.
        asked: those for which a partner was asked; no other gets one by itself.
        said, filed: how much people of a side had said and attached by then.
    """

    tickets: frozenset[TicketId] = frozenset()
    pairs: frozenset[tuple[TicketId, TicketId]] = frozenset()
    asked: frozenset[TicketId] = frozenset()
    said: Mapping[Side, int] = field(default_factory=dict)
    filed: Mapping[Side, int] = field(default_factory=dict)

    def is_old(self, ticket_id: TicketId, index: int, before: int) -> bool:
        """Whether words or a file stood on a ticket that was linked with all it had."""
        return index < before and any(ticket_id in pair for pair in self.pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the daemon shows of itself.

    Attributes:
        parked: tickets of links that ever had something parked.
        parted: tickets of links that were removed and put together again.
        apart: when that was: what was said meanwhile is history, and stays where it was said.
        frozen: slots in conflict, by the ITSM's ticket.
        given_up: what an operator discarded.
        lost: from when to when a restored backup knew nothing.
        stood: what stood on both sides before syncd came.
    """

    parked: frozenset[TicketId] = frozenset()
    parted: frozenset[TicketId] = frozenset()
    frozen: frozenset[tuple[TicketId, str]] = frozenset()
    given_up: tuple[GivenUp, ...] = ()
    apart: tuple[Apart, ...] = ()
    lost: tuple[tuple[float, float], ...] = ()
    stood: Stood = field(default_factory=Stood)

    def is_history(
        self, side: Side, ticket_id: TicketId, carried: str | bytes, index: int, turn: int
    ) -> bool:
        """Whether something was said or attached on a side while the pair was apart.

        Args:
            side, ticket_id: where it was said.
            carried: the words as they are carried, or the file.
            index: how much people of that side had said, or attached, before.
            turn: how often the same had been said there before.
        """
        for apart in self.apart:
            if apart.tickets[side] != ticket_id:
                continue
            ends = apart.said if isinstance(carried, str) else apart.filed
            is_copied = turn < apart.copied[side][carried]
            if not is_copied and index < ends.get(side, index + 1):
                return True
        # A restored store does not know of every parting.
        return bool(self.lost) and ticket_id in self.parted

    def unborn(self) -> set[TicketId]:
        """Tickets whose partner's creation was given up, and with it all that was to follow."""
        return {one.ticket_id for one in self.given_up if one.kind is WriteKind.CREATE}

    def is_given_up(self, side: Side, ticket_id: TicketId, slot: str, value: Value) -> bool:
        """Whether a value that stands on a side was not to be carried."""
        return any(
            (one.side, one.ticket_id) == (side, ticket_id)
            and slot in one.slots
            and (one.slots[slot] == value or value in _read_by_rule(one.slots[slot]))
            for one in self.given_up
        )


def _read_by_rule(value: object) -> Sequence[object]:
    """Give the values a rule of one direction read, of what its slot keeps."""
    return list(value.values()) if isinstance(value, Mapping) else []


@dataclass(slots=True)
class Checker:
    """Compares what people did with what stands on the other side."""

    vendors: Mapping[Side, HabitualVendor]
    people: Mapping[Side, People]
    rules: MappingRules
    shown: Shown
    problems: list[Problem] = field(default_factory=list)
    partners: dict[Side, dict[TicketId, TicketId]] = field(default_factory=dict)

    def judge(self) -> list[Problem]:
        """List everything that is wrong."""
        self.partners = {side: {} for side in Side}
        for itsm, vendor in self.shown.stood.pairs:
            self.partners[Side.ITSM][itsm], self.partners[Side.VENDOR][vendor] = vendor, itsm
        for side in Side:
            self._pair_up(side)
        self._judge_keys()
        for side in Side:
            self._judge_tickets(side)
            self._judge_words(side)
            self._judge_order(side)
            self._judge_files(side)
            self._judge_causes(side)
            self._judge_returns(side)
        self._judge_fields()
        self._judge_last()
        return self.problems

    def _wrong(self, what: Wrong, detail: str) -> None:
        self.problems.append(Problem(what=what, detail=detail))

    def _pair_up(self, side: Side) -> None:
        """Find whose partner each ticket is that we made on the other side of `side`."""
        owners = {
            title: ticket_id
            for ticket_id in self.people[side].deeds.opened
            for title in self.vendors[side].values(ticket_id, "title")
        }
        here, there = self.partners[side], self.partners[side.other]
        for effect in self.vendors[side.other].effects:
            if effect.kind is not WriteKind.CREATE:
                continue
            made, title = effect.ticket_id, effect.fields.get("title")
            owner = owners.get(title) if isinstance(title, str) else None
            if owner is None:
                self._wrong(Wrong.ECHOED, f"{made} was made for no ticket of a person: {title!r}")
            elif owner in here:
                self._wrong(Wrong.DOUBLED, f"{owner} has two partners: {here[owner]} and {made}")
            else:
                here[owner], there[made] = made, owner

    def _judge_keys(self) -> None:
        for vendor in self.vendors.values():
            kinds = {effect.key: effect.kind for effect in vendor.effects}
            for key, count in vendor.counts().items():
                if count > 1 and kinds[key] not in _HARMLESS:
                    told = f"{kinds[key]} {key} happened {count} times at {vendor.name}"
                    self._wrong(Wrong.DOUBLED, told)

    def _judge_tickets(self, side: Side) -> None:
        """Each ticket of a person that matches has a partner, and no other has."""
        for ticket_id, matches in self.people[side].deeds.opened.items():
            is_due = matches and ticket_id not in self.shown.unborn()
            may_have = matches
            if ticket_id in (stood := self.shown.stood).tickets:
                is_due = is_due and ticket_id in stood.asked
                may_have = ticket_id in stood.asked or any(ticket_id in one for one in stood.pairs)
            if is_due and ticket_id not in self.partners[side]:
                self._wrong(Wrong.LOST, f"{ticket_id} has no partner")
            if not may_have and ticket_id in self.partners[side]:
                self._wrong(Wrong.LEAKED, f"{ticket_id} has a partner it should not have")

    def _judge_words(self, side: Side) -> None:
        """Public words arrive once each, private ones never."""
        stood = self.shown.stood
        wanted: dict[TicketId, Counter[str]] = {}
        history: dict[TicketId, Counter[str]] = {}
        for index, (ticket_id, author, text) in enumerate(self.people[side].deeds.said):
            partner = self.partners[side].get(ticket_id)
            is_old = stood.is_old(ticket_id, index, stood.said.get(side, 0))
            if partner is not None and not is_old:
                words = _copied(side, author, text)
                turn = wanted.setdefault(partner, Counter())[words]
                wanted[partner][words] += 1
                if self.shown.is_history(side, ticket_id, words, index, turn):
                    history.setdefault(partner, Counter())[words] += 1
        for ticket in self.vendors[side.other].tickets():
            found = Counter(self._copies(side.other, ticket.id))
            expected = wanted.get(ticket.id, Counter())
            given_up = Counter(one.text for one in self._given_up(side, ticket.id))
            excused = given_up + history.get(ticket.id, Counter())
            for text in self._missing(ticket.id, expected - found - excused):
                self._wrong(Wrong.LOST, f"on {ticket.id}: {text!r}")
            for text in (found - expected).elements():
                what = Wrong.DOUBLED if text in expected else Wrong.ECHOED
                self._wrong(what, f"on {ticket.id}: {text!r}")
            if side is Side.ITSM and f"{SECRET} {side}" in repr(ticket):
                self._wrong(Wrong.LEAKED, f"private words on {ticket.id}")

    def _missing(self, ticket_id: TicketId, missing: Counter[T]) -> Iterable[T]:
        return missing.elements() if not self._is_unborn(ticket_id) else ()

    def _is_unborn(self, ticket_id: TicketId) -> bool:
        """Whether the pair of a ticket was given up with its creation."""
        unborn = self.shown.unborn()
        return ticket_id in unborn or any(
            partners.get(ticket_id) in unborn for partners in self.partners.values()
        )

    def _given_up(self, side: Side, partner: TicketId) -> list[GivenUp]:
        """What was not to be written to a ticket on the other side of `side`."""
        owner = self.partners[side.other].get(partner)
        return [one for one in self.shown.given_up if (one.side, one.ticket_id) == (side, owner)]

    def _copies(self, side: Side, ticket_id: TicketId) -> list[str]:
        """What we said there for people of the other side, in order."""
        said = self.vendors[side].said(ticket_id)
        return [text for author, text in said if author == US and not _is_own_word(text)]

    def _judge_order(self, side: Side) -> None:
        """Words arrive in the order they were said, unless one was parked and others passed it."""
        for ticket_id, partner in self.partners[side].items():
            if {ticket_id, partner} & self.shown.parked:
                continue
            # A restored store forgets what was given up, and says it behind what came later.
            given_up = {one.text for one in self._given_up(side, partner)}
            copies = [each for each in self._copies(side.other, partner) if each not in given_up]
            said = [
                copied
                for where, author, text in self.people[side].deeds.said
                if where == ticket_id and (copied := _copied(side, author, text)) in copies
            ]
            if copies != said and Counter(copies) == Counter(said):
                self._wrong(Wrong.OUT_OF_ORDER, f"on {partner}: {copies} instead of {said}")

    def _judge_files(self, side: Side) -> None:
        stood = self.shown.stood
        wanted: dict[TicketId, Counter[bytes]] = {}
        history: dict[TicketId, Counter[bytes]] = {}
        for index, (ticket_id, _, body) in enumerate(self.people[side].deeds.files):
            partner = self.partners[side].get(ticket_id)
            is_old = stood.is_old(ticket_id, index, stood.filed.get(side, 0))
            if partner is not None and not is_old:
                turn = wanted.setdefault(partner, Counter())[body]
                wanted[partner][body] += 1
                if self.shown.is_history(side, ticket_id, body, index, turn):
                    history.setdefault(partner, Counter())[body] += 1
        if not self.vendors[side.other].profile.takes_files:
            return
        for ticket in self.vendors[side.other].tickets():
            files = self.vendors[side.other].files(ticket.id)
            found = Counter(body for author, _, body in files if author == US)
            expected = wanted.get(ticket.id, Counter())
            given_up = Counter(one.body for one in self._given_up(side, ticket.id) if one.body)
            excused = given_up + history.get(ticket.id, Counter())
            for body in self._missing(ticket.id, expected - found - excused):
                self._wrong(Wrong.LOST, f"file on {ticket.id}: {body!r}")
            for body in (found - expected).elements():
                what = Wrong.DOUBLED if body in expected else Wrong.ECHOED
                self._wrong(what, f"file on {ticket.id}: {body!r}")

    def _judge_causes(self, side: Side) -> None:
        """What we wrote into a field was once shown by its partner, or put there by people."""
        for effect in self.vendors[side].effects:
            if effect.kind not in _HARMLESS:
                continue
            partner = self.partners[side].get(effect.ticket_id)
            for name, value in effect.fields.items():
                if partner is not None and value not in self._causes(side, effect, partner, name):
                    self._wrong(Wrong.UNCAUSED, f"{name} of {effect.ticket_id} became {value!r}")

    def _causes(self, side: Side, effect: Effect, partner: TicketId, name: str) -> Iterable[Value]:
        other = self.vendors[side.other]
        told = [each for each in other.values(partner, name) if not other.is_own(partner, each)]
        # An operator may keep what stood there when both sides had changed.
        before = self.vendors[side].set_by_people(effect.ticket_id, name)
        if name == _REFERENCE:
            return [other.number(partner)]
        if name == "status":
            return [*before, *self._answers(side, told)]
        for paired in self.rules.paired:
            mine, theirs = paired.itsm, paired.vendor
            if side is Side.VENDOR:
                mine, theirs = theirs, mine
            if mine == name:
                table = paired.to_vendor if side is Side.VENDOR else paired.to_itsm
                shown = other.values(partner, theirs)
                return [*before, *(table.get(str(one)) if table else one for one in shown)]
        return [*before, *told]

    def _judge_returns(self, side: Side) -> None:
        """A title, which people never give twice, is carried once: it does not come back later.

        Where tickets do not tell when they changed, or tell an earlier time for a later change
        because a clock was put back, a read that lags may bring one back; so does a store that was
        restored.
        """
        other = self.vendors[side.other]
        if self.shown.lost or not other.profile.tells_updates:
            return
        carried: dict[tuple[TicketId, Value], set[OperationKey]] = {}
        for effect in self.vendors[side].effects:
            if "title" in effect.fields and effect.ticket_id not in self.shown.parted:
                told = (effect.ticket_id, effect.fields["title"])
                carried.setdefault(told, set()).add(effect.key)
        for (ticket_id, title), keys in carried.items():
            source = self.partners[side].get(ticket_id)
            if len(keys) > 1 and (source is None or not other.looked_older(source, title)):
                self._wrong(Wrong.UNCAUSED, f"{title!r} came back to {ticket_id}")

    def _answers(self, side: Side, shown: Iterable[Value]) -> list[str | None]:
        """What the mapping sets a status to when the other side shows these."""
        status = self.rules.status
        assert status is not None
        table = status.to_vendor if side is Side.VENDOR else status.to_itsm
        return [table[str(label)].status for label in shown if str(label) in table]

    def _judge_fields(self) -> None:
        for itsm_id, vendor_id in self._pairs():
            itsm = self.vendors[Side.ITSM].ticket(itsm_id)
            vendor = self.vendors[Side.VENDOR].ticket(vendor_id)
            told = f"{itsm_id} {dict(itsm.fields)} and {vendor_id} {dict(vendor.fields)}"
            for paired in self.rules.paired:
                here, there = itsm.get(paired.itsm), vendor.get(paired.vendor)
                table = paired.to_vendor
                wanted = table.get(str(here)) if table is not None else here
                values = {Side.ITSM: here, Side.VENDOR: there}
                if self._differ(wanted, there) and not self._is_stopped(
                    itsm_id, paired.slot, values
                ):
                    self._wrong(Wrong.DIFFERENT, f"{paired.slot}: {told}")
            for rule in self.rules.fields:
                # What changed while a pair was apart is no news to a rule of one direction.
                source = rule.target_side.other
                values = {source: (itsm if source is Side.ITSM else vendor).get(rule.target)}
                stopped = self._was_apart(
                    itsm_id, source, rule.target, values[source]
                ) or self._is_stopped(itsm_id, rule.slot, values)
                differ = self._differ(itsm.get(rule.target), vendor.get(rule.target))
                # Two rules stand in the way of one another: what one was not to carry stays.
                stopped |= any(
                    self._is_stopped(itsm_id, other.slot, {side: shown.get(other.target)})
                    for other in self.rules.fields
                    if other.target == rule.target
                    for side, shown in ((Side.ITSM, itsm), (Side.VENDOR, vendor))
                    if side is other.target_side.other
                )
                # Two rules carry what each side shows past one another, where we forgot a write.
                stopped |= self._was_forgotten(Side.ITSM, itsm_id, rule.target)
                stopped |= self._was_forgotten(Side.VENDOR, vendor_id, rule.target)
                if differ and not stopped:
                    self._wrong(Wrong.DIFFERENT, f"{rule.target}: {told}")
            was_given_up = any(
                _REFERENCE_SLOT in one.slots for one in self._given_up(Side.VENDOR, itsm_id)
            )
            if itsm.get(_REFERENCE) != vendor.number and not was_given_up:
                self._wrong(Wrong.DIFFERENT, f"{_REFERENCE}: {told}")

    def _was_apart(self, itsm_id: TicketId, source: Side, name: str, value: Value) -> bool:
        """Whether a field stands as it stood when its pair was put together again."""
        if self.shown.lost and itsm_id in self.shown.parted:
            return True
        return any(
            apart.tickets[Side.ITSM] == itsm_id
            and apart.fields.get(source, {name: value}).get(name) == value
            for apart in self.shown.apart
        )

    def _is_stopped(self, itsm_id: TicketId, slot: str, values: Mapping[Side, Value]) -> bool:
        """Whether a person has to settle a field, or chose that what stands there stays there."""
        if (itsm_id, slot) in self.shown.frozen:
            return True
        tickets = {Side.ITSM: itsm_id, Side.VENDOR: self.partners[Side.ITSM][itsm_id]}
        return any(
            self.shown.is_given_up(side, tickets[side], slot, value)
            for side, value in values.items()
        )

    def _judge_last(self) -> None:
        """What stands in a field in the end is what people of one side put there last.

        An older value of theirs that came back was nobody's wish.
        """
        for itsm_id, vendor_id in self._pairs():
            for paired in self.rules.paired:
                here = self.vendors[Side.ITSM].last_by_people(itsm_id, paired.itsm)
                there = self.vendors[Side.VENDOR].last_by_people(vendor_id, paired.vendor)
                table = paired.to_vendor
                wished = {table.get(str(here)) if table is not None else here, there}
                shown = self.vendors[Side.VENDOR].ticket(vendor_id).get(paired.vendor)
                wished |= {one for one in [shown] if not all(self._differ(one, w) for w in wished)}
                was_given_up = any(
                    paired.slot in one.slots
                    for one in self.shown.given_up
                    if one.ticket_id in (itsm_id, vendor_id)
                )
                is_judged = (itsm_id, paired.slot) not in self.shown.frozen and not was_given_up
                # A store that knows nothing of our write takes it for a person's.
                names = {Side.ITSM: paired.itsm, Side.VENDOR: paired.vendor}
                tickets = {Side.ITSM: itsm_id, Side.VENDOR: vendor_id}
                if any(self._was_forgotten(side, tickets[side], names[side]) for side in Side):
                    continue
                if is_judged and itsm_id not in self.shown.parted and shown not in wished:
                    told = f"{paired.slot} of {vendor_id} is {shown!r} again, not one of {wished}"
                    self._wrong(Wrong.UNCAUSED, told)

    def _was_forgotten(self, side: Side, ticket_id: TicketId, name: str) -> bool:
        """Whether the store forgot that we wrote a field: it was restored from before that."""
        return any(
            effect.ticket_id == ticket_id and name in effect.fields and begin <= effect.at_s <= end
            for effect in self.vendors[side].effects
            for begin, end in self.shown.lost
        )

    def _differ(self, one: object, other: object) -> bool:
        """Whether two values are not the same, whatever a system makes of what it is told."""
        if any(each.habits.rewrites for each in self.vendors.values()):
            return str(one).upper() != str(other).upper()
        return one != other

    def _pairs(self) -> list[tuple[TicketId, TicketId]]:
        there = {ticket.id for vendor in self.vendors.values() for ticket in vendor.tickets()}
        pairs = self.partners[Side.ITSM].items()
        return [
            (here, partner)
            for here, partner in pairs
            if {here, partner} <= there and not self._is_unborn(here)
        ]


_REFERENCE = "vendor_ref"
_REFERENCE_SLOT = "reference.itsm.vendor_ref"
_HARMLESS = (WriteKind.UPDATE, WriteKind.STATUS)
"""Setting a field twice is one effect."""


def _copied(side: Side, author: str, text: str) -> str:
    """Give words of one side as the mapping says them on the other."""
    return f"{author}: {text}" if side is Side.ITSM else text


def _is_own_word(text: str) -> bool:
    return re.match(r"N-\S+: status is now |Attachment not copied |Not sent: ", text) is not None
