"""What README.md tells a newcomer to type works as it stands there."""

import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.cli.office import DESK, Office, ticket

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [
    line.removeprefix("$ ")
    for language, block in BLOCKS
    if language == "console"
    for line in block.splitlines()
]
SYNCD = [command for command in COMMANDS if command.startswith("syncd ")]
MAKE = [command for command in COMMANDS if command.startswith("make ")]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """The example configuration with the README's mapping beside it, and a ticket that is known."""
    made = Office(tmp_path)
    made.configure(changes={"127.0.0.1:8470": "127.0.0.1:0"})
    mapping = next(block for language, block in BLOCKS if language == "yaml")
    (tmp_path / "mappings" / "readme.yaml").write_text(mapping, encoding="utf-8")
    made.read(DESK, ticket(number="INC0010001"))
    return made


def secrets(office: Office) -> dict[str, str]:
    """An environment in which every secret that the configuration names is at hand."""
    folder = office.folder / "secrets"
    folder.mkdir(exist_ok=True)
    settings = office.config.read_text(encoding="utf-8")
    for name in re.findall(r"credential: ([\w-]+)", settings):
        (folder / name).write_text("c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I=")
    given = dict.fromkeys(re.findall(r"env: (\w+)", settings), "secret")
    return given | {"CREDENTIALS_DIRECTORY": str(folder)}


def test_every_block_is_of_a_kind_that_is_executed_here() -> None:
    assert {language for language, _ in BLOCKS} == {"console", "yaml", "text"}
    assert set(COMMANDS) == set(SYNCD) | set(MAKE)


def test_the_readmes_mapping_loads_and_its_own_tests_pass(office: Office) -> None:
    said = office.says("check", "--json", environ=secrets(office))
    assert said.status == 0, said.out + said.err
    assert "readme" in said.out


def test_the_readmes_served_connection_loads_and_offers_its_calls(office: Office) -> None:
    (served,) = [text for kind, text in BLOCKS if kind == "yaml" and "mode: serve" in text]
    config = office.config.read_text(encoding="utf-8")
    added = "\nconnections:\n" + textwrap.indent(served, "  ")
    office.config.write_text(config.replace("\nconnections:\n", added), encoding="utf-8")
    said = office.says("check", "--json", environ=secrets(office))
    assert said.status == 0, said.out + said.err
    fields = office.says("fields", "automation", environ=secrets(office))
    assert "vendor_ref" in fields.out


def test_the_readmes_request_tracker_loads_and_its_mappings_tests_pass(office: Office) -> None:
    (connection,) = [text for kind, text in BLOCKS if kind == "yaml" and "provider: rt" in text]
    (mapping,) = [text for kind, text in BLOCKS if kind == "yaml" and "mapping: readme-rt" in text]
    config = office.config.read_text(encoding="utf-8")
    added = "\nconnections:\n" + textwrap.indent(connection, "  ")
    office.config.write_text(config.replace("\nconnections:\n", added), encoding="utf-8")
    (office.folder / "mappings" / "readme-rt.yaml").write_text(mapping, encoding="utf-8")
    said = office.says("check", "--json", environ=secrets(office))
    assert said.status == 0, said.out + said.err
    assert "readme-rt" in said.out
    assert "vendor_ref" in office.says("fields", "rt", environ=secrets(office)).out


def test_the_readmes_explanation_is_what_is_said(tmp_path: Path) -> None:
    (shown,) = [text for kind, text in BLOCKS if kind == "text" and "NOT OPENED" in text]
    office = Office(tmp_path)
    office.configure()
    office.read(DESK, ticket("INC0010001", assigned_group="Network"))
    assert office.says("explain", "INC0010001").out.startswith(shown)


@pytest.mark.parametrize(
    "command", [command for command in SYNCD if not command.startswith("syncd run")]
)
def test_a_command_answers(office: Office, command: str) -> None:
    said = office.says(*shlex.split(command)[1:], environ=secrets(office))
    assert said.status in (0, 1), said.out + said.err
    assert said.out


@pytest.mark.slow
def test_the_daemon_runs_as_told_until_it_is_told_to_stop(office: Office) -> None:
    command = next(command for command in SYNCD if command.startswith("syncd run"))
    words = [str(office.config) if "/" in word else word for word in shlex.split(command)]
    with subprocess.Popen(
        [sys.executable, "-m", *words],
        env={**os.environ, **secrets(office)},
        stderr=subprocess.PIPE,
        text=True,
        cwd=office.folder,
    ) as daemon:
        assert daemon.stderr is not None
        lines = []
        for line in daemon.stderr:
            lines.append(line)
            if "app.started" in line:
                break
        daemon.send_signal(signal.SIGTERM)
        rest = daemon.stderr.read()
        assert daemon.wait() == 0, "".join(lines) + rest


@pytest.mark.parametrize("command", MAKE)
def test_a_make_target_is_there_and_what_it_would_run_too(command: str) -> None:
    # The targets themselves are run by .ci/run; a test run inside a test run would never end.
    told = subprocess.run(
        ["make", "-n", *shlex.split(command)[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert "pytest" in told.stdout or "syncd demo" in told.stdout


def test_every_file_the_readme_names_is_there() -> None:
    for name in re.findall(r"`((?:config|systemd|deploy)/[\w./-]+\w)`", README):
        assert (ROOT / name).exists(), name
