"""An operator's desk per test."""

from pathlib import Path

import pytest

from tests.cli.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """A live mapping, and no store yet."""
    made = Office(tmp_path)
    made.configure()
    return made
