"""Commands beside a running daemon, and sandboxes served to people, in processes of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from syncd.sandbox import SANDBOXES
from tests.cli.office import Office

pytestmark = pytest.mark.slow

WAIT_S = 60.0
SECRETS = {
    "TELENOR_SECRET": "telenor-secret",
    "TELENOR_PASSWORD": "telenor-password",
    "DESK_SECRET": "smartops-secret",
    "KEY": "a-key-for-the-store",
}


def syncd(*words: str) -> list[str]:
    return [sys.executable, "-m", "syncd", *words]


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SYNCD_")}
    return kept | SECRETS | {"SUDO_USER": "anna"}


@contextmanager
def process(*words: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a command that goes on by itself, and stop it in the end."""
    with subprocess.Popen(
        syncd(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def document(running: "subprocess.Popen[str]") -> dict[str, Any]:
    """Read the one indented JSON document a process prints first."""
    assert running.stdout is not None
    text = ""
    for line in running.stdout:
        text += line
        if line == "}\n":
            found: dict[str, Any] = orjson.loads(text)
            return found
    raise AssertionError(f"it ended: {text} {running.stderr.read() if running.stderr else ''}")


class Site:
    """Two sandboxes served by `syncd sandbox`, and a configuration that names them."""

    def __init__(self, folder: Path, desk: str, telenor: str) -> None:
        self.office = Office(folder)
        self.office.configure(
            changes={
                "https://itsm.example.com": desk,
                "https://sso.example.com/realms": f"{desk}/realms",
                "https://api.telenor.example/oauth": f"{telenor}/oauth",
                "https://api.telenor.example": telenor,
                "offline_token: {credential: smartops}": "client_secret: {env: DESK_SECRET}",
                "key: {credential: store-key}": "key: {env: KEY}",
                "notify: {token: {credential: notify}}": "notify: {token: {env: KEY}}",
                "127.0.0.1:8470": "127.0.0.1:0",
                "every: 30s": "every: 500ms",
                "every: 60s": "every: 500ms",
            }
        )

    def says(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Give a command, in this process: beside the daemon it is in another one anyway."""
        told = self.office.says(*words, environ=SECRETS)
        return subprocess.CompletedProcess(words, told.status, told.out, told.err)

    def starts(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Give a command, in a process of its own."""
        return subprocess.run(
            syncd("--config", str(self.office.config), *words),
            capture_output=True, text=True, env=environment(), timeout=WAIT_S, check=False,
        )  # fmt: skip

    @contextmanager
    def daemon(self) -> Iterator["subprocess.Popen[str]"]:
        """Run a daemon until the block ends."""
        port = self.office.folder / "port"
        port.unlink(missing_ok=True)
        words = ("run", "--config", str(self.office.config), "--port-file", str(port))
        with process(*words) as running:
            until(lambda: port.exists() or running.poll() is not None)
            assert running.poll() is None, running.stderr.read() if running.stderr else ""
            yield running


def until(holds: Any) -> Any:
    """Wait until something holds, with a limit."""
    end = time.monotonic() + WAIT_S
    while not (found := holds()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Both sandboxes, as they say of themselves where they are."""
    with (
        process("sandbox", "smartops", "--json") as desk,
        process("sandbox", "telenor", "--json") as telenor,
    ):
        yield document(desk), document(telenor)


@pytest.fixture
def site(tmp_path: Path, sandboxes: tuple[dict[str, Any], dict[str, Any]]) -> Site:
    """A configuration of the two sandboxes."""
    desk, telenor = sandboxes
    return Site(tmp_path, desk["base_url"], telenor["base_url"])


def act(where: dict[str, Any], **what: Any) -> Any:
    """Have a person do something."""
    import urllib.request

    request = urllib.request.Request(
        where["control"] + "act",
        data=orjson.dumps(what),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return orjson.loads(answer.read())["result"]


def number_of(where: dict[str, Any], ticket: str) -> str:
    """Say what people call a ticket."""
    import urllib.request

    with urllib.request.urlopen(where["control"] + "tickets", timeout=10) as answer:
        return str(
            next(each["number"] for each in orjson.loads(answer.read()) if each["id"] == ticket)
        )


def test_a_sandbox_says_how_it_is_used(sandboxes: tuple[dict[str, Any], dict[str, Any]]) -> None:
    desk, telenor = sandboxes
    assert desk["logins"]["client_secret"] == "smartops-secret"
    assert telenor["logins"]["username"] == "acme-system"
    # The examples it gives work as they stand.
    for where in sandboxes:
        assert act(where, **orjson.loads(where["acts"][0]))


def test_a_sandbox_nobody_has_is_refused(site: Site) -> None:
    told = site.says("sandbox", "servicenow")
    assert told.returncode == 2
    there = ", ".join(sorted(SANDBOXES))
    assert told.stderr == f"no sandbox servicenow; there is: {there}\n"


def test_the_live_check_asks_both_systems(site: Site) -> None:
    told = site.says("check", "--live", "--json")
    found = orjson.loads(told.stdout)["live"]
    assert set(found) == {"servicedesk", "telenor-no"}
    assert all(found.values())
    assert told.returncode == (
        0 if all(each["ok"] for one in found.values() for each in one) else 1
    )
    broken = site.office.config.read_text().replace("client_id: acme", "client_id: nobody")
    site.office.config.write_text(broken)
    told = site.says("check", "--live")
    assert told.returncode == 1
    assert "failed  telenor-no: " in told.stdout
    assert "telenor-secret" not in told.stdout + told.stderr


def test_a_vendors_other_calls_are_made_by_name(site: Site) -> None:
    assert "product_categories" in site.says("call", "telenor-no").stdout
    told = site.says("call", "telenor-no", "product_categories")
    assert told.returncode == 0
    assert "Nordic Connect" in str(orjson.loads(told.stdout))
    assert "did you mean count?" in site.says("call", "telenor-no", "cuont").stderr
    assert "accepted: KEY=VALUE" in site.says("call", "telenor-no", "count", "x").stderr


def reported(desk: dict[str, Any], title: str) -> tuple[str, str]:
    """A person opens a ticket that the mapping carries; gives its id and number."""
    fields = {
        "shortDescription": title,
        "longDescription": "LU-12345678 is dark",
        "assignedGroup": "Telenor NOC",
        "u_site": "Fornebu",
        "ticketPriority": "1",
    }
    made = str(act(desk, do="create", by="Kari", fields=fields))
    return made, number_of(desk, made)


def test_everything_works_beside_a_running_daemon(
    site: Site, sandboxes: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    with site.daemon() as running:
        _, number = reported(sandboxes[0], "Link down")
        # Writes go through the daemon's socket.
        assert site.starts("watch", "servicedesk", number).returncode == 0
        told = until(lambda: _partnered(site, number))
        partner = told["links"][0]["partner"]["number"]
        # Reads look into its store.
        for words in (
            ("status",), ("log",), ("ops", "list"), ("conflicts", "list"), ("link", "list"),
            ("plan",), ("reconcile",), ("fields", "telenor-no"), ("explain", partner),
            ("ops", "show", "1"), ("check",), ("schema",),
        ):  # fmt: skip
            looked = site.says(*words)
            assert looked.returncode in (0, 1), (words, looked.stderr)
            assert looked.stderr == "", words
        status = orjson.loads(site.starts("status", "--json").stdout)
        assert status["daemon"]["pid"] == running.pid
        assert not [each for each in status["needs"] if "daemon" in each["what"]]
        assert site.says("pause", "telenor-incidents", "--reason", "moving").returncode == 0
        assert "paused by cli:anna" in site.says("status").stdout
        assert site.says("resume", "telenor-incidents").returncode == 0
        assert site.says("resync", number).returncode == 0
        refused = site.says("ops", "discard", "1")
        assert refused.returncode == 2
        assert "operation 1 is applied: there is nothing left to discard" in refused.stderr
        # What one process alone may do names the one that holds the store.
        for words in (("run",), ("db", "upgrade")):
            second = site.starts(*words)
            assert second.returncode == 2, words
            assert f"is in use by syncd run (process {running.pid} on " in second.stderr
        running.send_signal(signal.SIGTERM)
        assert running.wait(WAIT_S) == 0
    # And without a daemon the lock is taken for a moment.
    assert site.says("pause", number).returncode == 0


def _partnered(site: Site, number: str) -> dict[str, Any] | None:
    told = site.says("explain", number, "--json")
    found: dict[str, Any] = orjson.loads(told.stdout)
    linked = found["links"] and found["links"][0]["partner"]
    return found if linked and linked["snapshot"] else None


def test_what_no_poll_has_seen_yet_is_found_live(
    site: Site, sandboxes: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    desk = sandboxes[0]
    with site.daemon():
        made, number = reported(desk, "Slow")
        site.says("watch", "servicedesk", number)
        until(lambda: _partnered(site, number))
        assert site.says("pause", "servicedesk").returncode == 0
        act(desk, do="update", ticket=made, fields={"shortDescription": "Very slow"}, by="Kari")
        told = site.says("reconcile", "--live", "--json")
        assert told.returncode == 1, told.stderr
        (found,) = orjson.loads(told.stdout)["drifted"]
        assert [each["fields"] for each in found["unseen"]] == [{"title": "Very slow"}]


def test_the_journal_can_be_followed(site: Site) -> None:
    site.says("db", "upgrade")
    with process("log", "--follow", "--json", "--config", str(site.office.config)) as following:
        assert following.stdout is not None
        site.says("watch", "servicedesk", "INC0000001")
        first = orjson.loads(following.stdout.readline())
        assert (first["event"], first["detail"], first["actor"]) == (
            "ticket.watched", "INC0000001", "cli:anna",
        )  # fmt: skip
        site.says("watch", "servicedesk", "INC0000002")
        assert orjson.loads(following.stdout.readline())["detail"] == "INC0000002"
        following.send_signal(signal.SIGINT)
        assert following.wait(WAIT_S) == 130
        assert following.stderr is not None
        assert following.stderr.read() == ""


def test_a_daemon_that_was_killed_left_nothing_in_the_way(site: Site) -> None:
    with site.daemon() as running:
        running.kill()
        running.wait()
        assert (site.office.folder / "syncd.db.sock").exists()
        told = site.says("watch", "servicedesk", "INC0000003")
        assert (told.returncode, told.stderr) == (0, "")
