"""Judges fields and statuses of one pair of tickets: did each change cross, do both agree. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from syncd.demo.evidence import Change, Evidence, Kind, Pair, Text, token_of
from syncd.demo.pairing import Pairing, Side
from syncd.demo.verdict import Fate, Notes, names_of

SAID = "status is now "


ENDS = " ends as "
"""Stands in the finding that both sides end with different values."""


@dataclass(slots=True)
class Life:
    """One pair and what happened to it.

    Attributes:
        pairing: what is to cross.
        changes: of each side, oldest first.
        texts: comments the client wrote on each side.
    """

    pairing: Pairing
    pair: Pair
    changes: Mapping[Side, list[Change]]
    texts: Mapping[Side, list[Text]]
    notes: Notes

    def people(self, side: Side, name: str) -> list[Change]:
        """What people changed on a side."""
        return [
            each
            for each in self.changes[side]
            if each.name == name and each.by_person and each.is_change
        ]

    def writes(self, side: Side, name: str) -> list[Change]:
        """What the client wrote on a side."""
        return [each for each in self.changes[side] if each.name == name and not each.by_person]

    def now(self, side: Side, name: str) -> str:
        """The value on a side in the end."""
        values = [each.new for each in self.changes[side] if each.name == name]
        return values[-1] if values else self.first(side, name)

    def first(self, side: Side, name: str) -> str:
        """The value a side's ticket was opened with."""
        case = self.pair.origin if self.pair.origin.side is side else self.pair.copy
        return case.fields.get(name, "")

    def is_last(self, change: Change) -> bool:
        """Whether the field kept this value on its own side."""
        return not any(
            each.at > change.at and each.is_change
            for each in self.changes[change.side]
            if each.name == change.name
        )

    def is_overwritten(self, change: Change) -> bool:
        """Whether somebody gave the field another value afterwards."""
        return not self.is_last(change) or any(
            each.at > change.at for each in self.people(change.side.other, change.name)
        )

    def canonical(self, side: Side, name: str, value: str) -> str:
        """One form of a value for both sides."""
        return canonical(self.pairing, side, name, value)

    def unmet(self, change: Change, what: str) -> None:
        """Note a change that is not found across."""
        toward = change.side.other
        detail = f"{what} {change.new[:40]!r} of {change.at:%H:%M:%S}"
        if self.is_overwritten(change):
            self.notes.find(Fate.SUPERSEDED, Kind.FIELD_CHANGES, toward, self.pair.number, detail)
        else:
            names, token = names_of(self.pair), token_of(change.new)
            self.notes.lost(Kind.FIELD_CHANGES, toward, names, change.name, detail, token=token)


def judge_fields(pairing: Pairing, evidence: Evidence, notes: Notes, pair: Pair) -> None:
    """Judge everything about one pair that is not a comment or an attachment of a person."""
    ids = {side: pair.id_on(side) for side in Side}
    life = Life(
        pairing=pairing,
        pair=pair,
        changes={side: evidence.of(side, ids[side]) for side in Side},
        texts={
            side: [
                each
                for each in evidence.texts
                if each.side is side
                and each.ticket == ids[side]
                and each.what == "comment"
                and not each.by_person
            ]
            for side in Side
        },
        notes=notes,
    )
    for side in Side:
        for name in pairing.carried.get(side, ()):
            _judge_field(life, side, name)
        for name, words in pairing.said.get(side, {}).items():
            _judge_said(life, side, name, words)
        _judge_status(life, side)
    for name in pairing.kept_equal:
        _judge_end(life, name)


def canonical(pairing: Pairing, side: Side, name: str, value: str) -> str:
    """One form for both sides: a text's token, the ITSM's label, else the value."""
    if name in ("title", "description"):
        return token_of(value) or value.strip()
    if side is Side.VENDOR:
        return pairing.values.get(name, {}).get(value, value)
    return value


# --- fields --------------------------------------------------------------------------------------


def _judge_field(life: Life, side: Side, name: str) -> None:
    toward = side.other
    done = life.people(side, name)
    life.notes.did(Kind.FIELD_CHANGES, toward, len(done))
    met = _match(
        done,
        lambda each: life.canonical(side, name, each.new),
        _written(life, toward, name),
        lambda written: _strange(life, toward, name, written),
    )
    for change in done:
        value = life.canonical(side, name, change.new)
        if change in met:
            life.notes.arrived(Kind.FIELD_CHANGES, toward, change.at, met[change])
        elif life.is_last(change) and life.canonical(toward, name, life.now(toward, name)) == value:
            life.notes.arrived(Kind.FIELD_CHANGES, toward)
        else:
            life.unmet(change, name)


def _written(life: Life, side: Side, name: str) -> list[tuple[str, datetime, bool]]:
    """What the client wrote: value, when, and whether it changed anything. Creation included."""
    written = [
        (life.canonical(side, name, each.new), each.at, each.is_change)
        for each in life.writes(side, name)
    ]
    copy = life.pair.copy
    if copy.side is side and name in copy.fields:
        written.insert(0, (life.canonical(side, name, copy.fields[name]), copy.at, False))
    return written


def _match(
    done: list[Change],
    value: Callable[[Change], str],
    written: list[tuple[str, datetime, bool]],
    strange: Callable[[tuple[str, datetime, bool]], None],
) -> dict[Change, datetime]:
    """Give each write to the latest change before it that has its value and no write yet."""
    met: dict[Change, datetime] = {}
    for each in written:
        fitting = [
            change
            for change in done
            if change not in met and change.at <= each[1] and value(change) == each[0]
        ]
        if fitting:
            met[fitting[-1]] = each[1]
        elif each[2]:
            strange(each)
    return met


def _strange(life: Life, side: Side, name: str, written: tuple[str, datetime, bool]) -> None:
    """Judge a value the client wrote although nobody across had just chosen it."""
    value, at, _ = written
    if _is_chosen(life, side, name, written):
        return
    chosen = [life.canonical(side.other, name, life.first(side.other, name))]
    chosen += [life.canonical(side.other, name, each.new) for each in life.people(side.other, name)]
    fate = Fate.DOUBLED if value in chosen else Fate.ECHOED
    detail = f"{name} {value!r} was written at {at:%H:%M:%S} and nobody had changed it to that"
    life.notes.find(fate, Kind.FIELD_CHANGES, side, life.pair.number, detail)


def _is_chosen(life: Life, side: Side, name: str, written: tuple[str, datetime, bool]) -> bool:
    """Whether the vendor gave our new ticket this value, and it is carried for the first time.

    Where it is told with the ticket it is what the pair began with, and is not carried; where it is
    told later it is news. Both are right.
    """
    value, copy = life.pairing.chosen.get(name), life.pair.copy
    if value is None or copy.side is side or name in copy.fields:
        return False
    if written[0] != life.canonical(copy.side, name, value):
        return False
    return not any(
        each[0] == written[0] and each[1] < written[1] for each in _written(life, side, name)
    )


def _judge_end(life: Life, name: str) -> None:
    ends = {side: life.canonical(side, name, life.now(side, name)) for side in Side}
    if ends[Side.ITSM] == ends[Side.VENDOR]:
        return
    told = {
        each.detail
        for each in life.notes.verdict.findings
        if each.fate in (Fate.LOST, Fate.SHOWN) and each.ticket == life.pair.number
    }
    if any(detail.startswith(f"{name} ") for detail in told):
        return
    detail = f"{name}{ENDS}{ends[Side.ITSM]!r} here and {ends[Side.VENDOR]!r} there"
    life.notes.lost(Kind.FIELD_CHANGES, Side.VENDOR, names_of(life.pair), name, detail)


def _judge_said(life: Life, side: Side, name: str, words: str) -> None:
    """A changed value is said across; what a ticket was opened with is in its copy."""
    toward = side.other
    for change in life.people(side, name):
        life.notes.did(Kind.FIELD_CHANGES, toward)
        token = token_of(change.new)
        sought = words.format(change.new)
        said = [
            each.at
            for each in life.texts[toward]
            if (each.token == token if token else sought in each.text)
        ]
        copy = life.pair.copy
        if token and copy.side is toward and token_of(copy.fields.get(name, "")) == token:
            said.insert(0, copy.at)
        if said:
            life.notes.arrived(Kind.FIELD_CHANGES, toward, change.at, said[0])
        else:
            life.unmet(change, name)
        for at in said[1:]:
            detail = f"{name} {token or change.new} was said again at {at:%H:%M:%S}"
            life.notes.find(Fate.DOUBLED, Kind.FIELD_CHANGES, toward, life.pair.number, detail)


# --- status --------------------------------------------------------------------------------------


def _judge_status(life: Life, side: Side) -> None:
    toward, effects = side.other, life.pairing.effects.get(side, {})
    done = [each for each in life.people(side, "status") if each.new in effects]
    said = _match(
        done,
        lambda each: each.new.casefold(),
        [(label, at, True) for label, at in _statuses_said(life, toward)],
        lambda written: _said_again(life, toward, written),
    )
    sets = [each for each in done if effects[each.new].sets and each not in said]
    met = said | _match(
        sets,
        lambda each: effects[each.new].sets,
        [(each.new, each.at, each.is_change) for each in life.writes(toward, "status")],
        lambda written: _strange_status(life, toward, written, done),
    )
    for change in done:
        _judge_status_change(life, change, met.get(change))


def _judge_status_change(life: Life, change: Change, met_at: datetime | None) -> None:
    toward = change.side.other
    effect = life.pairing.effects[change.side][change.new]
    seen = _statuses_from(life, toward, change.at)
    is_there = bool(effect.sets) and effect.sets in seen
    if met_at is None and not is_there:
        if _is_before_opening(life, change):
            return  # The new ticket was opened from it.
        if effect.only_from and not set(effect.only_from) & set(seen):
            return  # It never applied.
    life.notes.did(Kind.FIELD_CHANGES, toward)
    if met_at is not None:
        life.notes.arrived(Kind.FIELD_CHANGES, toward, change.at, met_at)
    elif is_there:
        life.notes.arrived(Kind.FIELD_CHANGES, toward)
    else:
        life.unmet(change, "status")


def _is_before_opening(life: Life, change: Change) -> bool:
    return change.side is life.pair.origin.side and change.at < life.pair.copy.at


def _statuses_from(life: Life, side: Side, at: datetime) -> list[str]:
    """The statuses a side showed from an instant on."""
    labels = [life.first(side, "status")]
    for each in life.changes[side]:
        if each.name == "status":
            labels = [each.new] if each.at <= at else [*labels, each.new]
    return labels


def _statuses_said(life: Life, side: Side) -> list[tuple[str, datetime]]:
    found = []
    for text in life.texts[side]:
        _, is_said, label = text.text.partition(SAID)
        if is_said and not text.token:
            found.append((label.splitlines()[0].strip().casefold(), text.at))
    return found


def _said_again(life: Life, side: Side, written: tuple[str, datetime, bool]) -> None:
    label, at, _ = written
    chosen = [each.new.casefold() for each in life.people(side.other, "status")]
    fate = Fate.DOUBLED if label in chosen else Fate.ECHOED
    detail = f"status {label!r} was said at {at:%H:%M:%S} without a change to it"
    life.notes.find(fate, Kind.FIELD_CHANGES, side, life.pair.number, detail)


def _strange_status(
    life: Life, side: Side, written: tuple[str, datetime, bool], done: list[Change]
) -> None:
    label, at, _ = written
    effects = life.pairing.effects.get(side.other, {})
    fate = Fate.DOUBLED if label in {effects[each.new].sets for each in done} else Fate.ECHOED
    detail = f"status {label!r} was set at {at:%H:%M:%S} without a change that sets it"
    life.notes.find(fate, Kind.FIELD_CHANGES, side, life.pair.number, detail)
