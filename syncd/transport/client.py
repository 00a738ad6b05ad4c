"""HttpTransport: reads repeated, writes sent once, everything classified (DESIGN R3, R11)."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from yarl import URL

from syncd.model.errors import ensure
from syncd.model.secret import Secret
from syncd.ports.clock import Clock, IdSource
from syncd.ports.errors import (
    CircuitOpen,
    CredentialsRejected,
    OddAnswer,
    OutcomeUnknown,
    RateLimited,
    RemoteContext,
    RemoteError,
    TokenRejected,
    Unreachable,
)
from syncd.ports.leaving import MAY_LEAVE
from syncd.transport.auth import Grant, NoAuth, TokenSource
from syncd.transport.budget import Budget, TurnTooFar
from syncd.transport.classify import (
    Verdict,
    is_about_token,
    request_id,
    retry_after_s,
    settle_reader_error,
    status_error,
    token_error,
)
from syncd.transport.exchange import Body, ExchangeFailed, LiveAnswer, send
from syncd.transport.interface import ErrorReader
from syncd.transport.multipart import MultipartBody
from syncd.transport.options import TransportOptions
from syncd.transport.outgoing import Outgoing, base_of, fixed_headers, prepare
from syncd.transport.pool import ClientPool
from syncd.transport.redact import hidden, scrub, snippet
from syncd.transport.request import Answer, Request, StreamedAnswer
from syncd.transport.wirelog import Exchange, NoWireLog, WireLog

READ_TRIES_MAX = 4
"""Sends of one read, the first included; redirects and a token's renewal do not count."""
RETRY_FIRST_S = 0.5
"""Upper bound of the first wait between a read's tries; doubled each time, with full jitter."""
RETRY_MAX_S = 10.0
"""Largest such bound, in seconds."""
RETRY_AFTER_WAIT_MAX_S = 30.0
"""Longest Retry-After a read sits out by itself, in seconds; a longer one is the caller's."""
PAUSE_DEFAULT_S = 1.0
"""Pause of everybody after a 429 that does not say how long, in seconds."""
REDIRECTS_MAX = 5
"""Redirects followed by one read."""
ERROR_BYTES_MAX = 64 * 1024
"""How much of an error's body a provider's table gets to see."""
BOUNDARY_CHARS = 32
"""Random characters between the parts of a multipart form."""
LOCATION_CHARS_MAX = 200
"""How much of a refused Location is told."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

Result = TypeVar("Result")


@dataclass(slots=True)
class _Call:
    """One read, write or stream on its way; changed as it goes.

    Attributes:
        serial: newest token when it began: what is newer was fetched for it (R3, 401).
        attempt: sends so far.
        healthy: what it told about the vendor: True it lives, False it is broken, None nothing.
        pause_s: how long the vendor asked all calls to wait; None: it did not.
    """

    request: Request
    outgoing: Outgoing
    is_write: bool
    is_stream: bool
    body_bytes_max: int
    serial: int
    asked_s: float
    attempt: int = 0
    healthy: bool | None = None
    trouble: str = ""
    pause_s: float | None = None
    grant: Grant = field(default_factory=Grant)


@dataclass(slots=True)
class _Note:
    """What the wire log is told at the end of one exchange."""

    outgoing: Outgoing
    started_s: float
    live: LiveAnswer | None = None
    body: bytes = b""
    received_bytes: int = 0
    outcome: str = "Cancelled"
    detail: str = ""


class HttpTransport:
    """The Transport of one connection."""

    def __init__(
        self,
        options: TransportOptions,
        *,
        pool: ClientPool,
        budget: Budget,
        clock: Clock,
        ids: IdSource,
        auth: TokenSource | None = None,
        errors: ErrorReader | None = None,
        log: WireLog | None = None,
    ) -> None:
        """Build it on the event loop; nothing is sent.

        Args:
            options: frozen settings.
            pool: whose session is used.
            budget: pace, concurrency and breaker; shared by connections with one login.
            clock: for waits and Retry-After dates.
            ids: jitter and boundaries.
            auth: says who we are; None for nothing.
            errors: the provider's reading of error answers, asked before R3's classes.
            log: told once about every exchange.

        Raises:
            BrokenInvariant: the base URL is not absolute http(s), or a header is not ours to set.
            OSError: the CA file cannot be read.
        """
        self._options = options
        self._base = base_of(options.base_url)
        self._headers = fixed_headers(options.headers, accept="application/json")
        self._stream_headers = fixed_headers(options.headers, accept="*/*")
        self._session = pool.session(options.ca_file)
        self._budget = budget
        self._clock = clock
        self._ids = ids
        self._auth: TokenSource = auth or NoAuth()
        self._errors = errors
        self._log: WireLog = log or NoWireLog()

    async def read(self, request: Request) -> Answer:
        call = self._call(request, is_write=False)
        return await self._repeated(lambda: self._renewing(call, self._buffered))

    async def write(self, request: Request) -> Answer:
        return await self._buffered(self._call(request, is_write=True))

    @contextlib.asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[StreamedAnswer]:
        call = self._call(request, is_write=False, is_stream=True)
        live, note = await self._repeated(lambda: self._renewing(call, self._opened))
        chunks = self._chunks(call, live, note)
        try:
            yield StreamedAnswer(status=live.status, headers=live.headers, chunks=chunks)
        finally:
            await chunks.aclose()
            live.close()
            self._budget.release()
            self._tell(call, note)

    # --- repeating ---------------------------------------------------------------------------

    async def _repeated(self, once: Callable[[], Awaitable[Result]]) -> Result:
        """Try directly, as tenacity costs 40-65 microseconds a call; then with its help."""
        try:
            return await once()
        except RemoteError as err:
            if not _may_pass(err):
                raise
            first: RemoteError | None = err
        retrying = AsyncRetrying(
            stop=stop_after_attempt(READ_TRIES_MAX),
            wait=self._wait_s,
            retry=retry_if_exception(_may_pass),
            sleep=self._clock.sleep,
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                if first is not None:
                    failure, first = first, None
                    raise failure
                return await once()
        raise AssertionError("tenacity re-raises the last error")  # pragma: no cover

    def _wait_s(self, state: RetryCallState) -> float:
        bound_s = min(RETRY_MAX_S, RETRY_FIRST_S * 2.0 ** (state.attempt_number - 1))
        wait_s = bound_s * self._ids.jitter()
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, RateLimited) and error.retry_after_s is not None:
            return error.retry_after_s + wait_s
        return wait_s

    async def _renewing(self, call: _Call, once: Callable[[_Call], Awaitable[Result]]) -> Result:
        """Renew a cached token once after a read's 401 (R11)."""
        try:
            return await once(call)
        except TokenRejected:
            pass
        try:
            return await once(call)
        except TokenRejected as err:
            text = "the vendor refuses one token after the other"
            raise CredentialsRejected(text, err.context) from err

    # --- one try -----------------------------------------------------------------------------

    async def _buffered(self, call: _Call) -> Answer:
        """Make one try and read its whole answer."""
        await self._enter(call)
        try:
            live, note = await self._final(call)
            try:
                return await self._whole(call, live, note)
            finally:
                live.release()
                self._tell(call, note)
        finally:
            self._leave(call)

    async def _opened(self, call: _Call) -> tuple[LiveAnswer, _Note]:
        """Make one try and leave its answer open; the place in the budget stays taken."""
        await self._enter(call)
        try:
            live, note = await self._final(call)
            if 200 <= live.status < 300:
                call.healthy = True
                return live, note
            try:
                await self._whole(call, live, note)
            finally:
                live.release()
                self._tell(call, note)
            raise AssertionError("an answer that is no success raises")  # pragma: no cover
        except BaseException:
            self._budget.release()
            raise
        finally:
            self._settle_breaker(call)

    async def _enter(self, call: _Call) -> None:
        call.asked_s = self._clock.monotonic_s()
        call.healthy = None
        await self._budget.acquire(self._context(call))

    def _leave(self, call: _Call) -> None:
        self._budget.release()
        self._settle_breaker(call)

    def _settle_breaker(self, call: _Call) -> None:
        if call.healthy is None:
            self._budget.breaker.abandoned()
        elif call.healthy:
            self._budget.breaker.succeeded()
        else:
            self._budget.breaker.failed(call.trouble)

    async def _final(self, call: _Call) -> tuple[LiveAnswer, _Note]:
        """Send, and for a read follow redirects; give the first answer that is none."""
        try:
            call.grant = await self._auth.grant()
        except Unreachable as err:
            call.healthy, call.trouble = False, str(err)
            raise
        outgoing = call.outgoing
        for _ in range(REDIRECTS_MAX + 1):
            live, note = await self._sent(call, outgoing)
            if call.is_write or live.status not in _REDIRECTS:
                return live, note
            try:
                outgoing = self._redirected(call, live, note)
            finally:
                live.close()
                self._tell(call, note)
            await self._budget.take_turn(self._context(call))
        raise OddAnswer(f"more than {REDIRECTS_MAX} redirects", self._context(call))

    async def _sent(self, call: _Call, outgoing: Outgoing) -> tuple[LiveAnswer, _Note]:
        call.attempt += 1
        note = _Note(outgoing=outgoing, started_s=self._clock.monotonic_s())
        try:
            note.live = await send(
                self._session,
                outgoing,
                headers={name: value.reveal() for name, value in call.grant.headers.items()},
                timeouts=self._options.timeouts,
                is_stream=call.is_stream,
                may_leave=MAY_LEAVE.get() if call.is_write else None,
            )
        except ExchangeFailed as err:
            error = self._failed(call, err, None)
            _set_outcome(note, error)
            self._tell(call, note)
            raise error from err
        except BaseException:
            self._tell(call, note)
            raise
        return note.live, note

    def _redirected(self, call: _Call, live: LiveAnswer, note: _Note) -> Outgoing:
        call.healthy = True
        location = live.headers.get("location", "")
        target = _same_origin(note.outgoing.url, location)
        if target is None:
            told = location.encode("ascii", "replace") or b"nowhere"
            where = snippet(told, self._secrets(call))[:LOCATION_CHARS_MAX]
            text = f"redirected away from {self._base.origin()}: {where}"
            error = OddAnswer(text, self._context(call, live))
            _set_outcome(note, error)
            raise error
        note.outcome = "ok"
        return note.outgoing.redirected(target, live.status)

    # --- reading the answer ------------------------------------------------------------------

    async def _whole(self, call: _Call, live: LiveAnswer, note: _Note) -> Answer:
        success = 200 <= live.status < 300
        try:
            body = await live.read(call.body_bytes_max if success else ERROR_BYTES_MAX)
        except ExchangeFailed as err:
            if success:
                error = self._failed(call, err, live)
                _set_outcome(note, error)
                raise error from err
            body = Body(data=b"")  # the status alone says what became of it
        note.body, note.received_bytes = body.data, len(body.data)
        if success and not body.too_large:
            call.healthy = True
            note.outcome = "ok"
            return Answer(
                status=live.status, headers=live.headers, body=body.data,
                context=self._context(call, live), secrets=self._secrets(call),
            )  # fmt: skip
        error = self._too_large(call, live) if success else self._judged(call, live, body)
        _set_outcome(note, error)
        if call.pause_s is not None:
            await self._budget.pause(call.pause_s)
        raise error

    async def _chunks(
        self, call: _Call, live: LiveAnswer, note: _Note
    ) -> AsyncGenerator[bytes, None]:
        note.outcome = "ok"
        try:
            while chunk := await live.next_chunk():
                note.received_bytes += len(chunk)
                if note.received_bytes > call.body_bytes_max:
                    raise self._too_large(call, live)
                yield chunk
        except ExchangeFailed as err:
            error = self._failed(call, err, live)
            _set_outcome(note, error)
            raise error from err
        except OddAnswer as err:
            _set_outcome(note, err)
            raise

    def _too_large(self, call: _Call, live: LiveAnswer) -> RemoteError:
        live.close()
        call.healthy = True
        text = f"the answer is larger than {call.body_bytes_max} bytes"
        context = self._context(call, live)
        if call.is_write:
            return OutcomeUnknown(text, context, closed_at=self._clock.now())
        return OddAnswer(text, context)

    def _judged(self, call: _Call, live: LiveAnswer, body: Body) -> RemoteError:
        """Say what an answer that is no success means: the provider's table first, then R3."""
        context = self._context(call, live, body.data)
        after_s = retry_after_s(live.headers, self._clock.now())
        told: RemoteError | None = None
        if self._errors is not None and live.status >= 400:
            safe = hidden(body.data, self._secrets(call))
            told = self._errors(live.status, safe, is_write=call.is_write)
        call.trouble = f"it answers {live.status}"
        call.healthy = live.status < 500 or not (
            told is None or isinstance(told, Unreachable | OutcomeUnknown)
        )
        told_to_wait = live.status == 429 or isinstance(told, RateLimited)
        if told_to_wait or (live.status == 503 and after_s is not None):
            call.pause_s = PAUSE_DEFAULT_S if after_s is None else after_s
        if live.status == 401 and is_about_token(told):
            return self._rejected(call, context)
        if told is None:
            verdict = Verdict(
                is_write=call.is_write, conditional=call.outgoing.is_conditional,
                retry_after_s=after_s, closed_at=self._clock.now(),
            )  # fmt: skip
            told = status_error(live.status, verdict, context)
        else:
            told = settle_reader_error(
                told, is_write=call.is_write, context=context, closed_at=self._clock.now(),
                secrets=self._secrets(call),
            )  # fmt: skip
        if isinstance(told, RateLimited) and told.retry_after_s is None:
            told.retry_after_s = after_s
        if isinstance(told, OutcomeUnknown):
            live.close()
        return told

    def _rejected(self, call: _Call, context: RemoteContext) -> RemoteError:
        fresh = call.grant.serial > call.serial
        self._auth.reject(call.grant)
        return token_error(
            TokenRejected("the vendor does not accept our token", context),
            renewable=self._auth.renewable,
            fresh=fresh,
        )

    def _failed(self, call: _Call, err: ExchangeFailed, live: LiveAnswer | None) -> RemoteError:
        call.healthy = None if err.is_ours else False
        call.trouble = scrub(err.reason, self._secrets(call))
        context = self._context(call, live)
        if call.is_write and err.left:
            text = f"sent, and nobody knows: {call.trouble}"
            return OutcomeUnknown(text, context, closed_at=self._clock.now())
        return Unreachable(call.trouble, context)

    def _secrets(self, call: _Call) -> tuple[Secret, ...]:
        """Give what nothing told about a call may repeat."""
        return (*call.grant.secrets, *self._options.secrets)

    # --- telling -----------------------------------------------------------------------------

    def _call(self, request: Request, *, is_write: bool, is_stream: bool = False) -> _Call:
        """Make a request ready.

        Raises:
            BrokenInvariant: it would leave the base URL, or is not well formed.
        """
        ensure(not (is_stream and request.file), "a stream uploads nothing")
        outgoing = prepare(
            request, base=self._base,
            headers=self._stream_headers if is_stream else self._headers,
            boundary=self._ids.token(BOUNDARY_CHARS) if request.file else "",
        )  # fmt: skip
        limit = self._options.stream_bytes if is_stream else self._options.body_bytes
        return _Call(
            request=request, outgoing=outgoing, is_write=is_write, is_stream=is_stream,
            body_bytes_max=limit if request.body_bytes_max is None else request.body_bytes_max,
            serial=self._auth.serial, asked_s=self._clock.monotonic_s(),
        )  # fmt: skip

    def _context(
        self, call: _Call, live: LiveAnswer | None = None, body: bytes = b""
    ) -> RemoteContext:
        return RemoteContext(
            connection=self._options.connection,
            endpoint=f"{call.outgoing.method} {call.outgoing.path}",
            status=live.status if live else None,
            request_id=request_id(live.headers) if live else "",
            detail=snippet(body, self._secrets(call)) if body else "",
        )

    def _tell(self, call: _Call, note: _Note) -> None:
        sent, live = note.outgoing, note.live
        self._log.request(
            Exchange(
                connection=self._options.connection,
                operation=sent.operation,
                method=sent.method,
                path=sent.path,
                is_write=call.is_write,
                attempt=call.attempt,
                status=live.status if live else None,
                outcome=note.outcome,
                detail=note.detail,
                duration_s=self._clock.monotonic_s() - note.started_s,
                wait_s=note.started_s - call.asked_s,
                sent_bytes=sent.sent_bytes,
                received_bytes=note.received_bytes,
                reused=live.trip.reused if live else False,
                request_id=request_id(live.headers) if live else "",
                _request_headers=sent.headers,
                _answer_headers=live.headers if live else {},
                _request_body=b"" if isinstance(sent.body, MultipartBody) else sent.body or b"",
                _answer_body=note.body,
                _secrets=self._secrets(call),
            )
        )


def _same_origin(here: URL, location: str) -> URL | None:
    """Resolve a Location; None when it is none, leads to another origin, or carries a login."""
    try:
        target = here.join(URL(location))
        stays = target.origin() == here.origin() and target.raw_user is None
    except ValueError:
        return None
    return target.with_fragment(None) if location and stays else None


def _set_outcome(note: _Note, error: RemoteError) -> None:
    note.outcome = type(error).__name__
    note.detail = str(error)


def _may_pass(error: BaseException) -> bool:
    """Say whether a read is worth another try soon."""
    if isinstance(error, CircuitOpen | TurnTooFar):
        return False
    if isinstance(error, RateLimited):
        after_s = error.retry_after_s
        return after_s is None or after_s <= RETRY_AFTER_WAIT_MAX_S
    return isinstance(error, Unreachable)
