"""Texts of tickets cannot command a terminal; times and spans read well."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.cli.output import encode
from syncd.cli.show.lines import columns, line
from syncd.cli.text import ago, ahead, count, cut, safe, span, value
from syncd.model.ticket import MISSING

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@given(st.text())
def test_nothing_that_commands_a_terminal_gets_through(text: str) -> None:
    shown = line(text, (text, "bold")).plain
    assert not any(
        ord(char) < 32 or 127 <= ord(char) < 160 or char in "\u202e\u2028" for char in shown
    )


@given(st.text())
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    if text.isprintable():
        assert safe(text) == text


def test_markup_of_rich_is_only_text() -> None:
    shown = line("[red]x[/red] :smile:")
    assert shown.plain == "[red]x[/red] :smile:"
    assert shown.spans == []


def test_json_holds_no_control_character_either() -> None:
    told = encode({"title": "\x1b[2J\x9b31m\u202etext", "at": NOW})
    assert told.isprintable()
    assert orjson.loads(told) == {"title": "\x1b[2J\x9b31m\u202etext", "at": "2026-03-01T12:00:00Z"}


def test_json_survives_text_that_is_no_unicode() -> None:
    assert orjson.loads(encode({"a": "\ud800"})) == {"a": "\\ud800"}


@pytest.mark.parametrize(
    ("given_value", "shown"),
    [
        (MISSING, "(not told)"),
        (None, "(empty)"),
        ("", "(empty)"),
        (True, "yes"),
        ({"name": "NOC", "phone": "1"}, "name: NOC, phone: 1"),
        ("a\nb", "a\\nb"),
        ("x" * 80, "x" * 59 + "…"),
    ],
)
def test_values_are_short_and_told_apart(given_value: object, shown: str) -> None:
    assert value(given_value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-5, "0s"), (4.9, "4s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"),
     (12_000, "3h 20m"), (200_000, "2d")],
)  # fmt: skip
def test_spans_are_short(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


def test_instants_are_told_from_now() -> None:
    assert ago(None, NOW) == "never"
    assert ago(NOW - timedelta(minutes=5), NOW) == "5m ago"
    assert ahead(NOW, NOW) == "now"
    assert ahead(NOW + timedelta(minutes=3), NOW) == "12:03:00 (in 3m)"
    assert ahead(NOW + timedelta(days=1), NOW) == "2026-03-02 12:00:00 (in 24h)"


def test_columns_are_as_wide_as_their_widest_cell_on_the_screen() -> None:
    made = columns([("日本", "x"), ("a", "yy"), ("abcdef",)], head=("ONE", "TWO"))
    assert [each.plain for each in made] == ["ONE     TWO", "日本    x", "a       yy", "abcdef"]
    assert columns([], head=("ONE",)) == []


def test_counts_and_cuts() -> None:
    assert [count(number, "write") for number in (0, 1, 2000)] == [
        "0 writes",
        "1 write",
        "2,000 writes",
    ]
    assert cut("abcdef", 4) == "abc…"
