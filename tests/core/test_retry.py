"""When a failed operation is tried again, and what each failure means."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.retry import (
    Action,
    Failure,
    Look,
    RetryPolicy,
    Stage,
    after_look,
    after_outage_at,
    first_look_at,
    meaning,
    retry_at,
)
from syncd.model.errors import BrokenInvariant
from syncd.model.features import Absence, WriteFeature
from syncd.model.operation import ParkReason

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
JITTER = st.floats(min_value=0.0, max_value=1.0, exclude_max=True)
POLICY = RetryPolicy(base_s=2.0, cap_s=60.0, attempts_max=10)


@given(attempts=st.integers(1, 9), jitter=JITTER)
def test_a_wait_is_never_negative_and_never_above_its_doubled_bound(
    attempts: int, jitter: float
) -> None:
    at = retry_at(attempts, AT, None, jitter, policy=POLICY)
    assert at is not None
    assert 0.0 <= (at - AT).total_seconds() <= min(60.0, 2.0 * 2 ** (attempts - 1))


def test_after_the_last_attempt_a_person_is_asked() -> None:
    assert retry_at(9, AT, None, 0.5, policy=POLICY) is not None
    assert retry_at(10, AT, None, 0.5, policy=POLICY) is None


def test_an_outage_is_waited_out_however_often_it_failed() -> None:
    endless = RetryPolicy(cap_s=900.0, attempts_max=None)
    at = retry_at(1_000_000, AT, None, 0.999, policy=endless)
    assert at is not None
    assert at - AT <= timedelta(seconds=900)


@given(asked_s=st.floats(0.0, 10_000.0), jitter=JITTER)
def test_what_the_provider_asks_for_is_never_undercut(asked_s: float, jitter: float) -> None:
    at = retry_at(1, AT, asked_s, jitter, policy=POLICY)
    assert at is not None
    assert (at - AT).total_seconds() >= asked_s - 1e-6
    assert (at - AT).total_seconds() <= asked_s * 1.1 + 1e-6


def test_what_the_provider_asks_for_has_a_bound_of_its_own() -> None:
    at = retry_at(1, AT, 1e12, 0.0, policy=POLICY)
    assert at == AT + timedelta(days=1)


@given(waited_s=st.floats(0.0, 1e6), jitter=JITTER)
def test_what_waits_through_an_outage_is_asked_about_ever_more_rarely(
    waited_s: float, jitter: float
) -> None:
    at = after_outage_at(AT - timedelta(seconds=waited_s), AT, jitter, policy=POLICY)
    wait_s = (at - AT).total_seconds()
    assert 0.5 <= wait_s <= POLICY.outage_s
    assert wait_s >= min(waited_s / 4.0, POLICY.outage_s / 2.0) - 1e-3


@pytest.mark.parametrize(("attempts", "jitter"), [(0, 0.5), (-1, 0.5), (1, 1.0), (1, -0.1)])
def test_nonsense_is_a_bug(attempts: int, jitter: float) -> None:
    with pytest.raises(BrokenInvariant):
        retry_at(attempts, AT, None, jitter)


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("failure", Failure)
def test_every_failure_at_every_stage_has_a_meaning(stage: Stage, failure: Failure) -> None:
    assert meaning(stage, failure).action in Action


@pytest.mark.parametrize("failure", Failure)
def test_only_a_send_can_make_an_outcome_unknown(failure: Failure) -> None:
    assert meaning(Stage.PREPARE, failure).action is not Action.UNKNOWN
    assert meaning(Stage.LOOK, failure).action is not Action.UNKNOWN


@pytest.mark.parametrize("failure", [Failure.OUTCOME_UNKNOWN, Failure.INTERNAL, Failure.ODD_ANSWER])
def test_a_send_that_ended_in_anything_unforeseen_is_unknown(failure: Failure) -> None:
    assert meaning(Stage.SEND, failure).action is Action.UNKNOWN


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize(
    "failure",
    [
        Failure.CIRCUIT_OPEN,
        Failure.RATE_LIMITED,
        Failure.TOKEN_REJECTED,
        Failure.CREDENTIALS_REJECTED,
    ],
)
def test_what_is_not_the_operations_fault_costs_no_attempt_and_parks_nothing(
    stage: Stage, failure: Failure
) -> None:
    rule = meaning(stage, failure)
    assert rule.action is Action.LATER
    assert not rule.costs_attempt
    assert not rule.bounded


@pytest.mark.parametrize("stage", Stage)
def test_only_refused_credentials_pause_a_connection(stage: Stage) -> None:
    pausing = [failure for failure in Failure if meaning(stage, failure).pauses]
    assert pausing == [Failure.CREDENTIALS_REJECTED]


@pytest.mark.parametrize("failure", Failure)
def test_a_probe_that_fails_for_good_leaves_the_operation_in_doubt_not_refused(
    failure: Failure,
) -> None:
    rule = meaning(Stage.LOOK, failure)
    if rule.bounded or rule.action is Action.PARK:
        assert rule.park_reason is ParkReason.IN_DOUBT


SLOW = WriteFeature(settle_s=300.0, looks=2)


def test_the_first_look_comes_early_but_never_after_the_settle_time() -> None:
    assert first_look_at(AT, SLOW) == AT + timedelta(seconds=60)
    assert first_look_at(AT, WriteFeature(settle_s=3.0)) == AT + timedelta(seconds=3)


def a_look(after_s: float, *, looks: int = 0, sends: int = 1) -> Look:
    at = AT + timedelta(seconds=after_s)
    return Look(
        looks=looks, closed_at=AT, started_at=at, ended_at=at + timedelta(seconds=1), sends=sends
    )


def test_absence_before_the_settle_time_is_not_believed_however_many_looks_agree() -> None:
    then = after_look(a_look(299.9, looks=50), SLOW, sends_max=3)
    assert not then.resend
    assert then.park_reason is None
    assert then.look_at == AT + timedelta(seconds=300.9) + timedelta(seconds=60)


def test_absence_after_the_settle_time_needs_all_its_looks() -> None:
    one = after_look(a_look(400.0), SLOW, sends_max=3)
    assert one.look_at is not None
    assert one.look_at > AT + timedelta(seconds=401)
    assert after_look(a_look(500.0, looks=1), SLOW, sends_max=3).resend


def test_the_last_look_falls_on_the_end_of_the_settle_time() -> None:
    then = after_look(a_look(60.0), SLOW, sends_max=3)
    assert then.look_at == AT + timedelta(seconds=300)


def test_believed_absence_parks_where_the_provider_says_so() -> None:
    parking = WriteFeature(settle_s=10.0, looks=1, absence=Absence.PARK)
    then = after_look(a_look(10.0), parking, sends_max=3)
    assert then.park_reason is ParkReason.IN_DOUBT
    assert not then.resend


def test_sends_are_bounded() -> None:
    feature = WriteFeature(settle_s=10.0, looks=1)
    assert after_look(a_look(10.0, sends=2), feature, sends_max=3).resend
    spent = after_look(a_look(10.0, sends=3), feature, sends_max=3)
    assert spent.park_reason is ParkReason.EXHAUSTED


@given(
    settle_s=st.floats(0.0, 3600.0),
    needed=st.integers(1, 6),
    first_s=st.floats(0.0, 100.0),
    took_s=st.floats(0.0, 30.0),
)
def test_looking_ends_soon_after_the_settle_time(
    settle_s: float, needed: int, first_s: float, took_s: float
) -> None:
    feature = WriteFeature(settle_s=settle_s, looks=needed)
    at, looks = AT + timedelta(seconds=first_s), 0
    while True:
        look = Look(
            looks=looks,
            closed_at=AT,
            started_at=at,
            ended_at=at + timedelta(seconds=took_s),
            sends=1,
        )
        then = after_look(look, feature, sends_max=3)
        looks += 1
        if then.resend:
            break
        assert then.look_at is not None
        assert then.look_at > look.ended_at
        at = then.look_at
        assert looks <= needed + 2
    assert looks >= needed
    assert (at - AT).total_seconds() >= settle_s - 1e-3
    assert (at - AT).total_seconds() <= max(settle_s, first_s) + needed * (60.0 + took_s) + 1.0
