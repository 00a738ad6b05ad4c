"""Reading the contract's requests (sections 1 and 5); every failure is a `Failure`."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from syncd.sandbox.calls import Call

OFFSET = re.compile(r"(?:UTC|GMT)?\s*(?:Z|[+-]\d{2}(?::?\d{2})?)?", re.IGNORECASE)
QUERY_NAMES = frozenset({"ticketNumber", "ticketFields", "itsmTimeZoneOffset"})
TOP_LEVEL: Mapping[str, frozenset[str]] = {
    "create": frozenset({"connectionDetails", "ticketJSON", "ticketFields", "itsmTimeZoneOffset"}),
    "update": frozenset(
        {"sysId", "connectionDetails", "ticketFields", "ticketJSON", "itsmTimeZoneOffset"}
    ),
    "details": frozenset(
        {"ticketNumber", "connectionDetails", "ticketFields", "itsmTimeZoneOffset"}
    ),
}


class Failure(Exception):
    """A call fails with this `statusCode`; `http` is the HTTP status where it is not 200.

    `rule` names the section a request broke; None when the client could not know.
    """

    def __init__(
        self, code: str, message: str, *, rule: str | None = None, http: int = 200
    ) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.rule = rule
        self.http = http


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request of the contract, checked; `notices` are breaches that are not refused."""

    key: str
    ticket_json: dict[str, str]
    names: list[str]
    notices: tuple[str, ...]


def read(call: Call, kind: str) -> Asked:
    """Read the body of `create`, `update` or `details`.

    Raises:
        Failure: the request is malformed.
    """
    body = _body(call)
    if kind == "details":
        body = _with_query(call, body)
    elif call.request.query:
        raise Failure("400", "no query parameters here", rule="section 1")
    notices = [f"unknown key {name}" for name in body if name not in TOP_LEVEL[kind]]
    notices += _connection_notices(body.get("connectionDetails", {}))
    offset = body.get("itsmTimeZoneOffset", "")
    if not isinstance(offset, str):
        raise Failure("400", "itsmTimeZoneOffset is no string", rule="section 1")
    if not OFFSET.fullmatch(offset.strip()):
        notices.append(f"itsmTimeZoneOffset {offset} (O10)")
    key_name = {"update": "sysId", "details": "ticketNumber"}.get(kind)
    key = body.get(key_name, "") if key_name else ""
    if key_name and (not isinstance(key, str) or not key):
        raise Failure("400", f"{key_name} is missing", rule="section 1")
    return Asked(
        key=key,
        ticket_json=_ticket_json(body) if kind != "details" else {},
        names=_names(body.get("ticketFields", [])),
        notices=tuple(notices),
    )


def _body(call: Call) -> dict[str, Any]:
    is_get = call.request.method == "GET"
    if not call.body and is_get:
        return {}
    content_type = call.request.headers.get("Content-Type", "")
    if "json" not in call.request.content_type and not (is_get and not content_type):
        raise Failure("400", f"content type {content_type}", rule="O12", http=400)
    try:
        body = orjson.loads(call.body)
    except orjson.JSONDecodeError as error:
        raise Failure("400", "the body is not JSON", rule="O3", http=400) from error
    if not isinstance(body, dict):
        raise Failure("400", "the body is not an object", rule="section 1", http=400)
    return body


def _with_query(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Take what the query says too; it must not disagree, nor hold secrets (O1)."""
    query = call.request.query
    for name in query:
        if name not in QUERY_NAMES:
            raise Failure("400", f"{name} is not accepted in the query", rule="O1")
    asked: dict[str, Any] = {name: query[name] for name in query if name != "ticketFields"}
    if "ticketFields" in query:
        asked["ticketFields"] = [
            name for value in query.getall("ticketFields") for name in value.split(",")
        ]
    for name, value in asked.items():
        if body.get(name, value) != value:
            raise Failure("400", f"body and query disagree on {name}", rule="O1")
    return asked | body


def _names(names: Any) -> list[str]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Failure("400", "ticketFields is no list of strings", rule="O5")
    return list(dict.fromkeys(names)) or ["sysId", "ticketNumber"]


def _ticket_json(body: dict[str, Any]) -> dict[str, str]:
    given = body.get("ticketJSON")
    if not isinstance(given, dict):
        raise Failure("400", "ticketJSON is missing", rule="section 1")
    texts = {}
    for name, value in given.items():
        if not isinstance(value, str | int | float):
            raise Failure("400", f"ticketJSON.{name} is no plain value", rule="O8")
        texts[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return texts


def _connection_notices(details: Any) -> list[str]:
    if not isinstance(details, dict):
        raise Failure("400", "connectionDetails is no object", rule="section 1")
    return [
        f"connectionDetails.{name} is not base64 (section 6)"
        for name, value in details.items()
        if name != "itsmVersion" and not _is_base64(value)
    ]


def _is_base64(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    padded = value.replace("-", "+").replace("_", "/") + "=" * (-len(value) % 4)
    try:
        base64.b64decode(padded, validate=True)
    except binascii.Error:
        return False
    return True
