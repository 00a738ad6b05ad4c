"""Before a create is sent: is there an active ticket that it is to be said on instead?

Asked before the first send only. A create that may have left stays a create: whatever is found
later, a comment beside a ticket would be one too many (DESIGN R3).
"""

from syncd.core.active import follow_up_key, said_here, said_there
from syncd.delivery.tools import Tools
from syncd.model.errors import ensure
from syncd.model.ids import TicketId
from syncd.model.operation import WriteKind
from syncd.model.outbox import ClaimedOperation, SaidInstead
from syncd.ports.adapter import FindsActive


async def said_instead(op: ClaimedOperation, tools: Tools) -> SaidInstead | None:
    """Look for the active ticket a create concerns; None: the create is sent.

    Raises:
        RemoteError: it could not be found out; the create waits, it is not sent unasked.
    """
    if op.write.kind is not WriteKind.CREATE or op.sends:
        return None
    asked = tools.question(op)
    if asked is None:
        return None
    adapter = tools.adapters[op.connection]
    ensure(isinstance(adapter, FindsActive), "who declares active_first can find active tickets")
    if not isinstance(adapter, FindsActive):
        return None
    async with tools.lanes.slot(op.connection):
        found = await adapter.find_active(asked.kind, asked.terms)
    if found is None:
        return None
    key, number = op.write.key, op.source.number if op.source else ""
    room = adapter.features.limits.comment_bytes
    drafts = said_there(op.write.fields, number, room)
    told = said_here(asked, found.ref.number or str(found.ref.id), found.matched)
    return SaidInstead(
        ticket_kind=found.ref.kind,
        ticket_id=found.ref.id or TicketId(""),
        ticket_number=found.ref.number,
        comments=tuple((follow_up_key(key, at), one) for at, one in enumerate(drafts, 1)),
        told=None if told is None else (follow_up_key(key, 0), told),
        place=asked.place,
    )
