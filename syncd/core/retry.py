"""When a failed operation is tried again, and what each failure means: tables and times. Pure.

Two tables, printed in the users' documentation: `meaning` (stage x failure -> what is done, whether
it costs a try, who else is told) and `after_look` (what a probe that saw nothing leads to).

Every failure of a send that is not in the table is `UNKNOWN`: it may have happened (DESIGN R3).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from syncd.model.errors import ensure
from syncd.model.features import Absence, WriteFeature
from syncd.model.operation import ParkReason

DOUBLINGS_MAX = 32
"""Exponent at which back-off stops doubling; the cap was reached long before."""
RETRY_AFTER_MAX_S = 86_400.0
"""Longest wait a provider may ask for, in seconds; a longer one is asked again after it."""
FIRST_LOOK_S = 60.0
"""First probe of an unknown write, in seconds after its socket was closed; sooner if it settles."""
LOOK_GAP_MIN_S = 0.2
"""Shortest time between two looks, in seconds."""
LOOK_GAP_MAX_S = 60.0
"""Longest time between two looks once the settle time is over, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Bounds of back-off.

    Attributes:
        base_s: upper bound of the first wait, in seconds; doubled with each attempt.
        cap_s: upper bound of every wait, in seconds.
        attempts_max: attempts after which a person is asked; None: never.
        asked_s: wait after a provider that asks for one without saying how long, in seconds.
        outage_s: longest wait of what was not even tried, because the connection is down.
        at_once_s: wait before what may go on at once; keeps a vendor's mistake from becoming a
            loop without pause.
    """

    base_s: float = 2.0
    cap_s: float = 900.0
    attempts_max: int | None = 50
    asked_s: float = 30.0
    outage_s: float = 60.0
    at_once_s: float = 0.25


DEFAULT_POLICY = RetryPolicy()
"""What delivery uses unless told otherwise."""


def retry_at(
    attempts: int,
    failed_at: datetime,
    retry_after_s: float | None,
    jitter: float,
    *,
    policy: RetryPolicy = DEFAULT_POLICY,
) -> datetime | None:
    """Say when a failed operation is tried again: exponential with full jitter.

    Args:
        attempts: attempts made so far, from 1.
        failed_at: aware UTC instant of the failure.
        retry_after_s: what the provider asked for, in seconds; None when it said nothing. It is
            never undercut, and up to a tenth is added so that not all come back at once.
        jitter: a random number in [0, 1).
        policy: the bounds.

    Returns:
        An aware UTC instant; None when the operation is parked.

    Raises:
        BrokenInvariant: attempts is below 1, or jitter outside [0, 1).

    Spec: DESIGN section 7, R11.
    """
    ensure(attempts >= 1, "attempts are counted from 1")
    ensure(0.0 <= jitter < 1.0, "jitter lies in [0, 1)")
    if policy.attempts_max is not None and attempts >= policy.attempts_max:
        return None
    if retry_after_s is not None:
        asked_s = min(max(0.0, retry_after_s), RETRY_AFTER_MAX_S)
        return failed_at + timedelta(seconds=asked_s * (1.0 + 0.1 * jitter))
    bound_s = policy.base_s * 2.0 ** min(attempts - 1, DOUBLINGS_MAX)
    return failed_at + timedelta(seconds=min(bound_s, policy.cap_s) * jitter)


def after_outage_at(
    planned_at: datetime,
    failed_at: datetime,
    jitter: float,
    *,
    policy: RetryPolicy = DEFAULT_POLICY,
) -> datetime:
    """Say when to try again what was not even tried, because the connection is down.

    It costs no attempt, so the wait grows with what the operation has waited already: thousands
    waiting through an outage are asked about ever more rarely.
    """
    waited_s = (failed_at - planned_at).total_seconds()
    bound_s = min(max(1.0, waited_s / 2.0), policy.outage_s)
    return failed_at + timedelta(seconds=bound_s * (0.5 + 0.5 * jitter))


class Stage(StrEnum):
    """What was being done when it failed.

    PREPARE: all that comes before the first byte: the attachment is fetched, the target is read.
    SEND: the write itself. LOOK: a probe.
    """

    PREPARE = "prepare"
    SEND = "send"
    LOOK = "look"


class Failure(StrEnum):
    """The classes of failure, one for each class of remote error.

    LOCAL: our own store or disk is away or full. INTERNAL: all else, which is a bug.
    """

    UNREACHABLE = "unreachable"
    CIRCUIT_OPEN = "circuit_open"
    RATE_LIMITED = "rate_limited"
    TOKEN_REJECTED = "token_rejected"
    CREDENTIALS_REJECTED = "credentials_rejected"
    STALE_VERSION = "stale_version"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    UNSUPPORTED = "unsupported"
    ODD_ANSWER = "odd_answer"
    OUTCOME_UNKNOWN = "outcome_unknown"
    LOCAL = "local"
    INTERNAL = "internal"


class Wait(StrEnum):
    """How long: exponential, as long as it has waited, as the provider asks, or not at all."""

    BACK_OFF = "back_off"
    OUTAGE = "outage"
    ASKED = "asked"
    AT_ONCE = "at_once"


class Action(StrEnum):
    """What becomes of the operation.

    LATER: the same stage again. PARK: a person. UNKNOWN: it may have happened, so it is probed.
    """

    LATER = "later"
    PARK = "park"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a failure means at a stage.

    Attributes:
        action: what becomes of the operation.
        wait: for LATER, how long.
        costs_attempt: it counts against the bounded tries and lengthens the back-off.
        bounded: after `attempts_max` tries it is parked; an outage never parks anything.
        pauses: the connection is paused and one alert raised.
        hastens: the target is read again soon.
        park_reason: the reason when it is parked, at once or after the last try.
    """

    action: Action
    wait: Wait = Wait.BACK_OFF
    costs_attempt: bool = True
    bounded: bool = False
    pauses: bool = False
    hastens: bool = False
    park_reason: ParkReason = ParkReason.EXHAUSTED


_OUTAGE = Meaning(action=Action.LATER)
_DOWN = Meaning(action=Action.LATER, wait=Wait.OUTAGE, costs_attempt=False)
_ASKED = Meaning(action=Action.LATER, wait=Wait.ASKED, costs_attempt=False)
_AT_ONCE = Meaning(action=Action.LATER, wait=Wait.AT_ONCE, costs_attempt=False)
_PAUSE = replace(_AT_ONCE, pauses=True)
_BOUNDED = Meaning(action=Action.LATER, bounded=True)
_REFUSED = Meaning(action=Action.PARK, park_reason=ParkReason.REFUSED)
_INVALID = Meaning(action=Action.PARK, park_reason=ParkReason.INVALID)
_UNKNOWN = Meaning(action=Action.UNKNOWN)
_STILL_UNKNOWN = replace(_BOUNDED, park_reason=ParkReason.IN_DOUBT)
_CANNOT_KNOW = Meaning(action=Action.PARK, park_reason=ParkReason.IN_DOUBT)

_ANY_STAGE: Mapping[Failure, Meaning] = {
    Failure.UNREACHABLE: _OUTAGE,
    Failure.CIRCUIT_OPEN: _DOWN,
    Failure.RATE_LIMITED: _ASKED,
    Failure.TOKEN_REJECTED: _AT_ONCE,
    Failure.CREDENTIALS_REJECTED: _PAUSE,
}
# A read has no effect: whatever it says, nothing happened, and it may be read again.
_PREPARE: Mapping[Failure, Meaning] = {
    Failure.STALE_VERSION: _BOUNDED,
    Failure.NOT_FOUND: _INVALID,
    Failure.REFUSED: _REFUSED,
    Failure.UNSUPPORTED: _REFUSED,
    Failure.ODD_ANSWER: _BOUNDED,
    Failure.OUTCOME_UNKNOWN: _BOUNDED,
    Failure.LOCAL: _OUTAGE,
    Failure.INTERNAL: _BOUNDED,
}
_SEND: Mapping[Failure, Meaning] = {
    Failure.STALE_VERSION: replace(_BOUNDED, hastens=True),
    Failure.NOT_FOUND: replace(_REFUSED, hastens=True),
    Failure.REFUSED: _REFUSED,
    Failure.UNSUPPORTED: _REFUSED,
    Failure.ODD_ANSWER: _UNKNOWN,
    Failure.OUTCOME_UNKNOWN: _UNKNOWN,
    Failure.LOCAL: _UNKNOWN,
    Failure.INTERNAL: _UNKNOWN,
}
_LOOK: Mapping[Failure, Meaning] = {
    Failure.STALE_VERSION: _STILL_UNKNOWN,
    Failure.NOT_FOUND: replace(_STILL_UNKNOWN, hastens=True),
    Failure.REFUSED: _STILL_UNKNOWN,
    Failure.UNSUPPORTED: _CANNOT_KNOW,
    Failure.ODD_ANSWER: _STILL_UNKNOWN,
    Failure.OUTCOME_UNKNOWN: _STILL_UNKNOWN,
    Failure.LOCAL: _OUTAGE,
    Failure.INTERNAL: _STILL_UNKNOWN,
}
_TABLES: Mapping[Stage, Mapping[Failure, Meaning]] = {
    Stage.PREPARE: {**_ANY_STAGE, **_PREPARE},
    Stage.SEND: {**_ANY_STAGE, **_SEND},
    Stage.LOOK: {**_ANY_STAGE, **_LOOK},
}


def meaning(stage: Stage, failure: Failure) -> Meaning:
    """Look up what a failure means; total over both.

    Spec: DESIGN R3, R11; STYLE section 6.
    """
    return _TABLES[stage][failure]


def first_look_at(closed_at: datetime, feature: WriteFeature) -> datetime:
    """Say when an unknown write is looked for first.

    Early enough to find what happened soon, never later than its settle time.
    """
    return closed_at + timedelta(seconds=min(FIRST_LOOK_S, feature.settle_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A probe that saw nothing, and what came before it.

    Attributes:
        looks: such probes in a row before this one.
        closed_at: when the socket of the last send was closed.
        started_at: when this probe began; what it read is as old as that.
        ended_at: when it was over.
        sends: how often bytes may have left.
    """

    looks: int
    closed_at: datetime
    started_at: datetime
    ended_at: datetime
    sends: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterLook:
    """What a probe that saw nothing leads to; exactly one of the three is meant.

    Attributes:
        look_at: look again then.
        park_reason: absence is believed, and a person decides.
        resend: absence is believed, and it is sent again.
    """

    look_at: datetime | None = None
    park_reason: ParkReason | None = None
    resend: bool = False


def after_look(look: Look, feature: WriteFeature, *, sends_max: int) -> AfterLook:
    """Decide after a probe that saw nothing.

    Absence is believed when enough looks agree and the last of them began after the settle time.

    Args:
        look: the probe.
        feature: how this kind of write behaves at this provider.
        sends_max: sends after which a person is asked.

    Spec: DESIGN R3.
    """
    settled_at = look.closed_at + timedelta(seconds=feature.settle_s)
    seen_nothing = look.looks + 1
    if seen_nothing < feature.looks or look.started_at < settled_at:
        return AfterLook(look_at=_next_look_at(look, feature, settled_at))
    if feature.absence is Absence.PARK:
        return AfterLook(park_reason=ParkReason.IN_DOUBT)
    if look.sends >= sends_max:
        return AfterLook(park_reason=ParkReason.EXHAUSTED)
    return AfterLook(resend=True)


def _next_look_at(look: Look, feature: WriteFeature, settled_at: datetime) -> datetime:
    """Spread the looks that are left so that the last falls on the end of the settle time."""
    gap_s = min(max(feature.settle_s / max(1, feature.looks), LOOK_GAP_MIN_S), LOOK_GAP_MAX_S)
    left = max(1, feature.looks - look.looks - 1)
    spread_s = (settled_at - look.ended_at).total_seconds() / left
    # On its very end, not a hair before it: a look that began earlier would not count.
    if left == 1 and spread_s > 0.0:
        return settled_at
    return look.ended_at + timedelta(seconds=spread_s if spread_s > gap_s else gap_s)
