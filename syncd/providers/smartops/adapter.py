"""One SmartOps connection; mode `call`: an ITSM behind somebody's implementation of the contract.

It joins client and mapping and decides nothing about syncing.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import NoReturn

from syncd.core import marker
from syncd.model.features import Absence, Features, Limits, Reading, WriteFeature
from syncd.model.ids import AttachmentId, ConnectionName, OperationKey, TicketId
from syncd.model.operation import Finding, ProbeResult, Receipt, Write, WriteKind
from syncd.model.ticket import Comment, CommentKind, FieldInfo, Ticket, Value
from syncd.ports.adapter import CheckFinding, Expectation, FileSource, PollResult, TicketRef
from syncd.ports.clock import Clock
from syncd.ports.errors import (
    NotFound,
    OddAnswer,
    Refused,
    RemoteContext,
    RemoteError,
    Unreachable,
    Unsupported,
)
from syncd.ports.offer import Offer
from syncd.ports.served import ServedTickets
from syncd.providers.smartops import mapping, serving
from syncd.providers.smartops.client import SmartOpsClient
from syncd.providers.smartops.errors import read_error
from syncd.providers.smartops.mapping import NOTE_LISTS, NOTE_NAMES, TICKET_KIND
from syncd.providers.smartops.settings import SmartOpsSettings
from syncd.providers.smartops.wire import FIELD_NAMES, Details
from syncd.transport.auth import NoAuth, StaticToken, TokenSource
from syncd.transport.interface import ErrorReader, Transport
from syncd.transport.login import Login
from syncd.transport.oauth import ClientAuth, GrantKind, OAuthOptions

_CHECK_NUMBER = "SYNCD-CHECK"
"""Fetched by `check` where no ticket was named: its absence proves login and path."""

_CALLS = {"details": "number=…: everything the implementation answers of one ticket"}


def build(
    name: str, settings: SmartOpsSettings, transport: Transport, clock: Clock
) -> "SmartOpsAdapter":
    """Build the adapter of one connection.

    Args:
        name: the connection's name.
        settings: its provider keys.
        transport: its way to the implementation, with `errors.read_error` as error reader.
        clock: where time comes from.
    """
    return SmartOpsAdapter(name, settings, SmartOpsClient(transport, settings.calls, clock))


def build_served(
    name: ConnectionName, settings: SmartOpsSettings, served: ServedTickets, clock: Clock
) -> serving.ServedAdapter:
    """Build the adapter of a connection that is served.

    Args:
        name: the connection's name.
        settings: its provider keys.
        served: where its tickets live.
        clock: where time comes from.
    """
    return serving.ServedAdapter(name, settings, served, clock)


def offer(
    name: ConnectionName, settings: SmartOpsSettings, phases: Mapping[str, Sequence[str]]
) -> Offer | None:
    """Say what a connection offers to callers; None: nothing, it calls.

    Args:
        name: the connection's name.
        settings: its provider keys.
        phases: its status labels by phase.
    """
    return serving.offer(settings, name, phases)


def login(settings: SmartOpsSettings, login: Login) -> TokenSource:
    """Build what a connection's transport gets its tokens from.

    Spec: §7.1 Keycloak facts (redeeming, Revoke Refresh Token); §7.4, as client.
    """
    auth = settings.auth
    if auth is None:
        return NoAuth()  # mode serve: callers log in to us
    if auth.access_token is not None:
        return StaticToken(auth.access_token)
    oauth = OAuthOptions(
        token_url=auth.token_url,
        kind=GrantKind(auth.grant),
        client_id=auth.client_id,
        client_secret=auth.client_secret,
        # As Keycloak documents redeeming: id and secret in the form.
        client_auth=ClientAuth.FORM,
        refresh_token=auth.offline_token,
        scope=auth.scope,
    )
    return login.tokens(oauth)


def declare(settings: SmartOpsSettings) -> Features:
    """Say what a connection with these settings can do.

    Spec: capability summary of §1; §5 O15 (no key on a create), O16 (repeating is harmless).
    """
    if settings.mode == "serve":
        return serving.declare(settings)
    settle = settings.settle
    return Features(
        reading=Reading.WATCH,
        kinds=frozenset({TICKET_KIND}),
        writes={
            # No list and no search: nothing can find a lost create (capability summary).
            WriteKind.CREATE: WriteFeature(
                can_probe=False, settle_s=settle.create_s, absence=Absence.PARK, marker=True
            ),
            WriteKind.UPDATE: _found_again(settings, settle.update_s, marker=False),
            WriteKind.STATUS: _found_again(settings, settle.status_s, marker=False),
            WriteKind.COMMENT: _found_again(settings, settle.comment_s, marker=True),
        },
        comment_kinds=frozenset(settings.template.note_keys),
        attachments=False,
        settle_s=settle.read_s,
        limits=Limits(
            requests_per_s=settings.pace.requests_per_s,
            concurrency=settings.pace.concurrency,
            body_bytes=settings.limits.body_bytes,
            attachment_bytes=0,
            comment_bytes=settings.limits.comment_bytes,
        ),
        statuses=settings.statuses,
    )


def describe(settings: SmartOpsSettings, kind: str) -> Sequence[FieldInfo]:
    """List the fields of a kind of ticket; none for a kind the contract does not have."""
    if kind != TICKET_KIND:
        return ()
    if settings.mode == "serve":
        return serving.describe(settings.template)
    return mapping.describe_fields(settings.template)


def error_reader(settings: SmartOpsSettings) -> ErrorReader:
    """Give what turns error answers into errors; the same for every connection."""
    del settings
    return read_error


def normaliser(settings: SmartOpsSettings) -> Callable[[str, Value], Value]:
    """Give N of DESIGN R5 for a connection with these settings."""
    template = settings.template
    return lambda name, value: mapping.normalise(name, value, template)


def _found_again(settings: SmartOpsSettings, settle_s: float, *, marker: bool) -> WriteFeature:
    return WriteFeature(
        settle_s=settle_s,
        looks=settings.probe.looks,
        absence=Absence.RESEND,
        returns_id=False,
        marker=marker,
    )


class SmartOpsAdapter:
    """One connection; holds no state, so any number of tasks may use it at once."""

    def __init__(self, name: str, settings: SmartOpsSettings, client: SmartOpsClient) -> None:
        self._name = name
        self._settings = settings
        self._template = settings.template
        self._features = declare(settings)
        self._client = client

    @property
    def features(self) -> Features:
        return self._features

    def normalise(self, name: str, value: Value) -> Value:
        return mapping.normalise(name, value, self._template)

    def fields(self, kind: str) -> Sequence[FieldInfo]:
        self._known_kind(kind)
        return mapping.describe_fields(self._template)

    async def poll(self, kind: str, cursor: str | None) -> PollResult:
        self._refuse("the contract has no list: tickets are read one by one")

    async def read(self, ref: TicketRef) -> Ticket:
        return mapping.to_ticket(await self._details(ref), self._template)

    async def write(self, write: Write, file: FileSource | None = None) -> Receipt:
        self._known_kind(write.ticket_kind)
        try:
            if write.kind is WriteKind.CREATE:
                return await self._create(write)
            if write.kind in {WriteKind.UPDATE, WriteKind.STATUS}:
                return await self._update(write)
            if write.kind is WriteKind.COMMENT:
                return await self._comment(write)
            self._refuse("the contract has no attachments")
        except mapping.CannotCarry as err:
            raise Refused(str(err), self._context(f"write_{write.kind}")) from err

    async def probe(self, write: Write, sent_at: datetime) -> ProbeResult:
        if write.kind is WriteKind.CREATE:
            return _unclear("the contract has no search: nothing can be looked up")
        if not write.ticket_number:
            return _unclear("the ticket's number is not known, and the contract fetches by number")
        ref = TicketRef(kind=write.ticket_kind, id=write.ticket_id, number=write.ticket_number)
        details = await self._details(ref)
        ticket = mapping.to_ticket(details, self._template)
        if write.kind is WriteKind.COMMENT:
            kind = write.comment.kind if write.comment else CommentKind.COMMENT
            body = write.comment.body if write.comment else ""
            return _probe_note(write, kind, body, ticket, details)
        return self._probe_fields(write, ticket, details)

    def download(
        self, ref: TicketRef, attachment_id: AttachmentId
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        self._refuse("the contract has no attachments")

    async def check(self, expectation: Expectation) -> Sequence[CheckFinding]:
        number = self._settings.check_number or _CHECK_NUMBER
        try:
            details = await self._client.details(number, mapping.read_names(self._template))
        except NotFound as err:
            return [self._check_absent(number, err)]
        except RemoteError as err:
            return [CheckFinding(ok=False, what=f"fetching {number}: {err}")]
        return [
            CheckFinding(ok=True, what=f"login and path work: {number} was fetched"),
            *self._check_details(details),
            *self._check_expected(expectation),
        ]

    async def call(self, name: str, arguments: Mapping[str, str]) -> object:
        if name not in _CALLS:
            self._refuse(f"no call {name}; there is: {', '.join(_CALLS)}")
        number = arguments.get("number", "")
        if not number or set(arguments) != {"number"}:
            raise Refused("details takes exactly number=…", self._context(name))
        details = await self._client.details(number, mapping.read_names(self._template))
        notes = {
            str(list_name): [
                {"by": note.author, "time": note.time, "text": note.text} for note in listed
            ]
            for list_name, listed in details.notes.items()
        }
        return {**details.texts, **notes}

    def calls(self) -> Mapping[str, str]:
        return dict(_CALLS)

    # --- one write each --------------------------------------------------------------------------

    async def _create(self, write: Write) -> Receipt:
        body = mapping.ticket_json(write.kind, write.fields, self._template, key=write.key)
        names = mapping.answer_names(write.fields, self._template)
        written = await self._client.create(body, names, write.key)
        return self._receipt(write, written.details, written.request_id)

    async def _update(self, write: Write) -> Receipt:
        sys_id = self._target(write)
        kept = await self._kept_keys(write) if "description" in write.fields else ()
        body = mapping.ticket_json(
            write.kind, write.fields, self._template, key=write.key, kept_keys=kept
        )
        names = mapping.answer_names(write.fields, self._template)
        written = await self._client.update(sys_id, body, names)
        return self._receipt(write, written.details, written.request_id)

    async def _comment(self, write: Write) -> Receipt:
        sys_id = self._target(write)
        if write.comment is None or not write.comment.body.strip():
            raise mapping.CannotCarry("an empty comment")
        key = mapping.note_key(write.comment.kind, self._template)
        text = marker.append(write.comment.body, write.key)
        room = self._settings.limits.comment_bytes
        if room is not None and len(text.encode()) > room:
            raise mapping.CannotCarry(f"comment: {len(text.encode())} bytes, {room} are taken")
        names = mapping.answer_names([str(write.comment.kind)], self._template)
        written = await self._client.update(sys_id, {key: text}, names)
        return self._receipt(write, written.details, written.request_id)

    async def _kept_keys(self, write: Write) -> Sequence[OperationKey]:
        """Read, right before a description is rewritten, which markers stand in it (R4, R14)."""
        ref = TicketRef(kind=write.ticket_kind, id=write.ticket_id, number=write.ticket_number)
        try:
            return mapping.raw_keys(await self._details(ref))
        except OddAnswer as err:
            # Nothing was written yet, so this is no outcome of the write.
            raise Unreachable(f"read before the write: {err}", err.context) from err

    def _target(self, write: Write) -> str:
        if not write.ticket_id:
            raise mapping.CannotCarry("an update is keyed by sysId, which is not known")
        return write.ticket_id

    def _receipt(self, write: Write, details: Details, request_id: str) -> Receipt:
        told = mapping.field_values(details, self._template)
        made = [
            comment
            for comment in mapping.to_comments(details, self._template)
            if write.key in comment.keys
        ]
        return Receipt(
            ticket_id=TicketId(details.sys_id or write.ticket_id or ""),
            ticket_number=details.number or write.ticket_number,
            comment_id=made[0].id if made else None,
            fields={name: told[name] for name in write.fields if name in told},
            request_id=request_id,
        )

    # --- reading and probing ---------------------------------------------------------------------

    async def _details(self, ref: TicketRef) -> Details:
        """Fetch a ticket whole and make sure that it is the one asked for (R8)."""
        self._known_kind(ref.kind)
        if not ref.number:
            self._refuse(f"the contract fetches by number; of {ref.id} only the sysId is known")
        details = await self._client.details(ref.number, mapping.read_names(self._template))
        context = self._context("fetch_ticket")
        if not (details.sys_id and details.number):
            raise OddAnswer(f"{ref.number}: the answer lacks sysId or ticketNumber", context)
        if details.number != ref.number:
            raise OddAnswer(f"asked for {ref.number}, answered {details.number}", context)
        if ref.id is not None and details.sys_id != ref.id:
            raise OddAnswer(f"{ref.number} is sysId {details.sys_id} now and was {ref.id}", context)
        return details

    def _probe_fields(self, write: Write, ticket: Ticket, details: Details) -> ProbeResult:
        note = next((name for name in write.fields if name in NOTE_NAMES), None)
        if note is not None:
            body = mapping.normalise(note, write.fields[note], self._template)
            return _probe_note(write, CommentKind(note), str(body or ""), ticket, details)
        readable = [name for name in write.fields if name in ticket.fields]
        differing = [
            name
            for name in readable
            if self.normalise(name, ticket.fields[name]) != self.normalise(name, write.fields[name])
        ]
        if readable and not differing:
            looked = f"{', '.join(readable)} as sent"
            return ProbeResult(
                finding=Finding.FOUND, receipt=_found(write, ticket, None), looked_at=looked
            )
        looked = f"{', '.join(differing)} not as sent" if differing else "nothing of it can be read"
        return ProbeResult(finding=Finding.ABSENT, looked_at=f"{looked}; repeating it is harmless")

    # --- check -----------------------------------------------------------------------------------

    def _check_absent(self, number: str, err: NotFound) -> CheckFinding:
        if self._settings.check_number:
            return CheckFinding(ok=False, what=f"check_number {number}: {err}")
        hint = "name a ticket as check_number to see its fields"
        if err.context.status == 404:
            return CheckFinding(ok=False, what=f"{err}: a wrong path answers so as well; {hint}")
        return CheckFinding(ok=True, what=f"login and path work; {hint}")

    def _check_details(self, details: Details) -> list[CheckFinding]:
        told = {*details.texts, *map(str, details.notes)}
        missing = [name for name in FIELD_NAMES if name not in told]
        findings = [
            CheckFinding(ok=False, what=f"not answered, though asked for: {', '.join(missing)}")
        ] * bool(missing)
        for one in self._template.fields.values():
            if one.name in mapping.STANDARD_NAMES or not one.is_readable:
                continue
            comes_back = bool(details.texts.get(one.key))
            said = "comes back" if comes_back else "is empty or not readable there"
            findings.append(CheckFinding(ok=comes_back, what=f"{one.name} ({one.key}) {said}"))
        return findings

    def _check_expected(self, expectation: Expectation) -> list[CheckFinding]:
        known = {info.name for info in self.fields(TICKET_KIND)}
        unknown = sorted(set(expectation.values) - known)
        findings = [CheckFinding(ok=False, what=f"no such field: {name}") for name in unknown]
        if self._settings.statuses:
            labels = sorted(expectation.statuses - set(self._settings.statuses))
            findings += [
                CheckFinding(ok=False, what=f"status {label} is not among `statuses`")
                for label in labels
            ]
        return findings

    # --- small things ----------------------------------------------------------------------------

    def _known_kind(self, kind: str) -> None:
        if kind != TICKET_KIND:
            self._refuse(f"no kind of ticket {kind}; there is: {TICKET_KIND}")

    def _context(self, endpoint: str) -> RemoteContext:
        return RemoteContext(connection=self._name, endpoint=endpoint)

    def _refuse(self, why: str) -> NoReturn:
        raise Unsupported(why, self._context(""))


def _probe_note(
    write: Write, kind: CommentKind, body: str, ticket: Ticket, details: Details
) -> ProbeResult:
    """Look for the write's marker and text in all three lists.

    A marker with another text is a person quoting (R5).
    """
    counts = ", ".join(f"{name} {len(notes)}" for name, notes in details.notes.items())
    looked = f"marker in {counts or 'no list'}"
    marked = [comment for comment in ticket.comments if write.key in comment.keys]
    sent = _note_form(body)
    ours = [comment for comment in marked if _note_form(comment.body) == sent]
    if ours:
        return ProbeResult(
            finding=Finding.FOUND,
            receipt=_found(write, ticket, ours[0]),
            others=tuple(_found(write, ticket, comment) for comment in ours[1:]),
            looked_at=f"{looked}: {len(marked)}",
        )
    if marked:
        # Whoever quotes it has seen it: not absent, and nothing of ours to adopt.
        return _unclear(f"{looked}: {len(marked)}, with another text")
    if NOTE_LISTS[kind] not in details.notes:
        return _unclear(f"{NOTE_LISTS[kind]} is not answered; {looked}: 0")
    return ProbeResult(finding=Finding.ABSENT, looked_at=f"{looked}: 0")


def _note_form(text: str) -> str:
    """Give a note's text so that only its words count: an ITSM may wrap lines."""
    return " ".join(mapping.normalise_text(text).split())


def _found(write: Write, ticket: Ticket, comment: Comment | None) -> Receipt:
    return Receipt(
        ticket_id=ticket.id,
        ticket_number=ticket.number,
        comment_id=comment.id if comment else None,
        fields={name: ticket.fields[name] for name in write.fields if name in ticket.fields},
    )


def _unclear(looked_at: str) -> ProbeResult:
    return ProbeResult(finding=Finding.UNCLEAR, looked_at=looked_at)
