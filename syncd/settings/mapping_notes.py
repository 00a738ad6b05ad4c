"""`notes` of a mapping: checked, and built for the core."""

from syncd.core.rules import NoteRule
from syncd.model.ids import Side
from syncd.settings.mapping import MappingBlock, NoteBlock
from syncd.settings.mapping_scope import Scope
from syncd.settings.problems import Path, listed


def build_notes(scope: Scope, block: MappingBlock) -> tuple[NoteRule, ...]:
    """Check and build the notes of both directions."""
    made: list[NoteRule] = []
    slots: dict[str, int] = {}
    for target, blocks in ((Side.VENDOR, block.notes.to_vendor), (Side.ITSM, block.notes.to_itsm)):
        for at, one in enumerate(blocks):
            path: Path = ("notes", f"to_{target}", at)
            rule = _note(scope, one, path, target)
            if rule is None:
                continue
            if slots.setdefault(rule.slot, at) != at:
                said = f"there is a note for {listed(one.when_changed)} already"
                scope.add((*path, "when_changed"), said)
            made.append(rule)
    return tuple(made)


def _note(scope: Scope, block: NoteBlock, path: Path, target: Side) -> NoteRule | None:
    ok, source = bool(block.when_changed), target.other
    if not block.when_changed:
        scope.add((*path, "when_changed"), "an empty list; name the fields that are watched")
    for name in block.when_changed:
        ok &= scope.readable(source, name, (*path, "when_changed"), derived=source is Side.ITSM)
    scope.can_say(target, block.as_, (*path, "as"))
    text = scope.template(block.text, (*path, "text"), source)
    if text is None or not ok:
        return None
    return NoteRule(
        slot=f"notes.to_{target}.{'+'.join(block.when_changed)}",
        target_side=target,
        when_changed=block.when_changed,
        kind=block.as_,
        text=text,
        place=scope.place(path),
    )
