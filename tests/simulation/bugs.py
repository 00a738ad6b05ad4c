"""Bugs planted on purpose: a checker that lets one of them pass is blind.

Each puts one wrong thing in the place of a right one, for as long as its context lasts. This is
the only place where tests change the product's own modules: to break them is its whole purpose.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from syncd.core import items, plan, retry, slots, state
from syncd.delivery import outcomes, probing
from syncd.intake import candidates
from syncd.intake import service as intake
from syncd.model.operation import Finding, OperationState, ParkReason, ProbeResult, WriteKind
from syncd.model.outbox import OutcomeKind
from syncd.ports.errors import OddAnswer, OutcomeUnknown, TokenRejected, Unreachable
from syncd.providers.rt import feed as rt_feed
from syncd.providers.telenor import feed as telenor_feed
from syncd.store import effects, feeds, links, mappings, outbox, plans, settling, tables
from syncd.store.tx import Tx
from tests.simulation.habits import HabitualVendor
from tests.simulation.inline import InlineDatabase
from tests.simulation.life import MemorySpool
from tests.simulation.vendor import Vendor

Swap = Callable[[Any, str, Any], None]
"""Puts something else in the place of an attribute: (owner, name, new)."""


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Have a bug while the context lasts; an empty name is none."""
    with ExitStack() as stack:

        def swap(owner: Any, attribute: str, new: Any) -> None:
            old = getattr(owner, attribute)
            stack.callback(setattr, owner, attribute, old)
            setattr(owner, attribute, new)

        if name:
            BUGS[name](swap)
        yield


# --- sending and probing ---------------------------------------------------------------------


def _skip_the_probe(swap: Swap) -> None:
    async def look(*_: Any) -> ProbeResult:
        return ProbeResult(finding=Finding.ABSENT)

    swap(probing, "look", look)
    swap(probing, "after_look", lambda *_, **__: retry.AfterLook(resend=True))


def _probe_too_early(swap: Swap) -> None:
    def after_look(look: retry.Look, feature: Any, *, sends_max: int) -> retry.AfterLook:
        return right(look, replace(feature, settle_s=0.0, looks=1), sends_max=sends_max)

    right = probing.after_look
    swap(probing, "after_look", after_look)
    swap(outcomes, "first_look_at", lambda closed_at, _feature: closed_at)


def _send_unknown_again(swap: Swap) -> None:
    tables = {stage: dict(table) for stage, table in retry._TABLES.items()}
    tables[retry.Stage.SEND][retry.Failure.OUTCOME_UNKNOWN] = retry._OUTAGE
    swap(retry, "_TABLES", tables)


def _take_unknown_for_done(swap: Swap) -> None:
    async def write(self: Vendor, *args: Any) -> Any:
        try:
            return await right(self, *args)
        except OutcomeUnknown:
            asked = args[0]
            return self._told(asked, _receipt(self, asked))

    right = Vendor.write
    swap(Vendor, "write", write)


def _receipt(vendor: Vendor, write: Any) -> Any:
    from syncd.model.operation import Receipt

    return Receipt(ticket_id=write.ticket_id or f"{vendor.name}-lost", fields=dict(write.fields))


def _transport_repeats_writes(swap: Swap) -> None:
    async def write(self: Vendor, *args: Any) -> Any:
        try:
            return await right(self, *args)
        except (OutcomeUnknown, Unreachable):
            return await right(self, *args)

    right = Vendor.write
    swap(Vendor, "write", write)


def _another_key_each_time(swap: Swap) -> None:
    def write(row: Any) -> Any:
        made = right(row)
        return replace(made, key=f"{made.key}{row.sends}") if row.sends else made

    right = outbox._write
    swap(outbox, "_write", write)


def _crash_means_unsent(swap: Swap) -> None:
    def recover(tx: Any, **how: Any) -> Any:
        t = outbox.t
        sending = t.operation.c.state == OperationState.SENDING
        tx.run(outbox.sa.update(t.operation).where(sending).values(state=OperationState.CLAIMED))
        return right(tx, **how)

    right = outbox.recover
    swap(outbox, "recover", recover)


def _forget_what_was_refused(swap: Swap) -> None:
    def after(row: Any, outcome: Any, now: Any) -> Any:
        values = right(row, outcome, now)
        if values["park_reason"] is ParkReason.REFUSED:
            values |= {"state": OperationState.DISCARDED, "park_reason": None}
        return values

    right = settling._after
    swap(settling, "_after", after)


def _answer_is_not_kept(swap: Swap) -> None:
    def settle_in_time(found: Any, row: Any, answer: Any) -> None:
        outcome = answer.outcome
        if outcome.kind is OutcomeKind.APPLIED and row.kind == WriteKind.COMMENT:
            later = replace(outcome, kind=OutcomeKind.LATER, receipt=None, not_before=answer.now)
            answer = replace(answer, outcome=later)
        right(found, row, answer)

    right = settling._settle_in_time
    swap(settling, "_settle_in_time", settle_in_time)


def _another_takes_what_is_being_sent(swap: Swap) -> None:
    def claim(tx: Tx, *args: Any, **how: Any) -> Any:
        o = outbox.t.operation.c
        taken = outbox.sa.update(outbox.t.operation).where(
            o.state.in_((OperationState.CLAIMED, OperationState.SENDING))
        )
        tx.run(taken.values(state=OperationState.READY, lease_owner=None, lease_until=None))
        return right(tx, *args, **how)

    right = outbox.claim
    swap(outbox, "claim", claim)


def _lost_claim_is_sent(swap: Swap) -> None:
    """Neither the store's first word counts, nor that to who asks again because it stood still."""

    def all_the_same(name: str, right: Callable[..., bool]) -> None:
        def unit(tx: Tx, *args: Any, **how: Any) -> bool:
            right(tx, *args, **how)
            return True

        swap(outbox, name, unit)

    all_the_same("mark_sending", outbox.mark_sending)
    all_the_same("keep_sending", outbox.keep_sending)


def _overtaken_settles(swap: Swap) -> None:
    def settle(found: Any, row: Any, answer: Any) -> bool:
        settling._settle_in_time(found, row, answer)
        return True

    swap(settling, "_settle", settle)


def _nothing_is_recovered(swap: Swap) -> None:
    def recover(tx: Tx, **how: Any) -> Any:
        return right(tx, **(how | {"alone": False, "now": how["now"] - timedelta(days=9)}))

    right = outbox.recover
    swap(outbox, "recover", recover)


def _rejected_token_is_delivered(swap: Swap) -> None:
    async def write(self: Vendor, *args: Any) -> Any:
        try:
            return await right(self, *args)
        except TokenRejected:
            return self._told(args[0], _receipt(self, args[0]))

    right = Vendor.write
    swap(Vendor, "write", write)


def _files_are_cut(swap: Swap) -> None:
    right = MemorySpool.source
    swap(MemorySpool, "source", lambda self, digest: replace(right(self, digest), body=b""))


# --- reading ---------------------------------------------------------------------------------


def _cursor_before_commit(swap: Swap) -> None:
    async def write(self: InlineDatabase, unit: Any, *args: Any, **how: Any) -> Any:
        if unit is feeds.save_poll:
            connection, kind, result = args
            await right(self, unit, connection, kind, replace(result, sightings=()), **how)
        return await right(self, unit, *args, **how)

    right = InlineDatabase.write
    swap(InlineDatabase, "write", write)


def _page_limit_forgotten(swap: Swap) -> None:
    async def poll(self: Vendor, *args: Any) -> Any:
        result = await right(self, *args)
        return replace(result, cursor=json.dumps(len(self._activities)), gap=False)

    right = Vendor.poll
    swap(Vendor, "poll", poll)


def _overlap_forgotten(swap: Swap) -> None:
    swap(HabitualVendor, "_begin", lambda _self, since: since)


def _odd_page_is_an_empty_one(swap: Swap) -> None:
    async def poll(self: Vendor, *args: Any) -> Any:
        try:
            return await right(self, *args)
        except OddAnswer:
            return intake_result(self)

    def intake_result(vendor: Vendor) -> Any:
        from syncd.ports.adapter import PollResult

        return PollResult(sightings=(), cursor=json.dumps(len(vendor._activities)))

    right = Vendor.poll
    swap(Vendor, "poll", poll)


def _stale_is_news(swap: Swap) -> None:
    swap(slots.Slots, "is_settling", lambda *_: False)


def _altered_is_news(swap: Swap) -> None:
    swap(slots, "is_altered", lambda _sent, _read: False)


def _a_read_that_failed_is_done(swap: Swap) -> None:
    async def read_failed(self: Any, result: Any, *, gone: bool) -> None:
        await right(self, result, gone=gone)
        row = outbox.t.ticket.c
        query = outbox.sa.update(outbox.t.ticket).where(row.id == result.due.row)
        await self._ports.db.write(lambda tx: tx.run(query.values(read_due_at=None)))

    right = intake.Intake._read_failed
    swap(intake.Intake, "_read_failed", read_failed)


def _later_pages_forgotten(swap: Swap) -> None:
    """One page is read, and all counts as covered."""

    def take(self: Any, *args: Any) -> bool:
        right(self, *args)
        return True

    right = rt_feed._Round._take
    swap(rt_feed._Round, "_take", take)
    swap(telenor_feed._Round, "_is_end", lambda *_: True)


# --- deciding --------------------------------------------------------------------------------


def _pairs_forgotten(kind: str) -> Callable[[Swap], None]:
    def plant(swap: Swap) -> None:
        def complete_pair(found: Any, row: Any, receipt: Any) -> None:
            if row.item_kind != kind:
                right(found, row, receipt)

        right = effects._complete_pair
        swap(effects, "_complete_pair", complete_pair)

    return plant


def _baselines_stay(swap: Swap) -> None:
    swap(effects, "_move_baselines", lambda *_: None)


def _markers_unread(swap: Swap) -> None:
    swap(items, "_claim_own", lambda *_: False)


def _nothing_held(swap: Swap) -> None:
    swap(items, "_suspect", lambda *_: None)


def _quotes_are_ours(swap: Swap) -> None:
    swap(items, "_first_with", lambda _slots, _side, comment, _key: comment)


def _private_words_leave(swap: Swap) -> None:
    swap(items, "withheld", lambda *_: "")


def _same_words_are_one(swap: Swap) -> None:
    def unknown(state: Any, side: Any, kind: Any, found: Any) -> Iterator[Any]:
        before: set[str] = set()
        repeated = set()
        for comment in state.tickets[side].comments:
            if comment.body in before:
                repeated.add(comment.id)
            before.add(comment.body)
        return (item for item in right(state, side, kind, found) if item.id not in repeated)

    right = items._unknown
    swap(items, "_unknown", unknown)


def _words_out_of_order(swap: Swap) -> None:
    def add(tx: Any, home: Any, operations: Any, context: Any) -> Any:
        return right(tx, home, operations[::-1], context)

    right = plans._add_operations
    swap(plans, "_add_operations", add)


def _sent_is_replaced(swap: Swap) -> None:
    """The core takes all for unsent, and the store, which would refuse, does so too."""
    for module in (slots, plan):
        swap(module, "is_unsent", lambda _operation: True)
    swap(tables, "REPLACEABLE", tables.UNSETTLED)


def _conflict_unseen(swap: Swap) -> None:
    from syncd.core import fields

    swap(fields, "_resolve", lambda *_: None)


def _what_stood_before_crosses(swap: Swap) -> None:
    swap(state.LinkState, "is_fresh", property(lambda _self: False))


def _linked_is_linked_again(swap: Swap) -> None:
    swap(links, "_refuse_taken", lambda *_: None)


def _everything_is_shared(swap: Swap) -> None:
    def judge(rules: Any, source: Any, ticket: Any, *rest: Any) -> Any:
        shared = replace(ticket, fields={**ticket.fields, "assigned_group": "NOC"})
        return right(rules, source, shared, *rest)

    right = candidates._judge
    swap(candidates, "_judge", judge)


def _renamed_mapping_loses_its_links(swap: Swap) -> None:
    swap(mappings, "_rename", lambda *_: None)


def _new_tickets_match_by_edit(swap: Swap) -> None:
    def by_edit(tx: Any, subject: Any, *rest: Any) -> bool:
        return right(tx, replace(subject, is_new=False), *rest)

    right = candidates._is_by_edit
    swap(candidates, "_is_by_edit", by_edit)


BUGS: Mapping[str, Callable[[Swap], None]] = MappingProxyType(
    {
        "the probe is skipped": _skip_the_probe,
        "a probe is believed too early": _probe_too_early,
        "what is unknown is sent again": _send_unknown_again,
        "what is unknown is taken for done": _take_unknown_for_done,
        "transport repeats a write": _transport_repeats_writes,
        "a second send has another key": _another_key_each_time,
        "a crash while sending counts as unsent": _crash_means_unsent,
        "another takes what is being sent": _another_takes_what_is_being_sent,
        "who lost a claim sends all the same": _lost_claim_is_sent,
        "who was overtaken settles all the same": _overtaken_settles,
        "nothing is recovered after a crash": _nothing_is_recovered,
        "a rejected token counts as delivered": _rejected_token_is_delivered,
        "files are cut off": _files_are_cut,
        "everything is shared": _everything_is_shared,
        "a renamed mapping loses its links": _renamed_mapping_loses_its_links,
        "new tickets match only by an edit": _new_tickets_match_by_edit,
        "what was refused is forgotten": _forget_what_was_refused,
        "an answer is not kept": _answer_is_not_kept,
        "the cursor is committed first": _cursor_before_commit,
        "what lies past the page limit is forgotten": _page_limit_forgotten,
        "the overlap is forgotten": _overlap_forgotten,
        "an odd page is an empty one": _odd_page_is_an_empty_one,
        "an altered read-back is news": _altered_is_news,
        "a stale read is news": _stale_is_news,
        "a read that failed is not repeated": _a_read_that_failed_is_done,
        "comment pairs are forgotten": _pairs_forgotten("comment"),
        "attachment pairs are forgotten": _pairs_forgotten("attachment"),
        "baselines stay where they were": _baselines_stay,
        "markers are not read": _markers_unread,
        "nothing is held": _nothing_held,
        "a quotation is taken for ours": _quotes_are_ours,
        "private words leave": _private_words_leave,
        "the same words twice are one": _same_words_are_one,
        "words are queued last first": _words_out_of_order,
        "what was sent is replaced": _sent_is_replaced,
        "a change on both sides is not settled": _conflict_unseen,
        "what lies on later pages is forgotten": _later_pages_forgotten,
        "what stood there before crosses": _what_stood_before_crosses,
        "what is linked is linked again": _linked_is_linked_again,
    }
)
"""What can be planted, by what is wrong."""
