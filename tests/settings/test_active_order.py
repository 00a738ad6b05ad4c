"""`active_order`: on by default where the vendor has the rule, named or ignored by the mapping."""

import pytest

from syncd.core.active import question
from syncd.core.rules import ActiveRule
from syncd.model.ids import MappingName, Side, TicketId
from syncd.model.ticket import CommentKind, Ticket
from syncd.registry import PROVIDERS
from syncd.settings.traits import mapping_traits
from tests.settings.support import MAPPING, Folder

NAME = MappingName("telenor-incidents")
ASK_AFTER = "    ask_after: 4h"
PLACE = "telenor-incidents.yaml:"


def active(folder: Folder, written: str = "") -> ActiveRule | None:
    if written:
        folder.edit(MAPPING, ASK_AFTER, f"    active_order: {written}\n{ASK_AFTER}")
    opening = folder.load().mappings[NAME].open_to_vendor
    assert opening is not None
    return opening.active


def test_it_is_on_by_default_with_what_the_mapping_has_values_for(folder: Folder) -> None:
    rule = active(folder)
    assert rule is not None
    assert (rule.kind, set(rule.terms)) == ("order", {"identification_number"})


def test_a_derived_name_is_what_an_order_is_found_by(folder: Folder) -> None:
    derive = "derive:\n  order_reference: {find: 'PO-[0-9]+', in: description}"
    folder.edit(MAPPING, "derive:", derive)
    rule = active(folder, "{match: [order_reference, identification_number], then: comment}")
    assert rule is not None
    assert list(rule.terms) == ["order_reference", "identification_number"]


def test_ignore_turns_it_off(folder: Folder) -> None:
    assert active(folder, "ignore") is None


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("{match: [colour]}", "'colour' finds no order; accepted: "),
        ("{match: [order_reference]}", "'order_reference' has no value"),
        ("{match: [identification_number], then: nothing}", "comment"),
        ("sometimes", "ignore"),
    ],
)
def test_what_cannot_be_is_told_where_it_stands(folder: Folder, written: str, problem: str) -> None:
    folder.edit(MAPPING, ASK_AFTER, f"    active_order: {written}\n{ASK_AFTER}")
    problems = folder.problems()
    assert problems, "it loaded"
    assert all("active_order" in one for one in problems), problems
    assert any(problem in one for one in problems), problems


def test_a_vendor_without_the_rule_says_so(folder: Folder) -> None:
    folder.edit(MAPPING, "  to_itsm:\n    when:", "  to_itsm:\n    active_order: ignore\n    when:")
    (problem,) = folder.problems()
    assert "smartops has no such rule for tickets" in problem


def test_only_terms_with_a_value_are_asked_and_none_ask_nothing(folder: Folder) -> None:
    settings = folder.load()
    rules = settings.mappings[NAME]
    traits = mapping_traits(settings, NAME, PROVIDERS)

    def asked(description: str) -> dict[str, str] | None:
        fields = {"description": description, "site": "Nowhere"}
        ticket = Ticket(id=TicketId("1"), number="INC1", kind="ticket", fields=fields)
        found = question(rules, ticket, Side.VENDOR, traits)
        assert found is None or found.tell is CommentKind.WORK_NOTE
        return None if found is None else dict(found.terms)

    assert asked("it is LU-12345678, again") == {"identification_number": "LU-12345678"}
    assert asked("nothing to go by") is None
    assert question(rules, None, Side.VENDOR, traits) is None
