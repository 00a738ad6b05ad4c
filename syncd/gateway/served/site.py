"""One served connection over HTTP: its paths, its callers, its calls."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl, unquote

import structlog
from aiohttp import web

from syncd.gateway.notify import RateLimit, Rejected
from syncd.gateway.served import contract
from syncd.gateway.served.callers import Denied, Guard, GuardParts
from syncd.gateway.served.contract import Asked, Refused, malformed
from syncd.gateway.served.files import Files
from syncd.gateway.served.openapi import document
from syncd.gateway.served.tokens import Caller
from syncd.gateway.serving import TooLarge, TooSlow, answer, read_body
from syncd.model.errors import SyncdError
from syncd.model.ids import ConnectionName
from syncd.ports.clock import Clock
from syncd.ports.offer import Offer
from syncd.ports.served import (
    Applied,
    KeyReused,
    NoServedTicket,
    ServedRequest,
    ServedTicket,
    ServedTickets,
)
from syncd.store.errors import StoreUnavailable

KEY_CHARS_MAX = 255
"""Longest Idempotency-Key."""
BIND_LOOK_S = 0.1
"""How often a vendor's number is looked for while a caller waits."""
OPENAPI_PATH = "/openapi.json"
"""Where the description of a connection's calls lies, below its prefix."""
QUIET_S = 60.0
"""Refusals of strangers are logged once in so many seconds for each status."""
OFFSET = 0
"""Stands among those statuses for an offset that nobody understands."""

_log = structlog.get_logger()


class ServedMetrics(Protocol):
    """What is told of every call."""

    def served(self, connection: str, call: str, code: str) -> None:
        """A call was answered."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteParts:
    """What a site works with.

    Attributes:
        tickets: where the tickets live.
        guard: what letting callers in needs.
        ring: wakes intake after a change was stored.
        metrics: told of every call.
        clock: time.
    """

    tickets: ServedTickets
    guard: GuardParts
    ring: Callable[[], None]
    metrics: ServedMetrics
    clock: Clock


@dataclass(frozen=True, slots=True)
class _Call:
    """A call: its name, for people and metrics, and what carries it out."""

    name: str
    run: Callable[[web.Request, Caller], Awaitable[web.StreamResponse]]


class Site:
    """The calls of one connection."""

    def __init__(self, connection: ConnectionName, offer: Offer, parts: SiteParts) -> None:
        """Serve nobody yet.

        Args:
            connection: under which the tickets stand.
            offer: what is offered.
            parts: what to work with.
        """
        self.offer = offer
        self._connection = connection
        self._parts = parts
        self._guard = Guard(connection, offer.realms, parts.guard)
        limits = offer.limits
        self._rate = RateLimit(clock=parts.clock, per_s=limits.requests_per_s, burst=limits.burst)
        self._files = Files(connection, offer, parts.tickets, parts.ring)
        self._logged_s: dict[int, float] = {}
        self._document = document(offer)

    async def handle(self, request: web.Request, path: str) -> web.StreamResponse:
        """Answer a request.

        Args:
            request: whatever it is.
            path: its path below the prefix, still quoted.
        """
        name = "unknown"
        try:
            caller = await self._guard.let_in(request.headers.getall("Authorization", []))
            self._take_turn(caller)
            call = self._find(request, path)
            name = call.name
            async with asyncio.timeout(self.offer.limits.request_s + self._patience_s(name)):
                done = await call.run(request, caller)
        except Denied as err:
            return self._denied(err, request)
        except Exception as err:  # noqa: BLE001 - every way to fail has an answer
            return self._told(name, self._refusal_of(err, name))
        self._parts.metrics.served(self._connection, name, "200")
        return done

    def _refusal_of(self, err: Exception, call: str) -> Refused:
        """Say what is answered where a call failed; what nobody foresaw is told the log."""
        match err:
            case Refused():
                return err
            case TimeoutError():
                return Refused("504", "not done in time; ask again", http=503)
            case TooSlow():
                return Refused("408", "the body did not come in time", http=408)
            case TooLarge():
                return Refused("413", "the body is larger than allowed", http=413)
            case KeyReused():
                return Refused("409", str(err))
            case NoServedTicket():
                return Refused("404", "there is no such ticket")
        _log.error(
            "gateway.served_failed", connection=self._connection, call=call, error=str(err),
            exc_info=None if isinstance(err, StoreUnavailable) else err,
        )  # fmt: skip
        if isinstance(err, SyncdError):
            return Refused("503", "not stored: send it again", http=503)
        return Refused("500", "internal error; the log has it", http=500)

    def _find(self, request: web.Request, path: str) -> _Call:
        """Find what is called.

        Raises:
            Refused: nothing is, or not so.
        """
        offer = self.offer
        calls: Mapping[str, Mapping[str, _Call]] = {
            offer.create_path: {"POST": _Call("create", self._create)},
            offer.update_path: {"POST": _Call("update", self._update)},
            offer.details_path: {
                "GET": _Call("details", self._details),
                "POST": _Call("details", self._details),
            },
            OPENAPI_PATH: {"GET": _Call("openapi", self._openapi)},
        }
        methods = calls.get(unquote(path))
        if methods is None:
            found = self._files.find(path)
            if found is None:
                raise Refused("404", "there is no such path", http=404)
            methods = {method: _Call(*each) for method, each in found.items()}
        if request.method not in methods:
            allow = ", ".join(sorted(methods))
            raise Refused("405", f"this path takes {allow}", http=405, allow=allow)
        return methods[request.method]

    def _take_turn(self, caller: Caller) -> None:
        try:
            self._rate.take(caller.id)
        except Rejected as err:
            raise Denied(429, "too many requests", retry_after_s=err.retry_after_s) from None

    def _patience_s(self, call: str) -> float:
        return self.offer.bind_wait_s if call == "create" else self._files.patience_s(call)

    # --- the three calls -------------------------------------------------------------------------

    async def _create(self, request: web.Request, caller: Caller) -> web.Response:
        asked = await self._asked(request)
        if not asked.ticket_json:
            raise malformed("ticketJSON is missing or empty")
        change = contract.change_of(asked, self.offer, by=caller.name, is_create=True)
        wanted = self._request(request, caller, contract.fingerprint("create", asked.ticket_json))
        applied = await self._parts.tickets.create(wanted, change)
        self._done("create", applied, caller)
        ticket = await self._bound(applied.ticket)
        return self._success(ticket, asked, "created")

    async def _update(self, request: web.Request, caller: Caller) -> web.Response:
        asked = await self._asked(request)
        if not asked.sys_id:
            raise malformed("sysId is missing")
        change = contract.change_of(asked, self.offer, by=caller.name, is_create=False)
        found = await self._parts.tickets.find(self._connection, sys_id=asked.sys_id)
        if found is None:
            raise Refused("404", "there is no such ticket")
        mark = contract.fingerprint("update", found.sys_id, asked.ticket_json)
        wanted = self._request(request, caller, mark)
        applied = await self._parts.tickets.update(wanted, found.sys_id, change)
        self._done("update", applied, caller)
        return self._success(applied.ticket, asked, "updated")

    async def _details(self, request: web.Request, _caller: Caller) -> web.Response:
        query = contract.from_query(_query(request))
        asked = await self._asked(request, query)
        if not asked.number:
            raise malformed("ticketNumber is missing")
        found = await self._parts.tickets.find(self._connection, number=asked.number)
        if found is None:
            raise Refused("404", "there is no such ticket")
        return self._success(found, asked, "found")

    async def _openapi(self, _request: web.Request, _caller: Caller) -> web.Response:
        return answer(200, self._document)

    # --- below -----------------------------------------------------------------------------------

    async def _asked(
        self, request: web.Request, query: Mapping[str, object] | None = None
    ) -> Asked:
        """Read and check a request; a fetch may stand in the query alone (O1)."""
        limits = self.offer.limits
        body = await read_body(request, limits.body_bytes) if request.body_exists else b""
        if "Content-Encoding" in request.headers:
            raise Refused("415", "the body is not compressed", http=415)
        if (body or query is None) and not _is_json(request):
            raise Refused("415", "the body is application/json", http=415)
        told = contract.parse_body(body) if body or not query else {}
        asked = contract.asked(contract.joined(told, query or {}), limits)
        if asked.offset is None and self._is_news(OFFSET):
            _log.info(
                "gateway.offset_ignored", connection=self._connection,
                detail="an itsmTimeZoneOffset is none; times without a zone are refused with it",
            )  # fmt: skip
        return asked

    def _is_news(self, what: int) -> bool:
        """Whether something is logged again: not before a while has passed."""
        now_s = self._parts.clock.monotonic_s()
        is_news = now_s - self._logged_s.get(what, -QUIET_S) >= QUIET_S
        if is_news:
            self._logged_s[what] = now_s
        return is_news

    def _request(self, request: web.Request, caller: Caller, fingerprint: str) -> ServedRequest:
        return ServedRequest(
            connection=self._connection,
            caller=caller.id,
            fingerprint=fingerprint,
            key=idempotency_key(request),
            window_s=self.offer.duplicate_window_s,
            source=request.remote or "",
        )

    def _done(self, call: str, applied: Applied, caller: Caller) -> None:
        if not applied.is_repeat:
            self._parts.ring()
        _log.info(
            "gateway.served", connection=self._connection, call=call, caller=caller.name,
            ticket=applied.ticket.number, repeated=applied.is_repeat,
        )  # fmt: skip

    async def _bound(self, ticket: ServedTicket) -> ServedTicket:
        """Wait, not for ever, until the vendor's number is known, and tell it instead of ours."""
        key, clock = self.offer.bind_key, self._parts.clock
        if not key or ticket.shown_number != ticket.number:
            return ticket
        until_s = clock.monotonic_s() + self.offer.bind_wait_s
        while True:
            number = ticket.fields.get(key, "")
            if number:
                return await self._parts.tickets.show_as(self._connection, ticket.sys_id, number)
            if clock.monotonic_s() >= until_s:
                return ticket
            await clock.sleep(BIND_LOOK_S)
            found = await self._parts.tickets.find(self._connection, sys_id=ticket.sys_id)
            ticket = found or ticket

    def _success(self, ticket: ServedTicket, asked: Asked, message: str) -> web.Response:
        now = self._parts.clock.now()
        details = contract.details_of(ticket, asked.names, self.offer, now=now)
        return answer(200, contract.envelope("200", message, details))

    def _told(self, call: str, err: Refused) -> web.Response:
        self._parts.metrics.served(self._connection, call, err.code)
        status = err.http or (int(err.code) if self.offer.mirror_status else 200)
        headers = {"Allow": err.allow} if err.allow else {}
        if status == 503:
            headers["Retry-After"] = "5"
        if status in {408, 413}:
            headers["Connection"] = "close"
        return answer(status, contract.envelope(err.code, err.message), headers)

    def _denied(self, err: Denied, request: web.Request) -> web.Response:
        self._parts.metrics.served(self._connection, "denied", str(err.status))
        if self._is_news(err.status):
            _log.warning(
                "gateway.caller_denied", connection=self._connection, status=err.status,
                reason=err.reason, remote=request.remote,
            )  # fmt: skip
        headers = {"Connection": "close"} if request.body_exists else {}
        if err.status in {401, 403}:
            headers["WWW-Authenticate"] = _challenge(err)
        if err.retry_after_s is not None:
            headers["Retry-After"] = str(max(1, round(err.retry_after_s)))
        return answer(err.status, contract.envelope(str(err.status), err.reason), headers)


def idempotency_key(request: web.Request) -> str:
    """Give the digest of a request's Idempotency-Key; empty: it has none.

    Raises:
        Refused: it is none, or there are two.
    """
    keys = request.headers.getall("Idempotency-Key", [])
    if not keys:
        return ""
    if len(keys) > 1 or not 0 < len(keys[0]) <= KEY_CHARS_MAX:
        raise malformed(f"an Idempotency-Key has 1 to {KEY_CHARS_MAX} characters, and comes once")
    return hashlib.sha256(keys[0].encode("utf-8", "surrogateescape")).hexdigest()


def _challenge(err: Denied) -> str:
    """Say what is asked for (RFC 6750)."""
    if err.status == 403:
        return 'Bearer realm="syncd", error="insufficient_scope"'
    return 'Bearer realm="syncd"' + (', error="invalid_token"' if err.had_token else "")


def _is_json(request: web.Request) -> bool:
    if "Content-Type" not in request.headers:
        return request.method == "GET"
    kind = request.content_type
    return kind == "application/json" or kind.endswith("+json")


def _query(request: web.Request) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            request.rel_url.raw_query_string, keep_blank_values=True, errors="strict",
            max_num_fields=500,
        )  # fmt: skip
    except ValueError:
        raise malformed("the query is not text") from None


class Sites:
    """All served connections, found by path; a reload swaps them."""

    def __init__(self, parts: SiteParts) -> None:
        """Serve none yet."""
        self._parts = parts
        self._sites: dict[str, tuple[ConnectionName, Site]] = {}

    def offer(self, offers: Mapping[ConnectionName, Offer]) -> None:
        """Serve these from now on; what did not change keeps its callers and their turns."""
        before = self._sites
        made: dict[str, tuple[ConnectionName, Site]] = {}
        for name, offer in offers.items():
            known = before.get(offer.prefix)
            if known is not None and known[0] == name and known[1].offer == offer:
                made[offer.prefix] = known
            else:
                made[offer.prefix] = (name, Site(name, offer, self._parts))
        self._sites = made

    async def handle(self, request: web.Request) -> web.StreamResponse | None:
        """Answer a request below one of the prefixes; None: it is below none."""
        path = request.rel_url.raw_path
        for prefix, (_, site) in self._sites.items():
            if path == prefix or path.startswith(f"{prefix}/"):
                return await site.handle(request, path.removeprefix(prefix))
        return None


__all__ = ["Site", "SiteParts", "Sites", "idempotency_key"]
