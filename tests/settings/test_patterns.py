"""Patterns compile, and none can take for ever."""

import pytest

from syncd.settings.patterns import compile_pattern


@pytest.mark.parametrize(
    "text",
    [r"\bLU-\d{8}\b", "^INC", r"(?:a|b)+c", r"[(+*]+", r"\(a+\)+", "a{2,5}b", "x{,3}", "a{b",
     "(a?b)+", r"(?P<n>\d+) (?i:x)", "[]a+]+", r"[^\]+]+", "(ab){2}", "a+?b*?"],
)  # fmt: skip
def test_ordinary_patterns_are_accepted(text: str) -> None:
    assert compile_pattern(text).pattern == text


@pytest.mark.parametrize(
    "text", [r"(\w+)+x", "(a*)*", "((a+)b)+", "(a+){2,}", "(?:x|a+)*", "(a{1,})+", "(a+){2}"]
)
def test_a_repeat_within_a_repeat_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="repeat within a repeat"):
        compile_pattern(text)


@pytest.mark.parametrize("text", ["(", "[a", "a**", "(?P<1>a)", r"\Z\q", "x" * 501, ".*" * 5])
def test_broken_and_heavy_patterns_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        compile_pattern(text)
