"""Each row of the table in errors.py gives its kind of failure."""

from datetime import UTC, datetime

import orjson
import pytest

from syncd.model.secret import Secret
from syncd.ports.errors import (
    CredentialsRejected,
    NotFound,
    OddAnswer,
    OutcomeUnknown,
    RateLimited,
    Refused,
    RemoteContext,
    RemoteError,
    Unreachable,
)
from syncd.providers.smartops.errors import Exchanged, code_error, read_error
from syncd.providers.smartops.wire import parse_envelope

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def body(code: str) -> bytes:
    return orjson.dumps({"statusCode": code, "statusMessage": "because", "ticketDetails": {}})


@pytest.mark.parametrize(
    ("status", "sent", "on_read", "on_write"),
    [
        (401, body("401"), None, None),
        (404, body("404"), NotFound, NotFound),
        (404, b"<html>", OddAnswer, Refused),
        (404, b"{}", OddAnswer, Refused),
        (408, body("408"), None, None),
        (409, body("409"), None, None),
        (429, body("429"), None, None),
        (418, body("418"), None, None),
        (302, b"", None, None),
        (500, body("500"), None, None),
        (400, body("400"), Refused, Refused),
        (400, b"<html>", Refused, Refused),
        (403, body("403"), Refused, Refused),
        (422, body("409"), Refused, OutcomeUnknown),
        (400, body("200"), Refused, OutcomeUnknown),
        (400, body("502"), Refused, OutcomeUnknown),
        (404, body("500"), NotFound, OutcomeUnknown),
    ],
)
def test_http_status(
    status: int,
    sent: bytes,
    on_read: type[RemoteError] | None,
    on_write: type[RemoteError] | None,
):
    for is_write, expected in ((False, on_read), (True, on_write)):
        error = read_error(status, sent, is_write=is_write)
        assert (type(error) if error else None) is expected


@pytest.mark.parametrize(
    ("code", "on_read", "on_write"),
    [
        ("200", None, None),
        ("201", None, None),
        ("202", Refused, OutcomeUnknown),
        ("400", Refused, Refused),
        ("401", CredentialsRejected, CredentialsRejected),
        ("403", Refused, Refused),
        ("404", NotFound, NotFound),
        ("408", Unreachable, OutcomeUnknown),
        ("409", Refused, OutcomeUnknown),
        ("422", Refused, Refused),
        ("429", RateLimited, RateLimited),
        ("500", Unreachable, OutcomeUnknown),
        ("504", Unreachable, OutcomeUnknown),
        ("FAILED", Refused, OutcomeUnknown),
        ("", OddAnswer, OutcomeUnknown),
    ],
)
def test_status_code_under_success(
    code: str, on_read: type[RemoteError] | None, on_write: type[RemoteError] | None
):
    envelope = parse_envelope(orjson.loads(body(code)))
    for is_write, expected in ((False, on_read), (True, on_write)):
        exchanged = Exchanged(
            context=RemoteContext(connection="desk"), is_write=is_write, closed_at=NOW
        )
        error = code_error(envelope, exchanged)
        assert (type(error) if error else None) is expected
        if isinstance(error, OutcomeUnknown):
            assert error.closed_at == NOW
        if error is not None:
            assert error.context.connection == "desk"
            assert error.context.code == code


def test_the_operator_reads_the_implementations_own_words():
    error = read_error(400, body("400"), is_write=True)
    assert "because" in str(error)


def test_a_secret_the_implementation_quotes_is_not_repeated():
    quoting = orjson.dumps(
        {"statusCode": "400", "statusMessage": "cannot log in with hunter22, aHVudGVyMjI="}
    )
    secrets = (Secret("hunter22"),)
    exchanged = Exchanged(context=RemoteContext(), is_write=True, closed_at=NOW, secrets=secrets)
    error = code_error(parse_envelope(orjson.loads(quoting)), exchanged)
    assert error is not None
    said = f"{error} {error.context}"
    assert "hunter22" not in said
    assert "aHVudGVyMjI" not in said
