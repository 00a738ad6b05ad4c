"""Everything that exists on both sides of a mapping, read as sparingly as it can be, for pairing.

What the store knows is not read again. What is read is kept in the store group by group, so that a
run that was cut off goes on from there. The store is held only while a group is being read.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from syncd.cli import plants, stores, writing
from syncd.cli.facts.traits import intake_config
from syncd.core import marker
from syncd.core.evaluate import as_text, evaluate
from syncd.core.opening import plan_birth, source_view
from syncd.core.pairing import Known, Opens, Paired, Pairing, Who, pair
from syncd.core.rules import MappingRules
from syncd.core.state import Opening
from syncd.intake import IntakeConfig
from syncd.model.errors import CommandRefused
from syncd.model.features import Reading
from syncd.model.ids import ConnectionName, OperationKey, Side, TicketId, TicketRow
from syncd.model.ticket import Ticket
from syncd.ports.adapter import Adapter, TicketRef
from syncd.ports.errors import NotFound, OddAnswer, Refused, RemoteError
from syncd.settings.values import Settings
from syncd.store import adopting
from syncd.store.codec import encode_ticket
from syncd.store.database import Database

GROUP = 50
"""Tickets read before what was read is kept."""
POLLS_MAX = 1_000
"""Polls from scratch before a list that never ends is given up."""
TEXT_BYTES_MAX = 150_000
"""A ticket larger than this is compared but not kept: it would not fit into a command."""
LOADED_AT_ONCE = 500
_WORD = re.compile(r"[\w-]*\d[\w-]*")
_APART = re.compile(r"[\s,;]+")

Tell = Callable[[ConnectionName, int, int], None]
"""(connection, tickets done, tickets to do) whenever some were read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How tickets are to be looked for.

    Attributes:
        numbers: of tickets to be read, by connection, beside those that lists and references tell.
        share: part of each connection's rate that may be used.
        keep: what is read is kept in the store; False where nothing may be changed.
        tell: told how far it is.
    """

    numbers: Mapping[ConnectionName, Sequence[str]] = field(default_factory=dict)
    share: float = 0.5
    keep: bool = True
    tell: Tell = lambda _name, _done, _all: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found.

    Attributes:
        pairing: matches, doubts, unmatched tickets.
        read: tickets read just now, by connection.
        known: tickets known in all, by side.
        notes: what the reader should know about how complete this is.
        failed: why some system could not be read whole; nothing is linked then.
    """

    pairing: Pairing
    read: Mapping[ConnectionName, int]
    known: Mapping[Side, int]
    notes: tuple[str, ...]
    failed: tuple[str, ...]


class Site(Protocol):
    """What gathering goes out from: a configuration, its store and its connections."""

    config: IntakeConfig

    def looking(self) -> AbstractAsyncContextManager[Database]:
        """Open the store for reading."""
        ...

    def adapter(
        self, name: ConnectionName, *, share: float
    ) -> AbstractAsyncContextManager[Adapter]:
        """Open a connection, to use so much of its rate; CommandRefused: only a daemon may."""
        ...

    async def carry_out(self, command: str, arguments: Mapping[str, object]) -> dict[str, Any]:
        """Carry a command of the store out, committed when this returns; gives what it tells."""
        ...


class ConfiguredSite:
    """The site that settings describe."""

    def __init__(self, settings: Settings) -> None:
        """Open nothing yet."""
        self.config = intake_config(settings)
        self._settings = settings

    def looking(self) -> AbstractAsyncContextManager[Database]:
        return stores.looking(self._settings)

    def adapter(
        self, name: ConnectionName, *, share: float
    ) -> AbstractAsyncContextManager[Adapter]:
        return plants.adapter(self._settings, name, share=share)

    async def carry_out(self, command: str, arguments: Mapping[str, object]) -> dict[str, Any]:
        return await writing.carry_out(self._settings, command, arguments)


class Gathering:
    """Gathers both sides' tickets of one mapping."""

    def __init__(self, site: Site, rules: MappingRules, wish: Wish) -> None:
        """Look at nothing yet."""
        self._site = site
        self._rules = rules
        self._wish = wish
        self._config = site.config
        self._known: dict[Side, dict[Who, Known]] = {side: {} for side in Side}
        self._words: dict[ConnectionName, set[str]] = {}
        self._keys: dict[Who, tuple[OperationKey, ...]] = {}
        self._linked: set[Who] = set()
        self._pairs: list[Paired] = []
        self._read: dict[ConnectionName, int] = {}
        self._notes: list[str] = []
        self._failed: dict[ConnectionName, str] = {}

    async def find(self) -> Findings:
        """Read what is needed, and compare.

        Raises:
            CommandRefused: there is no store yet.
            StoreUnavailable: it cannot be reached.
        """
        places = [(side, name) for side in Side for name in self._rules.connections(side)]
        async with self._site.looking() as db:
            await self._load(db, places)
        for side, name in places:
            await self._list(side, name)
        for side in Side:
            await self._follow(side)
        async with self._site.looking() as db:
            await self._own(db)
        pairing = pair(
            self._rules.name,
            list(self._known[Side.ITSM].values()),
            list(self._known[Side.VENDOR].values()),
            self._pairs,
        )
        return Findings(
            pairing=pairing,
            read=self._read,
            known={side: len(known) for side, known in self._known.items()},
            notes=tuple(self._notes),
            failed=tuple(f"{name}: {why}" for name, why in self._failed.items()),
        )

    # --- what the store knows --------------------------------------------------------------------

    async def _load(self, db: Database, places: Sequence[tuple[Side, ConnectionName]]) -> None:
        rules = self._rules
        self._pairs = await db.read(adopting.pairs, rules.name, rules.connections(Side.VENDOR))
        for one in self._pairs:
            if not one.is_removed:
                mine = one.itsm if one.mapping == rules.name else None
                self._linked |= {each for each in (mine, one.vendor) if each is not None}
        for side, name in places:
            after: TicketRow | None = None
            while True:
                found = await db.read(
                    adopting.known, name, rules.kind(side), after=after, limit=LOADED_AT_ONCE
                )
                for each in found:
                    if each.snapshot is not None:
                        self._take(side, name, each.snapshot)
                if len(found) < LOADED_AT_ONCE:
                    break
                after = found[-1].row

    def _take(self, side: Side, name: ConnectionName, ticket: Ticket) -> None:
        """Keep of a ticket what pairing needs."""
        who = Who(name, ticket.id)
        names = tuple(
            word
            for reference in self._rules.references
            if reference.side is side
            for word in _named(ticket.get(reference.field))
        )
        known = Known(
            who=who,
            number=ticket.number,
            title=str(ticket.fields.get("title") or ""),
            names=tuple(dict.fromkeys(names)),
            mentions=_mentions(ticket) if side is Side.VENDOR else frozenset(),
            created_at=ticket.created_at,
        )
        if who not in self._linked:
            known = self._judged(known, side, ticket)
        if side is Side.VENDOR and ticket.keys:
            self._keys[who] = ticket.keys
        self._known[side][who] = known
        self._words.setdefault(name, set()).update((str(ticket.id), ticket.number.casefold()))

    def _judged(self, known: Known, side: Side, ticket: Ticket) -> Known:
        """Add which account a ticket chooses, and whether the mapping would open its partner."""
        rules = self._rules
        if side is Side.VENDOR:
            rules = rules.at(known.who.connection)
        elif rules.choose is not None:
            traits = self._config.traits_of(rules)[Side.ITSM]
            chosen = as_text(evaluate(rules.choose, source_view(rules, ticket, side, traits)))
            known = replace(known, account=chosen if chosen in rules.one_of else "")
        rules = self._config.opening_rules(rules, ticket, side)
        found = plan_birth(rules, ticket, side, self._config.traits_of(rules))
        if isinstance(found, Opening):
            return replace(known, opens=Opens.YES)
        if found.problems:
            return replace(known, opens=Opens.LACKS, lacks="; ".join(found.problems))
        return known

    async def _own(self, db: Database) -> None:
        """Say of tickets that carry a key of ours whose it is."""
        keys = {key for found in self._keys.values() for key in found}
        owners = await db.read(adopting.owners, keys)
        for who, found in self._keys.items():
            mine = tuple(dict.fromkeys(owners[key] for key in found if key in owners))
            if mine:
                known = self._known[Side.VENDOR]
                known[who] = replace(known[who], owners=mine)

    # --- what must be read -----------------------------------------------------------------------

    async def _list(self, side: Side, name: ConnectionName) -> None:
        """Read what a connection's list or feed names, and the numbers that were given."""
        kind = self._rules.kind(side)
        refs = [TicketRef(kind=kind, number=word) for word in self._wish.numbers.get(name, ())]
        if self._config.traits[name].features.reading is Reading.WATCH:
            if not refs:
                self._notes.append(
                    f"{name} has no list: known are the tickets the store has and those named on "
                    f"the other side; --{side}-numbers names more"
                )
        else:
            refs = [*refs, *await self._polled(name, kind)]
        await self._read_all(side, name, refs)

    async def _polled(self, name: ConnectionName, kind: str) -> list[TicketRef]:
        refs: dict[tuple[TicketId | None, str], TicketRef] = {}
        async with self._adapter(name) as adapter:
            if adapter is None:
                return []
            cursor: str | None = None
            try:
                for _ in range(POLLS_MAX):
                    result = await adapter.poll(kind, cursor)
                    cursor = result.cursor
                    for each in result.sightings:
                        refs[each.ref.id, each.ref.number] = each.ref
                    self._wish.tell(name, 0, len(refs))
                    if not result.gap:
                        return list(refs.values())
            except RemoteError as error:
                self._failed[name] = str(error)
                return list(refs.values())
        self._failed[name] = f"its list did not end in {POLLS_MAX} polls"
        return list(refs.values())

    async def _follow(self, side: Side) -> None:
        """Read the tickets that the other side's references name and nobody knows yet."""
        asked: dict[ConnectionName, dict[str, TicketRef]] = {}
        by_id = any(one.side is side.other and one.value == "id" for one in self._rules.references)
        for who, each in self._known[side.other].items():
            if who in self._linked:
                continue
            names = self._rules.connections(side)
            for word in each.names:
                if any(self._is_known(name, word) for name in names):
                    continue
                for name in names:
                    if side is Side.VENDOR and each.account not in ("", name):
                        continue
                    ref = TicketRef(kind=self._rules.kind(side), number=word)
                    if by_id:
                        ref = TicketRef(kind=self._rules.kind(side), id=TicketId(word))
                    asked.setdefault(name, {})[word] = ref
        for name, refs in asked.items():
            await self._read_all(side, name, list(refs.values()), may_be_none=True)

    def _is_known(self, name: ConnectionName, word: str) -> bool:
        known = self._words.get(name, set())
        return word in known or word.casefold() in known

    async def _read_all(
        self,
        side: Side,
        name: ConnectionName,
        refs: Iterable[TicketRef],
        *,
        may_be_none: bool = False,
    ) -> None:
        """Read those of these tickets that are not known; keep them, group by group."""
        wanted = [
            each
            for each in refs
            if not (each.id and self._is_known(name, str(each.id)))
            and not (each.number and self._is_known(name, each.number))
        ]
        for start in range(0, len(wanted), GROUP):
            if name in self._failed:
                return
            found = await self._read_group(name, wanted[start : start + GROUP], may_be_none)
            for ticket in found:
                self._take(side, name, ticket)
            self._read[name] = self._read.get(name, 0) + len(found)
            if self._wish.keep:
                await self._keep(name, self._rules.kind(side), found)
            self._wish.tell(name, min(start + GROUP, len(wanted)), len(wanted))

    async def _read_group(
        self, name: ConnectionName, refs: Sequence[TicketRef], may_be_none: bool
    ) -> list[Ticket]:
        concurrency = self._config.traits[name].features.limits.concurrency
        turns = asyncio.Semaphore(max(1, round(concurrency * self._wish.share)))
        async with self._adapter(name) as adapter:
            if adapter is None:
                return []

            async def read(ref: TicketRef) -> Ticket | None:
                async with turns:
                    if name in self._failed:
                        return None
                    try:
                        return await adapter.read(ref)
                    except (NotFound, Refused, OddAnswer) as error:
                        if not may_be_none:
                            self._notes.append(f"{name}: {ref.number or ref.id}: {error}")
                    except RemoteError as error:
                        self._failed[name] = str(error)
                    return None

            found = await _all(read(ref) for ref in refs)
        return [ticket for ticket in found if ticket is not None]

    async def _keep(self, name: ConnectionName, kind: str, found: Sequence[Ticket]) -> None:
        texts: list[str] = []
        for text in (encode_ticket(ticket)[0] for ticket in found):
            if len(text.encode()) > TEXT_BYTES_MAX:
                continue
            if texts and sum(map(len, texts)) + len(text) > TEXT_BYTES_MAX:
                await self._learn(name, kind, texts)
                texts = []
            texts.append(text)
        if texts:
            await self._learn(name, kind, texts)

    async def _learn(self, name: ConnectionName, kind: str, texts: list[str]) -> None:
        arguments = {"connection": name, "kind": kind, "tickets": texts}
        await self._site.carry_out("adopt.learn", arguments)

    @asynccontextmanager
    async def _adapter(self, name: ConnectionName) -> AsyncIterator[Adapter | None]:
        """Build a connection's adapter; None, with a note, where only the daemon may use it."""
        if any(note.startswith(f"{name}: as the store") for note in self._notes):
            yield None
            return
        async with AsyncExitStack() as stack:
            adapter: Adapter | None = None
            try:
                opening = self._site.adapter(name, share=self._wish.share)
                adapter = await stack.enter_async_context(opening)
            except CommandRefused as error:
                self._notes.append(f"{name}: as the store knows it ({error})")
            yield adapter


async def _all(work: Iterable[Awaitable[Ticket | None]]) -> list[Ticket | None]:
    return list(await asyncio.gather(*work))


def _named(value: object) -> Iterable[str]:
    """List what a reference field may name: words with a digit, our own keys left out."""
    if not isinstance(value, str):
        return
    for word in _APART.split(value.strip()):
        if any(char.isdigit() for char in word) and marker.bare(word) is None:
            yield word


def _mentions(ticket: Ticket) -> frozenset[str]:
    texts = [str(ticket.fields.get(name) or "") for name in ("title", "description")]
    return frozenset(word.casefold() for text in texts for word in _WORD.findall(text))
