"""SQLAlchemy's statements carried out without SQLAlchemy's ceremony.

A story runs some four thousand statements, a few hundred different ones. Here each is compiled by
SQLAlchemy once; after that only its parameters are bound, and its rows read, by the column types'
own rules. What is rarer than that (lists spelt out, values made while inserting) is left to
SQLAlchemy itself on the same connection.
"""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import Any, cast

import sqlalchemy as sa

PLANS_MAX = 4_000
"""Statements remembered at once; reaching it forgets all, and they are planned again."""

Process = Callable[[Any], Any]
Given = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


def _nothing(_given: Any) -> tuple[Any, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class _Slot:
    """Stands where a parameter is to be put."""

    key: str


@dataclass(frozen=True, slots=True)
class _Plan:
    """How one statement is carried out.

    Attributes:
        statement: what it is for, kept so that its identity is not given to another.
        sql: what the database is told; empty: SQLAlchemy does it.
        bind: makes of named parameters those of the question marks.
        row: makes a row of what the database gives; None: there are no rows.
    """

    statement: Any
    sql: str = ""
    bind: Process = _nothing
    row: Process | None = None


class _Result:
    """What a statement gave, as far as the store asks for it."""

    __slots__ = ("_rows", "inserted_primary_key", "rowcount")

    def __init__(self, rows: list[Any], rowcount: int, made: int | None) -> None:
        self._rows = rows
        self.rowcount = rowcount
        self.inserted_primary_key = (made,)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def yield_per(self, _count: int) -> "_Result":
        return self

    def all(self) -> list[Any]:
        return self._rows

    def first(self) -> Any:
        return self._rows[0] if self._rows else None

    def scalar(self) -> Any:
        return self._rows[0][0] if self._rows else None

    def scalars(self) -> "_Result":
        return _Result([row[0] for row in self._rows], self.rowcount, None)


_plans: dict[tuple[int, tuple[str, ...]], _Plan] = {}
_compiled: dict[Any, Any] = {}


class QuickConnection:
    """Stands in for `sqlalchemy.Connection` within a `Tx`."""

    def __init__(self, raw: sqlite3.Connection, full: sa.Connection) -> None:
        """Carry statements out on `raw`, which `full` rests on."""
        self.dialect = full.dialect
        self._raw = raw
        self._full = full

    def execute(self, statement: Any, given: Given = None) -> Any:
        """Carry one out."""
        if type(given) is list:
            return self._execute_many(statement, given)
        key = (id(statement), tuple(given) if given else ())
        plan = _plans.get(key) or self._planned(statement, key)
        if not plan.sql:
            return self._full.execute(statement, given)
        values = plan.bind(given)
        try:
            cursor = self._raw.execute(plan.sql, values)
            row = plan.row
            rows = [row(one) for one in cursor.fetchall()] if row is not None else []
        except sqlite3.Error as error:
            raise self._wrapped(error, plan.sql, values) from error
        return _Result(rows, cursor.rowcount, cursor.lastrowid)

    def exec_driver_sql(self, sql: str, values: tuple[Any, ...]) -> None:
        """Carry out a text that gives no rows."""
        try:
            self._raw.execute(sql, values)
        except sqlite3.Error as error:
            raise self._wrapped(error, sql, values) from error

    def _wrapped(self, error: sqlite3.Error, sql: str, values: Sequence[Any]) -> BaseException:
        dialect: Any = self.dialect
        return sa.exc.DBAPIError.instance(sql, values, error, sqlite3.Error, dialect=dialect)

    def _execute_many(self, statement: Any, given: list[Mapping[str, Any]]) -> Any:
        results = [self.execute(statement, each) for each in given]
        return _Result([], sum(each.rowcount for each in results), None)

    def _planned(self, statement: Any, key: tuple[int, tuple[str, ...]]) -> _Plan:
        if len(_plans) >= PLANS_MAX:
            _plans.clear()
        plan = _plans[key] = self._plan(statement, key[1])
        return plan

    def _plan(self, statement: Any, keys: tuple[str, ...]) -> _Plan:
        compiled, extracted, collected, _ = statement._compile_w_cache(
            self.dialect, compiled_cache=_compiled, column_keys=sorted(keys)
        )
        if _is_rare(compiled):
            return _Plan(statement)
        slots = {key: _Slot(key) for key in keys}
        values = compiled.construct_params(
            slots, extracted_parameters=extracted, escape_names=False, _collected_params=collected
        )
        processes = [compiled._bind_processors.get(name) for name in compiled.positiontup]
        in_order = [values[name] for name in compiled.positiontup]
        return _Plan(statement, compiled.string, _binder(in_order, processes), self._row(compiled))

    def _row(self, compiled: Any) -> Process | None:
        columns = compiled._result_columns
        if not columns:
            return None
        make = _maker(tuple(column.keyname for column in columns))
        processes = [
            (at, process)
            for at, column in enumerate(columns)
            if (process := column.type._cached_result_processor(self.dialect, None)) is not None
        ]

        def row(found: Sequence[Any]) -> Any:
            read = list(found)
            for at, process in processes:
                read[at] = process(read[at])
            return make(read)

        return row if processes else make


def _binder(values: Sequence[Any], processes: Sequence[Process | None]) -> Process:
    """Write the function that puts parameters in their places: a loop over them costs twice that.

    Args:
        values: constants, and slots for parameters, in the order of the question marks.
        processes: turns each into what the database takes; None: as it is.
    """
    around: dict[str, Any] = {}
    parts = []
    for at, (value, process) in enumerate(zip(values, processes, strict=True)):
        if type(value) is not _Slot:
            around[f"c{at}"] = value if process is None else process(value)
            parts.append(f"c{at}")
        elif process is None:
            parts.append(f"given[{value.key!r}]")
        else:
            around[f"p{at}"] = process
            parts.append(f"p{at}(given[{value.key!r}])")
    made: Process = eval(_written(f"lambda given: [{', '.join(parts)}]"), around)
    return made


@cache
def _written(source: str) -> CodeType:
    return compile(source, "<parameters>", "eval")


@cache
def _maker(names: tuple[str, ...]) -> Process:
    made: Any = namedtuple("Found", names, rename=True)  # type: ignore[misc]
    return cast(Process, made._make)


def _is_rare(compiled: Any) -> bool:
    return bool(
        compiled.isplaintext
        or compiled.insert_prefetch
        or compiled.update_prefetch
        or compiled.literal_execute_params
        or compiled.post_compile_params
        or compiled.schema_translate_map
        or any(parameter.callable for parameter in compiled.bind_names)
    )
