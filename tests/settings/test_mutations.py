"""Whatever people do to the files, a load gives settings or a SettingsError, nothing else."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from syncd.settings.run_tests import run_tests
from tests.settings.support import DAEMON, EXAMPLE, MAPPING, TABLE, make_folder

WORDS = [
    *("nothing", "yes", "{}", "[]", "''", "~", "1", "{from: title}", "[a, b]", "{{ x }}", "*a"),
    *("status", "number", "telenor-no", "{env: X}", "{do: cancel}", "\\", "{first: []}", ": ", "-"),
    *("{find: '(', in: title}", "{table: sites}", "{value: {a: [b]}}", "comment", "&a", "é", "\n"),
]

Mutation = Callable[[str], str]


def _cut(at: int, length: int) -> Mutation:
    return lambda text: text[: at % len(text)] + text[at % len(text) + length :] if text else text


def _put(at: int, word: str) -> Mutation:
    return lambda text: text[: at % len(text)] + word + text[at % len(text) :] if text else word


def _value(at: int, word: str) -> Mutation:
    """Put another value behind a key."""

    def change(text: str) -> str:
        places = [place for place in range(len(text)) if text.startswith(": ", place)]
        if not places:
            return text
        start = places[at % len(places)] + 2
        end = min(
            (text.find(sign, start) for sign in ",}\n" if text.find(sign, start) >= 0),
            default=start,
        )
        return text[:start] + word + text[end:]

    return change


def _line(at: int, to: int) -> Mutation:
    """Copy a line to another place."""

    def change(text: str) -> str:
        lines = text.splitlines(keepends=True)
        if lines:
            lines.insert(to % len(lines), lines[at % len(lines)])
        return "".join(lines)

    return change


_numbers = st.integers(0, 10_000)
_words = st.sampled_from(WORDS)
MUTATIONS = st.one_of(
    st.builds(_cut, _numbers, st.integers(1, 30)),
    st.builds(_put, _numbers, _words),
    st.builds(_value, _numbers, _words),
    st.builds(_value, _numbers, _words),
    st.builds(_line, _numbers, _numbers),
)


@given(
    st.sampled_from([DAEMON, MAPPING, MAPPING, TABLE]), st.lists(MUTATIONS, min_size=1, max_size=4)
)
def test_a_changed_file_loads_or_is_refused_with_places(
    file: str, mutations: list[Mutation]
) -> None:
    text = (EXAMPLE / file).read_text(encoding="utf-8")
    for mutation in mutations:
        text = mutation(text)
    with tempfile.TemporaryDirectory() as name:
        folder = make_folder(Path(name))
        folder.write(file, text)
        problems = folder.problems()
        assert all(line.split(":")[1].isdecimal() for line in problems)
        if not problems:
            run_tests(folder.load())
