"""`do: follow_up`, `else: follow_up` and `closed: follow_up`, and the tests that express them."""

import pytest

from syncd.core.rules import StatusEffect
from syncd.model.ids import MappingName, Side
from syncd.settings.run_tests import run_tests
from tests.settings.support import MAPPING, Folder

REOPENED = "    In Progress: {set: New, only_from: [Solved], else: comment}"
TESTS = """tests:
  - name: followed
    given:
      linked: true
      itsm: {{number: INC1, status: Resolved, assigned_group: Telenor NOC, title: Down,
        site: Oslo S}}
      vendor: {{number: Case-7, status: {vendor}}}
    when: {{itsm: {when}}}
    expect: {{vendor: {expect}}}
"""


def _failures(folder: Folder, **words: str) -> tuple[str, ...]:
    text = (folder.root / MAPPING).read_text(encoding="utf-8")
    folder.write(MAPPING, text[: text.index("tests:")] + TESTS.format(**words))
    (outcome,) = run_tests(folder.load())
    return outcome.failures


@pytest.mark.parametrize(
    ("vendor", "when", "expect", "failures"),
    [
        ("Customer Accepted", "{status: In Progress}", "follow_up", ()),
        (
            "Customer Accepted",
            "{status: In Progress}",
            "{follow_up: true, title: Down, description: Follow-up of Case-7.}",
            (),
        ),
        (
            "Customer Accepted",
            "{status: In Progress}",
            "{follow_up: false}",
            ("vendor: a ticket would follow it",),
        ),
        ("Solved", "{status: In Progress}", "{status: New, follow_up: false}", ()),
        ("New", "{status: In Progress}", "nothing", ()),
        ("New", "{status: In Progress}", "follow_up", ("vendor: no ticket would follow it",)),
        ("Customer Accepted", "{status: In Progress, assigned_group: Other}", "nothing", ()),
    ],
)
def test_a_status_is_followed_up_only_where_theirs_is_closed_and_ours_still_matches(
    folder: Folder, vendor: str, when: str, expect: str, failures: tuple[str, ...]
) -> None:
    folder.edit(MAPPING, REOPENED, REOPENED.replace("else: comment", "else: follow_up"))
    assert _failures(folder, vendor=vendor, when=when, expect=expect) == failures


@pytest.mark.parametrize(("vendor", "follows"), [("Customer Accepted", "true"), ("New", "false")])
def test_what_is_said_to_a_closed_ticket_is_followed_up_where_the_mapping_says_so(
    folder: Folder, vendor: str, follows: str
) -> None:
    folder.edit(MAPPING, "    history: none", "    closed: follow_up\n    history: none")
    when = "{status: Resolved, comment: {author: Kari, body: Again}}"
    expect = f"{{follow_up: {follows}, comment: 'Kari (Acme INC1): Again'}}"
    # A comment on a ticket that no longer matches `when` opens nothing.
    assert _failures(folder, vendor=vendor, when=when, expect="{follow_up: false}") == ()
    folder.edit(MAPPING, "status: Resolved, assigned_group", "status: New, assigned_group")
    text = (folder.root / MAPPING).read_text(encoding="utf-8")
    text = text.replace(when, "{comment: {author: Kari, body: Again}}")
    folder.write(
        MAPPING,
        text.replace("expect: {vendor: {follow_up: false}}", f"expect: {{vendor: {expect}}}"),
    )
    (outcome,) = run_tests(folder.load())
    assert outcome.failures == ()


def test_a_template_says_where_the_old_number_stands_instead(folder: Folder) -> None:
    folder.edit(MAPPING, REOPENED, "    In Progress: {do: follow_up, else: comment}")
    folder.edit(
        MAPPING,
        "title: {from: title, long: comment}",
        'title: {text: "{{ title }}{% if follows %} (was {{ follows }}){% endif %}"}',
    )
    status = folder.load().mappings[MappingName("telenor-incidents")].status
    assert status is not None
    action = status.toward(Side.VENDOR)[0]["In Progress"]
    assert (action.effect, action.only_from) == (StatusEffect.FOLLOW_UP, ("Customer Accepted",))
    expect = "{follow_up: true, title: Down (was Case-7)}"
    words = {"vendor": "Customer Accepted", "when": "{status: In Progress}", "expect": expect}
    assert _failures(folder, **words) == ()
