"""The calls of one tree of the Service Ticket API, one method each; they decide nothing.

Sections name the incidents' call (I7); the orders' of the same kind (O7) differ only where said.

Reads come back parsed (`OddAnswer` when they cannot be); writes are sent exactly once. A write that
succeeds without telling the id of what it made is `OutcomeUnknown`.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeVar
from urllib.parse import quote

from syncd.core import loose_json
from syncd.ports.clock import Clock
from syncd.ports.errors import OddAnswer, OutcomeUnknown, Unsupported
from syncd.providers.telenor import answers, wire
from syncd.providers.telenor.mapping import header_name
from syncd.providers.telenor.settings import TelenorSettings
from syncd.providers.telenor.trees import Tree
from syncd.providers.telenor.wire import JsonObject
from syncd.transport.interface import Transport
from syncd.transport.request import Answer, FilePart, Request, StreamedAnswer

PREFIX = "/service-tickets/v2"
"""Every path starts with it. Spec: Service Ticket API, introduction."""
_Parsed = TypeVar("_Parsed")
Query = Sequence[tuple[str, str]]


def paging(skip: int, count: int, sort: tuple[str, str] | None = None) -> Query:
    """Give the paging and sorting parameters; `count` is always sent.

    Spec: Service Ticket API, section 4.2; section 8, T11.
    """
    query = [("skip", str(skip)), ("count", str(count))]
    return [*query, ("sortField", sort[0]), ("order", sort[1])] if sort else query


class TelenorClient:
    """One connection's calls to one tree."""

    def __init__(
        self, transport: Transport, settings: TelenorSettings, clock: Clock, tree: Tree
    ) -> None:
        self.tree = tree
        self._transport = transport
        self._settings = settings
        self._clock = clock
        self._root = f"{PREFIX}/{tree.plural}"
        self._user = header_name(settings.user_name, settings.limits.user_name_chars)

    # --- reads -----------------------------------------------------------------------------------

    async def list_cases(self, query: Query) -> wire.CasePage:
        """List tickets. Spec: Service Ticket API, section 6, I1."""
        return await self._read("list_incidents", "", self._page, query)

    async def list_activities(self, query: Query) -> wire.ActivityPage:
        """List the activities of all tickets. Spec: Service Ticket API, section 6, I3."""
        return await self._read("list_activities", "/activities", wire.parse_activity_page, query)

    async def count(self, query: Query = ()) -> int:
        """Count tickets. Spec: Service Ticket API, section 6, I4."""
        return await self._read("count_incidents", "/count", wire.parse_count, query)

    async def product_categories(self) -> tuple[wire.Category, ...]:
        """List product categories and incident types. Spec: Service Ticket API, section 6, I5."""
        return await self._read(
            "list_product_categories", "/productcategories", wire.parse_categories
        )

    async def get_case(self, case_id: str) -> wire.Case:
        """Read one ticket. Spec: Service Ticket API, section 6, I6."""
        return await self._read("get_incident", _below(case_id), wire.parse_case)

    async def case_activities(self, case_id: str, query: Query) -> wire.ActivityPage:
        """List one ticket's activities. Spec: Service Ticket API, section 6, I8."""
        path = _below(case_id, "activities")
        return await self._read("incident_activities", path, wire.parse_activity_page, query)

    async def get_activity(self, case_id: str, activity_id: str) -> wire.Activity:
        """Read one activity. Spec: Service Ticket API, section 6, I9."""
        path = _below(case_id, "activities", activity_id)
        return await self._read("get_activity", path, wire.parse_activity)

    async def list_attachments(self, case_id: str) -> tuple[wire.FileInfo, ...]:
        """List attachments; of orders with the two leftover headers.

        Raises:
            Unsupported: it takes headers that the settings do not have (T1).

        Spec: Service Ticket API, section 6, I10; section 7, O10; section 8, T1.
        """
        path = _below(case_id, "attachments")
        headers = self._internal_headers()
        if self.tree.guards_attachments:
            headers = self._saml_headers()
        return await self._read("list_attachments", path, wire.parse_files, headers=headers)

    def download(
        self, case_id: str, attachment_id: str
    ) -> AbstractAsyncContextManager[StreamedAnswer]:
        """Stream an attachment. Spec: Service Ticket API, section 6, I12; section 8, T20."""
        return self._transport.stream(
            Request(
                operation=self.tree.operation("download_attachment"),
                method="GET",
                path=self._root + _below(case_id, "attachments", attachment_id),
                headers=self._internal_headers(),
            )
        )

    async def list_comments(self, case_id: str) -> tuple[wire.CommentItem, ...]:
        """List comments. Spec: Service Ticket API, section 6, I14."""
        path = _below(case_id, "comments")
        return await self._read("list_comments", path, wire.parse_comments)

    # --- writes ----------------------------------------------------------------------------------

    async def create(self, body: JsonObject) -> tuple[str, Answer]:
        """Create a ticket; no X-User-Name unless set so (T16).

        Returns:
            Its id, and the answer.

        Spec: Service Ticket API, section 6, I2; section 8, T3, T16.
        """
        named = self._settings.create_sends_user_name
        answer = await self._write("create_incident", "POST", "", body, is_named=named)
        return self._created(answer), answer

    async def update(self, case_id: str, body: JsonObject) -> Answer:
        """Change fields. Spec: Service Ticket API, section 6, I7; section 8, T17."""
        return await self._change("update_incident", "PUT", _below(case_id), body)

    async def set_status(self, case_id: str, body: JsonObject) -> Answer:
        """Change the status. Spec: Service Ticket API, section 6, I19."""
        return await self._change("set_status", "PUT", _below(case_id, "status"), body)

    async def add_comment(self, case_id: str, body: JsonObject) -> tuple[str, Answer]:
        """Add a comment; gives its id. Spec: Service Ticket API, section 6, I15; section 8, T3."""
        path = _below(case_id, "comments")
        answer = await self._write("add_comment", "POST", path, body)
        return self._created(answer), answer

    async def add_attachment(self, case_id: str, file: FilePart) -> tuple[str, Answer]:
        """Upload a file; gives its id. Spec: Service Ticket API, section 6, I11; section 8, T3."""
        request = Request(
            operation=self.tree.operation("add_attachment"),
            method="POST",
            path=self._root + _below(case_id, "attachments"),
            headers=self._write_headers(),
            file=file,
        )
        answer = await self._transport.write(request)
        return self._created(answer), answer

    async def delete_attachment(self, case_id: str, attachment_id: str, file_name: str) -> Answer:
        """Delete a file by id and exact name. Spec: Service Ticket API, section 6, I13; T21."""
        path = _below(case_id, "attachments", attachment_id)
        query = [("fileName", file_name)]
        return await self._change("delete_attachment", "DELETE", path, query=query)

    async def set_contact(self, case_id: str, body: JsonObject) -> Answer:
        """Set the main contact. Spec: Service Ticket API, section 6, I16."""
        return await self._change("set_contact", "PUT", _below(case_id, "contact"), body)

    async def set_local_contact(self, case_id: str, body: JsonObject) -> Answer:
        """Set the person at the site. Spec: Service Ticket API, section 6, I17."""
        path = _below(case_id, "localcontact")
        return await self._change("set_local_contact", "PUT", path, body)

    async def delete_local_contact(self, case_id: str) -> Answer:
        """Remove the person at the site. Spec: Service Ticket API, section 6, I18."""
        path = _below(case_id, "localcontact")
        return await self._change("delete_local_contact", "DELETE", path)

    # --- plumbing --------------------------------------------------------------------------------

    def _page(self, raw: object) -> wire.CasePage:
        return wire.parse_case_page(raw, self.tree.plural)

    async def _read(
        self,
        operation: str,
        path: str,
        parse: Callable[[object], _Parsed],
        query: Query = (),
        *,
        headers: Mapping[str, str] | None = None,
    ) -> _Parsed:
        operation = self.tree.operation(operation)
        answer = await self._transport.read(
            Request(
                operation=operation,
                method="GET",
                path=self._root + path,
                query=query,
                headers=self._internal_headers() if headers is None else headers,
            )
        )
        try:
            return parse(answer.json())
        except wire.Malformed as err:
            raise OddAnswer(f"{operation}: {err}", answer.context) from err

    async def _write(
        self,
        operation: str,
        method: str,
        path: str,
        body: JsonObject | None = None,
        *,
        query: Query = (),
        is_named: bool = True,
    ) -> Answer:
        return await self._transport.write(
            Request(
                operation=self.tree.operation(operation),
                method=method,
                path=self._root + path,
                query=query,
                headers=self._write_headers() if is_named else self._internal_headers(),
                json=body,
            )
        )

    async def _change(
        self,
        operation: str,
        method: str,
        path: str,
        body: JsonObject | None = None,
        *,
        query: Query = (),
    ) -> Answer:
        """Make a write whose success is empty; a page of somebody else's is no success (R3).

        Spec: Service Ticket API, section 8, T3 (any 2xx, empty body allowed everywhere).
        """
        answer = await self._write(operation, method, path, body, query=query)
        if not loose_json.is_empty_or_json(answer.body):
            raise OutcomeUnknown(
                "success, but the answer is not Telenor's", answer.context,
                closed_at=self._clock.now(),
            )  # fmt: skip
        return answer

    def _created(self, answer: Answer) -> str:
        made = answers.parse_created_id(answer.body, answer.headers.get("location", ""))
        if made is None:
            raise OutcomeUnknown(
                "success, but the answer does not tell the id of what was made",
                answer.context,
                closed_at=self._clock.now(),
            )
        return made

    def _write_headers(self) -> Mapping[str, str]:
        """X-User-Name goes with every change but a create. Spec: section 2; section 8, T15."""
        return {"X-User-Name": self._user, **self._internal_headers()}

    def _internal_headers(self) -> Mapping[str, str]:
        """Give the two leftover headers, where set for all calls. Spec: section 8, T1."""
        return self._saml_headers() if self._settings.saml_on_all_calls else {}

    def _saml_headers(self) -> Mapping[str, str]:
        if self._settings.saml_token is None:
            raise Unsupported(
                f"listing {self.tree.plural}' attachments takes saml_token and application_id: "
                "ask Telenor for them, and set them at the connection"
            )
        return {
            "X-Saml-Token": self._settings.saml_token.reveal(),
            "X-Application-Id": self._settings.application_id or "",
        }


def _below(*parts: str) -> str:
    """Give a path below the tree's own, each part percent-encoded."""
    return "".join("/" + quote(part, safe="") for part in parts)
