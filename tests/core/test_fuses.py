"""When so much happens at once that a person looks first (R8)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.fuses import Act, Move, Sign, back_and_forth, judge, limit_of, smallest
from syncd.core.rules import FuseLimit, Fuses
from syncd.model.ids import LinkRow, MappingName, Side

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
FUSES = Fuses(
    closed=FuseLimit(at_least=5, share=0.3),
    changed=FuseLimit(at_least=10, share=0.6),
    within_s=600.0,
)


def sign(link: int, act: Act = Act.CHANGED, seconds: float = 0.0) -> Sign:
    return Sign(
        mapping=MappingName("m"),
        link=LinkRow(link),
        act=act,
        at=NOW + timedelta(seconds=seconds),
        noted_at=NOW,
    )


@pytest.mark.parametrize(("links", "allowed"), [(0, 5), (10, 5), (20, 6), (100, 30)])
def test_a_limit_grows_with_the_number_of_links_but_a_small_installation_has_its_own(
    links: int, allowed: int
) -> None:
    assert limit_of(FUSES.closed, links) == allowed


def test_mass_closing_trips_one_beyond_the_limit_and_not_before() -> None:
    signs = [sign(n, Act.CLOSED) for n in range(31)]
    assert judge(signs[:30], 100, FUSES) is None
    trip = judge(signs, 100, FUSES)
    assert trip is not None
    assert (trip.act, trip.count, trip.limit) == (Act.CLOSED, 31, 30)
    assert "31 of 100 linked tickets closed within 600 s" in str(trip)


def test_closing_counts_as_changing_and_changing_not_as_closing() -> None:
    assert judge([sign(n) for n in range(60)], 100, FUSES) is None
    both = [sign(n, Act.CLOSED if n < 20 else Act.CHANGED) for n in range(61)]
    trip = judge(both, 100, FUSES)
    assert trip is not None
    assert trip.act is Act.CHANGED


def test_a_ticket_that_changes_again_and_again_counts_once() -> None:
    assert judge([sign(n % 4, Act.CLOSED, seconds=n) for n in range(300)], 4, FUSES) is None


def test_what_piled_up_while_nobody_read_did_not_happen_at_once() -> None:
    over_a_weekend = [sign(n, Act.CLOSED, seconds=300.0 * n) for n in range(60)]
    assert judge(over_a_weekend, 60, FUSES) is None


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0, 5_000)), max_size=60))
def test_fewer_signs_than_the_smallest_limit_never_trip(made: list[tuple[int, float]]) -> None:
    signs = [sign(link, Act.CLOSED, seconds) for link, seconds in made]
    if len(signs) <= smallest(FUSES, 40):
        assert judge(signs, 40, FUSES) is None


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5_000)), max_size=60))
def test_a_trip_counts_what_really_stands_within_one_window(
    made: list[tuple[int, int]],
) -> None:
    signs = [sign(link, Act.CLOSED, float(seconds)) for link, seconds in made]
    most = max(
        (len({s.link for s in signs if 0 <= (s.at - one.at).total_seconds() <= 600}))
        for one in signs
    ) if signs else 0  # fmt: skip
    trip = judge(signs, 0, FUSES)
    assert (trip is not None) == (most > 5)
    if trip is not None and trip.act is Act.CLOSED:
        assert trip.count == most


def moves(*made: tuple[Side, str]) -> list[Move]:
    return [Move(slot="both.priority", target=side, value=value) for side, value in made]


def test_a_value_that_goes_back_and_forth_is_found_beyond_the_turns_allowed() -> None:
    turning = moves(*[(Side.ITSM, "High"), (Side.VENDOR, "1")] * 3)
    assert back_and_forth(turning[:5], 4) is None
    found = back_and_forth(turning, 4)
    assert found is not None
    assert (found.slot, found.target) == ("both.priority", Side.VENDOR)


def test_people_who_change_one_side_however_often_are_no_loop() -> None:
    assert back_and_forth(moves(*[(Side.VENDOR, "1"), (Side.VENDOR, "2")] * 20), 3) is None


def test_two_sides_that_agree_on_ever_other_values_are_no_loop() -> None:
    made = [(list(Side)[n % 2], str(n)) for n in range(40)]
    assert back_and_forth(moves(*made), 3) is None
