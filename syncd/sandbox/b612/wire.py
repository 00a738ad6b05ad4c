"""Requests held against the document, and answers as it shows them (sections 2 to 5)."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from syncd.sandbox.b612.settings import (
    CLIENT_DETAILS,
    DETAILS,
    HOURS_LOG,
    LOCATION,
    B612SandboxSettings,
)
from syncd.sandbox.b612.state import Ticket
from syncd.sandbox.calls import Call

Json = dict[str, Any]


class Failure(Exception):
    """A request is refused; `rule` names what it broke, None where it broke nothing."""

    def __init__(self, status: int, message: str, rule: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.rule = rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A body as read: the thirteen elements it has, the number, and what was odd but harmless."""

    fields: dict[str, str]
    number: str
    notices: tuple[str, ...]


def login(call: Call, settings: B612SandboxSettings) -> None:
    """Check the login: HTTP Basic or the header `user` (section 2)."""
    whole = f"{settings.api_id}:{settings.api_key}"
    shown: list[str] = []
    scheme, _, coded = call.request.headers.get("Authorization", "").partition(" ")
    if settings.takes_basic and scheme.lower() == "basic":
        try:
            shown.append(base64.b64decode(coded, validate=True).decode())
        except (binascii.Error, UnicodeDecodeError):
            shown.append("")
    if settings.takes_user_header and "user" in call.request.headers:
        shown.append(call.request.headers["user"])
    if not shown:
        raise Failure(401, "no login", "section 2")
    if any(one != whole for one in shown):
        raise Failure(401, "the login is not known")
    if settings.api_key in call.request.path_qs:
        raise Failure(400, "the key stands in the URL", "section 2")


def asked_number(call: Call) -> str:
    """Return the number a GET asks for; it has nothing else, and no body (section 3)."""
    query = call.request.query
    if call.body:
        raise Failure(400, "a GET has no body", "section 3")
    strange = sorted(set(query) - {"ID"})
    if strange:
        raise Failure(400, f"no parameter {', '.join(strange)}", "section 3")
    if len(query.getall("ID", [])) != 1 or not query["ID"].strip():
        raise Failure(400, "ID is required", "section 3")
    return query["ID"]


def sent(call: Call, settings: B612SandboxSettings, *, needs_number: bool) -> Sent:
    """Read the body of a POST or PUT (sections 4 and 5)."""
    if call.request.query_string:
        raise Failure(400, "POST and PUT have no parameters", "section 4")
    ticket = _ticket(call)
    notices = [f"ticket.{name} is unknown" for name in ticket if name not in _PARTS]
    fields: dict[str, str] = {}
    for part, names in (("location", LOCATION), ("client_details", CLIENT_DETAILS)):
        block = _block(ticket, part)
        for name, value in block.items():
            if name not in names:
                notices.append(f"{part}.{name} is unknown")
            elif not isinstance(value, str):
                raise Failure(400, f"{part}.{name} is no string", "section 4")
            else:
                fields[name] = value
    details = _block(ticket, "b612_details")
    if not needs_number:
        notices += [f"b612_details.{name} cannot be written" for name in details]
        return Sent(fields=fields, number="", notices=tuple(notices))
    known = {"b612_ticket_number", "ticket_number"}
    notices += [f"b612_details.{name} cannot be written" for name in details if name not in known]
    return Sent(fields=fields, number=_number(details, settings), notices=tuple(notices))


_PARTS = ("b612_details", "client_details", "location")


def _ticket(call: Call) -> Json:
    if call.request.content_type != "application/json":
        raise Failure(415, f"content type {call.request.content_type}", "section 2")
    try:
        body = orjson.loads(call.body)
    except orjson.JSONDecodeError as error:
        raise Failure(400, "the body is not JSON", "section 4") from error
    if not isinstance(body, dict) or set(body) != {"ticket"}:
        raise Failure(400, "the body is not wrapped in ticket", "section 4")
    if not isinstance(body["ticket"], dict):
        raise Failure(400, "ticket is no object", "section 4")
    return body["ticket"]


def _block(ticket: Json, part: str) -> Json:
    block = ticket.get(part, {})
    if not isinstance(block, dict):
        raise Failure(400, f"{part} is no object", "section 4")
    return block


def _number(details: Json, settings: B612SandboxSettings) -> str:
    """Find which ticket a PUT means (section 5, B1)."""
    found = {str(details[key]) for key in settings.put_number_keys if details.get(key)}
    if not found:
        raise Failure(400, f"{' or '.join(settings.put_number_keys)} is required", "section 5")
    if len(found) > 1:
        raise Failure(400, f"two numbers: {', '.join(sorted(found))}", "section 5")
    return found.pop()


def view(ticket: Ticket | None, method: str, settings: B612SandboxSettings) -> Json:
    """Show a ticket as section 3 does; None shows the same keys with nothing in them."""
    fields: Mapping[str, str] = ticket.fields if ticket else {}
    details = {name: fields.get(name, "") for name in DETAILS}
    details[settings.number_key] = details.pop("b612_ticket_number")
    hours: Json = {name: fields.get(name, "") for name in HOURS_LOG}
    if settings.numeric_amounts:
        hours = {name: _amount(text) for name, text in hours.items()}
    whole = {
        "Method": method,
        "location": {name: fields.get(name, "") for name in LOCATION},
        "b612_details": details,
        "client_details": {name: fields.get(name, "") for name in CLIENT_DETAILS},
        "hours_log": hours,
    }
    return {"ticket": whole} if settings.is_wrapped else whole


def _amount(text: str) -> int | float | None:
    if not text:
        return None
    return float(text) if "." in text else int(text)
