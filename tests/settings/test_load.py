"""A configuration is read whole, or every problem of every file is told at once."""

from pathlib import Path

import pytest

from syncd.core.rules import MappingMode, Rate
from syncd.model.errors import SettingsError
from syncd.model.ids import ConnectionName, MappingName
from syncd.settings.load import find_config, load, refuse_orphans
from syncd.settings.run_tests import run_tests
from syncd.settings.secrets import SecretSource
from tests.settings.support import DAEMON, MAPPING, TABLE, Folder, make_folder

SERVICEDESK, TELENOR = ConnectionName("servicedesk"), ConnectionName("telenor-no")
INCIDENTS = MappingName("telenor-incidents")
OURS = Path(__file__).resolve().parents[2] / "config"


def test_the_example_loads_and_its_tests_pass(folder: Folder) -> None:
    settings = folder.load()
    assert (settings.environment, settings.http.port) == ("prod", 8470)
    assert list(settings.connections) == [SERVICEDESK, TELENOR]
    rules = settings.mappings[INCIDENTS]
    assert (rules.mode, rules.at_most) == (MappingMode.LIVE, Rate(count=20, per_s=3600))
    outcomes = run_tests(settings)
    assert [(one.test.name, one.failures) for one in outcomes] == [
        ("solved becomes resolved with a closure note", ())
    ]


def test_the_configuration_we_ship_loads_and_its_tests_pass(tmp_path: Path) -> None:
    settings = make_folder(tmp_path, OURS).load()
    assert settings.mappings[INCIDENTS].mode is MappingMode.DRY_RUN
    outcomes = run_tests(settings)
    assert len(outcomes) >= 4
    assert not [one.failures for one in outcomes if not one.passed]


def test_problems_of_all_files_are_told_at_once(folder: Folder) -> None:
    folder.edit(DAEMON, "level: info", "level: loud")
    folder.edit(DAEMON, "open: [New, In Progress", "opened: [New, In Progress")
    folder.edit(MAPPING, "mode: live ", "mode: maybe ")
    folder.edit(MAPPING, "location: {from: site}", "location: {from: sight}")
    folder.edit(MAPPING, "    Resolved: comment", "    Resolved: coment")
    folder.edit(TABLE, "Oslo S,LU-00000345,Ethernet Connect", "Oslo S")
    folder.write("mappings/other.yaml", "mapping: [")
    places = [line.split(": ")[0] + " " + line.split(": ")[1] for line in folder.problems()]
    assert places == [
        "other.yaml:1:11 not readable as YAML",
        "sites.csv:3:1 1 cells; the first line names 3 columns",
        "syncd.yaml:4:14 log.level",
        "telenor-incidents.yaml:2:7 mode",
        "telenor-incidents.yaml:11:75 open.to_vendor.when.phase",
        "telenor-incidents.yaml:27:22 fields.to_vendor.location.from",
        "telenor-incidents.yaml:45:15 status.to_vendor.Resolved",
    ]


def test_the_revision_changes_with_any_byte_of_any_file(folder: Folder) -> None:
    first = folder.load()
    folder.edit(TABLE, "Oslo S", "Oslo X")
    second = folder.load()
    assert first.revision != second.revision
    assert first.mappings[INCIDENTS].revision != second.mappings[INCIDENTS].revision
    folder.edit(DAEMON, "level: info", "level: debug")
    third = folder.load()
    assert second.revision != third.revision
    assert second.mappings[INCIDENTS].revision == third.mappings[INCIDENTS].revision


def test_a_second_load_is_whole_and_the_first_untouched(folder: Folder) -> None:
    first = folder.load()
    folder.edit(MAPPING, "mode: live ", "mode: paused ")
    assert folder.load().mappings[INCIDENTS].mode is MappingMode.PAUSED
    assert first.mappings[INCIDENTS].mode is MappingMode.LIVE


def test_every_file_read_is_listed(folder: Folder) -> None:
    names = [path.name for path in folder.load().files]
    assert names == ["syncd.yaml", "sites.csv", "telenor-incidents.yaml"]


def test_what_editors_leave_behind_is_not_read(folder: Folder) -> None:
    for name in (".#telenor-incidents.yaml", "#x.yaml", "x.yaml~", ".x.yaml"):
        folder.write(f"mappings/{name}", "{{")
    assert folder.problems() == []


def test_labels_are_remembered_as_the_configuration_writes_them(folder: Folder) -> None:
    spellings = folder.load().connections[TELENOR].spellings
    assert spellings["status"] == ("New", "Solved", "Customer Accepted")
    assert spellings["priority"] == ("Critical", "High", "Medium", "Low")


def test_two_mappings_write_one_label_alike(folder: Folder) -> None:
    text = (folder.root / MAPPING).read_text(encoding="utf-8")
    other = text.replace("mapping: telenor-incidents", "mapping: z-other")
    folder.write("mappings/z-other.yaml", other.replace('"1": Critical', '"1": CRITICAL'))
    assert folder.problems() == [
        "z-other.yaml:34:61: 'CRITICAL' is written 'Critical' in telenor-incidents.yaml:34:61;"
        " write it alike"
    ]


# --- connections ---------------------------------------------------------------------------------

SUB = "  telenor-sub: {like: telenor-no, user_name: sub}\nmappings: "


def test_a_connection_like_another_takes_what_it_does_not_say(folder: Folder) -> None:
    folder.edit(DAEMON, "mappings: ", SUB)
    connections = folder.load().connections
    sub, base = connections[ConnectionName("telenor-sub")], connections[TELENOR]
    assert (sub.base_url, sub.login, sub.phases) == (base.base_url, TELENOR, base.phases)
    assert sub.options.model_dump(exclude={"user_name"}) == base.options.model_dump(
        exclude={"user_name"}
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "  x: {like: telenor-on}\n",
            "syncd.yaml:30:13: connections.x.like: no connection 'telenor-on'; did you mean"
            " 'telenor-no'? accepted: servicedesk, telenor-no",
        ),
        (
            "  x: {like: y}\n  y: {like: x}\n",
            "syncd.yaml:30:13: connections.x.like: leads round in a circle",
        ),
        (
            "  x: {like: telenor-no, was: telenor-no}\n",
            "syncd.yaml:30:30: connections.x.was: 'telenor-no' is another connection",
        ),
        ("  x: text\n", "syncd.yaml:30:6: connections.x: a block of keys is expected"),
        (
            "  'x y': {like: telenor-no}\n",
            "syncd.yaml:30:3: connections.x y: a name is made of letters, digits, '.', '_' and '-'",
        ),
    ],
)
def test_a_connection_like_another_must_make_sense(folder: Folder, text: str, problem: str) -> None:
    folder.edit(DAEMON, "mappings: ", text + "mappings: ")
    assert folder.problems()[:1] == [problem]


def test_what_is_wrong_in_the_first_is_not_told_again_for_the_second(folder: Folder) -> None:
    folder.edit(DAEMON, "mappings: ", SUB)
    folder.edit(DAEMON, "    poll: {every: 30s}", "    poll: {every: often}")
    assert len(folder.problems()) == 1


def test_polls_and_news_are_read_in_seconds(folder: Folder) -> None:
    desk = folder.load().connections[SERVICEDESK]
    assert (desk.poll.every_s, desk.poll.jitter_s) == (60, 6)
    assert desk.expect_news is not None
    assert (desk.expect_news.every_s, desk.expect_news.zone) == (7200, "Europe/Oslo")


# --- which file, and what is gone ----------------------------------------------------------------


def test_the_named_file_comes_before_the_environment_and_the_defaults(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.root.parent)
    named = folder.root / DAEMON
    assert find_config(named, {"SYNCD_CONFIG": "/nowhere"}) == named
    assert find_config(None, {"SYNCD_CONFIG": str(named)}) == named
    assert find_config(None, {}) == Path("config/syncd.yaml")


def test_without_a_file_it_is_told_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"looked for \./config/syncd\.yaml, /etc/syncd"):
        find_config(None, {})
    with pytest.raises(SettingsError, match="--config names it"):
        find_config(tmp_path / "none.yaml", {})
    with pytest.raises(SettingsError, match="SYNCD_CONFIG names it"):
        find_config(None, {"SYNCD_CONFIG": "/nowhere"})


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path / "syncd.yaml", secrets=SecretSource(environ={}))
    assert caught.value.problems == ("syncd.yaml:1:1: cannot be read: No such file or directory",)


def test_a_mapping_with_links_may_not_vanish(folder: Folder) -> None:
    settings = folder.load()
    refuse_orphans(settings, {INCIDENTS}, {SERVICEDESK, TELENOR})
    with pytest.raises(SettingsError) as caught:
        refuse_orphans(settings, {INCIDENTS, MappingName("gone")}, {ConnectionName("old")})
    assert [line.split(" has ")[0] for line in caught.value.problems] == [
        "mapping gone",
        "connection old",
    ]


def test_a_rename_says_what_it_was(folder: Folder) -> None:
    folder.edit(MAPPING, "mode: live ", "was: telenor\nmode: live ")
    settings = folder.load()
    assert settings.mappings[INCIDENTS].was == "telenor"
    refuse_orphans(settings, {MappingName("telenor")})


def test_a_former_name_is_nobody_elses_name(folder: Folder) -> None:
    text = (folder.root / MAPPING).read_text(encoding="utf-8")
    other = text.replace("mapping: telenor-incidents", "mapping: b\nwas: telenor-incidents")
    folder.write("mappings/b.yaml", other)
    assert folder.problems() == ["b.yaml:1:1: was: 'telenor-incidents' is another mapping"]
