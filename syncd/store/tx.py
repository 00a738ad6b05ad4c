"""The transaction a unit works in: a SQLAlchemy Core connection and what differs per database."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

Row = sa.Row[Any]


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

    def insert_id(self, table: sa.Table, values: Mapping[str, Any]) -> int:
        """Insert a row and return the number it got."""
        result = self.connection.execute(sa.insert(table), values)
        key = cast("sa.CursorResult[Any]", result).inserted_primary_key
        return int(key[0]) if key is not None else 0

    def insert(self, table: sa.Table) -> postgresql.Insert:
        """Start an INSERT that may say what to do on a conflict; both dialects spell it alike."""
        return insert_into(table, is_postgres=self.is_postgres)

    def among(
        self, column: sa.ColumnElement[Any], values: Iterable[str] | Iterable[int]
    ) -> sa.ColumnElement[bool]:
        """Ask for rows whose column is one of many values, as one parameter however many."""
        listed = list(values)
        if self.is_postgres:
            return column == sa.any_(sa.literal(listed, postgresql.ARRAY(column.type)))
        each = sa.func.json_each(orjson.dumps(listed).decode()).table_valued("value")
        return column.in_(sa.select(each.c.value))


def insert_into(table: sa.Table, *, is_postgres: bool) -> postgresql.Insert:
    """Start an INSERT of one dialect that may say what to do on a conflict."""
    if is_postgres:
        return postgresql.insert(table)
    return cast(postgresql.Insert, sqlite.insert(table))


class Writes:
    """Writes gathered to be carried out together: each statement once, for all its parameters.

    For changes of many rows that do not depend on one another; the order between statements is that
    of their first use.
    """

    __slots__ = ("_gathered", "tx")

    def __init__(self, tx: Tx) -> None:
        """Gather for a transaction."""
        self.tx = tx
        self._gathered: dict[
            tuple[int, tuple[str, ...]], tuple[sa.Executable, list[Mapping[str, Any]]]
        ] = {}

    def add(self, statement: sa.Executable, parameters: Mapping[str, Any]) -> None:
        """Carry this out at the next flush. The statement lives as long as its module."""
        key = (id(statement), tuple(parameters))
        self._gathered.setdefault(key, (statement, []))[1].append(parameters)

    def flush(self) -> None:
        """Carry out what was gathered."""
        gathered, self._gathered = self._gathered, {}
        for statement, parameters in gathered.values():
            self.tx.run(statement, parameters if len(parameters) > 1 else parameters[0])
