"""Many changes of one kind as one statement.

A statement is written once, over named values; it is built for one row (plain parameters) or for
many, joined: as one JSON parameter, or on SQLite, where taking a value out of JSON costs a
microsecond, as a list of parameters. Many rows cost one call into the database instead of one each:
on SQLite every call gives up Python's lock and waits to get it back, which is most of its cost.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, Protocol

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from syncd.model.errors import ensure
from syncd.store.tx import Tx, insert_into
from syncd.store.types import Instant, RowId, to_micros

Parameters = Mapping[str, Any]

LISTED_MAX = 256
"""Rows given as a list of parameters, at most; beyond it they travel as JSON."""
_GIVEN, _THERE = "given", "there"
"""What the rows are called in a statement, and the column that is NULL where a row is padding."""


class Values(Protocol):
    """Where a statement's values come from."""

    is_postgres: bool

    def __call__(self, name: str, kind: Any) -> sa.ColumnElement[Any]:
        """Name a value of a type."""
        ...

    def insert(self, table: sa.Table, names: Sequence[str]) -> postgresql.Insert:
        """Start an INSERT of these columns, the values having the columns' names."""
        ...


Build = Callable[[Values, Sequence[str]], sa.Executable]
"""Writes a statement over values; is told the names that are given."""


class Bulk:
    """A statement over named values, kept in every form it was needed in."""

    def __init__(self, build: Build, *, key: Sequence[str] = ()) -> None:
        """Keep how it is written.

        Args:
            build: writes it.
            key: names that tell rows apart; of several for one row the last counts, as it would
                when they were carried out one by one.
        """
        self._build = build
        self._key = itemgetter(*key) if key else None
        self._built: dict[tuple[bool, bool, tuple[str, ...]], sa.Executable] = {}
        self._texts: dict[tuple[tuple[str, ...], int], str] = {}

    def run(self, tx: Tx, rows: Sequence[Parameters]) -> None:
        """Carry it out for rows that all give the same names."""
        if not rows:
            return
        if self._key is not None:
            rows = list({self._key(row): row for row in rows}.values())
        names = tuple(rows[0])
        if not tx.is_postgres and 1 < len(rows) <= LISTED_MAX:
            self._run_listed(tx, names, rows)
            return
        statement = self._form(names, is_postgres=tx.is_postgres, many=len(rows) > 1)
        if len(rows) == 1:
            tx.run(statement, rows[0])
        else:
            given = orjson.dumps(rows, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)
            tx.run(statement, {"rows": given.decode()})

    def _form(self, names: tuple[str, ...], *, is_postgres: bool, many: bool) -> sa.Executable:
        key = (is_postgres, many, names)
        if key not in self._built:
            one = _One(is_postgres)
            statement = self._build(one, names)
            if many:
                statement = self._build(_Many(is_postgres, one.kinds), names)
            self._built[key] = statement
        return self._built[key]

    def _run_listed(self, tx: Tx, names: tuple[str, ...], rows: Sequence[Parameters]) -> None:
        # Padded up to a power of two: a statement is prepared for few lengths, and once for each.
        room = 1 << (len(rows) - 1).bit_length()
        if (names, room) not in self._texts:
            self._texts[names, room] = self._text(tx, names, room)
        given: list[Any] = []
        for row in rows:
            given.append(1)
            given += [_bound(row[name]) for name in names]
        given += [None] * ((len(names) + 1) * (room - len(rows)))
        tx.connection.exec_driver_sql(self._texts[names, room], tuple(given))

    def _text(self, tx: Tx, names: tuple[str, ...], room: int) -> str:
        one = _One(is_postgres=False)
        self._build(one, names)
        dialect = tx.connection.dialect
        statement: Any = self._build(_Listed(one.kinds), names)
        compiled = statement.compile(dialect=dialect)
        ensure(not compiled.positiontup, "a statement over rows has no parameter of its own")
        columns = ", ".join(f'"{name}"' for name in (_THERE, *names))
        row = f"({', '.join('?' * (len(names) + 1))})"
        return f"WITH {_GIVEN}({columns}) AS (VALUES {', '.join([row] * room)}) {compiled}"


def _bound(value: object) -> object:
    if value is None or isinstance(value, str | int | float):
        return value
    return _plain(value)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return to_micros(value)
    raise TypeError(f"{type(value).__name__} is not stored")


class _One:
    """Plain parameters."""

    def __init__(self, is_postgres: bool) -> None:
        self.is_postgres = is_postgres
        self.kinds: dict[str, Any] = {}

    def __call__(self, name: str, kind: Any) -> sa.ColumnElement[Any]:
        self.kinds[name] = kind
        return sa.bindparam(name, type_=kind)

    def insert(self, table: sa.Table, names: Sequence[str]) -> postgresql.Insert:
        values = {name: self(name, table.c[name].type) for name in names}
        return insert_into(table, is_postgres=self.is_postgres).values(values)


class _Many:
    """Rows of one JSON parameter."""

    def __init__(self, is_postgres: bool, kinds: Mapping[str, Any]) -> None:
        self.is_postgres = is_postgres
        rows = sa.bindparam("rows", type_=sa.Text())
        if is_postgres:
            columns = [sa.column(name, _raw(kind)) for name, kind in kinds.items()]
            recordset = sa.func.jsonb_to_recordset(sa.cast(rows, postgresql.JSONB))
            self._table = recordset.table_valued(*columns, name="given").render_derived(
                with_types=True
            )
        else:
            self._table = sa.func.json_each(rows).table_valued("value", name="given")

    def __call__(self, name: str, kind: Any) -> sa.ColumnElement[Any]:
        if self.is_postgres:
            return self._table.c[name]
        path: sa.ColumnElement[str] = sa.literal_column(f"'$.{name}'")
        return sa.type_coerce(sa.func.json_extract(self._table.c.value, path), _raw(kind))

    def insert(self, table: sa.Table, names: Sequence[str]) -> postgresql.Insert:
        values = [self(name, table.c[name].type) for name in names]
        # Without a WHERE, SQLite takes the ON of an upsert for a join's.
        given = sa.select(*values).select_from(self._table).where(sa.true())
        insert = insert_into(table, is_postgres=self.is_postgres)
        return insert.from_select(list(names), given, include_defaults=False)


class _Listed:
    """Rows of a list of parameters, on SQLite; see `Bulk._run_listed`."""

    is_postgres = False

    def __init__(self, kinds: Mapping[str, Any]) -> None:
        columns = [sa.column(name, _raw(kind)) for name, kind in kinds.items()]
        self._table = sa.table(_GIVEN, sa.column(_THERE, sa.Integer()), *columns)

    def __call__(self, name: str, kind: Any) -> sa.ColumnElement[Any]:
        found: sa.ColumnElement[Any] = self._table.c[name]
        return found

    def insert(self, table: sa.Table, names: Sequence[str]) -> postgresql.Insert:
        values = [self(name, table.c[name].type) for name in names]
        # An update's condition leaves padding out by itself: nothing equals NULL.
        given = sa.select(*values).where(self._table.c[_THERE].is_not(None))
        insert = insert_into(table, is_postgres=False)
        return insert.from_select(list(names), given, include_defaults=False)


def _raw(kind: Any) -> Any:
    """Give the type a value has in JSON."""
    return sa.BigInteger() if isinstance(kind, Instant | RowId) else kind


class Writes:
    """Changes gathered to be carried out together, each statement once for all its rows.

    For changes that do not depend on one another; the order between statements is that of their
    first use.
    """

    __slots__ = ("_gathered", "tx")

    def __init__(self, tx: Tx) -> None:
        """Gather for a transaction."""
        self.tx = tx
        self._gathered: dict[tuple[Bulk, tuple[str, ...]], list[Parameters]] = {}

    def add(self, bulk: Bulk, parameters: Parameters) -> None:
        """Carry this out at the next flush."""
        self._gathered.setdefault((bulk, tuple(parameters)), []).append(parameters)

    def flush(self) -> None:
        """Carry out what was gathered."""
        gathered, self._gathered = self._gathered, {}
        for (bulk, _), rows in gathered.items():
            bulk.run(self.tx, rows)
