"""YAML is read as texts with places, within limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.settings import yaml_nodes
from syncd.settings.problems import Mark, Problems
from syncd.settings.yaml_nodes import Document, Map, Scalar, Seq, read_document


def read(text: str | bytes) -> tuple[Document, list[str]]:
    problems = Problems()
    data = text if isinstance(text, bytes) else text.encode()
    return read_document(data, "a.yaml", problems), list(problems.lines)


def texts(text: str) -> dict[str, str]:
    document, problems = read(text)
    assert not problems
    return {
        key: entry.value.text
        for key, entry in document.root.entries.items()
        if isinstance(entry.value, Scalar)
    }


@pytest.mark.parametrize(
    "written",
    ["NO", "no", "on", "true", "null", "~", "08:30", "+4722000000", "012E3", "0123", "0x1F",
     "1_000", "2026-01-01", "1.0", ".inf", "é", "12:30:45", "=", "LU-1"],
)  # fmt: skip
def test_every_plain_scalar_stays_the_text_it_is(written: str) -> None:
    assert texts(f"a: {written}\n") == {"a": written}
    assert texts(f"%YAML 1.1\n---\na: {written}\n") == {"a": written}


def test_keys_are_texts_too() -> None:
    assert texts("1: a\non: b\n0123: c\n08:30: d\n") == {
        "1": "a",
        "on": "b",
        "0123": "c",
        "08:30": "d",
    }


def test_quotes_and_blocks_are_read_as_yaml_says() -> None:
    made = texts("a: 'it''s'\nb: \"x\\ny\"\nc: |\n  one\n  two\nd: >-\n  one\n  two\ne: \"\"\n")
    assert made == {"a": "it's", "b": "x\ny", "c": "one\ntwo\n", "d": "one two", "e": ""}


def test_every_value_and_key_has_its_line_and_column() -> None:
    document, _ = read("a:\n  b: [x, {c: y}]\n")
    assert document.mark(("a", "b", 1, "c")) == Mark("a.yaml", 2, 14)
    assert document.key_mark(("a", "b")) == Mark("a.yaml", 2, 3)
    assert document.mark(("a", "b", 7, "z")) == Mark("a.yaml", 2, 6)


def test_an_anchor_stands_for_its_value_wherever_it_is_named() -> None:
    document, problems = read("a: &x [1, 2]\nb: *x\n")
    assert not problems
    assert document.node(("b",)) == document.node(("a",))


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    document, problems = read(b"\xef\xbb\xbfa: b\r\nc: d\r\n")
    assert (list(document.root.entries), problems) == (["a", "c"], [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "a.yaml:1:1: the file is empty"),
        ("# only a comment\n", "a.yaml:1:1: the file is empty"),
        ("- a\n", "a.yaml:1:1: a block of keys is expected at the top of the file"),
        ("just text\n", "a.yaml:1:1: a block of keys is expected at the top of the file"),
        ("a: b\x07\n", "a.yaml:1:5: a character that no YAML file may hold"),
        ("? [a]\n: b\n", "a.yaml:1:3: a key is expected here, as in `key: value`"),
        ("&x a: b\n", "a.yaml:1:1: a key is a text alone, without anchor or tag"),
        ("a: b\n: c\n", "a.yaml:2:1: a key is expected here, as in `key: value`"),
        ("a: &x\nb: *x\n", "a.yaml:1:1: a: nothing is written here; write a value,"
         ' "" for an empty text, or no key'),
    ],
)  # fmt: skip
def test_what_is_no_block_of_keys_is_told_with_its_place(text: str, problem: str) -> None:
    assert read(text)[1] == [problem]


def test_bytes_that_are_not_utf_8_are_placed() -> None:
    assert read(b"a: b\nc: d\xe6\n")[1] == [
        "a.yaml:2:5: not readable as UTF-8; save the file with that encoding"
    ]


def test_aliases_that_multiply_are_stopped_before_they_grow() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    _, problems = read("\n".join(lines))
    assert problems == ["a.yaml:5:25: more than 50000 values, aliases counted as written out"]


def test_depth_size_and_count_have_limits() -> None:
    assert "within one another" in read("a: " + "[" * 100_000)[1][0]
    assert "within one another" in read("".join(f"{' ' * n}a:\n" for n in range(99)))[1][0]
    assert "at most 1048576" in read(b"a: " + b"x" * yaml_nodes.FILE_BYTES_MAX)[1][0]
    assert "more than 50000" in read("a: [" + "x," * 60_000 + "]")[1][0]


def test_all_problems_of_one_file_are_told_when_it_can_be_read_on() -> None:
    _, problems = read("a: 1\na: 2\nb: !!int 3\nc:\nd: {<<: {x: y}}\n")
    assert [line.split(": ", 1)[0] for line in problems] == [
        "a.yaml:2:1",
        "a.yaml:3:4",
        "a.yaml:4:1",
        "a.yaml:5:5",
    ]


_pieces = st.sampled_from(
    ["a", ": ", "- ", "\n", "  ", "{", "}", "[", "]", "&x ", "*x", "!!t ", "'", '"', "|", ">", "#",
     "<<", "{{", "}}", "%", "\t", "?", ",", "---", "...", "\\", "\\U00110000", "\x00", "é"]
)  # fmt: skip


@given(st.lists(_pieces, max_size=40).map("".join))
def test_no_text_whatever_raises_anything(text: str) -> None:
    document, problems = read(text)
    assert isinstance(document.root, Map)
    assert document.readable or problems


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise_anything(data: bytes) -> None:
    read(data)


def test_a_list_knows_its_items() -> None:
    document, _ = read("a:\n  - x\n  - y\n")
    node = document.node(("a",))
    assert isinstance(node, Seq)
    assert [item.mark.line for item in node.items] == [2, 3]
