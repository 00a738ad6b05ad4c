"""TicketSQL, as far as clients need it: comparisons joined by AND, OR and brackets.

Dates are read in the API user's time zone. What is no date becomes 1970, without an error; `=` on
a date means that day.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from syncd.sandbox.rt.model import Ticket

Test = Callable[[Ticket], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<bracket>[()])|(?P<op><=|>=|!=|=|<|>)"
    r"|(?P<word>[A-Za-z0-9_.{} ]*?[A-Za-z0-9_}](?=\s|[()<>=!]|$)))"
)
_PLAIN = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?: (\d{2}):(\d{2}):(\d{2}))?")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DATES = {"LastUpdated": "updated", "Created": "created"}
TEXTS = {"Queue": "queue", "Status": "status", "Creator": "creator", "Owner": "owner"}


class SqlError(ValueError):
    """The query cannot be understood."""


class Query:
    """A query, parsed.

    Args:
        text: TicketSQL.
        zone_h: offset of the user's time zone, in hours.
    """

    def __init__(self, text: str, zone_h: float) -> None:
        self._zone = timedelta(hours=zone_h)
        self._tokens = list(_tokens(text))
        self._at = 0
        self.bad_dates: list[str] = []
        self.test = self._any()
        if self._at != len(self._tokens):
            raise SqlError(f"Incomplete or incorrect expression: {text}")

    def _any(self) -> Test:
        tests = [self._all()]
        while self._takes("OR"):
            tests.append(self._all())
        return lambda ticket: any(test(ticket) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._takes("AND"):
            tests.append(self._one())
        return lambda ticket: all(test(ticket) for test in tests)

    def _one(self) -> Test:
        if self._takes("("):
            inner = self._any()
            if not self._takes(")"):
                raise SqlError("a bracket is not closed")
            return inner
        name, op, value = self._next(), self._next(), self._next()
        value = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith("'") else value
        if name == "id":
            return _compared(lambda ticket: ticket.id, op, int(value))
        if name in TEXTS:
            member = TEXTS[name]
            wanted = value.casefold()
            return _compared(lambda ticket: getattr(ticket, member).casefold(), op, wanted)
        if name in DATES:
            return self._date(DATES[name], op, value)
        raise SqlError(f"Unknown field: {name} at sandbox")

    def _date(self, member: str, op: str, value: str) -> Test:
        at = self._read(value)
        if op == "=":
            day = at.replace(hour=0, minute=0, second=0)
            return lambda ticket: day <= _whole(getattr(ticket, member)) < day + timedelta(days=1)
        return _compared(lambda ticket: _whole(getattr(ticket, member)), op, at)

    def _read(self, value: str) -> datetime:
        found = _PLAIN.fullmatch(value)
        if found is None:
            self.bad_dates.append(value)
            return EPOCH
        numbers = [int(part or "0") for part in found.groups()]
        return datetime(*numbers[:6], tzinfo=UTC) - self._zone  # type: ignore[arg-type,misc]

    def _next(self) -> str:
        if self._at >= len(self._tokens):
            raise SqlError("the query ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _takes(self, wanted: str) -> bool:
        is_there = self._at < len(self._tokens) and self._tokens[self._at].upper() == wanted
        self._at += is_there
        return is_there


def _tokens(text: str) -> Iterator[str]:
    at, text = 0, text.strip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.end() == at:
            raise SqlError(f"cannot read {text[at:]!r}")
        yield found.group().strip()
        at = found.end()
        while at < len(text) and text[at] == " ":
            at += 1


def _compared(read: Callable[[Ticket], object], op: str, wanted: object) -> Test:
    tests: dict[str, Callable[[object, object], bool]] = {
        "=": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
        "<": lambda a, b: a < b,  # type: ignore[operator]
        ">": lambda a, b: a > b,  # type: ignore[operator]
        "<=": lambda a, b: a <= b,  # type: ignore[operator]
        ">=": lambda a, b: a >= b,  # type: ignore[operator]
    }
    if op not in tests:
        raise SqlError(f"no operator: {op}")
    compare = tests[op]
    return lambda ticket: compare(read(ticket), wanted)


def _whole(at: datetime) -> datetime:
    return at.replace(microsecond=0)
