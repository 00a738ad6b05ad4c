"""Neutral values and the contract's are each other's image, and comment ids never move."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core import marker
from syncd.model.ids import OperationKey
from syncd.model.operation import WriteKind
from syncd.model.ticket import CommentKind, Value, Visibility
from syncd.providers.smartops import mapping
from syncd.providers.smartops.mapping import (
    Access,
    CannotCarry,
    FieldKind,
    Template,
    TemplateField,
)
from syncd.providers.smartops.wire import FIELD_NAMES, Details, Note, NoteList, parse_details

KEY = OperationKey("acme-0123456789abcdef")
OTHER_KEY = OperationKey("acme-fedcba9876543210")
TEMPLATE = Template(
    fields={
        "site": TemplateField(name="site", key="u_site", access=Access.READ),
        "vendor_ref": TemplateField(
            name="vendor_ref", key="u_ref", max_chars=40, kind=FieldKind.LABEL, clearable=True
        ),
        "impact": TemplateField(name="impact", key="u_impact", access=Access.WRITE),
    },
    visibilities={NoteList.COMMENTS: Visibility.PUBLIC},
)
WRITTEN = sorted(mapping.WRITABLE_STANDARD_NAMES | {"vendor_ref"})

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
instants = st.sampled_from(
    ["2024-03-05T09:07:02.000000", "2024-03-05T09:07:03.000000", "2024-03-06T00:00:00.000000"]
)
notes = st.lists(
    st.builds(
        Note,
        author=st.sampled_from(["Kari", "Ola"]),
        time=instants,
        text=st.sampled_from(["yes", "no", f"yes\n[ref:{KEY}]", f"yes\n[ref:{OTHER_KEY}]"]),
    ),
    max_size=8,
)


def write(fields: dict[str, Value], kind: WriteKind = WriteKind.UPDATE) -> dict[str, str]:
    return mapping.ticket_json(kind, fields, TEMPLATE, key=KEY)


def ids(listed: Sequence[Note], name: NoteList = NoteList.COMMENTS) -> list[str]:
    return [c.id for c in mapping.to_comments(Details(notes={name: tuple(listed)}), TEMPLATE)]


def by_time(listed: Sequence[Note]) -> list[Note]:
    return sorted(listed, key=lambda note: note.time)


@given(st.dictionaries(st.sampled_from(WRITTEN), texts.filter(lambda t: t.strip()), max_size=8))
def test_what_is_created_reads_back_equal_after_n(fields: dict[str, Value]):
    stored = {"sysId": "s1", "ticketNumber": "INC1", **write(fields, WriteKind.CREATE)}
    ticket = mapping.to_ticket(parse_details(stored), TEMPLATE)
    for name, value in fields.items():
        read = mapping.normalise(name, ticket.fields[name], TEMPLATE)
        assert read == mapping.normalise(name, value, TEMPLATE)
    assert KEY in ticket.keys


@given(st.sampled_from([*WRITTEN, "created_at", "site", "work_note"]), texts)
def test_n_twice_is_n_once(name: str, text: str):
    once = mapping.normalise(name, text, TEMPLATE)
    assert mapping.normalise(name, once, TEMPLATE) == once


@given(notes, notes)
def test_comment_ids_stay_when_others_are_appended(before: list[Note], later: list[Note]):
    before, later = by_time(before), by_time(later)
    appended = by_time([*before, *later])
    known = ids(before)
    assert len(set(known)) == len(known)
    assert set(known) <= set(ids(appended))
    assert len(ids(appended)) == len(appended)


@given(notes)
def test_comment_ids_do_not_depend_on_the_servers_order(listed: list[Note]):
    oldest_first = by_time(listed)
    assert sorted(ids(oldest_first)) == sorted(ids(oldest_first[::-1]))


@given(notes)
def test_comments_are_oldest_first_whatever_the_order(listed: list[Note]):
    for given_order in (listed, by_time(listed), by_time(listed)[::-1]):
        details = Details(notes={NoteList.WORK_NOTES: tuple(given_order)})
        times = [c.created_at for c in mapping.to_comments(details, TEMPLATE) if c.created_at]
        assert times == sorted(times)


def test_the_spelling_of_a_time_and_of_a_text_do_not_change_an_id():
    one = Note(author="Åse", time="2024-03-05T09:07:02.000000", text="så\r\nja  ")
    other = Note(
        author=unicodedata.normalize("NFD", "Åse"),
        time="2024-03-05 10:07:02+01:00",
        text=unicodedata.normalize("NFD", "så\nja"),
    )
    assert ids([one]) == ids([other])


def test_the_same_words_in_two_lists_are_two_comments():
    note = Note(author="Kari", time="", text="yes")
    assert ids([note]) != ids([note], NoteList.WORK_NOTES)


def test_the_same_words_twice_at_one_instant_are_two_comments():
    note = Note(author="Kari", time="2024-03-05T09:07:02", text="yes")
    assert len(set(ids([note, note]))) == 2


def test_newest_first_at_one_instant_is_turned_too():
    old = Note(author="Kari", time="2024-03-05T09:07:02", text="question")
    first = Note(author="Kari", time="2024-03-05T09:08:00", text="first")
    second = Note(author="Kari", time="2024-03-05T09:08:00", text="second")
    details = Details(notes={NoteList.COMMENTS: (second, first, old)})
    bodies = [comment.body for comment in mapping.to_comments(details, TEMPLATE)]
    assert bodies == ["question", "first", "second"]


def test_a_comment_without_a_time_stays_where_it_stood():
    listed = (
        Note(author="Kari", time="", text="a"),
        Note(author="Kari", time="2024-03-05T09:07:02", text="b"),
        Note(author="Kari", time="?", text="c"),
        Note(author="Kari", time="2024-03-05T09:07:03", text="d"),
    )
    details = Details(notes={NoteList.COMMENTS: listed})
    assert [c.body for c in mapping.to_comments(details, TEMPLATE)] == ["a", "b", "c", "d"]


def test_lists_have_their_visibility_and_are_private_otherwise():
    note = Note(author="Kari", time="", text="yes")
    details = Details(notes=dict.fromkeys(NoteList, (note,)))
    seen = {c.kind: c.visibility for c in mapping.to_comments(details, TEMPLATE)}
    assert seen == {
        CommentKind.COMMENT: Visibility.PUBLIC,
        CommentKind.WORK_NOTE: Visibility.PRIVATE,
        CommentKind.CLOSURE_NOTE: Visibility.PRIVATE,
    }


def test_markers_leave_the_text_and_become_keys():
    stored = {
        "sysId": "s1",
        "ticketNumber": "INC1",
        "longDescription": f"down since noon\r\n[ref:{KEY}]",
        "u_ref": f"Case-1 [ref:{OTHER_KEY}]",
        "comments": [
            {"commentBy": "syncd", "commentTime": "", "comment": f"hi\n[ref:{OTHER_KEY}]"}
        ],
    }
    ticket = mapping.to_ticket(parse_details(stored), TEMPLATE)
    assert ticket.fields["description"] == "down since noon"
    assert ticket.fields["vendor_ref"] == "Case-1"
    assert ticket.keys == (KEY, OTHER_KEY)
    assert [(c.body, c.keys) for c in ticket.comments] == [("hi", (OTHER_KEY,))]


def test_what_was_not_answered_is_missing_and_what_is_empty_is_empty():
    ticket = mapping.to_ticket(parse_details({"sysId": "s", "urgency": "", "u_site": ""}), TEMPLATE)
    assert ticket.fields["urgency"] == ""
    assert ticket.fields["site"] == ""
    assert "status" not in ticket.fields
    assert "impact" not in ticket.fields


def test_clocks_that_run_by_themselves_are_read_only_when_asked_for():
    stored = {"ticketBusinessTimeLeft": "-60", "ticketBusinessDuration": "3600"}
    assert not mapping.BUSINESS_TIMES & set(mapping.field_values(parse_details(stored), TEMPLATE))
    infos = {info.name: info for info in mapping.describe_fields(TEMPLATE)}
    assert not infos["business_duration"].readable
    values = mapping.field_values(parse_details(stored), Template(business_times=True))
    assert values == {"business_duration": "3600", "business_time_left": "-60"}


def test_times_are_utc_text_and_odd_ones_stay():
    stored = {"createdTime": "2024-03-05T09:07:02.000000", "resolvedTime": "soon"}
    ticket = mapping.to_ticket(parse_details(stored), TEMPLATE)
    assert ticket.created_at == datetime(2024, 3, 5, 9, 7, 2, tzinfo=UTC)
    assert ticket.fields["created_at"] == "2024-03-05T09:07:02+00:00"
    assert ticket.fields["resolved_at"] == "soon"
    assert ticket.updated_at is None


def test_a_read_asks_for_the_25_and_the_readable_keys():
    assert mapping.read_names(TEMPLATE) == (*FIELD_NAMES, "u_site", "u_ref")


def test_the_answer_to_a_write_is_asked_for_what_was_written():
    names = mapping.answer_names(["status", "impact", "vendor_ref", "closure_note"], TEMPLATE)
    assert names == ("sysId", "ticketNumber", "ticketStatus", "u_ref", "closureNotes")


def test_a_create_ends_its_description_with_the_key_and_leaves_empty_values_out():
    body = write({"title": "x", "urgency": "", "caller": None}, WriteKind.CREATE)
    assert body == {"shortDescription": "x", "longDescription": f"[ref:{KEY}]"}
    body = write({"description": "down"}, WriteKind.CREATE)
    assert body == {"longDescription": f"down\n[ref:{KEY}]"}


def test_a_rewritten_description_keeps_the_markers_that_stood_there():
    body = mapping.ticket_json(
        WriteKind.UPDATE, {"description": "new"}, TEMPLATE, key=KEY, kept_keys=[OTHER_KEY]
    )
    assert body == {"longDescription": f"new\n[ref:{OTHER_KEY}]"}


def test_a_status_carries_its_note_with_the_marker():
    body = write({"status": "Resolved", "closure_note": "Restart"}, WriteKind.STATUS)
    assert body == {"ticketStatus": "Resolved", "closureNotes": f"Restart\n[ref:{KEY}]"}


def test_numbers_and_booleans_are_sent_as_text():
    assert write({"priority": 1, "impact": True}) == {"ticketPriority": "1", "u_impact": "true"}


def test_a_clearable_key_takes_an_empty_value():
    assert write({"vendor_ref": None}) == {"u_ref": ""}


@pytest.mark.parametrize(
    "fields",
    [
        {"number": "INC2"},
        {"created_by": "me"},
        {"site": "Oslo"},
        {"color": "red"},
        {"title": ""},
        {"title": None},
        {"closure_note": ""},
        {"caller": {"name": "Kari"}},
        {"vendor_ref": "x" * 41},
        {"work_note": "a", "closure_note": "b"},
    ],
)
def test_what_cannot_be_carried_is_refused(fields: dict[str, Value]):
    with pytest.raises(CannotCarry):
        write(fields)


def test_a_create_carries_no_note():
    with pytest.raises(CannotCarry):
        write({"title": "x", "work_note": "y"}, WriteKind.CREATE)


def test_a_standard_field_may_be_written_under_another_key():
    own = TemplateField(
        name="description", key="desc", access=Access.WRITE, max_chars=20 + len(marker.render(KEY))
    )
    template = Template(fields={"description": own})
    body = mapping.ticket_json(WriteKind.CREATE, {"description": "x" * 19}, template, key=KEY)
    assert body == {"desc": f"{'x' * 19}\n[ref:{KEY}]"}
    with pytest.raises(CannotCarry):
        mapping.ticket_json(WriteKind.CREATE, {"description": "x" * 20}, template, key=KEY)
    assert mapping.read_names(template) == FIELD_NAMES


def test_the_list_of_fields_says_what_can_be_done():
    infos = {info.name: info for info in mapping.describe_fields(TEMPLATE)}
    assert infos["title"].writable == {"create", "update", "status"}
    assert not infos["created_at"].writable
    assert infos["work_note"].writable == {"update", "status"}
    assert infos["vendor_ref"].max_chars == 40
    assert not infos["site"].writable
    assert not infos["impact"].readable


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("description", "a \r\nb\n\n", "a\nb"),
        ("description", f"a\n[ref:{KEY}]", "a"),
        ("status", " New ", "New"),
        ("title", "  x", "x"),
        ("priority", 1, "1"),
        ("caller", "", None),
        ("impact", True, "true"),
        ("created_at", "2024-03-05T09:07:02.000000", "2024-03-05 09:07:02Z"),
        ("title", "Fornebu ø\u030a", "Fornebu ø\u030a"),
    ],
)
def test_n_makes_two_spellings_equal(name: str, one: Value, other: Value):
    assert mapping.normalise(name, one, TEMPLATE) == mapping.normalise(name, other, TEMPLATE)
