"""How much each connection is given."""

from syncd.core.retry import Failure
from syncd.delivery.lanes import Lanes
from syncd.delivery.options import Options
from syncd.model.ids import ConnectionName

A, B = ConnectionName("a"), ConnectionName("b")


def lanes() -> Lanes:
    options = Options(
        owner="me", concurrency=2, concurrencies={B: 5}, ahead=1, hold_s=2.0, hold_max_s=5.0
    )
    return Lanes([A, B], options)


def test_a_lane_takes_what_is_in_flight_and_what_is_claimed_ahead() -> None:
    assert lanes().free(0.0) == {A: 4, B: 10}


def test_what_is_held_is_no_longer_free() -> None:
    some = lanes()
    for _ in range(4):
        some.take(A)
    assert some.free(0.0) == {B: 10}
    assert not some.finish(A)
    assert some.finish(A)  # half of it is free: time to claim
    assert some.free(0.0) == {A: 2, B: 10}


def test_a_connection_that_is_down_rests_and_then_tries_one_operation() -> None:
    some = lanes()
    some.note(A, Failure.CIRCUIT_OPEN, 0.0, 100.0)
    assert some.free(101.9) == {B: 10}
    assert some.free(102.0) == {A: 1, B: 10}


def test_many_failures_of_one_outage_do_not_each_double_the_rest() -> None:
    some = lanes()
    for _ in range(50):
        some.note(A, Failure.CIRCUIT_OPEN, 0.0, 100.0)
    assert some.free(102.0)[A] == 1
    some.note(A, Failure.CIRCUIT_OPEN, 0.0, 102.0)
    assert A not in some.free(105.9)
    assert some.free(106.0)[A] == 1


def test_the_rest_has_a_bound() -> None:
    some, now_s = lanes(), 0.0
    for _ in range(20):
        some.note(A, Failure.CIRCUIT_OPEN, 0.0, now_s)
        now_s += 5.0
        assert some.free(now_s)[A] == 1


def test_any_answer_opens_the_lane_again() -> None:
    for failure in (None, Failure.REFUSED, Failure.NOT_FOUND, Failure.TOKEN_REJECTED):
        some = lanes()
        some.note(A, Failure.CIRCUIT_OPEN, 0.0, 0.0)
        some.note(A, failure, 0.0, 2.0)
        assert some.free(2.0)[A] == 4


def test_a_failure_that_tells_nothing_about_the_connection_changes_nothing() -> None:
    some = lanes()
    some.note(A, Failure.CIRCUIT_OPEN, 0.0, 0.0)
    some.note(A, Failure.INTERNAL, 0.0, 2.0)
    assert some.free(2.0)[A] == 1


def test_a_rate_limit_holds_its_connection_as_long_as_asked() -> None:
    some = lanes()
    some.note(A, Failure.RATE_LIMITED, 30.0, 100.0)
    some.note(A, Failure.RATE_LIMITED, 10.0, 100.0)
    assert A not in some.free(129.9)
    assert some.free(130.0)[A] == 4


def test_a_connection_nobody_knows_is_no_reason_to_fail() -> None:
    lanes().note(ConnectionName("gone"), Failure.CIRCUIT_OPEN, 0.0, 0.0)
