"""An empty store per test, on both databases; the schema is made once per run and copied."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from syncd.store.database import Database
from syncd.store.upgrading import upgrade
from tests.store.scene import Scene
from tests.support.postgres import Server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the schema and nothing else."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    asyncio.run(upgrade(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Server) -> Iterator[str]:
    """A database with the schema and nothing else."""
    name = asyncio.run(postgres_server.create_database())
    asyncio.run(upgrade(postgres_server.url(name)))
    yield name
    asyncio.run(postgres_server.drop_database(name))


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The address of an empty SQLite store."""
    path = tmp_path / "store.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
async def postgres_store_url(postgres_server: Server, postgres_template: str) -> AsyncIterator[str]:
    """The address of an empty PostgreSQL store."""
    name = await postgres_server.create_database(postgres_template)
    yield postgres_server.url(name)
    await postgres_server.drop_database(name)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty store, on each database in turn."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_store_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
async def database(store_url: str) -> AsyncIterator[Database]:
    """An empty store, open."""
    async with await Database.open(store_url) as opened:
        yield opened


@pytest.fixture
async def scene(database: Database) -> Scene:
    """A store that knows two connections and a live mapping."""
    made = Scene(database)
    await made.set_up()
    return made
