"""The one text of a ticket, `todo`, taken apart and put together. Pure.

It holds what is to be done, the marker of the create that made the ticket, remarks that we wrote
below it (`comments_in: todo`), and whatever B-612's people add. A remark of ours is

    --
    [2026-03-01 10:05 UTC] text
    [ref:KEY]

and is told by its head and its marker, with the white space between as it may be (B16).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from syncd.core import marker
from syncd.model.ids import OperationKey

_HEAD = re.compile(r"(?:^|\s)--\s+\[(\d{4}-\d\d-\d\d \d\d:\d\d) UTC\]\s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A remark of ours.

    Attributes:
        key: of the operation that wrote it.
        at: aware UTC instant, whole minutes; None where it cannot be read.
        body: its text.
    """

    key: OperationKey
    at: datetime | None
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Todo:
    """What stands in `todo`.

    Attributes:
        text: what people wrote, ours and theirs, without markers and remarks.
        keys: of markers that end no remark: the create's; others are quotes.
        remarks: oldest first.
    """

    text: str
    keys: tuple[OperationKey, ...] = ()
    remarks: tuple[Remark, ...] = ()


def split(raw: str) -> Todo:
    """Take a raw text apart.

    Spec: B-612 API Documentation, §3 (`client_details.todo`); b612.md §7, B16.
    """
    pieces, tail = marker.pieces(raw)
    texts: list[str] = []
    keys: list[OperationKey] = []
    remarks: list[Remark] = []
    for before, key in pieces:
        head = _HEAD.search(before)
        if head is None:
            texts.append(before)
            keys.append(key)
            continue
        texts.append(before[: head.start()])
        remarks.append(Remark(key=key, at=_instant(head[1]), body=before[head.end() :].strip()))
    texts.append(tail)
    if len(texts) == 1:
        return Todo(text=raw)
    kept = [stripped for text in texts if (stripped := text.strip())]
    return Todo(text="\n".join(kept), keys=tuple(keys), remarks=tuple(remarks))


def join(text: str, keys: Sequence[OperationKey], remarks: Sequence[Remark] = ()) -> str:
    """Put a text together so that `split` gives the same parts."""
    for key in keys:
        text = marker.append(text, key)
    for remark in remarks:
        text = add(text, remark)
    return text


def unmarked(text: str) -> str:
    """Take out every marker, those that only appear when others are gone too."""
    while (found := marker.split(text))[1]:
        text = found[0]
    return text


def add(raw: str, remark: Remark) -> str:
    """Write a remark below what stands there."""
    at = remark.at.astimezone(UTC) if remark.at else datetime.min.replace(tzinfo=UTC)
    said = f"--\n[{at:%Y-%m-%d %H:%M} UTC] {remark.body}"
    return marker.append(f"{raw}\n{said}" if raw else said, remark.key)


def _instant(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    except ValueError:
        return None
