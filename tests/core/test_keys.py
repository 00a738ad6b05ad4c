"""Keys derived from what is carried, and what may be of the time a restored store lost."""

from datetime import UTC, datetime, timedelta

import pytest

from syncd.core import marker
from syncd.core.keys import LOST_FOR, SKEW, TURNS_MAX, derived, is_of_lost_time

RESTORED = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_same_write_has_the_same_keys_and_every_other_has_others() -> None:
    keys = list(derived("ab12cd", ["desk", "inc1", "c1"]))
    others = [
        *derived("ab12cd", ["desk", "inc1", "c2"]),
        *derived("ab12cd", ["desk", "inc1c1"]),
        *derived("ef34ab", ["desk", "inc1", "c1"]),
    ]
    assert keys == list(derived("ab12cd", ["desk", "inc1", "c1"]))
    assert len({*keys, *others}) == 4 * TURNS_MAX


def test_a_derived_key_is_read_back_wherever_a_key_stands() -> None:
    for number in range(200):
        for key in derived("ab12cd", [str(number)]):
            assert marker.bare(key) == key
            assert marker.split(marker.append("words", key)) == ("words", (key,))


@pytest.mark.parametrize(
    ("made_at", "restored_at", "now", "expected"),
    [
        (None, None, RESTORED, False),
        (RESTORED - SKEW, RESTORED, RESTORED, True),
        (RESTORED + SKEW, RESTORED, RESTORED + SKEW, True),
        (RESTORED + SKEW + timedelta(seconds=1), RESTORED, RESTORED + 2 * SKEW, False),
        (None, RESTORED, RESTORED + LOST_FOR, True),
        (None, RESTORED, RESTORED + LOST_FOR + SKEW, False),
    ],
)
def test_what_was_made_before_a_restore_may_have_been_carried_already(
    made_at: datetime | None, restored_at: datetime | None, now: datetime, expected: bool
) -> None:
    assert is_of_lost_time(made_at, restored_at=restored_at, now=now) is expected
