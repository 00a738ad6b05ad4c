"""Every wrong configuration is told with its place, what is wrong and what is accepted."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.settings.support import Folder

CASES_FILE = Path(__file__).parent / "bad_inputs.txt"


@dataclass
class Case:
    what: str
    file: str = ""
    old: str = ""
    new: str = ""
    problems: list[str] = field(default_factory=list)


def read_cases() -> list[Case]:
    cases: list[Case] = []
    for line in CASES_FILE.read_text(encoding="utf-8").splitlines():
        sign, text = line[:1], line[2:]
        if sign == "=":
            cases.append(Case(text))
        elif sign == "@":
            cases[-1].file = text
        elif sign == "-":
            cases[-1].old = text.replace("\\n", "\n")
        elif sign == "+":
            cases[-1].new = text.replace("\\n", "\n")
        elif sign == ">":
            cases[-1].problems.append(text)
    return cases


CASES = read_cases()


def test_there_are_many_and_each_has_a_name_of_its_own() -> None:
    assert len(CASES) > 130
    assert len({case.what for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_a_wrong_input_causes_exactly_these_problems(case: Case, folder: Folder) -> None:
    folder.edit(case.file, case.old, case.new)
    found = folder.problems()
    wanted = [
        line.replace("{folder}", str(folder.root)).replace("{credentials}", str(folder.credentials))
        for line in case.problems
    ]
    # The list of a provider's fields grows; what goes on with … is compared up to there.
    shown = [
        line[: len(want) - 1] + "…" if want.endswith("…") else line
        for line, want in zip(found, wanted, strict=False)
    ]
    assert shown + found[len(shown) :] == wanted


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_no_problem_shows_a_secret(case: Case, folder: Folder) -> None:
    folder.edit(case.file, case.old, case.new)
    text = "\n".join(folder.problems())
    assert "s3cret" not in text
    assert "hunter2" not in text
