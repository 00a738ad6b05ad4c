"""Every class of error becomes the outcome that DESIGN R3 and STYLE section 6 name."""

from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.core.retry import Failure, RetryPolicy, Stage
from syncd.delivery import outcomes
from syncd.delivery.outcomes import FAILURES, Progress, Terms
from syncd.model.features import WriteFeature
from syncd.model.ids import CommentId, TicketId
from syncd.model.operation import AttachmentDraft, CommentDraft, ParkReason, Receipt, WriteKind
from syncd.model.outbox import OutcomeKind
from syncd.ports import errors
from syncd.ports.errors import (
    CircuitOpen,
    CredentialsRejected,
    NotFound,
    OddAnswer,
    OutcomeUnknown,
    RateLimited,
    Refused,
    RemoteContext,
    RemoteError,
    StaleVersion,
    TokenRejected,
    Unreachable,
    Unsupported,
)
from syncd.store.errors import StoreUnavailable
from syncd.store.spool import SpoolFull
from tests.delivery.values import AT, a_claim, a_write

POLICY = RetryPolicy(base_s=2.0, cap_s=60.0, attempts_max=5, asked_s=30.0, at_once_s=0.25)
PROBEABLE = WriteFeature(settle_s=300.0, looks=2)
TERMS = Terms(feature=PROBEABLE, policy=POLICY, jitter=0.5, now=AT)


def progress(stage: Stage = Stage.SEND) -> Progress:
    begun = Progress.begin(a_claim(), AT - timedelta(seconds=1))
    begun.stage = stage
    return begun


LATER = [
    (Unreachable("down"), True, 1.0),
    (CircuitOpen("open"), False, 0.75),
    (RateLimited("wait", retry_after_s=100.0), False, 105.0),
    (RateLimited("wait"), False, 31.5),
    (TokenRejected("401"), False, 0.25),
    (CredentialsRejected("no"), False, 0.25),
    (StaleVersion("412"), True, 1.0),
]


@pytest.mark.parametrize(("error", "costs", "wait_s"), LATER, ids=lambda v: type(v).__name__)
def test_a_send_without_effect_that_may_work_later_is_ready_again(
    error: RemoteError, costs: bool, wait_s: float
) -> None:
    outcome = outcomes.after_error(a_claim(), progress(), error, TERMS).outcome
    assert outcome.kind is OutcomeKind.LATER
    assert outcome.costs_attempt is costs
    assert outcome.not_before == AT + timedelta(seconds=wait_s)
    assert not outcome.resend


@pytest.mark.parametrize("error", [Refused("no"), Unsupported("cannot"), NotFound("404")])
def test_a_refused_send_is_parked_as_refused(error: RemoteError) -> None:
    outcome = outcomes.after_error(a_claim(), progress(), error, TERMS).outcome
    assert outcome.kind is OutcomeKind.PARKED
    assert outcome.park_reason is ParkReason.REFUSED


@pytest.mark.parametrize(
    "error",
    [OutcomeUnknown("?"), OddAnswer("?"), KeyError("x"), TimeoutError(), OSError(), ValueError()],
)
def test_a_send_that_ended_in_anything_else_is_unknown_and_looked_for(error: Exception) -> None:
    outcome = outcomes.after_error(a_claim(), progress(), error, TERMS).outcome
    assert outcome.kind is OutcomeKind.UNKNOWN
    assert outcome.closed_at == AT
    assert outcome.not_before == AT + timedelta(seconds=60)


def test_the_settle_time_counts_from_when_the_socket_was_closed() -> None:
    closed_at = AT - timedelta(seconds=20)
    error = OutcomeUnknown("?", closed_at=closed_at)
    outcome = outcomes.after_error(a_claim(), progress(), error, TERMS).outcome
    assert outcome.closed_at == closed_at
    assert outcome.not_before == closed_at + timedelta(seconds=60)


@pytest.mark.parametrize("error", [OutcomeUnknown("?"), KeyError("x")])
def test_where_nothing_can_be_found_out_a_lost_answer_is_in_doubt_at_once(
    error: Exception,
) -> None:
    terms = replace(TERMS, feature=WriteFeature(can_probe=False))
    outcome = outcomes.after_error(a_claim(), progress(), error, terms).outcome
    assert outcome.kind is OutcomeKind.PARKED
    assert outcome.park_reason is ParkReason.IN_DOUBT


def test_refused_credentials_pause_the_connection_that_refused_them() -> None:
    begun = progress(Stage.PREPARE)
    begun.connection = a_claim().source_connection
    verdict = outcomes.after_error(a_claim(), begun, CredentialsRejected("no"), TERMS)
    assert verdict.pause == "desk"


@pytest.mark.parametrize("error", [StaleVersion("412"), NotFound("404")])
def test_what_does_not_fit_the_ticket_hastens_its_reading(error: RemoteError) -> None:
    assert outcomes.after_error(a_claim(), progress(), error, TERMS).hasten


def test_an_operations_own_failures_are_bounded() -> None:
    op = a_claim(attempts=4)
    outcome = outcomes.after_error(op, progress(), StaleVersion("412"), TERMS).outcome
    assert outcome.kind is OutcomeKind.PARKED
    assert outcome.park_reason is ParkReason.EXHAUSTED


@pytest.mark.parametrize("error", [Unreachable("down"), SpoolFull("no room"), OSError("disk")])
def test_an_outage_never_parks(error: Exception) -> None:
    op = a_claim(attempts=10_000)
    outcome = outcomes.after_error(op, progress(Stage.PREPARE), error, TERMS).outcome
    assert outcome.kind is OutcomeKind.LATER


PREPARING = [
    (NotFound("gone"), OutcomeKind.PARKED, ParkReason.INVALID),
    (Refused("no"), OutcomeKind.PARKED, ParkReason.REFUSED),
    (OddAnswer("?"), OutcomeKind.LATER, None),
    (OutcomeUnknown("?"), OutcomeKind.LATER, None),
    (SpoolFull("no room"), OutcomeKind.LATER, None),
    (KeyError("bug"), OutcomeKind.LATER, None),
    (Unreachable("down"), OutcomeKind.LATER, None),
]


@pytest.mark.parametrize(("error", "kind", "reason"), PREPARING)
def test_what_fails_before_the_first_byte_is_never_unknown(
    error: Exception, kind: OutcomeKind, reason: ParkReason | None
) -> None:
    outcome = outcomes.after_error(a_claim(), progress(Stage.PREPARE), error, TERMS).outcome
    assert (outcome.kind, outcome.park_reason) == (kind, reason)


@pytest.mark.parametrize("error", [kind("x") for kind, _ in FAILURES] + [KeyError("x")])
def test_a_failed_look_never_sends_again_and_never_says_refused(error: Exception) -> None:
    verdict = outcomes.after_error(a_claim(), progress(Stage.LOOK), error, TERMS)
    assert verdict.outcome.what == "probe"
    assert not verdict.outcome.resend
    assert not verdict.outcome.saw_nothing
    assert verdict.outcome.kind in (OutcomeKind.LATER, OutcomeKind.PARKED)
    assert verdict.outcome.park_reason in (None, ParkReason.IN_DOUBT)


def test_the_error_tree_and_the_table_name_the_same_classes() -> None:
    tree = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, RemoteError) and kind is not RemoteError
    }
    ours = {TimeoutError, StoreUnavailable, SpoolFull, OSError}
    assert tree | ours == {kind for kind, _ in FAILURES}
    assert {failure for _, failure in FAILURES} | {Failure.INTERNAL} == set(Failure)


@pytest.mark.parametrize(("kind", "failure"), FAILURES)
def test_no_class_hides_behind_its_base(kind: type[Exception], failure: Failure) -> None:
    assert outcomes.failure_of(kind("x")) is failure


def test_an_interrupted_send_is_unknown_and_anything_else_goes_on() -> None:
    sent = outcomes.after_interruption(progress(Stage.SEND), TERMS).outcome
    assert sent.kind is OutcomeKind.UNKNOWN
    for stage in (Stage.PREPARE, Stage.LOOK):
        outcome = outcomes.after_interruption(progress(stage), TERMS).outcome
        assert outcome.kind is OutcomeKind.LATER
        assert not outcome.costs_attempt


def test_only_what_may_have_been_sent_before_is_looked_at_once_more() -> None:
    receipt = Receipt(ticket_id=TicketId("V1"))
    first = outcomes.applied(a_claim(sends=0), progress(), receipt, TERMS).outcome
    again = outcomes.applied(a_claim(sends=1), progress(), receipt, TERMS).outcome
    assert first.recheck_at is None
    assert again.recheck_at == AT + timedelta(seconds=300)
    found = outcomes.found(a_claim(sends=1), progress(Stage.LOOK), (receipt,), TERMS).outcome
    twice = outcomes.found(a_claim(sends=2), progress(Stage.LOOK), (receipt,), TERMS).outcome
    assert found.recheck_at is None
    assert twice.recheck_at is not None


def test_the_oldest_effect_is_adopted_and_the_others_are_known() -> None:
    effects = tuple(
        Receipt(ticket_id=TicketId("V1"), comment_id=CommentId(f"c{turn}")) for turn in range(3)
    )
    outcome = outcomes.found(a_claim(), progress(Stage.LOOK), effects, TERMS).outcome
    assert outcome.receipt == effects[0]
    assert outcome.others == effects[1:]


def test_the_summary_of_a_request_names_fields_and_sizes_but_no_values() -> None:
    assert outcomes.describe(a_write()) == "update incident V1 title"
    comment = a_write(
        kind=WriteKind.COMMENT, fields={}, comment=CommentDraft(body="hush", author="Kari")
    )
    assert outcomes.describe(comment) == "comment incident V1 comment of 4 characters"
    draft = AttachmentDraft(
        source_id="a",  # type: ignore[arg-type]
        name="x.txt",
        content_type="text/plain",
        size_bytes=3,
        digest="ab" * 32,
    )
    file = a_write(kind=WriteKind.ATTACHMENT, fields={}, attachment=draft)
    said = outcomes.describe(file)
    assert said == f"attachment incident V1 'x.txt' 3 bytes sha256 {'ab' * 8}"


def test_what_the_vendor_said_is_kept_in_one_line_and_a_stranger_error_only_by_its_type() -> None:
    context = RemoteContext(status=422, code="400002", request_id="r-1", endpoint="update")
    refused = Refused("no\nway", replace(context, detail="bad  LU " + "x" * 1000))
    outcome = outcomes.after_error(a_claim(), progress(), refused, TERMS).outcome
    assert outcome.status == 422
    assert outcome.detail.startswith("no way 400002 bad LU xxx")
    assert len(outcome.detail) <= outcomes.DETAIL_CHARS_MAX
    told = Refused(
        "Telenor 404002: no such case", replace(context, code="404002", detail="no such")
    )
    again = outcomes.after_error(a_claim(), progress(), told, TERMS).outcome
    assert again.detail == "Telenor 404002: no such case (update request r-1)"
    odd = outcomes.after_error(a_claim(), progress(), KeyError("password=hunter2"), TERMS)
    assert "hunter2" not in odd.outcome.detail
    assert "KeyError" in odd.outcome.detail


def test_an_outcome_that_cannot_be_stored_still_names_what_was_made() -> None:
    receipt = Receipt(ticket_id=TicketId("V99"))
    verdict = outcomes.applied(a_claim(), progress(), receipt, TERMS)
    instead = outcomes.unstorable(verdict, ValueError("bug")).outcome
    assert instead.kind is OutcomeKind.PARKED
    assert instead.park_reason is ParkReason.IN_DOUBT
    assert "V99" in instead.detail
