"""A follow-up: in one transaction the old link ends and another takes its place (R13)."""

from dataclasses import replace

from syncd.core.rules import MappingRules
from syncd.core.state import FOLLOWED, FOLLOWS, BaselineMove, FollowUp, Note, Plan
from syncd.intake.open import plan_context, reconsider_opening
from syncd.intake.records import Decider, Decision
from syncd.model.ids import Side
from syncd.store import following, journal, links
from syncd.store.records import Line, LinkRecord, StoredTicket
from syncd.store.tx import Tx

LATE = "link.late_change"
"""Journalled when a vendor's ticket changes after a follow-up took its place."""


def follow_up(
    tx: Tx, link: LinkRecord, rules: MappingRules, last: tuple[Plan, FollowUp], decider: Decider
) -> Decision:
    """End a link and open its ITSM ticket's next partner, as any opening is planned.

    Args:
        tx: the transaction; the link is locked.
        link: the link that ends; what it still has for the ITSM is delivered all the same.
        rules: its mapping.
        last: its last plan, and what the new link starts with.
        decider: what else a decision needs.
    """
    plan, follow = last
    links.apply_plan(tx, link.id, plan, plan_context(rules, decider, None))
    following.give_way(tx, link.id, now=decider.now)
    new = links.create_link(
        tx,
        mapping=link.mapping,
        origin=Side.ITSM,
        source_row=link.rows[Side.ITSM],
        partner=(rules.vendor, rules.vendor_kind),
        now=decider.now,
    )
    told = Note(event="link.follows", detail=f"{follow.number}: {follow.why}", place=follow.place)
    start = Plan(
        baselines=(BaselineMove(side=Side.ITSM, slot=FOLLOWS, value=follow.number),),
        pairs=follow.known,
        notes=(told,),
    )
    links.apply_plan(tx, new, start, plan_context(rules, decider, None))
    return reconsider_opening(tx, links.load_link(tx, new), rules, decider)


def tell_late_change(tx: Tx, link: LinkRecord, stored: StoredTicket, decider: Decider) -> None:
    """Journal that a vendor's ticket changed after its follow-up was opened: it is not carried."""
    is_vendor = link.rows.get(Side.VENDOR) == stored.row
    if not is_vendor or link.tombstone_at is None or stored.read_at is None:
        return
    if stored.read_at <= link.tombstone_at or not following.follow_up_of(tx, link.id, FOLLOWED):
        return
    line = Line(
        at=decider.now,
        event=LATE,
        detail=f"{stored.number}, read {stored.read_at:%Y-%m-%d %H:%M:%S}: its follow-up took over",
        ticket=stored.row,
        link=link.id,
        mapping=link.mapping,
    )
    if not journal.was_told(tx, line):
        journal.append(tx, replace(line, correlation_id=decider.correlation_id))
