"""Neutral names and values to Telenor's and back."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core import marker
from syncd.model.ids import OperationKey
from syncd.model.ticket import Value, Visibility
from syncd.providers.telenor import mapping, sending, wire
from syncd.providers.telenor.adapter import bounds_of
from syncd.providers.telenor.trees import (
    ADDRESS_PARTS,
    CONTACT_PARTS,
    FIELD_KINDS,
    INCIDENT,
    ORDER,
    TREES,
    Tree,
)
from tests.providers.telenor.desk import KEY, OTHER_KEY, settings

BOUNDS = bounds_of(settings())
TEXTS = st.text(max_size=60) | st.sampled_from(
    [
        "a\r\nb",
        " a \n\n b ",
        "Æ ø å",
        "e\u0301",
        "\ufeffx",
        f"x\n[ref:{KEY}]",
        "x\u2028y",
        "\x00",
        "ß",
    ]
)
KEYS = st.from_regex(r"[0-9a-z]{4,12}-[0-9a-z]{10,32}", fullmatch=True).map(OperationKey)
CONTACTS = st.dictionaries(st.sampled_from(sorted(CONTACT_PARTS)), TEXTS)


@given(st.sampled_from(sorted(FIELD_KINDS)), TEXTS | CONTACTS | st.none() | st.integers())
def test_the_normal_form_of_a_normal_form_is_itself(name: str, value: Value) -> None:
    once = mapping.normalise(name, value)
    assert mapping.normalise(name, once) == once


def test_spellings_of_one_value_have_one_normal_form() -> None:
    same = [
        ("description", "a\r\nb  \n", "a\nb"),
        ("description", f"a\nb\n[ref:{KEY}]", "a\nb"),
        ("description", "e\u0301", "é"),
        ("description", "", None),
        ("title", "a  b ", "a b"),
        ("status", " SOLVED ", "Solved"),
        ("priority", "high", "High"),
        ("local_contact", {"name": "Ola ", "email": ""}, {"name": "Ola"}),
        ("local_contact", {}, None),
    ]
    for name, one, other in same:
        assert mapping.normalise(name, one) == mapping.normalise(name, other), name
    assert mapping.normalise("title", "a") != mapping.normalise("title", "A")
    assert mapping.normalise("description", "a\n\nb") != mapping.normalise("description", "a\nb")


def read_back(body: wire.JsonObject, tree: Tree = INCIDENT) -> dict[str, Value]:
    return mapping.fields_of(wire.parse_case({"id": "5", **body}), tree)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "title": TEXTS,
            "description": TEXTS,
            "priority": TEXTS,
            "location": TEXTS,
            "identification_number": TEXTS,
            "organization_number": TEXTS,
            "local_contact": CONTACTS,
            "caller": TEXTS,
        },
    ),
    KEYS,
)
def test_what_a_create_sends_is_read_back_as_the_same_values(
    fields: dict[str, Value], key: OperationKey
) -> None:
    body = sending.create_body(fields, key, "syncd", BOUNDS, INCIDENT)
    told = read_back(body)
    for name, value in fields.items():
        if name != "caller" or mapping.normalise(name, value):
            assert mapping.same_value(name, told.get(name), value), name
    assert marker.split(str(body["description"]))[1][-1] == key
    assert str(body["description"]).endswith(f"[ref:{key}]")
    assert None not in body.values()


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "title": TEXTS,
            "description": TEXTS,
            "reason": TEXTS,
            "type": TEXTS,
            "order_reference": TEXTS,
            "quantity": st.integers(0, 10**9).map(str) | st.sampled_from(["1.50", "+2", "003"]),
            "contact": CONTACTS,
            "installation_address": st.dictionaries(st.sampled_from(sorted(ADDRESS_PARTS)), TEXTS),
        },
    ),
    KEYS,
)
def test_what_an_orders_create_sends_is_read_back_with_the_key_in_its_own_field(
    fields: dict[str, Value], key: OperationKey
) -> None:
    body = sending.create_body(fields, key, "syncd", BOUNDS, ORDER)
    told = read_back(body, ORDER)
    for name, value in fields.items():
        assert mapping.same_value(name, told.get(name), value), name
    case = wire.parse_case({"id": "5", **body})
    assert body["customerReference"] == key
    assert mapping.carries(case, ORDER, key)
    assert None not in body.values()
    assert isinstance(body.get("quantity", 0), int | float)


def test_a_field_has_one_kind_of_value_in_both_trees() -> None:
    for name, row in FIELD_KINDS.items():
        assert {tree.fields[name].kind for tree in TREES.values() if name in tree.fields} == {
            row.kind
        }, name


@pytest.mark.parametrize(
    ("reference", "keys"),
    [
        (str(KEY), (KEY,)),
        (f" {KEY} ", (KEY,)),
        ("CustRef1234", ()),
        ("cust-0012345678", ()),
        (f"see {KEY}", ()),
        (f"[ref:{KEY}]", ()),
        (None, ()),
    ],
)
def test_a_customer_reference_is_a_key_only_where_it_holds_nothing_else(
    reference: str | None, keys: tuple[OperationKey, ...]
) -> None:
    told = {"subject": f"x [ref:{OTHER_KEY}]", "description": f"y\n[ref:{OTHER_KEY}]"}
    order = incident(customerReference=reference, **told)
    assert mapping.ticket_keys(order, ORDER) == keys


def test_a_customer_reference_that_was_overwritten_still_tells_its_key() -> None:
    activity = {
        "action": "UPDATED", "fieldName": "customerReference", "oldValue": str(KEY),
        "newValue": "PO-7",
    }  # fmt: skip
    order = incident(customerReference="PO-7", activities=[activity])
    assert mapping.carries(order, ORDER, KEY)


@pytest.mark.parametrize(
    ("told", "quantity"),
    [
        (1, "1"),
        ("2", "2"),
        (1.5, "1.5"),
        ("N/A", None),
        ("number", None),
        (None, None),
        (True, None),
    ],
)
def test_a_quantity_is_a_number_or_nothing(told: object, quantity: str | None) -> None:
    assert mapping.fields_of(incident(quantity=told), ORDER)["quantity"] == quantity


@given(st.fixed_dictionaries({}, optional={"description": TEXTS, "location": TEXTS}), KEYS)
def test_what_an_update_sends_is_read_back_as_the_same_values(
    fields: dict[str, Value], key: OperationKey
) -> None:
    if not fields:
        return
    parts = sending.update_parts(fields, BOUNDS, INCIDENT)
    body = dict(parts.body)
    if parts.description is not None:
        body["description"] = sending.described(parts.description, (key,), BOUNDS)
    told = read_back(body)
    for name, value in fields.items():
        assert mapping.same_value(name, told.get(name), value), name


def incident(**told: object) -> wire.Case:
    return wire.parse_case({"id": "5004E000003uH0YQAU", "caseNumber": "Case-00000001", **told})


def test_a_field_one_form_lacks_is_missing_and_never_blank() -> None:
    assert "location" not in mapping.fields_of(incident(), INCIDENT)
    assert mapping.fields_of(incident(location=None), INCIDENT)["location"] is None


@pytest.mark.parametrize(
    ("told", "owner"),
    [
        ({"owner": "System"}, "System"),
        ({"caseAssignedTo": "NOC"}, "NOC"),
        ({"caseAssignedTo": "NOC", "owner": None}, "NOC"),
        ({"caseAssignedTo": None, "owner": "System"}, "System"),
        ({"caseAssignedTo": None}, None),
    ],
)
def test_owner_and_assignee_are_one_idea(told: dict[str, object], owner: str | None) -> None:
    assert mapping.fields_of(incident(**told), INCIDENT)["owner"] == owner


def test_a_ticket_shows_no_marker_and_keeps_its_keys() -> None:
    one = mapping.ticket(
        incident(
            description=f"Link down\n[ref:{KEY}]",
            createdDate="2026-03-01T10:00:00.000+0000",
            closedDate="2026-03-02T10:00:00.000+0000",
            createdBy={"internalUser": "N/A", "userName": "Kari"},
            localContact={"name": "Ola", "email": None, "phone": "47"},
        ),
        INCIDENT,
        (),
        (),
        "Telenor",
    )
    assert one.fields["description"] == "Link down"
    assert one.keys == (KEY,)
    assert one.created_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert one.fields["closed_at"] == "2026-03-02T10:00:00+00:00"
    assert one.fields["caller"] == "Kari"
    assert one.fields["local_contact"] == {"name": "Ola", "phone": "47"}
    assert one.fields["number"] == "Case-00000001"


def said(comment_id: str, second: int, body: str) -> wire.CommentItem:
    stamp = wire.parse_stamp(f"2026-03-01T10:{second // 60:02}:{second % 60:02}.000+0000")
    return wire.CommentItem(id=comment_id, body=body, created=stamp)


def noted(second: int, content: str, name: str, action: str = "COMMENTED") -> wire.Activity:
    return wire.parse_activity(
        {
            "id": f"a{second}{name}",
            "date": f"2026-03-01T10:{second // 60:02}:{second % 60:02}.000+0000",
            "content": content,
            "action": action,
            "user": {"internalUser": True, "userName": name},
        }
    )


def test_a_comment_takes_its_author_from_the_activity_of_equal_text_closest_in_time() -> None:
    comments = mapping.comments_of(
        [said("c2", 60, "ok"), said("c1", 0, "ok"), said("c3", 600, "ok"), said("c4", 61, "no")],
        [
            noted(62, "ok ", "Berit"),
            noted(1, "ok", "Anne"),
            noted(60, "no", "Dag", action="UPDATED"),
            noted(900, "ok", "Late"),
        ],
        "Telenor",
    )
    assert [(one.id, one.author) for one in comments] == [
        ("c1", "Anne"),
        ("c2", "Berit"),
        ("c4", "Telenor"),
        ("c3", "Telenor"),
    ]
    assert {one.visibility for one in comments} == {Visibility.PUBLIC}


def test_one_activity_is_the_author_of_one_comment_only() -> None:
    comments = mapping.comments_of(
        [said("c1", 0, "ok"), said("c2", 1, "ok")], [noted(1, "ok", "Anne")], "Telenor"
    )
    assert [one.author for one in comments] == ["Telenor", "Anne"]


def test_a_comment_with_our_marker_matches_its_activity_and_shows_no_marker() -> None:
    body = f"hello\n[ref:{OTHER_KEY}]"
    (one,) = mapping.comments_of([said("c1", 0, body)], [noted(0, body, "syncd")], "Telenor")
    assert (one.body, one.keys, one.author) == ("hello", (OTHER_KEY,), "syncd")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Ola Nordman", "Ola Nordman"),
        ("Bjørn Ærlig Åse", "Bjorn Aerlig Ase"),
        ("a\r\nX-Evil: 1", "a X-Evil: 1"),
        ("日本", "syncd"),
        ("x" * 200, "x" * 80),
    ],
)
def test_a_user_name_in_a_header_is_plain(name: str, plain: str) -> None:
    assert mapping.header_name(name, 80) == plain


@given(st.text())
def test_a_user_name_in_a_header_is_always_sendable(name: str) -> None:
    plain = mapping.header_name(name, 80)
    assert plain.isascii()
    assert plain.isprintable()
    assert 0 < len(plain) <= 80
