"""Counts, from the sandboxes' records alone, what crossed, was lost, doubled or came back. Pure.

What a vendor's mapping promises is its `Pairing`. The judge never looks at the daemon's store;
what the daemon shows openly as parked or in conflict is handed in, and excuses a loss but nothing
else.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from syncd.demo.evidence import (
    Case,
    Event,
    Evidence,
    Kind,
    Pair,
    Text,
    read,
    token_of,
    tokens_of,
)
from syncd.demo.judge_fields import judge_fields
from syncd.demo.pairing import CLOSED, SKIPPED_WORD, Pairing, Side
from syncd.demo.verdict import Fate, Notes, Shown, Verdict, names_of


@dataclass(slots=True)
class Source:
    """Where a token comes from.

    Attributes:
        side, ticket, what: where it was written first.
        texts: each time a person wrote it.
        is_private: it must not be seen at the vendor.
        is_wanted: it must be seen across.
        is_head: it begins its text; others mark the end of a long one.
    """

    side: Side
    ticket: str
    what: str
    texts: list[Text]
    is_private: bool
    is_wanted: bool
    is_head: bool = True


@dataclass(slots=True)
class Court:
    """What all parts of the judgement look at.

    Attributes:
        pairing: what is to cross.
        evidence: both records.
        notes: takes down what is found.
        sources: by token.
        pairs: tickets and their copies, by (side, id) of either.
        shared: people's tickets that must get a partner, by (side, id).
    """

    pairing: Pairing
    evidence: Evidence
    notes: Notes
    shared: set[tuple[Side, str]] = field(default_factory=set)
    sources: dict[str, Source] = field(default_factory=dict)
    pairs: dict[tuple[Side, str], Pair] = field(default_factory=dict)


def judge(
    pairing: Pairing,
    itsm: Iterable[Event],
    vendor: Iterable[Event],
    shown: Iterable[Shown] = (),
) -> Verdict:
    """Judge one pairing of a run.

    Args:
        pairing: what is to cross.
        itsm: the ITSM sandbox's record of the tickets it is about.
        vendor: the vendor sandbox's record.
        shown: what the daemon says did not cross.
    """
    evidence = read(pairing, itsm, vendor)
    verdict = Verdict(requests=evidence.requests, violations=evidence.violations)
    notes = Notes(verdict, frozenset(shown))
    court = Court(pairing=pairing, evidence=evidence, notes=notes)
    court.shared = {key for key, case in evidence.cases.items() if _is_shared(court, case)}
    _find_sources(court)
    _judge_tickets(court)
    _judge_texts(court)
    copies = _copies(court)
    for token, source in court.sources.items():
        if source.what in ("comment", "attachment"):
            _judge_items(court, token, source, copies.get(token, []))
        elif source.what == "root_cause" and len(copies.get(token, [])) > 1:
            detail = f"{token} is in {len(copies[token])} closure notes"
            _find(court, Fate.DOUBLED, Kind.COMMENTS, source, detail)
    for pair in {id(each): each for each in court.pairs.values()}.values():
        judge_fields(court.pairing, evidence, court.notes, pair)
    return verdict


# --- who said what first -------------------------------------------------------------------------


def _is_shared(court: Court, case: Case) -> bool:
    if not case.by_person:
        return False
    if case.side is Side.VENDOR:
        wanted = court.pairing.partner_if
        return wanted is not None and case.fields.get(wanted[0]) == wanted[1]
    groups = [case.fields.get("group", "")]
    groups += [each.new for each in court.evidence.of(case.side, case.id) if each.name == "group"]
    return court.pairing.group in groups


def _find_sources(court: Court) -> None:
    for text in court.evidence.texts:
        if not text.by_person:
            continue
        for place, token in enumerate(tokens_of(text.text)):
            known = court.sources.get(token)
            if known is None:
                court.sources[token] = _source(court, text, is_head=place == 0)
            elif place == 0 and (known.side, known.ticket, known.what) == (
                text.side,
                text.ticket,
                text.what,
            ):
                known.texts.append(text)


def _source(court: Court, text: Text, *, is_head: bool) -> Source:
    case = court.evidence.cases[text.side, text.ticket]
    # A ticket the client opened is a copy: whatever is said there goes back to its origin.
    is_shared = (text.side, text.ticket) in court.shared or not case.by_person
    is_private = text.side is Side.ITSM and (not is_shared or _is_withheld(court.pairing, text))
    is_wanted = is_shared and not is_private and _is_carried(court.pairing, text)
    return Source(
        side=text.side,
        ticket=text.ticket,
        what=text.what,
        texts=[text],
        is_private=is_private,
        is_wanted=is_wanted,
        is_head=is_head,
    )


def _is_carried(pairing: Pairing, text: Text) -> bool:
    if text.what == "attachment":
        return pairing.are_files_told
    if text.what == "comment":
        return text.side.other in pairing.comments_to and not text.text.startswith(SKIPPED_WORD)
    return True


def _is_withheld(pairing: Pairing, text: Text) -> bool:
    if text.what == "attachment":
        return True
    if text.what != "comment":
        return False
    if Side.VENDOR not in pairing.comments_to:
        return True
    word = pairing.share_word
    is_marked = bool(word) and text.list == "workNotes" and text.text.startswith(word)
    return text.list != "comments" and not is_marked


# --- tickets -------------------------------------------------------------------------------------


def _judge_tickets(court: Court) -> None:
    copies: dict[tuple[Side, str], list[Case]] = {}
    for case in court.evidence.cases.values():
        if case.by_person:
            continue
        source = _origin(court, case)
        if source is None:
            detail = f"{case.number} was opened for no ticket anybody opened"
            court.notes.find(Fate.ECHOED, Kind.TICKETS, case.side, case.number, detail)
        elif source.side is case.side:
            detail = f"{case.number} is a copy of a ticket of the same system"
            court.notes.find(Fate.ECHOED, Kind.TICKETS, case.side, case.number, detail)
        else:
            copies.setdefault((source.side, source.ticket), []).append(case)
    for key, case in court.evidence.cases.items():
        if case.by_person:
            _judge_ticket(court, case, copies.get(key, []))


def _origin(court: Court, case: Case) -> Source | None:
    for name in ("title", "description"):
        source = court.sources.get(token_of(case.fields.get(name, "")))
        if source is not None:
            return source
    return None


def _judge_ticket(court: Court, case: Case, copies: list[Case]) -> None:
    notes, toward = court.notes, case.side.other
    if copies:
        pair = Pair(origin=case, copy=copies[0])
        court.pairs[case.side, case.id] = pair
        court.pairs[toward, copies[0].id] = pair
    if (case.side, case.id) not in court.shared:
        for copy in copies:
            fate = Fate.LEAKED if case.side is Side.ITSM else Fate.UNWANTED
            notes.find(fate, Kind.TICKETS, toward, case.number, f"opened as {copy.number}")
        return
    notes.did(Kind.TICKETS, toward)
    if copies:
        notes.arrived(Kind.TICKETS, toward, _shared_at(court, case), copies[0].at)
    elif _now(court, case, "group") != court.pairing.group and case.side is Side.ITSM:
        detail = "given to others before it was read"
        notes.find(Fate.SUPERSEDED, Kind.TICKETS, toward, case.number, detail)
    elif _now(court, case, "status") in CLOSED:
        detail = "closed before it was read"
        notes.find(Fate.SUPERSEDED, Kind.TICKETS, toward, case.number, detail)
    else:
        detail = f"{case.fields.get('title', '')!r} has no partner"
        notes.lost(Kind.TICKETS, toward, (case.number, case.id), "ticket", detail)
    for copy in copies[1:]:
        detail = f"opened as {copies[0].number} and as {copy.number}"
        notes.find(Fate.DOUBLED, Kind.TICKETS, toward, case.number, detail)


def _shared_at(court: Court, case: Case) -> datetime:
    if case.side is Side.VENDOR or case.fields.get("group") == court.pairing.group:
        return case.at
    changes = court.evidence.of(case.side, case.id)
    wanted = ("group", court.pairing.group)
    return next(each.at for each in changes if (each.name, each.new) == wanted)


def _now(court: Court, case: Case, name: str) -> str:
    changes = court.evidence.of(case.side, case.id)
    values = [each.new for each in changes if each.name == name]
    return values[-1] if values else case.fields.get(name, "")


# --- comments and attachments --------------------------------------------------------------------


def _judge_texts(court: Court) -> None:
    """Find what came back and what must not be there, in everything the client wrote."""
    for text in court.evidence.texts:
        if text.by_person:
            continue
        kind = _kind(text.what)
        ticket = court.evidence.cases[text.side, text.ticket].number
        source = court.sources.get(text.token)
        # Titles of new tickets are judged with the tickets.
        if source is not None and source.side is text.side and not _is_birth(court, text):
            detail = f"{text.token} came back as {text.what}"
            court.notes.find(Fate.ECHOED, kind, text.side, ticket, detail)
        elif source is not None and source.texts[0].text.startswith(SKIPPED_WORD):
            court.notes.find(Fate.UNWANTED, kind, text.side, ticket, f"{text.token} was carried")
        if text.side is Side.VENDOR and not _is_birth(court, text):
            for token in tokens_of(text.text):
                if token in court.sources and court.sources[token].is_private:
                    court.notes.find(Fate.LEAKED, kind, text.side, ticket, f"{token} is private")


def _is_birth(court: Court, text: Text) -> bool:
    case = court.evidence.cases[text.side, text.ticket]
    return case.at == text.at and text.what in case.fields


def _kind(what: str) -> Kind:
    kinds = {"comment": Kind.COMMENTS, "attachment": Kind.ATTACHMENTS}
    return kinds.get(what, Kind.FIELD_CHANGES)


def _copies(court: Court) -> dict[str, list[Text]]:
    """Comments the client wrote, by their first token."""
    found: dict[str, list[Text]] = {}
    for text in court.evidence.texts:
        if not text.by_person and text.what == "comment" and text.token:
            found.setdefault(text.token, []).append(text)
    return found


def _judge_items(court: Court, token: str, source: Source, copies: list[Text]) -> None:
    if not source.is_wanted:
        return
    pair = court.pairs.get((source.side, source.ticket))
    if pair is None:
        return  # Its ticket is what is lost.
    toward, kind = source.side.other, _kind(source.what)
    partner = pair.id_on(toward)
    across = [each for each in copies if each.side is toward]
    right = [each for each in across if each.ticket == partner and _is_whole(source, each)]
    if not source.is_head:
        _judge_tail(court, token, source, partner)
        return
    court.notes.did(kind, toward, len(source.texts))
    for done, copy in zip(source.texts, right, strict=False):
        court.notes.arrived(kind, toward, done.at, copy.at)
    for _ in source.texts[len(right) :]:
        detail = f"{token} of {source.texts[0].by} did not arrive"
        court.notes.lost(kind, toward, names_of(pair), source.what, detail, token=token)
    for copy in right[len(source.texts) :]:
        _find(court, Fate.DOUBLED, kind, source, f"{token} arrived again at {copy.at:%H:%M:%S}")
    for copy in across:
        if copy.ticket != partner:
            _find(court, Fate.DOUBLED, kind, source, f"{token} is in {copy.ticket} too")


def _is_whole(source: Source, copy: Text) -> bool:
    """Whether a note about an attachment names its size and digest."""
    first = source.texts[0]
    if source.what != "attachment":
        return True
    return first.sha256 in copy.text and str(first.size) in copy.text


def _judge_tail(court: Court, token: str, source: Source, partner: str) -> None:
    """The end of a long text must have arrived in some part of it."""
    for text in court.evidence.texts:
        if not text.by_person and text.ticket == partner and token in text.text:
            return
    pair = court.pairs[source.side, source.ticket]
    detail = f"the end of a long text, {token}, did not arrive"
    toward, kind = source.side.other, _kind(source.what)
    court.notes.lost(kind, toward, names_of(pair), source.what, detail, token=token)


def _find(court: Court, fate: Fate, kind: Kind, source: Source, detail: str) -> None:
    number = court.evidence.cases[source.side, source.ticket].number
    court.notes.find(fate, kind, source.side.other, number, detail)
