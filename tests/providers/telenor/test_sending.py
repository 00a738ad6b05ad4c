"""Nothing invalid is ever sent: it is refused before it leaves, saying why."""

import pytest

from syncd.model.operation import CommentDraft
from syncd.model.ticket import CommentKind, Value
from syncd.providers.telenor import sending
from syncd.providers.telenor.adapter import bounds_of
from syncd.providers.telenor.trees import INCIDENT
from tests.providers.telenor.desk import KEY, OTHER_KEY, attach, ref_to, settings

BOUNDS = bounds_of(settings(priorities=["High", "Low"]))
REF = ref_to("5004E000003uH0YQAU")


def draft(name: str, size: int | None = 5, type_: str = "image/jpg") -> sending.AttachmentDraft:
    made = attach(REF, name, size, type_=type_).attachment
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"status": "Solved"}, "status cannot be set by create, only by status"),
        ({"root_cause": "x"}, "by nobody but Telenor"),
        ({"colour": "red"}, "no field colour"),
        ({"contact": {"name": "Ola"}}, "contact cannot be set by create"),
        ({"priority": "Huge"}, "not listed: High, Low"),
        ({"title": "x" * 256}, "256 characters, Telenor takes 255"),
        ({"description": "x" * 32_000}, "characters with its marker"),
        ({"local_contact": "Ola"}, "has name, email, phone"),
        ({"local_contact": {"fax": "1"}}, "no fax"),
        ({"title": {"name": "Ola"}}, "title is a text"),
    ],
)
def test_a_create_that_telenor_would_not_take_is_not_sent(
    fields: dict[str, Value], why: str
) -> None:
    with pytest.raises(sending.Unsendable, match=why):
        sending.create_body(fields, KEY, "syncd", BOUNDS, INCIDENT)


def test_a_create_leaves_out_what_is_empty_and_names_its_user() -> None:
    body = sending.create_body(
        {"title": "a\nb", "location": "", "local_contact": {}, "priority": "high"},
        KEY,
        "syncd",
        BOUNDS,
        INCIDENT,
    )
    assert body == {
        "subject": "a b",
        "priority": "High",
        "description": f"[ref:{KEY}]",
        "createdBy": {"internalUser": False, "userName": "syncd"},
    }


def test_the_setting_puts_the_main_contact_into_the_create() -> None:
    bounds = bounds_of(settings(include_contact_in_create=True))
    body = sending.create_body({"contact": {"name": "Ola"}}, KEY, "syncd", bounds, INCIDENT)
    assert body["contact"] == {"name": "Ola"}
    (info,) = [one for one in sending.field_infos(bounds, INCIDENT) if one.name == "contact"]
    assert info.writable == {"create", "update"}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "without a field"),
        ({"title": None}, "title cannot be emptied"),
        ({"priority": ""}, "priority cannot be emptied"),
        ({"contact": None}, "main contact cannot be emptied"),
        ({"caller": "Ola"}, "only by create"),
        ({"number": "1"}, "by nobody"),
    ],
)
def test_an_update_that_telenor_would_not_take_is_not_sent(
    fields: dict[str, Value], why: str
) -> None:
    with pytest.raises(sending.Unsendable, match=why):
        sending.update_parts(fields, BOUNDS, INCIDENT)


def test_an_update_is_taken_apart_into_the_documented_calls() -> None:
    parts = sending.update_parts(
        {"title": "x", "description": None, "location": None, "local_contact": None},
        BOUNDS,
        INCIDENT,
    )
    assert parts == sending.UpdateParts(
        body={"subject": "x", "location": ""}, description="", removes_local_contact=True
    )


def test_a_description_carries_every_marker_once_as_its_last_lines() -> None:
    whole = sending.described(f"new\r\ntext \n[ref:{KEY}]", (KEY, OTHER_KEY), BOUNDS)
    assert whole == f"new\ntext\n[ref:{KEY}]\n[ref:{OTHER_KEY}]"


def test_a_status_is_sent_exactly_as_listed() -> None:
    body = sending.status_body({"status": " customer ACCEPTED"}, KEY, BOUNDS)
    assert body == {"status": "Customer Accepted"}
    body = sending.status_body({"status": "Solved", "text": "done"}, KEY, BOUNDS)
    assert body == {"status": "Solved", "text": f"done\n[ref:{KEY}]"}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"status": "Sovled"}, "not listed: New, Solved, Customer Accepted"),
        ({}, "not listed"),
        ({"status": "Solved", "title": "x"}, "not title"),
        ({"status": "Solved", "text": "ø" * 3000}, "bytes with its marker"),
    ],
)
def test_a_status_that_telenor_would_not_take_is_not_sent(
    fields: dict[str, Value], why: str
) -> None:
    with pytest.raises(sending.Unsendable, match=why):
        sending.status_body(fields, KEY, BOUNDS)


def test_a_comment_is_measured_in_bytes_with_its_marker() -> None:
    room = BOUNDS.comment_bytes - len(f"\n[ref:{KEY}]")
    fits = CommentDraft(body="ø" * (room // 2), author="")
    body = sending.comment_body(fits, KEY, "Bjørn", BOUNDS)
    assert body == {"text": f"{fits.body}\n[ref:{KEY}]", "userName": "Bjørn"}
    with pytest.raises(sending.Unsendable, match="takes 3900"):
        sending.comment_body(CommentDraft(body="x" * (room + 1), author=""), KEY, "x", BOUNDS)


@pytest.mark.parametrize("text", ["", " \n ", "\x00", f"[ref:{OTHER_KEY}]"])
def test_an_empty_comment_is_not_sent(text: str) -> None:
    with pytest.raises(sending.Unsendable, match="without text"):
        sending.comment_body(CommentDraft(body=text, author=""), KEY, "x", BOUNDS)


def test_telenor_has_one_kind_of_comment() -> None:
    note = CommentDraft(body="x", author="", kind=CommentKind.WORK_NOTE)
    with pytest.raises(sending.Unsendable, match="no work_note"):
        sending.comment_body(note, KEY, "x", BOUNDS)


@pytest.mark.parametrize(
    ("name", "size", "why"),
    [
        ("", 5, "is empty"),
        ("../etc/passwd", 5, "path"),
        ("a\\b.txt", 5, "path"),
        ("a\nb.txt", 5, "control"),
        ("x" * 256, 5, "256 characters"),
        ("tool.EXE", 5, "executable files"),
        ("tool.exe. ", 5, "executable files"),
        ("tool.sh", 5, "executable files"),
        ("a.txt", 0, "the file is empty"),
        ("a.txt", None, "the file is empty"),
        ("a.txt", 25_000_001, "Telenor takes 25000000"),
    ],
)
def test_a_file_that_telenor_would_not_take_is_not_sent(
    name: str, size: int | None, why: str
) -> None:
    with pytest.raises(sending.Unsendable, match=why):
        sending.checked_file(draft(name, size), BOUNDS)


def test_a_file_is_sent_with_its_real_type() -> None:
    assert sending.checked_file(draft("bilde ø.jpg"), BOUNDS) == ("bilde ø.jpg", "image/jpeg", 5)
    assert sending.checked_file(draft("exe", type_=""), BOUNDS)[1] == "application/octet-stream"


def test_every_field_says_who_can_write_it_and_how_long_it_may_be() -> None:
    infos = {one.name: one for one in sending.field_infos(BOUNDS, INCIDENT)}
    assert infos["status"].values == ("New", "Solved", "Customer Accepted")
    assert infos["status"].writable == {"status"}
    assert infos["priority"].values == ("High", "Low")
    assert infos["root_cause"].writable == frozenset()
    limit = infos["description"].max_chars
    assert limit is not None
    sending.described("x" * limit, (KEY,), BOUNDS)
