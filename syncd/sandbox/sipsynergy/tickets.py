"""The calls about tickets, comments and attributes (section 2.2)."""

from typing import Any

from syncd.sandbox.calls import Answer, Call, Operation, empty_answer, json_answer
from syncd.sandbox.record import Who
from syncd.sandbox.sipsynergy import checks
from syncd.sandbox.sipsynergy.errors import Refusal
from syncd.sandbox.sipsynergy.model import Ticket
from syncd.sandbox.sipsynergy.settings import SipSynergySandboxSettings
from syncd.sandbox.sipsynergy.state import Tickets, Users
from syncd.sandbox.sipsynergy.views import Views


class TicketCalls:
    """Carry out the ticket calls on the tickets kept."""

    def __init__(
        self, settings: SipSynergySandboxSettings, tickets: Tickets, users: Users, views: Views
    ) -> None:
        self._settings = settings
        self._tickets = tickets
        self._users = users
        self._views = views

    def table(self) -> list[Operation]:
        """Return the calls in look-up order."""
        root = f"{self._settings.prefix}/tickets"
        one = f"{root}/{{ticket_id}}"
        row = Operation
        return [
            row(
                name="list_tickets",
                method="GET",
                path=root,
                handler=self.list_all,
                reads=True,
                lists=True,
            ),
            row(name="create_ticket", method="POST", path=root, handler=self.create),
            row(name="get_ticket", method="GET", path=one, handler=self.get, reads=True),
            row(name="update_ticket", method="PATCH", path=one, handler=self.update),
            row(name="delete_ticket", method="DELETE", path=one, handler=self.delete),
            row(name="create_comment", method="POST", path=one, handler=self.comment),
            row(
                name="list_comments",
                method="GET",
                path=f"{one}/comments",
                handler=self.comments,
                reads=True,
            ),
            row(
                name="create_comment_below",
                method="POST",
                path=f"{one}/comments",
                handler=self.comment,
            ),
            row(
                name="list_attributes",
                method="GET",
                path=f"{one}/attributes",
                handler=self.attributes,
                reads=True,
            ),
        ]

    async def list_all(self, call: Call) -> Answer:
        """All tickets in one answer: no paging, no filter."""
        found = self._tickets.all(call.seen_at)
        return json_answer({"data": [self._views.ticket(each) for each in found]})

    async def get(self, call: Call) -> Answer:
        """One ticket, in an array (S1)."""
        view = self._views.ticket(self._ticket(call))
        shapes: dict[str, Any] = {"array": {"data": [view]}, "object": {"data": view}, "bare": view}
        return json_answer(shapes[self._settings.one_as])

    async def create(self, call: Call) -> Answer:
        """201 and the new id in `Location`."""
        body = checks.json_object(call)
        fields, attributes = checks.ticket_body(body, self._settings, is_create=True)
        made = self._tickets.create(fields, self._client(call), attributes)
        return self._created(call, f"/tickets/{made.id}", made.id)

    async def update(self, call: Call) -> Answer:
        """204; the body is a whole Ticket Create (S6), whose title may be left out."""
        ticket = self._ticket(call)
        body = checks.json_object(call)
        fields, _ = checks.ticket_body(body, self._settings, is_create=False)
        self._tickets.update(ticket, fields, self._client(call))
        answer = empty_answer(204)
        answer.headers["Location"] = ticket.id
        return answer

    async def delete(self, call: Call) -> Answer:
        """202."""
        self._tickets.remove(self._ticket(call), self._client(call))
        return empty_answer(202)

    async def comment(self, call: Call) -> Answer:
        """201 and the comment's id in `Location`; made at one path or the other (S3)."""
        served = "ticket" if call.name == "create_comment" else "comments"
        if served not in self._settings.comment_paths:
            raise Refusal(self._settings.comment_refusal, "no such method here")
        ticket = self._ticket(call)
        text, user = checks.comment_body(checks.json_object(call), ticket.id, self._settings)
        if self._users.by_human_id(user) is None:
            raise Refusal(422, f"no user {user}")
        made = self._tickets.comment(ticket, text, user, self._client(call))
        return self._created(call, f"/comments/{made.id}", made.id)

    async def comments(self, call: Call) -> Answer:
        """All comments of a ticket."""
        ticket = self._ticket(call)
        return json_answer({"data": [self._views.comment(ticket, one) for one in ticket.comments]})

    async def attributes(self, call: Call) -> Answer:
        """All attributes of a ticket."""
        ticket = self._ticket(call)
        return json_answer({"data": [self._views.attribute(one) for one in ticket.attributes]})

    # --- below -----------------------------------------------------------------------------------

    def _ticket(self, call: Call) -> Ticket:
        found = self._tickets.get(call.params["ticket_id"], call.seen_at)
        if found is None:
            raise Refusal(404, f"no ticket {call.params['ticket_id']}")
        return found

    def _client(self, call: Call) -> Who:
        return call.client(self._settings.integration_name)

    def _created(self, call: Call, path: str, made: str | int) -> Answer:
        answer = (
            json_answer({"data": {"id": made}}, 201)
            if self._settings.body_id
            else empty_answer(201)
        )
        places = {
            "id": str(made),
            "path": path,
            "url": f"http://{call.request.host}{self._settings.prefix}{path}?v=1",
        }
        if self._settings.location in places:
            answer.headers["Location"] = places[self._settings.location]
        return answer
