"""Every documented error answer is the right kind of failure."""

import orjson
import pytest

from syncd.ports.errors import CredentialsRejected, NotFound, RateLimited, Refused, RemoteError
from syncd.providers.telenor.errors import ROWS, Meaning, error_code, read_error

KINDS: dict[str, type[RemoteError] | None] = {
    "400001": Refused,
    "400002": Refused,
    "401001": Refused,
    "401002": Refused,
    "401003": None,
    "403001": Refused,
    "404001": Refused,
    "404002": NotFound,
    "500001": None,
    "503001": None,
    "40102": None,
    "40103": Refused,
    "40105": None,
    "40106": None,
    "40107": CredentialsRejected,
    "40108": CredentialsRejected,
    "40301": Refused,
    "40401": Refused,
    "4042000": NotFound,
    "42901": None,
    "42902": None,
    "50001": None,
}


@pytest.mark.parametrize("code", sorted(KINDS))
def test_each_code_of_the_document_is_its_kind_of_failure(code: str) -> None:
    body = orjson.dumps({"code": code, "message": "because"})
    for is_write in (True, False):
        told = read_error(ROWS[code].status, body, is_write=is_write)
        assert type(told) is (KINDS[code] or type(None))
        if told is not None:
            assert told.context.code == code
            assert ROWS[code].text in str(told)


def test_the_table_holds_every_code_of_the_document() -> None:
    assert {code for code in ROWS if code.isdigit()} == set(KINDS)
    assert {row.meaning for row in ROWS.values()} == set(Meaning)


@pytest.mark.parametrize(
    "body",
    [
        b'{"code": 404002}',
        b'{"errorCode": "404002"}',
        b'{"error": {"code": "404002"}}',
        b'{"errors": [{"code": "404002"}]}',
        b'[{"errorCode": "404002", "message": "x"}]',
        b'{"fault": {"faultstring": "x", "detail": {"errorcode": "404002"}}}',
        b"<error>404002 Data or entity not found</error>",
        b'{"code": "ERR", "errors": [{"code": "404002"}]}',
    ],
)
def test_the_code_is_found_in_whatever_shape_the_body_has(body: bytes) -> None:
    assert error_code(404, body) == "404002"


def test_a_number_in_a_text_counts_only_when_it_fits_the_status() -> None:
    assert error_code(500, b"order 404002 failed") == ""
    assert error_code(404, b"\xff\xfe[[[") == ""


def test_a_rate_limit_of_the_gateway_is_one_whatever_its_status() -> None:
    body = b'{"fault": {"detail": {"errorcode": "policies.ratelimit.SpikeArrestViolation"}}}'
    assert isinstance(read_error(500, body, is_write=True), RateLimited)
    assert read_error(429, body, is_write=True) is None, "the transport knows Retry-After"


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_an_unknown_or_missing_code_is_left_to_the_classes_of_r3(status: int) -> None:
    for body in (b"", b"<html>", b'{"code": "E1"}'):
        assert read_error(status, body, is_write=True) is None


def test_a_code_under_another_status_is_not_believed() -> None:
    assert read_error(500, b'{"code": "400002"}', is_write=True) is None
