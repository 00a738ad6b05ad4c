"""Names and values both ways, without any HTTP."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.model.ids import OperationKey, TicketId
from syncd.providers.b612 import mapping, todo
from syncd.providers.b612.mapping import Labels, normalise
from syncd.providers.b612.wire import WRITABLE, NumberKeys, Told, WireError, body_of, parse
from tests.providers.b612.desk import KEY, OTHER_KEY, WORK

LABELS = Labels(priorities=("Low", "High"), statuses=("Open", "Closed"))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200).filter(
    lambda text: "[ref:" not in text and "--" not in text
)
keys = st.integers(0, 10**12).map(lambda number: OperationKey(f"acme-{number:012d}"))
START = datetime(2026, 3, 1, tzinfo=UTC)


def squeezed(text: str) -> str:
    return " ".join(text.split())


@given(
    texts,
    keys,
    st.lists(st.tuples(keys, texts.filter(str.strip), st.integers(0, 10**6)), max_size=3),
)
def test_a_todo_is_taken_apart_into_what_it_was_put_together_of(
    text: str, key: str, said: list[tuple[str, str, int]]
) -> None:
    remarks = [
        todo.Remark(key=OperationKey(of), at=START + timedelta(minutes=at), body=body.strip())
        for of, body, at in said
    ]
    whole = todo.join(text, [OperationKey(key)], remarks)
    for raw in (whole, whole.replace("\n", " \N{NO-BREAK SPACE} ")):
        parts = todo.split(raw)
        assert squeezed(parts.text) == squeezed(text)
        assert parts.keys == (key,)
        assert [(one.key, one.at, squeezed(one.body)) for one in parts.remarks] == [
            (one.key, one.at, squeezed(one.body)) for one in remarks
        ]


@given(st.dictionaries(st.sampled_from(sorted(mapping.FIELDS)), texts, max_size=13))
def test_what_is_written_reads_back_equal(fields: dict[str, str]) -> None:
    fields = fields | ({"priority": "hIgh"} if "priority" in fields else {})
    written = mapping.texts_of(fields, LABELS)
    told = Told(number="B-612-R1", texts=written)
    back = mapping.to_ticket(told, TicketId("B-612-R1")).fields
    for name, value in fields.items():
        assert normalise(name, back[name], LABELS) == normalise(name, value, LABELS)
        once = normalise(name, value, LABELS)
        assert normalise(name, once, LABELS) == once


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9
    )
)
def test_an_amount_is_equal_to_itself_however_many_zeros_it_has(amount: Decimal) -> None:
    plain = normalise("expenses", f"{amount:f}", LABELS)
    assert plain == normalise("expenses", f"{amount:f}0", LABELS)
    assert Decimal(str(plain)) == amount


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("suggested_date", "12/14/2020", "2020-12-14"),
        ("suggested_date", "2020-12-14", "2020-12-14"),
        ("suggested_date", "14/12/2020", "14/12/2020"),
        ("suggested_date", "2/29/2021", "2/29/2021"),
        ("suggested_time", "9:05", "09:05:00"),
        ("suggested_time", "13:00:00", "13:00:00"),
        ("suggested_time", "25:00", "25:00"),
        ("business_hours", "1e400000000", "1e400000000"),
        ("business_hours", "1,5", "1,5"),
        ("business_hours", "-0.0", "0"),
        ("business_hours", "", None),
        ("status", " CLOSED ", "Closed"),
        ("status", "Paused", "Paused"),
        ("rack", "R1 \N{NO-BREAK SPACE} a", "R1 a"),
    ],
)
def test_a_value_is_read_or_kept_as_it_came(name: str, raw: str, expected: str | None) -> None:
    assert normalise(name, raw, LABELS) == expected


@pytest.mark.parametrize(
    ("day", "hour", "expected"),
    [
        ("12/15/2020", "13:00:00", "2020-12-15T13:00:00"),
        ("12/15/2020", "", ""),
        ("15/12/2020", "13:00", ""),
    ],
)
def test_date_and_time_join_only_where_both_can_be_read(day: str, hour: str, expected: str) -> None:
    paths = {"b612_details.date_suggested": day, "b612_details.time_suggested": hour}
    fields = mapping.field_values(Told(number="B-612-R1", texts=paths))
    assert fields["suggested_at"] == expected


def test_what_an_answer_does_not_tell_is_missing_and_not_empty() -> None:
    told = parse(b'{"b612_details": {"b612_ticket_number": "B-612-R1", "status": null}}')
    assert mapping.field_values(told) == {"number": "B-612-R1", "status": ""}


def test_only_known_places_of_the_number_count_and_never_our_own_reference() -> None:
    def number(body: bytes) -> str:
        return parse(body).number

    assert number(b'{"ticket": [{"B612_Details": {"ticket_number": " B-612-R1 "}}]}') == "B-612-R1"
    assert number(b'[{"b612_details": {"b612_ticket_number": "X1", "ticket_number": "2"}}]') == "X1"
    assert number(b'{"b612_ticket_number": "B-612-7"}') == "B-612-7"
    assert number(b'{"b612_ticket_number": "INC7"}') == ""
    assert number(b'{"client_details": {"ticket_number": "B-612-R1"}}') == ""
    assert number(b'{"b612_details": {"b612_ticket_number": 7}}') == "7"


@pytest.mark.parametrize("body", [b"", b"OK", b"[]", b"7", b'{"a"', b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        parse(body)


def test_an_amount_never_passes_through_a_float() -> None:
    told = parse(
        b'{"hours_log": {"total_expenses": 1234567890.123456789, "total_business_hours": 10}}'
    )
    assert told.texts == {
        "hours_log.total_expenses": "1234567890.123456789",
        "hours_log.total_business_hours": "10",
    }


def test_a_body_is_wrapped_and_names_the_ticket_as_told() -> None:
    whole = dict.fromkeys(WRITABLE, "x")
    both = body_of(whole, number="B-612-R1")["ticket"]
    assert isinstance(both, dict)
    assert both["b612_details"] == {"b612_ticket_number": "B-612-R1", "ticket_number": "B-612-R1"}
    assert len(both["client_details"]) + len(both["location"]) == 13
    for keys_, name in (
        (NumberKeys.TEXT, "b612_ticket_number"),
        (NumberKeys.EXAMPLE, "ticket_number"),
    ):
        one = body_of({}, number="B-612-R1", keys=keys_)["ticket"]
        assert one == {"b612_details": {name: "B-612-R1"}, "client_details": {}, "location": {}}
    assert body_of({"location.city": "London"}) == {
        "ticket": {"client_details": {}, "location": {"city": "London"}}
    }


def test_a_person_quoting_our_remark_makes_no_second_text() -> None:
    raw = todo.add(todo.join("work", [KEY]), todo.Remark(key=OTHER_KEY, at=START, body="hello"))
    quoted = f"{raw}\nAmiram: yes, see [ref:{OTHER_KEY}]"
    parts = todo.split(quoted)
    assert [one.key for one in parts.remarks] == [OTHER_KEY]
    assert parts.text == "work\nAmiram: yes, see"


def test_every_field_is_described_once_and_the_thirteen_are_writable() -> None:
    infos = mapping.describe_fields(LABELS)
    assert len({info.name for info in infos}) == len(infos)
    assert {info.name for info in infos if info.writable} == set(mapping.FIELDS)
    assert set(WORK) <= set(mapping.FIELDS)
