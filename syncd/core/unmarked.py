"""Comments where none carries a marker: their words, their time and who said them tell (R5)."""

from collections.abc import Callable, Collection
from datetime import timedelta

from syncd.core.keys import SKEW
from syncd.core.slots import Slots, may_have_left
from syncd.core.state import GivenUp, ItemKind, ItemPair, LinkState, OpenOperation, PairState
from syncd.model.ids import OperationId, Side
from syncd.model.operation import WriteKind
from syncd.model.ticket import Comment

DIGEST_PLACE = "{sha256}"
"""Stands in a note about an attachment that is not carried; delivery fills in the digest."""


def is_unmarked(state: LinkState, side: Side) -> bool:
    """Whether the comments we write on a side carry no marker."""
    how = state.traits[side].features.writes.get(WriteKind.COMMENT)
    return how is not None and not how.marker


def may_show_given_up(state: LinkState) -> bool:
    """Whether a ticket shows new words that might be ours although nothing open says so."""
    return any(is_unmarked(state, side) and _new_comments(state, side) for side in state.tickets)


def suspects(
    state: LinkState, side: Side, alike: Callable[[OpenOperation], bool]
) -> list[OpenOperation]:
    """List the unsettled writes of ours that may have made something new on a side (R5, held)."""
    return [
        each
        for each in (*state.operations, *state.others)
        if each.target is side and may_have_left(each) and alike(each)
    ]


def suspected(state: LinkState, side: Side) -> OperationId | None:
    """Name the first unsettled write that may have made new words on a ticket; None: none did."""
    if not is_unmarked(state, side):
        return None
    found = [
        each.id
        for comment in _new_comments(state, side)
        for each in suspects(state, side, said_alike(comment))
    ]
    return min(found, default=None)


def _new_comments(state: LinkState, side: Side) -> list[Comment]:
    known = {
        each
        for pair in state.pairs
        if pair.kind is ItemKind.COMMENT
        for each in (pair.source_id, pair.target_id)
    }
    return [each for each in state.tickets[side].comments if each.id not in known]


def said_alike(comment: Comment) -> Callable[[OpenOperation], bool]:
    """Say of a write whether it may have made a comment, where comments carry no marker."""

    def is_alike(operation: OpenOperation) -> bool:
        return operation.comment is not None and _says(operation.comment.body, comment)

    return is_alike


def _says(body: str, comment: Comment) -> bool:
    # Where a digest is filled in on the way, what stands before it tells.
    ours, place, _ = body.partition(DIGEST_PLACE)
    words, theirs = ours.split(), comment.body.split()
    return theirs == words or (bool(place) and theirs[: len(words)] == words)


def given_up_effect(
    slots: Slots, side: Side, comment: Comment, pairs: Collection[ItemPair]
) -> GivenUp | None:
    """Find the write that may have made a comment and was given up before anybody knew.

    Whoever gave it up could not know that it had happened: its words are no news. A person who
    says the same is told from us by the time, and by the name that our other comments there bear.

    Args:
        slots: the link.
        side: where the comment stands.
        comment: it.
        pairs: what this decision accounts for already.
    """
    met = {
        each.key for each in (*slots.state.pairs, *pairs) if each.state is not PairState.GIVEN_UP
    }
    rules = slots.state.rules.comments.get(side.other)
    is_relayed = rules is not None and rules.relay
    authors = _our_names(slots, side)
    if authors and comment.author not in authors:
        return None
    said_at = comment.created_at
    for one in slots.state.given_up:
        is_foreign = one.link_id != slots.state.link_id
        if one.target is not side or one.key in met or (is_foreign and is_relayed):
            continue
        if not _says(one.body, comment):
            continue
        settle = timedelta(
            seconds=slots.state.traits[side].features.writes[WriteKind.COMMENT].settle_s
        )
        if said_at is None or one.planned_at - SKEW <= said_at <= one.left_at + settle + SKEW:
            return one
    return None


def _our_names(slots: Slots, side: Side) -> frozenset[str]:
    """Name the authors that comments of ours are known to have on a side."""
    ours = {
        pair.target_id
        for pair in slots.state.pairs
        if pair.kind is ItemKind.COMMENT
        and pair.origin is side.other
        and pair.state is PairState.PAIRED
    }
    comments = slots.views[side].ticket.comments
    return frozenset(each.author for each in comments if each.id in ours)
