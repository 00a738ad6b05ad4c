"""The table of what each provider can do is what the adapters declare."""

from tests.conformance.conftest import FIXTURES
from tests.conformance.table import PAGE, table


def test_the_page_says_what_the_features_say() -> None:
    told = PAGE.read_text(encoding="utf-8")
    assert told == table(FIXTURES), "run: python -m tests.conformance.table"


def test_the_page_names_every_fixture_and_every_kind_of_write() -> None:
    told = table(FIXTURES)
    assert all(f" {name} " in told for name in FIXTURES)
    assert told != table(dict(list(FIXTURES.items())[1:]))
