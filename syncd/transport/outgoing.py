"""From a Request to what goes over the wire: a URL that stays below the base, headers, a body."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

import orjson
from yarl import URL

from syncd.model.errors import ensure
from syncd.ports.errors import Refused, RemoteContext
from syncd.transport.multipart import MultipartBody
from syncd.transport.request import Request

USER_AGENT = "syncd"
"""What we call ourselves, unless the connection's headers say otherwise."""
_PROTECTED_HEADERS = frozenset({"authorization", "host", "content-length", "transfer-encoding"})
_PATH = re.compile(r"/(?!/)[A-Za-z0-9\-._~!$&'()*+,;=:@%/\[\]]*")
_DOTS = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request ready to be sent, but for its Authorization.

    Attributes:
        operation, method: as asked for.
        url: absolute, encoded.
        headers: all but the token's.
        body: bytes, a streamed multipart form, or None.
    """

    operation: str
    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes | MultipartBody | None

    @property
    def path(self) -> str:
        """The path without the query, for logs and errors."""
        return self.url.raw_path

    @property
    def is_conditional(self) -> bool:
        """Whether the vendor was told which version we know."""
        return any(name.lower() in {"if-match", "if-unmodified-since"} for name in self.headers)

    @property
    def sent_bytes(self) -> int:
        """Length of the body."""
        if isinstance(self.body, MultipartBody):
            return self.body.size_bytes
        return len(self.body or b"")

    def redirected(self, url: URL, status: int) -> "Outgoing":
        """Give the request that follows a redirect: 303 (and a POST's 301, 302) asks by GET."""
        if status == 303 or (status in {301, 302} and self.method == "POST"):
            headers = {k: v for k, v in self.headers.items() if k.lower() != "content-type"}
            return replace(self, url=url, method="GET", body=None, headers=headers)
        return replace(self, url=url)


def base_of(base_url: str) -> URL:
    """Check and parse a connection's base URL.

    Raises:
        BrokenInvariant: it is not an absolute http(s) URL without user, query and fragment.
    """
    url = URL(base_url.rstrip("/"), encoded=True)
    ensure(url.scheme in {"http", "https"} and url.raw_host, "a base URL is absolute http(s)")
    ensure(url.raw_user is None and url.raw_password is None, "a base URL carries no login")
    ensure(not url.raw_query_string and not url.raw_fragment, "a base URL ends with its path")
    return url


def fixed_headers(headers: Mapping[str, str], *, accept: str) -> dict[str, str]:
    """Give the headers that every request of a connection carries, checked once.

    Raises:
        BrokenInvariant: one is the transport's own, or has several lines.
    """
    merged = {"User-Agent": USER_AGENT, "Accept": accept}
    for name, value in headers.items():
        _set(merged, name, value)
    return merged


def prepare(request: Request, *, base: URL, headers: Mapping[str, str], boundary: str) -> Outgoing:
    """Make a request ready.

    Args:
        request: what the adapter asks for.
        base: the connection's, from `base_of`.
        headers: the connection's, from `fixed_headers`.
        boundary: separates the parts of a multipart body; random.

    Raises:
        BrokenInvariant: it would leave the base URL, set a protected header, or has two bodies.
        Refused: its JSON holds a text that UTF-8 cannot write.
    """
    if request.path:  # Nothing: the base URL itself, such as a webhook's.
        _check_path(request.path)
    text = f"{base}{request.path}"
    if request.query:
        text = f"{text}?{urlencode(list(request.query), quote_via=quote)}"
    url = URL(text, encoded=True)
    ensure(
        url.scheme == base.scheme and url.raw_authority == base.raw_authority,
        "a request stays at its connection's origin",
    )
    body, content_type = _body(request, boundary)
    merged = dict(headers)
    if content_type:
        merged["Content-Type"] = content_type
    for name, value in request.headers.items():
        _set(merged, name, value)
    return Outgoing(
        operation=request.operation, method=request.method.upper(), url=url, headers=merged,
        body=body,
    )  # fmt: skip


def _check_path(path: str) -> None:
    ensure(
        _PATH.fullmatch(path), "a path starts with one slash, is percent-encoded and ends itself"
    )
    ensure(not _DOTS.search(path), "a path has no dot segments")


def _body(request: Request, boundary: str) -> tuple[bytes | MultipartBody | None, str]:
    given = sum(body is not None for body in (request.json, request.form, request.file))
    ensure(given <= 1, "a request has at most one body")
    if request.file is not None:
        multipart = MultipartBody(request.file, boundary)
        return multipart, multipart.content_type
    if request.json is not None:
        return _as_json(request), "application/json"
    if request.form is not None:
        return urlencode(list(request.form.items())).encode(), "application/x-www-form-urlencoded"
    return None, ""


def _as_json(request: Request) -> bytes:
    try:
        return orjson.dumps(request.json)
    except orjson.JSONEncodeError as err:
        # A lone surrogate, mostly: half a character that a text was cut in.
        context = RemoteContext(endpoint=request.operation)
        raise Refused(f"not sent: it cannot be written as JSON: {err}", context) from err


def _set(headers: dict[str, str], name: str, value: str) -> None:
    ensure(name.lower() not in _PROTECTED_HEADERS, f"the transport alone sets {name}")
    ensure("\r" not in value and "\n" not in value, f"header {name} is one line")
    for present in [key for key in headers if key.lower() == name.lower()]:
        del headers[present]
    headers[name] = value
