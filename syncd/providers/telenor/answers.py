"""What the answer to a write tells: the id of what it made, or nothing. Pure.

Spec: Service Ticket API, section 8, T3.
"""

import re

from syncd.core import loose_json


def parse_created_id(body: bytes, location: str) -> str | None:
    """Find the id of what a write made: in the body, else in `Location`.

    Returns:
        None when neither tells one: the write's outcome is then unknown.

    Spec: section 8, T3.
    """
    try:
        raw = loose_json.loads(body)
    except ValueError:
        raw = None
    found = raw.get("id") if isinstance(raw, dict) else None
    if isinstance(found, str) and found.strip():
        return found.strip()
    last = location.split("?", 1)[0].rstrip("/").rsplit("/", 1)[-1]
    return last if re.fullmatch(r"[0-9A-Za-z]{15,18}", last) else None
