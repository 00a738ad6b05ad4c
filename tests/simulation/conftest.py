"""The store that every story begins with a copy of."""

from tests.store.conftest import sqlite_template

__all__ = ["sqlite_template"]
