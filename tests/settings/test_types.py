"""Rates, spans of the day and addresses are read from texts."""

from datetime import time

import pytest
from pydantic import TypeAdapter, ValidationError

from syncd.core.rules import Rate
from syncd.settings import types
from syncd.settings.types import check_url, parse_rate


def test_a_rate_is_a_count_in_a_time() -> None:
    assert parse_rate("20/h") == Rate(count=20, per_s=3600)
    for text in ("20", "0/h", "20/w", "20 per hour", "1.5/m", "99999999/s"):
        with pytest.raises(ValueError):
            parse_rate(text)


def test_a_span_of_the_day_may_cross_midnight() -> None:
    span = TypeAdapter(types.SpanOfDay)
    assert span.validate_python("22:00-06:30") == (time(22), time(6, 30))
    assert span.validate_python("00:00-24:00") == (time(0), time(0))
    for text in ("25:00-26:00", "7-18", "07:00", "07:60-08:00"):
        with pytest.raises(ValidationError):
            span.validate_python(text)


@pytest.mark.parametrize("text", ["127.0.0.1:8470", "[::1]:0", "0.0.0.0:65535", "localhost:80"])
def test_an_address_to_listen_on_has_a_port(text: str) -> None:
    assert TypeAdapter(types.Listen).validate_python(text) == text


@pytest.mark.parametrize("text", ["8470", ":8470", "host:", "host:99999", "host:x", "host:123456"])
def test_other_texts_are_no_address_to_listen_on(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(types.Listen).validate_python(text)


@pytest.mark.parametrize(
    "url", ["http://localhost:1/x", "http://127.9.9.9", "http://[::1]:80/", "https://a.example/b/"]
)
def test_encrypted_and_local_addresses_are_accepted(url: str) -> None:
    assert check_url(url, plain_ok=False) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    ["http://a.example", "http://localhost.example", "ftp://a", "https://", "https://a b", "a",
     "https://u@a", "https://u:p@a", "https://a?x=1", "https://a#x", "https://a:99999", "https://[::1"],
)  # fmt: skip
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValueError):
        check_url(url, plain_ok=False)


def test_plain_http_is_accepted_where_somebody_said_so() -> None:
    assert check_url("http://a.example", plain_ok=True) == "http://a.example"
