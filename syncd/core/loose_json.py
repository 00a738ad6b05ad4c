"""Reading vendors' JSON as far as its structure holds: one odd letter must not hide the rest.

The strict parser refuses a whole answer for half a surrogate pair, a byte that is no UTF-8, a byte
order mark, a raw line feed or a number beyond a double. In a list or feed that one letter would
stand in the way of every other ticket for ever. So what the strict parser refuses is read once
more: a letter that cannot be kept becomes U+FFFD, a number that cannot be kept is absent.
"""

import json
import math
import re
from collections.abc import Callable

import orjson

_Reads = Callable[[str], object]

_DIGITS_MAX = 20
"""Digits, sign included, of a whole number that may fit 64 bits; others stay the text they were."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


def loads(data: bytes) -> object:
    """Parse JSON.

    Raises:
        ValueError: its structure is not JSON's.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _loose(data, whole=_whole, number=_number, constant=_nothing)


def loads_as_written(data: bytes) -> object:
    """Parse JSON; every number stays the text it was: an amount must not pass through a float.

    Raises:
        ValueError: its structure is not JSON's.
    """
    return _loose(data, whole=str, number=str, constant=str)


def is_empty_or_json(body: bytes) -> bool:
    """Say whether a success's body may be the vendor's: nothing, or JSON."""
    if not body.strip():
        return True
    try:
        loads(body)
    except ValueError:
        return False
    return True


def _loose(data: bytes, *, whole: _Reads, number: _Reads, constant: _Reads) -> object:
    text = data.decode("utf-8-sig", "replace")
    try:
        return _kept(
            json.loads(
                text, strict=False, parse_int=whole, parse_float=number, parse_constant=constant
            )
        )
    except RecursionError as err:
        raise ValueError("nested too deep") from err


def _whole(digits: str) -> object:
    fits = len(digits) <= _DIGITS_MAX and -(2**63) <= int(digits) < 2**64
    return int(digits) if fits else digits


def _number(digits: str) -> object:
    found = float(digits)
    return found if math.isfinite(found) else None


def _nothing(_word: str) -> object:
    return None


def _kept(node: object) -> object:
    """Replace what no text can keep, in every text and name."""
    if isinstance(node, str):
        return _SURROGATE.sub(_REPLACEMENT, node)
    if isinstance(node, list):
        return [_kept(one) for one in node]
    if isinstance(node, dict):
        return {_SURROGATE.sub(_REPLACEMENT, name): _kept(one) for name, one in node.items()}
    return node
