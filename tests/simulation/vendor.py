"""A ticket system in memory with people in it: feeds, lagging reads, lost answers, late effects.

Unlike the providers of `tests.support` it is lived in: people open tickets, talk, attach files and
change fields at any moment, and what a read shows is what a system of that sort would show.
"""

import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache

from syncd.core import marker
from syncd.core.state import SideTraits
from syncd.model.features import Absence, Features, Limits, Reading, WriteFeature
from syncd.model.ids import AttachmentId, CommentId, OperationKey, TicketId
from syncd.model.operation import Finding, ProbeResult, Receipt, Write, WriteKind
from syncd.model.ticket import (
    Attachment,
    Comment,
    CommentKind,
    FieldInfo,
    Ticket,
    Value,
    Visibility,
)
from syncd.ports.adapter import (
    CheckFinding,
    Expectation,
    FileSource,
    PollResult,
    Sighting,
    TicketRef,
)
from syncd.ports.errors import (
    CredentialsRejected,
    NotFound,
    OddAnswer,
    OutcomeUnknown,
    RateLimited,
    Refused,
    TokenRejected,
    Unreachable,
    Unsupported,
)
from tests.simulation.traits import WITHOUT_EFFECT, Effect, Fate, OwnClock, Profile
from tests.support.clock import FakeClock

KIND = "ticket"
SKEW = timedelta(seconds=60)
"""So far may the daemon's clock be off: what it says of time is believed no better."""
US = "syncd"
"""The author of what is written through the interface."""
PHASES = {"open": ("New", "In Progress"), "resolved": ("Resolved", "Solved"), "closed": ("Closed",)}
FIELDS = ("title", "description", "priority", "status", "assigned_group", "vendor_ref")


@dataclass(slots=True, kw_only=True)
class _Said:
    id: CommentId
    text: str
    author: str
    at: datetime
    visibility: Visibility
    kind: CommentKind


@dataclass(slots=True, kw_only=True)
class _Case:
    id: TicketId
    fields: dict[str, Value]
    created_at: datetime
    updated_at: datetime
    keys: tuple[OperationKey, ...] = ()
    said: list[_Said] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    alike: Counter[str] = field(default_factory=Counter)
    files: dict[AttachmentId, tuple[str, bytes, datetime, str]] = field(default_factory=dict)
    history: list[tuple[datetime, Ticket]] = field(default_factory=list)
    set_by_people: set[tuple[str, Value]] = field(default_factory=set)
    last_by_people: dict[str, Value] = field(default_factory=dict)
    removed: bool = False


_Told = tuple[TicketId, str]
"""An activity of a feed: the ticket, and what happened."""


async def _no_step(_name: str) -> None:
    return


@cache
def features_of(profile: Profile) -> Features:
    """What a system of a sort can do."""

    def how(kind: WriteKind) -> WriteFeature:
        finds = profile.finds_creates or kind is not WriteKind.CREATE
        return WriteFeature(
            can_probe=finds,
            settle_s=profile.write_settle_s,
            looks=2,
            absence=Absence.RESEND if finds else Absence.PARK,
            returns_id=profile.comment_ids,
            marker=kind in (WriteKind.CREATE, WriteKind.COMMENT),
        )

    kinds = [each for each in WriteKind if each is not WriteKind.ATTACHMENT]
    return Features(
        reading=profile.reading,
        kinds=frozenset({KIND}),
        writes={kind: how(kind) for kind in (WriteKind if profile.takes_files else kinds)},
        comment_kinds=frozenset(CommentKind),
        attachments=profile.takes_files,
        settle_s=profile.settle_s,
        limits=Limits(concurrency=4),
    )


class Vendor:
    """Implements `syncd.ports.adapter.Adapter`.

    Attributes:
        fate: says what happens to a call (`poll`, `read`, `write`, `probe`, `download`).
        step: awaited wherever the world may move on.
        effects: what our writes did, in order.
        sends: writes that arrived, effect or not.
        reads: tickets read.
        seen_by_people: called after each change, for webhooks.
        search_lag_s: so much later a probe sees what happened.
        mix: puts a feed's page together: what is new, and what was told before.
    """

    def __init__(self, clock: FakeClock, name: str, profile: Profile | None = None) -> None:
        self.clock = OwnClock(clock)
        self.name = name
        self.profile = profile or Profile()
        self.fate: Callable[[str], Fate] = lambda _call: Fate.OK
        self.lag_s: Callable[[], float] = lambda: self.profile.settle_s / 2
        self.search_lag_s: Callable[[], float] = lambda: 0.0
        self.mix: Callable[[list[_Told], list[_Told]], list[_Told]] = lambda told, _before: told
        self.step: Callable[[str], Awaitable[None]] = _no_step
        self.effects: list[Effect] = []
        self.sends: list[Write] = []
        self.reads: list[TicketRef] = []
        self.answers: list[Ticket | BaseException] = []
        self.notes: list[str] = []
        self.listed: int | None = None
        self.changed: Callable[[TicketId], None] = lambda _id: None
        self._cases: dict[TicketId, _Case] = {}
        self._activities: list[_Told] = []
        self._done_at: dict[OperationKey, datetime] = {}
        self._late: list[tuple[datetime, Write, bytes]] = []
        self._serial = 0

    # --- people ------------------------------------------------------------------------------

    def open(self, **fields: Value) -> TicketId:
        """A person opens a ticket."""
        ticket_id = self._new({"status": "New", **fields}, ())
        self._cases[ticket_id].set_by_people |= set(fields.items())
        self._cases[ticket_id].last_by_people |= fields
        self._touch(ticket_id, "opened")
        return ticket_id

    def set(self, ticket_id: TicketId, **fields: Value) -> None:
        """A person changes fields."""
        self._cases[ticket_id].fields |= fields
        self._cases[ticket_id].set_by_people |= set(fields.items())
        self._cases[ticket_id].last_by_people |= fields
        self._touch(ticket_id, "changed")

    def say(
        self,
        ticket_id: TicketId,
        text: str,
        *,
        author: str = "Ann",
        visibility: Visibility = Visibility.PUBLIC,
        kind: CommentKind = CommentKind.COMMENT,
    ) -> CommentId:
        """A person comments; what they quote may carry markers."""
        said = self._say(ticket_id, text, author, visibility, kind)
        self._touch(ticket_id, "commented")
        return said.id

    def attach(self, ticket_id: TicketId, name: str, body: bytes, author: str = "Ann") -> None:
        """A person attaches a file."""
        key = AttachmentId(self._next("a"))
        self._cases[ticket_id].files[key] = (name, body, self.clock.now(), author)
        self._touch(ticket_id, "attached")

    def mark(self, ticket_id: TicketId, *keys: OperationKey) -> None:
        """A reference field is filled in or emptied, and nothing tells of it."""
        case = self._cases[ticket_id]
        case.keys = keys
        case.history[-1] = (case.history[-1][0], self._rendered(case))

    def remove(self, ticket_id: TicketId) -> None:
        """Somebody deletes a ticket."""
        self._cases[ticket_id].removed = True

    def restore(self, ticket_id: TicketId) -> None:
        """Somebody brings a deleted ticket back."""
        self._cases[ticket_id].removed = False
        self._touch(ticket_id, "restored")

    def is_just_made(self, ticket_id: TicketId) -> bool:
        """Whether we made a ticket so lately that its creation may still be in doubt."""
        is_ours = any(
            one.kind is WriteKind.CREATE and one.ticket_id == ticket_id for one in self.effects
        )
        made_at = self._cases[ticket_id].history[0][0]
        return is_ours and self.clock.true() - made_at < 5 * timedelta(
            seconds=self.profile.write_settle_s
        )

    def removed(self) -> list[TicketId]:
        """What was deleted and may be brought back."""
        return [case.id for case in self._cases.values() if case.removed]

    def ticket(self, ticket_id: TicketId) -> Ticket:
        """What stands there now."""
        self.do_late()
        return self._ticket(self._cases[ticket_id])

    def tickets(self) -> list[Ticket]:
        """Everything there is, oldest first."""
        self.do_late()
        return [self._ticket(case) for case in self._cases.values() if not case.removed]

    def said(self, ticket_id: TicketId) -> list[tuple[str, str]]:
        """Author and text of all comments, markers taken out."""
        return [(one.author, marker.split(one.text)[0]) for one in self._cases[ticket_id].said]

    def raw_said(self, ticket_id: TicketId) -> list[tuple[str, str]]:
        """Author and text of all comments as a person reads them, markers and all."""
        return [(one.author, one.text) for one in self._cases[ticket_id].said]

    def files(self, ticket_id: TicketId) -> list[tuple[str, str, bytes]]:
        """Author, name and bytes of all files."""
        return [(by, name, body) for name, body, _, by in self._cases[ticket_id].files.values()]

    def bodies(self, ticket_id: TicketId) -> dict[str, bytes]:
        """What the files hold, by id."""
        return {str(key): body for key, (_, body, _, _) in self._cases[ticket_id].files.items()}

    def values(self, ticket_id: TicketId, name: str) -> list[Value]:
        """Everything a field ever showed, oldest first."""
        shown = [ticket.fields.get(name) for _, ticket in self._cases[ticket_id].history]
        return [each for at, each in enumerate(shown) if at == 0 or each != shown[at - 1]]

    def set_by_people(self, ticket_id: TicketId, name: str) -> list[Value]:
        """Everything people ever put into a field."""
        return [value for other, value in self._cases[ticket_id].set_by_people if other == name]

    def last_by_people(self, ticket_id: TicketId, name: str) -> Value:
        """What people put into a field last; None: they never did."""
        return self._cases[ticket_id].last_by_people.get(name)

    def number(self, ticket_id: TicketId) -> str:
        """What people call a ticket."""
        return f"N-{ticket_id}"

    def counts(self) -> Counter[OperationKey]:
        """How many effects each key had."""
        self.do_late()
        return Counter(effect.key for effect in self.effects)

    def effect_of(self, key: OperationKey) -> Effect | None:
        """What an honest look at the system shows of a key."""
        self.do_late()
        return next((effect for effect in self.effects if effect.key == key), None)

    def is_late(self) -> bool:
        """Whether effects are still to come."""
        self.do_late()
        return bool(self._late)

    def do_late(self) -> None:
        """Let what is late and due happen."""
        due = [item for item in self._late if item[0] <= self.clock.true()]
        self._late = [item for item in self._late if item not in due]
        for at, write, body in due:
            with suppress(NotFound):  # It happened then, however much later anybody looks.
                self._done_at.setdefault(write.key, at)
                self._do(write, body)

    # --- Adapter -----------------------------------------------------------------------------

    @property
    def features(self) -> Features:
        return features_of(self.profile)

    def traits(self) -> SideTraits:
        """What the core knows of it."""
        how = frozenset({"create", "update"})
        return SideTraits(
            features=self.features,
            normalise=self.normalise,
            fields={name: FieldInfo(name=name, writable=how, max_chars=400) for name in FIELDS},
            phases=PHASES,
        )

    def normalise(self, name: str, value: Value) -> Value:
        return value.strip() if isinstance(value, str) else value

    def fields(self, kind: str) -> Sequence[FieldInfo]:
        return tuple(self.traits().fields.values())

    async def poll(self, kind: str, cursor: str | None) -> PollResult:
        if self.profile.reading is not Reading.FEED:
            raise Unsupported("read ticket by ticket")
        await self.step("poll")
        self._fail(self.fate("poll"))
        self.do_late()
        since = json.loads(cursor) if cursor else 0
        start = max(since - self.profile.overlap, 0)
        upto = min(since + self.profile.page, len(self._activities))
        told = self.mix(self._activities[start:upto], self._activities[:start])
        notes, self.notes = tuple(self.notes), []
        await self.step("polled")
        return PollResult(
            sightings=tuple(
                Sighting(ref=TicketRef(kind=KIND, id=found, number=self.number(found)), seen=what)
                for found, what in told
            ),
            cursor=json.dumps(upto),
            gap=upto < len(self._activities),
            requests=1,
            notes=notes,
            listed=self.listed,
        )

    async def read(self, ref: TicketRef) -> Ticket:
        self.reads.append(ref)
        await self.step("read")
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, BaseException):
                raise answer
            return answer
        fate = self.fate("read")
        self._fail(fate)
        self.do_late()
        case = self._find(ref)
        if case is None or case.removed:
            raise NotFound(f"{ref.number or ref.id} is not there")
        ticket = self._earlier(case) if fate is Fate.LAG else self._ticket(case)
        await self.step("was read")
        return ticket

    async def write(self, write: Write, file: FileSource | None = None) -> Receipt:
        self.sends.append(write)
        fate = self.fate("write")
        await self.step("before effect")
        if fate in WITHOUT_EFFECT:
            self._fail(fate)
        body = b"".join([chunk async for chunk in file.open()]) if file is not None else b""
        if fate is Fate.CUT:
            raise OutcomeUnknown("cut off", closed_at=None)
        if fate is Fate.LATE:
            at = self.clock.true() + timedelta(seconds=self.profile.write_settle_s * 0.7)
            self._late.append((at, write, body))
            raise OutcomeUnknown("timed out", closed_at=None)
        receipt = self._do(write, body)
        await self.step("after effect")
        if fate is Fate.LOST:
            raise OutcomeUnknown("no answer", closed_at=None)
        return receipt

    async def probe(self, write: Write, sent_at: datetime) -> ProbeResult:
        await self.step("probe")
        fate = self.fate("probe")
        self._fail(fate)
        if fate is Fate.UNCLEAR:
            return ProbeResult(finding=Finding.UNCLEAR, looked_at="an odd page")
        self.do_late()
        found = self._look(write, sent_at) if self._is_listed(write.key) else []
        await self.step("probed")
        if not found:
            return ProbeResult(finding=Finding.ABSENT, looked_at="nothing there")
        return ProbeResult(finding=Finding.FOUND, receipt=found[0], others=tuple(found[1:]))

    @asynccontextmanager
    async def download(
        self, ref: TicketRef, attachment_id: AttachmentId
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        await self.step("download")
        self._fail(self.fate("download"))
        case = self._find(ref)
        if case is None or case.removed or attachment_id not in case.files:
            raise NotFound("no such attachment")
        yield _whole(case.files[attachment_id][1])

    async def check(self, expectation: Expectation) -> Sequence[CheckFinding]:
        return ()

    async def call(self, name: str, arguments: Mapping[str, str]) -> object:
        raise Unsupported(name)

    def calls(self) -> Mapping[str, str]:
        return {}

    # --- inside ------------------------------------------------------------------------------

    def _next(self, letter: str) -> str:
        self._serial += 1
        return f"{self.name}-{letter}{self._serial}"

    def _new(self, fields: Mapping[str, Value], keys: tuple[OperationKey, ...]) -> TicketId:
        now = self.clock.now()
        ticket_id = TicketId(self._next("t"))
        self._cases[ticket_id] = _Case(
            id=ticket_id, fields=dict(fields), created_at=now, updated_at=now, keys=keys
        )
        return ticket_id

    def _say(
        self,
        ticket_id: TicketId,
        text: str,
        author: str,
        visibility: Visibility,
        kind: CommentKind,
    ) -> _Said:
        said = _Said(
            id=CommentId(self._next("c")),
            text=text,
            author=author,
            at=self.clock.now().replace(microsecond=0),
            visibility=visibility,
            kind=kind,
        )
        self._cases[ticket_id].said.append(said)
        return said

    def _touch(self, ticket_id: TicketId, what: str) -> None:
        case = self._cases[ticket_id]
        case.updated_at = self.clock.now().replace(microsecond=0)
        case.history.append((self.clock.true(), self._rendered(case)))
        self._activities.append((ticket_id, what))
        self.changed(ticket_id)

    def _find(self, ref: TicketRef) -> _Case | None:
        if ref.id is not None:
            return self._cases.get(ref.id)
        return next(
            (case for case in self._cases.values() if self.number(case.id) == ref.number), None
        )

    def _ticket(self, case: _Case) -> Ticket:
        # Whatever changes a case touches it.
        return case.history[-1][1]

    def _rendered(self, case: _Case) -> Ticket:
        return Ticket(
            id=case.id,
            number=self.number(case.id),
            kind=KIND,
            fields=dict(case.fields),
            comments=self._comments(case),
            attachments=tuple(
                Attachment(id=key, name=name, size_bytes=len(body), created_at=at, author=by)
                for key, (name, body, at, by) in case.files.items()
            )
            if self.profile.takes_files
            else (),
            created_at=case.created_at,
            updated_at=case.updated_at if self.profile.tells_updates else None,
            keys=case.keys,
        )

    def _comments(self, case: _Case) -> tuple[Comment, ...]:
        shown = case.comments
        shown.extend(self._comment(case, one) for one in case.said[len(shown) :])
        return tuple(shown)

    def _comment(self, case: _Case, one: _Said) -> Comment:
        body, keys = marker.split(one.text)
        comment_id = one.id
        if not self.profile.comment_ids:
            content = json.dumps([one.author, one.at.isoformat(), body, keys, one.kind])
            digest = hashlib.blake2b(f"{content}#{case.alike[content]}".encode(), digest_size=8)
            case.alike[content] += 1
            comment_id = CommentId(digest.hexdigest())
        return Comment(
            id=comment_id,
            body=body,
            author=one.author,
            created_at=one.at,
            visibility=one.visibility,
            kind=one.kind,
            keys=keys,
        )

    def _earlier(self, case: _Case) -> Ticket:
        until = self.clock.true() - timedelta(seconds=self.lag_s())
        shown = [ticket for at, ticket in case.history if at <= until]
        if not shown:
            raise NotFound("not there yet")
        return shown[-1]

    def _fail(self, fate: Fate) -> None:
        match fate:
            case Fate.UNREACHABLE:
                raise Unreachable("refused")
            case Fate.RATE_LIMITED:
                raise RateLimited("slow down", retry_after_s=5.0)
            case Fate.TOKEN:
                raise TokenRejected("401")
            case Fate.CREDENTIALS:
                raise CredentialsRejected("no such client")
            case Fate.REFUSED:
                raise Refused("not today")
            case Fate.ODD:
                raise OddAnswer("a page of HTML")
            case Fate.MISSING:
                raise NotFound("404")
            case _:
                return

    def _do(self, write: Write, body: bytes) -> Receipt:
        receipt = self._change(write, body)
        self._done_at.setdefault(write.key, self.clock.true())
        made = receipt.comment_id or receipt.attachment_id or ""
        self.effects.append(
            Effect(
                key=write.key,
                kind=write.kind,
                ticket_id=receipt.ticket_id,
                made=str(made),
                fields=dict(write.fields),
                at_s=self.clock.world_s(),
            )
        )
        self._touch(receipt.ticket_id, f"written {write.kind}")
        return self._told(write, receipt)

    def _told(self, write: Write, receipt: Receipt) -> Receipt:
        if write.kind is WriteKind.COMMENT and not self.profile.comment_ids:
            return replace(receipt, comment_id=None)
        return receipt

    def _change(self, write: Write, body: bytes) -> Receipt:
        if write.kind is WriteKind.CREATE:
            made = self._new({"status": "New", **write.fields}, (write.key,))
            return Receipt(ticket_id=made, ticket_number=self.number(made))
        case = self._cases.get(write.ticket_id) if write.ticket_id else None
        if case is None or case.removed:
            raise NotFound("no such ticket")
        receipt = Receipt(ticket_id=case.id, ticket_number=self.number(case.id))
        if write.comment is not None:
            text = marker.append(write.comment.body, write.key)
            said = self._say(case.id, text, US, Visibility.PUBLIC, write.comment.kind)
            return replace(receipt, comment_id=said.id)
        if write.attachment is not None:
            key = AttachmentId(self._next("a"))
            case.files[key] = (write.attachment.name, body, self.clock.now(), US)
            return replace(receipt, attachment_id=key)
        if write.kind is WriteKind.DELETE:
            case.removed = True
            return receipt
        case.fields |= write.fields
        return replace(receipt, fields=dict(write.fields))

    def _is_listed(self, key: OperationKey) -> bool:
        """Whether a search shows already what a write did."""
        done_at, lag = self._done_at.get(key), timedelta(seconds=self.search_lag_s())
        return done_at is None or self.clock.true() - done_at >= lag

    def _look(self, write: Write, sent_at: datetime) -> list[Receipt]:
        if write.kind is WriteKind.CREATE:
            cases = [case for case in self._cases.values() if not case.removed]
            found = [case for case in cases if write.key in case.keys]
            return [Receipt(ticket_id=one.id, ticket_number=self.number(one.id)) for one in found]
        case = self._cases.get(write.ticket_id) if write.ticket_id else None
        if case is None or case.removed:
            raise NotFound("no such ticket")
        receipt = Receipt(ticket_id=case.id, ticket_number=self.number(case.id))
        if write.comment is not None:
            ours = [one for one in case.said if write.key in marker.split(one.text)[1]]
            ids = [one.id if self.profile.comment_ids else None for one in ours[:1]]
            return [replace(receipt, comment_id=comment_id) for comment_id in ids]
        if write.attachment is not None:
            name, size = write.attachment.name, write.attachment.size_bytes
            return [
                replace(receipt, attachment_id=key)
                for key, (other, body, at, _) in case.files.items()
                if other == name and len(body) == size and at >= sent_at - SKEW
            ]
        as_sent = all(case.fields.get(name) == value for name, value in write.fields.items())
        return [receipt] if as_sent and write.kind is not WriteKind.DELETE else []


async def _whole(body: bytes) -> AsyncIterator[bytes]:
    yield body
