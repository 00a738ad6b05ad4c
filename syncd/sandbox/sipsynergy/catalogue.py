"""The calls about users, groups, states, events and reports (sections 2.1, 2.4 to 2.7)."""

from datetime import timedelta
from typing import Any

from aiohttp import web

from syncd.sandbox.calls import Answer, Call, Operation, empty_answer, json_answer
from syncd.sandbox.clock import SandboxClock
from syncd.sandbox.sipsynergy import checks
from syncd.sandbox.sipsynergy.errors import Refusal
from syncd.sandbox.sipsynergy.model import Ticket, User
from syncd.sandbox.sipsynergy.settings import SipSynergySandboxSettings
from syncd.sandbox.sipsynergy.state import Tickets, Users
from syncd.sandbox.sipsynergy.views import Views

STATE_TYPES = ("all", "state", "type", "priority", "stage", "outcome")


class CatalogueCalls:
    """Carry out the calls that are not about one ticket."""

    def __init__(
        self,
        settings: SipSynergySandboxSettings,
        tickets: Tickets,
        users: Users,
        views: Views,
        clock: SandboxClock,
    ) -> None:
        self._settings = settings
        self._tickets = tickets
        self._users = users
        self._views = views
        self._clock = clock

    def table(self) -> list[Operation]:
        """Return the calls in look-up order."""
        root = self._settings.prefix
        confirm = f"{root}/events/confirm-contacts/{{ticket_id}}"
        kinds, period = frozenset({"type"}), frozenset({"period"})
        reads: list[tuple[str, str, Any, frozenset[str]]] = [
            ("get_user", f"{root}/users", self.own_user, frozenset()),
            ("list_agents", f"{root}/users/agents", self.agents, frozenset()),
            ("list_groups", f"{root}/groups", self.groups, frozenset()),
            ("get_group", f"{root}/groups/{{group_id}}", self.group, frozenset()),
            ("list_states", f"{root}/states", self.states, kinds),
            ("list_states_slash", f"{root}/states/", self.states, kinds),
            ("get_confirmation", confirm, self.confirmation, frozenset()),
            ("report", f"{root}/reporting/tickets", self.report, period),
            ("report_csv", f"{root}/reporting/tickets/download", self.download, period),
        ]
        writes: list[tuple[str, str, str, Any]] = [
            ("create_user", "POST", f"{root}/users", self.create_user),
            ("update_user", "PATCH", f"{root}/users/{{user_id}}", self.update_user),
            ("delete_user", "DELETE", f"{root}/users/{{user_id}}", self.delete_user),
            ("confirm_contacts", "POST", confirm, self.confirm),
        ]
        return [
            *(
                Operation(
                    name=name,
                    method="GET",
                    path=path,
                    handler=handler,
                    reads=True,
                    lists=name.startswith("report"),
                    query=query,
                )
                for name, path, handler, query in reads
            ),
            *(
                Operation(name=name, method=method, path=path, handler=handler)
                for name, method, path, handler in writes
            ),
        ]

    # --- users -----------------------------------------------------------------------------------

    async def own_user(self, call: Call) -> Answer:
        """The logged-in user."""
        return json_answer({"data": self._views.user(self._users.own)})

    async def agents(self, call: Call) -> Answer:
        """The agents."""
        found = [one for one in self._users.all() if one.is_agent]
        return json_answer({"data": [self._views.user(one) for one in found]})

    async def create_user(self, call: Call) -> Answer:
        """201, the database id in `Location`."""
        given = checks.user_body(checks.json_object(call), is_create=True)
        made = self._users.create(given, call.client(self._settings.integration_name))
        answer = empty_answer(201)
        answer.headers["Location"] = str(made.id)
        return answer

    async def update_user(self, call: Call) -> Answer:
        """202."""
        user = self._user(call)
        given = checks.user_body(checks.json_object(call), is_create=False)
        self._users.update(user, given, call.client(self._settings.integration_name))
        return empty_answer(202)

    async def delete_user(self, call: Call) -> Answer:
        """202."""
        self._users.remove(self._user(call), call.client(self._settings.integration_name))
        return empty_answer(202)

    # --- groups and states -----------------------------------------------------------------------

    async def groups(self, call: Call) -> Answer:
        """All groups."""
        numbers = range(1, len(self._settings.groups) + 1)
        return json_answer({"data": [self._views.group(number) for number in numbers]})

    async def group(self, call: Call) -> Answer:
        """One group by database id."""
        text = call.params["group_id"]
        if not text.isdigit():
            raise Refusal(422, f"group {text} is no number", "section 2.4")
        if not 1 <= int(text) <= len(self._settings.groups):
            raise Refusal(404, f"no group {text}")
        return json_answer({"data": self._views.group(int(text))})

    async def states(self, call: Call) -> Answer:
        """States, of one kind where asked for (S12: with or without the slash)."""
        query, slash = call.request.query, self._settings.slash
        kind = query.get("type")
        if call.name == "list_states" and kind is not None and slash != "either":
            if slash == "not_found":
                raise Refusal(404, "no such path")
            return web.Response(
                status=301,
                headers={
                    "Location": f"{self._settings.prefix}/states/?{call.request.query_string}"
                },
            )
        if kind is not None and kind not in STATE_TYPES:
            raise Refusal(422, f"type {kind}", "section 2.5")
        return json_answer({"data": self._views.states(kind)})

    # --- events ----------------------------------------------------------------------------------

    async def confirm(self, call: Call) -> Answer:
        """201; every call mails the contacts."""
        self._tickets.confirm(self._ticket(call), call.client(self._settings.integration_name))
        return empty_answer(201)

    async def confirmation(self, call: Call) -> Answer:
        """The event, or 404 while it was not triggered."""
        ticket = self._ticket(call)
        if ticket.confirmed is None:
            raise Refusal(404, "not triggered")
        return json_answer({"data": self._views.event(ticket)})

    # --- reports ---------------------------------------------------------------------------------

    async def report(self, call: Call) -> Answer:
        """The report as JSON."""
        return json_answer({"data": self._rows(call)})

    async def download(self, call: Call) -> Answer:
        """The report as CSV, declared as JSON (S18)."""
        return web.Response(body=self._views.csv(self._rows(call)), content_type="application/json")

    # --- below -----------------------------------------------------------------------------------

    def _rows(self, call: Call) -> list[dict[str, Any]]:
        period = call.request.query.get("period")
        if period is None or period not in self._settings.report_days:
            raise Refusal(422, f"period {period}", "section 2.7")
        now = call.seen_at or self._clock.now()
        since = now - timedelta(days=self._settings.report_days[period])
        return [
            self._views.report_row(one, now)
            for one in self._tickets.all(call.seen_at)
            if one.changed_at >= since
        ]

    def _user(self, call: Call) -> User:
        found = self._users.get(call.params["user_id"])
        if found is None:
            raise Refusal(404, f"no user {call.params['user_id']}")
        return found

    def _ticket(self, call: Call) -> Ticket:
        found = self._tickets.get(call.params["ticket_id"], call.seen_at)
        if found is None:
            raise Refusal(404, f"no ticket {call.params['ticket_id']}")
        return found
