"""Texts that are longer than the other side takes."""

ELLIPSIS = " […]"
"""Ends a text that was cut."""

PARTS_MAX = 99
"""Comments one long text may become; the rest is cut off with the ellipsis."""


def fits(text: str, chars_max: int | None, bytes_max: int | None = None) -> bool:
    """Say whether a text is within its limits, in characters and in UTF-8 bytes."""
    if chars_max is not None and len(text) > chars_max:
        return False
    return bytes_max is None or len(text.encode("utf-8", "replace")) <= bytes_max


def cut(text: str, chars_max: int | None, bytes_max: int | None = None) -> tuple[str, str]:
    """Shorten a text.

    Returns:
        What fits, ending in an ellipsis when something was cut off, and what was cut off.
    """
    if fits(text, chars_max, bytes_max):
        return text, ""
    most = len(text) if chars_max is None else chars_max
    keep = max(most - len(ELLIPSIS), 0)
    if bytes_max is not None:
        room = max(bytes_max - len(ELLIPSIS.encode()), 0)
        keep = min(keep, len(text.encode("utf-8", "replace")[:room].decode("utf-8", "ignore")))
    return (text[:keep] + ELLIPSIS)[:most], text[keep:]


def parts(text: str, bytes_max: int | None) -> tuple[str, ...]:
    """Split a text into comments of at most `bytes_max` UTF-8 bytes, numbered `(1/3)`.

    Args:
        text: any text.
        bytes_max: room for one comment, marker not counted; None: no limit.
    """
    if bytes_max is None or len(text.encode("utf-8", "replace")) <= bytes_max:
        return (text,)
    room = max(bytes_max - len("(99/99) ") - len(ELLIPSIS.encode()), 1)
    pieces: list[str] = []
    rest = text.encode("utf-8", "replace")
    while rest and len(pieces) < PARTS_MAX:
        piece = rest[:room].decode("utf-8", "ignore")
        pieces.append(piece)
        rest = rest[len(piece.encode()) :]
    if rest:
        pieces[-1] += ELLIPSIS
    return tuple(f"({at}/{len(pieces)}) {piece}" for at, piece in enumerate(pieces, 1))
