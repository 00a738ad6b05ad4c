"""The throw-away PostgreSQL does what tests rely on."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.postgres import Server

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_gets_an_empty_database(postgres_url: str, turn: int) -> None:
    engine = create_async_engine(postgres_url)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE mark (turn integer)"))
        await connection.execute(text("INSERT INTO mark VALUES (:turn)"), {"turn": turn})
        found = (await connection.execute(text("SELECT turn FROM mark"))).scalars().all()
    await engine.dispose()
    assert found == [turn]


async def test_a_database_can_be_copied_from_a_template(postgres_server: Server) -> None:
    template = await postgres_server.create_database()
    copy = await postgres_server.create_database(template)
    assert copy != template
    await postgres_server.drop_database(copy)
    await postgres_server.drop_database(template)
