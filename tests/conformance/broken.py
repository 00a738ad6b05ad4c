"""Adapters that break one promise each, around a good one; the kit must fail them."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from syncd.model.ids import AttachmentId, TicketId
from syncd.model.operation import Finding, ProbeResult, Receipt, Write, WriteKind
from syncd.model.ticket import FieldInfo, Ticket, Value
from syncd.ports.adapter import CheckFinding, Expectation, FileSource, PollResult, TicketRef
from syncd.ports.errors import (
    CredentialsRejected,
    NotFound,
    OddAnswer,
    OutcomeUnknown,
    RateLimited,
    Refused,
    RemoteError,
    TokenRejected,
    Unreachable,
    Unsupported,
)
from tests.conformance.world import Bytes, World

Way = Callable[..., Any]


class Broken:
    """Passes everything on but what `ways` replaces; `memo` is a way's own memory."""

    def __init__(self, inner: Any, ways: Mapping[str, Way], worlds: list[World]) -> None:
        self.inner = inner
        self.ways = ways
        self.worlds = worlds
        self.memo: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        way = self.ways.get(name)
        if name == "features" and way is not None:
            return way(self)
        return getattr(self.inner, name) if way is None else functools.partial(way, self)

    @property
    def world(self) -> World:
        return self.worlds[0]


def of(write: Write) -> TicketId:
    return write.ticket_id or TicketId("made up")


def ascii_of(value: Value) -> Value:
    return value.encode("ascii", "ignore").decode() if isinstance(value, str) else value


# --- read ----------------------------------------------------------------------------------------


async def read_restless(me: Broken, ref: TicketRef) -> Ticket:
    """Show something else each time."""
    ticket: Ticket = await me.inner.read(ref)
    me.memo["n"] = me.memo.get("n", 0) + 1
    return replace(ticket, fields={**ticket.fields, "title": f"read {me.memo['n']}"})


async def read_reversed(me: Broken, ref: TicketRef) -> Ticket:
    """Put the newest comment first."""
    ticket: Ticket = await me.inner.read(ref)
    return replace(ticket, comments=ticket.comments[::-1])


async def read_or_crash(me: Broken, ref: TicketRef) -> Ticket:
    """Believe that a title is always there."""
    ticket: Ticket = await me.inner.read(ref)
    if not ticket.fields.get("title"):
        raise KeyError("title")
    return ticket


async def read_strictly(me: Broken, ref: TicketRef) -> Ticket:
    """Refuse a ticket for one letter."""
    ticket: Ticket = await me.inner.read(ref)
    if any("\ufffd" in str(value) for value in ticket.fields.values()):
        raise OddAnswer("a letter that cannot be kept")
    return ticket


async def read_ascii(me: Broken, ref: TicketRef) -> Ticket:
    """Lose letters of people's comments."""
    ticket: Ticket = await me.inner.read(ref)
    comments = tuple(replace(one, body=str(ascii_of(one.body))) for one in ticket.comments)
    return replace(ticket, comments=comments)


async def read_whatever(me: Broken, ref: TicketRef) -> Ticket:
    """Take anything for the ticket asked for: remember, or make up."""
    try:
        me.memo["last"] = await me.inner.read(ref)
    except RemoteError:
        made_up = Ticket(id=ref.id or TicketId(""), number=ref.number, kind=ref.kind, fields={})
        return me.memo.get("last", made_up)  # type: ignore[no-any-return]
    return me.memo["last"]  # type: ignore[no-any-return]


async def read_crashes(me: Broken, ref: TicketRef) -> Ticket:
    """Stumble over an odd answer."""
    try:
        return await me.inner.read(ref)  # type: ignore[no-any-return]
    except OddAnswer as err:
        raise KeyError("status") from err


async def read_misnames(me: Broken, ref: TicketRef) -> Ticket:
    """Give every error the wrong name."""
    try:
        return await me.inner.read(ref)  # type: ignore[no-any-return]
    except RemoteError as err:
        raise Refused(str(err)) from err


async def read_forgets_when(me: Broken, ref: TicketRef) -> Ticket:
    """Forget how long the vendor asked us to wait."""
    try:
        return await me.inner.read(ref)  # type: ignore[no-any-return]
    except RateLimited as err:
        raise RateLimited(str(err), err.context) from err


async def read_logs_in_anew(me: Broken, ref: TicketRef) -> Ticket:
    """Log in for every read."""
    me.world.sandbox.tokens.expire_all()
    return await me.inner.read(ref)  # type: ignore[no-any-return]


async def read_hammers(me: Broken, ref: TicketRef) -> Ticket:
    """Repeat what was refused by the login."""
    for _ in range(3):
        with contextlib.suppress(CredentialsRejected):
            return await me.inner.read(ref)  # type: ignore[no-any-return]
    return await me.inner.read(ref)  # type: ignore[no-any-return]


async def read_swallows_cancellation(me: Broken, ref: TicketRef) -> Ticket | None:
    try:
        return await me.inner.read(ref)  # type: ignore[no-any-return]
    except asyncio.CancelledError:
        return None


async def read_one_for_all(me: Broken, ref: TicketRef) -> Ticket:
    """Share one answer among tasks."""
    me.memo.setdefault("task", asyncio.ensure_future(me.inner.read(ref)))
    return await me.memo["task"]  # type: ignore[no-any-return]


async def read_tells_secrets(me: Broken, ref: TicketRef) -> Ticket:
    try:
        return await me.inner.read(ref)  # type: ignore[no-any-return]
    except RemoteError as err:
        raise Unreachable(f"with {max(me.world.secrets)}: {err}") from err


async def read_takes_any_kind(me: Broken, ref: TicketRef) -> Ticket:
    return await me.inner.read(replace(ref, kind=me.world.fixture.kind))  # type: ignore[no-any-return]


async def read_tells_more(me: Broken, ref: TicketRef) -> Ticket:
    """Give a field `fields()` does not know."""
    ticket: Ticket = await me.inner.read(ref)
    return replace(ticket, fields={**ticket.fields, "colour": "red"})


async def read_leaves_paths(me: Broken, ref: TicketRef) -> Ticket:
    ticket: Ticket = await me.inner.read(ref)
    files = tuple(replace(one, name=f"../{one.name}") for one in ticket.attachments)
    return replace(ticket, attachments=files)


# --- poll ----------------------------------------------------------------------------------------


async def poll_says_no(me: Broken, _kind: str, _cursor: str | None) -> PollResult:
    raise Unsupported("read ticket by ticket")


async def poll_without_comments(me: Broken, kind: str, cursor: str | None) -> PollResult:
    """Miss what only has a comment."""
    result: PollResult = await me.inner.poll(kind, cursor)
    kept = tuple(one for one in result.sightings if "COMMENT" not in one.seen.upper())
    return replace(result, sightings=kept)


async def poll_again_and_again(me: Broken, kind: str, cursor: str | None) -> PollResult:
    """Tell old news."""
    result: PollResult = await me.inner.poll(kind, cursor)
    me.memo["all"] = (*me.memo.get("all", ()), *result.sightings)
    return replace(result, sightings=me.memo["all"])


async def poll_by_time(me: Broken, kind: str, cursor: str | None) -> PollResult:
    """Take the same instant for nothing new."""
    result: PollResult = await me.inner.poll(kind, cursor)
    now = me.world.clock.now()
    is_known = me.memo.get("at") == now
    me.memo["at"] = now
    return replace(result, sightings=()) if is_known else result


async def poll_loses_one(me: Broken, kind: str, cursor: str | None) -> PollResult:
    """Lose what slipped between two pages."""
    result: PollResult = await me.inner.poll(kind, cursor)
    lost = len(result.sightings) // 2
    return replace(result, sightings=result.sightings[:lost] + result.sightings[lost + 1 :])


async def poll_counts_itself(me: Broken, kind: str, cursor: str | None) -> PollResult:
    """Take what is new for all there is."""
    result: PollResult = await me.inner.poll(kind, cursor)
    return replace(result, listed=len(result.sightings))


async def poll_hides_its_gap(me: Broken, kind: str, cursor: str | None) -> PollResult:
    result: PollResult = await me.inner.poll(kind, cursor)
    return replace(result, gap=False)


async def poll_remembers_itself(me: Broken, kind: str, cursor: str | None) -> PollResult:
    """Keep the place in memory instead of in the cursor."""
    result: PollResult = await me.inner.poll(kind, me.memo.get("place"))
    me.memo["place"] = result.cursor
    return replace(result, cursor='"in my head"')


async def poll_swallows(me: Broken, kind: str, cursor: str | None) -> PollResult:
    """Take an outage for silence."""
    try:
        return await me.inner.poll(kind, cursor)  # type: ignore[no-any-return]
    except RemoteError:
        return PollResult(sightings=(), cursor=cursor or "{}")


# --- write ---------------------------------------------------------------------------------------


def drops(name: str) -> Way:
    async def write(me: Broken, write: Write, file: FileSource | None = None) -> Receipt:
        fields = {one: told for one, told in write.fields.items() if one != name}
        return await me.inner.write(replace(write, fields=fields), file)  # type: ignore[no-any-return]

    return write


async def write_nothing(me: Broken, write: Write, file: FileSource | None = None) -> Receipt:
    """Claim to have written."""
    if write.kind is WriteKind.CREATE:
        return await me.inner.write(write, file)  # type: ignore[no-any-return]
    return Receipt(ticket_id=of(write))


async def write_twice(me: Broken, write: Write, file: FileSource | None = None) -> Receipt:
    await me.inner.write(write, file)
    return await me.inner.write(write, file)  # type: ignore[no-any-return]


async def write_retries(me: Broken, write: Write, file: FileSource | None = None) -> Receipt:
    """Send again what nobody knows the outcome of."""
    try:
        return await me.inner.write(write, file)  # type: ignore[no-any-return]
    except (OutcomeUnknown, TokenRejected, asyncio.CancelledError):
        await me.inner.write(write, file)
        raise


async def write_renews_its_token(
    me: Broken, write: Write, file: FileSource | None = None
) -> Receipt:
    try:
        return await me.inner.write(write, file)  # type: ignore[no-any-return]
    except TokenRejected:
        return await me.inner.write(write, file)  # type: ignore[no-any-return]


async def write_never_fails(me: Broken, write: Write, file: FileSource | None = None) -> Receipt:
    try:
        return await me.inner.write(write, file)  # type: ignore[no-any-return]
    except RemoteError:
        return Receipt(ticket_id=of(write))


async def write_elsewhere(me: Broken, write: Write, file: FileSource | None = None) -> Receipt:
    """Take another ticket's answer for the receipt."""
    receipt: Receipt = await me.inner.write(write, file)
    return receipt if write.kind is WriteKind.CREATE else replace(receipt, ticket_id=TicketId("B"))


async def write_knows_nothing(me: Broken, write: Write, file: FileSource | None = None) -> Receipt:
    """Call a sure refusal unknown."""
    try:
        return await me.inner.write(write, file)  # type: ignore[no-any-return]
    except Refused as err:
        raise OutcomeUnknown(str(err), closed_at=me.world.clock.now()) from err


async def write_knows_it_all(me: Broken, write: Write, file: FileSource | None = None) -> Receipt:
    """Call an unknown outcome refused."""
    try:
        return await me.inner.write(write, file)  # type: ignore[no-any-return]
    except OutcomeUnknown as err:
        raise Refused(str(err), err.context) from err


async def write_forgets_when(me: Broken, write: Write, file: FileSource | None = None) -> Receipt:
    try:
        return await me.inner.write(write, file)  # type: ignore[no-any-return]
    except RateLimited as err:
        raise RateLimited(str(err), err.context, retry_after_s=1.0) from err


async def write_ascii(me: Broken, write: Write, file: FileSource | None = None) -> Receipt:
    """Lose letters, and the ends of long texts."""
    fields = {name: ascii_of(value) for name, value in write.fields.items()}
    comment, attachment = write.comment, write.attachment
    if comment is not None:
        comment = replace(comment, body=str(ascii_of(comment.body)) or "?")
    if attachment is not None:
        attachment = replace(attachment, name=str(ascii_of(attachment.name)))
    changed = replace(write, fields=fields, comment=comment, attachment=attachment)
    return await me.inner.write(changed, file)  # type: ignore[no-any-return]


async def write_short(me: Broken, write: Write, file: FileSource | None = None) -> Receipt:
    """Cut what is long, silently, and send whatever is left."""
    fields = {
        name: value[:200] if isinstance(value, str) else value
        for name, value in write.fields.items()
    }
    comment, attachment = write.comment, write.attachment
    if comment is not None:
        comment = replace(comment, body=comment.body[:200])
    if attachment is not None and attachment.name == "a.bin":
        attachment, file = replace(attachment, size_bytes=1), Bytes(b"x")
    changed = replace(write, fields=fields, comment=comment, attachment=attachment)
    return await me.inner.write(changed, file)  # type: ignore[no-any-return]


async def write_crashes(me: Broken, write: Write, file: FileSource | None = None) -> Receipt:
    """Stumble over what it refuses."""
    try:
        return await me.inner.write(write, file)  # type: ignore[no-any-return]
    except Refused as err:
        raise TypeError(str(err)) from err


async def write_holds_files(me: Broken, write: Write, file: FileSource | None = None) -> Receipt:
    """Read a file into memory before it is sent."""
    whole = b"".join([chunk async for chunk in file.open()]) if file is not None else b""
    return await me.inner.write(write, Bytes(whole) if file else None)  # type: ignore[no-any-return]


async def write_renames(me: Broken, write: Write, file: FileSource | None = None) -> Receipt:
    if write.attachment is not None:
        write = replace(write, attachment=replace(write.attachment, name="ok.txt"))
    return await me.inner.write(write, file)  # type: ignore[no-any-return]


async def write_any_field(me: Broken, write: Write, file: FileSource | None = None) -> Receipt:
    """Leave out what it does not know, silently; take a listed value for any other."""
    infos = {one.name: one for one in me.inner.fields(write.ticket_kind)}
    fields = {
        name: value
        for name, value in write.fields.items()
        if name in infos and str(write.kind) in infos[name].writable
    }
    for name, value in fields.items():
        if infos[name].values and value not in infos[name].values:
            fields[name] = infos[name].values[1]
    return await me.inner.write(replace(write, fields=fields), file)  # type: ignore[no-any-return]


# --- probe ---------------------------------------------------------------------------------------


async def probe_sees_nothing(_me: Broken, _write: Write, _sent_at: datetime) -> ProbeResult:
    return ProbeResult(finding=Finding.ABSENT, looked_at="nothing")


async def probe_sees_all(_me: Broken, write: Write, _sent_at: datetime) -> ProbeResult:
    return ProbeResult(
        finding=Finding.FOUND, receipt=Receipt(ticket_id=of(write)), looked_at="everything"
    )


async def probe_sees_the_first(me: Broken, write: Write, sent_at: datetime) -> ProbeResult:
    result: ProbeResult = await me.inner.probe(write, sent_at)
    return replace(result, others=())


async def probe_blinks(me: Broken, write: Write, sent_at: datetime) -> ProbeResult:
    """Take not having looked for having seen nothing."""
    try:
        return await me.inner.probe(write, sent_at)  # type: ignore[no-any-return]
    except RemoteError:
        return ProbeResult(finding=Finding.ABSENT, looked_at="nothing came back")


# --- download ------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def download_short(
    me: Broken, ref: TicketRef, attachment_id: AttachmentId
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Lose the last byte."""
    async with me.inner.download(ref, attachment_id) as chunks:
        whole = b"".join([chunk async for chunk in chunks])
        yield Bytes(whole[:-1]).open()


@contextlib.asynccontextmanager
async def download_whole(
    me: Broken, ref: TicketRef, attachment_id: AttachmentId
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Hold all of it."""

    async def once(whole: bytes) -> AsyncIterator[bytes]:
        yield whole

    async with me.inner.download(ref, attachment_id) as chunks:
        yield once(b"".join([chunk async for chunk in chunks]))


@contextlib.asynccontextmanager
async def download_nothing(
    me: Broken, ref: TicketRef, attachment_id: AttachmentId
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Take a missing file for an empty one."""
    try:
        async with me.inner.download(ref, attachment_id) as chunks:
            yield chunks
    except NotFound:
        yield Bytes(b"").open()


# --- the rest ------------------------------------------------------------------------------------


def features_brag(me: Broken) -> Any:
    """Declare looks that are none."""
    features = me.inner.features
    create = replace(features.writes[WriteKind.CREATE], looks=0)
    return replace(features, writes={**features.writes, WriteKind.CREATE: create})


def fields_twice(me: Broken, kind: str) -> list[FieldInfo]:
    return [*me.inner.fields(kind), *me.inner.fields(kind)]


def fields_brag(me: Broken, kind: str) -> list[FieldInfo]:
    info = FieldInfo(name="colour", writable=frozenset({"create"}), source="nowhere")
    return [*me.inner.fields(kind), info]


async def check_writes(me: Broken, expectation: Expectation) -> object:
    ref = me.world.person_opens()
    await me.inner.write(me.world.write_of(WriteKind.COMMENT, ref))
    return await me.inner.check(expectation)


async def check_says_yes(me: Broken, _expectation: Expectation) -> object:
    return [CheckFinding(ok=True, what="all is well")]


async def call_anything(_me: Broken, _name: str, _arguments: Mapping[str, str]) -> object:
    return {}
