"""One request on its way through a sandbox, and the table of calls it is looked up in."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from aiohttp import web

from syncd.sandbox.faults import Fault, FaultKind, Target
from syncd.sandbox.record import CLIENT, Who

Answer = web.StreamResponse


@dataclass(slots=True, kw_only=True)
class Call:
    """One HTTP request being answered.

    `number` counts requests from 1 and links the record's effects to the request; `seen_at` is
    the instant whose state a stale read shows, None for now.
    """

    request: web.Request
    number: int
    operation: "Operation | None"
    params: dict[str, str]
    fault: Fault | None = None
    body: bytes = b""
    seen_at: datetime | None = None
    is_lost: bool = False

    @property
    def name(self) -> str | None:
        """Name of the call, None for a path that is none."""
        return self.operation.name if self.operation else None

    def has(self, *kinds: FaultKind) -> bool:
        """Whether this request meets one of these faults."""
        return self.fault is not None and self.fault.kind in kinds

    def client(self, by: str) -> Who:
        """Name the client under test as the one who acts in this request."""
        return Who(actor=CLIENT, by=by, request=self.number)

    def look_back(self, now: datetime, lag_s: float) -> datetime | None:
        """Return the instant to show when the answer lags by at least `lag_s`."""
        if self.fault is not None and self.has(FaultKind.STALE_READ, FaultKind.SEARCH_LAG):
            lag_s = max(lag_s, self.fault.lag_s)
        return now - timedelta(seconds=lag_s) if lag_s > 0 else None


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call of the vendor's document.

    Args:
        name: what faults and the record call it.
        method: HTTP method.
        path: template, `{name}` standing for one path segment.
        handler: carries it out.
        reads: whether it changes nothing.
        lists: whether it answers a list or search that may lag.
        is_open: whether it needs no bearer token.
        streams: whether the handler reads the body itself.
        query: query parameters the document knows.
    """

    name: str
    method: str
    path: str
    handler: Handler
    reads: bool = False
    lists: bool = False
    is_open: bool = False
    streams: bool = False
    query: frozenset[str] = frozenset()


@dataclass(slots=True)
class CallTable:
    """Look requests up by method and path, in the order of the table."""

    operations: Sequence[Operation]
    _patterns: list[tuple[re.Pattern[str], Operation]] = field(init=False)

    def __post_init__(self) -> None:
        self._patterns = [(_pattern(each.path), each) for each in self.operations]

    @property
    def names(self) -> list[str]:
        """The names of all calls."""
        return [each.name for each in self.operations]

    def find(self, method: str, path: str) -> tuple[Operation | None, dict[str, str]]:
        """Return the call and its path parameters; None for a path or method not in the table."""
        for pattern, operation in self._patterns:
            match = pattern.fullmatch(path)
            if match is not None and operation.method == method:
                return operation, match.groupdict()
        return None, {}


def target_of(call: Call) -> Target:
    """Say of a call what choosing a fault needs."""
    operation = call.operation
    if operation is None:
        raise LookupError("no fault is chosen for an unknown path")
    return Target(
        operation=operation.name,
        method=call.request.method,
        path=call.request.path,
        reads=operation.reads,
        lists=operation.lists,
    )


class Refusal(Exception):
    """A vendor's refusal of a call, before it is put into the words of its answer.

    Args:
        name: status or code, for the record.
        detail: what was wrong, for the body and the list of violations.
        rule: section of the document that was broken; None when the client could not know.
    """

    def __init__(self, name: str, detail: str, rule: str | None = None) -> None:
        super().__init__(f"{name} {detail}")
        self.detail = detail
        self.rule = rule

    def answer(self, shape: int) -> Answer:
        """Put it into the vendor's words, in one of the shapes they come in."""
        raise LookupError(f"no words for {self} in shape {shape}")


class Refused(Exception):
    """The request is refused with this answer; nothing happened."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"refused with {answer.status}")
        self.answer = answer


def json_answer(
    contents: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer JSON."""
    return web.Response(
        body=orjson.dumps(contents),
        status=status,
        content_type="application/json",
        charset="utf-8",
        headers=headers,
    )


def empty_answer(status: int = 200) -> web.Response:
    """Answer without a body."""
    return web.Response(status=status)


def _pattern(path: str) -> re.Pattern[str]:
    pieces = re.split(r"(\{\w+\})", path)
    return re.compile(
        "".join(
            f"(?P<{piece[1:-1]}>[^/]+)" if piece.startswith("{") else re.escape(piece)
            for piece in pieces
        )
    )
