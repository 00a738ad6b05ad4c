"""A server that quotes our login in its errors: nothing an operator reads repeats it."""

import asyncio
import base64
import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from syncd.cli.application import make
from tests.app.world import DAEMON, SECRETS, World, until, world

IN_BASE64 = base64.b64encode(SECRETS["TELENOR_PASSWORD"].encode()).decode()
A_TOKEN = re.compile(r"sandbox-[0-9a-f]{6}")
NEVER_SHOWN = (IN_BASE64, *SECRETS.values())


@pytest.fixture
async def between(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        details = "    connection_details: {{user: syncd, password: {{env: TELENOR_PASSWORD}}}}\n"
        made.configure(daemon=DAEMON.replace("    poll:", f"{details}    poll:", 1))
        yield made


def stored(folder: Path) -> str:
    """Give every text of the store, attempts and journal among them."""
    with sqlite3.connect(f"file:{folder}/syncd.db?mode=ro", uri=True) as store:
        names = [name for (name,) in store.execute("SELECT name FROM sqlite_master")]
        tables = {
            name: list(store.execute(f'SELECT * FROM "{name}"'))
            for name in names
            if name in ("operation", "attempt", "journal", "connection", "ticket")
        }
    assert tables["journal"]
    assert tables["attempt"]
    return repr(tables)


async def test_neither_log_nor_journal_nor_commands_repeat_a_quoted_login(between: World) -> None:
    between.desk.faults.next(
        "error_before", operation="create_ticket", status=400, body="quote", count=50
    )
    with structlog.testing.capture_logs() as logged:
        async with between.daemon():
            between.telenor.person_creates(
                {"organizationNumber": "912345678", "subject": "Link down", "description": "Dark"}
            )
            await until(
                lambda: any(one["event"] == "delivery.parked" for one in logged), "a refusal"
            )
    told = stored(between.folder)
    (case,) = re.findall(r"Case-\d+", told)[:1]
    for words in (["explain", case], ["ops", "list"], ["ops", "show", "1"], ["log"]):
        said = await asyncio.to_thread(
            CliRunner().invoke, make(), ["--config", str(between.config), *words],
            env={**SECRETS, "COLUMNS": "400"},
        )  # fmt: skip
        assert said.exit_code in (0, 1), said.output
        told += said.output
    told += str(logged)
    assert told.count("cannot do") > 3, "the server's words are shown"
    assert "***" in told
    assert not A_TOKEN.search(told)
    assert not [one[:4] for one in NEVER_SHOWN if one in told]
