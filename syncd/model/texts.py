"""How texts of a configuration become durations, sizes, time zones, paths and lists of labels.

`syncd.settings` and every provider's own settings read them here, so that one spelling means one
thing in a whole file, and a wrong one is told in the same words everywhere.
"""

import re
import zoneinfo
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3}
_BYTES |= {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_NUMBER = re.compile(r"[0-9]{1,13}(?:\.[0-9]{1,3})?")

DURATION_MAX_S = 366 * 86400.0
"""Longest duration accepted anywhere."""
SIZE_MAX_BYTES = 1000**4
"""Largest size accepted anywhere."""
COUNT_MAX = 1_000_000
"""Largest count of a rate."""


def text_of(value: object) -> str:
    """Give a scalar as it was written.

    Raises:
        ValueError: it is a block, a list or nothing.
    """
    if not isinstance(value, str):
        raise ValueError("a text is expected")
    return value


def unit_s(unit: str) -> float:
    """Give the seconds of `ms`, `s`, `m`, `h` or `d`."""
    return _SECONDS[unit]


def parse_duration(value: object) -> float:
    """Read `500ms`, `60s`, `30m`, `2h`, `1d` as seconds.

    Raises:
        ValueError: it is none; the text says what is accepted.
    """
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)", text_of(value))
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
    found = re.fullmatch(r"([0-9]{1,9})\s?([kKMG]?i?B)", text_of(value))
    unit = _BYTES.get(found[2]) if found else None
    size = int(found[1]) * unit if found and unit else 0
    if not 0 < size <= SIZE_MAX_BYTES:
        raise ValueError(f"{value!r} is not a size; accepted: 500kB, 20MB, 1GB, 25MiB")
    return size


def parse_zone(value: str) -> str:
    """Check the name of a time zone.

    Raises:
        ValueError: this machine's tables do not have it; the text says what is accepted.
    """
    try:
        zoneinfo.ZoneInfo(value)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError) as err:
        raise ValueError(
            f"{value!r} is not a time zone; accepted: names such as Europe/Oslo"
        ) from err
    return value


def _seconds(value: object) -> object:
    """Read a duration; a number alone is seconds, and a value that is no text passes."""
    if not isinstance(value, str) or _is_number(value):
        return value
    return parse_duration(value)


def _bytes(value: object) -> object:
    """Read a size; a number alone is bytes, and a value that is no text passes."""
    return value if not isinstance(value, str) or _is_number(value) else parse_size(value)


def _is_number(value: str) -> bool:
    return _NUMBER.fullmatch(value) is not None


def _distinct(labels: tuple[str, ...]) -> tuple[str, ...]:
    folded = [label.strip().casefold() for label in labels]
    if "" in folded:
        raise ValueError("an empty label")
    twice = sorted({label for label in folded if folded.count(label) > 1})
    if twice:
        raise ValueError(f"listed twice, capitals do not count: {', '.join(twice)}")
    return labels


def no_dots(path: str) -> str:
    """Refuse a path that leads elsewhere than it reads.

    Raises:
        ValueError: one of its segments is `.` or `..`.
    """
    if {".", ".."}.intersection(path.split("/")):
        raise ValueError("a path has no dot segments")
    return path


def _schema(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


Duration = Annotated[
    float, PlainValidator(parse_positive_duration), _schema(r"^\d+(\.\d+)?(ms|s|m|h|d)$", "60s")
]
"""A time above zero, written with its unit."""
Pause = Annotated[
    float, PlainValidator(parse_duration), _schema(r"^\d+(\.\d+)?(ms|s|m|h|d)$", "0s")
]
"""A time that may be none, written with its unit."""
Size = Annotated[int, PlainValidator(parse_size), _schema(r"^\d+ ?[kKMG]?i?B$", "20MB")]
"""A size written with its unit."""
Seconds = Annotated[
    float,
    BeforeValidator(_seconds, json_schema_input_type=float | str),
    Field(ge=0, le=DURATION_MAX_S, allow_inf_nan=False),
]
"""A provider's own duration: `90s`, `5m`, or the seconds alone, as its key's name may say."""
Bytes = Annotated[
    int,
    BeforeValidator(_bytes, json_schema_input_type=int | str),
    Field(gt=0, le=SIZE_MAX_BYTES),
]
"""A provider's own size: `25MB`, or the bytes alone, as its key's name may say."""
Zone = Annotated[str, AfterValidator(parse_zone), _schema(r"^[A-Za-z0-9_+/-]+$", "Europe/Oslo")]
"""The name of a time zone."""
LabelList = Annotated[tuple[str, ...], AfterValidator(_distinct)]
"""Labels of which each stands once; capitals do not count."""
