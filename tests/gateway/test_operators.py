"""The operators' socket, over real connections."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from syncd.gateway.operators import OperatorParts, OperatorsSocket, UnknownCommand, ask
from syncd.model.errors import CommandRefused


@dataclass
class FakeCommands:
    done: list[tuple[str, Mapping[str, object], str]] = field(default_factory=list)

    async def run(self, name: str, args: Mapping[str, object], actor: str) -> object:
        if name == "missing":
            raise UnknownCommand(name)
        if name == "refused":
            raise CommandRefused("operation 7 is not parked")
        if name == "wrong":
            raise TypeError("missing argument 'id'")
        if name == "broken":
            raise RuntimeError("a bug")
        self.done.append((name, args, actor))
        return {"changed": 1}


@dataclass
class Office:
    path: Path
    commands: FakeCommands = field(default_factory=FakeCommands)
    rings: list[str] = field(default_factory=list)

    def socket(self) -> OperatorsSocket:
        async def info() -> Mapping[str, object]:
            return {"pid": os.getpid(), "safe_to_restart": True}

        parts = OperatorParts(
            commands=self.commands, info=info, ring=lambda: self.rings.append("ring")
        )
        return OperatorsSocket(self.path, parts)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    office = Office(tmp_path / "syncd.db.sock")
    async with office.socket().serve():
        yield office


async def test_a_command_is_carried_out_and_wakes_the_services(office: Office) -> None:
    body = {"name": "pause", "args": {"connection": "desk"}, "actor": "anna"}
    assert await ask(office.path, "command", body) == {"changed": 1}
    assert office.commands.done == [("pause", {"connection": "desk"}, "anna")]
    assert office.rings == ["ring"]


async def test_it_says_who_it_is(office: Office) -> None:
    assert await ask(office.path, "info") == {"pid": os.getpid(), "safe_to_restart": True}


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"name": "missing", "actor": "a"}, 404, "unknown"),
        ({"name": "refused", "actor": "a"}, 409, "refused"),
        ({"name": "wrong", "actor": "a"}, 400, "invalid"),
        ({"name": "pause"}, 400, "invalid"),
        ({"name": "pause", "actor": " "}, 400, "invalid"),
        ({"name": 1, "actor": "a"}, 400, "invalid"),
        ({"name": "pause", "args": [], "actor": "a"}, 400, "invalid"),
        ([], 400, "invalid"),
    ],
)
async def test_what_cannot_be_done_is_told_apart(
    office: Office, body: object, status: int, kind: str
) -> None:
    connector = aiohttp.UnixConnector(str(office.path))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post("http://x/command", json=body) as answer,
    ):
        assert answer.status == status
        told = await answer.json()
        assert (told["ok"], told["kind"]) == (False, kind)
    assert not office.commands.done


async def test_a_refusal_reaches_the_one_who_asked(office: Office) -> None:
    with pytest.raises(CommandRefused, match="operation 7 is not parked"):
        await ask(office.path, "command", {"name": "refused", "actor": "a"})
    with pytest.raises(CommandRefused, match="internal error"):
        await ask(office.path, "command", {"name": "broken", "actor": "a"})


async def test_only_its_owner_can_reach_it_and_it_goes_with_the_daemon(tmp_path: Path) -> None:
    office = Office(tmp_path / "syncd.db.sock")
    async with office.socket().serve():
        mode = office.path.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConnectionError):
        await ask(office.path, "info")


async def test_what_a_killed_daemon_left_behind_is_replaced(tmp_path: Path) -> None:
    office = Office(tmp_path / "syncd.db.sock")
    first, second = office.socket(), office.socket()
    async with first.serve():
        async with second.serve():
            assert await ask(office.path, "info")
        office.path.touch()
    # The first one leaves alone what is no longer its own.
    assert office.path.exists()


async def test_a_long_path_works_as_well(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    office = Office(folder / "syncd.db.sock")
    async with office.socket().serve():
        assert await ask(office.path, "info")


async def test_commands_at_once_are_all_answered(office: Office) -> None:
    body = {"name": "pause", "actor": "a"}
    answers = await asyncio.gather(*(ask(office.path, "command", body) for _ in range(20)))
    assert answers == [{"changed": 1}] * 20
