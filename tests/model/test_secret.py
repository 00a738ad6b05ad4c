"""A secret prints as stars, however it is printed."""

import json
import pickle

import orjson
import pytest

from syncd.model.secret import Secret

HUSH = Secret("hush")


@pytest.mark.parametrize(
    "text",
    [str(HUSH), repr(HUSH), f"{HUSH}", f"{HUSH!r:>5}", "%s %r" % (HUSH, HUSH), repr([HUSH])],  # noqa: UP031
)
def test_it_prints_as_stars(text: str) -> None:
    assert "hush" not in text
    assert "***" in text


def test_it_is_told_only_when_asked() -> None:
    assert HUSH.reveal() == "hush"


def test_it_cannot_be_encoded_or_pickled() -> None:
    for encode in (json.dumps, orjson.dumps, pickle.dumps):
        with pytest.raises(TypeError):
            encode(HUSH)


def test_equal_secrets_are_equal_and_empty_ones_false() -> None:
    assert Secret("ø") == Secret("ø")
    assert hash(Secret("ø")) == hash(Secret("ø"))
    assert Secret("ø") != Secret("o")
    assert HUSH != "hush"
    assert not Secret("")
