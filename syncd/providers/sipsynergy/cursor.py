"""The scan's place between polls: what the report told, how far the sweep came, what was listed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from syncd.ports.errors import OddAnswer
from syncd.providers.sipsynergy.mapping import Facts
from syncd.providers.sipsynergy.report import Known

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """How far one group of tickets has been swept.

    Attributes:
        after: id of the last one read.
        carry: the part of a ticket that was due and not read, 0 to 1.
    """

    after: str = ""
    carry: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Everything a poll must remember.

    Attributes:
        known: what the report told, and when it was read.
        moved_at: ticket -> when the report last told something new of it.
        listed: ids the last list held.
        polled_at: when; by our clock, only for the sweep's pace.
        active, rest: how far the two groups have been swept.
        told: digests of the odd things that the operator was told of.
    """

    known: Known = field(default_factory=Known)
    moved_at: Mapping[str, datetime] = field(default_factory=dict)
    listed: frozenset[str] = frozenset()
    polled_at: datetime | None = None
    active: Turn = field(default_factory=Turn)
    rest: Turn = field(default_factory=Turn)
    told: frozenset[str] = frozenset()

    def to_json(self) -> str:
        """Write it; every text stands once, tickets name them by place."""
        texts: dict[str, int] = {}

        def place(text: str) -> int:
            return texts.setdefault(text, len(texts))

        rows = {
            ticket: [
                [place(name), place(text)]
                for name, text in sorted(self.known.facts[ticket].told.items())
            ]
            if ticket in self.known.facts
            else 0
            for ticket in sorted(self.listed)
        }
        told = {
            "v": _VERSION,
            "read": {period: at.timestamp() for period, at in sorted(self.known.read_at.items())},
            "polled": self.polled_at.timestamp() if self.polled_at else None,
            "active": [self.active.after, round(self.active.carry, 6)],
            "rest": [self.rest.after, round(self.rest.carry, 6)],
            "told": sorted(self.told),
            "moved": {ticket: at.timestamp() for ticket, at in sorted(self.moved_at.items())},
            "texts": list(texts),
            "rows": rows,
        }
        return orjson.dumps(told).decode()


def read_cursor(text: str) -> Cursor:
    """Read what `to_json` wrote.

    Raises:
        OddAnswer: it is none; nothing is guessed.
    """
    try:
        told = orjson.loads(text)
        if told["v"] != _VERSION:
            raise ValueError(f"version {told['v']}")
        texts: Sequence[str] = told["texts"]
        facts = {
            ticket: Facts(told={texts[name]: texts[value] for name, value in pairs})
            for ticket, pairs in told["rows"].items()
            if pairs != 0
        }
        polled = told["polled"]
        return Cursor(
            known=Known(
                facts=facts, read_at={period: _at(at) for period, at in told["read"].items()}
            ),
            moved_at={ticket: _at(at) for ticket, at in told["moved"].items()},
            listed=frozenset(told["rows"]),
            polled_at=None if polled is None else _at(polled),
            active=Turn(after=told["active"][0], carry=told["active"][1]),
            rest=Turn(after=told["rest"][0], carry=told["rest"][1]),
            told=frozenset(told["told"]),
        )
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as err:
        raise OddAnswer(f"the stored cursor cannot be read: {type(err).__name__}") from err


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
