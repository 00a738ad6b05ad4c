"""What a status, or a ticket that no longer matches, does on the other side: checked, and built."""

from collections.abc import Mapping
from dataclasses import replace

from syncd.core.rules import NoLonger, StatusAction, StatusEffect
from syncd.core.template import Template
from syncd.model.ids import Side
from syncd.model.operation import WriteKind
from syncd.model.ticket import CommentKind
from syncd.settings.mapping import ActionBlock, NoLongerBlock
from syncd.settings.mapping_scope import Scope
from syncd.settings.problems import Path, listed, nearest, quoted, shown

STATUS = "status"
_ACCEPTED = "accepted: nothing, comment, work_note, closure_note, {set: …}, or {do: …}"


def build_action(scope: Scope, block: ActionBlock, path: Path, target: Side) -> StatusAction:
    """Check what a status label does on `target`, and build it."""
    given = [each for each in (block.say, block.set, block.do) if each is not None]
    if len(given) != 1:
        scope.add(path, _ACCEPTED)
        return StatusAction()
    for key, value, owner, belongs in (
        ("with", block.with_, "set", block.set),
        ("reason", block.reason, "do: cancel", block.do == "cancel"),
        ("only_from", block.only_from, "set` or `do", block.say is None),
    ):
        if value and not belongs:
            scope.add_key((*path, key), f"`{key}` belongs to `{owner}`")
    if block.say is not None:
        return _said(scope, block.say, path, target)
    otherwise = _bounds(scope, block, path, target)
    if block.do is not None:
        return _done(scope, block, path, target, otherwise)
    label = block.set or ""
    scope.label(target, STATUS, label, (*path, "set"))
    scope.spell(target, STATUS, label, (*path, "set"))
    scope.writable(target, STATUS, (*path, "set"), ("status",), key=False)
    return StatusAction(
        effect=StatusEffect.SET,
        status=label,
        fields=_along(scope, block.with_, (*path, "with"), target),
        only_from=block.only_from,
        otherwise=otherwise,
        place=scope.place(path),
    )


def build_leaving(
    scope: Scope, block: NoLongerBlock, path: Path, target: Side
) -> tuple[NoLonger, StatusAction]:
    """Check `no_longer` and build it, with how the partner on `target` is cancelled."""
    if (block.then is None) == (block.do is None):
        scope.add(path, "accepted: keep, detach, cancel, or {do: cancel, …}")
        return NoLonger.KEEP, StatusAction()
    if block.do is None and block.then != "cancel":
        return NoLonger(block.then or "keep"), StatusAction()
    otherwise = _bounds(scope, block, path, target)
    return NoLonger.CANCEL, _cancel(scope, block, path, target, otherwise)


def _bounds(
    scope: Scope, block: ActionBlock | NoLongerBlock, path: Path, target: Side
) -> StatusAction | None:
    """Check `only_from` and `else`; give what is done else."""
    for label in block.only_from or ():
        scope.label(target, STATUS, label, (*path, "only_from"))
        scope.spell(target, STATUS, label, (*path, "only_from"))
    if block.else_ is None:
        return None
    if block.only_from is None and block.do != "follow_up":
        scope.add_key((*path, "else"), "`else` belongs to `only_from`")
    if block.else_ == "follow_up":
        return _follow(scope, (*path, "else"), target)
    return _said(scope, block.else_, (*path, "else"), target)


def _done(
    scope: Scope, block: ActionBlock, path: Path, target: Side, otherwise: StatusAction | None
) -> StatusAction:
    if block.do == "cancel":
        return _cancel(scope, block, path, target, otherwise)
    if block.do == "follow_up":
        return _followed(scope, block, path, target, otherwise)
    facts = scope.facts[target]
    if WriteKind.DELETE not in facts.traits.features.writes:
        scope.add((*path, "do"), f"{facts.name} ({facts.provider}) lets no ticket be deleted")
    return StatusAction(
        effect=StatusEffect.DELETE,
        only_from=block.only_from,
        otherwise=otherwise,
        place=scope.place(path),
    )


def _followed(
    scope: Scope, block: ActionBlock, path: Path, target: Side, otherwise: StatusAction | None
) -> StatusAction:
    made = _follow(scope, (*path, "do"), target)
    return replace(
        made,
        only_from=block.only_from or made.only_from,
        otherwise=otherwise,
        place=scope.place(path),
    )


def _follow(scope: Scope, path: Path, target: Side) -> StatusAction:
    closed = can_follow(scope, path, target)
    place = scope.place(path)
    return StatusAction(effect=StatusEffect.FOLLOW_UP, only_from=closed, place=place)


def can_follow(scope: Scope, path: Path, target: Side) -> tuple[str, ...]:
    """Check that a new ticket can follow a closed one; give the labels that are closed."""
    facts = scope.facts[target]
    closed = facts.connection.phases.get("closed", ())
    if target is not Side.VENDOR:
        scope.add(path, "only a vendor's ticket is followed by a new one; it stands in to_vendor")
    elif not closed:
        scope.add(path, f"phases.closed of {facts.name} names no status")
    return closed


def _cancel(
    scope: Scope,
    block: ActionBlock | NoLongerBlock,
    path: Path,
    target: Side,
    otherwise: StatusAction | None,
) -> StatusAction:
    facts = scope.facts[target]
    features = facts.traits.features
    where = (*path, "do") if block.do is not None else path
    if not features.cancelled_status:
        scope.add(where, f"{facts.name} ({facts.provider}) lets no ticket be cancelled")
    elif features.cancel_reasons:
        _check_reason(scope, block.reason, path, features.cancel_reasons)
    elif block.reason is not None:
        scope.add((*path, "reason"), f"{facts.name} takes no reason")
    label = facts.canonical(STATUS, features.cancelled_status)
    if label:
        scope.spell(target, STATUS, label, where)
    return StatusAction(
        effect=StatusEffect.CANCEL,
        status=label,
        cancel_reason=block.reason or "",
        only_from=block.only_from,
        otherwise=otherwise,
        place=scope.place(path),
    )


def _check_reason(scope: Scope, reason: str | None, path: Path, accepted: tuple[str, ...]) -> None:
    if reason is None:
        said = f"a reason is needed: {{do: cancel, reason: …}}; accepted: {listed(accepted)}"
        scope.add(path, said)
    elif reason not in accepted:
        close = nearest(reason, accepted) or ";"
        said = f"{shown(reason)} is not accepted{close} accepted: {quoted(accepted)}"
        scope.add((*path, "reason"), said)


def _said(scope: Scope, word: str, path: Path, target: Side) -> StatusAction:
    place = scope.place(path)
    if word == "nothing":
        return StatusAction(place=place)
    kind = CommentKind(word)
    scope.can_say(target, kind, path)
    return StatusAction(effect=StatusEffect.SAY, kind=kind, place=place)


def _along(
    scope: Scope, texts: Mapping[str, str], path: Path, target: Side
) -> Mapping[str, Template]:
    made: dict[str, Template] = {}
    for name, text in texts.items():
        below = (*path, name)
        scope.writable(target, name, below, ("status",))
        template = scope.template(text, below, target.other)
        if template is not None:
            made[name] = template
    return made
