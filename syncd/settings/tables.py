"""CSV tables beside the mappings: what spreadsheets do to them is noticed (MAPPING.md)."""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass

from syncd.core.sources import Table
from syncd.settings.problems import Mark, Problems, listed, shown

FILE_BYTES_MAX = 4 * 1024 * 1024
"""Largest table read."""
ROWS_MAX = 50_000
"""Most rows of one table."""
_ZEROS_MIN = 2
"""Cells with a leading zero that make a shorter neighbour suspect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTable:
    """A table with the line of each of its rows.

    Attributes:
        table: as the core looks things up.
        file: its name, as problems show it.
        lines: of each row, from 1; the row's number in a spreadsheet where no cell has line breaks.
        digest: of the file's bytes.
    """

    table: Table
    file: str
    lines: tuple[int, ...]
    digest: bytes


@dataclass(frozen=True, slots=True)
class Tables:
    """What became of the tables.

    Attributes:
        loaded: those without a problem, by name.
        declared: every table that has a file; None where nobody can tell.
    """

    loaded: Mapping[str, LoadedTable]
    declared: frozenset[str] | None


def read_table(data: bytes, file: str, digest: bytes, problems: Problems) -> LoadedTable | None:
    """Read one table.

    Args:
        data: its bytes: UTF-8 with or without a byte-order mark; `,` or `;` between cells.
        file: its name; the stem names the table.
        digest: of the bytes.
        problems: where complaints go.

    Returns:
        None when there was any complaint.
    """
    before = len(problems)
    text = _decoded(data, file, problems)
    if text is None:
        return None
    rows = _rows(text, file, problems)
    if not rows:
        problems.add(Mark(file), (), "the table is empty; its first line names the columns")
        return None
    columns = tuple(cell.strip() for cell in rows[0][1])
    _check_columns(columns, rows[0][0], file, problems)
    body: list[tuple[str, ...]] = []
    lines: list[int] = []
    for line, cells in rows[1:]:
        if len(cells) != len(columns):
            said = f"{len(cells)} cells; the first line names {len(columns)} columns"
            problems.add(Mark(file, line), (), said)
            continue
        body.append(tuple(cell.strip() for cell in cells))
        lines.append(line)
    _check_zeros(columns, body, lines, file, problems)
    if len(problems) > before:
        return None
    table = Table(name=file.rpartition(".")[0], columns=columns, rows=tuple(body))
    return LoadedTable(table=table, file=file, lines=tuple(lines), digest=digest)


def _decoded(data: bytes, file: str, problems: Problems) -> str | None:
    if len(data) > FILE_BYTES_MAX:
        problems.add(Mark(file), (), f"{len(data)} bytes; at most {FILE_BYTES_MAX} are accepted")
        return None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError:
            problems.add(Mark(file), (), "not readable as UTF-16; save it as CSV UTF-8")
            return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = data[: err.start].count(b"\n") + 1
        column = err.start - data[: err.start].rfind(b"\n")
        problems.add(Mark(file, line, column), (), "not readable as UTF-8; save it as CSV UTF-8")
        return None


def _rows(text: str, file: str, problems: Problems) -> list[tuple[int, list[str]]]:
    """Split into rows with their line numbers; empty lines are left out."""
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((line, cells))
            line = reader.line_num + 1
            if len(rows) > ROWS_MAX:
                problems.add(Mark(file, line), (), f"more than {ROWS_MAX} rows")
                break
    except csv.Error as err:
        problems.add(Mark(file, reader.line_num or 1), (), f"not readable as CSV: {err}")
    return rows


def _check_columns(columns: tuple[str, ...], line: int, file: str, problems: Problems) -> None:
    for place, name in enumerate(columns, 1):
        if not name:
            problems.add(Mark(file, line), (), f"column {place} has no name in the first line")
        elif name in columns[: place - 1]:
            problems.add(Mark(file, line), (), f"the column {shown(name)} stands twice")
    if len(columns) == 1 and re.search(r"[\t|]", columns[0]):
        problems.add(Mark(file, line), (), "one column only; accepted between cells: `,` and `;`")


def _check_zeros(
    columns: tuple[str, ...],
    rows: list[tuple[str, ...]],
    lines: list[int],
    file: str,
    problems: Problems,
) -> None:
    """Notice cells that a spreadsheet turned into numbers: a zero lost, or 1,23E+11."""
    for place, name in enumerate(columns):
        cells = [(row[place], line) for row, line in zip(rows, lines, strict=True)]
        with_zero = [cell for cell, _ in cells if re.fullmatch(r"0\d+", cell)]
        widths = {len(cell) for cell in with_zero}
        for cell, line in cells:
            where = f"column {shown(name)}: {shown(cell)}"
            if re.fullmatch(r"\d([.,]\d+)?E\+\d+", cell):
                said = f"{where} is a number a spreadsheet shortened; make the column text there"
                problems.add(Mark(file, line), (), said)
            elif (
                len(with_zero) >= _ZEROS_MIN
                and len(widths) == 1
                and re.fullmatch(r"[1-9]\d*", cell)
                and len(cell) == next(iter(widths)) - 1
            ):
                said = (
                    f"{where} seems to have lost its leading zero (others read"
                    f" {listed(with_zero[:2])}); make the column text in the spreadsheet"
                )
                problems.add(Mark(file, line), (), said)
