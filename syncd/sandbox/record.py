"""What a sandbox saw and did: an append-only list of events, and the rules clients broke."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson

from syncd.sandbox.clock import SandboxClock, iso

Event = dict[str, Any]
"""One JSON-ready line of the record."""

PERSON = "person"
CLIENT = "client"

HEADERS_SHOWN = (
    "Content-Type",
    "Content-Length",
    "Accept",
    "User-Agent",
    "X-User-Name",
    "X-Application-Id",
    "Master-Account-Id",
    "Account-Id",
    "Idempotency-Key",
    "If-Match",
    "X-Request-Id",
    "X-Correlation-Id",
)
HEADERS_HIDDEN = ("Authorization", "X-Saml-Token", "user", "X-API-KEY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who acts: a person of this side, or the client under test in one of its requests."""

    actor: str
    by: str
    internal: bool = False
    request: int | None = None


def person(by: str, *, internal: bool = False) -> Who:
    """Name a person of this side."""
    return Who(actor=PERSON, by=by, internal=internal)


class Record(list[Event]):
    """Append-only list of events, each with `seq` (from 1), `at` (ISO) and `what`."""

    def __init__(self, clock: SandboxClock) -> None:
        super().__init__()
        self._clock = clock
        self.violations: list[Event] = []

    def add(self, what: str, who: Who | None = None, **contents: Any) -> Event:
        """Append one event, by `who`, and return it."""
        event: Event = {"seq": len(self) + 1, "at": iso(self._clock.now()), "what": what}
        if who is not None:
            event |= {"actor": who.actor, "by": who.by, "request": who.request}
        event |= contents
        self.append(event)
        return event

    def violation(self, request: int, operation: str | None, rule: str, detail: str) -> None:
        """Note that a request broke the document; `rule` names the section."""
        event = self.add(
            "violation",
            actor=CLIENT,
            request=request,
            operation=operation,
            rule=rule,
            detail=detail,
        )
        self.violations.append(event)

    def since(self, seq: int) -> list[Event]:
        """Return the events after number `seq`, oldest first."""
        return self[max(seq, 0) :]

    def of(self, *what: str) -> list[Event]:
        """Return the events of these kinds, oldest first."""
        return [event for event in self if event["what"] in what]

    def requests(self, operation: str | None = None) -> list[Event]:
        """Return the requests received, or those of one operation."""
        return [
            event
            for event in self
            if event["what"] == "request" and operation in (None, event["operation"])
        ]


def shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Pick the headers worth keeping; secrets appear as `***`."""
    shown = {name: headers[name] for name in HEADERS_SHOWN if name in headers}
    for name in HEADERS_HIDDEN:
        if name in headers:
            scheme = headers[name].partition(" ")[0] if " " in headers[name] else ""
            shown[name] = f"{scheme} ***".strip()
    return shown


def body_names(content_type: str, body: bytes) -> list[str]:
    """Name the outermost keys of a JSON object or the fields of a form; none of anything else."""
    if content_type == "application/x-www-form-urlencoded":
        return sorted({name for name, _ in parse_qsl(body.decode("utf-8", "replace"), True)})
    try:
        contents = orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        return []
    return sorted(contents) if isinstance(contents, dict) else []
