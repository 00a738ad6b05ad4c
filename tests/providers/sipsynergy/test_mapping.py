"""Names, values, dates and their normal forms."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from syncd.core import marker
from syncd.model.secret import Secret
from syncd.providers.sipsynergy import mapping, normalise, wire
from syncd.providers.sipsynergy.adapter import bounds_of
from syncd.providers.sipsynergy.sending import Unsendable, create_body
from tests.providers.sipsynergy.desk import KEY, TICKET, settings


@pytest.mark.parametrize(
    ("raw", "at"),
    [
        ("2016+12+02T17:21:22+0000", "2016-12-02T17:21:22+00:00"),
        ("2017-03-21T18:08:58+0100", "2017-03-21T17:08:58+00:00"),
        ("2017-03-21T18:08:58.25-01:30", "2017-03-21T19:38:58.250000+00:00"),
        ("2017-03-21T18:08:58Z", "2017-03-21T18:08:58+00:00"),
        ("2017-03-21 18:08:58", "2017-03-21T18:08:58+00:00"),
        ("2017-13-21T18:08:58Z", None),
        ("NA", None),
        (7, None),
    ],
)
def test_dates_are_read_in_every_form_and_never_guessed(raw: object, at: str | None) -> None:
    stamp = wire.parse_stamp(raw)
    assert stamp is not None
    assert (stamp.at.isoformat() if stamp.at else None) == at


def test_a_report_row_tells_what_it_has_in_its_zone() -> None:
    (row,) = wire.parse_report(
        {
            "data": [
                {"ticketNumber": "NA", "status": "New"},
                {
                    "ticketNumber": "INC-1",
                    "status": "New",
                    "outcome": "N/A",
                    "assigned": "",
                    "customer": None,
                    "priority": "P5 - Priority 5",
                    "resolutionDate": "2026-07-01 12:00:00",
                    "ticketRunTime": "06:50:22",
                },
            ]
        }
    )
    assert mapping.facts_of(row, ZoneInfo("Europe/London")).told == {
        "status": "New",
        "priority": "P5 - Priority 5",
        "resolved_at": "2026-07-01T11:00:00+00:00",
    }
    assert mapping.facts_of(row, UTC).told["resolved_at"] == "2026-07-01T12:00:00+00:00"


@pytest.mark.parametrize(
    ("name", "one", "other", "is_same"),
    [
        ("priority", "P2", "P2 - Priority 2", True),
        ("priority", "p2", "P3 - Priority 3", False),
        ("status", "ON HOLD", "On  Hold", True),
        ("title", f"Down [ref:{KEY}]", "Down", True),
        ("description", "a\r\nb ", "a\nb", True),
        ("tenant_human_id", "0123", "123", False),
        ("title", "", None, True),
    ],
)
def test_spellings_of_one_value_have_one_form(
    name: str, one: str | None, other: str | None, is_same: bool
) -> None:
    assert (normalise(name, one) == normalise(name, other)) is is_same


@given(st.sampled_from(sorted(mapping.FIELDS)), st.text(max_size=60))
def test_the_normal_form_is_its_own(name: str, text: str) -> None:
    once = normalise(name, text)
    assert normalise(name, once) == once


@given(st.text(max_size=80), st.text(min_size=1, max_size=200))
def test_what_is_sent_is_read_back_as_it_was_meant(title: str, description: str) -> None:
    fields = {"title": title, "description": description}
    try:
        body = create_body(fields, KEY, bounds_of(settings()))
    except Unsendable:
        return
    item = wire.parse_ticket({"id": "INC-1", **body})
    told = mapping.fields_of(item)
    assert KEY in mapping.keys_of(item)
    assert not marker.split(str(told["title"]))[1]
    assert mapping.same_value("description", told["description"], description)
    if normalise("title", title) is not None:
        assert mapping.same_value("title", told["title"], title)


def test_the_digest_moves_with_what_is_told_and_not_with_how() -> None:
    item = wire.parse_ticket(TICKET)
    again = wire.parse_ticket(
        TICKET | {"dateCreated": "2026-03-01T12:00:01Z", "tenantHumanId": 123, "links": {}}
    )
    facts = mapping.Facts(told={"status": "New"})
    assert mapping.digest_of(item, None) == mapping.digest_of(again, None)
    assert len(mapping.digest_of(item, facts)) == 16
    others = (
        mapping.digest_of(item, facts),
        mapping.digest_of(item, mapping.Facts(told={"status": "Open"})),
        mapping.digest_of(wire.parse_ticket(TICKET | {"title": "x"}), None),
        mapping.digest_of(
            wire.parse_ticket(TICKET | {"dateUpdated": "2026-03-02T12:00:05Z"}), None
        ),
    )
    assert len({mapping.digest_of(item, None), *others}) == 5


def test_a_title_that_is_missing_is_the_descriptions_first_line() -> None:
    item = wire.parse_ticket({"id": "INC-1", "description": f"\n Dead  trunk\nmore\n[ref:{KEY}]"})
    assert mapping.fields_of(item)["title"] == "Dead trunk"


@pytest.mark.parametrize(
    "keys",
    [
        {"auth": {"kind": "bearer"}},
        {"auth": {"kind": "api_key", "token": Secret("x")}},
        {"auth": {"kind": "client_credentials", "client_id": "x"}},
        {"auth": {"kind": "none"}, "headers": {"Authorization": "x"}},
        {"auth": {"kind": "none"}, "headers": {"X Y": "x"}},
        {"report": {"zone": "Mars/Olympus"}},
        {"report": {"weekly": "soon"}},
        {"statuses": ["New", "new"]},
        {"limits": {"title_chars": 60}},
        {"marker": "subject"},
        {"colour": "red"},
    ],
)
def test_settings_that_cannot_work_are_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings(**keys)
