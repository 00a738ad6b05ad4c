"""The table: provider, kind of write, what goes wrong -> how it must end.

`test_ambiguity` plays every cell; `python -m tests.ambiguity.table` writes it for people.
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from syncd.model.operation import WriteKind

PAGE = Path(__file__).resolve().parents[2] / "syncd" / "delivery" / "AMBIGUITY.md"


class Case(StrEnum):
    """What goes wrong with the first send."""

    ERROR_BEFORE = "error before effect"
    RESET_BEFORE = "reset before effect"
    ERROR_AFTER = "error after effect"
    ANSWER_LOST = "answer lost"
    ANSWER_LATE = "answer late"
    ANSWER_GARBAGE = "answer garbage"
    FAILED_BEFORE = "failure told inside 200, before effect"
    FAILED_AFTER = "failure told inside 200, after effect"
    CRASH_CLAIMED = "crash once claimed"
    CRASH_UNSENT = "crash before send"
    CRASH_SENT = "crash after send"
    CRASH_ANSWERED = "crash after answer"


class End(StrEnum):
    """How it ends, without anybody's help.

    ONCE: applied, and the vendor had exactly one effect. DOUBT: parked in doubt, listed with its
    way out; the vendor had at most one effect, and nothing was sent again. NONE: the provider has
    no such answer.
    """

    ONCE = "once"
    DOUBT = "doubt"
    NONE = "–"


_O, _D, _X = End.ONCE, End.DOUBT, End.NONE

# In the order of Case: error before, reset, error after | lost, late, garbage | failure inside 200
# before and after (SmartOps alone has it) | crash claimed, unsent, sent, answered.
_PROBED = (_O, _O, _O, _O, _O, _O, _X, _X, _O, _O, _O, _O)
_PROBED_INSIDE = (_O, _O, _O, _O, _O, _O, _O, _O, _O, _O, _O, _O)
_BLIND = (_D, _D, _D, _D, _D, _D, _X, _X, _O, _D, _D, _D)
_BLIND_INSIDE = (_D, _D, _D, _D, _D, _D, _D, _D, _O, _D, _D, _D)

TABLE: Mapping[tuple[str, WriteKind], tuple[End, ...]] = {
    ("b612", WriteKind.CREATE): _BLIND,
    ("b612", WriteKind.UPDATE): _PROBED,
    ("b612_todo", WriteKind.CREATE): _BLIND,
    ("b612_todo", WriteKind.UPDATE): _PROBED,
    ("b612_todo", WriteKind.COMMENT): _PROBED,
    ("digital_realty", WriteKind.CREATE): _PROBED,
    ("digital_realty", WriteKind.UPDATE): _PROBED,
    ("digital_realty", WriteKind.STATUS): _PROBED,
    ("digital_realty", WriteKind.COMMENT): _PROBED,
    ("digital_realty", WriteKind.ATTACHMENT): _BLIND,
    ("rt", WriteKind.CREATE): _PROBED,
    ("rt", WriteKind.UPDATE): _PROBED,
    ("rt", WriteKind.STATUS): _PROBED,
    ("rt", WriteKind.COMMENT): _PROBED,
    ("rt", WriteKind.ATTACHMENT): _PROBED,
    ("sipsynergy", WriteKind.CREATE): _PROBED,
    ("sipsynergy", WriteKind.UPDATE): _PROBED,
    ("sipsynergy", WriteKind.COMMENT): _PROBED,
    ("sipsynergy", WriteKind.DELETE): _PROBED,
    ("smartops", WriteKind.CREATE): _BLIND_INSIDE,
    ("smartops", WriteKind.UPDATE): _PROBED_INSIDE,
    ("smartops", WriteKind.STATUS): _PROBED_INSIDE,
    ("smartops", WriteKind.COMMENT): _PROBED_INSIDE,
    ("telenor", WriteKind.CREATE): _PROBED,
    ("telenor", WriteKind.UPDATE): _PROBED,
    ("telenor", WriteKind.STATUS): _PROBED,
    ("telenor", WriteKind.COMMENT): _PROBED,
    ("telenor", WriteKind.ATTACHMENT): _PROBED,
    ("telenor_orders", WriteKind.CREATE): _PROBED,
    ("telenor_orders", WriteKind.UPDATE): _PROBED,
    ("telenor_orders", WriteKind.COMMENT): _PROBED,
    ("telenor_orders", WriteKind.ATTACHMENT): _PROBED,
}

HEAD = """# When nobody knows whether a write happened

Written by `python -m tests.ambiguity.table`. Each cell is played by `tests/ambiguity`: the first
send of a write meets what the column says, at the provider's sandbox over HTTP; then delivery goes
on, after a crash as a new process on the same store, until it comes to rest. The end is read from
the vendor's record.

**once**: applied, with exactly one effect at the vendor. **doubt**: nothing can tell, so nothing is
sent again: parked in doubt for a person, with at most one effect at the vendor. –: the provider has
no such answer.

"""
FOOT = """
*Once claimed*: nothing had left, and the store knows it. *Before send*: *sending* is stored, but no
byte has left. *After send*: the vendor has done it, no answer was read. *After answer*: the answer
was read, but its outcome not yet stored. *Late*: the vendor answers after our time limit.
"""


def ends_of(name: str, kind: WriteKind) -> dict[Case, End]:
    """Give a row of the table."""
    return dict(zip(Case, TABLE[name, kind], strict=True))


def page() -> str:
    """Give the text for people."""
    rows = [["", *Case], ["---"] * (len(Case) + 1)]
    rows += [[f"{name} {kind}", *ends_of(name, kind).values()] for name, kind in TABLE]
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows) + FOOT


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
