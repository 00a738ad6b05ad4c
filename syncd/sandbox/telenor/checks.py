"""What the document asks of headers and bodies (sections 2, 4.4, 5 and 9)."""

from pathlib import PurePath
from typing import Any

import orjson

from syncd.sandbox.calls import Call
from syncd.sandbox.telenor.errors import Refusal
from syncd.sandbox.telenor.model import CONTACT_FIELDS
from syncd.sandbox.telenor.settings import EXECUTABLES, TelenorSandboxSettings
from syncd.sandbox.telenor.trees import Tree

USER_NAME_MAX_CHARS = 80
CONTACT_PARTS = ("name", "email", "phone")
ADDRESS_PARTS = ("street", "floor", "zipCode", "city", "addressId")
SAML_HEADERS = ("X-Saml-Token", "X-Application-Id")
TEXT_MAX_CHARS = 255


def user_name(call: Call) -> str:
    """Return `X-User-Name`, mandatory on modifying calls but the creates (section 2)."""
    name = call.request.headers.get("X-User-Name", "").strip()
    if not name:
        raise Refusal("400001", "X-User-Name", "section 2")
    if not name.isascii() or not name.isprintable() or len(name) > USER_NAME_MAX_CHARS:
        raise Refusal("400002", "X-User-Name is not plain text", "T15")
    return name


def json_object(call: Call) -> dict[str, Any]:
    """Return the body, which must be a JSON object with something in it."""
    if not call.body:
        raise Refusal("400001", "body", "section 6")
    if call.request.content_type != "application/json":
        raise Refusal("400002", f"content type {call.request.content_type}", "section 6")
    try:
        body = orjson.loads(call.body)
    except orjson.JSONDecodeError as error:
        raise Refusal("400002", "body is not JSON", "section 6") from error
    if not isinstance(body, dict):
        raise Refusal("400002", "body is not an object", "section 6")
    if not body:
        raise Refusal("400001", "body", "section 6")
    return body


def ticket_body(
    body: dict[str, Any], tree: Tree, settings: TelenorSandboxSettings
) -> tuple[dict[str, Any], str | None]:
    """Check a body of I2, I7, O2 or O7; return its fields and the user name in `createdBy`."""
    for name in body:
        if name not in (*tree.writable, *CONTACT_FIELDS, "createdBy"):
            raise Refusal("400002", f"{name} cannot be written here", "sections 5 and 7")
    fields = {
        name: _field(name, value, tree, settings)
        for name, value in body.items()
        if name != "createdBy"
    }
    _check_category(fields, settings)
    organization = fields.get("organizationNumber")
    if organization and settings.organizations and organization not in settings.organizations:
        raise Refusal("401002", f"no access to organization {organization}")
    return fields, _created_by(body.get("createdBy"))


def _field(name: str, value: Any, tree: Tree, settings: TelenorSandboxSettings) -> Any:
    if name in CONTACT_FIELDS:
        return contact(name, value)
    if name in tree.addresses:
        return _structure(name, value, ADDRESS_PARTS)
    if name in tree.numbers:
        return _number(name, value)
    return _text(name, value, _longest(name, settings))


def contact(name: str, value: Any) -> dict[str, str]:
    """Check a Contact (section 4.4)."""
    return _structure(name, value, CONTACT_PARTS)


def saml(call: Call) -> None:
    """Ask for the two headers that O10 alone names as mandatory (section 2, T1)."""
    for name in SAML_HEADERS:
        if not call.request.headers.get(name, "").strip():
            raise Refusal("400001", name, "section 2")


def _structure(name: str, value: Any, known: tuple[str, ...]) -> dict[str, str]:
    if not isinstance(value, dict) or not value:
        raise Refusal("400002", f"{name} is no object", "section 4.4")
    for part in value:
        if part not in known:
            raise Refusal("400002", f"{name}.{part}", "section 4.4")
    return {part: _text(f"{name}.{part}", text, TEXT_MAX_CHARS) for part, text in value.items()}


def _number(name: str, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal("400002", f"{name} is no number", "T5")
    return value


def comment_body(body: dict[str, Any], settings: TelenorSandboxSettings) -> tuple[str, str | None]:
    """Check a body of I15; return its text and user name."""
    _only(body, "text", "userName")
    text = _text("text", body.get("text", ""), None)
    if not text.strip():
        raise Refusal("400001", "text", "section 4.4")
    if len(text.encode()) > settings.comment_max_bytes:
        raise Refusal("400002", f"text exceeds {settings.comment_max_bytes} bytes", "section 9")
    name = body.get("userName")
    return text, None if name is None else _text("userName", name, TEXT_MAX_CHARS)


def status_body(body: dict[str, Any]) -> tuple[str, str | None]:
    """Check a body of I19; return status and text."""
    _only(body, "status", "text")
    if not body.get("status"):
        raise Refusal("400001", "status", "section 6, I19")
    text = body.get("text")
    status = _text("status", body["status"], TEXT_MAX_CHARS)
    return status, None if text is None else _text("text", text, None)


def file_name(name: str | None, tree: Tree, settings: TelenorSandboxSettings) -> str:
    """Check the name of an uploaded file (I11, O11)."""
    if not name:
        raise Refusal("400001", "file name", "section 6, I11")
    if len(name) > settings.file_name_max_chars:
        raise Refusal("400002", "file name is too long", "section 9")
    if "/" in name or "\\" in name or not name.isprintable():
        raise Refusal("400002", "file name holds a path or control characters", "section 4.4")
    if tree.bans_executables and PurePath(name).suffix.lower().removeprefix(".") in EXECUTABLES:
        raise Refusal("400002", "executable files are not permitted", "section 6, I11")
    return name


def _only(body: dict[str, Any], *names: str) -> None:
    for name in body:
        if name not in names:
            raise Refusal("400002", f"{name} cannot be written here", "section 4.4")


def _text(name: str, value: Any, longest: int | None) -> str:
    if not isinstance(value, str):
        raise Refusal("400002", f"{name} is no string", "section 5")
    if longest is not None and len(value) > longest:
        raise Refusal("400002", f"{name} exceeds {longest} characters", "section 9")
    return value


def _longest(name: str, settings: TelenorSandboxSettings) -> int:
    limits = {
        "subject": settings.subject_max_chars,
        "description": settings.description_max_chars,
    }
    return limits.get(name, TEXT_MAX_CHARS)


def _check_category(fields: dict[str, Any], settings: TelenorSandboxSettings) -> None:
    if not settings.check_categories:
        return
    name = fields.get("productCategoryName")
    types = {category.name: category.incident_types for category in settings.categories}
    if name is not None and name not in types:
        raise Refusal("400002", f"productCategoryName {name}", "section 5, I5")
    product = fields.get("productId")
    products = {each for category in settings.categories for each, _ in category.products}
    if product is not None and product not in products:
        raise Refusal("400002", f"productId {product}", "section 7, O5")
    kind = fields.get("incidentType")
    accepted = types[name] if name is not None else _all_types(settings)
    if kind is not None and kind not in accepted:
        raise Refusal("400002", f"incidentType {kind}", "section 5, I5")


def _all_types(settings: TelenorSandboxSettings) -> tuple[str, ...]:
    return tuple(kind for category in settings.categories for kind in category.incident_types)


def _created_by(value: Any) -> str | None:
    if value is None:
        return None
    known = {"internalUser", "userName"}
    if not isinstance(value, dict) or not set(value) <= known:
        raise Refusal("400002", "createdBy", "section 4.4")
    internal = value.get("internalUser", False)
    if not isinstance(internal, bool) and internal != "N/A":
        raise Refusal("400002", "createdBy.internalUser", "T4")
    return _text("createdBy.userName", value.get("userName", ""), TEXT_MAX_CHARS) or None
