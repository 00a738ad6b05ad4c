"""What the document asks of queries and bodies (sections 3, 5 and 8)."""

from collections.abc import Collection
from typing import Any

import orjson
from multidict import MultiMapping

from syncd.sandbox.calls import Call
from syncd.sandbox.digital_realty.errors import Refusal
from syncd.sandbox.digital_realty.model import FIELDS
from syncd.sandbox.digital_realty.settings import (
    CANCEL_REASON,
    CANCEL_REASONS,
    STATUSES,
    DigitalRealtySandboxSettings,
)

MANDATORY = ("title", "site", "requestType", "category", "description")
UPDATED = ("customerReference", "notificationRecipients")
UPDATED_PERHAPS = ("title", "description")
FILTERS = frozenset({"site", "status", "requestType", "category", "createdBy"})
PAGING = frozenset({"size", "page"})

SITE_MAX_CHARS = 6
NAME_MAX_CHARS = 40
ID_MAX_CHARS = 20
PAGE_SIZE = 25


def check_names(query: MultiMapping[str], known: frozenset[str]) -> None:
    """Refuse parameters the call does not have, and any given twice."""
    for name in query:
        if name not in known:
            raise Refusal(400, f"unknown query parameter {name}", "section 4")
        if len(query.getall(name)) > 1:
            raise Refusal(400, f"{name} was given twice", "section 5.2")


def filters(query: MultiMapping[str], settings: DigitalRealtySandboxSettings) -> dict[str, str]:
    """Return the filters given, each in the exact spelling of the document (D5)."""
    given = {name: query[name] for name in FILTERS if name in query}
    _check_one_of("status", given.get("status"), STATUSES, "section 5.2")
    _check_one_of("requestType", given.get("requestType"), settings.categories, "section 6")
    every = [name for names in settings.categories.values() for name in names]
    _check_one_of("category", given.get("category"), every, "section 6")
    _check_length("site", given.get("site", ""), SITE_MAX_CHARS)
    _check_length("createdBy", given.get("createdBy", ""), NAME_MAX_CHARS)
    return given


def paging(query: MultiMapping[str], settings: DigitalRealtySandboxSettings) -> tuple[int, int]:
    """Return size and page, the document's defaults where not given."""
    size, page = _whole(query, "size", PAGE_SIZE), _whole(query, "page", 0)
    if size < 1:
        raise Refusal(400, "size must be at least 1", "section 5.2")
    return min(size, settings.page_size_max or size), page


def request_type(query: MultiMapping[str], settings: DigitalRealtySandboxSettings) -> str | None:
    """Return the `requestType` of the categories call (section 5.6, D3)."""
    given = query.get("requestType")
    if given is None and settings.categories_need_type:
        raise Refusal(400, "requestType is mandatory", "section 5.6")
    _check_one_of("requestType", given, settings.categories, "section 6")
    return given


def json_object(call: Call) -> dict[str, Any]:
    """Return the body, a JSON object of the content type the document asks for."""
    if call.request.content_type != "application/json":
        raise Refusal(415, f"content type {call.request.content_type}", "section 2")
    try:
        body = orjson.loads(call.body)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, "the body is not JSON", "section 5") from error
    if not isinstance(body, dict):
        raise Refusal(400, "the body is no object", "section 5")
    return body


def create_body(body: dict[str, Any], settings: DigitalRealtySandboxSettings) -> dict[str, str]:
    """Check the body of a create (section 5.3)."""
    fields = _texts(body, FIELDS, settings, "section 5.3")
    for name in MANDATORY:
        if not fields.get(name, "").strip():
            raise Refusal(400, f"{name} is mandatory", "section 5.3")
    kind, category = fields["requestType"], fields["category"]
    _check_one_of("requestType", kind, settings.categories, "section 6")
    if category not in settings.categories[kind]:
        raise Refusal(400, f"category {category} is not part of {kind}", "section 5.3")
    if settings.check_sites and fields["site"] not in {each.code for each in settings.sites}:
        raise Refusal(400, f"site {fields['site']} does not exist")
    return fields


def update_body(body: dict[str, Any], settings: DigitalRealtySandboxSettings) -> dict[str, str]:
    """Check the body of an update (section 5.4, D2)."""
    fields = _texts(body, (*UPDATED, *UPDATED_PERHAPS), settings, "section 5.4")
    if not fields:
        raise Refusal(400, "nothing to change", "section 5.4")
    for name in UPDATED_PERHAPS:
        if name in fields and settings.put_extra == "refuse":
            raise Refusal(400, f"{name} cannot be changed", "section 5.4")
        if settings.put_extra == "ignore":
            fields.pop(name, None)
    return fields


def cancel_body(body: dict[str, Any]) -> str:
    """Check the body of a cancel (section 5.5)."""
    _only(body, ("cancelReason",), "section 5.5")
    reason = body.get("cancelReason", CANCEL_REASON)
    _check_one_of("cancelReason", reason, CANCEL_REASONS, "section 5.5")
    return str(reason)


def comment_body(body: dict[str, Any], settings: DigitalRealtySandboxSettings) -> tuple[str, str]:
    """Check the body of a comment; return the order's id and the text (section 8)."""
    _only(body, ("requestId", "comment"), "section 8")
    order_id, text = body.get("requestId"), body.get("comment")
    if not isinstance(order_id, str) or not order_id:
        raise Refusal(400, "requestId is mandatory", "section 8")
    _check_length("requestId", order_id, ID_MAX_CHARS)
    if not isinstance(text, str) or not text.strip():
        raise Refusal(400, "comment is mandatory", "section 8")
    _check_length("comment", text, settings.comment_max_chars, in_bytes=True)
    return order_id, text


def _texts(
    body: dict[str, Any],
    names: Collection[str],
    settings: DigitalRealtySandboxSettings,
    rule: str,
) -> dict[str, str]:
    _only(body, names, rule)
    longest = {
        "title": settings.title_max_chars,
        "site": SITE_MAX_CHARS,
        "location": settings.location_max_chars,
        "customerReference": settings.reference_max_chars,
        "description": settings.text_max_chars,
        "notificationRecipients": settings.text_max_chars,
    }
    for name, value in body.items():
        if not isinstance(value, str):
            raise Refusal(400, f"{name} is no string", rule)
        in_bytes = name in ("description", "notificationRecipients")
        _check_length(name, value, longest.get(name, NAME_MAX_CHARS), in_bytes=in_bytes)
    return {name: str(value) for name, value in body.items()}


def _only(body: dict[str, Any], names: Collection[str], rule: str) -> None:
    for name in body:
        if name not in names:
            raise Refusal(400, f"{name} cannot be written here", rule)


def _check_one_of(name: str, value: Any, accepted: Collection[str], rule: str) -> None:
    if value is not None and value not in accepted:
        raise Refusal(400, f"{name} {value} is none of {', '.join(accepted)}", rule)


def _check_length(name: str, value: str, longest: int, *, in_bytes: bool = False) -> None:
    # D10: whether the document's 32k and 4k count characters or bytes is open; both hold here.
    length = len(value.encode()) if in_bytes else len(value)
    if length > longest:
        raise Refusal(400, f"{name} exceeds {longest}", "section 3")


def _whole(query: MultiMapping[str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit():
        raise Refusal(400, f"{name} {text} is no number", "section 5.2")
    return int(text)
