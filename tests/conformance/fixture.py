"""What the kit must know of a provider, and nothing else: one value per kind of ticket."""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syncd.model.ticket import Value
from syncd.ports.adapter import TicketRef

if TYPE_CHECKING:
    from tests.conformance.world import World

Placeholders = Callable[["World", TicketRef], Awaitable[Mapping[str, str]]]


async def _none(_world: "World", _ref: TicketRef) -> Mapping[str, str]:
    return {}


def _opens(sandbox: Any, fields: Mapping[str, Any]) -> str:
    return str(sandbox.person_creates(fields))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixture:
    """One kind of ticket of one provider, as the kit plays with it.

    Attributes:
        name: of the fixture; tests are chosen by it (`pytest -k NAME tests/conformance`).
        provider: key of `syncd.registry.PROVIDERS` and of `syncd.sandbox.SANDBOXES`.
        kind: kind of ticket.
        settings: base URL -> the connection's own keys, nothing that has a default among them.
        kit: keys on top of them for the kit alone: small pages, room for 50 MB.
        sandbox: options of the sandbox's settings.
        create: neutral name -> value, every field a create can set.
        change: likewise for an update; each value differs from that of `create`.
        status: what a status write sets; empty where there is none.
        person: a ticket as a person opens it, in the vendor's own names.
        person_change: what a person then changes.
        person_status: a status a person sets; empty: people cannot.
        absent: id and number of a ticket that is not there.
        quiet_acts: acts of people (`update`, `comment`, `status`, `attach`) the list does not tell.
        unsampled: writable field -> why `create` and `change` leave it out.
        title, text: the fields that hold a line and a long text.
        remarks_in: the field people's remarks are read in; empty: they are comments.
        opens: how a person opens a ticket in the sandbox; returns its id.
        placeholders: what ENDPOINTS.md may name beside `{ticket}` and `{number}`.
        is_served: the daemon itself is the system (`stand.py`): it has no login, and nothing that
            could answer oddly.
    """

    name: str
    provider: str
    kind: str
    settings: Callable[[str], Mapping[str, Any]]
    create: Mapping[str, Value]
    change: Mapping[str, Value]
    person: Mapping[str, Any]
    person_change: Mapping[str, Any]
    absent: tuple[str, str]
    kit: Mapping[str, Any] = field(default_factory=dict)
    status: Mapping[str, Value] = field(default_factory=dict)
    person_status: str = ""
    sandbox: Mapping[str, Any] = field(default_factory=dict)
    quiet_acts: frozenset[str] = frozenset()
    unsampled: Mapping[str, str] = field(default_factory=dict)
    title: str = "title"
    text: str = "description"
    remarks_in: str = ""
    opens: Callable[[Any, Mapping[str, Any]], str] = _opens
    placeholders: Placeholders = _none
    is_served: bool = False


def own_keys(fixture: Fixture, base_url: str) -> dict[str, Any]:
    """Give a connection's own keys as the kit sets them."""
    return _merged(fixture.settings(base_url), fixture.kit)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    whole = dict(below)
    for name, value in above.items():
        present = whole.get(name)
        both = isinstance(present, Mapping) and isinstance(value, Mapping)
        whole[name] = _merged(present, value) if both else value  # type: ignore[arg-type]
    return whole


def all_fixtures() -> dict[str, Fixture]:
    """Find every fixture: each module of `tests.conformance.fixtures` has a tuple `FIXTURES`."""
    from tests.conformance import fixtures

    found: dict[str, Fixture] = {}
    for module in sorted(one.name for one in pkgutil.iter_modules(fixtures.__path__)):
        for one in importlib.import_module(f"{fixtures.__name__}.{module}").FIXTURES:
            assert one.name not in found, f"two fixtures are called {one.name}"
            found[one.name] = one
    return found
