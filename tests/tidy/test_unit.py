"""The systemd unit is one that systemd understands, and gives the daemon no more than it needs."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "systemd" / "syncd.service"
EXPOSURE_MAX = 1.5
"""As `systemd-analyze security` counts; what is left is the network, and files of our own."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine"
)


def analyze(folder: Path, *words: str) -> str:
    """Ask systemd about the unit; its program need not be installed here."""
    unit = folder / UNIT.name
    text = re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(encoding="utf-8"))
    unit.write_text(text, encoding="utf-8")
    told = subprocess.run(
        ["systemd-analyze", *words, str(unit)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return told.stdout + told.stderr


@needs_systemd
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    assert UNIT.name not in analyze(tmp_path, "verify", "--man=no")


@needs_systemd
def test_the_daemon_is_given_little(tmp_path: Path) -> None:
    told = analyze(tmp_path, "security", "--offline=true", "--no-pager")
    found = re.search(r"exposure level for syncd.service: ([0-9.]+)", told)
    assert found is not None, told
    assert float(found[1]) <= EXPOSURE_MAX, told
