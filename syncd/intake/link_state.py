"""What the core decides about a link from: what is stored, and today's configuration."""

from dataclasses import replace
from datetime import datetime

from syncd.core.evaluate import phase_of
from syncd.core.rules import MappingRules
from syncd.core.state import LinkState
from syncd.core.unmarked import may_show_given_up
from syncd.intake.config import IntakeConfig
from syncd.store import sharing
from syncd.store.records import LinkParts
from syncd.store.tx import Tx


def link_state(
    tx: Tx, parts: LinkParts, rules: MappingRules, config: IntakeConfig, now: datetime
) -> LinkState:
    """Put together what the core decides from."""
    state = LinkState(
        link_id=parts.link.id,
        rules=rules,
        traits=config.traits_of(rules),
        tickets=parts.tickets,
        numbers=parts.numbers,
        baselines=parts.baselines,
        pairs=parts.pairs,
        operations=parts.operations,
        conflicts=parts.conflicts,
        own_keys=parts.own_keys,
        origin=None if parts.link.added_by else parts.link.origin,
        now=now,
        read_at=parts.read_at,
        quoted=parts.quoted,
        others=parts.others,
        restored_at=parts.restored_at,
        siblings=tuple(
            phase_of(each.status, config.traits[each.vendor])
            for each in parts.siblings
            if each.vendor in config.traits
        ),
    )
    if not may_show_given_up(state):
        return state
    return replace(state, given_up=sharing.given_up(tx, parts.link))
