"""Commands on PostgreSQL: everyone may write, no socket, no lock."""

import pytest

from tests.cli.office import Office

pytestmark = pytest.mark.postgres


def test_commands_look_and_write_directly(office: Office, postgres_url: str) -> None:
    url = postgres_url.replace("postgresql+asyncpg://", "postgresql://")
    office.configure(changes={f"sqlite:///{office.folder}/syncd.db": url})
    assert office.says("status").status == 2
    assert office.says("db", "upgrade").status == 0
    told = office.says("watch", "servicedesk", "INC0000001")
    assert (told.status, told.err) == (0, "")
    told = office.says("status")
    assert told.status == 0, told.err
    assert "daemons share a PostgreSQL store" in told.out
    told = office.says("explain", "INC0000001")
    assert "watched  INC0000001 by cli:anna" in told.out
    assert "NEXT  read now, by itself" in told.out


def test_a_store_is_moved_to_postgres_and_status_says_the_same_there(
    office: Office, postgres_url: str
) -> None:
    url = postgres_url.replace("postgresql+asyncpg://", "postgresql://")
    old = f"sqlite:///{office.folder}/syncd.db"
    office.says("db", "upgrade")
    office.says("watch", "servicedesk", "INC0000001")
    told = office.says("db", "copy", old, url)
    assert (told.status, told.err) == (0, "")
    assert f"tables to {url}" in told.out
    again = office.says("db", "copy", old, url, "--json")
    assert again.status == 2
    assert "is not empty" in again.err + again.out
    office.configure(changes={old: url})
    assert "watched  INC0000001 by cli:anna" in office.says("explain", "INC0000001").out
    assert office.says("status").status == 0
    assert office.says("db", "copy", "mysql://x@y/z", url).status == 2
