"""The forms in which two spellings of one text are equal: what each provider's N rests on (R5)."""

import re
import unicodedata

from syncd.core import marker

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_TRAILING = re.compile(r"[^\S\n]+(?=\n|$)")
_SPACES = re.compile(r"\s+")
_ROUNDS_MAX = 8


def clean(text: str) -> str:
    """Take out what no ticket system keeps: control characters, lone surrogates, CR."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", text).encode("utf-8", "ignore").decode("utf-8")


def one_line(text: str) -> str:
    """Give a text as one line, runs of white space as one blank."""
    return _SPACES.sub(" ", clean(text)).strip()


def plain(text: str, kind: str) -> str:
    """Give the form without markers in which two spellings of a value are equal.

    Steps are repeated until nothing changes: taking out one marker may join the ends of another.

    Args:
        text: the value.
        kind: `text` keeps its lines; `line` is one line; `label` is one line in lower case.
    """
    for _ in range(_ROUNDS_MAX):
        before = text
        text = marker.split(unicodedata.normalize("NFC", clean(text)))[0]
        text = _TRAILING.sub("", text) if kind == "text" else _SPACES.sub(" ", text)
        text = text.strip()
        if kind == "label":
            text = unicodedata.normalize("NFC", text.casefold())
        if text == before:
            break
    return text


def comment_form(body: str) -> str:
    """Give the form in which two spellings of one comment are equal: no marker, one line."""
    return one_line(plain(body, "text"))
