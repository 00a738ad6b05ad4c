"""SIP Synergy's calls that syncing does not need, offered by name; and the live check."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime

from syncd.ports import calls
from syncd.ports.adapter import CheckFinding, Expectation
from syncd.ports.calls import Arguments, NamedCall
from syncd.ports.errors import NotFound, Refused, RemoteError
from syncd.providers.sipsynergy.client import SipSynergyClient
from syncd.providers.sipsynergy.mapping import normalise
from syncd.providers.sipsynergy.settings import SipSynergySettings
from syncd.providers.sipsynergy.wire import JsonObject, ReportRow, StateItem, UserItem
from syncd.transport.request import Answer

STATE_TYPES = ("all", "state", "type", "priority", "stage", "outcome")
"""What the states' filter takes. Spec: Tickets Microservice, section 2.5."""
PERIODS = ("weekly", "monthly")
_YES = frozenset({"true", "1", "yes"})


class ServiceCalls:
    """Named calls and the live check of one connection."""

    def __init__(self, client: SipSynergyClient, settings: SipSynergySettings) -> None:
        self._client = client
        self._settings = settings
        self._named: Mapping[str, NamedCall] = {**self._reads(), **self._writes()}

    def described(self) -> Mapping[str, str]:
        """Give name -> one line for people."""
        return calls.described(self._named)

    async def call(self, name: str, arguments: Arguments) -> object:
        """Make a call by name; gives plain values.

        Raises:
            Unsupported: no such name. Refused: an argument is missing, unknown or not accepted.
        """
        return plain(await calls.make(self._named, name, arguments))

    def _reads(self) -> Mapping[str, NamedCall]:
        """Spec: Tickets Microservice, section 2."""
        client = self._client
        return {
            "list": NamedCall(
                text="all tickets",
                make=lambda given: client.list_tickets(),
            ),
            "ticket": NamedCall(
                text="one ticket: id",
                needed=("id",),
                make=lambda given: client.get_ticket(given["id"]),
            ),
            "comments": NamedCall(
                text="comments of a ticket: id",
                needed=("id",),
                make=lambda given: client.list_comments(given["id"]),
            ),
            "attributes": NamedCall(
                text="attributes of a ticket: id",
                needed=("id",),
                make=lambda given: client.list_attributes(given["id"]),
            ),
            "user": NamedCall(text="the user we are", make=lambda given: client.own_user()),
            "agents": NamedCall(text="the agents", make=lambda given: client.agents()),
            "groups": NamedCall(text="all groups", make=lambda given: client.groups()),
            "group": NamedCall(
                text="one group: id (a number)",
                needed=("id",),
                make=lambda given: client.group(given["id"]),
            ),
            "states": NamedCall(
                text=f"states: type ({', '.join(STATE_TYPES)})",
                optional=("type",),
                make=self._states,
            ),
            "confirmation": NamedCall(
                text="whether a ticket's contacts were asked to confirm: id",
                needed=("id",),
                make=self._confirmation,
            ),
            "report": NamedCall(
                text="the report: period (weekly, monthly)",
                needed=("period",),
                make=lambda given: client.report(_one_of(given, "period", PERIODS)),
            ),
            "report_csv": NamedCall(
                text="the report as CSV: period (weekly, monthly)",
                needed=("period",),
                make=lambda given: client.report_csv(_one_of(given, "period", PERIODS)),
            ),
        }

    def _writes(self) -> Mapping[str, NamedCall]:
        """Spec: Tickets Microservice, sections 2.1 and 2.6."""
        base = ("phone", "admin", "agent")
        return {
            "confirm_contacts": NamedCall(
                text="mail a ticket's contacts, once: id again (true mails them again)",
                needed=("id",),
                optional=("again",),
                make=self._confirm,
            ),
            "create_user": NamedCall(
                text="create a user: email name phone admin agent human_id organisation_id",
                needed=("email", "name"),
                optional=(*base, "human_id", "organisation_id"),
                make=self._create_user,
            ),
            "update_user": NamedCall(
                text="write a user whole: id email name phone admin agent",
                needed=("id", "email", "name"),
                optional=base,
                make=lambda given: self._client.update_user(given["id"], _user_body(given)),
            ),
            "delete_user": NamedCall(
                text="delete a user: id (a number)",
                needed=("id",),
                make=lambda given: self._client.delete_user(given["id"]),
            ),
        }

    async def _states(self, given: Arguments) -> Sequence[StateItem]:
        kind = _one_of(given, "type", STATE_TYPES) if given.get("type") else ""
        return await self._client.states(kind)

    async def _confirmation(self, given: Arguments) -> object:
        """404 says: not triggered. Spec: section 2.6."""
        try:
            return await self._client.confirmation(given["id"])
        except NotFound:
            return {"triggered": False}

    async def _confirm(self, given: Arguments) -> object:
        """Ask first whether it was done: each call mails people. Spec: section 7."""
        if given.get("again", "").lower() not in _YES:
            try:
                event = await self._client.confirmation(given["id"])
            except NotFound:
                pass
            else:
                return {"mailed": False, "why": "they were asked before", "event": event.id}
        await self._client.confirm_contacts(given["id"])
        return {"mailed": True}

    async def _create_user(self, given: Arguments) -> object:
        own = {"human_id": "humanId", "organisation_id": "organisationId"}
        body = dict(_user_body(given))
        body |= {wire: given[name] for name, wire in own.items() if given.get(name)}
        number, _ = await self._client.create_user(body)
        return {"id": number}

    # --- the live check --------------------------------------------------------------------------

    async def check(self, expectation: Expectation) -> Sequence[CheckFinding]:
        """Ask the live system whether login, rights and the mappings' values hold. Reads only.

        Spec: Tickets Microservice, sections 2.1, 2.4, 2.5, 2.7; section 6, S11 and S13.
        """
        try:
            listing = await self._client.list_tickets()
        except RemoteError as err:
            return (CheckFinding(ok=False, what=f"the login or the API does not work: {err}"),)
        seen = f"login works; {len(listing.items)} tickets can be seen"
        findings = [CheckFinding(ok=not listing.unreadable, what=seen)]
        findings.append(await self._checked_user())
        findings += await self._checked_statuses(expectation)
        findings += await self._checked_labels(expectation)
        return tuple(findings)

    async def _checked_user(self) -> CheckFinding:
        """Our own comments are known by this id (section 7)."""
        ours = self._settings.user_human_id
        try:
            user = await self._client.own_user()
        except RemoteError as err:
            return CheckFinding(ok=False, what=f"the logged-in user cannot be read: {err}")
        if user.human_id and user.human_id != ours:
            what = f"user_human_id is {ours}, but the login is {user.human_id} ({user.name})"
            return CheckFinding(ok=False, what=what)
        return CheckFinding(ok=True, what=f"we are {ours}{_named(user)}")

    async def _checked_statuses(self, expectation: Expectation) -> Sequence[CheckFinding]:
        """Say what statuses rest on, and whether those named exist."""
        findings: list[CheckFinding] = []
        shown: set[str] = set()
        for period, every_s in self._settings.report.periods:
            try:
                rows = await self._client.report(period)
            except RemoteError as err:
                findings.append(CheckFinding(ok=False, what=f"the {period} report: {err}"))
                continue
            shown |= _statuses(rows)
            what = f"statuses rest on the {period} report, read every {every_s / 60:g} min"
            findings.append(CheckFinding(ok=True, what=f"{what}; it tells {len(rows)} tickets"))
        if not self._settings.report.periods:
            what = "no report is read: the status of a ticket stays unknown"
            findings.append(CheckFinding(ok=not expectation.statuses, what=what))
        listed = {str(normalise("status", one)) for one in self._settings.statuses}
        strangers = sorted(one for one in shown if normalise("status", one) not in listed)
        if strangers:
            what = f"the report shows statuses that `statuses` lacks: {', '.join(strangers)}"
            findings.append(CheckFinding(ok=False, what=what))
        known = await self._described("state", findings)
        findings += _compared("status", expectation.statuses, known | shown, listed)
        return findings

    async def _checked_labels(self, expectation: Expectation) -> Sequence[CheckFinding]:
        """Hold the mappings' priorities and groups against what the service lists."""
        findings: list[CheckFinding] = []
        if wanted := expectation.values.get("priority"):
            known = await self._described("priority", findings)
            findings += _compared("priority", wanted, known)
        try:
            groups = await self._client.groups()
        except RemoteError as err:
            findings.append(CheckFinding(ok=False, what=f"groups cannot be read: {err}"))
            return findings
        names = ", ".join(one.name for one in groups[:20])
        findings.append(CheckFinding(ok=True, what=f"{len(groups)} groups: {names}"))
        return findings

    async def _described(self, kind: str, findings: list[CheckFinding]) -> set[str]:
        """Give the descriptions of states of one kind; what goes wrong is a finding (S11)."""
        try:
            return {one.description for one in await self._client.states(kind) if one.description}
        except RemoteError as err:
            findings.append(CheckFinding(ok=False, what=f"states of type {kind}: {err}"))
            return set()


def plain(value: object) -> object:
    """Turn an answer into what JSON can hold."""
    if isinstance(value, Answer):
        return {"status": value.status}
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _one_of(given: Arguments, name: str, accepted: Sequence[str]) -> str:
    value = given[name].strip().lower()
    if value not in accepted:
        raise Refused(f"not sent: {name} {value!r}; accepted: {', '.join(accepted)}")
    return value


def _user_body(given: Arguments) -> JsonObject:
    """Build a user's base; the phone goes as text (S10). Spec: section 3, User Base."""
    body: dict[str, object] = {"email": given["email"], "name": given["name"]}
    if given.get("phone"):
        body["phoneNumber"] = given["phone"]
    for name in ("admin", "agent"):
        if given.get(name):
            body[name] = given[name].strip().lower() in _YES
    return body


def _named(user: UserItem) -> str:
    return f" ({user.name})" if user.name else ""


def _statuses(rows: Sequence[ReportRow]) -> set[str]:
    return {status for row in rows if (status := row.told.get("status"))}


def _compared(
    name: str,
    wanted: frozenset[str],
    known: set[str],
    listed: set[str] | None = None,
) -> Iterator[CheckFinding]:
    """Compare what mappings name with what the service tells and the settings list."""
    forms = {str(normalise(name, one)) for one in known}
    for value in sorted(wanted):
        form = str(normalise(name, value))
        if listed is not None and form not in listed:
            yield CheckFinding(ok=False, what=f"{name} {value!r} is not in `statuses`")
        elif form in forms:
            yield CheckFinding(ok=True, what=f"{name} {value!r} exists")
        else:
            there = ", ".join(sorted(known)[:20]) or "nothing"
            yield CheckFinding(ok=False, what=f"{name} {value!r} was not seen; there is: {there}")
