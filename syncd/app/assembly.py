"""From settings to adapters: logins, budgets, transports, and what the core must know of each.

Connections with one login share its tokens and its budget. A reload keeps both where the login is
as before: a breaker that is open stays open, and a refresh token that just rotated is not lost.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

import structlog

from syncd.app.places import store_url
from syncd.app.secrets import secrets_in
from syncd.core.state import SideTraits
from syncd.intake import IntakeConfig
from syncd.model.errors import BrokenInvariant
from syncd.model.features import Features, Reading
from syncd.model.ids import ConnectionName
from syncd.model.secret import Secret
from syncd.ports.adapter import Adapter
from syncd.ports.clock import Clock, IdSource
from syncd.ports.offer import Offer
from syncd.ports.served import ServedTickets
from syncd.registry import PROVIDERS, Provider
from syncd.settings.traits import all_kind_traits, side_traits
from syncd.settings.values import ConnectionSettings, Settings
from syncd.transport.auth import TokenSource
from syncd.transport.budget import Budget, SharedTime
from syncd.transport.client import HttpTransport
from syncd.transport.login import Login
from syncd.transport.options import Pace, TransportOptions
from syncd.transport.pool import ClientPool
from syncd.transport.wirelog import WireLog

DIGEST_CHARS = 16
"""Hexadecimal characters that tell one configured login from another in the store."""

_log = structlog.get_logger()


class TokenStore:
    """Where rotated refresh tokens are kept between starts."""

    def __init__(
        self,
        load: Callable[[str], Awaitable[Secret | None]],
        save: Callable[[str, Secret], Awaitable[None]],
    ) -> None:
        """Take the store's two ends."""
        self.load = load
        self.save = save


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What connections are built with.

    Attributes:
        pool: sessions of all transports.
        clock, ids: time and randomness.
        tokens: keeps rotated refresh tokens.
        log: told about every exchange.
        changed: called when a connection goes down or comes back.
        served: tickets of connections that are served; None: none of them is built here.
        share: part of each connection's rate that may be used here, from above 0 to 1.
        shared: gives a login's time among several processes; None: this one is alone.
    """

    pool: ClientPool
    clock: Clock
    ids: IdSource
    tokens: TokenStore
    log: WireLog
    changed: Callable[[], None]
    served: ServedTickets | None = None
    share: float = 1.0
    shared: Callable[[ConnectionName], SharedTime] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A login and its budget, shared by the connections that have it.

    Attributes:
        settings: of the connection it is named after, for comparing after a reload.
    """

    settings: ConnectionSettings
    auth: TokenSource
    budget: Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """Everything built from one configuration.

    Attributes:
        settings: the configuration.
        accounts: by the connection each is named after.
        adapters: by connection.
        traits: by connection, over all its kinds of ticket.
        kind_traits: by connection and kind.
        offers: what is offered to callers, by the connection it is offered under.
    """

    settings: Settings
    accounts: Mapping[ConnectionName, Account] = field(default_factory=dict)
    adapters: Mapping[ConnectionName, Adapter] = field(default_factory=dict)
    traits: Mapping[ConnectionName, SideTraits] = field(default_factory=dict)
    kind_traits: Mapping[tuple[ConnectionName, str], SideTraits] = field(default_factory=dict)
    offers: Mapping[ConnectionName, Offer] = field(default_factory=dict)

    def budget(self, name: ConnectionName) -> Budget:
        """Give the budget a connection draws on."""
        return self.accounts[self.settings.connections[name].login].budget

    def watched(self) -> frozenset[ConnectionName]:
        """Name the connections that are read ticket by ticket."""
        return frozenset(
            name for name, traits in self.traits.items() if traits.features.reading is Reading.WATCH
        )

    def intake_config(self) -> IntakeConfig:
        """Give the configuration as intake sees it."""
        settings = self.settings
        return IntakeConfig(
            mappings=settings.mappings,
            adapters=self.adapters,
            traits=self.traits,
            kind_traits=self.kind_traits,
            paces={name: connection.poll.pace for name, connection in settings.connections.items()},
            revision=settings.revision,
        )


async def build(settings: Settings, workshop: Workshop, before: Plant | None = None) -> Plant:
    """Build all connections; nothing is sent.

    Args:
        settings: the configuration.
        workshop: what to build with.
        before: what was built from the configuration before.
    """
    accounts: dict[ConnectionName, Account] = {}
    for name in dict.fromkeys(one.login for one in settings.connections.values()):
        kept = before.accounts.get(name) if before else None
        accounts[name] = await _account(settings.connections[name], workshop, kept)
    adapters: dict[ConnectionName, Adapter] = {}
    traits: dict[ConnectionName, SideTraits] = {}
    kind_traits: dict[tuple[ConnectionName, str], SideTraits] = {}
    for name, connection in settings.connections.items():
        provider = PROVIDERS[connection.provider]
        adapters[name] = _adapter(connection, provider, accounts[connection.login], workshop)
        traits[name] = _traits(connection, provider)
        kind_traits |= all_kind_traits(connection, provider)
    return Plant(
        settings=settings,
        accounts=accounts,
        adapters=adapters,
        traits=traits,
        kind_traits=kind_traits,
        offers=offers_of(settings),
    )


def offers_of(settings: Settings) -> dict[ConnectionName, Offer]:
    """Say what is offered to callers, by connection."""
    offers = {
        name: PROVIDERS[one.provider].offer(one.options, name, one.phases)
        for name, one in settings.connections.items()
    }
    made: dict[ConnectionName, Offer] = {}
    for name, offer in offers.items():
        if offer is not None:
            ca_file = settings.connections[name].ca_file
            realms = tuple(replace(realm, ca_file=ca_file) for realm in offer.realms)
            made[name] = replace(offer, realms=realms)
    return made


async def _account(
    connection: ConnectionSettings, workshop: Workshop, kept: Account | None
) -> Account:
    """Build a login and its budget, or keep what is as before."""
    features = PROVIDERS[connection.provider].features(connection.options)
    if kept is not None and _auth_of(kept.settings) == _auth_of(connection):
        auth = kept.auth
    else:
        auth = await _login(connection, workshop)
    if kept is not None and _pace_of(kept.settings) == _pace_of(connection):
        budget = kept.budget
    else:
        budget = _budget(connection.name, features, workshop)
    return Account(settings=connection, auth=auth, budget=budget)


def _auth_of(connection: ConnectionSettings) -> tuple[object, ...]:
    auth = getattr(connection.options, "auth", connection.options)
    return connection.provider, connection.base_url, connection.ca_file, auth


def _pace_of(connection: ConnectionSettings) -> tuple[object, ...]:
    limits = PROVIDERS[connection.provider].features(connection.options).limits
    return connection.base_url, limits.requests_per_s, limits.concurrency


async def _login(connection: ConnectionSettings, workshop: Workshop) -> TokenSource:
    key = login_key(connection)

    async def rotated(token: Secret) -> None:
        await workshop.tokens.save(key, token)

    login = Login(
        name=connection.name,
        base_url=connection.base_url,
        pool=workshop.pool,
        clock=workshop.clock,
        on_rotated=rotated,
        stored_token=await workshop.tokens.load(key),
        ca_file=connection.ca_file,
        log=workshop.log,
    )
    return PROVIDERS[connection.provider].login(connection.options, login)


def _budget(name: ConnectionName, features: Features, workshop: Workshop) -> Budget:
    def opened(reason: str, probe_in_s: float) -> None:
        _log.warning(
            "app.connection_down", connection=name, reason=reason, probe_in_s=round(probe_in_s, 1)
        )
        workshop.changed()

    def closed(open_s: float) -> None:
        _log.info("app.connection_back", connection=name, down_s=round(open_s, 1))
        workshop.changed()

    limits = features.limits
    pace = Pace(
        requests_per_s=limits.requests_per_s * workshop.share,
        # After a pause what has gathered may go at once; the rate holds over a second.
        burst=max(1, round(max(limits.concurrency, limits.requests_per_s) * workshop.share)),
        concurrency=max(1, round(limits.concurrency * workshop.share)),
    )
    shared = workshop.shared(name) if workshop.shared is not None else None
    return Budget(clock=workshop.clock, pace=pace, on_open=opened, on_close=closed, shared=shared)


def _adapter(
    connection: ConnectionSettings, provider: Provider, account: Account, workshop: Workshop
) -> Adapter:
    features = provider.features(connection.options)
    is_served = provider.offer(connection.options, connection.name, {}) is not None
    if is_served and provider.build_served is not None:
        if workshop.served is None:
            raise BrokenInvariant("whoever builds a served connection brings its tickets")
        return provider.build_served(
            connection.options, connection.name, workshop.served, workshop.clock
        )
    transport = HttpTransport(
        TransportOptions(
            connection=connection.name,
            base_url=connection.base_url,
            ca_file=connection.ca_file,
            timeouts=connection.timeouts,
            body_bytes=features.limits.body_bytes,
            secrets=tuple(secrets_in(connection.options)),
        ),
        pool=workshop.pool,
        budget=account.budget,
        clock=workshop.clock,
        ids=workshop.ids,
        auth=account.auth,
        errors=provider.error_reader(connection.options),
        log=workshop.log,
    )
    return provider.build(connection.options, connection.name, transport, workshop.clock)


def _traits(connection: ConnectionSettings, provider: Provider) -> SideTraits:
    features = provider.features(connection.options)
    fields = [
        info
        for kind in sorted(features.kinds)
        for info in provider.fields(connection.options, kind)
    ]
    return side_traits(connection, features, fields, provider.normalise(connection.options))


def login_key(connection: ConnectionSettings) -> str:
    """Name a login in the credential store: another configured token is another login."""
    secrets = sorted(secret.reveal() for secret in secrets_in(_auth_of(connection)))
    digest = sha256("\0".join([connection.base_url, *secrets]).encode()).hexdigest()
    return f"login/{connection.name}/{digest[:DIGEST_CHARS]}"


__all__ = ["Account", "Plant", "TokenStore", "Workshop", "build", "login_key", "store_url"]
