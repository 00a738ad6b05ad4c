"""How texts of a configuration become durations, sizes, rates, times of day and addresses."""

import ipaddress
import re
import zoneinfo
from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainValidator, WithJsonSchema

from syncd.core.rules import Rate

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3}
_BYTES |= {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}

DURATION_MAX_S = 366 * 86400.0
"""Longest duration accepted anywhere."""
SIZE_MAX_BYTES = 1000**4
"""Largest size accepted anywhere."""
COUNT_MAX = 1_000_000
"""Largest count of a rate."""

_TEXT_SCHEMA: dict[str, object] = {"type": ["string", "number", "boolean"]}


def _text_of(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a text is expected")
    return value


def parse_duration(value: object) -> float:
    """Read `500ms`, `60s`, `30m`, `2h`, `1d` as seconds.

    Raises:
        ValueError: it is none; the text says what is accepted.
    """
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)", _text_of(value))
    seconds = float(found[1]) * _SECONDS[found[2]] if found else DURATION_MAX_S + 1
    if seconds > DURATION_MAX_S:
        raise ValueError(f"{value!r} is not a duration; accepted: 500ms, 60s, 30m, 2h, 1d")
    return seconds


def parse_positive_duration(value: object) -> float:
    """Read a duration above zero.

    Raises:
        ValueError: it is none, or zero.
    """
    seconds = parse_duration(value)
    if seconds <= 0:
        raise ValueError(f"{value!r} is no time at all; a duration above zero is needed")
    return seconds


def parse_size(value: object) -> int:
    """Read `500kB`, `20MB`, `1GiB` as bytes.

    Raises:
        ValueError: it is none; the text says what is accepted.
    """
    found = re.fullmatch(r"([0-9]{1,9})\s?([kKMG]?i?B)", _text_of(value))
    unit = _BYTES.get(found[2]) if found else None
    size = int(found[1]) * unit if found and unit else 0
    if not 0 < size <= SIZE_MAX_BYTES:
        raise ValueError(f"{value!r} is not a size; accepted: 500kB, 20MB, 1GB, 25MiB")
    return size


def parse_rate(value: object) -> Rate:
    """Read `20/h` as a rate.

    Raises:
        ValueError: it is none; the text says what is accepted.
    """
    found = re.fullmatch(r"([0-9]{1,7})\s?/\s?(s|m|h|d)", _text_of(value))
    count = int(found[1]) if found else 0
    if found is None or not 0 < count <= COUNT_MAX:
        raise ValueError(f"{value!r} is not a rate; accepted: 5/m, 20/h, 100/d")
    return Rate(count=count, per_s=_SECONDS[found[2]])


def parse_share(value: object) -> float:
    """Read `30%` as a part of one.

    Raises:
        ValueError: it is none; the text says what is accepted.
    """
    found = re.fullmatch(r"([0-9]{1,3})\s?%", _text_of(value))
    if found is None or int(found[1]) > 100:
        raise ValueError(f"{value!r} is not a share; accepted: 0% to 100%")
    return int(found[1]) / 100


def parse_count(value: object) -> int:
    """Read a whole number from 1 on.

    Raises:
        ValueError: it is none; the text says what is accepted.
    """
    found = re.fullmatch(r"[0-9]{1,7}", _text_of(value))
    count = int(found[0]) if found else 0
    if not 0 < count <= COUNT_MAX:
        raise ValueError(f"{value!r} is not a number; accepted: 1 to {COUNT_MAX}")
    return count


def _between(value: object) -> tuple[time, time]:
    found = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})\s?-\s?([0-9]{1,2}):([0-9]{2})", _text_of(value))
    if found is not None:
        try:
            start, end = time(int(found[1]), int(found[2])), time(int(found[3]) % 24, int(found[4]))
        except ValueError:
            found = None
        else:
            return start, end
    raise ValueError(f"{value!r} is not a span of the day; accepted: 07:00-18:00")


def _zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError) as err:
        raise ValueError(
            f"{value!r} is not a time zone; accepted: names such as Europe/Oslo"
        ) from err
    return value


def _listen(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not host or not re.fullmatch("[0-9]{1,5}", port) or not 0 <= int(port) <= 65535:
        raise ValueError(f"{value!r} is not an address to listen on; accepted: 127.0.0.1:8470")
    return value


def _absolute(value: object) -> Path:
    path = Path(_text_of(value))
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
Duration = Annotated[
    float, PlainValidator(parse_positive_duration), _schema(r"^\d+(\.\d+)?(ms|s|m|h|d)$", "60s")
]
Pause = Annotated[
    float, PlainValidator(parse_duration), _schema(r"^\d+(\.\d+)?(ms|s|m|h|d)$", "0s")
]
Size = Annotated[int, PlainValidator(parse_size), _schema(r"^\d+ ?[kKMG]?i?B$", "20MB")]
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
Zone = Annotated[str, AfterValidator(_zone), _schema(r"^[A-Za-z0-9_+/-]+$", "Europe/Oslo")]
Listen = Annotated[str, AfterValidator(_listen), _schema(r":\d+$", "127.0.0.1:8470")]
AbsolutePath = Annotated[Path, PlainValidator(_absolute), _schema("^/", "/var/lib/syncd/spool")]
