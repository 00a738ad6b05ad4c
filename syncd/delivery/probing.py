"""An operation whose answer was lost is looked for; nothing in here sends (DESIGN R3)."""

from dataclasses import replace

from syncd.core.file_names import clean
from syncd.core.retry import Look, Stage, after_look
from syncd.core.state import ItemKind
from syncd.delivery import outcomes
from syncd.delivery.outcomes import Progress, Verdict
from syncd.delivery.sending import normalised, told
from syncd.delivery.tools import Tools
from syncd.model.errors import BrokenInvariant
from syncd.model.operation import Finding, ParkReason, ProbeResult, Receipt, WriteKind
from syncd.model.outbox import ClaimedOperation
from syncd.ports.errors import OddAnswer


class Unclear(OddAnswer):
    """A probe could read, but not tell whether the write happened."""


async def probe(op: ClaimedOperation, tools: Tools, progress: Progress) -> Verdict:
    """Look for a write that may have happened.

    Args:
        op: claimed in state UNKNOWN.
        tools: the ways to the outside.
        progress: kept up to date, as in `sending.send`.

    Raises:
        Exception: whatever the adapter or the spool raise; `outcomes.after_error` knows.
    """
    progress.stage = Stage.LOOK
    terms = tools.terms(op)
    if not terms.feature.can_probe:
        if op.closed_at is not None and op.closed_at > terms.now:
            said = "who was sending it may still be"
            verdict = outcomes.again(progress, terms, at=op.closed_at, looked_at=said, resend=False)
            outcome = replace(verdict.outcome, closed_at=op.closed_at, saw_nothing=False)
            return replace(verdict, outcome=outcome)
        return outcomes.parked(
            progress, ParkReason.IN_DOUBT, "the provider offers nothing to look for it", terms
        )
    result = await look(op, tools, progress)
    terms = tools.terms(op)
    if result.finding is Finding.UNCLEAR:
        raise Unclear(f"looked, and cannot tell: {result.looked_at}")
    if result.finding is Finding.FOUND:
        if result.receipt is None:
            raise BrokenInvariant("a probe that found something gives its receipt")
        receipt = normalised(result.receipt, tools.normaliser(op.connection))
        effects = (receipt, *result.others)
        return outcomes.found(op, progress, effects, terms)
    return _absent(op, tools, progress, result)


async def look(op: ClaimedOperation, tools: Tools, progress: Progress) -> ProbeResult:
    """Ask the provider, with the write as it was sent."""
    file = op.write.attachment
    if file is not None:
        progress.complete(told(replace(op.write, attachment=replace(file, name=clean(file.name)))))
    async with tools.lanes.slot(op.connection):
        # What is looked at is as old as the start of the reading, not as the wait before it.
        progress.started_at = tools.clock.now()
        sent_at = op.sent_at or op.planned_at
        result = await tools.adapters[op.connection].probe(progress.write, sent_at)
    progress.request = f"probe {outcomes.describe(progress.write)}: {result.looked_at}"
    return await _without_known(op, tools, result)


async def _without_known(op: ClaimedOperation, tools: Tools, result: ProbeResult) -> ProbeResult:
    """Leave out what is accounted for otherwise: where no marker tells, effects only look alike."""
    kind = _ALIKE.get(op.write.kind)
    is_marked = kind is ItemKind.COMMENT and tools.terms(op).feature.marker
    if result.receipt is None or kind is None or is_marked:
        return result
    known = await tools.ledger.accounted(op, kind)
    effects = [each for each in (result.receipt, *result.others) if _made(each, kind) not in known]
    if not effects:
        seen = f"{result.looked_at}; what looks like it is another"
        return ProbeResult(finding=Finding.ABSENT, looked_at=seen)
    # As many as writes like this one may have made are theirs, and found by their own probes.
    theirs = await tools.ledger.rivals(op) if len(effects) > 1 else 0
    ours = effects[:1] if theirs is None else effects[:1] + effects[1 + theirs :]
    return replace(result, receipt=ours[0], others=tuple(ours[1:]))


_ALIKE = {WriteKind.ATTACHMENT: ItemKind.ATTACHMENT, WriteKind.COMMENT: ItemKind.COMMENT}


def _made(receipt: Receipt, kind: ItemKind) -> str | None:
    return receipt.attachment_id if kind is ItemKind.ATTACHMENT else receipt.comment_id


def _absent(op: ClaimedOperation, tools: Tools, progress: Progress, result: ProbeResult) -> Verdict:
    terms = tools.terms(op)
    closed_at = op.closed_at
    if closed_at is None:
        # A sender that died left no time: its socket was closed before this look began.
        closed_at = progress.started_at
    else:
        # Our clock may have been set: what it had not let pass is still to be waited for.
        closed_at = tools.steps.closed_at(op.id, closed_at)
    then = after_look(
        Look(
            looks=op.looks,
            closed_at=closed_at,
            started_at=progress.started_at,
            ended_at=terms.now,
            sends=op.sends,
        ),
        terms.feature,
        sends_max=tools.options.sends_max,
    )
    if then.park_reason is not None:
        detail = f"not there after {op.looks + 1} looks: {result.looked_at}"
        verdict = outcomes.parked(progress, then.park_reason, detail, terms)
    else:
        seen = "not there, to be sent again" if then.resend else "nothing seen"
        verdict = outcomes.again(
            progress,
            terms,
            at=then.look_at or terms.now,
            looked_at=f"{seen}: {result.looked_at}",
            resend=then.resend,
        )
    return replace(verdict, outcome=replace(verdict.outcome, closed_at=closed_at))
