"""Column types: instants as integer microseconds, row ids that SQLite can number by itself."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Case,
    ColumnElement,
    Dialect,
    Integer,
    case,
    literal,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

from syncd.model.errors import ensure

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(at: datetime) -> int:
    """Give an aware instant as whole microseconds since 1970-01-01 UTC."""
    ensure(at.tzinfo is not None, "only aware instants are stored")
    return (at - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Give the aware UTC instant of whole microseconds since 1970-01-01 UTC."""
    return EPOCH + timedelta(microseconds=micros)


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant, stored as microseconds: exact, sortable, the same on both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_micros(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_micros(value)

    # The same again, without the two calls that stand between: most rows have several instants.

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], int | None]:
        return _stored

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[int | None], datetime | None]:
        return _read


def _stored(value: datetime | None) -> int | None:
    return None if value is None else to_micros(value)


def _read(value: int | None) -> datetime | None:
    return None if value is None else EPOCH + timedelta(microseconds=value)


class RowId(TypeDecorator[int]):
    """A 64-bit row number; `INTEGER PRIMARY KEY` on SQLite, which alone numbers rows there."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return Integer() if dialect.name == "sqlite" else BigInteger()


def moment(at: datetime) -> BindParameter[datetime]:
    """Give an instant as a parameter, for use inside functions: those do not pass on their type."""
    return literal(at, Instant())


def sooner(
    column: ColumnElement[datetime], at: datetime | ColumnElement[datetime]
) -> Case[datetime]:
    """Give the column's instant where it is before `at`, else (and where it is NULL) `at`."""
    other = moment(at) if isinstance(at, datetime) else at
    return case((column < other, column), else_=other)
