"""The contract's payloads are built exactly and read tolerantly."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.model.secret import Secret
from syncd.providers.smartops.wire import (
    FIELD_NAMES,
    Details,
    Note,
    NoteList,
    Surroundings,
    WireError,
    create_body,
    details_body,
    format_instant,
    note_object,
    parse_details,
    parse_envelope,
    parse_instant,
    update_body,
)

AROUND = Surroundings(
    connection_details={"password": Secret("pässword"), "itsmVersion": "Tokyo"},
    time_zone_offset="+05:30",
)


def test_a_create_has_the_four_keys_of_the_contract():
    assert create_body({"shortDescription": "x"}, ["sysId", "site", "sysId"], AROUND) == {
        "connectionDetails": {"password": "cMOkc3N3b3Jk", "itsmVersion": "Tokyo"},
        "ticketJSON": {"shortDescription": "x"},
        "ticketFields": ["sysId", "site"],
        "itsmTimeZoneOffset": "+05:30",
    }


def test_an_update_is_keyed_by_sys_id_and_a_fetch_by_number():
    update = update_body("s1", {"ticketStatus": "New"}, ["sysId"], Surroundings())
    fetch = details_body("INC1", ["sysId"], Surroundings())
    assert update["sysId"] == "s1"
    assert set(update) - set(fetch) == {"sysId", "ticketJSON"}
    assert fetch["ticketNumber"] == "INC1"
    assert "ticketJSON" not in fetch
    assert fetch["itsmTimeZoneOffset"] == ""


def test_the_contract_has_25_names():
    assert len(FIELD_NAMES) == len(set(FIELD_NAMES)) == 25


@pytest.mark.parametrize(
    ("told", "code"),
    [("200", "200"), (200, "200"), (200.0, "200"), (" 404 ", "404"), (None, ""), (True, "")],
)
def test_a_status_code_is_a_string_or_a_number(told: object, code: str):
    assert parse_envelope({"statusCode": told, "ticketDetails": {}}).code == code


def test_results_stand_in_for_missing_details():
    assert parse_envelope({"statusCode": "200", "results": {"sysId": "s"}}).details.sys_id == "s"
    both = {"statusCode": "200", "ticketDetails": {"sysId": "a"}, "results": {"sysId": "b"}}
    assert parse_envelope(both).details.sys_id == "a"


@pytest.mark.parametrize("empty", [None, {}, ""])
def test_details_may_be_empty_or_null(empty: object):
    answer = {"statusCode": "404", "statusMessage": "no", "ticketDetails": empty}
    assert parse_envelope(answer).details == Details()


@pytest.mark.parametrize(
    "answer",
    [
        [],
        "x",
        None,
        {"ticketDetails": ["x"]},
        {"ticketDetails": {"comments": "text"}},
        {"ticketDetails": {"comments": ["text"]}},
        {"ticketDetails": {"comments": [{"workNote": "of another list"}]}},
    ],
)
def test_what_has_another_shape_is_refused(answer: object):
    with pytest.raises(WireError):
        parse_envelope(answer)


def test_values_of_other_types_become_text():
    details = parse_details({"a": 3, "b": True, "c": None, "d": {"y": 1, "x": [2]}, "e": 1.5})
    expected = {"a": "3", "b": "true", "c": "", "d": '{"x":[2],"y":1}', "e": "1.5"}
    assert dict(details.texts) == expected


@pytest.mark.parametrize("unknown", ["", None])
def test_a_list_answered_as_empty_text_tells_nothing(unknown: object):
    assert NoteList.COMMENTS not in parse_details({"comments": unknown}).notes
    assert parse_details({"comments": []}).notes[NoteList.COMMENTS] == ()


@given(
    name=st.sampled_from(list(NoteList)),
    note=st.builds(Note, author=st.text(), time=st.text(), text=st.text()),
)
def test_a_note_survives_the_wire(name: NoteList, note: Note):
    assert parse_details({name: [note_object(name, note)]}).notes[name] == (note,)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_survives_the_wire(at: datetime):
    text = format_instant(at)
    assert parse_instant(text) == at
    assert len(text.partition(".")[2]) == 6


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-05T09:07:02.000000", datetime(2024, 3, 5, 9, 7, 2, tzinfo=UTC)),
        ("2024-03-05 09:07:02", datetime(2024, 3, 5, 9, 7, 2, tzinfo=UTC)),
        ("2024-03-05T09:07:02Z", datetime(2024, 3, 5, 9, 7, 2, tzinfo=UTC)),
        ("2024-03-05T09:07:02.5+05:30", datetime(2024, 3, 5, 3, 37, 2, 500000, tzinfo=UTC)),
        ("2024-03-05T09:07:02-08", datetime(2024, 3, 5, 17, 7, 2, tzinfo=UTC)),
        ("2024-03-05T09:07:02.123456789", datetime(2024, 3, 5, 9, 7, 2, 123456, tzinfo=UTC)),
        ("2024-13-05T09:07:02", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_times_are_read_tolerantly_and_as_utc(text: str, expected: datetime | None):
    assert parse_instant(text) == expected


def test_a_time_is_written_as_utc():
    oslo = timezone(timedelta(hours=1))
    assert (
        format_instant(datetime(2024, 3, 5, 9, 7, 2, tzinfo=oslo)) == "2024-03-05T08:07:02.000000"
    )
