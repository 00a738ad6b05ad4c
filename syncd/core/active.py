"""What concerns a ticket that is still active is said there instead of opening another one.

A vendor may rule that a problem with an order in process is a comment on that order. Delivery asks
right before it would send the create; in here is what is asked, and what is said. Pure.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from syncd.core.cutting import parts
from syncd.core.evaluate import as_text, evaluate
from syncd.core.marker import MARKER_CHARS_MAX
from syncd.core.opening import source_view
from syncd.core.rules import MappingRules
from syncd.core.state import SideTraits
from syncd.model.ids import OperationKey, Side
from syncd.model.operation import CommentDraft
from syncd.model.ticket import CommentKind, Missing, Ticket, Value

_KEY_CHARS = 12
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is looked for before a create is sent, and what is done when it is there.

    Attributes:
        kind: kind of ticket looked for.
        terms: what it is found by -> value.
        tell: kind of comment on the source ticket that names it; None: the desk is not told.
        place: the rule.
    """

    kind: str
    terms: Mapping[str, str]
    tell: CommentKind | None
    place: str = ""


def question(
    rules: MappingRules, ticket: Ticket | None, target: Side, traits: Mapping[Side, SideTraits]
) -> Question | None:
    """Say what is to be looked for before a ticket's partner is created; None: nothing.

    Args:
        rules: the mapping.
        ticket: the source ticket, newest snapshot; None when it is not known any more.
        target: the side the partner would be created on.
        traits: both connections.
    """
    opening = rules.opening(target)
    if opening is None or opening.active is None or ticket is None:
        return None
    view = source_view(rules, ticket, target.other, traits[target.other])
    terms: dict[str, str] = {}
    for name, expression in opening.active.terms.items():
        value = evaluate(expression, view)
        text = "" if isinstance(value, Missing) else as_text(value).strip()
        if text:
            terms[name] = text
    if not terms:
        return None
    tell = rules.tell_problems if target is Side.VENDOR else None
    place = str(opening.active.place)
    return Question(kind=opening.active.kind, terms=terms, tell=tell, place=place)


def said_there(
    fields: Mapping[str, Value], source_number: str, room_bytes: int | None
) -> tuple[CommentDraft, ...]:
    """Give what is said on the active ticket: what the create would have said, in parts.

    Args:
        fields: of the create.
        source_number: the source ticket's number.
        room_bytes: longest comment there in UTF-8 bytes, marker included; None: no limit.
    """
    texts = [as_text(fields.get(name)).strip() for name in ("title", "description")]
    body = "\n\n".join(text for text in texts if text) or "A problem is reported."
    whole = f"{source_number}: {body}" if source_number else body
    room = room_bytes and room_bytes - MARKER_CHARS_MAX
    return tuple(CommentDraft(body=part, author="") for part in parts(whole, room))


def said_here(question: Question, found: str, matched: str) -> CommentDraft | None:
    """Give what the source ticket's desk is told; None where the mapping tells it nothing."""
    if question.tell is None:
        return None
    body = (
        f"Said as a comment on {question.kind} {found}, which is still being processed "
        f"({matched}): no ticket of its own is opened, and what follows here is not carried there."
    )
    return CommentDraft(body=body, author="", kind=question.tell)


def follow_up_key(create: OperationKey, number: int) -> OperationKey:
    """Give the key of what is written instead of a create: the same at every try.

    So the database itself refuses to store it twice.
    """
    prefix, _, _ = str(create).partition("-")
    digest = hashlib.blake2b(f"{create} said {number}".encode(), digest_size=16).digest()
    left, text = int.from_bytes(digest), ""
    while len(text) < _KEY_CHARS:
        left, digit = divmod(left, 36)
        text += _BASE36[digit]
    return OperationKey(f"{prefix}-{text}")
