"""Payloads are read tolerantly and never guessed."""

import contextlib
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.providers.telenor import answers, wire

AT = datetime(2017, 10, 9, 17, 21, 47, tzinfo=UTC)
ACTIVITY = {
    "id": "a0z4E000000iqEYQAY",
    "date": "2017-10-09T17:21:47.000+0000",
    "content": "test comment",
    "action": "STATUS_CHANGED",
    "fieldName": "status",
    "oldValue": "New",
    "newValue": "Solved",
    "user": {"internalUser": False, "userName": "Kari Nordman"},
    "ticket": {"id": "5004E000003uH0YQAU", "caseNumber": "Case-00001234", "subject": "Oslo"},
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)
NAMES = (
    "id date ticket activities incidents totalSize count user content subject localContact "
    "attachments createdDate incidentTypes commentBody"
)
LIKELY = st.dictionaries(st.sampled_from(NAMES.split()), ANYTHING)


@pytest.mark.parametrize(
    "text",
    [
        "2017-10-09T17:21:47.000+0000",
        "2017-10-09T17:21:47.000+000",
        "2017-10-09T17:21:47+00",
        "2017-10-09T17:21:47+00:00",
        "2017-10-09T17:21:47Z",
        "2017-10-09T17:21:47",
        "2017-10-09T17:21:47.000000000Z",
        "2017-10-09T19:21:47.0+0200",
        "2017-10-09T19:21:47+02:00",
        "2017-10-09T15:51:47-0130",
    ],
)
def test_every_form_of_a_date_seen_gives_the_same_instant(text: str) -> None:
    stamp = wire.parse_stamp(text)
    assert stamp is not None
    assert stamp.at == AT
    assert stamp.assumed_utc == (text == "2017-10-09T17:21:47")


@pytest.mark.parametrize(
    "text",
    ["2017-10-09T17:21:47.000+010", "2017-13-09T17:21:47Z", "yesterday", "2017-10-09", "0"],
)
def test_a_date_that_would_have_to_be_guessed_is_kept_raw(text: str) -> None:
    assert wire.parse_stamp(text) == wire.Stamp(raw=text, at=None)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(0, 6))
def test_dates_round_trip_at_any_precision(at: datetime, digits: int) -> None:
    micros = int(f"{at.microsecond:06}"[:digits].ljust(6, "0") or "0")
    text = at.strftime("%Y-%m-%dT%H:%M:%S").zfill(19)
    fraction = f"{micros:06}"[:digits]
    stamp = wire.parse_stamp(text + (f".{fraction}" if digits else "") + "+0000")
    assert stamp is not None
    assert stamp.at == at.replace(microsecond=micros)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (True, True),
        (False, False),
        ("true", True),
        ("False", False),
        ("N/A", None),
        (None, None),
        (0, None),
    ],
)
def test_internal_user_is_true_false_or_unknown(raw: object, told: bool | None) -> None:
    assert wire.parse_internal(raw) is told


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (7, 7),
        ("7", 7),
        (" 7 ", 7),
        (7.0, 7),
        ("N/A", None),
        ("int", None),
        (True, None),
        ({}, None),
    ],
)
def test_numbers_are_read_from_texts_and_else_absent(raw: object, number: int | None) -> None:
    assert wire.parse_number(raw) == number


def test_an_activity_of_the_sample_is_read_whole() -> None:
    activity = wire.parse_activity(ACTIVITY)
    assert activity.ticket == wire.ActivityTicket(
        id="5004E000003uH0YQAU", case_number="Case-00001234"
    )
    assert activity.user == wire.CaseUser(name="Kari Nordman", is_internal=False)
    assert activity.date is not None
    assert activity.date.at == AT
    assert (activity.action, activity.old_value, activity.new_value) == (
        "STATUS_CHANGED",
        "New",
        "Solved",
    )


def test_an_unreadable_activity_does_not_hide_its_neighbours() -> None:
    page = wire.parse_activity_page(
        {"totalSize": "3", "count": 99, "activities": [ACTIVITY, "odd", {"ticket": 7}]}
    )
    assert (page.total, page.length, len(page.items)) == (3, 3, 2)
    assert page.items[1].id.startswith("~")
    assert len(page.unreadable) == 1


def test_absent_null_and_present_stay_apart() -> None:
    incident = wire.parse_case(
        {"id": "5", "subject": None, "location": "Oslo", "priority": 3, "rootCause": ["x"]}
    )
    assert incident.told == {"subject": None, "location": "Oslo", "priority": "3"}
    assert incident.odd == ("rootCause is not a text",)
    assert incident.attachments is None
    assert incident.structures == {}
    assert not incident.closed_told


def test_incident_types_are_an_array_or_a_text_with_commas() -> None:
    sample = "Annen type feil, Ikke på nett, Treghet, Ustabilitet"
    whole = tuple(sample.split(", "))
    for told in (sample, list(whole), [sample]):
        (category,) = wire.parse_categories(
            [
                {
                    "orgNo": "971183675",
                    "incidentTypes": told,
                    "productCatName": "Ethernet Connect",
                    "products": [{"productId": "01t", "productName": "Ethernet Connect"}],
                }
            ]
        )
        assert category.incident_types == whole
        assert category.products == (("01t", "Ethernet Connect"),)


def test_comments_without_ids_are_told_apart_by_date_text_and_occurrence() -> None:
    same = {"createdDate": "2017-10-09T17:21:47.000+0000", "commentBody": "ok"}
    first, second, other = wire.parse_comments([same, same, {**same, "commentBody": "no"}])
    assert len({first.id, second.id, other.id}) == 3
    assert wire.parse_comments([same, same])[1].id == second.id


@pytest.mark.parametrize("told", [[7], ["x"], {"comments": 3}, None, "text"])
def test_a_list_with_a_hole_is_refused_as_a_whole_where_absence_counts(told: object) -> None:
    with pytest.raises(wire.Malformed):
        wire.parse_comments(told)
    with pytest.raises(wire.Malformed):
        wire.parse_files(told)


@pytest.mark.parametrize(
    ("body", "location", "made"),
    [
        (b'{"id": "5004E000003uH0YQAU"}', "", "5004E000003uH0YQAU"),
        (b"", "/service-tickets/v2/incidents/5004E000003uH0YQAU", "5004E000003uH0YQAU"),
        (b"{}", "https://x/incidents/5004E000003uH0Y/?a=b", "5004E000003uH0Y"),
        (b"<html>", "https://x/login", None),
        (b'{"id": ""}', "", None),
        (b'{"id": null}', "", None),
        (b'["5004E000003uH0YQAU"]', "", None),
    ],
)
def test_the_id_of_what_was_made_is_in_the_body_else_in_the_location(
    body: bytes, location: str, made: str | None
) -> None:
    assert answers.parse_created_id(body, location) == made


@given(ANYTHING | LIKELY)
def test_no_answer_breaks_a_parser(told: object) -> None:
    raw = orjson.loads(orjson.dumps(told))
    parsers = (
        wire.parse_case,
        lambda raw: wire.parse_case_page(raw, "incidents"),
        wire.parse_activity,
        wire.parse_activity_page,
        wire.parse_files,
        wire.parse_comments,
        wire.parse_categories,
        wire.parse_count,
    )
    for parse in parsers:
        with contextlib.suppress(wire.Malformed):
            parse(raw)
