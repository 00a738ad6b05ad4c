"""Whether a stored write is still wanted, asked just before it is sent (DESIGN section 7). Pure."""

from collections.abc import Callable, Iterable

from syncd.model.ticket import MISSING, Ticket, Value

Normalise = Callable[[str, Value], Value]
"""N of DESIGN R5: the form in which two spellings of a field's value are equal."""


def status_is_unknown(snapshot: Ticket | None, only_from: Iterable[str] | None) -> bool:
    """Say whether a rule about the target's status cannot be judged from the snapshot."""
    return only_from is not None and (snapshot is None or snapshot.get("status") is MISSING)


def why_status_forbids(
    snapshot: Ticket | None, only_from: Iterable[str] | None, normalise: Normalise
) -> str | None:
    """Say why the target's status no longer allows a write; None when it does.

    Args:
        snapshot: the newest known state of the target; None: never read.
        only_from: raw labels, one of which the status must equal after N; None: any.
        normalise: the target's N.

    Returns:
        One line for the operator. A status nobody knows forbids nothing.
    """
    if only_from is None or snapshot is None:
        return None
    status = snapshot.get("status")
    if status is MISSING:
        return None
    allowed = tuple(only_from)
    if normalise("status", status) in [normalise("status", label) for label in allowed]:
        return None
    return f"status is {status!r} now; the mapping sends this only from {', '.join(allowed)}"
