"""Tables are read as spreadsheets save them, and what those break is noticed."""

import pytest

from syncd.settings.problems import Problems
from syncd.settings.tables import ROWS_MAX, LoadedTable, read_table


def read(data: str | bytes) -> tuple[LoadedTable | None, list[str]]:
    problems = Problems()
    raw = data if isinstance(data, bytes) else data.encode()
    return read_table(raw, "sites.csv", b"", problems), list(problems.lines)


@pytest.mark.parametrize(
    "data",
    [
        b"site,lu\nOslo,1\n",
        b"\xef\xbb\xbfsite;lu\r\nOslo;1\r\n",
        "site;lu\nOslo;1\n".encode("utf-16"),
        b'"site","lu"\n\n Oslo , 1 \n,\n',
    ],
)
def test_the_same_table_is_read_however_it_was_saved(data: bytes) -> None:
    loaded, problems = read(data)
    assert not problems
    assert loaded is not None
    assert (loaded.table.name, loaded.table.columns) == ("sites", ("site", "lu"))
    assert loaded.table.rows == (("Oslo", "1"),)


def test_rows_know_their_lines() -> None:
    loaded, _ = read('site,lu\n"Oslo\nS",1\n\nBergen,2\n')
    assert loaded is not None
    assert loaded.lines == (2, 5)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("", "sites.csv:1:1: the table is empty; its first line names the columns"),
        ("site\tlu\n", "sites.csv:1:1: one column only; accepted between cells: `,` and `;`"),
        (
            "site,nr\nA,0123\nB,0456\nC,789\n",
            "sites.csv:4:1: column 'nr': '789' seems to have lost its leading zero (others read"
            " 0123, 0456); make the column text in the spreadsheet",
        ),
        (
            "site,nr\nA,4.79E+11\n",
            "sites.csv:2:1: column 'nr': '4.79E+11' is a number a spreadsheet shortened; make the"
            " column text there",
        ),
        (b"site,lu\nA\xe6,1\n", "sites.csv:2:2: not readable as UTF-8; save it as CSV UTF-8"),
        (b"\xff\xfes", "sites.csv:1:1: not readable as UTF-16; save it as CSV UTF-8"),
    ],
)
def test_what_is_broken_is_told_with_its_line(data: str | bytes, problem: str) -> None:
    assert read(data) == (None, [problem])


def test_numbers_of_different_length_are_no_lost_zeros() -> None:
    assert read("nr\n01\n0234\n9\n")[1] == []
    assert read("nr\n012\n034\n56\n7890\n")[1] != []


def test_a_table_has_a_limit_of_rows() -> None:
    assert read("a\n" + "x\n" * (ROWS_MAX + 5))[1] == [
        f"sites.csv:{ROWS_MAX + 2}:1: more than {ROWS_MAX} rows"
    ]
