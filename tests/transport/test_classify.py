"""The classes of DESIGN R3, one row each."""

from datetime import UTC, datetime

import pytest

from syncd.ports.errors import (
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
)
from syncd.transport.classify import (
    Verdict,
    request_id,
    retry_after_s,
    settle_reader_error,
    status_error,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONTEXT = RemoteContext(connection="acme", endpoint="PUT /x", status=400, detail="body")

WRITES: dict[int, type[RemoteError]] = {
    **dict.fromkeys([400, 403, 405, 413, 415, 422], Refused),
    401: TokenRejected,
    404: NotFound,
    429: RateLimited,
    **dict.fromkeys([300, 301, 302, 303, 304, 307, 308], OutcomeUnknown),
    **dict.fromkeys([402, 406, 408, 409, 410, 411, 412, 418, 423, 425, 451], OutcomeUnknown),
    **dict.fromkeys([500, 501, 502, 503, 504, 507, 599], OutcomeUnknown),
}
READS: dict[int, type[RemoteError]] = {
    **dict.fromkeys([400, 402, 403, 405, 406, 409, 412, 413, 415, 418, 422, 423, 451], Refused),
    401: TokenRejected,
    **dict.fromkeys([404, 410], NotFound),
    429: RateLimited,
    **dict.fromkeys([300, 304], OddAnswer),
    **dict.fromkeys([408, 425, 500, 501, 502, 503, 504, 507, 599], Unreachable),
}


def verdict(*, is_write: bool, conditional: bool = False, after: float | None = None) -> Verdict:
    return Verdict(is_write=is_write, conditional=conditional, retry_after_s=after, closed_at=NOW)


@pytest.mark.parametrize(("status", "kind"), WRITES.items())
def test_a_write_has_the_outcome_that_its_status_says(status: int, kind: type[RemoteError]) -> None:
    assert type(status_error(status, verdict(is_write=True), CONTEXT)) is kind


@pytest.mark.parametrize(("status", "kind"), READS.items())
def test_a_read_fails_as_its_status_says(status: int, kind: type[RemoteError]) -> None:
    assert type(status_error(status, verdict(is_write=False), CONTEXT)) is kind


def test_a_write_that_named_its_version_and_got_412_is_stale() -> None:
    error = status_error(412, verdict(is_write=True, conditional=True), CONTEXT)
    assert isinstance(error, StaleVersion)


def test_an_unknown_outcome_says_when_its_socket_was_closed() -> None:
    error = status_error(502, verdict(is_write=True), CONTEXT)
    assert isinstance(error, OutcomeUnknown)
    assert error.closed_at == NOW


def test_a_read_told_to_wait_by_a_503_is_rate_limited_and_a_write_stays_unknown() -> None:
    read = status_error(503, verdict(is_write=False, after=7), CONTEXT)
    write = status_error(503, verdict(is_write=True, after=7), CONTEXT)
    assert isinstance(read, RateLimited)
    assert read.retry_after_s == 7
    assert isinstance(write, OutcomeUnknown)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        (" 1.5 ", 1.5),
        ("0", 0),
        ("-3", 0),
        ("999999", 3600),
        ("1e400", 3600),
        ("nan", None),
        ("", None),
        ("soon", None),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Sun, 01 Mar 2027 12:00:00 GMT", 3600),
        ("Sun, 01 Mar 2026 12:00:30 -0000", 30),
        ("Sun, 41 Foo 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": text}, NOW) == seconds


def test_the_vendors_request_id_is_found_and_cut() -> None:
    assert request_id({"x-correlation-id": "c", "x-request-id": "r" * 500}) == "r" * 128
    assert request_id({}) == ""


def test_a_providers_error_is_completed_and_keeps_its_code() -> None:
    own = Refused("no", RemoteContext(code="400002"))
    error = settle_reader_error(own, is_write=True, context=CONTEXT, closed_at=NOW)
    assert error is own
    assert error.context == RemoteContext(
        connection="acme", endpoint="PUT /x", status=400, code="400002", detail="body"
    )


def test_a_provider_that_cannot_tell_what_a_write_did_leaves_it_unknown() -> None:
    odd = settle_reader_error(OddAnswer("?"), is_write=True, context=CONTEXT, closed_at=NOW)
    own = settle_reader_error(OutcomeUnknown("?"), is_write=True, context=CONTEXT, closed_at=NOW)
    for error in (odd, own):
        assert isinstance(error, OutcomeUnknown)
        assert error.closed_at == NOW
    assert odd.context.connection == "acme"
