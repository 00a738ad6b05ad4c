"""What a mapping says is what the core is given."""

import pytest

from syncd.core.rules import (
    AllOf,
    AnyOf,
    ChangePolicy,
    FieldTest,
    First,
    FuseLimit,
    Fuses,
    LongPolicy,
    MappingRules,
    NotAny,
    Rate,
    StatusEffect,
)
from syncd.core.sources import Constant, FieldOf, TextOf
from syncd.model.errors import SettingsError
from syncd.model.ids import MappingName, Side
from syncd.model.ticket import CommentKind
from tests.settings.support import DAEMON, MAPPING, Folder

LOCATION = "location: {from: site}"
WHEN = 'when: {organization_number: "912345678"}'
PRIORITY = (
    'priority: {itsm: priority, vendor: priority, map: {"1": Critical, "2": High, "3": Medium,'
    ' "4": Low}, conflict: itsm}'
)


def rules_of(folder: Folder, old: str = "", new: str = "") -> MappingRules:
    if old:
        folder.edit(MAPPING, old, new)
    return folder.load().mappings[MappingName("telenor-incidents")]


@pytest.mark.parametrize(
    ("written", "source"),
    [
        ("location: site", FieldOf("site")),
        ("location: {from: lu}", FieldOf("lu")),
        ("location: {value: 0123}", Constant("0123")),
        ("location: {value: NO}", Constant("NO")),
        ("location: {from: number}", FieldOf("number")),
    ],
)
def test_the_right_hand_side_may_be_short(folder: Folder, written: str, source: object) -> None:
    rules = rules_of(folder, LOCATION, written)
    rule = next(one for one in rules.fields if one.target == "location")
    assert rule.expression.source == source
    assert (rule.long, rule.changes) == (LongPolicy.PARK, ChangePolicy.UPDATE)


def test_a_template_knows_fields_derived_names_and_both_numbers(folder: Folder) -> None:
    text = '"{{ site }} {{ lu|upper }} {{ itsm.number }} {{ number }}"'
    rules = rules_of(folder, LOCATION, f"location: {{text: {text}}}")
    rule = next(one for one in rules.fields if one.target == "location")
    assert isinstance(rule.expression.source, TextOf)
    assert rule.expression.source.template.names == {"site", "lu", "itsm", "number"}


def test_first_takes_any_kind_of_expression(folder: Folder) -> None:
    rules = rules_of(folder, LOCATION, "location: {first: [site, {value: Oslo}], default: none}")
    rule = next(one for one in rules.fields if one.target == "location")
    assert isinstance(rule.expression.source, First)
    assert [type(one.source) for one in rule.expression.source.options] == [FieldOf, Constant]
    assert rule.expression.default == "none"


def test_derived_names_are_put_in_the_order_they_need(folder: Folder) -> None:
    old = "  product: {table: sites, by: site, get: telenor_product}"
    new = "  a: {from: b}\n  b: {text: '{{ c }}!'}\n  c: site\n" + old
    assert list(rules_of(folder, old, new).derive) == ["lu", "c", "product", "b", "a"]


def test_conditions_nest(folder: Folder) -> None:
    when = """when:
      any: [{priority: High}, {title: {matches: down}}]
      not: {status: [Solved, Customer Accepted]}
      owner: {not: System}"""
    rules = rules_of(folder, WHEN, when)
    assert rules.open_to_itsm is not None
    condition = rules.open_to_itsm.when
    assert isinstance(condition, AllOf)
    owner, either, neither = condition.conditions
    assert isinstance(owner, NotAny)
    assert isinstance(owner.conditions[0], FieldTest)
    assert owner.conditions[0].one_of == ("System",)
    assert isinstance(either, AnyOf)
    assert len(either.conditions) == 2
    assert isinstance(neither, NotAny)
    assert isinstance(neither.conditions[0], FieldTest)
    assert neither.conditions[0].one_of == ("Solved", "Customer Accepted")


def test_a_map_both_ways_is_turned_round(folder: Folder) -> None:
    paired = rules_of(folder).paired[0]
    assert paired.to_vendor == {"1": "Critical", "2": "High", "3": "Medium", "4": "Low"}
    assert paired.to_itsm == {"Critical": "1", "High": "2", "Medium": "3", "Low": "4"}


def test_a_lossy_map_goes_back_to_the_first(folder: Folder) -> None:
    new = 'priority: {lossy: true, map: {"1": High, "2": High, "3": Low}}'
    paired = rules_of(folder, PRIORITY, new).paired[0]
    assert paired.to_itsm == {"High": "1", "Low": "3"}
    assert (paired.itsm, paired.vendor) == ("priority", "priority")


def test_the_marker_of_the_vendors_side_needs_no_rule(folder: Folder) -> None:
    assert [str(one.side) for one in rules_of(folder).references] == ["itsm"]


def test_a_direction_of_the_status_may_be_nothing_in_one_word(folder: Folder) -> None:
    text = (folder.root / MAPPING).read_text(encoding="utf-8")
    start, end = text.index("    New: nothing\n    In Progress"), text.index("comments:\n")
    folder.write(MAPPING, text[:start].rstrip() + " nothing\n" + text[end:])
    rules = rules_of(folder)
    assert rules.status is not None
    assert not rules.status.to_vendor
    assert rules.status.unknown_to_vendor.effect is StatusEffect.NOTHING


def test_executable_stands_for_many_extensions(folder: Folder) -> None:
    rules = rules_of(folder, "deny: [executable]", "deny: [executable, .ISO, '*.tmp']")
    deny = rules.attachments[Side.VENDOR].deny
    assert {"exe", "iso", "tmp"} <= set(deny)


def test_what_is_shared_names_kinds_authors_and_texts(folder: Folder) -> None:
    rules = rules_of(folder, "author: {not: [System]}", "author: [Kari, Ola]")
    share = rules.comments[Side.VENDOR].share
    assert share is not None
    assert (share[0].kind, share[0].authors) == (CommentKind.COMMENT, ("Kari", "Ola"))
    assert share[1].body is not None


def test_every_rule_knows_its_line(folder: Folder) -> None:
    rules = rules_of(folder)
    places = {rule.target: str(rule.place) for rule in rules.fields}
    assert places["title"] == "telenor-incidents.yaml:25"
    assert rules.status is not None
    assert str(rules.status.to_itsm["Solved"].place) == "telenor-incidents.yaml:38"


def test_a_mapping_may_be_small(folder: Folder) -> None:
    folder.write(
        MAPPING,
        "mapping: telenor-incidents\nmode: paused\nitsm: {connection: servicedesk}\n"
        "vendor: {connection: telenor-no, kind: incident}\n",
    )
    rules = rules_of(folder)
    assert (rules.vendor_kind, rules.itsm_kind, rules.status) == ("incident", "ticket", None)


def test_a_table_is_checked_row_by_row_against_what_the_vendor_accepts(folder: Folder) -> None:
    folder.edit(DAEMON, "    user_name: syncd", "    user_name: syncd\n    priorities: [High, Low]")
    folder.write("tables/urgent.csv", "site,priority\nA,High\nB,Medium\nC,low\n*,Low\n")
    folder.edit(MAPPING, PRIORITY, "severity: {vendor: location}")
    new = "priority: {table: urgent, by: site, get: priority}"
    folder.edit(MAPPING, "    " + LOCATION, "    " + new)
    assert folder.problems() == [
        "telenor-incidents.yaml:27:15: fields.to_vendor.priority: table urgent row 3 gives"
        " 'Medium'; telenor-no accepts 'High', 'Low'",
        "telenor-incidents.yaml:27:15: fields.to_vendor.priority: table urgent row 4 gives 'low'"
        " is written 'Low' for telenor-no",
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            LOCATION,
            "caller: {from: caller}",
            "27:13: fields.to_vendor.caller: 'caller' of telenor-no can be written at creation"
            " only; accepted: changes: comment, changes: ignore",
        ),
        (
            LOCATION,
            "location: {from: comment}",
            "27:22: fields.to_vendor.location.from: 'comment' of servicedesk can be written,"
            " never read",
        ),
        (
            LOCATION,
            "location: {from: business_time_left}",
            "27:22: fields.to_vendor.location.from: 'business_time_left' of servicedesk is not"
            " read as the connection is set up",
        ),
        (
            LOCATION,
            "location: {first: []}",
            "27:23: fields.to_vendor.location.first: an empty list gives nothing",
        ),
        (
            WHEN,
            "when: {lu: x}",
            "16:12: open.to_itsm.when.lu: telenor-no has no field 'lu' to read; accepted: …",
        ),
        (
            WHEN,
            "when: {any: []}",
            "16:17: open.to_itsm.when.any: an empty list of conditions",
        ),
        (
            WHEN,
            "when: {status: [Solved, Løst]}",
            "16:20: open.to_itsm.when.status: 'Løst' is written 'Solved' for telenor-no",
        ),
        (
            PRIORITY,
            "status: {}",
            "34:5: fields.both.status: the status is carried by the tables under `status:`",
        ),
        (
            PRIORITY,
            "title: {}",
            "34:5: fields.both.title: 'title' of the vendor side is already written in line 25",
        ),
    ],
)
def test_what_makes_no_sense_is_told(folder: Folder, old: str, new: str, problem: str) -> None:
    folder.edit(MAPPING, old, new)
    found = [line.removeprefix("telenor-incidents.yaml:") for line in folder.problems()]
    assert len(found) == 1
    assert found[0].startswith(problem.removesuffix("…"))


def test_fuses_are_the_usual_ones_unless_the_mapping_says_otherwise(folder: Folder) -> None:
    assert rules_of(folder).fuses == Fuses()
    given = "fuses: {closed: {at_least: 5, share: 10%}, within: 1m, back_and_forth: 3/h}\nopen:"
    fuses = rules_of(folder, "\nopen:", f"\n{given}").fuses
    assert fuses.closed == FuseLimit(at_least=5, share=0.1)
    assert (fuses.changed, fuses.within_s) == (Fuses().changed, 60.0)
    assert fuses.back_and_forth == Rate(count=3, per_s=3600.0)


@pytest.mark.parametrize("wrong", ["{at_least: 0, share: 10%}", "{at_least: 5, share: 110%}"])
def test_a_fuse_that_cannot_be_is_an_error_with_its_place(folder: Folder, wrong: str) -> None:
    folder.edit(MAPPING, "\nopen:", f"\nfuses: {{closed: {wrong}}}\nopen:")
    with pytest.raises(SettingsError, match=r"fuses\.closed"):
        folder.load()
