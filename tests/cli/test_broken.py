"""Commands beside a configuration whose files are broken."""

import pytest

from syncd.model.ids import TicketRow
from tests.cli.office import MAPPING, TELENOR, Office
from tests.cli.outcomes import refused

LOOKS = (
    ("status",),
    ("explain", "INC0012399"),
    ("explain", "INC0000404"),
    ("log", "--mapping", "telenor-incidents"),
    ("ops", "list", "--details"),
    ("conflicts", "list"),
)


def test_while_a_mapping_is_broken_what_the_store_knows_is_still_shown_with_a_warning(
    office: Office, pair: TicketRow
) -> None:
    number = refused(office)
    before = {words: office.says(*words, "--json").json for words in LOOKS}
    mapping = office.folder / MAPPING
    text = mapping.read_text().replace("mode: live", "mode: alive")
    mapping.write_text(text)
    at = next(at for at, each in enumerate(text.splitlines(), 1) if "alive" in each)
    for words in LOOKS:
        plain, told = office.says(*words), office.says(*words, "--json")
        (error,) = told.json["configuration_errors"]
        assert error.startswith(f"telenor-incidents.yaml:{at}:7: mode: ")
        assert plain.status == told.status != 2
        for said in (plain, told):
            assert said.err.startswith(f"{error}\nwarning: ")
            assert "a running daemon goes on with its last good configuration" in said.err
        assert told.json.keys() == before[words].keys()
        assert before[words]["configuration_errors"] == []
        for kept in ("operations", "conflicts", "lines", "links", "parked", "mappings"):
            assert told.json.get(kept) == before[words].get(kept)
    assert "1 error in the configuration's files" in office.says("status").out
    assert (
        "telenor-incidents (its rules cannot be read)" in office.says("explain", "INC0012399").out
    )
    assert office.says("ops", "show", str(number)).status == 0
    assert office.says("check", "--no-secrets").status == 2


def test_while_a_connection_is_broken_what_the_store_knows_is_shown_and_decided(
    office: Office, pair: TicketRow
) -> None:
    number = refused(office)
    broken = office.config.read_text().replace("provider: telenor", "provider: telenoor")
    office.config.write_text(broken)
    for words in LOOKS:
        plain, told = office.says(*words), office.says(*words, "--json")
        assert plain.status == told.status != 2
        assert any("provider: " in one for one in told.json["configuration_errors"])
        assert "warning: " in plain.err
    for words in (
        ("pause", TELENOR),
        ("resume", f"connection:{TELENOR}"),
        ("pause", "telenor-incidents"),
        ("resume", "telenor-incidents"),
        ("pause", "INC0012399"),
        ("resume", "INC0012399"),
        ("resync", TELENOR),
        ("ops", "retry", str(number)),
        ("link", "list", "--mapping", "telenor-incidents"),
        ("link", "remove", "INC0012399"),
    ):
        told = office.says(*words)
        assert told.status == 0, told
        assert "warning: " in told.err
    assert "there is no connection telenoor" in office.says("pause", "connection:telenoor").err
    assert office.says("check", "--no-secrets").status == 2
    assert office.says("link", "add", "telenor-incidents", "INC1", "Case-1").status == 2


@pytest.mark.parametrize("broken", ["store: [", "store: {url: 7}\nconnections: {}\n"])
def test_a_syncd_yaml_that_says_not_where_the_store_is_shows_nothing(
    office: Office, pair: TicketRow, broken: str
) -> None:
    office.config.write_text(broken)
    (office.folder / MAPPING).write_text("mode: alive\n")
    for words in (("status",), ("pause", TELENOR)):
        said = office.says(*words)
        assert (said.status, said.out) == (2, "")
        assert "syncd.yaml:" in said.err
