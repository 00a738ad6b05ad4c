"""Values to JSON text and back: tickets with their digest, payloads of operations, receipts.

A ticket's encoding is canonical: keys sorted, defaults left out, instants as microseconds. Equal
tickets therefore have equal bytes, and their digest is compared instead of their content.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, cast

import orjson

from syncd.core.state import ItemKind, SlotMove
from syncd.model.ids import AttachmentId, CommentId, OperationKey, Side, TicketId
from syncd.model.operation import AttachmentDraft, CommentDraft, Receipt
from syncd.model.ticket import (
    MISSING,
    Attachment,
    Comment,
    CommentKind,
    Missing,
    Ticket,
    Value,
    Visibility,
)
from syncd.store.types import from_micros, to_micros

DIGEST_BYTES = 16
LATELY_MAX = 64
"""Tickets kept at hand after they were decoded."""
LATELY_CHARS_MAX = 16_384
"""Longest of them, so that all of them together stay small."""

Json = dict[str, Any]
Item = tuple[ItemKind, Side, str]


def dump(value: object) -> str:
    """Give a JSON-able value as canonical text."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=_plain).decode()


def load(text: str) -> Any:
    """Read what `dump` wrote."""
    return orjson.loads(text)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not stored as JSON")


def dump_optional(value: Value | Missing) -> str | None:
    """Give a value as text, MISSING as None (an SQL NULL)."""
    return None if isinstance(value, Missing) else dump(value)


def load_optional(text: str | None) -> Value | Missing:
    """Read what `dump_optional` wrote."""
    return MISSING if text is None else cast(Value, load(text))


# --- tickets ---------------------------------------------------------------------------------


def encode_ticket(ticket: Ticket) -> tuple[str, bytes]:
    """Give a ticket's canonical text and its 16-byte digest."""
    raw = orjson.dumps(_ticket(ticket), option=orjson.OPT_SORT_KEYS, default=_plain)
    return raw.decode(), blake2b(raw, digest_size=DIGEST_BYTES).digest()


def decode_ticket(text: str) -> Ticket:
    """Read a ticket's canonical text.

    One decision asks for the same ticket more than once; what was read lately is at hand.
    """
    return _read_lately(text) if len(text) <= LATELY_CHARS_MAX else _read_ticket(text)


def _read_ticket(text: str) -> Ticket:
    raw = load(text)
    return Ticket(
        id=TicketId(raw["id"]),
        number=raw["number"],
        kind=raw["kind"],
        fields=raw["fields"],
        comments=tuple(_read_comment(item) for item in raw.get("comments", ())),
        attachments=tuple(_read_attachment(item) for item in raw.get("attachments", ())),
        created_at=_instant(raw.get("created_at")),
        updated_at=_instant(raw.get("updated_at")),
        keys=_keys(raw),
    )


_read_lately = lru_cache(LATELY_MAX)(_read_ticket)


def _ticket(ticket: Ticket) -> Json:
    raw: Json = {
        "id": ticket.id,
        "number": ticket.number,
        "kind": ticket.kind,
        "fields": dict(ticket.fields),
    }
    if ticket.comments:
        raw["comments"] = [_comment(comment) for comment in ticket.comments]
    if ticket.attachments:
        raw["attachments"] = [_attachment(attachment) for attachment in ticket.attachments]
    if ticket.created_at is not None:
        raw["created_at"] = to_micros(ticket.created_at)
    if ticket.updated_at is not None:
        raw["updated_at"] = to_micros(ticket.updated_at)
    if ticket.keys:
        raw["keys"] = list(ticket.keys)
    return raw


def _comment(comment: Comment) -> Json:
    raw: Json = {"id": comment.id, "body": comment.body}
    if comment.author:
        raw["author"] = comment.author
    if comment.created_at is not None:
        raw["created_at"] = to_micros(comment.created_at)
    if comment.visibility is not Visibility.UNKNOWN:
        raw["visibility"] = comment.visibility
    if comment.kind is not CommentKind.COMMENT:
        raw["kind"] = comment.kind
    if comment.keys:
        raw["keys"] = list(comment.keys)
    return raw


def _read_comment(raw: Json) -> Comment:
    return Comment(
        id=CommentId(raw["id"]),
        body=raw["body"],
        author=raw.get("author", ""),
        created_at=_instant(raw.get("created_at")),
        visibility=Visibility(raw.get("visibility", Visibility.UNKNOWN)),
        kind=CommentKind(raw.get("kind", CommentKind.COMMENT)),
        keys=_keys(raw),
    )


def _attachment(attachment: Attachment) -> Json:
    raw: Json = {
        "id": attachment.id,
        "name": attachment.name,
        "content_type": attachment.content_type,
    }
    if attachment.size_bytes is not None:
        raw["size_bytes"] = attachment.size_bytes
    if attachment.created_at is not None:
        raw["created_at"] = to_micros(attachment.created_at)
    if attachment.author:
        raw["author"] = attachment.author
    return raw


def _read_attachment(raw: Json) -> Attachment:
    return Attachment(
        id=AttachmentId(raw["id"]),
        name=raw["name"],
        size_bytes=raw.get("size_bytes"),
        content_type=raw["content_type"],
        created_at=_instant(raw.get("created_at")),
        author=raw.get("author", ""),
    )


def _keys(raw: Json) -> tuple[OperationKey, ...]:
    return tuple(OperationKey(key) for key in raw.get("keys", ()))


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


# --- operations ------------------------------------------------------------------------------


def dump_payload(
    fields: Mapping[str, Value], comment: CommentDraft | None, attachment: AttachmentDraft | None
) -> str:
    """Give what an operation writes as text."""
    raw: Json = {}
    if fields:
        raw["fields"] = dict(fields)
    if comment is not None:
        raw["comment"] = {"body": comment.body, "author": comment.author, "kind": comment.kind}
    if attachment is not None:
        raw["attachment"] = {
            "source_id": attachment.source_id,
            "name": attachment.name,
            "content_type": attachment.content_type,
            "size_bytes": attachment.size_bytes,
            "digest": attachment.digest,
        }
    return dump(raw)


def load_payload(
    text: str,
) -> tuple[dict[str, Value], CommentDraft | None, AttachmentDraft | None]:
    """Read what `dump_payload` wrote."""
    raw = load(text)
    comment, attachment = raw.get("comment"), raw.get("attachment")
    return (
        raw.get("fields", {}),
        comment
        and CommentDraft(
            body=comment["body"], author=comment["author"], kind=CommentKind(comment["kind"])
        ),
        attachment and AttachmentDraft(**attachment),
    )


def dump_slots(slots: Mapping[str, SlotMove]) -> str:
    """Give the baselines that move with an operation as text."""
    return dump({slot: _slot(move) for slot, move in slots.items()})


def _slot(move: SlotMove) -> Json:
    raw: Json = {"source": move.source, "source_value": move.source_value}
    for name in ("target_value", "overruled"):
        if not isinstance(value := getattr(move, name), Missing):
            raw[name] = value
    return raw


def load_slots(text: str) -> dict[str, SlotMove]:
    """Read what `dump_slots` wrote."""
    return {
        slot: SlotMove(
            source=Side(raw["source"]),
            source_value=raw["source_value"],
            target_value=raw.get("target_value", MISSING),
            overruled=raw.get("overruled", MISSING),
        )
        for slot, raw in load(text).items()
    }


def dump_receipt(receipt: Receipt) -> str:
    """Give a receipt as text, for the operator."""
    raw: Json = {"ticket_id": receipt.ticket_id}
    for name in ("ticket_number", "comment_id", "attachment_id", "request_id"):
        if value := getattr(receipt, name):
            raw[name] = value
    if receipt.fields:
        raw["fields"] = dict(receipt.fields)
    return dump(raw)
