"""The three calls of the contract on a Transport; no decision about syncing.

Flow: wire builds the body, the transport sends it, errors reads status and statusCode, wire parses.
A write is sent once, and whatever is not a readable success of it is OutcomeUnknown (DESIGN R3).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from syncd.model.ids import OperationKey
from syncd.ports.clock import Clock
from syncd.ports.errors import NotFound, OddAnswer, OutcomeUnknown, Refused
from syncd.providers.smartops.errors import Exchanged, code_error
from syncd.providers.smartops.wire import (
    Details,
    Envelope,
    Surroundings,
    WireError,
    create_body,
    details_body,
    parse_envelope,
    update_body,
)
from syncd.transport.interface import Transport
from syncd.transport.request import Answer, Request


class FetchMethod(StrEnum):
    """How details are fetched: GET with a body as documented, POST where a proxy drops it (O1)."""

    GET = "GET"
    POST = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Where and how the three calls are made: the document names no paths (O2).

    Attributes:
        create, update, details: paths below the base URL, starting with `/`.
        fetch_method: of details.
        around: what stands in every request.
    """

    create: str
    update: str
    details: str
    fetch_method: FetchMethod
    around: Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a write's answer told; the request id is for the operator."""

    details: Details
    request_id: str


class SmartOpsClient:
    """The contract's calls on one connection."""

    def __init__(self, transport: Transport, calls: Calls, clock: Clock) -> None:
        self._transport = transport
        self._calls = calls
        self._clock = clock

    async def create(
        self,
        ticket_json: Mapping[str, str],
        ticket_fields: Sequence[str],
        key: OperationKey,
    ) -> Written:
        """Create a ticket.

        The key goes along as `Idempotency-Key`, which an implementation may honour.

        Raises:
            OutcomeUnknown: it may exist; also when the answer does not tell sysId and number.
            Refused: surely not made; a 404 of a create names something else than the ticket.

        Spec: §1 Create a ticket; §5 O12 (further headers are ignored), O15; §6.
        """
        body = create_body(ticket_json, ticket_fields, self._calls.around)
        request = Request(
            operation="create_ticket",
            method="POST",
            path=self._calls.create,
            headers={"Idempotency-Key": key},
            json=body,
        )
        try:
            written, answer = await self._write(request)
        except NotFound as err:
            raise Refused(str(err), err.context) from err
        if not (written.details.sys_id and written.details.number):
            raise self._unknown("created, but the answer lacks sysId or ticketNumber", answer)
        return written

    async def update(
        self, sys_id: str, ticket_json: Mapping[str, str], ticket_fields: Sequence[str]
    ) -> Written:
        """Change the keys of `ticketJSON` of one ticket.

        Raises:
            OutcomeUnknown: it may have happened; also when another ticket's sysId is answered.
            NotFound, Refused: surely not.

        Spec: §1 Update a ticket; §5 O16.
        """
        body = update_body(sys_id, ticket_json, ticket_fields, self._calls.around)
        request = Request(
            operation="update_ticket", method="POST", path=self._calls.update, json=body
        )
        written, answer = await self._write(request)
        if written.details.sys_id not in {"", sys_id}:
            raise self._unknown(f"the answer is that of sysId {written.details.sys_id}", answer)
        return written

    async def details(self, number: str, ticket_fields: Sequence[str]) -> Details:
        """Fetch a ticket.

        Raises:
            NotFound: statusCode 404. OddAnswer: not the contract's answer.

        Spec: §1 Fetch a ticket's details; §5 O1 (GET with a JSON body), O5.
        """
        request = Request(
            operation="fetch_ticket",
            method=self._calls.fetch_method,
            path=self._calls.details,
            json=details_body(number, ticket_fields, self._calls.around),
        )
        return self._judged(await self._transport.read(request), is_write=False)

    async def _write(self, request: Request) -> tuple[Written, Answer]:
        answer = await self._transport.write(request)
        try:
            details = self._judged(answer, is_write=True)
        except OddAnswer as err:
            raise self._unknown(str(err), answer) from err
        return Written(details=details, request_id=answer.context.request_id), answer

    def _judged(self, answer: Answer, *, is_write: bool) -> Details:
        exchanged = Exchanged(
            context=answer.context,
            is_write=is_write,
            closed_at=self._clock.now(),
            secrets=answer.secrets,
        )
        envelope = _read_envelope(answer)
        error = code_error(envelope, exchanged)
        if error is not None:
            raise error
        return envelope.details

    def _unknown(self, why: str, answer: Answer) -> OutcomeUnknown:
        return OutcomeUnknown(why, answer.context, closed_at=self._clock.now())


def _read_envelope(answer: Answer) -> Envelope:
    try:
        return parse_envelope(answer.json())
    except WireError as err:
        raise OddAnswer(str(err), answer.context) from err
