"""The HTTP port: served connections, notifications, health, metrics."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from syncd.gateway.health import Health, HealthReport
from syncd.gateway.metrics import Metrics, StoreSample
from syncd.gateway.notify import (
    BODY_BYTES_MAX,
    Doorkeeper,
    Notification,
    RateLimit,
    Rejected,
    parse,
)
from syncd.gateway.served.callers import GuardParts
from syncd.gateway.served.site import SiteParts, Sites
from syncd.gateway.serving import TooLarge, TooSlow, answer, read_body, refusal, serving, tcp_socket
from syncd.model.ids import ConnectionName
from syncd.model.secret import Secret
from syncd.ports.clock import Clock
from syncd.ports.offer import Offer
from syncd.ports.served import CredentialStore, ServedTickets
from syncd.store.errors import StoreUnavailable
from syncd.transport.pool import ClientPool

SAMPLE_S = 5.0
"""Seconds a scrape waits for the store."""
QUIET_S = 60.0
"""Refused notifications are logged once in so many seconds for each connection and status."""
READY_S = 5.0
"""Seconds the readiness checks have together."""

_log = structlog.get_logger()


class Inbox(Protocol):
    """Where notifications are stored."""

    async def put(self, connection: str, numbers: tuple[str, ...], *, received_from: str) -> None:
        """Commit them; returns only when they are safe."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """What the HTTP port needs to know of the configuration.

    Attributes:
        host, port: where it listens; port 0 takes any.
        tokens: connection -> the token its notifications carry.
        connections: all connections there are.
        offers: connections that are served, and what they offer.
        port_file: where the actual port is written, for those who start us; None: nowhere.
    """

    host: str = "127.0.0.1"
    port: int = 8470
    tokens: Mapping[str, Secret]
    connections: frozenset[str]
    offers: Mapping[ConnectionName, Offer] = field(default_factory=dict)
    port_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedParts:
    """What served connections work with.

    Attributes:
        tickets: where their tickets live.
        credentials: keeps offline tokens' successors.
        pool: whose sessions reach the issuers of tokens.
    """

    tickets: ServedTickets
    credentials: CredentialStore
    pool: ClientPool


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayParts:
    """What the HTTP port works with.

    Attributes:
        inbox: stores notifications.
        ring: wakes intake after one was stored.
        sample: asks the store what a scrape shows.
        health, metrics: what app and the services told.
        clock: where time comes from.
        served: what served connections work with; None: none is served.
    """

    inbox: Inbox
    ring: Callable[[], None]
    sample: Callable[[], Awaitable[StoreSample]]
    health: Health
    metrics: Metrics
    clock: Clock
    served: ServedParts | None = None


class Gateway:
    """The HTTP port."""

    def __init__(self, options: GatewayOptions, parts: GatewayParts) -> None:
        """Open nothing yet."""
        self._options = options
        self._parts = parts
        self._doorkeeper = Doorkeeper(options.tokens, options.connections)
        self._connections = options.connections
        self._rate = RateLimit(clock=parts.clock)
        self._logged_s: dict[tuple[str, int], float] = {}
        self._scrape = asyncio.Lock()
        self._sites = self._make_sites()
        self.port = 0

    def _make_sites(self) -> Sites | None:
        parts, served = self._parts, self._parts.served
        if served is None:
            return None
        guard = GuardParts(pool=served.pool, credentials=served.credentials, clock=parts.clock)
        sites = Sites(
            SiteParts(
                tickets=served.tickets, guard=guard, ring=parts.ring, metrics=parts.metrics,
                clock=parts.clock,
            )
        )  # fmt: skip
        sites.offer(self._options.offers)
        return sites

    def reload(
        self,
        tokens: Mapping[str, Secret],
        connections: frozenset[str],
        offers: Mapping[ConnectionName, Offer] | None = None,
    ) -> None:
        """Take new tokens, connections and offers; the address stays until a restart."""
        self._doorkeeper = Doorkeeper(tokens, connections)
        self._connections = connections
        if self._sites is not None:
            self._sites.offer(offers or {})

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Listen for as long as the block lasts.

        Raises:
            OSError: the address cannot be used.
        """
        bound = tcp_socket(self._options.host, self._options.port)
        self.port = bound.getsockname()[1]
        async with serving(self._application(), bound):
            if self._options.port_file is not None:
                write_whole(self._options.port_file, f"{self.port}\n")
            _log.info("gateway.listening", host=self._options.host, port=self.port)
            yield

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._to_sites])
        application.router.add_get("/-/healthy", self._healthy)
        application.router.add_get("/-/ready", self._ready)
        application.router.add_get("/metrics", self._metrics)
        application.router.add_post("/notify/{connection}", self._notify)
        return application

    @web.middleware
    async def _to_sites(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Hand on what lies below a served prefix: a router cannot be changed by a reload."""
        done = await self._sites.handle(request) if self._sites is not None else None
        return done if done is not None else await handler(request)

    async def _healthy(self, _request: web.Request) -> web.Response:
        return _reported("healthy", self._parts.health.alive())

    async def _ready(self, _request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(READY_S):
                report = await self._parts.health.ready()
        except TimeoutError:
            report = HealthReport(problems=(f"store: no answer within {READY_S:.0f} s",))
        return _reported("ready", report)

    async def _metrics(self, _request: web.Request) -> web.Response:
        async with self._scrape:
            page = self._parts.metrics.render(await self._sample())
        return web.Response(
            body=page, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    async def _sample(self) -> StoreSample | None:
        try:
            async with asyncio.timeout(SAMPLE_S):
                return await self._parts.sample()
        except Exception as err:  # noqa: BLE001 - a scrape shows what else there is
            _log.warning("gateway.sample_failed", error=err)
            return None

    async def _notify(self, request: web.Request) -> web.Response:
        connection = request.match_info["connection"]
        try:
            notification = await self._accepted(connection, request)
            await self._stored(connection, notification, request.remote or "")
        except Rejected as err:
            self._say_rejected(connection, err, request.remote)
            return _rejection(err)
        self._parts.metrics.notified(connection, 202)
        self._parts.ring()
        _log.info(
            "gateway.notified", connection=connection, numbers=len(notification.numbers),
            remote=request.remote,
        )  # fmt: skip
        return answer(202, {"accepted": len(notification.numbers)})

    async def _accepted(self, connection: str, request: web.Request) -> Notification:
        self._doorkeeper.check(connection, request.headers.get("Authorization"))
        self._rate.take(connection)
        if request.content_type != "application/json" or "Content-Encoding" in request.headers:
            raise Rejected(415, "the body is application/json, not compressed")
        try:
            body = await read_body(request, BODY_BYTES_MAX)
        except TooLarge:
            raise Rejected(413, f"the body has at most {BODY_BYTES_MAX} bytes") from None
        except TooSlow:
            raise Rejected(408, "the body did not come in time") from None
        return parse(body)

    async def _stored(self, connection: str, notification: Notification, remote: str) -> None:
        try:
            await self._parts.inbox.put(connection, notification.numbers, received_from=remote)
        except Exception as err:
            _log.error(
                "gateway.notification_not_stored", connection=connection, error=str(err),
                exc_info=None if isinstance(err, StoreUnavailable) else err,
            )  # fmt: skip
            text = "not stored: send it again"
            raise Rejected(503, text, retry_after_s=30) from err

    def _say_rejected(self, connection: str, err: Rejected, remote: str | None) -> None:
        self._parts.metrics.notified(connection, err.status)
        now_s = self._parts.clock.monotonic_s()
        # A stranger chooses the name: only those that exist are told apart.
        known = connection if connection in self._connections else ""
        last_s = self._logged_s.get((known, err.status))
        if last_s is None or now_s - last_s >= QUIET_S:
            self._logged_s[known, err.status] = now_s
            _log.warning(
                "gateway.notification_rejected", connection=connection, status=err.status,
                reason=err.reason, remote=remote,
            )  # fmt: skip


def write_whole(path: Path, text: str) -> None:
    """Write a file at once: whoever sees it sees all of it."""
    partial = path.with_name(f".{path.name}.new")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _reported(word: str, report: HealthReport) -> web.Response:
    status = 200 if report.is_good else 503
    return answer(status, {word: report.is_good, "reasons": list(report.problems)})


def _rejection(err: Rejected) -> web.Response:
    headers = {}
    if err.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="syncd"'
    if err.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, round(err.retry_after_s)))
    if err.status in {408, 413}:
        headers["Connection"] = "close"
    return refusal(err.status, err.reason, headers)
