"""Comments and attachments: each crosses once (DESIGN R5, R6, R9, R10)."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from syncd.core.cutting import parts
from syncd.core.evaluate import View
from syncd.core.file_names import NAMELESS, clean
from syncd.core.keys import is_of_lost_time
from syncd.core.marker import MARKER_CHARS_MAX
from syncd.core.rules import AttachmentRules, CommentRules, CommentTest
from syncd.core.slots import Slots
from syncd.core.state import (
    Held,
    ItemKind,
    ItemPair,
    LinkState,
    OpenOperation,
    PairState,
    PlannedOperation,
    Reason,
)
from syncd.core.unmarked import DIGEST_PLACE, given_up_effect, is_unmarked, said_alike, suspects
from syncd.model.ids import AttachmentId, OperationId, OperationKey, Side
from syncd.model.operation import (
    AttachmentDraft,
    CommentDraft,
    OperationState,
    WriteKind,
)
from syncd.model.ticket import Attachment, Comment, Ticket, Visibility

_Item = TypeVar("_Item", Comment, Attachment)

FOREIGN_ITEM = "it came by another link of this ticket"

HELD_RECHECK_S = 30.0
"""How soon something held is looked at again when nothing else wakes the link."""


@dataclass(slots=True)
class ItemDraft:
    """What is gathered about comments and attachments.

    Attributes:
        pairs: newly accounted for.
        operations: to be planned, in order.
        applied: open operations whose effect was seen, with the effect's id.
        held: set aside until an operation is settled.
        is_rechecked: one of those operations may be settled without anybody deciding.
    """

    pairs: list[ItemPair]
    operations: list[PlannedOperation]
    applied: list[tuple[OperationKey, str]]
    held: list[Held] = field(default_factory=list)
    is_rechecked: bool = False


def plan_items(slots: Slots) -> ItemDraft:
    """Decide about every comment and attachment not known yet, on both sides."""
    items = ItemDraft(pairs=[], operations=[], applied=[])
    if slots.state.restored_at is not None:
        _pair_lost_files(slots, items)
    paired = {end for pair in items.pairs for end in (pair.source_id, pair.target_id)}
    for side in Side:
        view = slots.views.get(side)
        if view is None:
            continue
        for comment in _unknown(slots, side, ItemKind.COMMENT, view.ticket.comments):
            _plan_comment(slots, items, (side, view, comment))
        for attachment in _unknown(slots, side, ItemKind.ATTACHMENT, view.ticket.attachments):
            if attachment.id not in paired:
                _plan_attachment(slots, items, (side, attachment))
    return items


def _unknown(slots: Slots, side: Side, kind: ItemKind, items: Iterable[_Item]) -> Iterator[_Item]:
    known = {
        pair.source_id if pair.origin is side else pair.target_id
        for pair in slots.state.pairs
        if pair.kind is kind and pair.state is not PairState.FOREIGN
    }
    return (item for item in items if item.id not in known)


def is_foreign(state: LinkState, kind: ItemKind, item: str) -> bool:
    """Whether another link of the ticket wrote a comment or attachment (R10)."""
    return any(
        pair.state is PairState.FOREIGN and pair.kind is kind and pair.source_id == item
        for pair in state.pairs
    )


def _planned(item: tuple[ItemKind, Side, str]) -> ItemPair:
    """Account for something an operation of this plan carries; its key comes with the receipt."""
    kind, origin, source_id = item
    return ItemPair(kind=kind, origin=origin, source_id=source_id, state=PairState.PLANNED)


# --- comments --------------------------------------------------------------------------------


def _plan_comment(slots: Slots, items: ItemDraft, seen: tuple[Side, View, Comment]) -> None:
    side, view, comment = seen
    if comment.keys and _claim_own(slots, items, side, comment):
        return
    rules = slots.state.rules.comments.get(side.other)
    if is_unmarked(slots.state, side) and _is_perhaps_ours(slots, items, side, comment):
        return
    if (rules is None or not rules.relay) and is_foreign(slots.state, ItemKind.COMMENT, comment.id):
        _account(items, side, comment, (PairState.SKIPPED, FOREIGN_ITEM))
    elif slots.state.is_fresh and slots.state.origin is None:
        _account(items, side, comment, (PairState.HISTORY, "it was there before linking"))
    elif rules is None:
        _account(items, side, comment, (PairState.NOT_CARRIED, "the mapping carries no comments"))
    elif reason := withheld(rules, comment):
        _account(items, side, comment, (PairState.SKIPPED, reason))
    elif (first := _first_held(items, side)) is not None:
        # It may turn out to be a person's, and would arrive behind what was said after it (R6).
        _hold(items, side, comment, first)
    else:
        carry_comment(slots, items, (side, view, comment), rules)


def _is_perhaps_ours(slots: Slots, items: ItemDraft, side: Side, comment: Comment) -> bool:
    """Whether a comment without a marker may be ours: held then, or known for one given up."""
    suspect = _suspect(slots, items, side, said_alike(comment))
    if suspect is not None:
        _hold(items, side, comment, suspect)
        return True
    given_up = given_up_effect(slots, side, comment, items.pairs)
    if given_up is None:
        return False
    carried = next((pair for pair in slots.state.pairs if pair.key == given_up.key), None)
    if carried is not None and carried.kind is ItemKind.COMMENT:
        items.pairs.append(replace(carried, target_id=comment.id, state=PairState.PAIRED))
    else:
        why = (PairState.SKIPPED, f"written by syncd ({given_up.key})")
        _account(items, side, comment, why, key=given_up.key)
    return True


def _first_held(items: ItemDraft, side: Side) -> OperationId | None:
    """Name what the earliest comment that is held on a side waits for; None: none is."""
    comments = (each for each in items.held if each.kind is ItemKind.COMMENT and each.side is side)
    return next((each.operation for each in comments), None)


def _hold(items: ItemDraft, side: Side, item: Comment | Attachment, operation: OperationId) -> None:
    kind = ItemKind.COMMENT if isinstance(item, Comment) else ItemKind.ATTACHMENT
    items.held.append(Held(side=side, kind=kind, item=str(item.id), operation=operation))


def _account(
    items: ItemDraft,
    side: Side,
    comment: Comment,
    why: tuple[PairState, str],
    *,
    key: OperationKey | None = None,
) -> None:
    state, reason = why
    items.pairs.append(
        ItemPair(
            kind=ItemKind.COMMENT,
            origin=side,
            source_id=comment.id,
            state=state,
            reason=reason,
            key=key,
        )
    )


def _claim_own(slots: Slots, items: ItemDraft, side: Side, comment: Comment) -> bool:
    """Account for a comment that carries a marker of ours; False when a person quotes one."""
    for key in comment.keys:
        owner = slots.state.own_keys.get(key)
        if owner is None:
            first = _first_with(slots, side, comment, key)
            if first.id != comment.id and first.body != comment.body:
                continue  # A person quotes a stranger's: the earliest with the marker is theirs.
            _account(items, side, comment, (PairState.STRAY, strange(key)))
            return True
        if key in slots.state.quoted:
            continue  # A person quotes what we wrote on another ticket.
        first = _first_with(slots, side, comment, key)
        if first.id != comment.id and first.body != comment.body:
            continue  # A person quotes our comment: the earliest with the marker is ours.
        if first.id != comment.id:
            _account(items, side, comment, (PairState.DUPLICATE, f"a second effect of {key}"))
            return True
        rules = slots.state.rules.comments.get(side.other)
        if owner[0] != slots.state.link_id and rules is not None and rules.relay:
            return False
        if owner[0] != slots.state.link_id:
            reason = f"it came from link {owner[0]}"
            _account(items, side, comment, (PairState.SKIPPED, reason))
            return True
        if owner[1] is side:
            _own_effect(slots, items, side, comment, key)
            return True
    return False


def strange(key: OperationKey) -> str:
    """Say why what carries a marker is set aside: no operation of this store has its key."""
    return f"marker {key} is not of this store"


def _first_with(slots: Slots, side: Side, comment: Comment, key: OperationKey) -> Comment:
    comments = slots.views[side].ticket.comments
    return next((each for each in comments if key in each.keys), comment)


def _own_effect(
    slots: Slots, items: ItemDraft, side: Side, comment: Comment, key: OperationKey
) -> None:
    """Pair our own comment with what it carries, and settle its operation if that is open."""
    operation = next((each for each in slots.state.operations if each.key == key), None)
    if operation is not None:
        if operation.state not in (OperationState.CLAIMED, OperationState.SENDING):
            items.applied.append((key, comment.id))
        if operation.item is not None:
            return  # Settling it completes the pair.
    carried = next((pair for pair in slots.state.pairs if pair.key == key), None)
    if carried is None or carried.target_id or carried.state is PairState.SKIPPED:
        _account(items, side, comment, (PairState.SKIPPED, f"written by syncd ({key})"))
        return
    items.pairs.append(
        ItemPair(
            kind=carried.kind,
            origin=carried.origin,
            source_id=carried.source_id,
            target_id=comment.id,
            state=PairState.PAIRED,
            key=key,
        )
    )


def withheld(rules: CommentRules, comment: Comment) -> str:
    """Say why a comment is not shared (R9); empty when it is."""
    if any(_matches(test, comment) for test in rules.skip):
        return "a skip rule matches"
    is_public = comment.visibility is Visibility.PUBLIC
    if rules.share is None:
        return "" if is_public else f"it is {comment.visibility}"
    for test in rules.share:
        if _matches(test, comment) and (is_public or test.kind is not None):
            return ""
    return (
        "no share rule matches"
        if is_public
        else f"it is {comment.visibility}, and no rule names it"
    )


def _matches(test: CommentTest, comment: Comment) -> bool:
    if test.kind is not None and test.kind is not comment.kind:
        return False
    if test.authors and comment.author not in test.authors:
        return False
    if comment.author in test.authors_not:
        return False
    return test.body is None or test.body.search(comment.body) is not None


def carry_comment(
    slots: Slots, items: ItemDraft, seen: tuple[Side, View, Comment], rules: CommentRules
) -> None:
    """Plan the comment's copy on the other side, in as many parts as its length needs."""
    side, view, comment = seen
    traits = slots.state.traits[side.other]
    if WriteKind.COMMENT not in traits.features.writes:
        reason = "the other side takes no comments"
        _account(items, side, comment, (PairState.NOT_CARRIED, reason))
        return
    text = comment.body
    if rules.text is not None:
        text = rules.text.render({**view.context, "author": comment.author, "body": comment.body})
    if not text.strip():
        _account(items, side, comment, (PairState.SKIPPED, "it has no text"))
        return
    room = traits.features.limits.comment_bytes
    item = (ItemKind.COMMENT, side, str(comment.id))
    items.pairs.append(_planned(item))
    for at, part in enumerate(parts(text, room and room - MARKER_CHARS_MAX)):
        items.operations.append(
            PlannedOperation(
                target=side.other,
                kind=WriteKind.COMMENT,
                reason=Reason.COMMENTED if at == 0 else Reason.REST_SAID,
                comment=CommentDraft(body=part, author=comment.author, kind=rules.kind),
                item=item if at == 0 else None,
                place=str(rules.place),
                made_at=comment.created_at,
            )
        )


# --- attachments -----------------------------------------------------------------------------


def _pair_lost_files(slots: Slots, items: ItemDraft) -> None:
    """Pair files that look alike and were there when the store was restored from a backup.

    Files carry no key: a copy made in the time that was lost is known by its name and size.
    """
    left = {side: _lost_files(slots, items, side) for side in Side}
    for origin, target in ((Side.ITSM, Side.VENDOR), (Side.VENDOR, Side.ITSM)):
        for file in list(left[origin]):
            copies = [each for each in left[target] if _is_copy(file, each)]
            if not copies:
                continue
            left[origin].remove(file)
            left[target].remove(copies[0])
            items.pairs.append(
                ItemPair(
                    kind=ItemKind.ATTACHMENT,
                    origin=origin,
                    source_id=file.id,
                    target_id=copies[0].id,
                    state=PairState.PAIRED,
                    reason="alike, and there when the store was restored",
                )
            )


def _lost_files(slots: Slots, items: ItemDraft, side: Side) -> list[Attachment]:
    """List the files of a side that may be of the time a restored store lost.

    One that an upload known here may have made is left to that upload's probe.
    """
    view = slots.views.get(side)
    if view is None:
        return []
    return [
        file
        for file in _unknown(slots, side, ItemKind.ATTACHMENT, view.ticket.attachments)
        if _is_lost(slots, file) and _suspect(slots, items, side, _alike(file)) is None
    ]


def _is_copy(file: Attachment, other: Attachment) -> bool:
    """Whether a file may be the copy of one on the other side: the same name, the same size."""
    names = {clean(each.name).casefold() for each in (file, other)}
    return len(names) == 1 and file.size_bytes is not None and file.size_bytes == other.size_bytes


def _is_lost(slots: Slots, file: Attachment) -> bool:
    restored_at = slots.state.restored_at
    return is_of_lost_time(file.created_at, restored_at=restored_at, now=slots.state.now)


def lost_files(
    ticket: Ticket, *, restored_at: datetime | None, now: datetime
) -> frozenset[AttachmentId]:
    """Name the files of a ticket that may be copies, or have some, of the time that was lost.

    They are decided about when the partner was read as well: each carries no key, and alone looks
    like a person's.

    Args:
        ticket: as it stands.
        restored_at: when the store was last restored from a backup; None: never.
        now: when that is asked.
    """
    return frozenset(
        file.id
        for file in ticket.attachments
        if is_of_lost_time(file.created_at, restored_at=restored_at, now=now)
    )


def _plan_attachment(slots: Slots, items: ItemDraft, seen: tuple[Side, Attachment]) -> None:
    side, attachment = seen
    if side.other not in slots.views and _is_lost(slots, attachment):
        return  # The partner's first read wakes the link.
    if (given_up := _given_up(slots, items, side, attachment)) is not None:
        # Whoever gave the upload up could not know that it had happened.
        items.pairs.append(replace(given_up, target_id=attachment.id, state=PairState.PAIRED))
    elif (suspect := _suspect(slots, items, side, _alike(attachment))) is not None:
        _hold(items, side, attachment, suspect)
    else:
        carry_attachment(slots, items, side, attachment)


def _given_up(
    slots: Slots, items: ItemDraft, side: Side, attachment: Attachment
) -> ItemPair | None:
    """Find the upload that may have made a file and was given up before anybody knew."""
    view = slots.views.get(side.other)
    files = {} if view is None else {file.id: file for file in view.ticket.attachments}
    claimed = {pair.source_id for pair in items.pairs}
    for pair in slots.state.pairs:
        may_have_left = pair.state is PairState.GIVEN_UP and pair.key is not None
        if not may_have_left or pair.kind is not ItemKind.ATTACHMENT or pair.origin is side:
            continue
        source = files.get(AttachmentId(pair.source_id))
        is_free = pair.source_id not in claimed
        if is_free and source is not None and _is_copy(source, attachment):
            return pair
    return None


def _suspect(
    slots: Slots, items: ItemDraft, side: Side, alike: Callable[[OpenOperation], bool]
) -> OperationId | None:
    """Name the unsettled write of ours that may have made something new on a side (R5, held)."""
    found = suspects(slots.state, side, alike)
    # What waits for a person wakes the link itself when it is settled.
    items.is_rechecked = items.is_rechecked or any(
        operation.state is not OperationState.PARKED for operation in found
    )
    return min((operation.id for operation in found), default=None)


def _alike(attachment: Attachment) -> Callable[[OpenOperation], bool]:
    """Say of an upload whether it may have made a file: by its name as it is sent, and its size."""
    name = clean(attachment.name).casefold()

    def is_alike(operation: OpenOperation) -> bool:
        draft = operation.attachment
        if operation.kind is not WriteKind.ATTACHMENT or draft is None:
            return False
        sizes = (draft.size_bytes, attachment.size_bytes)
        return clean(draft.name).casefold() == name and (None in sizes or sizes[0] == sizes[1])

    return is_alike


def carry_attachment(slots: Slots, items: ItemDraft, side: Side, attachment: Attachment) -> None:
    """Plan an attachment's copy, or the comment that stands for it, or say it is not carried."""
    if slots.state.is_fresh and slots.state.origin is None:
        _account_file(items, side, attachment, (PairState.HISTORY, "it was there before linking"))
        return
    rules = slots.state.rules.attachments.get(side.other)
    is_relayed = rules is not None and rules.relay
    if not is_relayed and is_foreign(slots.state, ItemKind.ATTACHMENT, attachment.id):
        _account_file(items, side, attachment, (PairState.SKIPPED, FOREIGN_ITEM))
        return
    draft = AttachmentDraft(
        source_id=attachment.id,
        name=attachment.name,
        content_type=attachment.content_type,
        size_bytes=attachment.size_bytes,
    )
    item = (ItemKind.ATTACHMENT, side, str(attachment.id))
    reason = _not_carried(slots, side, attachment, rules)
    if not reason or (rules is not None and rules.otherwise is not None):
        items.pairs.append(_planned(item))
    if not reason:
        items.operations.append(
            PlannedOperation(
                target=side.other,
                kind=WriteKind.ATTACHMENT,
                reason=Reason.ATTACHED,
                attachment=draft,
                item=item,
                place=str(rules.place) if rules else "",
                made_at=attachment.created_at,
            )
        )
    elif rules is not None and rules.otherwise is not None:
        comment = CommentDraft(body=_note_text(attachment, reason), author="", kind=rules.otherwise)
        items.operations.append(
            PlannedOperation(
                target=side.other,
                kind=WriteKind.COMMENT,
                reason=Reason.ATTACHMENT_SAID,
                comment=comment,
                attachment=draft,
                item=item,
                place=str(rules.place),
                made_at=attachment.created_at,
            )
        )
    else:
        _account_file(items, side, attachment, (PairState.NOT_CARRIED, reason))


def _account_file(
    items: ItemDraft, side: Side, attachment: Attachment, why: tuple[PairState, str]
) -> None:
    state, reason = why
    items.pairs.append(
        ItemPair(
            kind=ItemKind.ATTACHMENT,
            origin=side,
            source_id=attachment.id,
            state=state,
            reason=reason,
        )
    )


def _not_carried(
    slots: Slots, side: Side, attachment: Attachment, rules: AttachmentRules | None
) -> str:
    """Say why an attachment cannot cross as a file (R10); empty when it can."""
    features = slots.state.traits[side.other].features
    if rules is None:
        return "the mapping carries no attachments that way"
    if WriteKind.ATTACHMENT not in features.writes:
        return "the other side takes no attachments"
    size, extension = attachment.size_bytes, extension_of(attachment.name)
    limits = features.limits
    limit = min(limits.attachment_bytes, rules.max_bytes or 2**62)
    if size is not None and size > limit:
        return f"{size} bytes are more than the {limit} allowed"
    if size is not None and size < limits.attachment_bytes_min:
        return "it is empty, and the other side takes no empty files"
    if extension in limits.refused_types:
        return f"the other side takes no files of type {extension!r}"
    if rules.allow and extension not in rules.allow:
        return f"files of type {extension or 'none'!r} are not allowed"
    if extension in rules.deny:
        return f"files of type {extension!r} are refused"
    return ""


def extension_of(name: str) -> str:
    """Return a file name's extension in lower case without its dot; empty for none."""
    stem, dot, extension = name.strip().rpartition(".")
    return extension.lower().strip() if dot and stem else ""


def _note_text(attachment: Attachment, reason: str) -> str:
    size = "unknown size" if attachment.size_bytes is None else f"{attachment.size_bytes} bytes"
    name = "".join(char if char.isprintable() else "?" for char in attachment.name)
    return f"Attachment not copied ({reason}): {name or NAMELESS}, {size}, SHA-256 {DIGEST_PLACE}"
