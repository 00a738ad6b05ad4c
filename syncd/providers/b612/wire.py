"""B-612's payloads: read tolerantly, written strictly. Pure.

An answer is made flat: dotted path in lower case -> text. Numbers become the text they were sent
as, so that no amount passes through a float (B14).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from syncd.core import loose_json

LOCATION = ("address", "city", "data_center", "name", "postcode")
CLIENT_DETAILS = (
    "owner_email", "owner_name", "priority", "shipment_courier", "shipment_tracking",
    "ticket_number", "todo", "rack",
)  # fmt: skip

WRITABLE = (
    *(f"location.{name}" for name in LOCATION),
    *(f"client_details.{name}" for name in CLIENT_DETAILS),
)
"""Paths of the thirteen elements that POST and PUT take (§3, §4)."""

TODO = "client_details.todo"

NUMBER_PATHS = ("b612_details.b612_ticket_number", "b612_details.ticket_number")
"""Where B-612's number stands; never `client_details.ticket_number`, which is ours (B1, B2)."""

_BARE_NUMBER = "b612_ticket_number"
_NUMBER_LIKE = re.compile(r"B-612-[A-Za-z]?\d+", re.IGNORECASE)
_DEPTH_MAX = 4
_ELEMENTS_MAX = 500


class WireError(ValueError):
    """An answer is not what the document shows; the text says how."""


class NumberKeys(StrEnum):
    """Under which names a PUT carries B-612's number: the text and the example disagree (B1)."""

    BOTH = "both"
    TEXT = "b612_ticket_number"
    EXAMPLE = "ticket_number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an answer told.

    Attributes:
        number: B-612's number, trimmed; empty when the answer has none.
        texts: path -> text, such as `client_details.rack`; an absent path was not told.
    """

    number: str
    texts: Mapping[str, str]

    @property
    def is_ticket(self) -> bool:
        """Whether it has the shape of a ticket, if only an empty one."""
        return any(path.startswith("b612_details.") for path in self.texts)


def parse(body: bytes) -> Told:
    """Read an answer, whatever its content type.

    Raises:
        WireError: it is not a JSON object.

    Spec: B-612 API Documentation, §3 GET; b612.md §7, B7 (wrapper), B8 (capitals), B9, B14, B19.
    """
    try:
        parsed = loose_json.loads_as_written(body)
    except ValueError as error:
        raise WireError("the answer is not JSON") from error
    if isinstance(parsed, list) and len(parsed) == 1:
        parsed = parsed[0]
    if not isinstance(parsed, dict):
        raise WireError("the answer is no JSON object")
    inner = _inside(parsed)
    texts: dict[str, str] = {}
    _flatten(inner, "", texts, 0)
    return Told(number=_number(texts), texts=texts)


def _inside(parsed: dict[str, object]) -> dict[str, object]:
    """Take the `ticket` wrapper off, if there is one (B7)."""
    for name, value in parsed.items():
        if name.strip().lower() != "ticket":
            continue
        inner = value[0] if isinstance(value, list) and len(value) == 1 else value
        if isinstance(inner, dict):
            return inner
    return parsed


def _flatten(node: dict[str, object], prefix: str, texts: dict[str, str], depth: int) -> None:
    for name, value in node.items():
        path = f"{prefix}{name.strip().lower()}"
        if isinstance(value, dict):
            if depth < _DEPTH_MAX:
                _flatten(value, f"{path}.", texts, depth + 1)
        elif value is None:
            texts.setdefault(path, "")
        elif isinstance(value, str):
            texts.setdefault(path, value)
        if len(texts) > _ELEMENTS_MAX:
            raise WireError(f"the answer has more than {_ELEMENTS_MAX} elements")


def _number(texts: Mapping[str, str]) -> str:
    for path in NUMBER_PATHS:
        if texts.get(path, "").strip():
            return texts[path].strip()
    bare = texts.get(_BARE_NUMBER, "").strip()
    # Elsewhere than in b612_details only what looks like a number of theirs is one (B9).
    return bare if _NUMBER_LIKE.fullmatch(bare) else ""


def body_of(
    texts: Mapping[str, str], *, number: str = "", keys: NumberKeys = NumberKeys.BOTH
) -> dict[str, object]:
    """Build the body of a POST, or with a number of a PUT.

    Args:
        texts: path of the thirteen -> text; what is not there is left out.
        number: B-612's number, for a PUT.
        keys: under which names it goes.

    Spec: B-612 API Documentation, §4 POST, §5 PUT; b612.md §7, B1, B7.
    """
    ticket: dict[str, object] = {}
    if number:
        names = ("b612_ticket_number", "ticket_number")
        ticket["b612_details"] = {
            name: number for name in names if keys is NumberKeys.BOTH or keys.value == name
        }
    for part, elements in (("client_details", CLIENT_DETAILS), ("location", LOCATION)):
        ticket[part] = {
            name: texts[f"{part}.{name}"] for name in elements if f"{part}.{name}" in texts
        }
    return {"ticket": ticket}


def same_number(left: str, right: str) -> bool:
    """Whether two texts are one B-612 number (B6: capitals and blanks do not count)."""
    return left.strip().casefold() == right.strip().casefold()
