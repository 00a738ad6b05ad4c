"""SmartOps, mode `serve`: tickets that callers raise and that live in our own store.

The adapter has nobody to call: it reads and writes served tickets through a port. Its feed is the
list of their changes, which only makes sure; what the gateway stores is due at once without it.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NoReturn

import orjson

from syncd.core import marker
from syncd.model.errors import SyncdError
from syncd.model.features import Features, Limits, Reading, WriteFeature
from syncd.model.ids import AttachmentId, ConnectionName
from syncd.model.operation import Finding, ProbeResult, Receipt, Write, WriteKind
from syncd.model.ticket import Attachment, Comment, CommentKind, FieldInfo, Ticket, Value
from syncd.ports.adapter import (
    CheckFinding,
    Expectation,
    FileSource,
    PollResult,
    Sighting,
    TicketRef,
)
from syncd.ports.clock import Clock
from syncd.ports.errors import (
    NotFound,
    OddAnswer,
    OutcomeUnknown,
    Refused,
    RemoteContext,
    Unreachable,
    Unsupported,
)
from syncd.ports.offer import Offer, OfferedKey
from syncd.ports.served import (
    FileDraft,
    FileRefused,
    NoServedTicket,
    NoteDraft,
    ServedChange,
    ServedNote,
    ServedRules,
    ServedTicket,
    ServedTickets,
    Written,
)
from syncd.providers.smartops import mapping
from syncd.providers.smartops.mapping import (
    NOTE_LISTS,
    NOTE_NAMES,
    TICKET_KIND,
    Access,
    FieldKind,
    Template,
    storable,
)
from syncd.providers.smartops.settings import SmartOpsSettings
from syncd.providers.smartops.wire import Details, format_instant

OVERLAP = timedelta(minutes=5)
"""How far each look goes back: clocks of replicas differ, and transactions end in any order."""
PAGE = 500
"""Changes looked at in one read of the store."""
PAGES_MAX = 20
"""Such reads in one poll; the rest is the gap of the next."""
US = "syncd"
"""Who changes a ticket for the engine, where nobody is named."""

_EXACT = WriteFeature(settle_s=0.0, looks=1)


def declare(settings: SmartOpsSettings) -> Features:
    """Say what a served connection can do.

    No create: a caller learns of a ticket by raising it, and would never ask for one of ours.
    """
    kinds = (WriteKind.UPDATE, WriteKind.STATUS, WriteKind.COMMENT, WriteKind.ATTACHMENT)
    limits = settings.serve.limits if settings.serve else None
    return Features(
        reading=Reading.FEED,
        kinds=frozenset({TICKET_KIND}),
        writes=dict.fromkeys(kinds, _EXACT),
        comment_kinds=frozenset(CommentKind),
        attachments=True,
        limits=Limits(
            requests_per_s=1000.0,
            concurrency=16,
            attachment_bytes=limits.file_bytes if limits else Limits().attachment_bytes,
        ),
        statuses=settings.statuses,
    )


def describe(template: Template) -> Sequence[FieldInfo]:
    """List the fields of a served ticket: whoever raises it writes them first."""
    create = str(WriteKind.CREATE)
    return tuple(
        replace(info, writable=info.writable - {create})
        for info in mapping.describe_fields(template)
    )


def offer(
    settings: SmartOpsSettings, name: ConnectionName, phases: Mapping[str, Sequence[str]]
) -> Offer | None:
    """Say what a connection offers to callers; None: it is one that calls.

    Args:
        settings: its provider keys.
        name: the connection's.
        phases: its status labels by phase.
    """
    serve = settings.serve
    if serve is None:
        return None
    template = settings.template
    bind = serve.bind
    return Offer(
        prefix=serve.prefix or f"/smartops/{name}",
        create_path=settings.paths.create,
        update_path=settings.paths.update,
        details_path=settings.paths.details,
        realms=tuple(realm.value() for realm in serve.realms),
        keys=_keys(settings),
        readable=frozenset(one.key for one in template.fields.values()),
        note_keys=_note_keys(settings),
        rejects_unknown=serve.unknown_keys == "reject",
        duplicate_window_s=serve.duplicate_window,
        bind_key=template.fields[bind.field].key if bind else "",
        bind_wait_s=bind.wait if bind else 0.0,
        mirror_status=serve.mirror_status,
        targets_s=dict(serve.targets),
        limits=serve.limits.value(),
        rules=ServedRules(
            first_status=_first([*phases.get("open", ()), *settings.statuses], "New"),
            resolved=frozenset(phases.get("resolved", ())),
            closed=frozenset(phases.get("closed", ())),
            number_prefix=serve.number_prefix,
        ),
    )


def _first(labels: Sequence[str], otherwise: str) -> str:
    return labels[0] if labels else otherwise


def _keys(settings: SmartOpsSettings) -> dict[str, OfferedKey]:
    """What callers may write: the contract's own names, and the template's that we read.

    Spec: §5 O8 (the appendix names are accepted as keys), O16 (clearable).
    """
    keys = {
        str(mapping.stored_key(name, settings.template)): OfferedKey(
            target=str(mapping.stored_key(name, settings.template))
        )
        for name in sorted(mapping.WRITABLE_STANDARD_NAMES)
    }
    for name, one in settings.fields.items():
        if one.access is not Access.WRITE or name in mapping.STANDARD_NAMES:
            keys[one.key] = OfferedKey(
                target=mapping.stored_key(name, settings.template) or one.key,
                max_chars=one.max,
                is_time=one.kind is FieldKind.TIME,
                is_clearable=one.clearable,
            )
    return keys


def _note_keys(settings: SmartOpsSettings) -> dict[str, CommentKind]:
    """Name what adds a note: the three lists, and the template's keys for them."""
    keys = {str(listed): kind for kind, listed in NOTE_LISTS.items()}
    return keys | {key: kind for kind, key in settings.template.note_keys.items()}


class ServedAdapter:
    """One served connection; holds no state."""

    def __init__(
        self, name: ConnectionName, settings: SmartOpsSettings, served: ServedTickets, clock: Clock
    ) -> None:
        self._name = name
        self._settings = settings
        self._template = settings.template
        self._features = declare(settings)
        self._served = served
        self._clock = clock

    @property
    def features(self) -> Features:
        return self._features

    def normalise(self, name: str, value: Value) -> Value:
        return mapping.normalise(name, value, self._template)

    def fields(self, kind: str) -> Sequence[FieldInfo]:
        self._known_kind(kind)
        return describe(self._template)

    # --- reading ---------------------------------------------------------------------------------

    async def poll(self, kind: str, cursor: str | None) -> PollResult:
        self._known_kind(kind)
        since, after, is_gap = self._place(cursor)
        if since is not None and not is_gap:
            since, after = since - OVERLAP, 0
        sightings: list[Sighting] = []
        requests = 0
        for _ in range(PAGES_MAX):
            requests += 1
            with self._reading():
                seen = await self._served.changed(
                    self._name, since=since, after_row=after, limit=PAGE
                )
            for each in seen:
                ref = TicketRef(kind=TICKET_KIND, id=each.sys_id, number=each.number)
                digest = each.version.to_bytes(16)
                sightings.append(Sighting(ref=ref, digest=digest, seen="changed here"))
            if seen:
                since, after = seen[-1].changed_at, seen[-1].row
            if len(seen) < PAGE:
                break
        is_gap = len(sightings) == PAGES_MAX * PAGE
        place = [since.isoformat() if since else None, after, is_gap]
        return PollResult(
            sightings=tuple(sightings),
            cursor=orjson.dumps(place).decode(),
            gap=is_gap,
            requests=requests,
        )

    def _place(self, cursor: str | None) -> tuple[datetime | None, int, bool]:
        if cursor is None:
            return None, 0, False
        try:
            at, row, is_gap = orjson.loads(cursor)
            return (datetime.fromisoformat(at) if at else None), int(row), bool(is_gap)
        except (orjson.JSONDecodeError, TypeError, ValueError) as err:
            raise OddAnswer(f"a cursor that is none of ours: {cursor[:80]}", self._at("")) from err

    async def read(self, ref: TicketRef) -> Ticket:
        return self._ticket(await self._found(ref))

    async def _found(self, ref: TicketRef) -> ServedTicket:
        self._known_kind(ref.kind)
        with self._reading():
            found = await self._served.find(
                self._name, sys_id=ref.id or "", number="" if ref.id else ref.number
            )
        if found is None or (ref.id is not None and found.sys_id != ref.id):
            raise NotFound(f"no served ticket {ref.id or ref.number}", self._at("read"))
        return found

    def _ticket(self, served: ServedTicket) -> Ticket:
        return Ticket(
            id=served.sys_id,
            number=served.number,
            kind=TICKET_KIND,
            fields=self._fields_of(served),
            comments=tuple(self._comment(note) for note in served.notes),
            attachments=tuple(
                Attachment(
                    id=file.id,
                    name=file.name,
                    size_bytes=file.size_bytes,
                    content_type=file.content_type,
                    created_at=file.at,
                    author=file.author,
                )
                for file in served.files
            ),
            created_at=served.created_at,
            updated_at=served.updated_at,
            keys=tuple(marker.split(served.fields.get("longDescription", ""))[1]),
        )

    def _fields_of(self, served: ServedTicket) -> dict[str, Value]:
        # What nobody wrote is empty, not unknown: here is the only place it could stand.
        own = [one.key for one in self._template.fields.values()]
        texts = dict.fromkeys([*mapping.STORED_KEYS, *own], "") | dict(served.fields)
        texts |= {
            "sysId": served.sys_id,
            "ticketNumber": served.number,
            "createdTime": format_instant(served.created_at),
            "createdBy": served.created_by,
            "resolvedTime": format_instant(served.resolved_at) if served.resolved_at else "",
            "resolvedBy": served.resolved_by,
            "closedBy": served.closed_by,
        }
        # Who changed it last, and when, is a change at every write: left out of what is compared.
        return mapping.field_values(Details(texts=texts), self._template)

    def _comment(self, note: ServedNote) -> Comment:
        return Comment(
            id=note.id,
            body=note.body,
            author=note.author,
            created_at=note.at,
            visibility=self._template.visibilities[NOTE_LISTS[note.kind]],
            kind=note.kind,
            keys=() if note.key is None else (note.key,),
        )

    def download(
        self, ref: TicketRef, attachment_id: AttachmentId
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._downloading(ref, attachment_id)

    @contextlib.asynccontextmanager
    async def _downloading(
        self, ref: TicketRef, attachment_id: AttachmentId
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        served = await self._found(ref)
        file = next((each for each in served.files if each.id == attachment_id), None)
        if file is None:
            raise NotFound(f"no file {attachment_id} on {served.number}", self._at("download"))
        if not await self._served.has_file(file.digest):
            raise Unreachable("its bytes lie in another replica's spool", self._at("download"))
        with self._reading():
            yield self._served.open_file(file.digest).open()

    # --- writing ---------------------------------------------------------------------------------

    async def write(self, write: Write, file: FileSource | None = None) -> Receipt:
        self._known_kind(write.ticket_kind)
        if write.kind not in self._features.writes:
            self._refuse(f"a served ticket is raised by its caller: no {write.kind}")
        if not write.ticket_id:
            raise Refused("a served ticket is written by its sysId", self._at("write"))
        try:
            change = await self._change(write, file)
            done = await self._served.write(self._name, write.ticket_id, change, key=write.key)
        except NoServedTicket as err:
            raise NotFound(str(err), self._at("write")) from err
        except (FileRefused, mapping.CannotCarry) as err:
            raise Refused(str(err), self._at("write")) from err
        except SyncdError as err:
            # The commit failed, which may be known only after it was made.
            raise OutcomeUnknown(
                f"our own store: {err}", self._at("write"), closed_at=self._clock.now()
            ) from err
        return self._receipt(write, done)

    async def _change(self, write: Write, file: FileSource | None) -> ServedChange:
        if write.comment is not None:
            draft = write.comment
            author = storable(draft.author) or US
            note = NoteDraft(kind=draft.kind, author=author, body=storable(draft.body))
            return ServedChange(by=author, notes=(note,))
        if write.attachment is not None:
            return ServedChange(by=US, files=(await self._file(write, file),))
        fields: dict[str, str] = {}
        notes: list[NoteDraft] = []
        for name, value in write.fields.items():
            if name in NOTE_NAMES:
                body = storable(mapping.written_text(name, value))
                if body:
                    notes.append(NoteDraft(kind=CommentKind(name), author=US, body=body))
            else:
                fields[self._writable(name)] = storable(mapping.written_text(name, value))
        return ServedChange(by=US, fields=fields, notes=notes)

    def _writable(self, name: str) -> str:
        own = self._template.fields.get(name)
        if own is not None and own.access is Access.READ:
            raise mapping.CannotCarry(f"{name}: its access is {own.access}")
        key = mapping.stored_key(name, self._template)
        if key is None or (own is None and name not in mapping.WRITABLE_STANDARD_NAMES):
            raise mapping.CannotCarry(f"{name}: no such field, or one that only the daemon sets")
        return key

    async def _file(self, write: Write, file: FileSource | None) -> FileDraft:
        draft = write.attachment
        if draft is None or file is None:
            raise mapping.CannotCarry("an attachment without its bytes")
        if not draft.name.isprintable() or not {"/", "\\"}.isdisjoint(draft.name):
            raise mapping.CannotCarry(f"{draft.name!r} is no file's name")
        digest, size = draft.digest, draft.size_bytes
        most = self._features.limits.attachment_bytes
        if size is not None and size > most:
            raise mapping.CannotCarry(f"the file has {size} bytes; {most} are taken")
        if not digest or size is None or not await self._served.has_file(digest):
            kept, length = await self._served.keep_file(file.open(), max_bytes=most)
            if (digest or kept, length if size is None else size) != (kept, length):
                raise mapping.CannotCarry(f"the file has {length} bytes, and not those announced")
            digest, size = kept, length
        return FileDraft(
            name=draft.name,
            content_type=draft.content_type,
            size_bytes=size,
            digest=digest,
            author=US,
        )

    def _receipt(self, write: Write, done: Written) -> Receipt:
        told = self._fields_of(done.ticket)
        return Receipt(
            ticket_id=done.ticket.sys_id,
            ticket_number=done.ticket.number,
            comment_id=done.note_id,
            attachment_id=done.file_id,
            fields={name: told[name] for name in write.fields if name in told},
        )

    async def probe(self, write: Write, sent_at: datetime) -> ProbeResult:
        with self._reading():
            done = await self._served.written(self._name, write.key)
        if done is None:
            return ProbeResult(finding=Finding.ABSENT, looked_at="our own store does not have it")
        receipt = self._receipt(write, done)
        return ProbeResult(finding=Finding.FOUND, receipt=receipt, looked_at="our own store has it")

    # --- the rest --------------------------------------------------------------------------------

    async def check(self, expectation: Expectation) -> Sequence[CheckFinding]:
        known = {info.name for info in self.fields(TICKET_KIND)}
        findings = [CheckFinding(ok=True, what="served by the daemon itself")]
        findings += [
            CheckFinding(ok=False, what=f"no such field: {name}")
            for name in sorted(set(expectation.values) - known)
        ]
        labels = sorted(expectation.statuses - set(self._settings.statuses))
        if self._settings.statuses:
            findings += [
                CheckFinding(ok=False, what=f"status {label} is not among `statuses`")
                for label in labels
            ]
        return findings

    async def call(self, name: str, arguments: Mapping[str, str]) -> object:
        self._refuse(f"no call {name}: the daemon itself is the system")

    def calls(self) -> Mapping[str, str]:
        return {}

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Say of a store that does not answer what is said of any system: later."""
        try:
            yield
        except SyncdError as err:
            raise Unreachable(f"our own store: {err}", self._at("read")) from err

    def _known_kind(self, kind: str) -> None:
        if kind != TICKET_KIND:
            self._refuse(f"no kind of ticket {kind}; there is: {TICKET_KIND}")

    def _at(self, endpoint: str) -> RemoteContext:
        return RemoteContext(connection=self._name, endpoint=endpoint)

    def _refuse(self, why: str) -> NoReturn:
        raise Unsupported(why, self._at(""))
