"""File names as they may travel between systems: no paths, no control characters. Pure."""

import re
import unicodedata

NAME_BYTES_MAX = 180
"""Longest name in UTF-8 bytes: below file systems' 255, with room for a vendor's prefix."""
SUFFIX_BYTES_MAX = 16
"""Longest ending in UTF-8 bytes still taken for a file type and kept when a name is cut."""
NAMELESS = "attachment"
"""What a file is called when nothing of its name is left."""

_RESERVED_CHARS = re.compile(r'[<>:"|?*]')
_SPACES = re.compile(r"\s+")
# Names Windows keeps for devices, with any ending.
_DEVICES = frozenset(
    {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
    | {f"{name}{digit}" for name in ("COM", "LPT") for digit in "0123456789¹²³"}
)
# Control, format (also the marks that turn text around), surrogate, private use, unassigned.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def clean(name: str, *, bytes_max: int = NAME_BYTES_MAX) -> str:
    r"""Return a name that any system may take as a file's.

    Directories (of both `/` and `\`), control and invisible characters and what file systems
    reserve are taken out; letters of every language stay, in their composed form. A name that is
    too long keeps its ending. Cleaning twice changes nothing.

    Args:
        name: as the source gives it.
        bytes_max: longest result in UTF-8 bytes, at least 32.
    """
    base = re.split(r"[/\\]", name)[-1]
    seen = "".join(_visible(char) for char in base)
    plain = _SPACES.sub(" ", _RESERVED_CHARS.sub("_", unicodedata.normalize("NFC", seen)))
    return _not_reserved(_cut(_trimmed(plain), bytes_max))


def _visible(char: str) -> str:
    if char.isspace():
        return " "
    return "" if unicodedata.category(char) in _UNSEEN else char


def _trimmed(name: str) -> str:
    """Without what Windows drops at the end and what hides a file at the start."""
    return name.strip(" .")


def _cut(name: str, bytes_max: int) -> str:
    if len(name.encode()) <= bytes_max:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix.encode()) > SUFFIX_BYTES_MAX:
        stem, dot, suffix = name, "", ""
    room = max(1, bytes_max - len((dot + suffix).encode()))
    return _trimmed(stem.encode()[:room].decode(errors="ignore")) + dot + suffix


def _not_reserved(name: str) -> str:
    if not name:
        return NAMELESS
    stem = name.partition(".")[0].rstrip(" ")
    return f"_{name}" if stem.upper() in _DEVICES else name
