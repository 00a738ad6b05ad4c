"""Values come back from their text as they were, and equal tickets have equal digests."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from syncd.core.state import SlotMove
from syncd.model.ids import (
    AttachmentId,
    CommentId,
    OperationKey,
    Side,
    TicketId,
)
from syncd.model.operation import AttachmentDraft, CommentDraft
from syncd.model.ticket import (
    MISSING,
    Attachment,
    Comment,
    CommentKind,
    Ticket,
    Visibility,
)
from syncd.store import codec
from syncd.store.types import from_micros, to_micros

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.one_of(
    texts,
    st.integers(-(2**53), 2**53),
    st.booleans(),
    st.none(),
    st.dictionaries(texts, texts, max_size=3),
)
instants = st.datetimes(
    datetime(1971, 1, 1),  # noqa: DTZ001 - hypothesis wants bounds without a zone
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
maybe = st.none() | instants
keys = st.lists(texts.map(OperationKey), max_size=2).map(tuple)
comments = st.builds(
    Comment,
    id=texts.map(CommentId),
    body=texts,
    author=texts,
    created_at=maybe,
    visibility=st.sampled_from(Visibility),
    kind=st.sampled_from(CommentKind),
    keys=keys,
)
attachments = st.builds(
    Attachment,
    id=texts.map(AttachmentId),
    name=texts,
    size_bytes=st.none() | st.integers(0, 2**40),
    content_type=texts,
    created_at=maybe,
    author=texts,
)
tickets = st.builds(
    Ticket,
    id=texts.map(TicketId),
    number=texts,
    kind=texts,
    fields=st.dictionaries(texts, values, max_size=4),
    comments=st.lists(comments, max_size=2).map(tuple),
    attachments=st.lists(attachments, max_size=2).map(tuple),
    created_at=maybe,
    updated_at=maybe,
    keys=keys,
)
moves = st.builds(
    SlotMove,
    source=st.sampled_from(Side),
    source_value=values,
    target_value=values | st.just(MISSING),
    overruled=values | st.just(MISSING),
)


@given(tickets)
def test_a_ticket_comes_back_as_it_was(ticket: Ticket) -> None:
    assert codec.decode_ticket(codec.encode_ticket(ticket)[0]) == ticket


@given(tickets, tickets)
def test_digests_are_equal_exactly_when_tickets_are(one: Ticket, other: Ticket) -> None:
    same_text, same_digest = (
        a == b for a, b in zip(codec.encode_ticket(one), codec.encode_ticket(other), strict=True)
    )
    assert same_text is same_digest
    if one == other:
        assert codec.encode_ticket(one)[0] == codec.encode_ticket(other)[0] or _has_bool(one)


def _has_bool(ticket: Ticket) -> bool:
    # Python calls True and 1 equal; they are different values of a field.
    return any(value in (True, False, 0, 1) for value in ticket.fields.values())


def test_the_order_of_fields_does_not_matter() -> None:
    def made(fields: dict[str, str]) -> Ticket:
        return Ticket(id=TicketId("a"), number="A", kind="k", fields=fields)

    one = codec.encode_ticket(made({"a": "1", "b": "2"}))
    assert one == codec.encode_ticket(made({"b": "2", "a": "1"}))
    assert len(one[1]) == codec.DIGEST_BYTES


@given(st.dictionaries(texts, moves, max_size=3))
def test_slots_come_back_as_they_were(slots: dict[str, SlotMove]) -> None:
    assert codec.load_slots(codec.dump_slots(slots)) == slots


def test_a_payload_comes_back_as_it_was() -> None:
    comment = CommentDraft(body="b", author="a", kind=CommentKind.WORK_NOTE)
    file = AttachmentDraft(source_id=AttachmentId("x"), name="n", content_type="t", size_bytes=0)
    fields = {"title": None, "contact": {"name": "Kari"}}
    assert codec.load_payload(codec.dump_payload(fields, comment, file)) == (fields, comment, file)
    assert codec.load_payload(codec.dump_payload({}, None, None)) == ({}, None, None)


@given(instants)
def test_instants_are_exact(at: datetime) -> None:
    assert from_micros(to_micros(at)) == at
