"""The OpenAPI 3.1 description of one connection's calls, made from what it offers."""

from collections.abc import Mapping
from typing import Any

from syncd.gateway.served.contract import LISTS, NAME_CHARS_MAX, TEXT_NAMES
from syncd.ports.offer import Offer

_Json = dict[str, Any]

_TIMES = frozenset(name for name in TEXT_NAMES if name.endswith("Time"))
_SECONDS = frozenset({"ticketBusinessDuration", "ticketBusinessTimeLeft"})
_TIME = r"^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6})?$"
"""Six digits, no zone; empty where it does not apply (§3, O6)."""

_REFUSALS = {
    "400": "Not a request of this contract; nothing was changed.",
    "401": "No bearer token, or one that is not accepted.",
    "403": "The token's holder may not call.",
    "404": "There is no such path, ticket or attachment.",
    "405": "The path takes another method.",
    "408": "The body did not come in time.",
    "409": "The Idempotency-Key belongs to another request, or there is no room.",
    "413": "The body is larger than allowed.",
    "415": "The body is not JSON, or compressed.",
    "429": "Too many requests; Retry-After says when.",
    "503": "Nothing was stored, or nobody can tell who calls; ask again with the same key.",
}


def document(offer: Offer) -> _Json:
    """Describe a connection's calls.

    Args:
        offer: what it offers.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "syncd: ITSM integration for SmartOps",
            "version": "1",
            "description": (
                "Three calls of the SmartOps contract, and attachments as an extension of syncd's"
                " own. The outcome of a call stands in `statusCode`: a string, `200` for success."
                " HTTP statuses tell about the request itself."
            ),
        },
        "servers": [{"url": offer.prefix}],
        "security": [{"keycloak": []}],
        "paths": {
            offer.create_path: {"post": _create()},
            offer.update_path: {"post": _update()},
            offer.details_path: {"get": _details_get(), "post": _details_post()},
            "/itsm/attachments/{sysId}": {
                "parameters": [_in_path("sysId")],
                "get": _list_files(),
                "post": _add_file(offer),
            },
            "/itsm/attachments/{sysId}/{id}": {
                "parameters": [_in_path("sysId"), _in_path("id")],
                "get": _get_file(),
            },
        },
        "components": {
            "securitySchemes": {
                "keycloak": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token of a configured realm, or an offline token.",
                }
            },
            "schemas": _schemas(offer),
            "responses": {
                f"R{status}": _json_answer(text, "Envelope") for status, text in _REFUSALS.items()
            },
        },
    }


# --- calls ---------------------------------------------------------------------------------------


def _create() -> _Json:
    return {
        "operationId": "createTicket",
        "summary": "Create a ticket",
        "description": (
            "Answered once the ticket is stored for good. With an `Idempotency-Key` a repetition,"
            " even while the first is under way or after a crash, answers the same ticket."
        ),
        "parameters": [_KEY],
        "requestBody": _json_body("CreateRequest"),
        "responses": _answers("Envelope"),
    }


def _update() -> _Json:
    return {
        "operationId": "updateTicket",
        "summary": "Update a ticket",
        "description": (
            "Only the keys in `ticketJSON` change; an empty text leaves unchanged unless the key"
            " is clearable; note keys add a note."
        ),
        "parameters": [_KEY],
        "requestBody": _json_body("UpdateRequest"),
        "responses": _answers("Envelope"),
    }


def _details_get() -> _Json:
    return {
        "operationId": "fetchTicket",
        "summary": "Fetch a ticket's details",
        "description": (
            "A GET with a JSON body, as the contract has it; the same may stand in the query, and"
            " POST takes the same body. Body and query must agree."
        ),
        "parameters": [
            _in_query("ticketNumber", {"type": "string", "maxLength": NAME_CHARS_MAX}),
            _in_query("ticketFields", {"type": "array", "items": {"$ref": _ref("FieldName")}}),
            _in_query("itsmTimeZoneOffset", {"type": "string", "maxLength": NAME_CHARS_MAX}),
        ],
        "requestBody": _json_body("DetailsRequest", required=False),
        "responses": _answers("Envelope"),
    }


def _details_post() -> _Json:
    whole = _details_get()
    return whole | {
        "operationId": "fetchTicketByPost",
        "requestBody": _json_body("DetailsRequest", required=True),
    }


def _list_files() -> _Json:
    return {
        "operationId": "listAttachments",
        "summary": "List a ticket's attachments (extension of syncd)",
        "x-syncd-extension": True,
        "responses": _answers("AttachmentsEnvelope"),
    }


def _add_file(offer: Offer) -> _Json:
    name = {"type": "string", "minLength": 1, "maxLength": 255}
    return {
        "operationId": "addAttachment",
        "summary": "Add an attachment (extension of syncd)",
        "description": f"The bytes are the body, at most {offer.limits.file_bytes}.",
        "x-syncd-extension": True,
        "parameters": [_KEY, _in_query("name", name) | {"required": True}],
        "requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {}}}},
        "responses": _answers("AttachmentsEnvelope"),
    }


def _get_file() -> _Json:
    answers = _answers("Envelope")
    answers["200"] = {
        "description": "The bytes, under the content type they came with.",
        "content": {"*/*": {"schema": {}}},
    }
    return {
        "operationId": "getAttachment",
        "summary": "Give an attachment's bytes (extension of syncd)",
        "x-syncd-extension": True,
        "responses": answers,
    }


# --- schemas -------------------------------------------------------------------------------------


def _schemas(offer: Offer) -> _Json:
    values = {
        **{name: _value(name) for name in TEXT_NAMES},
        **{name: {"type": "array", "items": _note(stem)} for name, (_, stem) in LISTS.items()},
        **{name: {"type": "string"} for name in sorted({*offer.readable, *offer.keys})
           if name not in TEXT_NAMES},
    }  # fmt: skip
    envelope = {
        "statusCode": {"type": "string", "pattern": r"^\d{3}$", "description": "200 is success"},
        "statusMessage": {"type": "string"},
        "ticketDetails": {"$ref": _ref("TicketDetails")},
    }
    return {
        "FieldName": {
            "type": "string",
            "maxLength": NAME_CHARS_MAX,
            "pattern": r"^[^\u0000,]*$",
            "description": "One of the 25 of the contract or the template's own; others are empty.",
            "examples": ["ticketStatus"],
        },
        "CreateRequest": _request({"ticketJSON": _ticket_json(offer, 1)}, "ticketJSON"),
        "UpdateRequest": _request(
            {"sysId": _ID, "ticketJSON": _ticket_json(offer, 0)}, "sysId", "ticketJSON"
        ),
        "DetailsRequest": _request({"ticketNumber": _ID}, "ticketNumber"),
        "TicketDetails": {
            "type": "object",
            "description": "Exactly the names asked for; empty after a failure.",
            "properties": values,
            "additionalProperties": {"const": ""},
        },
        "Envelope": _object(envelope, *envelope),
        "Attachment": _object(_ATTACHMENT, *_ATTACHMENT),
        "AttachmentsEnvelope": _object(
            {**envelope, "attachments": {"type": "array", "items": {"$ref": _ref("Attachment")}}},
            *envelope,
        ),
    }


_ID: _Json = {
    "type": "string",
    "minLength": 1,
    "maxLength": NAME_CHARS_MAX,
    "pattern": r"^[^\u0000]*$",
}
_ATTACHMENT: _Json = {
    "id": {"type": "string"},
    "name": {"type": "string"},
    "contentType": {"type": "string"},
    "size": {"type": "integer", "minimum": 0},
    "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    "addedBy": {"type": "string"},
    "addedTime": {"type": "string", "pattern": _TIME},
}
_KEY: _Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Tells a repetition from another request.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def _request(own: _Json, *required: str) -> _Json:
    shared: _Json = {
        "connectionDetails": {
            "type": "object",
            "description": "Accepted and ignored: it chooses neither host nor credential.",
        },
        "ticketFields": {"type": "array", "items": {"$ref": _ref("FieldName")}, "maxItems": 200},
        "itsmTimeZoneOffset": {
            "type": "string",
            "maxLength": NAME_CHARS_MAX,
            "pattern": r"^[^\u0000]*$",
            "examples": ["+05:30", "UTC", ""],
        },
    }
    return _object({**own, **shared}, *required)


def _ticket_json(offer: Offer, least: int) -> _Json:
    written = {"type": ["string", "number", "boolean", "null"]}
    notes = {
        "description": "A note, or several.",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
    }
    return {
        "type": "object",
        "minProperties": least,
        "maxProperties": offer.limits.keys,
        "properties": {
            **dict.fromkeys(sorted(offer.keys), written),
            **dict.fromkeys(sorted(offer.note_keys), notes),
        },
        "additionalProperties": not offer.rejects_unknown,
    }


def _value(name: str) -> _Json:
    if name in _TIMES:
        return {"type": "string", "pattern": _TIME}
    if name in _SECONDS:
        return {"type": "string", "pattern": r"^(-?\d+)?$"}
    return {"type": "string"}


def _note(stem: str) -> _Json:
    parts = {
        f"{stem}By": {"type": "string"},
        f"{stem}Time": {"type": "string", "pattern": _TIME},
        stem: {"type": "string"},
    }
    return _object(parts, *parts)


def _object(properties: Mapping[str, Any], *required: str) -> _Json:
    made: _Json = {"type": "object", "properties": dict(properties)}
    return made | ({"required": list(required)} if required else {})


def _answers(schema: str) -> _Json:
    done = _json_answer("The outcome, in `statusCode`.", schema)
    return {"200": done} | {
        status: {"$ref": f"#/components/responses/R{status}"} for status in _REFUSALS
    }


def _json_answer(text: str, schema: str) -> _Json:
    content = {"application/json": {"schema": {"$ref": _ref(schema)}}}
    return {"description": text, "content": content}


def _json_body(schema: str, *, required: bool = True) -> _Json:
    content = {"application/json": {"schema": {"$ref": _ref(schema)}}}
    return {"required": required, "content": content}


def _in_query(name: str, schema: _Json) -> _Json:
    return {"name": name, "in": "query", "schema": schema}


def _in_path(name: str) -> _Json:
    return {"name": name, "in": "path", "required": True, "schema": _ID}


def _ref(schema: str) -> str:
    return f"#/components/schemas/{schema}"
