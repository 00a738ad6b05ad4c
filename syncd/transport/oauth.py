"""OAuth 2.0 tokens: fetched, cached, renewed before they expire, one fetch at a time (RFC 6749).

A fetch runs as a task of its own: cancelling the call that started it must not lose an answer
that carries the only valid refresh token (Keycloak with Revoke Refresh Token).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote_plus, urlencode

import orjson

from syncd.model.errors import ensure, needed
from syncd.model.secret import Secret
from syncd.ports.clock import Clock
from syncd.ports.errors import (
    CredentialsRejected,
    RateLimited,
    RemoteContext,
    RemoteError,
    Unreachable,
)
from syncd.transport.auth import Grant, basic
from syncd.transport.classify import request_id, retry_after_s
from syncd.transport.exchange import Body, ExchangeFailed, LiveAnswer, send
from syncd.transport.options import Timeouts
from syncd.transport.outgoing import Outgoing, base_of
from syncd.transport.pool import ClientPool
from syncd.transport.redact import snippet
from syncd.transport.wirelog import Exchange, NoWireLog, WireLog

RENEW_BEFORE_S = 60.0
"""Seconds before its expiry at which a token is renewed (Digital Realty's document asks for 60)."""
RENEW_SHARE_MAX = 0.25
"""A short-lived token is used for at least three quarters of its life."""
LIFETIME_DEFAULT_S = 300.0
"""Life of a token whose answer does not tell, in seconds."""
LIFETIME_MAX_S = 24 * 3600.0
"""Longest a token is kept, whatever its answer says, in seconds."""
TOKEN_BYTES_MAX = 64 * 1024
"""Largest answer of a token endpoint."""
REFUSED_STATUSES = frozenset({400, 401, 403})
"""Statuses by which a token endpoint says our credentials are no good."""
_TEMPORARY = frozenset({"temporarily_unavailable", "server_error", "slow_down"})
_DESCRIPTION_CHARS_MAX = 300


class GrantKind(StrEnum):
    """What we give for a token."""

    CLIENT_CREDENTIALS = "client_credentials"
    PASSWORD = "password"
    REFRESH_TOKEN = "refresh_token"


class ClientAuth(StrEnum):
    """How the client's id and secret are sent.

    BASIC encodes both as RFC 6749 section 2.3.1 says; BASIC_PLAIN does not, as many gateways
    expect (it differs only for secrets with characters such as `+`, `/` or `=`).
    """

    BASIC = "basic"
    BASIC_PLAIN = "basic_plain"
    FORM = "form"


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthOptions:
    """How one login gets its tokens.

    Attributes:
        name: for errors and logs: the connection, or the login several of them share.
        token_url: the only place credentials are sent to.
        kind: which grant.
        client_id, client_secret: ours; no secret for a public client.
        client_auth: how they are sent.
        username, password: for the password grant.
        refresh_token: for the refresh grant: an offline token, as last rotated.
        scope: asked for; empty for the default.
        extra: further form fields, such as an audience.
        ca_file: PEM file of the only authorities trusted; None for the system's.
        timeouts: in seconds.
    """

    token_url: str
    kind: GrantKind
    client_id: str
    name: str = ""
    client_secret: Secret | None = None
    client_auth: ClientAuth = ClientAuth.BASIC
    username: str = ""
    password: Secret | None = None
    refresh_token: Secret | None = None
    scope: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    ca_file: Path | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    grant: Grant
    renew_at_s: float
    rotated: Secret | None


class OAuthTokenSource:
    """A TokenSource over a token endpoint."""

    renewable = True

    def __init__(
        self,
        options: OAuthOptions,
        *,
        pool: ClientPool,
        clock: Clock,
        on_rotated: Callable[[Secret], Awaitable[None]] | None = None,
        log: WireLog | None = None,
    ) -> None:
        """Fetch nothing yet.

        Args:
            options: how to get tokens.
            pool: whose session is used; it waits for a running fetch before it closes.
            clock: for expiry.
            on_rotated: stores a new refresh token; awaited before its access token is used, and
                again before the next one while it raises.
            log: told about each exchange with the endpoint.
        """
        needs = {
            GrantKind.CLIENT_CREDENTIALS: options.client_secret,
            GrantKind.PASSWORD: options.username and options.password,
            GrantKind.REFRESH_TOKEN: options.refresh_token,
        }
        ensure(needs[options.kind], f"grant {options.kind} has its credentials")
        self._options = options
        self._url = base_of(options.token_url)
        self._pool = pool
        self._clock = clock
        self._on_rotated = on_rotated
        self._log = log or NoWireLog()
        self._refresh_token = options.refresh_token
        self._unsaved: Secret | None = None
        self._token: _Token | None = None
        self._serial = 0
        self._fetch: asyncio.Task[Grant] | None = None
        pool.before_close(self.settle)

    @property
    def serial(self) -> int:
        return self._serial

    async def grant(self) -> Grant:
        token = self._token
        if token is not None and self._clock.monotonic_s() < token.renew_at_s:
            return token.grant
        if self._fetch is None:
            self._fetch = asyncio.create_task(self._renew(), name=f"token of {self._options.name}")
            self._fetch.add_done_callback(self._fetched)
        return await asyncio.shield(self._fetch)

    def reject(self, grant: Grant) -> None:
        if self._token is not None and self._token.grant.serial == grant.serial:
            self._token = None

    async def settle(self) -> None:
        """Wait for a fetch under way; its own time-outs bound it."""
        if self._fetch is not None:
            with contextlib.suppress(Exception):
                await asyncio.shield(self._fetch)

    def _fetched(self, task: asyncio.Task[Grant]) -> None:
        self._fetch = None
        if not task.cancelled():
            task.exception()  # whoever waits gets it; with nobody waiting it is not news

    async def _renew(self) -> Grant:
        await self._save()
        token = await self._ask()
        if token.rotated is not None and token.rotated != self._refresh_token:
            self._refresh_token = self._unsaved = token.rotated
            await self._save()
        self._token = token
        self._serial = token.grant.serial
        return token.grant

    async def _save(self) -> None:
        if self._unsaved is None:
            return
        if self._on_rotated is not None:
            await self._on_rotated(self._unsaved)
        self._unsaved = None

    async def _ask(self) -> _Token:
        outgoing = self._outgoing()
        began_s = self._clock.monotonic_s()
        live: LiveAnswer | None = None
        body = Body(data=b"")
        error: RemoteError | None = None
        try:
            session = self._pool.session(self._options.ca_file)
            live = await send(
                session, outgoing, headers=self._login(), timeouts=self._options.timeouts
            )
            body = await live.read(TOKEN_BYTES_MAX)
            return self._read(live, body)
        except ExchangeFailed as err:
            error = Unreachable(f"token endpoint: {err.reason}", self._context(live, b""))
            raise error from err
        except RemoteError as err:
            error = err
            raise
        finally:
            if live is not None:
                live.release()
            self._note(outgoing, live, body, error, began_s)

    def _outgoing(self) -> Outgoing:
        options = self._options
        form = {"grant_type": str(options.kind), **options.extra}
        if options.kind is GrantKind.PASSWORD:
            form |= {"username": options.username, "password": _revealed(options.password)}
        if options.kind is GrantKind.REFRESH_TOKEN:
            form["refresh_token"] = _revealed(self._refresh_token)
        if options.scope:
            form["scope"] = options.scope
        if options.client_auth is ClientAuth.FORM or options.client_secret is None:
            form["client_id"] = options.client_id
            if options.client_secret is not None:
                form["client_secret"] = options.client_secret.reveal()
        return Outgoing(
            operation="token", method="POST", url=self._url,
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json", "User-Agent": "syncd",
            },
            body=urlencode(form).encode(),
        )  # fmt: skip

    def _login(self) -> dict[str, str]:
        options = self._options
        if options.client_secret is None or options.client_auth is ClientAuth.FORM:
            return {}
        client, secret = options.client_id, options.client_secret.reveal()
        if options.client_auth is ClientAuth.BASIC:
            client, secret = quote_plus(client), quote_plus(secret)
        return {"Authorization": basic(client, secret).reveal()}

    def _read(self, live: LiveAnswer, body: Body) -> _Token:
        context = self._context(live, body.data)
        if live.status == 429:
            after_s = retry_after_s(live.headers, self._clock.now())
            text = "the token endpoint asks us to wait"
            raise RateLimited(text, context, retry_after_s=after_s)
        answer = _object(body)
        if live.status in REFUSED_STATUSES and answer.get("error") not in _TEMPORARY:
            raise CredentialsRejected(self._refusal(live.status, answer), context)
        if not 200 <= live.status < 300:
            raise Unreachable(f"the token endpoint answered {live.status}", context)
        access = answer.get("access_token")
        if not isinstance(access, str) or not _is_token(access):
            raise Unreachable("the token endpoint answered without an access token", context)
        return self._token_of(access, answer)

    def _token_of(self, access: str, answer: Mapping[str, object]) -> _Token:
        life_s = _lifetime_s(answer.get("expires_in"))
        margin_s = min(RENEW_BEFORE_S, RENEW_SHARE_MAX * life_s)
        rotated = answer.get("refresh_token")
        uses_it = self._options.kind is GrantKind.REFRESH_TOKEN
        keep = uses_it and isinstance(rotated, str) and rotated
        return _Token(
            grant=Grant(
                headers={"Authorization": Secret(f"Bearer {access}")}, serial=self._serial + 1
            ),
            renew_at_s=self._clock.monotonic_s() + life_s - margin_s,
            rotated=Secret(keep) if isinstance(keep, str) else None,
        )

    def _refusal(self, status: int, answer: Mapping[str, object]) -> str:
        told = f"{answer.get('error') or status} {answer.get('error_description') or ''}".strip()
        safe = snippet(told.encode(), self._secrets())[:_DESCRIPTION_CHARS_MAX]
        return f"the token endpoint refuses our credentials: {safe}"

    def _secrets(self) -> tuple[Secret, ...]:
        options = self._options
        known = (
            options.client_secret, options.password, options.refresh_token, self._refresh_token
        )  # fmt: skip
        return tuple(secret for secret in known if secret is not None)

    def _context(self, live: LiveAnswer | None, body: bytes) -> RemoteContext:
        return RemoteContext(
            connection=self._options.name,
            endpoint=f"POST {self._url.raw_path}",
            status=live.status if live else None,
            request_id=request_id(live.headers) if live else "",
            detail=snippet(body, self._secrets()),
        )

    def _note(
        self,
        outgoing: Outgoing,
        live: LiveAnswer | None,
        body: Body,
        error: RemoteError | None,
        began_s: float,
    ) -> None:
        self._log.request(
            Exchange(
                connection=self._options.name, operation=outgoing.operation,
                method=outgoing.method, path=outgoing.path, is_write=False, attempt=1,
                status=live.status if live else None,
                outcome=type(error).__name__ if error else "ok",
                detail=str(error) if error else "",
                duration_s=self._clock.monotonic_s() - began_s, wait_s=0.0,
                sent_bytes=outgoing.sent_bytes, received_bytes=len(body.data),
                reused=live.trip.reused if live else False,
                request_id=request_id(live.headers) if live else "",
            )
        )  # fmt: skip


def _revealed(secret: Secret | None) -> str:
    return needed(secret, "a grant has its credentials").reveal()


def _object(body: Body) -> Mapping[str, object]:
    try:
        parsed = orjson.loads(body.data)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _is_token(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _lifetime_s(told: object) -> float:
    """Read expires_in, a number or (Digital Realty) a string with one."""
    try:
        life_s = float(told) if isinstance(told, int | float | str) else LIFETIME_DEFAULT_S
    except ValueError:
        life_s = LIFETIME_DEFAULT_S
    if not 0 < life_s <= LIFETIME_MAX_S:
        return LIFETIME_MAX_S if life_s > LIFETIME_MAX_S else LIFETIME_DEFAULT_S
    return life_s
