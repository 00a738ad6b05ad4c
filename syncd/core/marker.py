"""The short marker that carries an operation's key inside text (DESIGN R4).

A marker is `[ref:KEY]`. Renderers append it as the last line; normalisers strip it. A key is
`<prefix>-<rest>`: the prefix names the syncd instance that wrote it, the rest is derived from what
is carried (`keys`) or random.
"""

import re

from syncd.model.ids import OperationKey

_MARKER = re.compile(r"[ \t]*\n?[ \t]*\[ref:([0-9a-z]{4,12}-[0-9a-z]{10,32})\]")

_KEY = re.compile(r"[0-9a-z]{4,12}-(?=[0-9a-z]*[a-z])[0-9a-z]{10,32}")
"""A key by itself. Its random part hardly ever lacks a letter; a customer's own number does."""

MARKER_CHARS_MAX = len("\n[ref:]") + 12 + 1 + 32
"""Room a marker may need, in characters (all ASCII, so also in bytes)."""


def render(key: OperationKey) -> str:
    """Return the marker for a key, without a line break."""
    return f"[ref:{key}]"


def append(text: str, key: OperationKey) -> str:
    """Return the text with the key's marker as its last line."""
    return f"{text}\n{render(key)}" if text else render(key)


def bare(text: str) -> OperationKey | None:
    """Read a reference field that holds a key and nothing else; None when it holds another text."""
    plain = text.strip()
    return OperationKey(plain) if _KEY.fullmatch(plain) else None


def split(text: str) -> tuple[str, tuple[OperationKey, ...]]:
    """Take all markers out of a text.

    Returns:
        The text without markers and without the white space that stood before them, and the keys in
        order of appearance.
    """
    keys = tuple(OperationKey(found) for found in _MARKER.findall(text))
    return (_MARKER.sub("", text), keys) if keys else (text, ())


def pieces(text: str) -> tuple[tuple[tuple[str, OperationKey], ...], str]:
    """Cut a text at its markers.

    Returns:
        What stands before each marker, with its key; and what stands behind the last.
    """
    parts = _MARKER.split(text)
    pairs = zip(parts[:-1:2], parts[1::2], strict=True)
    return tuple((before, OperationKey(key)) for before, key in pairs), parts[-1]
