"""What every test can use, and how the tools behind the tests are set up."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support.mocked_http import repair_aioresponses
from tests.support.postgres import Server, running_server
from tests.support.stores import PostgresStores, sqlite_store, sqlite_template

repair_aioresponses()

# Time limits per example say more about the machine than about the code.
settings.register_profile(
    "dev",
    deadline=None,
    derandomize=False,
    max_examples=50,
    print_blob=True,
)
# A verdict on a commit is about the commit: new examples are looked for at every desk instead.
settings.register_profile(
    "ci",
    parent=settings.get_profile("dev"),
    derandomize=True,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)


def _log_plainly() -> None:
    # As it comes, structlog draws every frame's variables around an exception: seconds for one.
    structlog.reset_defaults()
    plain = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(processors=[structlog.processors.add_log_level, plain])


_log_plainly()


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Undo what a test's command or daemon set up for the whole process's log."""
    yield
    _log_plainly()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """The run's PostgreSQL, started by the first worker that asks and stopped by the last.

    Its folder is the run's own: pytest clears the folders of older runs, also of one still running.
    """
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"{os.getpid()}"
    folder = Path(tempfile.gettempdir()) / f"syncd-tests-{run}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with running_server(folder / "postgres") as server:
        yield server
    if not any(folder.glob("postgres/postmaster.pid")):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def postgres_url(postgres_server: Server) -> AsyncIterator[str]:
    """The address of an empty database of this test's own, dropped after it."""
    name = await postgres_server.create_database()
    yield postgres_server.url(name)
    await postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def postgres_stores(postgres_server: Server) -> Iterator[PostgresStores]:
    """Empty PostgreSQL stores, used again and again by this process's tests."""
    stores = PostgresStores(postgres_server)
    yield stores
    asyncio.run(stores.close())


@pytest.fixture
async def postgres_store_url(
    postgres_server: Server, postgres_stores: PostgresStores
) -> AsyncIterator[str]:
    """The address of an empty PostgreSQL store."""
    name = await postgres_stores.take()
    yield postgres_server.url(name)
    await postgres_stores.give_back(name)


@pytest.fixture(scope="session", name="sqlite_template")
def _sqlite_template() -> Path:
    """A file with the schema and nothing else."""
    return sqlite_template()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The address of an empty SQLite store."""
    return sqlite_store(tmp_path / "store.db")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty store, on each database in turn."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_store_url"
    url: str = request.getfixturevalue(name)
    return url
