"""The work orders of the Digital Realty sandbox and everything that can change them.

Every change goes through here, whoever makes it: it makes a new state of the order and a line in
the record.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from syncd.sandbox.bodies import StoredBody
from syncd.sandbox.clock import SandboxClock
from syncd.sandbox.digital_realty.model import FIELDS, Attachment, Comment, Order
from syncd.sandbox.digital_realty.settings import (
    STATUSES,
    Account,
    DigitalRealtySandboxSettings,
)
from syncd.sandbox.history import Versions
from syncd.sandbox.record import Record, Who

FIRST_NUMBER = 9_334_000
"""Work orders are numbered on from here, near the document's samples."""

_NEW, _, _COMPLETED, _CANCELLED = STATUSES


class Orders:
    """All work orders of all accounts with their past."""

    def __init__(
        self, settings: DigitalRealtySandboxSettings, clock: SandboxClock, record: Record
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._record = record
        self._orders: dict[str, Versions[Order]] = {}
        self._serials: dict[str, int] = {}

    # --- reading ---------------------------------------------------------------------------------

    def all(self, seen_at: datetime | None = None) -> list[Order]:
        """Return the orders as of `seen_at` (None: now), oldest first."""
        found = (versions.as_of(seen_at) for versions in self._orders.values())
        return [order for order in found if order is not None]

    def get(self, order_id: str, seen_at: datetime | None = None) -> Order | None:
        """Return one order; None when there is none (yet, or no more)."""
        versions = self._orders.get(order_id)
        return versions.as_of(seen_at) if versions else None

    def need(self, ticket: str) -> Order:
        """Return one order as of now, for people."""
        order = self.get(ticket)
        if order is None:
            raise LookupError(f"no work order {ticket}")
        return order

    # --- changing --------------------------------------------------------------------------------

    def create(self, account: Account, fields: Mapping[str, Any], who: Who) -> Order:
        """Open a work order (section 5.3)."""
        at, serial = self._clock.now(), self._serial("order")
        order = Order(
            serial=serial,
            id=f"WO{FIRST_NUMBER + serial}",
            account=account,
            status=_NEW,
            fields={name: str(fields.get(name, "")) for name in FIELDS},
            created_at=at,
            updated_at=at,
            closed_at=None,
            created_by=who,
        )
        self._orders[order.id] = Versions(at, order)
        self._note("ticket_created", order, who, status=order.status, fields=dict(fields))
        return order

    def update(self, order: Order, fields: Mapping[str, str], who: Who) -> Order:
        """Change fields (section 5.4); what stays as it was moves no date."""
        texts = dict(order.fields)
        for name, new in fields.items():
            old = texts.get(name, "")
            what = "field_unchanged" if old == new else "field_changed"
            self._note(what, order, who, field=name, old=old, new=new)
            texts[name] = new
        if texts == order.fields:
            return order
        return self._put(replace(order, fields=texts, updated_at=self._clock.now()))

    def set_status(self, order: Order, status: str, who: Who, text: str | None = None) -> Order:
        """Move the status; only people of the vendor and a cancel do."""
        if status == order.status:
            self._note("status_unchanged", order, who, status=status, text=text)
            return order
        at = self._clock.now()
        self._note("status_changed", order, who, old=order.status, new=status, text=text)
        closes = status == _COMPLETED or (status == _CANCELLED and self._settings.cancel_closes)
        moved = replace(
            order,
            status=status,
            updated_at=at,
            closed_at=at if closes else None,
            cancel_reason=text if status == _CANCELLED else None,
        )
        return self._put(moved)

    def comment(self, order: Order, text: str, who: Who) -> Comment:
        """Add a remark (section 8)."""
        at = self._clock.now()
        comment = Comment(id=f"comment-{self._serial('comment')}", at=at, text=text, who=who)
        self._note("comment_added", order, who, comment=comment.id, kind="comment", text=text)
        touched = at if self._settings.comment_touches else order.updated_at
        self._put(replace(order, comments=(*order.comments, comment), updated_at=touched))
        return comment

    def attach(
        self, order: Order, name: str, content_type: str, body: StoredBody, who: Who
    ) -> Attachment:
        """Add a file (section 8)."""
        attachment = Attachment(
            id=f"attachment-{self._serial('attachment')}",
            at=self._clock.now(),
            name=name,
            content_type=content_type,
            body=body,
            who=who,
        )
        self._note(
            "attachment_added",
            order,
            who,
            attachment=attachment.id,
            name=name,
            content_type=content_type,
            size=body.size_bytes,
            sha256=body.sha256,
        )
        self._put(replace(order, attachments=(*order.attachments, attachment)))
        return attachment

    def remove(self, order: Order, who: Who) -> None:
        """Make a work order vanish: reads by id answer 404 from now on."""
        self._note("ticket_removed", order, who)
        self._orders[order.id].put(self._clock.now(), None)

    # --- below -----------------------------------------------------------------------------------

    def _put(self, order: Order) -> Order:
        self._orders[order.id].put(self._clock.now(), order)
        return order

    def _serial(self, kind: str) -> int:
        self._serials[kind] = self._serials.get(kind, 0) + 1
        return self._serials[kind]

    def _note(self, what: str, order: Order, who: Who, **contents: Any) -> None:
        self._record.add(
            what,
            who,
            ticket=order.id,
            number=order.id,
            account=order.account.account_id,
            **contents,
        )
