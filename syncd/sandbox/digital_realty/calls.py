"""The calls of sections 5 and 8."""

from collections.abc import Callable
from typing import TypedDict

from aiohttp import BodyPartReader

from syncd.sandbox.bodies import Bodies, StoredBody
from syncd.sandbox.calls import Answer, Call, Handler, Operation, json_answer
from syncd.sandbox.digital_realty import checks
from syncd.sandbox.digital_realty.errors import Refusal
from syncd.sandbox.digital_realty.model import Order, vendor_date
from syncd.sandbox.digital_realty.settings import (
    OPEN_STATUSES,
    ROOT,
    Account,
    DigitalRealtySandboxSettings,
    Site,
)
from syncd.sandbox.digital_realty.state import Orders
from syncd.sandbox.digital_realty.views import Views

PIECE_BYTES = 256 * 1024

Guard = Callable[[Handler], Handler]


class _Options(TypedDict, total=False):
    reads: bool
    lists: bool
    streams: bool
    query: frozenset[str]


class OrderCalls:
    """Carry out the calls on the work orders kept."""

    def __init__(
        self, settings: DigitalRealtySandboxSettings, orders: Orders, bodies: Bodies
    ) -> None:
        self._settings = settings
        self._orders = orders
        self._bodies = bodies
        self._views = Views(settings)

    def table(self, guard: Guard) -> list[Operation]:
        """Return the calls in look-up order; `guard` turns refusals into answers."""
        one = f"{ROOT}/{{order_id}}"
        read: _Options = {"reads": True}
        listed: _Options = {
            "reads": True,
            "lists": True,
            "query": checks.FILTERS | checks.PAGING,
        }
        uploaded: _Options = {"streams": True, "query": frozenset({"requestId", "file_name"})}
        rows: list[tuple[str, str, str, Handler, _Options]] = [
            ("list_tickets", "GET", ROOT, self.list_all, listed),
            ("create_ticket", "POST", ROOT, self.create, {}),
            ("categories", "GET", f"{ROOT}/categories", self.categories, _query("requestType")),
            ("get_ticket", "GET", one, self.get, read),
            ("update_ticket", "PUT", one, self.update, {}),
            ("cancel_ticket", "PUT", f"{one}/cancel", self.cancel, {}),
            ("add_comment", "POST", "/v1/comments", self.comment, {}),
            ("add_attachment", "POST", "/v1/attachments", self.attach, uploaded),
            ("accounts", "GET", "/v1/accounts", self.accounts, _query("defaultAccount")),
            ("sites", "GET", "/v1/sites", self.sites, read),
            ("locations", "GET", "/v1/locations", self.locations, _query("site")),
            (
                "notifications",
                "GET",
                "/v1/notifications",
                self.notifications,
                _query("type", "timestamp"),
            ),
        ]
        return [
            Operation(name=name, method=method, path=path, handler=guard(handler), **options)
            for name, method, path, handler, options in rows
        ]

    # --- lists and reads -------------------------------------------------------------------------

    async def list_all(self, call: Call) -> Answer:
        """Section 5.2."""
        account = self._account(call)
        given = checks.filters(call.request.query, self._settings)
        size, number = checks.paging(call.request.query, self._settings)
        found = [
            each
            for each in self._orders.all(call.seen_at)
            if each.account == account and _passes(each, given)
        ]
        self._sort(found)
        cut = found[number * size : (number + 1) * size]
        items = [self._views.list_item(each) for each in cut]
        return json_answer(self._views.page(items, total=len(found), size=size, number=number))

    async def get(self, call: Call) -> Answer:
        """Section 5.1."""
        return json_answer(self._views.detail(self._order(call, call.params["order_id"])))

    async def categories(self, call: Call) -> Answer:
        """Section 5.6."""
        self._account(call)
        name = checks.request_type(call.request.query, self._settings)
        return json_answer(self._views.categories([name] if name else [*self._settings.categories]))

    async def accounts(self, call: Call) -> Answer:
        """Section 8: needs no account headers."""
        default = call.request.query.get("defaultAccount", "false")
        if default not in ("true", "false"):
            raise Refusal(400, f"defaultAccount {default}", "section 8")
        accounts = self._settings.accounts
        shown = accounts[:1] if default == "true" else accounts
        return json_answer([self._views.account(each) for each in shown])

    async def sites(self, call: Call) -> Answer:
        """Section 8."""
        self._account(call)
        return json_answer([self._views.site(each) for each in self._settings.sites])

    async def locations(self, call: Call) -> Answer:
        """Section 8."""
        self._account(call)
        code = call.request.query.get("site")
        if not code:
            raise Refusal(400, "site is mandatory", "section 8")
        return json_answer(self._views.locations(self._site(code)))

    async def notifications(self, call: Call) -> Answer:
        """Section 8: the answer was never seen, so it holds nothing."""
        self._account(call)
        if not self._settings.notifications_allowed:
            raise Refusal(403, "the permission to read notifications is missing")
        return json_answer([])

    # --- writes ----------------------------------------------------------------------------------

    async def create(self, call: Call) -> Answer:
        """Section 5.3."""
        account = self._account(call)
        fields = checks.create_body(checks.json_object(call), self._settings)
        order = self._orders.create(account, fields, call.client(self._settings.client_name))
        return json_answer(self._views.created(order), self._settings.create_code)

    async def update(self, call: Call) -> Answer:
        """Section 5.4: the fields given change, the others stay."""
        order = self._open_order(call, call.params["order_id"])
        fields = checks.update_body(checks.json_object(call), self._settings)
        who = call.client(self._settings.client_name)
        return json_answer(self._views.detail(self._orders.update(order, fields, who)))

    async def cancel(self, call: Call) -> Answer:
        """Section 5.5: a second time the status forbids it."""
        order = self._open_order(call, call.params["order_id"])
        reason = checks.cancel_body(checks.json_object(call))
        who = call.client(self._settings.client_name)
        self._orders.set_status(order, "Cancelled", who, reason)
        return json_answer({"message": f"ServiceTicket '{order.id}' has been Cancelled"})

    async def comment(self, call: Call) -> Answer:
        """Section 8."""
        self._account(call)
        order_id, text = checks.comment_body(checks.json_object(call), self._settings)
        order = self._open_order(call, order_id)
        comment = self._orders.comment(order, text, call.client(self._settings.client_name))
        view = {
            "comment": comment.text,
            "commentedBy": comment.who.by,
            "commentedOn": vendor_date(comment.at),
        }
        return json_answer(view, self._settings.create_code)

    async def attach(self, call: Call) -> Answer:
        """Section 8: multipart/form-data with a part `file`, streamed to the spool."""
        query = call.request.query
        order_id, name = query.get("requestId", ""), query.get("file_name", "")
        if not order_id or not name:
            raise Refusal(400, "requestId and file_name are mandatory", "section 8")
        self._open_order(call, order_id)
        if call.request.content_type != "multipart/form-data":
            raise Refusal(415, f"content type {call.request.content_type}", "section 8")
        try:
            content_type, body = await self._file(call)
        except (ValueError, EOFError) as error:
            raise Refusal(400, f"multipart: {error}", "section 8") from error
        # Read again: people went on while the file was arriving.
        order = self._open_order(call, order_id)
        who = call.client(self._settings.client_name)
        self._orders.attach(order, name, content_type, body, who)
        return json_answer({"message": "Attachment added"}, self._settings.create_code)

    # --- below -----------------------------------------------------------------------------------

    async def _file(self, call: Call) -> tuple[str, StoredBody]:
        content_type, body = "", None
        async for part in await call.request.multipart():
            if not isinstance(part, BodyPartReader) or part.name != "file" or body is not None:
                raise Refusal(400, "one form field, `file`, is expected", "section 8")
            content_type = part.headers.get("Content-Type", "application/octet-stream")
            body = await self._stored(part)
        if body is None:
            raise Refusal(400, "file is mandatory", "section 8")
        return content_type, body

    async def _stored(self, part: BodyPartReader) -> StoredBody:
        writer = self._bodies.writer()
        limit = self._settings.attachment_max_bytes
        try:
            while piece := await part.read_chunk(PIECE_BYTES):
                if writer.size_bytes + len(piece) > limit:
                    raise Refusal(413, f"the file exceeds {limit} bytes")
                await writer.write(piece)
            return await writer.finish()
        except BaseException:
            writer.discard()
            raise

    def _account(self, call: Call) -> Account:
        headers = call.request.headers
        given = tuple(headers.get(name, "").strip() for name in ("Master-Account-Id", "Account-Id"))
        if not all(given):
            raise Refusal(403, "Master-Account-Id and Account-Id are mandatory", "section 2")
        for account in self._settings.accounts:
            if (account.master_account_id, account.account_id) == given:
                return account
        raise Refusal(403, "no access to this account")

    def _order(self, call: Call, order_id: str) -> Order:
        account = self._account(call)
        order = self._orders.get(order_id, call.seen_at)
        if order is None or order.account != account:
            raise Refusal(404, f"no ticket {order_id}")
        return order

    def _open_order(self, call: Call, order_id: str) -> Order:
        order = self._order(call, order_id)
        if order.status not in OPEN_STATUSES:
            code = self._settings.closed_code
            raise Refusal(code, f"not possible while the status is {order.status}")
        return order

    def _site(self, code: str) -> Site:
        for site in self._settings.sites:
            if site.code == code:
                return site
        raise Refusal(404, f"no site {code}")

    def _sort(self, orders: list[Order]) -> None:
        if self._settings.list_order == "newest":
            orders.reverse()
        elif self._settings.list_order == "updated":
            orders.sort(key=lambda each: (each.updated_at, each.serial), reverse=True)


def check_query(call: Call) -> None:
    """Refuse query parameters that the call does not have."""
    if call.operation is not None:
        checks.check_names(call.request.query, call.operation.query)


def _query(*names: str) -> _Options:
    return {"reads": True, "query": frozenset(names)}


def _passes(order: Order, given: dict[str, str]) -> bool:
    shown = order.fields | {"status": order.status, "createdBy": order.created_by.by}
    return all(shown[name] == wanted for name, wanted in given.items())
