"""Provider name -> what syncd needs of it; the only module that imports providers.

Every provider's `adapter` module exports the same functions; an entry of `PROVIDERS` joins them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from pydantic import BaseModel

from syncd.model.errors import BrokenInvariant
from syncd.model.features import Features
from syncd.model.ids import ConnectionName
from syncd.model.secret import Secret
from syncd.model.ticket import FieldInfo, Value
from syncd.ports.adapter import Adapter
from syncd.ports.clock import Clock
from syncd.ports.offer import Offer
from syncd.ports.served import ServedTickets
from syncd.providers.b612 import adapter as b612
from syncd.providers.b612.errors import read_error as b612_error
from syncd.providers.b612.settings import B612Settings
from syncd.providers.digital_realty import adapter as digital_realty
from syncd.providers.digital_realty.errors import read_error as digital_realty_error
from syncd.providers.digital_realty.settings import DigitalRealtySettings
from syncd.providers.sipsynergy import adapter as sipsynergy
from syncd.providers.sipsynergy.errors import HttpErrors as SipSynergyErrors
from syncd.providers.sipsynergy.settings import SipSynergySettings
from syncd.providers.smartops import adapter as smartops
from syncd.providers.smartops.errors import HttpErrors
from syncd.providers.smartops.settings import SmartOpsSettings
from syncd.providers.telenor import adapter as telenor
from syncd.providers.telenor.errors import read_error as telenor_error
from syncd.providers.telenor.settings import TelenorSettings
from syncd.transport.auth import TokenSource
from syncd.transport.interface import ErrorReader, Transport
from syncd.transport.pool import ClientPool
from syncd.transport.wirelog import WireLog

S = TypeVar("S", bound=BaseModel)

Normalise = Callable[[str, Value], Value]
"""N of DESIGN R5: the form in which two spellings of a field's value are equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a connection's login is built from, beside its settings.

    Attributes:
        name: the connection's, or that of the login it shares.
        base_url: that connection's, below which some vendors have their token endpoint.
        pool: whose session reaches the token endpoint.
        clock: for expiry.
        on_rotated: commits a rotated refresh token; awaited before its access token is used.
        stored_token: the refresh token as last rotated and stored; None: as configured.
        ca_file: the only authorities trusted; None for the system's.
        log: told about exchanges with the token endpoint.
    """

    name: ConnectionName
    pool: ClientPool
    clock: Clock
    on_rotated: Callable[[Secret], Awaitable[None]]
    base_url: str = ""
    stored_token: Secret | None = None
    ca_file: Path | None = None
    log: WireLog | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider; every function takes the provider's own settings first.

    Attributes:
        name: as `provider:` names it.
        settings_model: its own keys of a connection.
        features: what a connection with these settings can do.
        fields: the fields of a kind of ticket; none for a kind it does not have.
        normalise: N under these settings.
        error_reader: what its error answers mean.
        login: where a connection's tokens come from.
        build: (settings, name, transport, clock) -> the adapter.
        offer: (settings, name, status labels by phase) -> what the gateway offers under it; None:
            the connection calls, as all of most providers do.
        build_served: (settings, name, served tickets, clock) -> the adapter of one that is offered.
        basis: a stored cursor -> what is read rests on, and from when it is; None: nothing to say.
    """

    name: str
    settings_model: type[BaseModel]
    features: Callable[[BaseModel], Features]
    fields: Callable[[BaseModel, str], Sequence[FieldInfo]]
    normalise: Callable[[BaseModel], Normalise]
    error_reader: Callable[[BaseModel], ErrorReader]
    login: Callable[[BaseModel, Login], TokenSource]
    build: Callable[[BaseModel, ConnectionName, Transport, Clock], Adapter]
    offer: Callable[[BaseModel, ConnectionName, Mapping[str, Sequence[str]]], Offer | None] = (
        lambda *_: None
    )
    build_served: Callable[[BaseModel, ConnectionName, ServedTickets, Clock], Adapter] | None = None
    basis: Callable[[str], tuple[str, datetime] | None] = lambda _: None


def _own(model: type[S], settings: BaseModel) -> S:
    """Give settings as the provider's own model."""
    if isinstance(settings, model):
        return settings
    raise BrokenInvariant(f"a {model.__name__} is needed, not a {type(settings).__name__}")


def _b612(settings: BaseModel) -> B612Settings:
    return _own(B612Settings, settings)


def _digital_realty(settings: BaseModel) -> DigitalRealtySettings:
    return _own(DigitalRealtySettings, settings)


def _digital_realty_login(settings: BaseModel, login: Login) -> TokenSource:
    options = digital_realty.LoginOptions(
        base_url=login.base_url, ca_file=login.ca_file, log=login.log
    )
    return digital_realty.login(
        login.name, _digital_realty(settings), pool=login.pool, clock=login.clock, options=options
    )


def _sipsynergy(settings: BaseModel) -> SipSynergySettings:
    return _own(SipSynergySettings, settings)


def _sipsynergy_login(settings: BaseModel, login: Login) -> TokenSource:
    options = sipsynergy.LoginOptions(ca_file=login.ca_file, log=login.log)
    return sipsynergy.login(
        login.name, _sipsynergy(settings), pool=login.pool, clock=login.clock, options=options
    )


def _smartops(settings: BaseModel) -> SmartOpsSettings:
    return _own(SmartOpsSettings, settings)


def _smartops_login(settings: BaseModel, login: Login) -> TokenSource:
    options = smartops.LoginOptions(
        offline_token=login.stored_token, ca_file=login.ca_file, log=login.log
    )
    return smartops.login(
        login.name,
        _smartops(settings),
        pool=login.pool,
        clock=login.clock,
        on_rotated=login.on_rotated,
        options=options,
    )


def _telenor(settings: BaseModel) -> TelenorSettings:
    return _own(TelenorSettings, settings)


def _telenor_login(settings: BaseModel, login: Login) -> TokenSource:
    options = telenor.LoginOptions(ca_file=login.ca_file, log=login.log)
    return telenor.login(
        login.name, _telenor(settings), pool=login.pool, clock=login.clock, options=options
    )


PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {
        "b612": Provider(
            name="b612",
            settings_model=B612Settings,
            features=lambda own: b612.declare(_b612(own)),
            fields=lambda own, kind: b612.describe(_b612(own), kind),
            normalise=lambda own: b612.normaliser(_b612(own)),
            error_reader=lambda own: b612_error,
            login=lambda own, login: b612.login(_b612(own)),
            build=lambda own, name, transport, clock: b612.build(
                name, _b612(own), transport, clock
            ),
        ),
        "digital_realty": Provider(
            name="digital_realty",
            settings_model=DigitalRealtySettings,
            features=lambda own: digital_realty.declare(_digital_realty(own)),
            fields=lambda own, kind: digital_realty.describe(_digital_realty(own), kind),
            normalise=lambda own: digital_realty.normaliser(_digital_realty(own)),
            error_reader=lambda own: digital_realty_error,
            login=_digital_realty_login,
            build=lambda own, name, transport, clock: digital_realty.build(
                name, _digital_realty(own), transport, clock
            ),
        ),
        "sipsynergy": Provider(
            name="sipsynergy",
            settings_model=SipSynergySettings,
            features=lambda own: sipsynergy.declare(_sipsynergy(own)),
            fields=lambda own, kind: sipsynergy.describe(_sipsynergy(own), kind),
            normalise=lambda own: sipsynergy.normaliser(_sipsynergy(own)),
            error_reader=lambda own: SipSynergyErrors(_sipsynergy(own).secrets),
            login=_sipsynergy_login,
            build=lambda own, name, transport, clock: sipsynergy.build(
                name, _sipsynergy(own), transport, clock
            ),
            basis=sipsynergy.basis,
        ),
        "smartops": Provider(
            name="smartops",
            settings_model=SmartOpsSettings,
            features=lambda own: smartops.declare(_smartops(own)),
            fields=lambda own, kind: smartops.describe(_smartops(own), kind),
            normalise=lambda own: smartops.normaliser(_smartops(own)),
            error_reader=lambda own: HttpErrors(_smartops(own).secrets),
            login=_smartops_login,
            build=lambda own, name, transport, clock: smartops.build(
                name, _smartops(own), transport, clock
            ),
            offer=lambda own, name, phases: smartops.offer(name, _smartops(own), phases),
            build_served=lambda own, name, served, clock: smartops.build_served(
                name, _smartops(own), served, clock
            ),
        ),
        "telenor": Provider(
            name="telenor",
            settings_model=TelenorSettings,
            features=lambda own: telenor.declare(_telenor(own)),
            fields=lambda own, kind: telenor.describe(_telenor(own), kind),
            normalise=lambda own: telenor.normaliser(_telenor(own)),
            error_reader=lambda own: telenor_error,
            login=_telenor_login,
            build=lambda own, name, transport, clock: telenor.build(
                name, _telenor(own), transport, clock
            ),
        ),
    }
)
"""Every provider, by the name that `provider:` takes."""
