"""The transaction a unit works in: a SQLAlchemy Core connection and what differs per database."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

Row = sa.Row[Any]

CHANNEL = "syncd"
"""What processes on one PostgreSQL listen to."""
_NOTIFY = sa.select(sa.func.pg_notify(CHANNEL, sa.bindparam("said", type_=sa.Text())))


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

    def ring(self, said: str) -> None:
        """Wake other processes once this is committed; only saves waiting, and on SQLite nothing.

        Args:
            said: `delivery` (operations were planned) or `intake` (something is to be read).
        """
        if self.is_postgres:
            self.connection.execute(_NOTIFY, {"said": said})

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


def text_list(is_postgres: bool) -> Any:
    """Give the type of a parameter that is a list of texts: an array, or JSON text on SQLite."""
    return postgresql.ARRAY(sa.Text()) if is_postgres else sa.Text()


def listed(parameter: sa.BindParameter[Any], *, is_postgres: bool) -> sa.TableValuedAlias:
    """Give a list parameter as a table to select from; its column is `value`."""
    if is_postgres:
        members = sa.func.unnest(parameter).table_valued("value", name="given")
        return members.render_derived()
    return sa.func.json_each(parameter).table_valued("value", name="given")
