"""Judges a whole run: each vendor's pairing by itself, and that nothing crossed between vendors."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from syncd.demo.evidence import PERSON, Event, Kind, tokens_of
from syncd.demo.judge import judge
from syncd.demo.judge_fields import ENDS
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
            for owner in owners[event["ticket"]]:
                parts[owner].append(event)
        elif event["what"] in COUNTED:
            counts = whole.requests if event["what"] == "request" else whole.violations
            counts[Side.ITSM] += 1
    homes = _homes(parts, vendors)
    by_vendor: dict[str, Verdict] = {}
    for pairing in pairings:
        name = pairing.name
        verdict = judge(pairing, parts[name], vendors[name], known)
        verdict.findings += _strays(name, homes, vendors[name], owners, Side.VENDOR)
        verdict.findings += _strays(name, homes, parts[name], owners, Side.ITSM)
        by_vendor[name] = verdict
    numbers = {event["ticket"]: str(event["number"]) for event in itsm if "ticket" in event}
    _acquit(by_vendor, {numbers[each]: names for each, names in owners.items()})
    for verdict in by_vendor.values():
        whole.add(verdict)
    return Judgement(whole, by_vendor)


def _owners(
    pairings: Sequence[Pairing], itsm: Iterable[Event], vendors: Mapping[str, Iterable[Event]]
) -> dict[str, list[str]]:
    """Say which vendors each ITSM ticket is about: by its groups, else by whose words it repeats.

    What is nobody's, and so must not leave, stands with the first: seen at any other it is a stray.
    """
    groups = {each.group: each.name for each in pairings}
    said = _homes({}, vendors)
    owners: dict[str, list[str]] = {}
    for event in itsm:
        if "ticket" not in event:
            continue
        values = [event.get("new"), *dict(event.get("fields") or {}).values()]
        found = [groups[each] for each in values if isinstance(each, str) and each in groups]
        if not found and event["what"] == "ticket_created" and event["actor"] != PERSON:
            tokens = [token for text in _words(event) for token in text if token in said]
            found = [min(said[token]) for token in tokens[:1]]
        known = owners.setdefault(event["ticket"], [])
        known += [each for each in found[:1] if each not in known]
    return {ticket: names or [pairings[0].name] for ticket, names in owners.items()}


def _homes(
    parts: Mapping[str, Iterable[Event]], vendors: Mapping[str, Iterable[Event]]
) -> dict[str, frozenset[str]]:
    """Say with which vendors' business each token of people belongs: where it was written first."""
    homes: dict[str, frozenset[str]] = {}
    for records in (parts, vendors):
        first: dict[str, tuple[str, set[str]]] = {}
        for name, record in records.items():
            for event in record:
                if event.get("actor") != PERSON:
                    continue
                for token in (token for tokens in _words(event) for token in tokens):
                    ticket, names = first.setdefault(token, (str(event.get("ticket")), set()))
                    # One ticket of the desk may be several vendors' business.
                    if not names or ticket == str(event.get("ticket")):
                        names.add(name)
        homes = {token: frozenset(names) for token, (_, names) in first.items()} | homes
    return homes


def _strays(
    name: str,
    homes: Mapping[str, frozenset[str]],
    record: Iterable[Event],
    owners: Mapping[str, Sequence[str]],
    side: Side,
) -> list[Finding]:
    """Find what the client wrote here although it is another vendor's business."""
    found = []
    for event in record:
        if event.get("actor") == PERSON or "ticket" not in event:
            continue
        # What one vendor says reaches the desk's ticket, and by that no other vendor.
        allowed = owners[event["ticket"]] if side is Side.ITSM else (name,)
        found += [
            Finding(
                fate=Fate.LEAKED,
                kind=Kind.COMMENTS,
                toward=side,
                ticket=str(event["number"]),
                detail=f"{token} belongs to {' and '.join(sorted(homes[token]))}"
                f" and is at {name} too",
            )
            for tokens in _words(event)
            for token in tokens
            if token in homes and homes[token].isdisjoint(allowed)
        ]
    return found


def _acquit(by_vendor: Mapping[str, Verdict], owners: Mapping[str, Sequence[str]]) -> None:
    """Drop what looks strange to one vendor of a ticket because another of its vendors set it.

    Each vendor's pairing is judged without the others: a field of the shared ticket that nobody at
    this vendor set may have been set by the next one, and what that one set is not this one's.
    """
    told = {name: list(verdict.findings) for name, verdict in by_vendor.items()}
    for name, verdict in by_vendor.items():
        verdict.findings = [
            each for each in told[name] if not _is_anothers(each, name, told, owners)
        ]


def _is_anothers(
    finding: Finding,
    name: str,
    told: Mapping[str, Sequence[Finding]],
    owners: Mapping[str, Sequence[str]],
) -> bool:
    others = [each for each in owners.get(finding.ticket.partition("/")[0], ()) if each != name]
    if not others or finding.kind is not Kind.FIELD_CHANGES:
        return False
    if finding.fate in (Fate.ECHOED, Fate.DOUBLED) and finding.toward is Side.ITSM:
        details = [{each.detail for each in told[other]} for other in others]
        return not all(finding.detail in each for each in details)
    # People's own changes are each judged for themselves; only how it ends depends on the others.
    return finding.fate is Fate.LOST and ENDS in finding.detail


def _words(event: Event) -> list[list[str]]:
    """The tokens in each text of an event; those that a vendor's sandbox makes up are no one's."""
    texts = [event.get("new"), event.get("text"), event.get("name")]
    texts += dict(event.get("fields") or {}).values()
    return [
        [token for token in tokens_of(text) if token.startswith("T")]
        for text in texts
        if isinstance(text, str)
    ]
