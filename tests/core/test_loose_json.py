"""Vendors' JSON is read as far as its structure holds."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core import loose_json

Json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (rb'[{"t":"a\ud800b"},{"t":"ok"}]', [{"t": "a\ufffdb"}, {"t": "ok"}]),
        (rb'{"\udc00":1,"t":"\ud83d\ude00"}', {"\ufffd": 1, "t": "😀"}),
        (b'{"t":"bl\xe5"}', {"t": "bl\ufffd"}),
        (b'\xef\xbb\xbf{"t":1}', {"t": 1}),
        (b'{"t":"two\nlines"}', {"t": "two\nlines"}),
        (b'{"n":1e999,"m":NaN,"t":1.5}', {"n": None, "m": None, "t": 1.5}),
        (b'{"n":' + b"9" * 6000 + b',"m":7}', {"n": "9" * 6000, "m": 7}),
    ],
)
def test_one_odd_letter_or_number_hides_nothing_else(body: bytes, read: object) -> None:
    assert loose_json.loads(body) == read
    orjson.dumps(loose_json.loads(body))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"<html>", b'{"a":1', b'{"a":1}x', b"\xff", b"[" * 200_000, b"'a'"]
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        loose_json.loads(body)


@given(Json)
def test_good_json_is_read_as_it_is(node: object) -> None:
    body = orjson.dumps(node)
    assert loose_json.loads(body) == orjson.loads(body)
    assert loose_json.loads(b"\xef\xbb\xbf" + body) == orjson.loads(body)


def test_numbers_stay_as_written_where_amounts_are_read() -> None:
    read = loose_json.loads_as_written(rb'{"a":0.10,"b":1e2,"c":NaN,"t":"\udfff"}')
    assert read == {"a": "0.10", "b": "1e2", "c": "NaN", "t": "\ufffd"}
