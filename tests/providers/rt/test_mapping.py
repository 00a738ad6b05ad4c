"""Values, texts and parts of RT's tickets: pure pieces by themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from syncd.model.secret import Secret
from syncd.providers.rt.feed import quoted
from syncd.providers.rt.html import text_of
from syncd.providers.rt.mapping import message_of, normalise
from syncd.providers.rt.settings import RtSettings
from syncd.providers.rt.wire import Malformed, Part, made_by, parse_date, parse_id

LOGIN = {"user": "syncd", "auth": {"token": Secret("1-33-x")}}


def part(number: int, content_type: str, content: str, name: str = "") -> Part:
    return Part(
        id=str(number), transaction="9", name=name, content_type=content_type, size=None,
        created=None, content=content,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("owner", "Nobody", None),
        ("owner", "Anna", "anna"),
        ("caller", "b@x.example, A@x.example", "a@x.example,b@x.example"),
        ("priority", "007", 7),
        ("title", " Link  down\n", "Link down"),
        ("queue", "support", "Support"),
    ],
)
def test_two_spellings_of_one_value_are_equal(name: str, one: str, other: object) -> None:
    assert normalise(name, one) == normalise(name, other)  # type: ignore[arg-type]


def test_a_message_is_its_plain_text_else_its_html_and_never_a_file() -> None:
    html, plain = part(1, "text/html", "<p>Hi</p>"), part(2, "text/plain", "Hello")
    assert message_of([html, plain]) == "Hello"
    assert message_of([html]) == "Hi"
    assert message_of([part(3, "text/plain", "a file", name="a.txt")]) == ""


@given(st.text())
def test_any_text_can_be_read_as_html(source: str) -> None:
    assert isinstance(text_of(source), str)


def test_html_keeps_words_apart_and_leaves_scripts_out() -> None:
    source = "<style>p{}</style><div>one</div><div>two &amp; three</div><script>x()</script>"
    assert text_of(source) == "one\ntwo & three"
    assert text_of("<pre>a\n  b</pre>") == "a\n  b"
    assert text_of('<a href="mailto:a@b.example">a@b.example</a>') == "a@b.example"


def test_dates_are_utc_and_the_epoch_is_none() -> None:
    assert parse_date("1970-01-01T00:00:00Z") is None
    assert parse_date("2026-11-23T00:48:30+01:00") is None
    told = parse_date("2026-11-23T00:48:30Z")
    assert told is not None
    assert told.isoformat() == "2026-11-23T00:48:30+00:00"


@pytest.mark.parametrize("raw", [None, True, "", "0", "x", -1, 1.5, "12a", {}])
def test_what_is_no_id_is_malformed(raw: object) -> None:
    with pytest.raises(Malformed):
        parse_id(raw)


def test_a_location_names_what_was_made() -> None:
    assert made_by("/REST/2.0/transaction/52", "transaction") == "52"
    assert made_by("/REST/2.0/ticket/52", "transaction") is None
    assert made_by("", "transaction") is None


def test_a_name_with_quotes_stays_one_text_in_a_query() -> None:
    assert quoted("O'Hara\\") == "'O\\'Hara\\\\'"


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"custom_fields": {"title": {"name": "X"}}}, "every ticket has"),
        ({"custom_fields": {"a": {"name": "X"}, "b": {"name": "x"}}}, "two names"),
        ({"custom_fields": {"a": {"name": "X"}}, "ticket_field": "X"}, "keeps our key"),
        ({"feed": {"settle": "3m"}}, "shorter than overlap"),
        ({"auth": {}}, "token"),
    ],
)
def test_settings_that_cannot_work_are_refused(keys: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        RtSettings.model_validate(LOGIN | keys)
