"""Sizes, names and docstrings are those of the house style.

A line `# long: reason` excuses what it stands on: a function in its signature, a file in its
first twenty lines.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path for top in ("syncd", "tests") for path in (ROOT / top).rglob("*.py"))
NAMES = [path.relative_to(ROOT).as_posix() for path in FILES]

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 600
POSITIONAL_MAX = 5
HEAD_LINES = 20
FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager", "data"}
# What plays people, plays vendors or only parses a command line explains itself where it is used.
WITHOUT_DOCSTRINGS = ("syncd/sandbox/", "syncd/demo/", "syncd/cli/", "syncd/store/migrations/")

EXCUSE = re.compile(r"#\s*long:\s*\S")

Function = ast.FunctionDef | ast.AsyncFunctionDef
Named = Function | ast.ClassDef


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def length_without_docstring(function: Function) -> int:
    first = function.body[0]
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def positional_count(function: Function) -> int:
    names = [argument.arg for argument in function.args.posonlyargs + function.args.args]
    return len(names[1:] if names[:1] in (["self"], ["cls"]) else names)


def is_excused(lines: list[str], function: Function) -> bool:
    # From the first decorator to the line that ends the signature.
    start = min([function.lineno, *(item.lineno for item in function.decorator_list)])
    return any(EXCUSE.search(line) for line in lines[start - 1 : function.body[0].lineno - 1])


def too_big(source: str) -> list[str]:
    lines = source.splitlines()
    found = []
    if len(lines) > FILE_LINES_MAX and not any(map(EXCUSE.search, lines[:HEAD_LINES])):
        found.append(f"{len(lines)} lines, at most {FILE_LINES_MAX}")
    for function in functions(ast.parse(source)):
        if is_excused(lines, function):
            continue
        place = f"line {function.lineno}: {function.name}"
        if (length := length_without_docstring(function)) > FUNCTION_LINES_MAX:
            found.append(f"{place} has {length} lines, at most {FUNCTION_LINES_MAX}")
        if (count := positional_count(function)) > POSITIONAL_MAX:
            found.append(f"{place} takes {count} positional arguments, at most {POSITIONAL_MAX}")
    return found


def undocumented(source: str) -> list[str]:
    tree = ast.parse(source)
    public = [
        node for node in tree.body if isinstance(node, Named) and not node.name.startswith("_")
    ]
    found = [] if ast.get_docstring(tree) else ["the module"]
    return found + [node.name for node in public if not ast.get_docstring(node)]


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_nothing_is_larger_than_the_style_allows(path: Path) -> None:
    assert not too_big(path.read_text(encoding="utf-8"))


def test_no_module_has_a_name_that_says_nothing() -> None:
    modules = {path: {path.stem, path.parent.name} for path in FILES}
    assert not [str(path) for path, names in modules.items() if names & FORBIDDEN_NAMES]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=name)
        for path, name in zip(FILES, NAMES, strict=True)
        if name.startswith("syncd/") and not name.startswith(WITHOUT_DOCSTRINGS)
    ],
)
def test_every_public_name_has_a_docstring(path: Path) -> None:
    assert not undocumented(path.read_text(encoding="utf-8"))


def test_the_rules_find_what_breaks_them() -> None:
    long_function = "def f(a, b, c, d, e, g):\n" + "    a = 1\n" * FUNCTION_LINES_MAX
    assert len(too_big(long_function)) == 2
    assert not too_big(long_function.replace(":\n", ":  # long: a table\n", 1))
    assert too_big("a = 1\n" * (FILE_LINES_MAX + 1))
    assert undocumented("def f(): ...\nclass C: ...\ndef _g(): ...\n") == ["the module", "f", "C"]
