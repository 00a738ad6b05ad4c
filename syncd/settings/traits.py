"""What the core must know of a connection: its provider's word and the configuration's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from syncd.core.state import SideTraits
from syncd.model.features import Features
from syncd.model.ids import ConnectionName, MappingName, Side
from syncd.model.ticket import FieldInfo, Value
from syncd.registry import Provider
from syncd.settings.values import ConnectionSettings, Settings


def side_traits(
    connection: ConnectionSettings,
    features: Features,
    fields: Sequence[FieldInfo],
    normalise: Callable[[str, Value], Value],
) -> SideTraits:
    """Join a connection's settings and its adapter's word.

    N is the adapter's, then the connection's: another spelling becomes its canonical label, and a
    label that the configuration names is given as written there, whatever form the adapter's N has.

    Args:
        connection: the connection.
        features: the adapter's.
        fields: the adapter's, of the mapping's kind of ticket.
        normalise: the adapter's N.
    """
    return SideTraits(
        features=features,
        normalise=Spelling(connection, normalise).apply,
        fields={info.name: info for info in fields},
        phases=connection.phases,
    )


class Spelling:
    """N of one connection: the adapter's form of a value, then the label as people write it."""

    def __init__(
        self, connection: ConnectionSettings, normalise: Callable[[str, Value], Value]
    ) -> None:
        self._normalise = normalise
        self._tables: dict[str, dict[str, str]] = {}
        for name, labels in connection.spellings.items():
            for label in labels:
                self._note(name, label, label)
        for name, canonicals in connection.values.items():
            for canonical, others in canonicals.items():
                for spelling in (canonical, *others):
                    self._note(name, spelling, canonical)

    def _note(self, name: str, spelling: str, label: str) -> None:
        form = self._normalise(name, spelling)
        if isinstance(form, str):
            self._tables.setdefault(name, {})[form] = label

    def apply(self, name: str, value: Value) -> Value:
        """Give a value in the form in which two spellings of it are equal."""
        form = self._normalise(name, value)
        table = self._tables.get(name)
        return table.get(form, form) if table and isinstance(form, str) else form

    def written(self, name: str, label: str) -> str:
        """Give a label as it must be written: as it is, unless another spelling is known."""
        form = self._normalise(name, label)
        table = self._tables.get(name, {})
        return table.get(form, label) if isinstance(form, str) else label


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One side of a mapping, as its rules are checked against.

    Attributes:
        side: which.
        connection: the connection there.
        kind: kind of ticket.
        traits: what the core will be told.
        spelling: how its labels are written.
        statuses: every label that phases and provider list; empty where neither does.
    """

    side: Side
    connection: ConnectionSettings
    kind: str
    traits: SideTraits
    spelling: Spelling
    statuses: tuple[str, ...] = field(default=())

    @property
    def fields(self) -> Mapping[str, FieldInfo]:
        """What is known of the fields, by name."""
        return self.traits.fields

    @property
    def name(self) -> str:
        """The connection's name."""
        return str(self.connection.name)

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.connection.provider

    def canonical(self, name: str, label: str) -> str:
        """Give a label as it must be written."""
        return self.spelling.written(name, label)

    def accepted(self, name: str) -> tuple[str, ...]:
        """List the labels a field accepts; empty where any or unknown."""
        if name == "status":
            return self.statuses
        info = self.fields.get(name)
        return info.values if info else ()


def facts_of(side: Side, connection: ConnectionSettings, kind: str, provider: Provider) -> Facts:
    """Ask a provider what holds for a connection, without any network."""
    normalise = provider.normalise(connection.options)
    traits = side_traits(
        connection,
        provider.features(connection.options).of(kind),
        provider.fields(connection.options, kind),
        normalise,
    )
    spelling = Spelling(connection, normalise)
    statuses = [*traits.features.statuses]
    statuses += [label for labels in connection.phases.values() for label in labels]
    return Facts(
        side=side,
        connection=connection,
        kind=kind,
        traits=traits,
        spelling=spelling,
        statuses=tuple(dict.fromkeys(spelling.written("status", label) for label in statuses)),
    )


def mapping_traits(
    settings: Settings,
    name: MappingName,
    providers: Mapping[str, Provider],
    vendor: ConnectionName | None = None,
) -> dict[Side, SideTraits]:
    """Give what the core must know of both connections of a mapping, without any network.

    Args:
        settings: with the mapping.
        name: the mapping.
        providers: by name.
        vendor: the vendor connection, where the mapping has several; None: the first.
    """
    rules = settings.mappings[name].at(vendor or settings.mappings[name].vendor)
    found: dict[Side, SideTraits] = {}
    for side in Side:
        connection = settings.connections[rules.connection(side)]
        found[side] = kind_traits(connection, rules.kind(side), providers[connection.provider])
    return found


def kind_traits(connection: ConnectionSettings, kind: str, provider: Provider) -> SideTraits:
    """Give what the core must know of a connection's tickets of one kind."""
    return side_traits(
        connection,
        provider.features(connection.options).of(kind),
        provider.fields(connection.options, kind),
        provider.normalise(connection.options),
    )


def all_kind_traits(
    connection: ConnectionSettings, provider: Provider
) -> dict[tuple[ConnectionName, str], SideTraits]:
    """Give the same of each of its kinds."""
    return {
        (connection.name, kind): kind_traits(connection, kind, provider)
        for kind in sorted(provider.features(connection.options).kinds)
    }
