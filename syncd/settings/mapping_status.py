"""`status`, `comments` and `attachments` of a mapping: checked, and built for the core."""

from collections.abc import Mapping

from syncd.core.rules import (
    AttachmentRules,
    CommentRules,
    CommentTest,
    StatusAction,
    StatusRules,
)
from syncd.model.ids import Side
from syncd.settings.mapping import (
    ActionBlock,
    AttachmentsBlock,
    CommentsBlock,
    CommentTestBlock,
    MappingBlock,
    StatusTableBlock,
)
from syncd.settings.mapping_actions import build_action, can_follow
from syncd.settings.mapping_fields import STATUS, check_status_conflict
from syncd.settings.mapping_scope import Scope
from syncd.settings.problems import Path, quoted, shown
from syncd.settings.yaml_nodes import Map

EXECUTABLE = (
    *("apk", "app", "bat", "cmd", "com", "cpl", "deb", "dll", "exe", "gadget", "hta", "jar", "js"),
    *("jse", "lnk", "msi", "msp", "pif", "ps1", "reg", "rpm", "scr", "sh", "vbe", "vbs", "wsf"),
)
"""Extensions that `executable` stands for."""


# --- status --------------------------------------------------------------------------------------


def build_status(scope: Scope, block: MappingBlock) -> StatusRules | None:
    """Check both status tables and build them."""
    if block.status is None:
        return None
    check_status_conflict(scope, block.status.conflict)
    to_itsm, unknown_to_itsm = _table(scope, block.status.to_itsm, Side.ITSM)
    to_vendor, unknown_to_vendor = _table(scope, block.status.to_vendor, Side.VENDOR)
    return StatusRules(
        to_itsm=to_itsm,
        to_vendor=to_vendor,
        unknown_to_itsm=unknown_to_itsm,
        unknown_to_vendor=unknown_to_vendor,
        conflict=block.status.conflict,
        relay=block.status.relay,
        close_when=block.status.close_when,
    )


def _table(
    scope: Scope, block: StatusTableBlock, target: Side
) -> tuple[Mapping[str, StatusAction], StatusAction]:
    path: Path = (STATUS, f"to_{target}")
    rows: Mapping[str, ActionBlock] = block.__pydantic_extra__ or {}
    source = scope.facts[target.other]
    node = scope.reading.document.node(path)
    if isinstance(node, Map):
        missing = [label for label in source.statuses if label not in node.entries]
        if missing:
            said = f"no line for {quoted(missing)} of {source.name}; every status needs one"
            scope.add_key(path, said)
    made: dict[str, StatusAction] = {}
    for label, row in rows.items():
        below = (*path, label)
        if source.statuses:
            _check_row_label(scope, label, below, target.other)
        scope.spell(target.other, STATUS, label, below)
        made[label] = build_action(scope, row, below, target)
    return made, build_action(scope, block.unknown, (*path, "unknown"), target)


def _check_row_label(scope: Scope, label: str, path: Path, side: Side) -> None:
    facts = scope.facts[side]
    right = facts.canonical(STATUS, label)
    if right in facts.statuses and right != label:
        scope.add_key(path, f"{shown(label)} is written {shown(right)} for {facts.name}")
    elif label not in facts.statuses:
        said = f"no status {shown(label)}; {facts.name} lists {quoted(facts.statuses)}"
        scope.add_key(path, said)


# --- comments ------------------------------------------------------------------------------------


def build_comments(scope: Scope, block: MappingBlock) -> dict[Side, CommentRules]:
    """Check and build the comment rules by the side they write."""
    made: dict[Side, CommentRules] = {}
    both = ((Side.VENDOR, block.comments.to_vendor), (Side.ITSM, block.comments.to_itsm))
    for target, one in both:
        if one is not None:
            made[target] = _comments(scope, one, ("comments", f"to_{target}"), target)
    return made


def _comments(scope: Scope, block: CommentsBlock, path: Path, target: Side) -> CommentRules:
    scope.can_say(target, block.as_, (*path, "as"))
    template = None
    if block.text is not None:
        where = (*path, "text")
        template = scope.template(block.text, where, target.other, ("author", "body"))
        if template is not None and "body" not in template.names:
            scope.add(where, "what was said would be lost; {{ body }} must stand in it")
    if block.closed is not None:
        can_follow(scope, (*path, "closed"), target)
    share = None
    if block.share is not None:
        share = _tests(scope, block.share, (*path, "share"))
    return CommentRules(
        share=share,
        skip=_tests(scope, block.skip, (*path, "skip")),
        text=template,
        kind=block.as_,
        history=block.history == "all",
        follow_up=block.closed == "follow_up",
        relay=block.relay,
        place=scope.place(path),
    )


def _tests(scope: Scope, blocks: list[CommentTestBlock], path: Path) -> tuple[CommentTest, ...]:
    made: list[CommentTest] = []
    for at, block in enumerate(blocks):
        below = (*path, at)
        if block.kind is None and block.author is None and block.body is None:
            scope.add(below, "nothing is asked for; accepted: kind, author, body")
        pattern = None
        if block.body is not None:
            pattern = scope.pattern(block.body.matches, (*below, "body", "matches"))
        author = block.author
        made.append(
            CommentTest(
                kind=block.kind,
                authors=author.is_ if author else (),
                authors_not=author.not_ if author else (),
                body=pattern,
                place=scope.place(below),
            )
        )
    return tuple(made)


# --- attachments ---------------------------------------------------------------------------------


def build_attachments(scope: Scope, block: MappingBlock) -> dict[Side, AttachmentRules]:
    """Check and build the attachment rules by the side they write."""
    made: dict[Side, AttachmentRules] = {}
    both = ((Side.VENDOR, block.attachments.to_vendor), (Side.ITSM, block.attachments.to_itsm))
    for target, one in both:
        if one is not None:
            made[target] = _attachments(scope, one, ("attachments", f"to_{target}"), target)
    return made


def _attachments(
    scope: Scope, block: AttachmentsBlock, path: Path, target: Side
) -> AttachmentRules:
    if block.else_ is not None:
        scope.can_say(target, block.else_, (*path, "else"))
    return AttachmentRules(
        max_bytes=block.max_size,
        allow=_extensions(scope, block.allow, (*path, "allow")),
        deny=_extensions(scope, block.deny, (*path, "deny")),
        otherwise=block.else_,
        relay=block.relay,
        place=scope.place(path),
    )


def _extensions(scope: Scope, words: tuple[str, ...], path: Path) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for word in words:
        plain = word.lower().removeprefix("*").removeprefix(".")
        if plain == "executable":
            found |= dict.fromkeys(EXECUTABLE)
        elif plain.isalnum():
            found[plain] = None
        else:
            scope.add(path, f"{shown(word)} is no extension; accepted: pdf, jpg …, executable")
    return tuple(found)
