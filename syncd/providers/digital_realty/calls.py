"""Digital Realty's calls that syncing does not need, offered by name; and the live check.

`syncd call CONNECTION NAME key=value …` reaches every call of the document and of its sister APIs
that the adapter's own methods do not make.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass

from syncd.ports import calls
from syncd.ports.adapter import CheckFinding, Expectation
from syncd.ports.calls import Arguments, NamedCall
from syncd.ports.errors import Refused, RemoteError
from syncd.providers.digital_realty.categories import Categories, Known
from syncd.providers.digital_realty.client import DigitalRealtyClient, Query, paging
from syncd.providers.digital_realty.mapping import STATUSES, same_value
from syncd.providers.digital_realty.settings import DigitalRealtySettings

_FILTERS = {
    "site": "site",
    "status": "status",
    "request_type": "requestType",
    "category": "category",
    "created_by": "createdBy",
}
_SIZE_DEFAULT = "25"
_SHOWN_MAX = 20


class TicketCalls:
    """Named calls and the live check of one connection."""

    def __init__(
        self, client: DigitalRealtyClient, categories: Categories, settings: DigitalRealtySettings
    ) -> None:
        self._client = client
        self._categories = categories
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
        return plain(await calls.make(self._named, name, arguments))

    def _table(self) -> Mapping[str, NamedCall]:
        """Spec: Customer Support Tickets API, sections 5.1, 5.2, 5.6 and 8."""
        client = self._client
        paged = ("size", "page")
        return {
            "list": NamedCall(
                text=f"5.2 tickets of the account: {' '.join((*_FILTERS, *paged))}",
                optional=(*_FILTERS, *paged),
                make=lambda given: client.list_tickets(_listed(given)),
            ),
            "ticket": NamedCall(
                text="5.1 one ticket: id",
                needed=("id",),
                make=lambda given: client.get_ticket(given["id"]),
            ),
            "categories": NamedCall(
                text="5.6 categories, of all request types or of one: request_type",
                optional=("request_type",),
                make=lambda given: client.categories(given.get("request_type", "")),
            ),
            "accounts": NamedCall(
                text="8 accounts this login may use: default (true or false)",
                optional=("default",),
                make=lambda given: client.accounts(_some(given, default="defaultAccount")),
            ),
            "sites": NamedCall(text="8 facilities", make=lambda given: client.sites()),
            "locations": NamedCall(
                text="8 premises in a facility: site",
                needed=("site",),
                make=lambda given: client.locations(given["site"]),
            ),
            "notifications": NamedCall(
                text="8 notifications (needs their permission): type timestamp",
                optional=("type", "timestamp"),
                make=lambda given: client.notifications(
                    _some(given, type="type", timestamp="timestamp")
                ),
            ),
        }

    # --- the live check --------------------------------------------------------------------------

    async def check(self, expectation: Expectation) -> Sequence[CheckFinding]:
        """Ask the live system whether login, account and the mappings' values hold. Reads only.

        Spec: Customer Support Tickets API, sections 2, 5.2, 5.6 and 6.
        """
        account = f"{self._settings.master_account_id} / {self._settings.account_id}"
        try:
            page = await self._client.list_tickets(paging(0, 1))
        except RemoteError as err:
            what = f"the login or the account {account} does not work: {err}"
            return (CheckFinding(ok=False, what=what),)
        count = page.length if page.total is None else page.total
        findings = [
            CheckFinding(ok=True, what=f"login works; account {account} has {count} tickets")
        ]
        known = await self._categories.known()
        where = "the vendor lists" if known.is_live else "the document lists (the call failed):"
        names = sorted({name for listed in known.table.values() for name in listed})
        findings.append(CheckFinding(ok=known.is_live, what=f"{where} {len(names)} categories"))
        findings += _compared("request_type", expectation, sorted(known.table))
        findings += _compared("category", expectation, names)
        findings += _without_category(expectation, known)
        findings += await self._checked_sites(expectation)
        findings += [_checked_status(one) for one in sorted(expectation.statuses)]
        return tuple(findings)

    async def _checked_sites(self, expectation: Expectation) -> Sequence[CheckFinding]:
        """Compare sites where mappings name some; the look-up is another API product (8)."""
        if not expectation.values.get("site"):
            return ()
        try:
            told = await self._client.sites()
        except RemoteError as err:
            return (CheckFinding(ok=False, what=f"sites cannot be looked up: {err}"),)
        rows = told if isinstance(told, list) else []
        codes = sorted({str(row.get("site", "")) for row in rows if isinstance(row, dict)})
        return tuple(_compared("site", expectation, codes))


def plain(value: object) -> object:
    """Turn an answer into what JSON can hold."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value


def _listed(given: Arguments) -> Query:
    """Spec: Customer Support Tickets API, section 5.2; section 7, D5."""
    try:
        page, size = int(given.get("page") or "0"), int(given.get("size") or _SIZE_DEFAULT)
    except ValueError as err:
        raise Refused("page and size are numbers") from err
    return [*_some(given, **_FILTERS), *paging(page, size)]


def _some(given: Arguments, **names: str) -> Query:
    return [(wire, given[name]) for name, wire in names.items() if given.get(name)]


def _compared(name: str, expectation: Expectation, known: Sequence[str]) -> Iterator[CheckFinding]:
    """Compare what mappings send with what is listed: sent exactly as listed."""
    for value in sorted(expectation.values.get(name, frozenset())):
        if value in known:
            yield CheckFinding(ok=True, what=f"{name} {value!r} is listed")
        else:
            listed = ", ".join(known[:_SHOWN_MAX])
            yield CheckFinding(ok=False, what=f"{name} {value!r} is not listed: {listed}")


def _without_category(expectation: Expectation, known: Known) -> Iterator[CheckFinding]:
    """Name the request types a mapping sends for which it sends no category at all."""
    wanted = expectation.values.get("category", frozenset())
    for kind in sorted(expectation.values.get("request_type", frozenset())):
        listed = known.table.get(kind, ())
        if wanted and listed and not wanted.intersection(listed):
            accepted = ", ".join(listed)
            what = f"request_type {kind!r}: none of its categories is sent: {accepted}"
            yield CheckFinding(ok=False, what=what)


def _checked_status(status: str) -> CheckFinding:
    if any(same_value("status", status, one) for one in STATUSES):
        return CheckFinding(ok=True, what=f"status {status!r} is documented")
    known = ", ".join(STATUSES)
    return CheckFinding(ok=False, what=f"status {status!r} is not documented: {known}")
