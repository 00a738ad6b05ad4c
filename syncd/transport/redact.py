"""Taking secrets out of texts that are logged or stored."""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping

from syncd.model.secret import Secret

TEXT_CHARS_MAX = 2048
"""Longest text kept of a body, in characters."""
_SCRUB_BYTES_MAX = 64 * 1024
"""Scrubbed before cutting, so that a cut cannot leave half a secret; more is not looked at."""
_SHORTEST_SECRET_CHARS = 4
"""A shorter secret would blank out ordinary words."""
_SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "user", "x-api-key"}
    | {"x-saml-token", "api-key", "apikey", "x-auth-token"}
)
_NAMES = (
    r"(?:access_token|refresh_token|id_token|client_secret|client_assertion|password|passwd"
    r"|offline_token|api_?key|secret|token)"
)
_PATTERNS = (
    (re.compile(rf'("{_NAMES}"\s*:\s*)"(?:[^"\\]|\\.)*"?', re.IGNORECASE), r'\1"***"'),
    (re.compile(rf"\b({_NAMES}=)[^&\s\"']+", re.IGNORECASE), r"\1***"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{4,}", re.IGNORECASE), r"\1 ***"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def scrub(text: str, secrets: Iterable[Secret] = ()) -> str:
    """Replace known secrets, and what looks like one, by `***`."""
    for spelling in _spellings(secrets):
        text = text.replace(spelling, "***")
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def hidden(body: bytes, secrets: Iterable[Secret]) -> bytes:
    """Replace known secrets in a body by `***`; what else it says stays as it is."""
    for spelling in _spellings(secrets):
        body = body.replace(spelling.encode(), b"***")
    return body


def _spellings(secrets: Iterable[Secret]) -> Iterator[str]:
    """Give each secret as it is and in base64, as some are sent and quoted."""
    for secret in secrets:
        revealed = secret.reveal()
        if len(revealed) >= _SHORTEST_SECRET_CHARS:
            yield revealed
            yield base64.b64encode(revealed.encode()).decode()


def snippet(body: bytes, secrets: Iterable[Secret] = ()) -> str:
    """Give the start of a body as a text safe to log and store, at most 2048 characters."""
    text = body[:_SCRUB_BYTES_MAX].decode("utf-8", errors="replace")
    return scrub(_CONTROL.sub(" ", text), secrets)[:TEXT_CHARS_MAX]


def safe_headers(headers: Mapping[str, str], secrets: Iterable[Secret] = ()) -> dict[str, str]:
    """Copy headers, secret ones as `***`."""
    known = tuple(secrets)
    return {
        name: "***" if name.lower() in _SECRET_HEADERS else scrub(value, known)
        for name, value in headers.items()
    }
