"""The configuration we ship is checked as it lies there, its mappings' tests included."""

import re
from pathlib import Path

from typer.testing import CliRunner

from syncd.cli.application import make

OURS = Path(__file__).resolve().parents[2] / "config"


def test_check_finds_nothing_wrong_with_the_configuration_we_ship(tmp_path: Path) -> None:
    text = (OURS / "syncd.yaml").read_text(encoding="utf-8")
    for name in re.findall(r"credential: ([\w-]+)", text):
        (tmp_path / name).write_text("c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I=")
    given = dict.fromkeys(re.findall(r"env: (\w+)", text), "secret")
    given["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    words = ["--config", str(OURS / "syncd.yaml"), "check", "--json"]
    said = CliRunner().invoke(make(), words, env=given)
    assert said.exit_code == 0, said.stdout + said.stderr
    for mapping in (OURS / "mappings").glob("*.yaml"):
        assert mapping.stem in said.stdout
