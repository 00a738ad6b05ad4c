"""What the document asks of bodies (section 3)."""

from collections.abc import Mapping
from typing import Any

import orjson

from syncd.sandbox.calls import Call
from syncd.sandbox.sipsynergy.errors import Refusal
from syncd.sandbox.sipsynergy.model import CREATE_FIELDS, REQUIRED_FIELDS
from syncd.sandbox.sipsynergy.settings import SipSynergySandboxSettings

ATTRIBUTES = ("mainEmail", "phoneNumber", "preferredContactMethod")
USER_TEXTS = ("email", "name")
USER_FLAGS = ("admin", "agent")


def json_object(call: Call) -> dict[str, Any]:
    """Return the body, which must be a JSON object."""
    if call.request.content_type != "application/json":
        raise Refusal(400, f"content type {call.request.content_type}", "introduction")
    try:
        body = orjson.loads(call.body)
    except orjson.JSONDecodeError as err:
        raise Refusal(400, "the body is not JSON", "introduction") from err
    if not isinstance(body, dict):
        raise Refusal(422, "the body is not an object", "section 3")
    return body


def ticket_body(
    body: dict[str, Any], settings: SipSynergySandboxSettings, *, is_create: bool
) -> tuple[dict[str, str], dict[str, str]]:
    """Check a Ticket Create; return its fields and its attributes (S5, S6, S9)."""
    rule = "section 3, Ticket Create"
    fields: dict[str, str] = {}
    for name, value in body.items():
        if name == "attributes" and is_create:
            continue
        if name not in CREATE_FIELDS:
            raise Refusal(422, f"{name} cannot be written here", rule)
        fields[name] = _text(name, value, rule)
    for name in REQUIRED_FIELDS:
        if not fields.get(name, "").strip():
            raise Refusal(422, f"{name} is required", rule)
    _longest("title", fields, settings.title_max_chars)
    _longest("description", fields, settings.description_max_chars)
    accepted = settings.organisations
    if accepted and fields["organisationHumanId"] not in accepted:
        raise Refusal(403, f"no access to {fields['organisationHumanId']}")
    return fields, _attributes(body, settings) if is_create else {}


def comment_body(
    body: dict[str, Any], ticket: str, settings: SipSynergySandboxSettings
) -> tuple[str, str]:
    """Check a Comment Create (S4); return its text and its user."""
    rule = "section 3, Comment Create"
    for name in body:
        if name not in ("ticketId", "description", "userHumanId"):
            raise Refusal(422, f"{name} cannot be written here", rule)
    texts = {
        name: _text(name, body.get(name, ""), rule)
        for name in ("ticketId", "description", "userHumanId")
    }
    for name, text in texts.items():
        if not text.strip():
            raise Refusal(422, f"{name} is required", rule)
    if texts["ticketId"] != ticket:
        raise Refusal(422, "ticketId is not the path's", "S4")
    _longest("description", texts, settings.comment_max_chars)
    return texts["description"], texts["userHumanId"]


def user_body(body: dict[str, Any], *, is_create: bool) -> dict[str, Any]:
    """Check a User Create or a User Update (S10)."""
    rule = "section 3, User Base"
    own = ("humanId", "organisationId") if is_create else ()
    for name, value in body.items():
        if name in USER_FLAGS:
            if not isinstance(value, bool):
                raise Refusal(422, f"{name} is no boolean", rule)
        elif name == "phoneNumber":
            if not isinstance(value, int | str):
                raise Refusal(422, "phoneNumber", rule)
        elif name in (*USER_TEXTS, *own):
            _text(name, value, rule)
        else:
            raise Refusal(422, f"{name} cannot be written here", rule)
    for name in USER_TEXTS:
        if not body.get(name):
            raise Refusal(422, f"{name} is required", rule)
    return body


def _attributes(body: Mapping[str, Any], settings: SipSynergySandboxSettings) -> dict[str, str]:
    """Check Ticket Attributes Create (S5, S21)."""
    rule = "section 3, Ticket Attributes Create"
    if "attributes" not in body:
        if settings.attributes == "required":
            raise Refusal(422, "attributes are required")
        return {}
    given = body["attributes"]
    if settings.attributes == "refused":
        raise Refusal(422, "attributes cannot be written here")
    if not isinstance(given, dict):
        raise Refusal(422, "attributes is no object", rule)
    if not given.get("preferredContactMethod"):
        raise Refusal(422, "preferredContactMethod is required", rule)
    found: dict[str, str] = {}
    for name, value in given.items():
        if name in ATTRIBUTES:
            found[name] = _text(name, value, rule)
        elif name == "additionalEmails":
            if not isinstance(value, list):
                raise Refusal(422, "additionalEmails is no array", rule)
            found[name] = ", ".join(_text(name, one, rule) for one in value)
        else:
            raise Refusal(422, f"attributes.{name} cannot be written here", rule)
    return found


def _text(name: str, value: Any, rule: str) -> str:
    if not isinstance(value, str):
        raise Refusal(422, f"{name} is no string", rule)
    return value


def _longest(name: str, fields: Mapping[str, str], longest: int) -> None:
    if len(fields.get(name, "")) > longest:
        raise Refusal(422, f"{name} exceeds {longest} characters")
