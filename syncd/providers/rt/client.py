"""The calls of REST2, one method each.

They decide nothing. Reads come back parsed (`OddAnswer` when they cannot be); writes are sent
exactly once. A success that does not tell what it made is `OutcomeUnknown`.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import quote

import orjson

from syncd.ports.clock import Clock
from syncd.ports.errors import OddAnswer, OutcomeUnknown
from syncd.providers.rt import wire
from syncd.providers.rt.html import statuses_in
from syncd.providers.rt.wire import Entry, JsonObject, Page, Part, QueueDoc, Row, TicketDoc
from syncd.transport.interface import Transport
from syncd.transport.request import Answer, FilePart, Request, StreamedAnswer

ROOT = "/REST/2.0"
PAGE_MAX = 100
"""Items of one page; RT cuts a larger page silently."""
ENTRY_FIELDS = "Type,Field,OldValue,NewValue,Created,Creator,CustomFields,_hyperlinks"
PART_FIELDS = "Filename,ContentType,ContentLength,TransactionId,Created"
_Parsed = TypeVar("_Parsed")
Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketRead:
    """A ticket and the version it was read at: the `ETag`, id of its last transaction."""

    doc: TicketDoc
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A page of tickets and RT's own time when it was made; None: it did not tell."""

    page: Page[Row]
    at: datetime | None


class RtClient:
    """One connection's calls."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock

    # --- reads -----------------------------------------------------------------------------------

    async def get_ticket(self, ticket_id: str) -> TicketRead:
        """Read one ticket; for a merged one, the one it was merged into."""
        query = [("fields[Queue]", "Name,Lifecycle")]
        answer = await self._get("get_ticket", f"{ROOT}/ticket/{quote(ticket_id, safe='')}", query)
        doc = _parsed(answer, wire.parse_ticket, "get_ticket")
        return TicketRead(doc=doc, etag=answer.headers.get("etag", ""))

    async def search_tickets(
        self, sql: str, query: Query, parse: Callable[[object], Row] = wire.parse_row
    ) -> Search:
        """Search tickets by TicketSQL."""
        answer = await self._get("list_tickets", f"{ROOT}/tickets", [("query", sql), *query])
        page = _parsed(answer, wire.page_of(parse), "list_tickets")
        return Search(page=page, at=_date(answer.headers))

    async def history(self, ticket_id: str, page: int) -> Page[Entry]:
        """Read a page of a ticket's transactions, oldest first; what we may not see is not there.

        Rows are left out before they are counted, so a short page is the last one.
        """
        query = [
            ("fields", ENTRY_FIELDS),
            ("fields[Creator]", "RealName"),
            ("orderby", "id"),
            ("order", "ASC"),
            ("per_page", str(PAGE_MAX)),
            ("page", str(page)),
        ]
        path = f"{ROOT}/ticket/{quote(ticket_id, safe='')}/history"
        return _parsed(
            await self._get("history", path, query), wire.page_of(wire.parse_entry), "history"
        )

    async def parts(
        self, ticket_id: str, terms: Sequence[tuple[str, str]], *, page: int, with_text: bool
    ) -> Page[Part]:
        """Read attachments of a ticket, those that fit one of the terms (name, value)."""
        asked = [
            {"field": name, "operator": "=", "value": value, "entry_aggregator": "OR"}
            for name, value in terms
        ]
        query = [
            ("query", orjson.dumps(asked).decode()),
            ("fields", f"{PART_FIELDS},Content" if with_text else PART_FIELDS),
            ("orderby", "id"),
            ("order", "ASC"),
            ("per_page", str(PAGE_MAX)),
            ("page", str(page)),
        ]
        path = f"{ROOT}/ticket/{quote(ticket_id, safe='')}/attachments"
        return _parsed(
            await self._get("attachments", path, query),
            wire.page_of(wire.parse_part),
            "attachments",
        )

    async def queue(self, name: str) -> QueueDoc:
        """Read a queue by name or id."""
        path = f"{ROOT}/queue/{quote(name, safe='')}"
        return _parsed(await self._get("get_queue", path), wire.parse_queue, "get_queue")

    async def queues(self, page: int) -> Page[str]:
        """List the ids of the queues the user may see."""
        query = [("per_page", str(PAGE_MAX)), ("page", str(page))]
        answer = await self._get("list_queues", f"{ROOT}/queues/all", query)
        return _parsed(answer, wire.page_of(_id_of), "list_queues")

    async def version(self) -> str:
        """Ask RT for its version."""
        told = (await self._get("version", f"{ROOT}/rt")).json()
        version = told.get("Version") if isinstance(told, dict) else None
        if not isinstance(version, str):
            raise OddAnswer("version: RT does not tell its version")
        return version

    async def lifecycles(self) -> Mapping[str, tuple[str, ...]]:
        """Read lifecycle -> statuses from RT's search form; REST2 does not tell them.

        Raises:
            OddAnswer: another page came. Spec: NOTES.md, Lifecycles.
        """
        answer = await self._get("lifecycles", "/Search/Build.html")
        told = statuses_in(answer.body.decode(errors="replace"))
        if not told:
            raise OddAnswer("lifecycles: the page is not RT's search form", answer.context)
        return told

    async def plain(self, operation: str, path: str, query: Query = ()) -> object:
        """Make a read whose answer is shown as it is."""
        return (await self._get(operation, ROOT + path, query)).json()

    def download(self, transaction: str, part: str) -> AbstractAsyncContextManager[StreamedAnswer]:
        """Stream a file's bytes, from the page that RT's own links lead to."""
        return self._download(transaction, part)

    @contextlib.asynccontextmanager
    async def _download(self, transaction: str, part: str) -> AsyncIterator[StreamedAnswer]:
        path = f"/Ticket/Attachment/{transaction}/{part}/file"
        async with self._transport.stream(
            Request(operation="download", method="GET", path=path)
        ) as answer:
            yield answer

    # --- writes ----------------------------------------------------------------------------------

    async def create_ticket(self, body: JsonObject) -> tuple[str, Answer]:
        """Open a ticket; gives its id."""
        answer = await self._write("create_ticket", "POST", f"{ROOT}/ticket", body)
        try:
            told = answer.json()
            made = wire.parse_id(told.get("id") if isinstance(told, dict) else None)
        except (wire.Malformed, OddAnswer) as err:
            raise self.unknown("success, but it does not tell what was made", answer) from err
        return made, answer

    async def update_ticket(
        self, ticket_id: str, body: JsonObject, etag: str
    ) -> tuple[tuple[str, ...], Answer]:
        """Change a ticket that is still at this version; gives what RT says, a refusal included.

        Raises:
            StaleVersion: it has changed since.
        """
        path = f"{ROOT}/ticket/{quote(ticket_id, safe='')}"
        headers = {"If-Match": etag} if etag else {}
        answer = await self._write("update_ticket", "PUT", path, body, headers)
        try:
            said = wire.parse_messages(answer.json())
            return tuple(answer.said(one) for one in said), answer
        except (wire.Malformed, OddAnswer) as err:
            raise self.unknown("success, but the answer is not RT's", answer) from err

    async def add_message(self, ticket_id: str, way: str, body: JsonObject) -> tuple[str, Answer]:
        """Reply (`correspond`) or comment; gives the transaction's id."""
        path = f"{ROOT}/ticket/{quote(ticket_id, safe='')}/{way}"
        answer = await self._write(f"add_{way}", "POST", path, body)
        return self._transaction(answer), answer

    async def add_file(self, ticket_id: str, way: str, file: FilePart) -> tuple[str, Answer]:
        """Reply or comment with a file and no text; gives the transaction's id."""
        path = f"{ROOT}/ticket/{quote(ticket_id, safe='')}/{way}"
        answer = await self._transport.write(
            Request(operation=f"add_{way}", method="POST", path=path, file=file)
        )
        return self._transaction(answer), answer

    # --- plumbing --------------------------------------------------------------------------------

    async def _get(self, operation: str, path: str, query: Query = ()) -> Answer:
        return await self._transport.read(
            Request(operation=operation, method="GET", path=path, query=query)
        )

    async def _write(
        self,
        operation: str,
        method: str,
        path: str,
        body: JsonObject,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        return await self._transport.write(
            Request(operation=operation, method=method, path=path, json=body, headers=headers or {})
        )

    def _transaction(self, answer: Answer) -> str:
        """Find the id of what a message made; only the Location tells it."""
        made = wire.made_by(answer.headers.get("location", ""), "transaction")
        if made is None or answer.status != 201:
            raise self.unknown("success, but it does not tell what was made", answer)
        return made

    def unknown(self, text: str, answer: Answer) -> OutcomeUnknown:
        """Say that a write was answered, and nobody knows what it did."""
        return OutcomeUnknown(text, answer.context, closed_at=self._clock.now())


def _parsed(answer: Answer, parse: Callable[[object], _Parsed], operation: str) -> _Parsed:
    try:
        return parse(answer.json())
    except wire.Malformed as err:
        raise OddAnswer(f"{operation}: {err}", answer.context) from err


def _id_of(raw: object) -> str:
    return wire.parse_id(raw.get("id") if isinstance(raw, dict) else None)


def _date(headers: Mapping[str, str]) -> datetime | None:
    """Read the answer's Date: the only word RT has on what time it is there."""
    try:
        at = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, OverflowError):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
