"""RT's calls that syncing does not need, offered by name; and the live check."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

from syncd.ports import calls
from syncd.ports.adapter import CheckFinding, Expectation
from syncd.ports.calls import Arguments, NamedCall
from syncd.ports.errors import NotFound, Refused, RemoteError
from syncd.providers.rt.client import RtClient
from syncd.providers.rt.feed import in_queues
from syncd.providers.rt.mapping import same_value
from syncd.providers.rt.settings import RtSettings
from syncd.providers.rt.wire import QueueDoc, Row

_NEWEST = [("orderby", "LastUpdated"), ("order", "DESC"), ("orderby", "id"), ("order", "DESC")]
_SAMPLE = "100"
_DELETED = "deleted"


class RtCalls:
    """Named calls and the live check of one connection."""

    def __init__(self, client: RtClient, settings: RtSettings) -> None:
        self._client = client
        self._settings = settings
        self._named = self._table()

    def described(self) -> Mapping[str, str]:
        """Give name -> one line for people."""
        return calls.described(self._named)

    async def call(self, name: str, arguments: Arguments) -> object:
        """Make a call by name; gives plain values.

        Raises:
            Unsupported: no such name. Refused: an argument is missing or unknown.
        """
        return await calls.make(self._named, name, arguments)

    def _table(self) -> Mapping[str, NamedCall]:
        plain = self._client.plain
        return {
            "version": NamedCall(text="RT's version", make=lambda given: plain("version", "/rt")),
            "queues": NamedCall(
                text="queues the user may see: page",
                optional=("page",),
                make=lambda given: plain(
                    "list_queues", "/queues/all", [("per_page", _SAMPLE), ("page", _page(given))]
                ),
            ),
            "queue": NamedCall(
                text="one queue with its lifecycle and custom fields: name",
                needed=("name",),
                make=lambda given: plain("get_queue", f"/queue/{quote(given['name'], safe='')}"),
            ),
            "search": NamedCall(
                text="tickets by TicketSQL: query page",
                needed=("query",),
                optional=("page",),
                make=lambda given: plain("list_tickets", "/tickets", _searched(given)),
            ),
        }

    # --- the live check --------------------------------------------------------------------------

    async def check(self, expectation: Expectation) -> Sequence[CheckFinding]:
        """Ask RT whether login, queues, fields, statuses and time zone hold. Reads only."""
        try:
            version = await self._client.version()
        except RemoteError as err:
            return (CheckFinding(ok=False, what=f"the login does not work: {err}"),)
        user = self._settings.user
        findings = [CheckFinding(ok=True, what=f"login works as {user}; RT {version}")]
        try:
            queues, more = await self._queues(expectation)
            findings += more
            findings += self._fields(queues)
            findings += await self._statuses(queues, expectation)
            findings.append(await self._zone())
        except RemoteError as err:
            findings.append(CheckFinding(ok=False, what=f"the check could not go on: {err}"))
        return tuple(findings)

    async def _queues(
        self, expectation: Expectation
    ) -> tuple[Sequence[QueueDoc], Sequence[CheckFinding]]:
        """Read the queues that settings and mappings name, else all we see."""
        settings, findings = self._settings, []
        named = {*settings.queues, *expectation.values.get("queue", ())}
        named |= {settings.queue} if settings.queue else set()
        names = sorted(named) or list((await self._client.queues(1)).items)
        found: list[QueueDoc] = []
        for name in names:
            try:
                queue = await self._client.queue(name)
            except (NotFound, Refused) as err:
                what = f"queue {name!r} is not there, or the user may not see it: {err}"
                findings.append(CheckFinding(ok=False, what=what))
                continue
            found.append(queue)
            what = f"queue {queue.name!r} has the lifecycle {queue.lifecycle!r}"
            findings.append(CheckFinding(ok=True, what=what))
        if not names:
            findings.append(CheckFinding(ok=False, what="the user sees no queue: SeeQueue?"))
        return found, findings

    def _fields(self, queues: Sequence[QueueDoc]) -> Iterator[CheckFinding]:
        """Look whether each queue has the custom fields the settings name."""
        settings = self._settings
        wanted = {one.name: "" for one in settings.custom_fields.values()}
        if settings.ticket_field:
            wanted[settings.ticket_field] = " (it keeps our keys: without it they are lost)"
        for queue in queues:
            known = {name.casefold() for name in queue.ticket_fields}
            for name, why in wanted.items():
                if name.casefold() not in known:
                    what = f"queue {queue.name!r} has no custom field {name!r}{why}"
                    yield CheckFinding(ok=False, what=what)
            field = settings.transaction_field
            known = {name.casefold() for name in queue.transaction_fields}
            if field and field.casefold() not in known:
                what = (
                    f"queue {queue.name!r} has no custom field {field!r} of transactions: RT would "
                    "leave our keys out"
                )
                yield CheckFinding(ok=False, what=what)

    async def _statuses(
        self, queues: Sequence[QueueDoc], expectation: Expectation
    ) -> Sequence[CheckFinding]:
        """Compare statuses with the lifecycles of the queues."""
        met, findings = await self._met(queues)
        try:
            told = await self._client.lifecycles()
        except RemoteError as err:
            what = f"lifecycles: REST2 lists none, and RT's search form could not be read ({err})"
            findings.append(CheckFinding(ok=True, what=f"{what}: tickets alone tell"))
            told = {}
        named = {one.lifecycle: told.get(one.lifecycle, told.get("", ())) for one in queues}
        for name, statuses in sorted(named.items()):
            if statuses:
                what = f"lifecycle {name!r}: {', '.join(statuses)}"
                findings.append(CheckFinding(ok=True, what=what))
        listed = {one for statuses in named.values() for one in statuses}
        lacking = sorted(one for one in listed if not _is_among(one, self._settings.statuses))
        if lacking:
            what = f"`statuses` of the connection lacks {', '.join(lacking)}, which RT may show"
            findings.append(CheckFinding(ok=False, what=what))
        is_whole = bool(named) and all(named.values())
        wanted = sorted(expectation.statuses)
        findings += [self._status(one, met | listed, is_whole=is_whole) for one in wanted]
        return findings

    async def _met(self, queues: Sequence[QueueDoc]) -> tuple[set[str], list[CheckFinding]]:
        """Give the statuses that tickets show, and those they may go to as far as RT offers it."""
        known: dict[str, set[str]] = {}
        for queue in queues:
            query = [*_NEWEST, ("per_page", _SAMPLE), ("fields", "Status,_hyperlinks")]
            search = await self._client.search_tickets(in_queues((queue.name,)), query)
            for row in search.page.items:
                known.setdefault(row.status, set()).update(
                    one.after for one in row.transitions if one.before == row.status
                )
        met = {*known, *(after for targets in known.values() for after in targets)} - {""}
        return met, [
            CheckFinding(ok=True, what=f"lifecycle: from {status} to {', '.join(sorted(targets))}")
            for status, targets in sorted(known.items())
            if targets
        ]

    def _status(self, status: str, known: set[str], *, is_whole: bool) -> CheckFinding:
        if _is_among(status, known):
            return CheckFinding(ok=True, what=f"status {status!r} is in the lifecycle")
        # The search form leaves `deleted` out: no search shows such tickets.
        is_open = not is_whole or same_value("status", status, _DELETED)
        if is_open and _is_among(status, self._settings.statuses):
            what = (
                f"status {status!r}: no ticket of ours shows it or leads to it, so it is not sure"
            )
            return CheckFinding(ok=True, what=what)
        names = ", ".join(sorted(known if is_whole else {*known, *self._settings.statuses}))
        return CheckFinding(ok=False, what=f"status {status!r} is not in the lifecycle: {names}")

    async def _zone(self) -> CheckFinding:
        """Find out whether the user's time zone is UTC: a ticket must match its own date."""
        query = [*_NEWEST, ("per_page", "1"), ("fields", "LastUpdated")]
        rows = (await self._client.search_tickets("id > 0", query)).page.items
        if not rows or rows[0].updated is None:
            return CheckFinding(ok=True, what="time zone: there is no ticket to find it out by")
        row = rows[0]
        same = await self._client.search_tickets(_exactly(row), [("per_page", "1")])
        if same.page.length:
            return CheckFinding(ok=True, what="the user's time zone is UTC, as searches need it")
        what = (
            f"the time zone of user {self._settings.user} is not UTC: searches by date are off by "
            "its offset. An administrator sets it: PUT /REST/2.0/user/"
            f'{self._settings.user} {{"Timezone": "UTC"}}'
        )
        return CheckFinding(ok=False, what=what)


def _is_among(status: str, others: Iterable[str]) -> bool:
    return any(same_value("status", status, one) for one in others)


def _exactly(row: Row) -> str:
    at = f"{row.updated:%Y-%m-%d %H:%M:%S}"
    return f"id = {row.id} AND LastUpdated >= '{at}' AND LastUpdated <= '{at}'"


def _page(given: Arguments) -> str:
    page = given.get("page") or "1"
    if not page.isdecimal():
        raise Refused("page is a number")
    return page


def _searched(given: Arguments) -> Sequence[tuple[str, str]]:
    fields = "Subject,Status,Queue,LastUpdated"
    return [("query", given["query"]), ("page", _page(given)), ("fields", fields)]
