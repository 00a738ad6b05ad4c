"""Where a value of a mapping comes from: a field, a constant, a template, a table, a pattern."""

import re
from dataclasses import dataclass

from syncd.core.template import Template
from syncd.model.ticket import Value


@dataclass(frozen=True, slots=True)
class FieldOf:
    """A field of the source ticket, or a name from `derive`."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A fixed value."""

    value: Value


@dataclass(frozen=True, slots=True)
class TextOf:
    """A text template over the source ticket's fields, `itsm`, `vendor` and derived names."""

    template: Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A CSV table; cells are text; `*` in a key column matches anything.

    Attributes:
        name: file stem, as mappings name it.
        columns: header, in order.
        rows: each as long as columns.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Find:
    """`{find: pattern, in: field}`: the first match; its first group where it has one."""

    pattern: re.Pattern[str]
    field: str
