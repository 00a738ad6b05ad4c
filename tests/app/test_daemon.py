"""A whole daemon: it starts, carries changes both ways, reloads, and stops in time."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import structlog
import structlog.testing

from syncd.gateway.operators import ask
from syncd.model.errors import CommandRefused, SettingsError
from syncd.sandbox import SmartOpsSandboxSettings
from syncd.store.errors import StoreHeld
from tests.app.world import LIMIT_S, MAPPING, SECRETS, World, until, world

NOTIFY = {"Authorization": f"Bearer {SECRETS['NOTIFY_TOKEN']}"}


@pytest.fixture(autouse=True)
def warnings_only() -> Iterator[None]:
    """A failing test shows what went wrong, and not a thousand polls."""

    def drop(_logger: object, method: str, event: structlog.typing.EventDict) -> object:
        if method in {"debug", "info"}:
            raise structlog.DropEvent
        return event

    structlog.configure(processors=[drop, *structlog.get_config()["processors"]])
    yield
    structlog.reset_defaults()


@pytest.fixture
async def between(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


def desk_ticket(between: World, **fields: str) -> str:
    """A person opens a ticket at the desk; gives its number."""
    told = {"shortDescription": "Link down", "longDescription": "Since 08:00", **fields}
    told.setdefault("assignedGroup", "Telenor NOC")
    told.setdefault("ticketPriority", "1")
    ticket = between.desk.person_creates(told, "Anna")
    found = between.desk.record.of("ticket_created")[-1]
    assert ticket
    return str(found["number"])


async def notify(url: str, number: str) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/notify/desk", json={"number": number}, headers=NOTIFY) as answer,
    ):
        assert answer.status == 202


async def page(url: str, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url + path) as answer:
        return answer.status, await answer.text()


def made_by_client(sandbox: object, *what: str) -> list[dict[str, object]]:
    record = sandbox.record  # type: ignore[attr-defined]
    return [event for event in record.of(*what) if event["actor"] == "client"]


async def test_a_ticket_of_the_desk_arrives_at_the_vendor_and_its_comment_too(
    between: World,
) -> None:
    async with between.daemon() as running:
        number = desk_ticket(between)
        await notify(running.url, number)
        await until(lambda: bool(made_by_client(between.telenor, "ticket_created")), "a case")
        between.desk.person_comments(number, "Any news?", "Anna", internal=False)
        await notify(running.url, number)
        await until(lambda: bool(made_by_client(between.telenor, "comment_added")), "a comment")
    created = made_by_client(between.telenor, "ticket_created")
    assert len(created) == 1
    assert created[0]["fields"]["priority"] == "Critical"  # type: ignore[index]
    assert len(made_by_client(between.telenor, "comment_added")) == 1
    assert not between.telenor.record.violations
    assert not between.desk.record.violations


async def test_a_case_of_the_vendor_arrives_at_the_desk(between: World) -> None:
    async with between.daemon():
        between.telenor.person_creates(
            {
                "subject": "Planned work", "description": "Tonight",
                "organizationNumber": "912345678", "productCategoryName": "Nordic Connect",
                "identificationNumber": "LU-12345678", "incidentType": "Annen type feil",
                "priority": "Low",
            },
            "Kari",
        )  # fmt: skip
        await until(lambda: bool(made_by_client(between.desk, "ticket_created")), "a ticket")
    assert len(made_by_client(between.desk, "ticket_created")) == 1
    assert not between.desk.record.violations


async def test_after_a_restart_nothing_is_sent_again(between: World) -> None:
    async with between.daemon() as running:
        number = desk_ticket(between)
        await notify(running.url, number)
        await until(lambda: bool(made_by_client(between.telenor, "ticket_created")), "a case")
    async with between.daemon() as running:
        await notify(running.url, number)
        desk_reads = len(between.desk.record.requests("get_ticket"))
        await until(
            lambda: len(between.desk.record.requests("get_ticket")) > desk_reads, "a new read"
        )
    assert len(made_by_client(between.telenor, "ticket_created")) == 1


async def test_it_is_ready_after_the_first_polls_and_shows_its_figures(between: World) -> None:
    async with between.daemon() as running:
        status = 0
        async with asyncio.timeout(20):
            while status != 200:
                status, told = await page(running.url, "/-/ready")
        assert told == '{"ready":true,"reasons":[]}'
        status, _ = await page(running.url, "/-/healthy")
        assert status == 200
        status, metrics = await page(running.url, "/metrics")
        assert 'syncd_last_complete_poll_age_seconds{connection="telenor"}' in metrics
        assert 'syncd_breaker_state{connection="telenor",state="closed"} 1.0' in metrics
        assert "syncd_store_up 1.0" in metrics
        assert (between.folder / "port").read_text() == f"{running.started.port}\n"


async def test_operators_reach_it_over_the_socket(between: World) -> None:
    async with between.daemon() as running:
        assert running.started.socket == between.folder / "syncd.db.sock"
        info = await ask(running.started.socket, "info")
        assert isinstance(info, dict)
        assert info["pid"] == os.getpid()
        assert info["safe_to_restart"] is True
        with pytest.raises(CommandRefused, match="there is no command 'dance'"):
            await ask(running.started.socket, "command", {"name": "dance", "actor": "anna"})
    assert not (between.folder / "syncd.db.sock").exists()


async def test_a_second_daemon_on_the_same_store_names_the_first(between: World) -> None:
    async with between.daemon():
        with pytest.raises(StoreHeld, match=rf"syncd run \(process {os.getpid()} "):
            async with between.start():
                pass


async def test_another_environment_refuses_to_start(between: World) -> None:
    async with between.daemon():
        pass
    text = between.config.read_text().replace("environment: test", "environment: prod")
    between.config.write_text(text)
    with pytest.raises(CommandRefused, match="environment"):
        async with between.start():
            pass


async def test_a_port_in_use_is_named(between: World) -> None:
    async with between.daemon() as running:
        text = between.config.read_text()
        text = text.replace("127.0.0.1:0", f"127.0.0.1:{running.started.port}")
        other = f'other.db", spool: {between.folder}/other'
        between.config.write_text(text.replace('syncd.db"', other))
        with pytest.raises(CommandRefused, match=f"http.listen 127.0.0.1:{running.started.port}"):
            async with between.start():
                pass


async def test_a_reload_swaps_the_whole_configuration(between: World) -> None:
    between.configure(mode="paused")
    async with between.daemon() as running:
        number = desk_ticket(between)
        await notify(running.url, number)
        await until(lambda: bool(between.desk.record.requests("get_ticket")), "a read")
        assert not made_by_client(between.telenor, "ticket_created")
        between.configure(mode="live")
        running.options.reload.set()
        second = desk_ticket(between)
        with structlog.testing.capture_logs() as logs:
            await until(lambda: any(one["event"] == "app.reloaded" for one in logs), "a reload")
        await notify(running.url, second)
        await until(lambda: bool(made_by_client(between.telenor, "ticket_created")), "a case")


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("mappings/incidents.yaml", "mode: live", "incidents.yaml:"),
        ("syncd.yaml", "environment: prod", "environment changed: restart syncd for that"),
        ("syncd.yaml", "connections: 7", "syncd.yaml:"),
    ],
)
async def test_a_broken_file_changes_nothing(
    between: World, file: str, text: str, problem: str
) -> None:
    async with between.daemon() as running:
        path = between.folder / file
        if text == "environment: prod":
            text = path.read_text().replace("environment: test", text)
        path.write_text(text)
        with structlog.testing.capture_logs() as logs:
            running.options.reload.set()
            await until(lambda: any(one["event"] == "app.reload_refused" for one in logs), "a no")
        refused = next(one for one in logs if one["event"] == "app.reload_refused")
        assert problem in str(refused["problems"])
        number = desk_ticket(between)
        await notify(running.url, number)
        await until(lambda: bool(made_by_client(between.telenor, "ticket_created")), "a case")


async def test_systemd_shows_that_a_reload_was_refused_and_that_the_next_was_not(
    between: World, tmp_path: Path
) -> None:
    told: list[str] = []

    def hear() -> bool:
        with contextlib.suppress(BlockingIOError):
            while True:
                told.append(manager.recv(2000).decode())
        return False

    def is_told(text: str) -> bool:
        return hear() or any(each.startswith("STATUS=") and text in each for each in told)

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
        manager.bind(str(tmp_path / "notify"))
        between.environ = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        async with between.daemon() as running:
            right = between.config.read_text()
            between.config.write_text("environment: [broken")
            running.options.reload.set()
            await until(lambda: is_told("the old configuration stays: syncd.yaml:"), "a refusal")
            between.config.write_text(right)
            told.clear()
            running.options.reload.set()
            await until(lambda: is_told("2 connections, 1 mappings"), "a reload")


async def test_a_secret_that_anybody_can_read_is_remarked_on_in_the_log(between: World) -> None:
    secret = between.folder / "offline"
    secret.write_text(SECRETS["OFFLINE"])
    secret.chmod(0o644)
    text = between.config.read_text()
    between.config.write_text(text.replace("{env: OFFLINE}", f"{{file: {secret}}}"))
    with structlog.testing.capture_logs() as logs:
        async with between.daemon():
            pass
    (remark,) = [one for one in logs if one["event"] == "app.settings_remark"]
    assert str(secret) in remark["what"]
    assert SECRETS["OFFLINE"] not in str(logs)


async def test_a_mapping_with_links_does_not_vanish(between: World) -> None:
    async with between.daemon() as running:
        await notify(running.url, desk_ticket(between))
        await until(lambda: bool(made_by_client(between.telenor, "ticket_created")), "a case")
        old = between.folder / "mappings" / "incidents.yaml"
        old.unlink()
        renamed = MAPPING.format(mode="live").replace("mapping: incidents", "mapping: cases")
        (old.parent / "cases.yaml").write_text(renamed)
        with structlog.testing.capture_logs() as logs:
            running.options.reload.set()
            await until(lambda: any(one["event"] == "app.reload_refused" for one in logs), "a no")
        assert "was: incidents" in str(logs)
    with pytest.raises(SettingsError, match="was: incidents"):
        async with between.start():
            pass
    (old.parent / "cases.yaml").write_text(f"{renamed}was: incidents\n")
    async with between.daemon():
        pass


async def test_a_vendor_that_hangs_does_not_keep_it_from_stopping(between: World) -> None:
    between.telenor.faults.next("slow", operation="list_activities", count=100, delay_s=9)
    async with between.daemon() as running:
        await until(lambda: bool(between.telenor.record.requests("token")), "a poll under way")
        running.options.stop.set()
        assert await running.ended() == 0
        assert not between.telenor.record.requests("list_activities")


async def test_a_second_signal_stops_it_at_once(between: World) -> None:
    between.telenor.faults.next("slow", operation="list_activities", count=100, delay_s=2)
    async with between.daemon() as running:
        await until(lambda: bool(between.telenor.record.requests("token")), "a poll under way")
        with structlog.testing.capture_logs() as logs:
            running.options.stop.set()
            running.options.hurry.set()
            assert await running.ended() == 0
    cut_off = next(one for one in logs if one["event"] == "app.services_cut_off")
    assert "poll telenor" in cut_off["services"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_as_a_process_it_obeys_signals(between: World, number: signal.Signals) -> None:
    script = (
        "import sys; from pathlib import Path; from syncd.app import run;"
        "sys.exit(run(Path(sys.argv[1]), port_file=Path(sys.argv[2])))"
    )
    port_file = between.folder / "port"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(between.config), str(port_file),
        env={**os.environ, **SECRETS}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        await until(port_file.exists, "a port file")
        await until(lambda: bool(between.telenor.record.requests("list_activities")), "a poll")
        info = await ask(between.folder / "syncd.db.sock", "info")
        assert isinstance(info, dict)
        assert info["pid"] == child.pid
        child.send_signal(signal.SIGHUP)
        child.send_signal(number)
        async with asyncio.timeout(45):
            _, log = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert child.returncode == 0, log.decode()
    assert b'"event":"app.stopped"' in log
    for secret in SECRETS.values():
        assert secret.encode() not in log


async def test_a_full_disk_ends_it_cleanly_and_says_so(between: World) -> None:
    script = """
import asyncio, resource, sys
from pathlib import Path
from syncd.app import DaemonOptions, run_daemon
from syncd.log import LogFormat, LogOptions, set_up
from syncd.settings.load import load

def full(_started):
    # No file may grow any more: SQLite meets what a full disk shows it.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

path = Path(sys.argv[1])
set_up(LogOptions(format=LogFormat.JSON))
options = DaemonOptions(started=full, store_grace_s=1.5)
sys.exit(asyncio.run(run_daemon(load(path), config_path=path, options=options)))
"""
    for number in range(5):
        between.telenor.person_creates(
            {
                "subject": f"Case {number}", "description": "x", "organizationNumber": "1",
                "productCategoryName": "Nordic Connect", "identificationNumber": "LU-12345678",
                "incidentType": "Annen type feil", "priority": "Low",
            },
            "Kari",
        )  # fmt: skip
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(between.config),
        env={**os.environ, **SECRETS}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(LIMIT_S):
            _, log = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert child.returncode == 1, log.decode()
    assert b'"event":"app.given_up"' in log
    assert b"the store cannot be used" in log
    assert b'"event":"app.service_crashed"' not in log


async def test_a_token_that_changes_with_every_use_survives_a_restart(tmp_path: Path) -> None:
    desk = SmartOpsSandboxSettings(seed=1, rotates_offline_token=True, token_lifetime_s=30)
    async with world(tmp_path, desk) as between:
        for _ in range(3):
            async with between.daemon() as running:
                number = desk_ticket(between)
                await notify(running.url, number)
                cases = len(made_by_client(between.telenor, "ticket_created"))
                await until(
                    lambda: len(made_by_client(between.telenor, "ticket_created")) > cases,  # noqa: B023
                    "a case",
                )
        tokens = between.desk.record.requests("token")
        assert len(tokens) >= 3
        assert {one["status"] for one in tokens} == {200}


def use(between: World, postgres_url: str) -> None:
    """Keep the store on PostgreSQL."""
    url = postgres_url.replace("postgresql+asyncpg:", "postgresql:")
    text = between.config.read_text()
    place = f'"sqlite:///{between.folder}/syncd.db"'
    assert place in text
    between.config.write_text(text.replace(place, f'"{url}", spool: {between.folder}/spool'))


@pytest.mark.postgres
async def test_it_works_on_postgresql_as_well(between: World, postgres_url: str) -> None:
    use(between, postgres_url)
    async with between.daemon() as running:
        assert running.started.socket is None
        await notify(running.url, desk_ticket(between))
        await until(lambda: bool(made_by_client(between.telenor, "ticket_created")), "a case")
    async with between.daemon() as running:
        status, _ = await page(running.url, "/-/healthy")
        assert status == 200
    assert len(made_by_client(between.telenor, "ticket_created")) == 1


@pytest.mark.slow
@pytest.mark.postgres
async def test_two_daemons_share_the_work_on_postgresql(between: World, postgres_url: str) -> None:
    use(between, postgres_url)
    async with between.daemon() as one, between.daemon() as two:
        numbers = [desk_ticket(between, shortDescription=f"Link {n}") for n in range(6)]
        for index, number in enumerate(numbers):
            await notify((one, two)[index % 2].url, number)
        await until(
            lambda: len(made_by_client(between.telenor, "ticket_created")) >= len(numbers),
            "all cases",
        )
    assert len(made_by_client(between.telenor, "ticket_created")) == len(numbers)
