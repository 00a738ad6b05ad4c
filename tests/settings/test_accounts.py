"""`vendor: {connection: {…, one_of: […]}}`: rules for every account it may be."""

from syncd.model.ids import ConnectionName, MappingName, Side
from syncd.settings.run_tests import run_tests
from tests.settings.support import DAEMON, MAPPING, Folder

NAME = MappingName("telenor-incidents")
ACCOUNTS = "connection: {table: sites, by: site, get: account, one_of: [telenor-no, telenor-2]}"


def _two_accounts(folder: Folder, second: str = "{like: telenor-no, user_name: other}") -> None:
    folder.edit(DAEMON, "\nmappings:", f"\n  telenor-2: {second}\nmappings:")
    folder.edit(MAPPING, "connection: telenor-no", ACCOUNTS)
    table = folder.root / "tables" / "sites.csv"
    head, *rows = table.read_text(encoding="utf-8").splitlines()
    cells = [f"{row},{name}" for row, name in zip(rows, ["telenor-no", "telenor-2"], strict=False)]
    cells += [f"{row}," for row in rows[2:]]
    table.write_text("\n".join([f"{head},account", *cells, ""]), encoding="utf-8")


def test_there_are_rules_for_each_account(folder: Folder) -> None:
    _two_accounts(folder)
    rules = folder.load().mappings[NAME]
    assert rules.connections(Side.VENDOR) == ("telenor-no", "telenor-2")
    assert [each.vendor for each in rules.each()] == ["telenor-no", "telenor-2"]
    assert rules.at(ConnectionName("telenor-2")).vendor == "telenor-2"
    assert rules.choose is not None


def test_a_table_that_names_another_account_is_told_with_its_row(folder: Folder) -> None:
    _two_accounts(folder)
    table = folder.root / "tables" / "sites.csv"
    text = table.read_text(encoding="utf-8").replace(",telenor-2\n", ",telenor-9\n")
    table.write_text(text, encoding="utf-8")
    (problem,) = folder.problems()
    assert problem == (
        "telenor-incidents.yaml:4:22: vendor.connection: table sites row 3 gives 'telenor-9';"
        " did you mean 'telenor-2'? accepted: telenor-no, telenor-2"
    )


def test_the_rules_are_checked_against_every_account(folder: Folder) -> None:
    _two_accounts(folder, "{like: telenor-no, priorities: [High, Low]}")
    assert [each.partition(": fields.both.priority.map.")[2] for each in folder.problems()] == [
        "1: 'Critical' is not accepted; telenor-2 accepts 'High', 'Low'",
        "3: 'Medium' is not accepted; telenor-2 accepts 'High', 'Low'",
    ]


def test_a_mappings_tests_run_with_the_account_their_ticket_names(folder: Folder) -> None:
    _two_accounts(folder)
    outcomes = run_tests(folder.load())
    assert outcomes
    assert all(each.passed for each in outcomes)
