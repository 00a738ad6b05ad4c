"""`explain` as people read it (DESIGN section 9)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from rich.text import Text

from syncd.cli.facts.explain import (
    UNSETTLED,
    Explained,
    NotLinked,
    Place,
    Unknown,
    is_unopened,
)
from syncd.cli.show import timeline
from syncd.cli.show.advice import BY_ITSELF, Advice, Way, advise
from syncd.cli.show.lines import columns, line
from syncd.cli.show.operations import advised
from syncd.cli.text import ago, count, time_of, value
from syncd.core.pacing import Warmth
from syncd.core.state import ItemKind, ItemPair, PairState, TestResult
from syncd.intake.candidates import DECLINED
from syncd.model.features import Reading
from syncd.model.ids import OperationId, Side
from syncd.model.operation import OperationState, WriteKind
from syncd.model.ticket import Ticket
from syncd.store.records import LinkPhase, LinkRecord, OperationRecord, StoredTicket
from syncd.store.reports import LinkFacts

TITLE_CHARS_MAX = 70
OURS = "written by syncd"
"""Why an echo is passed over: nothing anybody would miss."""
LEFT = {
    PairState.NOT_CARRIED: "NOT CARRIED",
    PairState.HISTORY: "NOT CARRIED",
    PairState.SKIPPED: "NOT SHARED",
    PairState.GIVEN_UP: "GIVEN UP",
    PairState.DUPLICATE: "DOUBLED",
    PairState.STRAY: "STRANGE",
}
"""What became of comments and attachments that have no copy."""
ITEMS_MAX = 5
"""Items of one sort that are named each."""


def document(explained: Explained) -> dict[str, object]:
    """Give everything for programs."""
    return {
        "known": True,
        "ticket": explained.ticket,
        "links": explained.story.links,
        "operations": [each.detail for each in explained.operations.values()],
        "not_linked": explained.not_linked,
        "matches": explained.matches,
        "held": explained.held,
        "advice": verdict(explained),
        "lines": explained.story.lines,
    }


def lines(explained: Explained, *, everything: bool = False) -> list[Text]:
    """Say it to people."""
    made = [_head(explained)]
    for facts in explained.story.links:
        made += _link(facts, explained)
    if not explained.story.links:
        made.append(line(("PARTNER  ", "bold"), "none"))
    made += [line(), *timeline.lines(explained, everything=everything)]
    parts: list[Text] = []
    for facts in explained.story.links:
        parts += (
            _open(facts)
            + _held_back(facts, explained)
            + _not_carried(facts, explained.ticket)
            + _conflicts(facts)
        )
    parts += _not_linked(explained)
    made += [line(), *parts] if parts else []
    return [*made, line(), *advised(verdict(explained))]


# --- who it is ---------------------------------------------------------------------------------


def _head(explained: Explained) -> Text:
    ticket = explained.ticket
    unknown = "not configured" if explained.has_rules else "its rules cannot be read"
    names = [
        f"{name} ({explained.modes.get(name, unknown)})"
        for name in dict.fromkeys(each.link.mapping for each in explained.story.links)
    ]
    where = ", ".join(names) or str(ticket.connection)
    return line((_named(ticket), "bold"), _words(ticket.snapshot), f"   {where}")


def _named(ticket: StoredTicket) -> str:
    return ticket.number or str(ticket.external_id or "(no number)")


def _words(snapshot: Ticket | None) -> str:
    """Show title, priority and status: ` "Link down" P1 In Progress`."""
    if snapshot is None:
        return " (never read)"
    title, priority = snapshot.fields.get("title"), snapshot.fields.get("priority")
    parts = [f'"{value(title, TITLE_CHARS_MAX)}"'] if title else []
    if priority:
        text = value(priority)
        parts.append(f"P{text}" if text.isdigit() else text)
    if snapshot.fields.get("status"):
        parts.append(value(snapshot.fields["status"]))
    return "".join(f" {part}" for part in parts)


def _link(facts: LinkFacts, explained: Explained) -> list[Text]:
    made = [line(("PARTNER  ", "bold"), *_partner(facts, explained))]
    pause = facts.link.pause
    if pause is not None:
        made.append(line(("PAUSED   ", "bold yellow"), _paused(pause.by, pause.reason)))
    return made


def _paused(by: str, reason: str) -> str:
    return f"by {by}: {reason}" if reason else f"by {by}"


def _partner(facts: LinkFacts, explained: Explained) -> tuple[str | tuple[str, str], ...]:
    if facts.partner is not None:
        where = f"   {facts.partner.connection}, read {ago(facts.partner.read_at, explained.now)}"
        ended = "" if facts.link.phase in _LIVE else f", link {facts.link.phase}"
        if facts.followed:
            ended = f"; a follow-up of {facts.followed} took its place"
        elif facts.follows:
            ended += f"; the follow-up of {facts.follows}"
        return ((_named(facts.partner), "bold"), _words(facts.partner.snapshot), where, ended)
    if facts.link.tombstone_at is not None:
        return ("none: the link was removed",)
    create = next((each for each in facts.operations if each.kind is WriteKind.CREATE), None)
    if facts.link.phase is LinkPhase.SAID and create is not None:
        return (f"none: {create.detail}; what follows is not carried there",)
    return (_unborn(create),)


_LIVE = (LinkPhase.OPENING, LinkPhase.OPEN, LinkPhase.CLOSED)


def _unborn(create: OperationRecord | None) -> str:
    if create is None:
        return "none yet: nothing was sent"
    if create.state is OperationState.UNKNOWN:
        return "none known: its creation is UNKNOWN (sent, no answer)"
    if create.state is OperationState.PARKED:
        reason = (create.park_reason or "").replace("_", " ")
        return f"none known: its creation is PARKED ({reason})"
    return f"none yet: its creation is {create.state} (op {create.id})"


# --- what is open --------------------------------------------------------------------------------


def _open(facts: LinkFacts) -> list[Text]:
    waiting = [each for each in facts.operations if each.state in UNSETTLED]
    groups: dict[str, Counter[str]] = {}
    for each in waiting:
        if each.state is OperationState.WAITING:
            need = f"need {each.waits_for}" if each.waits_for is not None else "in turn"
            groups.setdefault(need, Counter())[str(each.kind)] += 1
    parts = [f"{_counted(kinds)} ({need})" for need, kinds in groups.items()]
    return [line(("WAITING  ", "bold"), "; ".join(parts))] if parts else []


def _held_back(facts: LinkFacts, explained: Explained) -> list[Text]:
    """Say what is not carried on before an operation that may have made it is settled."""
    groups: dict[tuple[Side, ItemKind, OperationId], int] = Counter(
        (each.side, each.kind, each.operation) for each in explained.held.get(facts.link.id, ())
    )
    made = []
    for (side, kind, operation), number in groups.items():
        is_here = facts.link.rows.get(side) == explained.ticket.row or facts.partner is None
        ticket = explained.ticket if is_here else facts.partner or explained.ticket
        what = f"{count(number, str(kind))} on {_named(ticket)}"
        which = "the first of them" if number > 1 and kind is ItemKind.COMMENT else "each"
        which = "it" if number == 1 else which
        why = f": op {operation} may have made {which}; carried on when {operation} is settled  "
        command = (f"syncd ops show {operation}", "cyan")
        made.append(line(("HELD  ", "bold"), what, why, command))
    return made


def _counted(kinds: Counter[str]) -> str:
    plain = {"comment", "attachment"}
    return ", ".join(
        count(number, kind) if kind in plain or number > 1 else kind
        for kind, number in kinds.items()
    )


def _not_carried(facts: LinkFacts, ticket: StoredTicket) -> list[Text]:
    made: list[Text] = []
    for state, word in LEFT.items():
        by_reason: dict[str, list[ItemPair]] = {}
        for pair in facts.pairs:
            if pair.state is state and not pair.reason.startswith(OURS):
                by_reason.setdefault(pair.reason, []).append(pair)
        for reason, pairs in by_reason.items():
            text = f"{_items(pairs, facts, ticket)}: {reason or 'no reason kept'}"
            made.append(line((f"{word}  ", "bold"), text))
    made += [line(("NOT CARRIED  ", "bold"), why) for why in facts.withheld]
    if facts.unverified:
        names = ", ".join(slot.rpartition(".")[2] for slot in facts.unverified)
        text = f"{names}: written, and can never be read back there"
        made.append(line(("UNVERIFIED  ", "bold"), text))
    return made


def _items(pairs: Sequence[ItemPair], facts: LinkFacts, ticket: StoredTicket) -> str:
    """Name attachments, count comments."""
    snapshots = [each.snapshot for each in (ticket, facts.partner) if each and each.snapshot]
    names: dict[str, str] = {file.id: file.name for each in snapshots for file in each.attachments}
    kinds = Counter(str(pair.kind) for pair in pairs)
    named = [value(names[pair.source_id], 40) for pair in pairs if pair.source_id in names]
    if named and len(named) == len(pairs) <= ITEMS_MAX:
        return ", ".join(named)
    return _counted(kinds)


def _conflicts(facts: LinkFacts) -> list[Text]:
    return [
        line(
            ("CONFLICT  ", "bold red"),
            f"{each.slot}: itsm {value(each.itsm_value)}, vendor {value(each.vendor_value)}  ",
            (each.place, "dim"),
            "  ",
            (f"syncd conflicts resolve {each.id} --keep itsm|vendor", "cyan"),
        )
        for each in facts.conflicts
    ]


def _not_linked(explained: Explained) -> list[Text]:
    made: list[Text] = []
    for each in explained.not_linked:
        head = f"{each.mapping} ({each.mode}): {each.why or 'it does not match'}"
        made.append(line(("NOT OPENED  ", "bold"), head, (f"  {each.place}", "dim")))
        made += columns([_condition(test) for test in each.tests], indent=12)
        made += [line(problem, indent=12) for problem in each.problems]
        made += _as_decided(explained, each)
    return made


def _as_decided(explained: Explained, now: NotLinked) -> list[Text]:
    """Say what was found when it was decided, where that is not what stands there now."""
    told = [
        each.line
        for each in explained.story.lines
        if each.line.event == DECLINED and each.line.mapping == now.mapping
    ]
    if not told or not now.tests or told[-1].detail == "  ".join(map(str, now.tests)):
        return []
    at = time_of(told[-1].at, explained.now)
    return [line((f"as decided {at}:  ", "dim"), told[-1].detail, indent=12)]


def _condition(test: TestResult) -> Sequence[str | tuple[str, str]]:
    mark = ("✓", "green") if test.holds else ("✗", "bold red")
    actual = "" if test.holds else f"is {value(test.actual)}"
    return (mark, test.asked, actual, (test.place, "dim"))


# --- why, what next, what to do -------------------------------------------------------------------


def verdict(explained: Explained) -> Advice:
    """Say why things are as they are, what comes next, and what a person can do."""
    by_hand = Way(when="handle by hand", command=f"syncd pause {_named(explained.ticket)}")
    pressing = explained.open_operations()
    held = _held(explained)
    if held is not None and (not pressing or pressing[0].detail.record.state not in _PRESSING):
        return held
    found = advise(pressing[0], explained.now) if pressing else None
    if found is None:
        found = _settled(explained)
    elif found.ways:
        found = replace(found, ways=(*found.ways, by_hand))
    if explained.is_running is False and found.next.endswith(BY_ITSELF):
        found = replace(found, next=f"nothing while no daemon runs; then {found.next}")
    return found


_PRESSING = (OperationState.PARKED, OperationState.UNKNOWN)


def _held(explained: Explained) -> Advice | None:
    """Say what a person stopped, if anything that concerns this ticket."""
    number = _named(explained.ticket)
    for each in explained.story.links:
        if each.link.pause is not None and each.link.tombstone_at is None:
            why = f"The ticket is paused {_paused(each.link.pause.by, each.link.pause.reason)}."
            return _resumable(why, number)
    names: list[str] = [explained.ticket.connection]
    for each in explained.story.links:
        names.append(each.link.mapping)
        names += [each.partner.connection] if each.partner else []
    for name in names:
        pause = explained.paused.get(name)
        if pause is not None:
            return _resumable(f"{name} is paused {_paused(pause.by, pause.reason)}.", name)
    return None


def _resumable(why: str, name: str) -> Advice:
    way = Way(when="go on", command=f"syncd resume {name}")
    return Advice(why=why, next="nothing until it is resumed", ways=(way,))


def _settled(explained: Explained) -> Advice:
    ticket = explained.ticket
    number = _named(ticket)
    again = Way(when="read it now", command=f"syncd resync {number}")
    following = _next_read(explained)
    if any(each.conflicts for each in explained.story.links):
        why = "Both sides changed the same field differently; the rest is in step."
        return Advice(why=why, next="nothing on that field until it is decided", ways=())
    lost = next((each for each in explained.story.links if each.link.phase is LinkPhase.GONE), None)
    if ticket.gone_at is not None or (lost is not None and ticket.is_missing):
        why = f"{ticket.connection} says there is no such ticket any more."
        looks = following if ticket.gone_at is None else _next_look(explained)
        return Advice(why=why, next=looks, ways=(again,))
    if lost is not None and lost.partner is not None:
        return _without_partner(lost.link, lost.partner)
    if ticket.snapshot is None:
        why = f"It could not be read: {ticket.read_error}" if ticket.read_error else "Not read yet."
        return Advice(why=why, next=following, ways=(again,))
    if any(
        each.link.tombstone_at is None and not is_unopened(each) for each in explained.story.links
    ):
        why = "Nothing is open: all that was seen has arrived, or is named above."
        return Advice(why=why, next=following, ways=(again,))
    return _unlinked(explained, following, again)


def _without_partner(link: LinkRecord, partner: StoredTicket) -> Advice:
    number = _named(partner)
    return Advice(
        why=f"{number} is not at {partner.connection} any more: what changes here is not carried.",
        next="nothing until it is back; what differs then is carried",
        ways=(
            Way(when="it is there again", command=f"syncd resync {number}"),
            Way(when="it stays away", command=f"syncd link remove {link.id}"),
            Way(when="handle by hand", command=f"syncd pause {number}"),
        ),
    )


def _unlinked(explained: Explained, following: str, again: Way) -> Advice:
    if explained.ticket.stray:
        why = "It carries a marker of syncd that no link here knows, so it never gets a partner."
        return Advice(why=why, next="nothing", ways=())
    if not explained.has_rules:
        why = "It has no partner; the files' rules cannot be read, so they cannot say why."
        check = Way(when="to see their errors", command="syncd check")
        return Advice(why=why, next=following, ways=(again, check))
    if not explained.not_linked:
        why = f"No mapping uses {explained.ticket.kind} tickets of {explained.ticket.connection}."
        return Advice(why=why, next="nothing", ways=())
    lacking = next((each for each in explained.not_linked if each.problems), None)
    if lacking is not None:
        return Advice(
            why=f"Not sent: {'; '.join(lacking.problems)}",
            next=f"sent when the ticket, or the mapping's table, is corrected; {following}",
            ways=(again,),
        )
    if any(each.would_open for each in explained.not_linked):
        return Advice(why="Its partner is about to be opened.", next=following, ways=(again,))
    name = _nearest(explained.not_linked).mapping
    pair = Way(when="it has a partner", command=f"syncd link add {name} ITSM-NUMBER VENDOR-NUMBER")
    return Advice(
        why="No mapping opens a partner for it, as shown above.",
        next=f"decided anew when it changes; {following}",
        ways=(again, pair),
    )


def _nearest(found: Sequence[NotLinked]) -> NotLinked:
    """Give the mapping of which most conditions hold."""
    return max(found, key=lambda each: sum(test.holds for test in each.tests))


def _next_read(explained: Explained) -> str:
    ticket = explained.ticket
    at = ticket.read_due_at or ticket.next_poll_at
    how = f" ({explained.warmth})" if explained.warmth else ""
    if at is not None:
        when = "now" if at <= explained.now else time_of(at, explained.now)
        return f"read {when}{how}, {BY_ITSELF}"
    if explained.warmth is Warmth.AT_REST:
        return "read when something names it: it has been closed for long"
    return f"read when its feed tells of it, {BY_ITSELF}"


def _next_look(explained: Explained) -> str:
    """Say when a ticket that is gone is looked for again."""
    at, now = explained.ticket.next_poll_at, explained.now
    if at is None:
        return "nothing: it is not looked for again before something names it"
    return f"looked for again {'now' if at <= now else time_of(at, now)}, {BY_ITSELF}"


# --- a ticket nobody knows -----------------------------------------------------------------------


def unknown_document(unknown: Unknown) -> dict[str, object]:
    """Give it for programs."""
    return {"known": False, "word": unknown.word, "places": unknown.places}


def unknown_lines(unknown: Unknown) -> list[Text]:
    """Say where a ticket that nobody knows could have come from."""
    made = [line((unknown.word, "bold"), " is not known"), line()]
    rows = [_place(each, unknown) for each in unknown.places]
    watched = [each for each in unknown.places if each.reading is Reading.WATCH]
    made += columns(rows, indent=2)
    why = "Nothing ever told syncd of it."
    ways = tuple(
        Way(
            when=f"it is at {each.connection}",
            command=f"syncd watch {each.connection} {unknown.word}",
        )
        for each in (watched or unknown.places)
    )
    return [*made, line(), *advised(Advice(why=why, next="nothing", ways=ways))]


def _place(each: Place, unknown: Unknown) -> Sequence[str]:
    if each.reading is Reading.WATCH:
        return (str(each.connection), "never notified, never watched, never opened by us")
    read = ago(each.last_complete_at, unknown.now)
    return (str(each.connection), f"never seen (last read to the end {read})")
