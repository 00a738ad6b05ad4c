"""The key of a write that makes something: the same whenever the same write is planned. Pure.

A store that was restored from a backup plans anew what was written in the time it lost. Were keys
random, nothing would tell that those writes happened; derived from what is carried and where to,
the lost write's own key is looked for and found (DESIGN R4, R13).
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import orjson

from syncd.model.ids import OperationKey

KEY_CHARS = 12
"""Characters of a key behind its prefix."""

TURNS_MAX = 8
"""So often the same words to one ticket have a key of their own; later they have random ones."""


def derived(root: str, parts: Sequence[str]) -> Iterator[OperationKey]:
    """Give the keys of a write, in the order they are used.

    Args:
        root: the instance's first prefix, which a restored store keeps.
        parts: what is carried, and where to; whatever tells this write from every other.

    Returns:
        `TURNS_MAX` keys: the second is that of the same write planned once more, and so on.
    """
    found = turn = 0
    while found < TURNS_MAX:
        digest = hashlib.blake2b(orjson.dumps([*parts, turn]), digest_size=KEY_CHARS // 2)
        turn += 1
        text = digest.hexdigest()
        # A key without a letter could be a customer's own number.
        if not text.isdigit():
            found += 1
            yield OperationKey(f"{root}-{text}")


LOST_FOR = timedelta(days=7)
"""How long after a restored backup something may turn out to be of the time it lost."""

SKEW = timedelta(seconds=300)
"""How far a provider's clock may be from ours when its time is held against that of a restore."""


def is_of_lost_time(
    made_at: datetime | None, *, restored_at: datetime | None, now: datetime
) -> bool:
    """Whether something may have been carried in the time that a restored store lost.

    Args:
        made_at: when it was made, by its provider's time; None: that is not told.
        restored_at: when the store was last restored; None: never.
        now: when that is asked.
    """
    if restored_at is None or now > restored_at + LOST_FOR:
        return False
    return made_at is None or made_at <= restored_at + SKEW
