"""What the answer to a write tells: the id of what it made, or nothing. Pure.

Spec: Service Ticket API, section 8, T3.
"""

import re

import orjson


def parse_created_id(body: bytes, location: str) -> str | None:
    """Find the id of what a write made: in the body, else in `Location`.

    Returns:
        None when neither tells one: the write's outcome is then unknown.

    Spec: section 8, T3.
    """
    try:
        raw = orjson.loads(body)
    except orjson.JSONDecodeError:
        raw = None
    found = raw.get("id") if isinstance(raw, dict) else None
    if isinstance(found, str) and found.strip():
        return found.strip()
    last = location.split("?", 1)[0].rstrip("/").rsplit("/", 1)[-1]
    return last if re.fullmatch(r"[0-9A-Za-z]{15,18}", last) else None


def is_empty_or_json(body: bytes) -> bool:
    """Say whether a write's answer without an id can be Telenor's. Spec: section 8, T3."""
    if not body.strip():
        return True
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True
