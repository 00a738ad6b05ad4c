"""The transaction a unit works in: a SQLAlchemy Core connection and what differs per database."""

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

Row = sa.Row[Any]

CHANNEL = "syncd"
"""What processes on one PostgreSQL listen to."""
_NOTIFY = sa.select(sa.func.pg_notify(CHANNEL, sa.bindparam("said", type_=sa.Text())))
CHUNK = 1_000
"""Rows fetched at once where there may be many."""


class Tx:
    """One transaction. Lives only as long as its unit runs.

    Attributes:
        connection: the Core connection.
        is_postgres: PostgreSQL, else SQLite.
    """

    __slots__ = ("connection", "is_postgres")

    def __init__(self, connection: sa.Connection) -> None:
        """Wrap a connection that is in a transaction."""
        self.connection = connection
        self.is_postgres = connection.dialect.name == "postgresql"

    def run(
        self,
        statement: sa.Executable,
        parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> int:
        """Carry out a statement; return how many rows it touched (one statement, not many)."""
        result = self.connection.execute(statement, parameters)
        return cast("sa.CursorResult[Any]", result).rowcount

    def rows(
        self, statement: sa.Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Row]:
        """Return all rows of a query."""
        return self.connection.execute(statement, parameters).all()

    def gather(
        self, query: sa.Select[Any], parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Any]:
        """Return all rows of a query that is built once, in any order, as named tuples.

        On SQLite they come as one: each row fetched gives up Python's lock, and getting it back
        from a busy loop costs far more than the row. No column may be binary.
        """
        if self.is_postgres:
            return self.rows(query, parameters)
        one = _as_one(query, self.connection.dialect)
        given = orjson.loads(self.scalar(one.statement, parameters))
        return [one.read(each) for each in given]

    def each(self, statement: sa.Executable) -> Iterator[Row]:
        """Go through the rows of a query that may be many, without having them all at once."""
        return iter(self.connection.execute(statement).yield_per(CHUNK))

    def first(
        self, statement: sa.Executable, parameters: Mapping[str, Any] | None = None
    ) -> Row | None:
        """Return the first row of a query; None when there is none."""
        return self.connection.execute(statement, parameters).first()

    def scalars(
        self, statement: sa.Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Any]:
        """Return the first column of all rows."""
        return self.connection.execute(statement, parameters).scalars().all()

    def scalar(self, statement: sa.Executable, parameters: Mapping[str, Any] | None = None) -> Any:
        """Return the first column of the first row; None when there is none."""
        return self.connection.execute(statement, parameters).scalar()

    def ring(self, said: str) -> None:
        """Wake other processes once this is committed; only saves waiting, and on SQLite nothing.

        Args:
            said: `delivery` (operations were planned) or `intake` (something is to be read).
        """
        if self.is_postgres:
            self.connection.execute(_NOTIFY, {"said": said})

    def insert_id(self, table: sa.Table, values: Mapping[str, Any]) -> int:
        """Insert a row and return the number it got."""
        result = self.connection.execute(_insert(table), values)
        key = cast("sa.CursorResult[Any]", result).inserted_primary_key
        return int(key[0]) if key is not None else 0

    def insert(self, table: sa.Table) -> postgresql.Insert:
        """Start an INSERT that may say what to do on a conflict; both dialects spell it alike."""
        return insert_into(table, is_postgres=self.is_postgres)

    def among(
        self, column: sa.ColumnElement[Any], values: Iterable[str] | Iterable[int]
    ) -> sa.ColumnElement[bool]:
        """Ask for rows whose column is one of many values, as one parameter however many."""
        kind = postgresql.ARRAY(column.type) if self.is_postgres else sa.Text()
        return _among(column, sa.literal(self.many(values), kind), is_postgres=self.is_postgres)

    def many(self, values: Iterable[str] | Iterable[int]) -> Any:
        """Give the value of a list parameter (see `among` and `listed`)."""
        given = list(values)
        return given if self.is_postgres else orjson.dumps(given).decode()


@dataclass(frozen=True, slots=True)
class _AsOne:
    """A query whose rows come as one JSON array of arrays.

    Attributes:
        statement: gives the text.
        row: a row's named tuple.
        processors: place of a column -> how its stored value is read.
    """

    statement: sa.Select[Any]
    row: Callable[[Iterable[Any]], Any]
    processors: Sequence[tuple[int, Callable[[Any], Any]]]

    def read(self, values: list[Any]) -> Any:
        """Make a row."""
        for place, process in self.processors:
            values[place] = process(values[place])
        return self.row(values)


@cache
def _as_one(query: sa.Select[Any], dialect: sa.Dialect) -> _AsOne:
    inner = query.subquery()
    each = [column.type.dialect_impl(dialect) for column in inner.c]
    found = enumerate(kind.result_processor(dialect, None) for kind in each)
    raw = (sa.type_coerce(column, sa.types.NullType()) for column in inner.c)
    return _AsOne(
        statement=sa.select(sa.func.json_group_array(sa.func.json_array(*raw))),
        row=cast(Any, namedtuple("Found", inner.c.keys()))._make,
        processors=[(place, process) for place, process in found if process is not None],
    )


@cache
def _insert(table: sa.Table) -> sa.Insert:
    return sa.insert(table)


def insert_into(table: sa.Table, *, is_postgres: bool) -> postgresql.Insert:
    """Start an INSERT of one dialect that may say what to do on a conflict."""
    if is_postgres:
        return postgresql.insert(table)
    return cast(postgresql.Insert, sqlite.insert(table))


def among(column: sa.ColumnElement[Any], name: str, *, is_postgres: bool) -> sa.ColumnElement[bool]:
    """Ask for rows whose column is one of a list parameter's values (`Tx.many`).

    For statements that are built once: building costs several times as much as carrying out.
    """
    kind = postgresql.ARRAY(column.type) if is_postgres else sa.Text()
    return _among(column, sa.bindparam(name, type_=kind), is_postgres=is_postgres)


def _among(
    column: sa.ColumnElement[Any], given: sa.BindParameter[Any], *, is_postgres: bool
) -> sa.ColumnElement[bool]:
    if is_postgres:
        return column == sa.any_(given)
    each = sa.func.json_each(given).table_valued("value")
    return column.in_(sa.select(each.c.value))


@cache
def locking(table: sa.Table, *, skip_locked: bool = False) -> sa.Select[tuple[int]]:
    """Lock the rows named by the list `ids` for writing, in order; of PostgreSQL only."""
    query = sa.select(table.c.id).where(among(table.c.id, "ids", is_postgres=True))
    return query.order_by(table.c.id).with_for_update(key_share=True, skip_locked=skip_locked)


def text_list(is_postgres: bool) -> Any:
    """Give the type of a parameter that is a list of texts: an array, or JSON text on SQLite."""
    return postgresql.ARRAY(sa.Text()) if is_postgres else sa.Text()


def listed(parameter: sa.BindParameter[Any], *, is_postgres: bool) -> sa.TableValuedAlias:
    """Give a list parameter as a table to select from; its column is `value`."""
    if is_postgres:
        members = sa.func.unnest(parameter).table_valued("value", name="given")
        return members.render_derived()
    return sa.func.json_each(parameter).table_valued("value", name="given")
