"""Stored values under today's N, so that an edit of labels or spellings is never taken for news."""

from collections.abc import Mapping
from dataclasses import replace

from syncd.core.evaluate import DIGEST_PREFIX, as_text
from syncd.core.rules import MappingRules
from syncd.core.slots import STATUS
from syncd.core.state import Baseline, LinkState
from syncd.model.ids import Side
from syncd.model.ticket import Missing, Value


def respelled(state: LinkState) -> LinkState:
    """Give the link's stored values in the form that today's configuration compares (R5, R13)."""
    names = slot_names(state.rules)

    def n(side: Side, slot: str, value: Value | Missing) -> Value | Missing:
        if isinstance(value, Mapping):
            return {name: _input(state, side, name, text) for name, text in value.items()}
        name = names.get((side, slot))
        if name is None or not isinstance(value, str):
            return value
        return state.traits[side].normalise(name, value)

    def known(side: Side, slot: str, value: Value) -> Value:
        found = n(side, slot, value)
        return value if isinstance(found, Missing) else found

    def today(side: Side, slot: str, baseline: Baseline) -> Baseline:
        value, previous = known(side, slot, baseline.value), n(side, slot, baseline.previous)
        if value == baseline.value and previous == baseline.previous:
            return baseline
        return replace(baseline, value=value, previous=previous)

    baselines = {
        (side, slot): today(side, slot, baseline)
        for (side, slot), baseline in state.baselines.items()
    }
    operations = tuple(
        replace(
            operation,
            slots={
                slot: replace(
                    move,
                    source_value=known(move.source, slot, move.source_value),
                    target_value=n(move.source.other, slot, move.target_value),
                    overruled=n(move.source.other, slot, move.overruled),
                )
                for slot, move in operation.slots.items()
            },
        )
        if operation.slots
        else operation
        for operation in state.operations
    )
    return replace(state, baselines=baselines, operations=operations)


def slot_names(rules: MappingRules) -> dict[tuple[Side, str], str]:
    """Name the field whose value stands in a slot's baseline of a side."""
    names = {(side, STATUS): "status" for side in Side}
    for paired in rules.paired:
        names[Side.ITSM, paired.slot] = paired.itsm
        names[Side.VENDOR, paired.slot] = paired.vendor
    for rule in rules.fields:
        names[rule.target_side, rule.slot] = rule.target
    return names


def _input(state: LinkState, side: Side, name: str, text: str) -> str:
    if text.startswith(DIGEST_PREFIX):
        return text
    return as_text(state.traits[side].normalise(name, text))
