"""How texts of a configuration become rates, counts, times of day, constants and addresses."""

import ipaddress
import re
from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainValidator, WithJsonSchema

from syncd.core.rules import Rate
from syncd.model.texts import COUNT_MAX, text_of, unit_s

_TEXT_SCHEMA: dict[str, object] = {"type": ["string", "number", "boolean"]}


def parse_rate(value: object) -> Rate:
    """Read `20/h` as a rate.

    Raises:
        ValueError: it is none; the text says what is accepted.
    """
    found = re.fullmatch(r"([0-9]{1,7})\s?/\s?(s|m|h|d)", text_of(value))
    count = int(found[1]) if found else 0
    if found is None or not 0 < count <= COUNT_MAX:
        raise ValueError(f"{value!r} is not a rate; accepted: 5/m, 20/h, 100/d")
    return Rate(count=count, per_s=unit_s(found[2]))


def parse_share(value: object) -> float:
    """Read `30%` as a part of one.

    Raises:
        ValueError: it is none; the text says what is accepted.
    """
    found = re.fullmatch(r"([0-9]{1,3})\s?%", text_of(value))
    if found is None or int(found[1]) > 100:
        raise ValueError(f"{value!r} is not a share; accepted: 0% to 100%")
    return int(found[1]) / 100


def parse_count(value: object) -> int:
    """Read a whole number from 1 on.

    Raises:
        ValueError: it is none; the text says what is accepted.
    """
    found = re.fullmatch(r"[0-9]{1,7}", text_of(value))
    count = int(found[0]) if found else 0
    if not 0 < count <= COUNT_MAX:
        raise ValueError(f"{value!r} is not a number; accepted: 1 to {COUNT_MAX}")
    return count


def _between(value: object) -> tuple[time, time]:
    found = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})\s?-\s?([0-9]{1,2}):([0-9]{2})", text_of(value))
    if found is not None:
        try:
            start, end = time(int(found[1]), int(found[2])), time(int(found[3]) % 24, int(found[4]))
        except ValueError:
            found = None
        else:
            return start, end
    raise ValueError(f"{value!r} is not a span of the day; accepted: 07:00-18:00")


def _listen(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not host or not re.fullmatch("[0-9]{1,5}", port) or not 0 <= int(port) <= 65535:
        raise ValueError(f"{value!r} is not an address to listen on; accepted: 127.0.0.1:8470")
    return value


def _absolute(value: object) -> Path:
    path = Path(text_of(value))
    if not path.is_absolute():
        raise ValueError(f"{value!r} is relative; a path from / is needed")
    return path


def _word(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value):
        raise ValueError(f"{value!r} is not a name; accepted: letters, digits, '.', '_' and '-'")
    return value


def _words(value: object) -> object:
    """Let one word stand for a list of one."""
    return (value,) if isinstance(value, str) else value


def _constant(value: object) -> str | Mapping[str, str]:
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and all(isinstance(part, str) for part in value.values()):
        return value
    raise ValueError("a text is expected, or for a contact {name: …, email: …, phone: …}")


def is_loopback(host: str) -> bool:
    """Whether a host name can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_url(value: str, *, plain_ok: bool) -> str:
    """Check the address of a vendor; give it without a slash at its end.

    Args:
        value: as written.
        plain_ok: http is accepted for any host.

    Raises:
        ValueError: it is none, is not encrypted, or carries what does not belong in it.
    """
    try:
        parts = urlsplit(value)
        host = parts.hostname
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        host, port_ok, parts = None, False, urlsplit("")
    if not host or not port_ok or parts.scheme not in ("http", "https") or re.search(r"\s", value):
        raise ValueError("not a web address; accepted: https://host/path")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a login does not belong in an address; name it under auth")
    if parts.query or parts.fragment:
        raise ValueError("`?` and `#` do not belong in this address")
    if parts.scheme == "http" and not plain_ok and not is_loopback(host):
        raise ValueError(
            "http sends passwords in the clear; accepted: https, or http with allow_plain: true"
        )
    return value.rstrip("/")


def _schema(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


Text = Annotated[str, WithJsonSchema(_TEXT_SCHEMA)]
Texts = Annotated[
    tuple[str, ...],
    BeforeValidator(_words),
    WithJsonSchema({"anyOf": [_TEXT_SCHEMA, {"type": "array", "items": _TEXT_SCHEMA}]}),
]
TextList = Annotated[tuple[str, ...], WithJsonSchema({"type": "array", "items": _TEXT_SCHEMA})]
Labels = Annotated[
    dict[str, str], WithJsonSchema({"type": "object", "additionalProperties": _TEXT_SCHEMA})
]
Constant = Annotated[
    str | Mapping[str, str],
    PlainValidator(_constant),
    WithJsonSchema(
        {"anyOf": [_TEXT_SCHEMA, {"type": "object", "additionalProperties": _TEXT_SCHEMA}]}
    ),
]
Word = Annotated[str, AfterValidator(_word), WithJsonSchema(_TEXT_SCHEMA)]
RateText = Annotated[Rate, PlainValidator(parse_rate), _schema(r"^\d+ ?/ ?[smhd]$", "20/h")]
Share = Annotated[float, PlainValidator(parse_share), _schema(r"^\d{1,3} ?%$", "30%")]
Count = Annotated[
    int,
    PlainValidator(parse_count),
    WithJsonSchema({"type": ["integer", "string"], "minimum": 1, "pattern": r"^\d+$"}),
]
SpanOfDay = Annotated[
    tuple[time, time],
    PlainValidator(_between),
    _schema(r"^\d{1,2}:\d{2} ?- ?\d{1,2}:\d{2}$", "07:00-18:00"),
]
Listen = Annotated[str, AfterValidator(_listen), _schema(r":\d+$", "127.0.0.1:8470")]
AbsolutePath = Annotated[Path, PlainValidator(_absolute), _schema("^/", "/var/lib/syncd/spool")]
