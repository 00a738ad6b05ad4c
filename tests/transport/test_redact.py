"""No secret gets into a text that is kept."""

import pytest

from syncd.model.secret import Secret
from syncd.transport.redact import safe_headers, scrub, snippet


@pytest.mark.parametrize(
    "text",
    [
        '{"access_token": "hush"}',
        '{"Refresh_Token":"hu\\"sh"}',
        '{"password" : "hush',
        "grant_type=password&username=ola&password=hush&x=1",
        "client_secret=hush",
        "Authorization: Bearer hush.hush-hush_hush~",
        "authorization: basic aHVzaA==hush",
    ],
)
def test_what_looks_like_a_secret_is_blanked(text: str) -> None:
    assert "hush" not in scrub(text)
    assert "***" in scrub(text)


def test_ordinary_words_stay() -> None:
    text = 'the token expired; {"tokens": 3, "title": "password reset"} basic facts'
    assert scrub(text).replace("Basic ***", "") != ""
    assert '"title": "password reset"' in scrub(text)


def test_known_secrets_are_blanked_wherever_they_are() -> None:
    assert scrub("you sent s3cr3t!", [Secret("s3cr3t")]) == "you sent ***!"


def test_a_secret_too_short_to_tell_from_words_is_not_searched_for() -> None:
    assert scrub("an apple a day", [Secret("a"), Secret("")]) == "an apple a day"


def test_a_snippet_is_short_printable_and_has_no_half_secret() -> None:
    body = b"\x00\x1b[31m" + b"x" * 2035 + b"s3cr3t" + b"\xff" * 9000
    text = snippet(body, [Secret("s3cr3t")])
    assert len(text) == 2048
    assert text.isprintable()
    assert "s3c" not in text


def test_secret_headers_are_blanked_by_name() -> None:
    headers = {"Authorization": "x", "user": "id:key", "Set-Cookie": "a=b", "X-Id": "k33p"}
    assert safe_headers(headers) == {
        "Authorization": "***", "user": "***", "Set-Cookie": "***", "X-Id": "k33p"
    }  # fmt: skip
    assert safe_headers({"X-Id": "my s3cr3t"}, [Secret("s3cr3t")]) == {"X-Id": "my ***"}
