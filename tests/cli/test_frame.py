"""What all commands share: where `--config` stands, how mistakes are told, exit statuses."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
import typer

from syncd.cli.application import _MISTAKE, run
from syncd.cli.frame import FAILED, FINE, INTERRUPTED, Cli, carry_out
from syncd.cli.output import Output
from syncd.model.errors import BrokenInvariant, CommandRefused
from syncd.ports.errors import RateLimited, RemoteContext
from syncd.store.errors import StoreUnavailable
from tests.cli.office import Office, place

HEAVY = ("aiohttp", "sqlalchemy", "pydantic", "jinja2", "structlog", "alembic", "apscheduler")

LEVEL = place("  level: info", "syncd.yaml")


def in_a_process(*words: str, code: str = "", **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run `syncd` as people do, with nothing of this test's environment about syncd."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SYNCD_")}
    run = [sys.executable, "-m", "syncd", *words] if not code else [sys.executable, "-c", code]
    return subprocess.run(
        run, capture_output=True, text=True, env=kept | environ, timeout=60, check=False
    )


@pytest.mark.parametrize("words", [("--config", "FILE", "ops", "list"), ("ops", "--config", "FILE", "list"), ("ops", "list", "--config", "FILE")])  # noqa: E501  # fmt: skip
def test_the_configuration_may_be_named_before_or_after_the_command(
    office: Office, words: tuple[str, ...]
) -> None:
    office.writes(lambda _tx: None)
    told = office.types(*(str(office.config) if word == "FILE" else word for word in words))
    assert (told.status, told.out) == (0, "no operations are open\n")


@pytest.mark.parametrize("words", [("--json", "ops", "list"), ("ops", "--json", "list"), ("ops", "list", "--json")])  # noqa: E501  # fmt: skip
def test_json_may_be_asked_for_before_or_after_the_command(
    office: Office, words: tuple[str, ...]
) -> None:
    office.writes(lambda _tx: None)
    assert office.says(*words).json == {"operations": [], "configuration_errors": []}


def test_the_configuration_is_found_by_the_environment(office: Office) -> None:
    office.writes(lambda _tx: None)
    told = office.types("ops", "list", environ={"SYNCD_CONFIG": str(office.config)})
    assert told.status == 0


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    told = in_a_process("status", "--config", str(tmp_path / "none.yaml"))
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == f"{tmp_path}/none.yaml: no such file (--config names it)\n"


def test_every_problem_of_the_configuration_stands_on_its_own_line(office: Office) -> None:
    office.configure(
        changes={"level: info": "level: loud", "base_url: https://itsm": "base_ulr: https://itsm"}
    )
    told = in_a_process("check", "--no-secrets", "--config", str(office.config))
    assert (told.returncode, told.stdout) == (2, "")
    lines = told.stderr.splitlines()
    assert any(line.startswith(f"{LEVEL}:10: log.level: ") for line in lines)
    assert any(
        "connections.servicedesk.base_ulr: " in line and "base_url" in line for line in lines
    )
    assert "Traceback" not in told.stderr


def test_programs_get_the_problems_as_a_document(office: Office) -> None:
    office.configure(changes={"level: info": "level: loud"})
    told = office.says("check", "--json", "--no-secrets")
    assert (told.status, told.json["ok"], told.json["kind"]) == (2, False, "settings")
    assert told.json["problems"][0].startswith(f"{LEVEL}:10: log.level: ")


@pytest.mark.parametrize(
    "words", [("nothing",), ("status", "--nothing"), ("ops", "retry"), ("ops", "retry", "x"), ()]
)
def test_what_is_typed_wrong_could_not_run(words: tuple[str, ...]) -> None:
    told = in_a_process(*words)
    assert told.returncode == 2
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(("words", "said"), [
    (("stauts",), "status"),
    (("status", "--nothing"), "--nothing"),
    (("ops", "retry"), "OPERATION"),
    (("ops", "show", "x"), "integer"),
    (("resync", "INC1", "--limit", "0"), "greater than or equal to 1"),
])  # fmt: skip
def test_programs_get_what_is_typed_wrong_as_a_document_too(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*words, "--json"]) == FAILED
    told = capsys.readouterr()
    found = orjson.loads(told.out)
    assert (found["ok"], found["kind"]) == (False, "usage")
    assert said in found["problems"][0]
    assert said in told.err


def test_a_bug_in_a_command_is_no_mistake_of_the_command_line() -> None:
    assert not issubclass(ValueError, _MISTAKE)
    assert issubclass(typer.BadParameter, _MISTAKE)
    assert _MISTAKE.__name__ == "UsageError"


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    told = in_a_process("status", "--config", str(tmp_path))
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == f"{tmp_path}: a folder; its file is needed (--config names it)\n"


def test_an_empty_word_names_nothing(office: Office) -> None:
    office.writes(lambda _tx: None)
    for words in (("explain", ""), ("pause", " "), ("resync", ""), ("plan", "")):
        told = office.says(*words)
        assert (told.status, told.out) == (2, ""), words
        assert "an empty word names nothing" in told.err


def test_a_name_mistyped_is_guessed(office: Office) -> None:
    office.writes(lambda _tx: None)
    for words in (("pause",), ("resync",), ("plan",)):
        told = office.says(*words, "telenor-incident")
        assert told.status == 2
        assert "did you mean telenor-incidents?" in told.err


def test_a_store_that_is_not_there_says_how_it_is_made(office: Office) -> None:
    told = office.says("status")
    assert (told.status, told.out) == (2, "")
    assert f"there is no store at {office.folder}/syncd.db; `syncd db upgrade`" in told.err


def cli(*, json: bool = False) -> Cli:
    return Cli(config=None, out=Output(json=json))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CommandRefused("operation 7 is not parked"), "operation 7 is not parked\n"),
        (StoreUnavailable("the disk is full"), "the disk is full\n"),
        (RateLimited("429", RemoteContext(connection="telenor-no")), "telenor-no: 429\n"),
        (PermissionError(13, "Permission denied"), "[Errno 13] Permission denied\n"),
    ],
)
def test_what_goes_wrong_is_told_without_a_traceback(
    error: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> int:
        raise error

    assert carry_out(cli(), work) == FAILED
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("error", [BrokenInvariant("a lane has one head"), KeyError("x")])
def test_a_bug_shows_where_and_never_looks_like_a_finding(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        raise error

    assert carry_out(cli(), work) == FAILED
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert told.endswith("this is a bug in syncd; please report it\n")


def test_hostile_words_in_an_error_are_made_visible(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        raise CommandRefused("no \x1b[2J such\nthing")

    assert carry_out(cli(), work) == FAILED
    assert capsys.readouterr().err == "no \\x1b[2J such\nthing\n"


def test_ctrl_c_is_no_failure_to_explain(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        raise KeyboardInterrupt

    assert carry_out(cli(), work) == INTERRUPTED
    assert capsys.readouterr().err == ""
    assert carry_out(cli(), lambda: FINE) == FINE


def test_a_reader_that_goes_away_is_no_error(office: Office) -> None:
    office.writes(lambda _tx: None)
    command = f"{sys.executable} -m syncd schema --config {office.config} | head -c 10"
    told = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, timeout=60, check=False
    )
    assert (told.returncode, told.stderr) == (0, b"")


def test_help_and_mistakes_do_not_wait_for_heavy_modules() -> None:
    told = in_a_process(
        code=(
            "import sys; from syncd.cli.application import run; run(['--help']); "
            f"print('heavy', [each for each in {HEAVY!r} if each in sys.modules])"
        )
    )
    assert told.stdout.endswith("heavy []\n")


def test_every_command_of_the_design_is_there() -> None:
    wanted = (
        "run demo check plan status explain log ops conflicts link pause resume resync reconcile "
        "adopt watch fields call sandbox db schema"
    )
    told = in_a_process("--help")
    assert told.returncode == 0
    assert not [word for word in wanted.split() if f"│ {word} " not in told.stdout]


def test_every_command_has_help_and_takes_the_two_options(office: Office) -> None:
    from syncd.cli.application import make

    for group in make().registered_groups:
        assert group.typer_instance is not None
        for command in group.typer_instance.registered_commands:
            told = office.types(str(group.typer_instance.info.name), str(command.name), "--help")
            assert "--config" in told.out, command.name
            assert "--json" in told.out, command.name


def test_shells_complete_commands() -> None:
    words = {"_SYNCD_COMPLETE": "complete_bash", "COMP_WORDS": "syncd ex", "COMP_CWORD": "1"}
    assert in_a_process("x", **words).stdout.split() == ["explain"]


def test_the_version_is_told() -> None:
    assert in_a_process("--version").stdout == "syncd 0.1.0\n"
