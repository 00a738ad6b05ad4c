"""One B-612 connection: its three calls and what is made of them; decides nothing about syncing."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import NoReturn

from syncd.model.features import Absence, Features, Limits, Reading, WriteFeature
from syncd.model.ids import AttachmentId, ConnectionName, TicketId
from syncd.model.operation import Finding, ProbeResult, Receipt, Write, WriteKind
from syncd.model.secret import Secret
from syncd.model.ticket import CommentKind, FieldInfo, Ticket, Value
from syncd.ports.adapter import (
    Adapter,
    CheckFinding,
    Expectation,
    FileSource,
    PollResult,
    TicketRef,
)
from syncd.ports.clock import Clock
from syncd.ports.errors import (
    NotFound,
    OddAnswer,
    OutcomeUnknown,
    Refused,
    RemoteContext,
    RemoteError,
    Unreachable,
    Unsupported,
)
from syncd.providers.b612 import mapping, todo
from syncd.providers.b612.errors import read_error, why_unreadable
from syncd.providers.b612.mapping import TICKET_KIND
from syncd.providers.b612.settings import B612Settings
from syncd.providers.b612.wire import (
    TODO,
    WRITABLE,
    Told,
    WireError,
    body_of,
    parse,
    same_number,
)
from syncd.transport.auth import FixedAuth, TokenSource, basic
from syncd.transport.interface import ErrorReader, Transport
from syncd.transport.login import Login
from syncd.transport.request import Answer, Request

BODY_BYTES = 1024 * 1024
"""Largest answer: a ticket is a few hundred bytes and its `todo`."""

_CHECK_NUMBER = "B-612-R0"
"""Fetched by `check` where no ticket was named."""

_CALLS = {"ticket": "number=…: everything B-612 answers of one ticket, hours included"}


def build(
    name: ConnectionName, settings: B612Settings, transport: Transport, clock: Clock
) -> Adapter:
    """Build the adapter of one connection.

    Args:
        name: the connection's name.
        settings: its own keys in syncd.yaml.
        transport: its way to the webhook, with `errors.read_error` as error reader.
        clock: dates remarks in `todo`, and says when an exchange was over.
    """
    return B612Adapter(name, settings, transport, clock)


def login(settings: B612Settings, login: Login) -> TokenSource:
    """Build what a connection's transport shows with every call; nothing is fetched for it.

    Spec: B-612 API Documentation, §2 URL and authentication; b612.md §7, B3.
    """
    del login
    key, send = settings.auth.api_key, settings.auth.send
    headers: dict[str, Secret] = {}
    if send in ("basic", "both"):
        headers["Authorization"] = basic(settings.api_id, key.reveal())
    if send in ("user_header", "both"):
        headers["user"] = Secret(f"{settings.api_id}:{key.reveal()}")
    return FixedAuth(headers)


def declare(settings: B612Settings) -> Features:
    """Say what a connection with these settings can do.

    Spec: capability summary of b612.md §1; §8 retry, idempotency and recovery.
    """
    settle = settings.settle
    writes = {
        # No list, no search, no key: nothing can find what a lost POST made.
        WriteKind.CREATE: WriteFeature(
            can_probe=False, absence=Absence.PARK, marker=settings.has_marker
        ),
        WriteKind.UPDATE: WriteFeature(settle_s=settle.update_s, looks=1, returns_id=False),
    }
    if settings.takes_comments:
        writes[WriteKind.COMMENT] = WriteFeature(settle_s=settle.comment_s, looks=2, marker=True)
    return Features(
        reading=Reading.WATCH,
        kinds=frozenset({TICKET_KIND}),
        writes=writes,
        comment_kinds=frozenset({CommentKind.COMMENT} if settings.takes_comments else ()),
        attachments=False,
        settle_s=settle.read_s,
        limits=Limits(
            requests_per_s=settings.pace.requests_per_s,
            concurrency=settings.pace.concurrency,
            body_bytes=BODY_BYTES,
            attachment_bytes=0,
        ),
        statuses=settings.statuses,
    )


def describe(settings: B612Settings, kind: str) -> Sequence[FieldInfo]:
    """List the fields of a kind of ticket; none for a kind B-612 does not have."""
    return mapping.describe_fields(settings.labels) if kind == TICKET_KIND else ()


def error_reader(settings: B612Settings) -> ErrorReader:
    """Give what turns error answers into errors; the settings have no part in it."""
    del settings
    return read_error


def normaliser(settings: B612Settings) -> Callable[[str, Value], Value]:
    """Give N of DESIGN R5 for a connection with these settings."""
    labels = settings.labels
    return lambda name, value: mapping.normalise(name, value, labels)


class B612Adapter:
    """One connection; holds no state, so any number of tasks may use it at once."""

    def __init__(
        self, name: ConnectionName, settings: B612Settings, transport: Transport, clock: Clock
    ) -> None:
        self._name = name
        self._settings = settings
        self._labels = settings.labels
        self._features = declare(settings)
        self._transport = transport
        self._clock = clock

    @property
    def features(self) -> Features:
        return self._features

    def normalise(self, name: str, value: Value) -> Value:
        return mapping.normalise(name, value, self._labels)

    def fields(self, kind: str) -> Sequence[FieldInfo]:
        self._known_kind(kind)
        return mapping.describe_fields(self._labels)

    async def poll(self, kind: str, cursor: str | None) -> PollResult:
        self._refuse("B-612 has no list: tickets are read one by one")

    async def read(self, ref: TicketRef) -> Ticket:
        told = await self._told(ref)
        return mapping.to_ticket(told, _ticket_id(told, ref))

    async def write(self, write: Write, file: FileSource | None = None) -> Receipt:
        self._known_kind(write.ticket_kind)
        if write.kind not in self._features.writes:
            self._refuse(f"B-612 takes no {write.kind}")
        if write.kind is WriteKind.COMMENT and write.said.kind is not CommentKind.COMMENT:
            self._refuse(f"B-612 has no {write.said.kind}")
        try:
            if write.kind is WriteKind.CREATE:
                return await self._create(write)
            return await self._change(write)
        except mapping.CannotCarry as err:
            raise Refused(str(err), self._context(f"{write.kind}_ticket")) from err

    async def probe(self, write: Write, sent_at: datetime) -> ProbeResult:
        if write.kind is WriteKind.CREATE:
            looked = "B-612 has no list and no search: nothing can be looked up"
            return ProbeResult(finding=Finding.UNCLEAR, looked_at=looked)
        ref = _target(write)
        told = await self._told(ref)
        if write.kind is WriteKind.COMMENT:
            return self._probe_remark(write, told, ref)
        return self._probe_fields(write, told, ref)

    def download(
        self, ref: TicketRef, attachment_id: AttachmentId
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        self._refuse("B-612 has no attachments")

    async def check(self, expectation: Expectation) -> Sequence[CheckFinding]:
        read = await self._check_read()
        notes = self._check_login() if read.ok else []
        return [read, *notes, *self._check_expected(expectation)]

    async def call(self, name: str, arguments: Mapping[str, str]) -> object:
        if name not in _CALLS:
            self._refuse(f"no call {name}; there is: {', '.join(_CALLS)}")
        number = arguments.get("number", "")
        if not number or set(arguments) != {"number"}:
            raise Refused("ticket takes exactly number=…", self._context(name))
        return dict((await self._get(number)).texts)

    def calls(self) -> Mapping[str, str]:
        return dict(_CALLS)

    # --- one write each --------------------------------------------------------------------------

    async def _create(self, write: Write) -> Receipt:
        """POST, once. Spec: B-612 API Documentation, §4 POST; b612.md §7, B9, B10."""
        mapping.ensure_complete(write.fields, self._settings.required)
        given = mapping.texts_of(write.fields, self._labels)
        texts = {path: text for path, text in given.items() if text}
        if self._settings.has_marker:
            texts[TODO] = todo.join(texts.get(TODO, ""), (write.key,))
        request = Request(
            operation="create_ticket",
            method="POST",
            path=self._settings.paths.create,
            json=body_of(texts),
        )
        try:
            answer = await self._transport.write(request)
        except NotFound as err:
            # Nothing was asked for that could be missing, but the webhook itself.
            raise Refused(str(err), err.context) from err
        return self._receipt(write, self._written(answer), answer)

    async def _change(self, write: Write) -> Receipt:
        """GET, overlay, PUT once, all thirteen. Spec: §5 PUT; b612.md §7, B17; DESIGN R14."""
        ref = _target(write)
        before = await self._before(ref)
        if write.kind is WriteKind.COMMENT and self._is_remarked(write, before):
            # It stands there already: PUT would write it a second time.
            return self._receipt_of(write, before, request_id="")
        texts = {path: before.texts[path] for path in WRITABLE if path in before.texts}
        if write.kind is WriteKind.COMMENT:
            texts[TODO] = self._with_remark(write, texts.get(TODO, ""))
        else:
            given = mapping.texts_of(write.fields, self._labels)
            if TODO in given:
                parts = todo.split(texts.get(TODO, ""))
                given[TODO] = todo.join(given[TODO], parts.keys, parts.remarks)
            texts |= given
        request = Request(
            operation="update_ticket",
            method="PUT",
            path=self._settings.paths.update,
            json=body_of(texts, number=before.number, keys=self._settings.put_number_key),
        )
        answer = await self._transport.write(request)
        told = self._written(answer)
        if not same_number(told.number, before.number):
            raise self._unknown(f"the answer is that of {told.number}", answer)
        return self._receipt(write, told, answer)

    async def _before(self, ref: TicketRef) -> Told:
        """Read right before a write: nothing was written yet, so no failure is its outcome."""
        try:
            told = await self._told(ref)
        except OddAnswer as err:
            raise Unreachable(f"read before the write: {err}", err.context) from err
        for part in ("client_details.", "location."):
            if not any(path.startswith(part) for path in told.texts):
                # A PUT may replace the whole ticket: what is not known must not be emptied.
                text = f"read before the write: the answer lacks {part.rstrip('.')}"
                raise Unreachable(text, self._context("get_ticket"))
        return told

    def _with_remark(self, write: Write, raw: str) -> str:
        # A marker that is quoted would end the remark there.
        body = todo.unmarked(write.said.body).strip()
        if not body:
            raise mapping.CannotCarry("an empty comment")
        return todo.add(raw, todo.Remark(key=write.key, at=self._clock.now(), body=body))

    def _is_remarked(self, write: Write, told: Told) -> bool:
        remarks = todo.split(told.texts.get(TODO, "")).remarks
        return any(remark.key == write.key for remark in remarks)

    def _written(self, answer: Answer) -> Told:
        """Read a write's answer: only a number proves that it happened (B9, B19)."""
        try:
            told = parse(answer.body)
        except WireError as err:
            raise self._unknown(f"sent, but {err}: it proves nothing", answer) from err
        if not told.number:
            raise self._unknown(f"sent, but {why_unreadable(told)}", answer)
        return told

    def _receipt(self, write: Write, told: Told, answer: Answer) -> Receipt:
        return self._receipt_of(write, told, request_id=answer.context.request_id)

    def _receipt_of(self, write: Write, told: Told, *, request_id: str) -> Receipt:
        values = mapping.field_values(told)
        is_comment = write.kind is WriteKind.COMMENT
        return Receipt(
            ticket_id=write.ticket_id or TicketId(told.number.upper()),
            ticket_number=told.number,
            comment_id=mapping.comment_id(write.key) if is_comment else None,
            fields={name: values[name] for name in write.fields if name in values},
            request_id=request_id,
        )

    # --- reading and probing ---------------------------------------------------------------------

    async def _told(self, ref: TicketRef) -> Told:
        """Fetch a ticket and make sure that it is the one asked for (R8; B6)."""
        self._known_kind(ref.kind)
        asked = ref.id or ref.number
        told = await self._get(asked)
        if not same_number(told.number, asked):
            text = f"asked for {asked}, answered {told.number}"
            raise OddAnswer(text, self._context("get_ticket"))
        return told

    async def _get(self, number: str) -> Told:
        """GET one ticket. Spec: B-612 API Documentation, §3 GET; b612.md §7, B18, B19."""
        request = Request(
            operation="get_ticket",
            method="GET",
            path=self._settings.paths.get,
            query=[("ID", number)],
        )
        answer = await self._transport.read(request)
        try:
            told = parse(answer.body)
        except WireError as err:
            raise OddAnswer(f"{number}: {err}", answer.context) from err
        if told.number:
            return told
        if told.is_ticket:
            raise NotFound(f"{number}: {why_unreadable(told)}", answer.context)
        raise OddAnswer(f"{number}: {why_unreadable(told)}", answer.context)

    def _probe_remark(self, write: Write, told: Told, ref: TicketRef) -> ProbeResult:
        remarks = todo.split(told.texts.get(TODO, "")).remarks
        looked = f"its marker in {len(remarks)} remarks of ours in todo"
        if self._is_remarked(write, told):
            receipt = Receipt(
                ticket_id=_ticket_id(told, ref),
                ticket_number=told.number,
                comment_id=mapping.comment_id(write.key),
            )
            return ProbeResult(finding=Finding.FOUND, receipt=receipt, looked_at=looked)
        return ProbeResult(finding=Finding.ABSENT, looked_at=f"{looked}: 0")

    def _probe_fields(self, write: Write, told: Told, ref: TicketRef) -> ProbeResult:
        values = mapping.field_values(told)
        differing = [
            name
            for name, value in write.fields.items()
            if self.normalise(name, values.get(name)) != self.normalise(name, value)
        ]
        if differing:
            looked = f"{', '.join(differing)} not as sent; repeating it is harmless"
            return ProbeResult(finding=Finding.ABSENT, looked_at=looked)
        receipt = Receipt(
            ticket_id=_ticket_id(told, ref),
            ticket_number=told.number,
            fields={name: values[name] for name in write.fields if name in values},
        )
        looked = f"{', '.join(write.fields)} as sent"
        return ProbeResult(finding=Finding.FOUND, receipt=receipt, looked_at=looked)

    # --- check -----------------------------------------------------------------------------------

    def _check_login(self) -> list[CheckFinding]:
        label, given = self._settings.host_label, self._settings.api_id
        if same_number(label, given):
            return []
        what = f"api_id {given} is not the first label of the host ({label}), as it usually is"
        return [CheckFinding(ok=True, what=what)]

    async def _check_read(self) -> CheckFinding:
        named = self._settings.check_number
        number = named or _CHECK_NUMBER
        try:
            await self._told(TicketRef(kind=TICKET_KIND, number=number))
        except NotFound as err:
            hint = "so answers an unknown number, and a wrong path: name a ticket as check_number"
            return CheckFinding(ok=not named, what=f"{err}; {hint}" if not named else str(err))
        except RemoteError as err:
            return CheckFinding(ok=False, what=f"fetching {number}: {err}")
        return CheckFinding(ok=True, what=f"login and webhook work: {number} was fetched")

    def _check_expected(self, expectation: Expectation) -> list[CheckFinding]:
        known = {info.name for info in self.fields(TICKET_KIND)}
        wrong = [f"no such field: {name}" for name in sorted(set(expectation.values) - known)]
        for name, values in (
            ("priority", expectation.values.get("priority", frozenset())),
            ("status", expectation.statuses),
        ):
            accepted = self._labels.of(name)
            wrong += [
                f"{name} {value} is not one of {', '.join(accepted)}"
                for value in sorted(values)
                if self.normalise(name, value) not in accepted
            ]
        return [CheckFinding(ok=False, what=what) for what in wrong]

    # --- small things ----------------------------------------------------------------------------

    def _known_kind(self, kind: str) -> None:
        if kind != TICKET_KIND:
            self._refuse(f"no kind of ticket {kind}; there is: {TICKET_KIND}")

    def _unknown(self, why: str, answer: Answer) -> OutcomeUnknown:
        return OutcomeUnknown(why, answer.context, closed_at=self._clock.now())

    def _context(self, endpoint: str) -> RemoteContext:
        return RemoteContext(connection=self._name, endpoint=endpoint)

    def _refuse(self, why: str) -> NoReturn:
        raise Unsupported(why, self._context(""))


def _target(write: Write) -> TicketRef:
    if not (write.ticket_id or write.ticket_number):
        raise mapping.CannotCarry("the ticket's number is not known")
    return TicketRef(kind=write.ticket_kind, id=write.ticket_id, number=write.ticket_number)


def _ticket_id(told: Told, ref: TicketRef) -> TicketId:
    """Give the id a ticket is known by: its number is all it has, in whatever capitals."""
    return ref.id or TicketId(told.number.upper())
