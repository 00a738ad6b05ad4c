"""Provider name -> what syncd needs of it; the only module that imports providers.

Every provider's `adapter` module exports the functions of `AdapterModule`; `_joined` hands each the
provider's own settings.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Protocol, TypeVar

from pydantic import BaseModel

from syncd.model.errors import BrokenInvariant
from syncd.model.features import Features
from syncd.model.ids import ConnectionName
from syncd.model.ticket import FieldInfo, Value
from syncd.ports.adapter import Adapter
from syncd.ports.clock import Clock
from syncd.ports.offer import Offer
from syncd.ports.served import ServedTickets
from syncd.providers.b612 import adapter as b612
from syncd.providers.b612.settings import B612Settings
from syncd.providers.digital_realty import adapter as digital_realty
from syncd.providers.digital_realty.settings import DigitalRealtySettings
from syncd.providers.rt import adapter as rt
from syncd.providers.rt.settings import RtSettings
from syncd.providers.sipsynergy import adapter as sipsynergy
from syncd.providers.sipsynergy.settings import SipSynergySettings
from syncd.providers.smartops import adapter as smartops
from syncd.providers.smartops.settings import SmartOpsSettings
from syncd.providers.telenor import adapter as telenor
from syncd.providers.telenor.settings import TelenorSettings
from syncd.transport.auth import TokenSource
from syncd.transport.interface import ErrorReader, Transport
from syncd.transport.login import Login

S = TypeVar("S", bound=BaseModel)
S_contra = TypeVar("S_contra", bound=BaseModel, contravariant=True)

Normalise = Callable[[str, Value], Value]
"""N of DESIGN R5: the form in which two spellings of a field's value are equal."""


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
    offer: Callable[[BaseModel, ConnectionName, Mapping[str, Sequence[str]]], Offer | None]
    build_served: Callable[[BaseModel, ConnectionName, ServedTickets, Clock], Adapter] | None
    basis: Callable[[str], tuple[str, datetime] | None]


class AdapterModule(Protocol[S_contra]):
    """What every provider's `adapter` module exports; what each promises, `Provider` says."""

    def declare(self, settings: S_contra, /) -> Features: ...
    def describe(self, settings: S_contra, kind: str, /) -> Sequence[FieldInfo]: ...
    def normaliser(self, settings: S_contra, /) -> Normalise: ...
    def error_reader(self, settings: S_contra, /) -> ErrorReader: ...
    def login(self, settings: S_contra, login: Login, /) -> TokenSource: ...
    def build(
        self, name: ConnectionName, settings: S_contra, transport: Transport, clock: Clock, /
    ) -> Adapter: ...


class Serving(Protocol[S_contra]):
    """What a provider that callers may call exports beside it."""

    def offer(
        self, name: ConnectionName, settings: S_contra, phases: Mapping[str, Sequence[str]], /
    ) -> Offer | None: ...
    def build_served(
        self, name: ConnectionName, settings: S_contra, served: ServedTickets, clock: Clock, /
    ) -> Adapter: ...


def _joined(
    name: str,
    model: type[S],
    adapter: AdapterModule[S],
    *,
    serving: Serving[S] | None = None,
    basis: Callable[[str], tuple[str, datetime] | None] = lambda _: None,
) -> Provider:
    """Join a provider's functions, each called with its own settings."""

    def own(settings: BaseModel) -> S:
        if isinstance(settings, model):
            return settings
        raise BrokenInvariant(f"a {model.__name__} is needed, not a {type(settings).__name__}")

    def offer(
        settings: BaseModel, named: ConnectionName, phases: Mapping[str, Sequence[str]]
    ) -> Offer | None:
        return serving.offer(named, own(settings), phases) if serving is not None else None

    return Provider(
        name=name,
        settings_model=model,
        features=lambda settings: adapter.declare(own(settings)),
        fields=lambda settings, kind: adapter.describe(own(settings), kind),
        normalise=lambda settings: adapter.normaliser(own(settings)),
        error_reader=lambda settings: adapter.error_reader(own(settings)),
        login=lambda settings, login: adapter.login(own(settings), login),
        build=lambda settings, named, transport, clock: adapter.build(
            named, own(settings), transport, clock
        ),
        offer=offer,
        build_served=None
        if serving is None
        else lambda settings, named, served, clock: serving.build_served(
            named, own(settings), served, clock
        ),
        basis=basis,
    )


PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {
        one.name: one
        for one in (
            _joined("b612", B612Settings, b612),
            _joined("digital_realty", DigitalRealtySettings, digital_realty),
            _joined("rt", RtSettings, rt),
            _joined("sipsynergy", SipSynergySettings, sipsynergy, basis=sipsynergy.basis),
            _joined("smartops", SmartOpsSettings, smartops, serving=smartops),
            _joined("telenor", TelenorSettings, telenor),
        )
    }
)
"""Every provider, by the name that `provider:` takes."""
