"""An operator's desk per test."""

from pathlib import Path

import pytest

from syncd.model.ids import TicketRow
from tests.cli.office import DESK, TELENOR, Office, incident, ticket
from tests.cli.outcomes import applied


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """A live mapping, and no store yet."""
    made = Office(tmp_path)
    made.configure()
    return made


@pytest.fixture
def pair(office: Office) -> TicketRow:
    """Two tickets in step."""
    row = office.read(DESK, ticket())
    office.delivers(lambda operation: applied(office.now, operation))
    office.read(TELENOR, incident())
    office.delivers(lambda operation: applied(office.now, operation))
    return row
