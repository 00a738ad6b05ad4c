"""Telenor's calls that syncing does not need, offered by name; and the live check.

`syncd call CONNECTION NAME key=value …` reaches every documented call, of incidents and
orders, that the adapter's own methods do not make.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime

from syncd.ports import calls
from syncd.ports.adapter import CheckFinding, Expectation
from syncd.ports.calls import Arguments, NamedCall
from syncd.ports.errors import NotFound, Refused, RemoteError
from syncd.providers.telenor import sending
from syncd.providers.telenor.client import Query, TelenorClient, paging
from syncd.providers.telenor.mapping import normalise
from syncd.providers.telenor.reading import CaseReader
from syncd.providers.telenor.settings import TelenorSettings
from syncd.providers.telenor.trees import CONTACT_PARTS
from syncd.providers.telenor.wire import Category, JsonObject
from syncd.transport.request import Answer

_COUNT_DEFAULT = "20"


_OF_ALL = frozenset({"list", "activities", "count", "product_categories"})
"""Calls about a whole tree, as the incidents' are named."""


class Calls:
    """Named calls and the live check of one connection; remembers the product categories."""

    def __init__(self, readers: Sequence[CaseReader], settings: TelenorSettings) -> None:
        self._clients = {one.tree.kind: one.client for one in readers}
        self._settings = settings
        self._categories: dict[str, tuple[Category, ...]] = {}
        tables = [TreeCalls(one, settings).table() for one in readers]
        self._named = {name: call for table in tables for name, call in table.items()}

    def described(self) -> Mapping[str, str]:
        """Give name -> one line for people."""
        return calls.described(self._named)

    async def call(self, name: str, arguments: Arguments) -> object:
        """Make a call by name; gives plain values.

        Raises:
            Unsupported: no such name. Refused: an argument is missing or unknown.
        """
        try:
            return plain(await calls.make(self._named, name, arguments))
        except sending.Unsendable as err:
            raise Refused(f"not sent: {err}") from err

    # --- the live check --------------------------------------------------------------------------

    async def check(self, expectation: Expectation) -> Sequence[CheckFinding]:
        """Ask the live system whether login, rights and the mappings' values hold. Reads only.

        A tree that no mapping uses may be closed to the system user: that is no fault.

        Spec: Service Ticket API, I4, I5, O4 and O5; section 8, T9 and T27.
        """
        used = expectation.kinds or frozenset(self._clients)
        findings: list[CheckFinding] = []
        for kind, client in self._clients.items():
            if kind in used:
                findings += await self._checked_tree(client)
        if not all(one.ok for one in findings):
            return tuple(findings)
        known = [one for kind in used for one in self._categories.get(kind, ())]
        names = frozenset(one.name for one in known)
        types = frozenset(name for one in known for name in one.incident_types)
        findings += _compared("product_category_name", expectation, names, exact=True)
        findings += _compared("incident_type", expectation, types, exact=True)
        if self._settings.priorities:
            findings += _compared("priority", expectation, frozenset(self._settings.priorities))
        for status in sorted(expectation.statuses):
            findings.append(await self._checked_status(status, used))
        return tuple(findings)

    async def _checked_tree(self, client: TelenorClient) -> Sequence[CheckFinding]:
        kind, plural = client.tree.kind, client.tree.plural
        try:
            count = await client.count()
            if kind not in self._categories:
                self._categories[kind] = await client.product_categories()
        except RemoteError as err:
            what = f"the login or the API does not work, of {plural}: {err}"
            return (CheckFinding(ok=False, what=what),)
        known = len(self._categories[kind])
        return (
            CheckFinding(ok=True, what=f"login works; {count} {plural} can be seen"),
            CheckFinding(ok=True, what=f"{known} product categories of {plural} can be seen"),
        )

    async def _checked_status(self, status: str, used: frozenset[str]) -> CheckFinding:
        """There is no list of statuses: ours must hold it, and Telenor must take it as a filter."""
        listed = {normalise("status", one) for one in self._settings.statuses}
        if normalise("status", status) not in listed:
            known = ", ".join(self._settings.statuses)
            return CheckFinding(ok=False, what=f"status {status!r} is not in `statuses`: {known}")
        counts: list[str] = []
        try:
            for kind, client in self._clients.items():
                if kind in used:
                    count = await client.count([("status", status)])
                    counts.append(f"{count} {client.tree.plural}")
        except RemoteError as err:
            return CheckFinding(ok=False, what=f"status {status!r}: {err}")
        return CheckFinding(ok=True, what=f"status {status!r}: {' and '.join(counts)} have it")


class TreeCalls:
    """The named calls of one tree."""

    def __init__(self, reader: CaseReader, settings: TelenorSettings) -> None:
        self._tree = reader.tree
        self._client = reader.client
        self._reader = reader
        self._settings = settings

    def table(self) -> Mapping[str, NamedCall]:
        """Give name -> call; the orders' names begin with `order` or `orders_`."""
        return {self._name(name): one for name, one in {**self._reads(), **self._writes()}.items()}

    def _name(self, name: str) -> str:
        if self._tree.kind == "incident":
            return name
        if name in _OF_ALL:
            return f"{self._tree.plural}_{name}"
        if "incident" in name:
            return name.replace("incident", self._tree.kind)
        return f"{self._tree.kind}_{name}"

    def _reads(self) -> Mapping[str, NamedCall]:
        """Spec: Service Ticket API, section 6, I1-I10, I14; section 7, O1-O10, O14."""
        client, tree = self._client, self._tree
        paged = ("skip", "count", "sort_field", "order")
        filters = ("case_number", "is_closed", "status", "category", "search", "logged_by")
        types = " and their incident types" if tree.kind == "incident" else ""
        return {
            "list": NamedCall(
                text=f"{tree.call(1)} {tree.plural}: {' '.join((*filters, *paged))} "
                "(status, category: a,b)",
                optional=(*filters, *paged),
                make=lambda given: client.list_cases(self._filtered(given)),
            ),
            "activities": NamedCall(
                text=f"{tree.call(3)} activities of all {tree.plural}: {' '.join(paged)}",
                optional=paged,
                make=lambda given: client.list_activities(_paged(given)),
            ),
            "count": NamedCall(
                text=f"{tree.call(4)} number of {tree.plural}: is_closed status category",
                optional=("is_closed", "status", "category"),
                make=lambda given: client.count(self._filters(given)),
            ),
            "product_categories": NamedCall(
                text=f"{tree.call(5)} product categories of {tree.plural}{types}",
                make=lambda given: client.product_categories(),
            ),
            "incident": NamedCall(
                text=f"{tree.call(6)} one {tree.kind}: id",
                needed=("id",),
                make=lambda given: client.get_case(given["id"]),
            ),
            "incident_activities": NamedCall(
                text=f"{tree.call(8)} activities of one {tree.kind}: id {' '.join(paged)}",
                needed=("id",),
                optional=paged,
                make=lambda given: client.case_activities(given["id"], _paged(given)),
            ),
            "activity": NamedCall(
                text=f"{tree.call(9)} one activity: id activity",
                needed=("id", "activity"),
                make=lambda given: client.get_activity(given["id"], given["activity"]),
            ),
            "attachments": NamedCall(
                text=f"{tree.call(10)} attachments of one {tree.kind}: id",
                needed=("id",),
                make=lambda given: client.list_attachments(given["id"]),
            ),
            "comments": NamedCall(
                text=f"{tree.call(14)} comments of one {tree.kind}: id",
                needed=("id",),
                make=lambda given: client.list_comments(given["id"]),
            ),
        }

    def _writes(self) -> Mapping[str, NamedCall]:
        """Spec: Service Ticket API, section 6, I13, I16-I18; section 7, O13, O16-O18."""
        parts, tree = tuple(CONTACT_PARTS), self._tree
        return {
            "delete_attachment": NamedCall(
                text=f"{tree.call(13)} delete a file: id attachment (its exact name is read first)",
                needed=("id", "attachment"),
                make=self._delete_attachment,
            ),
            "set_contact": NamedCall(
                text=f"{tree.call(16)} set the main contact: id name email phone",
                needed=("id",),
                optional=parts,
                make=lambda given: self._client.set_contact(given["id"], _contact(given)),
            ),
            "set_local_contact": NamedCall(
                text=f"{tree.call(17)} set the person at the site: id name email phone",
                needed=("id",),
                optional=parts,
                make=lambda given: self._client.set_local_contact(given["id"], _contact(given)),
            ),
            "delete_local_contact": NamedCall(
                text=f"{tree.call(18)} remove the person at the site: id",
                needed=("id",),
                make=self._delete_local_contact,
            ),
        }

    async def _delete_attachment(self, given: Arguments) -> object:
        """Delete by id and exact name; one that is gone is done. Spec: section 8, T21."""
        files = await self._reader.files(given["id"])
        name = next((one.name for one in files if one.id == given["attachment"]), None)
        if name is None:
            return {"deleted": False, "why": f"the {self._tree.kind} has no such attachment"}
        try:
            await self._client.delete_attachment(given["id"], given["attachment"], name)
        except NotFound:
            return {"deleted": False, "why": "it was gone already"}
        return {"deleted": True, "name": name}

    async def _delete_local_contact(self, given: Arguments) -> object:
        """404 is done. Spec: Service Ticket API, section 10."""
        try:
            await self._client.delete_local_contact(given["id"])
        except NotFound:
            return {"deleted": False, "why": "there was none"}
        return {"deleted": True}

    def _filters(self, given: Arguments) -> Query:
        """Spec: Service Ticket API, section 4.3; section 8, T9 and T23."""
        query: list[tuple[str, str]] = []
        names = {"case_number": "caseNumber", "search": "search", "logged_by": "loggedBy"}
        query += [(wire, given[name]) for name, wire in names.items() if given.get(name)]
        if given.get("is_closed"):
            literals = self._settings.closed_literals
            is_closed = given["is_closed"].strip().lower() in ("true", "1", "closed")
            query.append(("isClosed", literals.true if is_closed else literals.false))
        for name, wire in (("status", "status"), ("category", "productCategoryName")):
            parts = given.get(name, "").split(",")
            query += [(wire, part.strip()) for part in parts if part.strip()]
        return query

    def _filtered(self, given: Arguments) -> Query:
        return [*self._filters(given), *_paged(given)]


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
    if isinstance(value, datetime):
        return value.isoformat()
    return value


def _paged(given: Arguments) -> Query:
    """Spec: Service Ticket API, section 4.2."""
    try:
        skip, count = int(given.get("skip") or "0"), int(given.get("count") or _COUNT_DEFAULT)
    except ValueError as err:
        raise sending.Unsendable("skip and count are numbers") from err
    field = given.get("sort_field")
    return paging(skip, count, (field, given.get("order") or "DESC") if field else None)


def _contact(given: Arguments) -> JsonObject:
    parts = {name: given[name] for name in CONTACT_PARTS if given.get(name)}
    if not parts:
        raise sending.Unsendable("a contact needs a name, an email or a phone")
    return sending.contact_body("contact", parts)


def _compared(
    name: str, expectation: Expectation, known: frozenset[str], *, exact: bool = False
) -> Iterator[CheckFinding]:
    """Compare what mappings send with what Telenor lists; `exact`: sent exactly as listed (T7)."""
    wanted = expectation.values.get(name, frozenset())
    forms = known if exact else frozenset(str(normalise(name, one)) for one in known)
    for value in sorted(wanted):
        if (value if exact else str(normalise(name, value))) in forms:
            yield CheckFinding(ok=True, what=f"{name} {value!r} is listed")
        else:
            listed = ", ".join(sorted(known)[:20])
            yield CheckFinding(ok=False, what=f"{name} {value!r} is not listed: {listed}")
