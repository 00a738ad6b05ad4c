"""Judges a whole run: each vendor's pairing by itself, and that nothing crossed between vendors."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from syncd.demo.evidence import PERSON, Event, Kind, tokens_of
from syncd.demo.judge import judge
from syncd.demo.pairing import Pairing, Side
from syncd.demo.verdict import Fate, Finding, Shown, Verdict

COUNTED = frozenset({"request", "violation"})
"""Events of the ITSM that belong to no ticket, and so to no pairing."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found.

    Attributes:
        whole: everything added up, the ITSM's requests and violations included.
        by_vendor: each pairing's own, by the vendor's name.
    """

    whole: Verdict
    by_vendor: Mapping[str, Verdict]


def judge_all(
    pairings: Sequence[Pairing],
    itsm: Sequence[Event],
    vendors: Mapping[str, Sequence[Event]],
    shown: Iterable[Shown] = (),
) -> Judgement:
    """Judge a run.

    Args:
        pairings: those that took part.
        itsm: the ITSM's record.
        vendors: each vendor's record, by its name.
        shown: what the daemon says did not cross.
    """
    known = frozenset(shown)
    owners = _owners(pairings, itsm, vendors)
    parts: dict[str, list[Event]] = {each.name: [] for each in pairings}
    whole = Verdict()
    for event in itsm:
        if "ticket" in event and event["what"] not in COUNTED:
            parts[owners[event["ticket"]]].append(event)
        elif event["what"] in COUNTED:
            counts = whole.requests if event["what"] == "request" else whole.violations
            counts[Side.ITSM] += 1
    homes = _homes(parts, vendors)
    by_vendor: dict[str, Verdict] = {}
    for pairing in pairings:
        name = pairing.name
        verdict = judge(pairing, parts[name], vendors[name], known)
        verdict.findings += _strays(name, homes, parts[name], vendors[name])
        by_vendor[name] = verdict
        whole.add(verdict)
    return Judgement(whole, by_vendor)


def _owners(
    pairings: Sequence[Pairing], itsm: Iterable[Event], vendors: Mapping[str, Iterable[Event]]
) -> dict[str, str]:
    """Say which vendor each ITSM ticket is about: by its group, else by whose words it repeats.

    What is nobody's, and so must not leave, stands with the first: seen at any other it is a stray.
    """
    groups = {each.group: each.name for each in pairings}
    said = _homes({}, vendors)
    owners: dict[str, str] = {}
    for event in itsm:
        if "ticket" not in event:
            continue
        values = [event.get("new"), *dict(event.get("fields") or {}).values()]
        found = [groups[each] for each in values if isinstance(each, str) and each in groups]
        if event["what"] == "ticket_created" and event["actor"] != PERSON:
            found += [said[token] for text in _words(event) for token in text if token in said]
        if found:
            owners[event["ticket"]] = found[0]
        else:
            owners.setdefault(event["ticket"], pairings[0].name)
    return owners


def _homes(
    parts: Mapping[str, Iterable[Event]], vendors: Mapping[str, Iterable[Event]]
) -> dict[str, str]:
    """Say with which vendor's business each token of people belongs."""
    homes: dict[str, str] = {}
    for records in (parts, vendors):
        for name, record in records.items():
            for event in record:
                if event.get("actor") != PERSON:
                    continue
                for tokens in _words(event):
                    for token in tokens:
                        homes.setdefault(token, name)
    return homes


def _strays(
    name: str, homes: Mapping[str, str], itsm: Iterable[Event], vendor: Iterable[Event]
) -> list[Finding]:
    """Find what the client wrote here although it is another vendor's business."""
    found = []
    for side, record in ((Side.ITSM, itsm), (Side.VENDOR, vendor)):
        for event in record:
            if event.get("actor") == PERSON or "ticket" not in event:
                continue
            found += [
                Finding(
                    fate=Fate.LEAKED,
                    kind=Kind.COMMENTS,
                    toward=side,
                    ticket=str(event["number"]),
                    detail=f"{token} belongs to {homes[token]} and is at {name} too",
                )
                for tokens in _words(event)
                for token in tokens
                if homes.get(token, name) != name
            ]
    return found


def _words(event: Event) -> list[list[str]]:
    """The tokens in each text of an event; those that a vendor's sandbox makes up are no one's."""
    texts = [event.get("new"), event.get("text"), event.get("name")]
    texts += dict(event.get("fields") or {}).values()
    return [
        [token for token in tokens_of(text) if token.startswith("T")]
        for text in texts
        if isinstance(text, str)
    ]
