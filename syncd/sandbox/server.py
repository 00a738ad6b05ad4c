"""The part all sandboxes share: receive, record, misbehave as told, and let people act.

A request passes: look up → fault before → bearer token → the vendor's handler → fault after →
record. Everything a handler changes happens without an await in between, so the order of the
record is the order of events.
"""

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from syncd.sandbox.bodies import Bodies
from syncd.sandbox.calls import (
    Answer,
    Call,
    CallTable,
    Handler,
    Operation,
    Refusal,
    Refused,
    target_of,
)
from syncd.sandbox.chance import Chance
from syncd.sandbox.clock import SandboxClock, pause
from syncd.sandbox.control import Control
from syncd.sandbox.faults import EVERYWHERE, Fault, FaultKind, Faults
from syncd.sandbox.record import CLIENT, Event, Record, body_names, shown_headers
from syncd.sandbox.tokens import TokenBook, TokenState

BODY_MAX_BYTES = 8 * 1024 * 1024
"""Largest body of a call that is not streamed."""

QUOTED_CHARS_MAX = 700
"""How much of itself a refused request reads back."""
GARBAGE_PAGE = (
    b"<!DOCTYPE html><html><head><title>Service</title></head>"
    b"<body><h1>Welcome</h1><p>Please sign in to continue.</p></body></html>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """What every sandbox can be told.

    Args:
        seed: makes ids, oddities, tokens and faults repeatable.
        clock: the time of this world; None runs with the real time.
        rate_limit_per_s: requests a second allowed, beyond which 429 is answered; None no limit.
        rate_limit_burst: requests allowed at once on top of an idle second.
        read_lag_s: how old a state reads by id show, in seconds.
        spool_dir: where large attachments go; None makes a temporary directory.
        token_lifetime_s: seconds an access token is good for.
        access_tokens: bearer tokens good for ever, given out by other means.
    """

    seed: int = 0
    clock: SandboxClock | None = None
    rate_limit_per_s: float | None = None
    rate_limit_burst: int = 10
    read_lag_s: float = 0.0
    spool_dir: Path | None = None
    token_lifetime_s: float = 3600.0
    access_tokens: tuple[str, ...] = ()


class Sandbox(ABC):
    """A vendor's HTTP, simulated from its document.

    Attributes:
        clock: the time of this world.
        record: everything received and done.
        faults: what goes wrong, by rule and by rate.
        tokens: access tokens given out.
    """

    def __init__(
        self,
        settings: SandboxSettings,
        fault_kinds: Collection[FaultKind] = EVERYWHERE,
    ) -> None:
        self.clock = settings.clock or SandboxClock()
        self.record = Record(self.clock)
        self.bodies = Bodies(settings.spool_dir)
        self.chance = Chance(settings.seed, "world")
        self.tokens = TokenBook(
            self.clock,
            Chance(settings.seed, "tokens"),
            settings.token_lifetime_s,
            settings.access_tokens,
        )
        self.base_url = ""
        self.table = CallTable(self.build())
        self.faults = Faults(settings.seed, fault_kinds, self.table.names)
        self._limit = _Limit(self.clock, settings.rate_limit_per_s, settings.rate_limit_burst)
        self._read_lag_s = settings.read_lag_s
        self._numbers = 0
        self._runner: web.AppRunner | None = None
        self._app: web.Application | None = None

    # --- life ------------------------------------------------------------------------------------

    @property
    def app(self) -> web.Application:
        """The aiohttp application, made once."""
        if self._app is None:
            self._app = web.Application(client_max_size=BODY_MAX_BYTES)
            self._app.router.add_route("*", "/{tail:.*}", self._receive)
        return self._app

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen, on any free port when `port` is 0, and return the base URL without a slash."""
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError:
            await self.stop()
            raise
        bound = self._runner.addresses[0]
        self.base_url = f"http://{host}:{bound[1]}"
        return self.base_url

    async def stop(self) -> None:
        """Close the port and every connection, and remove what was spooled."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            self._app = None
        self.bodies.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- what can be asked of it -----------------------------------------------------------------

    @property
    def violations(self) -> list[Event]:
        """Requests that broke the document: seq, at, request, operation, rule, detail."""
        return self.record.violations

    @property
    def operations(self) -> list[str]:
        """Names of the calls, as faults and the record use them."""
        return self.table.names

    def set_faults(self, rates: Mapping[str, float], only: Collection[str] | None = None) -> None:
        """Replace the fault rates; `faults` has the rules."""
        self.faults.rates(rates, only)

    @abstractmethod
    def tickets(self) -> list[dict[str, Any]]:
        """Return every ticket as it is now, comments and attachments included."""

    @property
    @abstractmethod
    def acts(self) -> dict[str, Callable[..., Any]]:
        """What people here can do, by the name the control interface uses."""

    # --- what a vendor fills in ------------------------------------------------------------------

    @abstractmethod
    def build(self) -> Sequence[Operation]:
        """Make the vendor's state and return its calls; runs once, clock and record are there."""

    @abstractmethod
    def refuse_path(self, call: Call) -> Answer:
        """Answer a path or method that the document does not have."""

    @abstractmethod
    def refuse_token(self, call: Call, state: TokenState | None) -> Answer:
        """Answer a missing (None), unknown or expired bearer token."""

    @abstractmethod
    def refuse_rate(self, call: Call) -> Answer:
        """Answer a request above the limit; `Retry-After` is added here."""

    @abstractmethod
    def refuse_size(self, call: Call) -> Answer:
        """Answer a body above the limit."""

    @abstractmethod
    def fail(self, call: Call, status: int) -> Answer:
        """Answer the vendor's own failure."""

    @abstractmethod
    def drift(self, call: Call) -> None:
        """Let a person do something that shifts the pages of this list."""

    def fail_inside(self, call: Call, status: int) -> Answer:
        """Answer a failure inside a successful HTTP answer, where the vendor has such."""
        return self.fail(call, status)

    def settled_at(self, call: Call) -> datetime | None:
        """Return the instant whose state this read shows; None for now."""
        return call.look_back(self.clock.now(), self._read_lag_s)

    def credential(self, request: web.Request) -> str | None:
        """Return what a request shows to be let in: a bearer token, unless the vendor differs."""
        return _bearer(request)

    def credential_state(self, credential: str) -> TokenState:
        """Say what it is worth now."""
        return self.tokens.state(credential)

    # --- one request -----------------------------------------------------------------------------

    async def _receive(self, request: web.Request) -> Answer:
        if request.path.startswith("/_control/"):
            return await Control(self).answer(request)
        self._numbers += 1
        operation, params = self.table.find(request.method, request.path)
        call = Call(request=request, number=self._numbers, operation=operation, params=params)
        if operation is not None:
            call.fault = self.faults.choose(target_of(call))
        try:
            answer = await self._answered(call)
        except Refused as refused:
            await _drain(request)
            answer = refused.answer
        except web.HTTPRequestEntityTooLarge:
            answer = self.refuse_size(call)
        except (ConnectionError, web.RequestPayloadError):
            # The client went away while sending, or was waited for: nothing happened.
            call.is_lost = True
            answer = web.Response()
        self._note(call, answer)
        if call.is_lost:
            _drop(request, reset=call.has(FaultKind.RESET_BEFORE))
        return answer

    async def _answered(self, call: Call) -> Answer:
        if call.has(FaultKind.RESET_BEFORE):
            call.is_lost = True
            return web.Response()
        operation = call.operation
        if operation is None or not operation.streams:
            call.body = await call.request.read()
        if operation is None:
            self.violation(call, "paths", f"{call.request.method} {call.request.path}")
            return self.refuse_path(call)
        await self._before(call)
        if not operation.is_open:
            self._check_token(call)
        call.seen_at = self.settled_at(call) if operation.reads else None
        answer = await operation.handler(call)
        return await self._after(call, answer)

    async def _before(self, call: Call) -> None:
        fault = call.fault
        if not self._limit.admits():
            raise Refused(self._too_many(call, 1.0))
        if fault is None:
            return
        if fault.kind is FaultKind.RATE_LIMITED:
            raise Refused(self._too_many(call, fault.retry_after_s))
        if fault.kind is FaultKind.ERROR_BEFORE:
            raise Refused(self._failed(call, fault))
        if fault.kind is FaultKind.ENVELOPE_BEFORE:
            raise Refused(self.fail_inside(call, fault.status))
        if fault.kind is FaultKind.EXPIRED_TOKEN:
            self.tokens.expire(self.credential(call.request) or "")
        if fault.kind is FaultKind.SLOW and fault.before_effect:
            await pause(fault.delay_s)
            if fault.unless_gone and _is_gone(call.request):
                raise ConnectionResetError("the client went away before anything was done")

    async def _after(self, call: Call, answer: Answer) -> Answer:
        fault = call.fault
        if fault is None:
            return answer
        if fault.kind is FaultKind.PAGE_DRIFT:
            self.drift(call)
        elif fault.kind is FaultKind.SLOW and not fault.before_effect:
            await pause(fault.delay_s)
        elif fault.kind is FaultKind.LOST_ANSWER:
            call.is_lost = True
        elif fault.kind is FaultKind.ERROR_AFTER:
            return self._failed(call, fault)
        elif fault.kind is FaultKind.ENVELOPE_AFTER:
            return self.fail_inside(call, fault.status)
        elif fault.kind is FaultKind.GARBAGE:
            return await _garbage(answer, fault.body)
        return answer

    def _failed(self, call: Call, fault: Fault) -> Answer:
        is_quoting = fault.body == "quote"
        return _quote(call, fault.status) if is_quoting else self.fail(call, fault.status)

    def _check_token(self, call: Call) -> None:
        token = self.credential(call.request)
        if token is None:
            self.violation(call, "authentication", "no credential")
            raise Refused(self.refuse_token(call, None))
        state = self.credential_state(token)
        if state is not TokenState.VALID:
            raise Refused(self.refuse_token(call, state))

    def _too_many(self, call: Call, retry_after_s: float | None) -> Answer:
        answer = self.refuse_rate(call)
        if retry_after_s is not None:
            answer.headers["Retry-After"] = f"{max(0, round(retry_after_s))}"
        return answer

    def guarded(
        self, handler: Handler, check: Callable[[Call], None], shape: Callable[[Call], int]
    ) -> Handler:
        """Put refusals of a call into the vendor's words, and note the rule that was broken.

        Args:
            handler: what carries the call out.
            check: looks at the call before.
            shape: says in which of its shapes an error comes.
        """

        async def answered(call: Call) -> Answer:
            try:
                check(call)
                return await handler(call)
            except Refusal as refusal:
                if refusal.rule is not None:
                    self.violation(call, refusal.rule, refusal.detail)
                raise Refused(refusal.answer(shape(call))) from refusal

        return answered

    def person_locks_login(self, is_locked: bool = True) -> None:
        """Refuse every login and end every token, as after a secret was changed."""
        self.tokens.lock(is_locked)

    def violation(self, call: Call, rule: str, detail: str) -> None:
        """Note that this request broke the document; `rule` names the section."""
        self.record.violation(call.number, call.name, rule, detail)

    def _note(self, call: Call, answer: Answer) -> None:
        request = call.request
        self.record.add(
            "request",
            actor=CLIENT,
            request=call.number,
            operation=call.name,
            method=request.method,
            path=request.path,
            query=[[name, value] for name, value in request.query.items()],
            headers=shown_headers(request.headers),
            body_bytes=len(call.body) or request.content_length or 0,
            body_sha256=hashlib.sha256(call.body).hexdigest() if call.body else None,
            body_names=body_names(request.content_type, call.body),
            status=None if call.is_lost else answer.status,
            fault=call.fault.kind.value if call.fault else None,
        )


class _Limit:
    """A token bucket in the sandbox's time."""

    def __init__(self, clock: SandboxClock, per_s: float | None, burst: int) -> None:
        self._clock = clock
        self._per_s = per_s
        self._burst = float(burst)
        self._left = float(burst)
        self._at = clock.now()

    def admits(self) -> bool:
        if self._per_s is None:
            return True
        now = self._clock.now()
        gained = (now - self._at).total_seconds() * self._per_s
        self._left = min(self._burst, self._left + max(0.0, gained))
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def _quote(call: Call, status: int) -> Answer:
    """Refuse a request and repeat it, login and all, as careless servers do."""
    headers = " ".join(f"{name}: {value}" for name, value in call.request.headers.items())
    said = f"cannot do {call.request.path_qs} {headers} {call.body[:400]!r}"[:QUOTED_CHARS_MAX]
    named = {"message": said, "statusCode": str(status), "statusMessage": said}
    return web.json_response(named, status=status)


async def _garbage(answer: Answer, body: str) -> Answer:
    if body == "html":
        return web.Response(body=GARBAGE_PAGE, content_type="text/html")
    whole = answer.body if isinstance(answer, web.Response) else b""
    sent = bytes(whole) if isinstance(whole, bytes | bytearray) else b""
    cut = sent[: max(1, len(sent) // 2)] or b'{"'
    return web.Response(body=cut, content_type=answer.content_type)


async def _drain(request: web.Request) -> None:
    """Read what the client still sends, so that it can read the refusal; nothing is kept."""
    try:
        async for _ in request.content.iter_chunked(1024 * 1024):
            pass
    except (web.HTTPRequestEntityTooLarge, ConnectionError, asyncio.IncompleteReadError):
        return


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _drop(request: web.Request, *, reset: bool) -> None:
    transport = request.transport
    if transport is None:
        return
    if reset:
        transport.abort()
    else:
        transport.close()


def _bearer(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None
