"""Which schema a database has, and bringing it up to date. Alembic is imported only to do that."""

from pathlib import Path

import sqlalchemy as sa

from syncd.store.errors import SchemaMismatch, SchemaMissing

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")
"""All revisions this version knows, oldest first; the last is the one it works with."""
REVISION = REVISIONS[-1]
MIGRATIONS = Path(__file__).with_name("migrations")

_VERSION = sa.table("alembic_version", sa.column("version_num", sa.Text()))


def migrate(connection: sa.Connection) -> None:
    """Run what is missing, in the transaction the connection is in.

    Raises:
        SchemaMismatch: the database is newer than this version of syncd.
    """
    found = current(connection)
    if found == REVISION:
        return
    if found is not None and found not in REVISIONS:
        raise _newer(found)
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def current(connection: sa.Connection) -> str | None:
    """Return the database's revision; None when it has no schema of ours."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision = connection.execute(sa.select(_VERSION.c.version_num)).scalar()
    return None if revision is None else str(revision)


def check(connection: sa.Connection) -> None:
    """Refuse a database whose schema is not this version's.

    Raises:
        SchemaMismatch: it is empty, older or newer.
    """
    found = current(connection)
    if found == REVISION:
        return
    if found is None:
        raise SchemaMissing("the store is empty; `syncd db upgrade` makes its tables")
    if found not in REVISIONS:
        raise _newer(found)
    raise SchemaMismatch(
        f"the store's schema is {found}, this syncd works with {REVISION}; stop every syncd that "
        f"uses it, then run `syncd db upgrade`"
    )


def _newer(found: str) -> SchemaMismatch:
    return SchemaMismatch(
        f"the store's schema is {found}, newer than this syncd knows ({REVISION}); run the version "
        f"that made it (`syncd db upgrade` of that version did)"
    )
