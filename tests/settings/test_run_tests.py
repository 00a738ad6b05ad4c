"""A mapping's tests tell what would happen, by the core's own decisions."""

import pytest

from syncd.settings.run_tests import TestOutcome, run_tests
from tests.settings.support import MAPPING, Folder

LINKED = "given: {linked: true, itsm: {status: In Progress}, vendor: {status: New}}"


def outcome(folder: Folder, body: str) -> TestOutcome:
    text = (folder.root / MAPPING).read_text(encoding="utf-8")
    head = text[: text.index("tests:")]
    folder.write(MAPPING, f"{head}tests:\n  - name: it\n    " + body.replace("\n", "\n    "))
    return run_tests(folder.load())[0]


OPENING = """given: {itsm: {number: INC1, assigned_group: Telenor NOC, status: New, title: Down,
  description: LU-12345678 is dark, priority: 1 - Critical, site: Fornebu, sub_category: Slow}}"""


@pytest.mark.parametrize(
    "body",
    [
        f"{OPENING}\nexpect: {{vendor: {{title: Down, priority: Critical, incident_type: Treghet,"
        " identification_number: LU-12345678}, itsm: nothing}",
        f"{OPENING}\nexpect: {{vendor: opened}}",
        "given: {itsm: {number: REQ1, assigned_group: Telenor NOC}}\nexpect: {vendor: not_opened}",
        "given: {itsm: {number: INC1, status: New}}\nwhen: {itsm: {assigned_group: Telenor NOC}}\n"
        "expect: {vendor: not_opened, problems: [identification_number]}",
        "given: {vendor: {organization_number: '912345678', title: x}}\n"
        "expect: {itsm: {assigned_group: Network, caller: telenor.bot}}",
        f"{LINKED}\nwhen: {{vendor: {{status: Løst}}}}\nexpect: {{itsm: {{status: Resolved}}}}",
        f"{LINKED}\nwhen: {{vendor: {{priority: HIGH}}}}\nexpect: {{itsm: {{priority: '2'}}}}",
        f"{LINKED}\nwhen: {{vendor: {{comment: {{body: Hi, author: Per}}}}}}\n"
        "expect: {itsm: {work_note: 'Per (Telenor): Hi'}, vendor: nothing}",
        f"{LINKED}\nwhen: {{itsm: {{comments: [Hello]}}}}\n"
        "expect: {vendor: {comment: ' (Acme INC0000001): Hello'}}",
        f"{LINKED}\nwhen: {{itsm: {{comment: {{body: x, kind: work_note, visibility: private}}}}}}"
        "\nexpect: {vendor: nothing}",
        f"{LINKED}\nwhen: {{vendor: {{status: Customer Accepted}}}}\nexpect: {{itsm: {{work_note:"
        " 'Case-00000001: status is now Customer Accepted'}}",
    ],
)
def test_what_is_expected_rightly_passes(folder: Folder, body: str) -> None:
    assert outcome(folder, body).failures == ()


@pytest.mark.parametrize(
    ("body", "failures"),
    [
        (
            f"{LINKED}\nwhen: {{vendor: {{status: Solved}}}}\n"
            "expect: {itsm: {status: Closed, priority: '1'}, vendor: {comment: Hi}}",
            (
                "itsm: status: 'Closed' was expected, 'Resolved' is written",
                "itsm: priority: '1' was expected, nothing is written",
                "vendor: comment: 'Hi' was expected, said: nothing",
            ),
        ),
        (
            f"{LINKED}\nwhen: {{vendor: {{status: Solved}}}}\n"
            "expect: {itsm: nothing, conflicts: [priority]}",
            (
                "itsm: nothing was expected; status: status='Resolved', closure_note='Telenor: '",
                "no conflict in priority; conflicts: none",
            ),
        ),
        (f"{OPENING}\nexpect: {{vendor: not_opened}}", ("vendor: a ticket would be opened",)),
        (
            "given: {itsm: {number: REQ1}}\nexpect: {vendor: opened, problems: [LU]}",
            (
                "vendor: no ticket would be opened",
                "no problem says 'LU'; problems: none",
            ),
        ),
        (
            f"{LINKED}\nexpect: {{vendor: {{attachment: a.txt}}}}",
            ("vendor: a.txt is not uploaded; uploaded: nothing",),
        ),
    ],
)
def test_what_is_expected_wrongly_is_told(
    folder: Folder, body: str, failures: tuple[str, ...]
) -> None:
    assert outcome(folder, body).failures == failures
    assert not outcome(folder, body).passed


def test_both_sides_changing_differently_is_a_conflict(folder: Folder) -> None:
    folder.edit(MAPPING, "conflict: itsm}", "conflict: park}")
    body = (
        "given: {linked: true, itsm: {status: In Progress, priority: '3'},"
        " vendor: {status: New, priority: Medium}}\n"
        "when: {itsm: {priority: '1'}, vendor: {priority: Low}}\n"
        "expect: {itsm: nothing, vendor: nothing, conflicts: [priority]}"
    )
    assert outcome(folder, body).failures == ()


ELSEWHERE = (
    f"{LINKED}\nwhen: {{itsm: {{another_link: {{priority: '2', attachment: log.txt,"
    " comments: [Somebody comes]}, comment: Hello}}\nexpect: "
)


def test_what_another_link_wrote_is_carried_only_where_the_mapping_relays_it(
    folder: Folder,
) -> None:
    said = "{vendor: {comments: [' (Acme INC0000001): Hello'%s]}}"
    alone = outcome(folder, ELSEWHERE + said % ", ' (Acme INC0000001): Somebody comes'")
    assert [one.rpartition("said: ")[2] for one in alone.failures] == ["'(Acme INC0000001): Hello'"]
    text = (folder.root / MAPPING).read_text(encoding="utf-8")
    for rule in (
        "    history: none                #", "to_vendor: {max_size: 20MB,", "vendor: priority,"
    ):  # fmt: skip
        assert rule in text
        text = text.replace(rule, _relayed(rule), 1)
    folder.write(MAPPING, text)
    body = ELSEWHERE + (said % ", ' (Acme INC0000001): Somebody comes'").replace(
        "]}}", "], priority: High, attachment: log.txt}}"
    )
    assert outcome(folder, body).failures == ()


def _relayed(rule: str) -> str:
    if rule.endswith("#"):
        return f"    relay: true\n{rule}"
    return f"{rule} relay: true,"
