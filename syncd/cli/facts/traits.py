"""What connections can do, told by their providers without any network."""

from syncd.core.state import SideTraits
from syncd.intake import IntakeConfig
from syncd.model.features import Features
from syncd.model.ids import ConnectionName
from syncd.model.operation import WriteKind
from syncd.registry import PROVIDERS
from syncd.settings.traits import all_kind_traits, side_traits
from syncd.settings.values import Settings


def features_of(settings: Settings, name: ConnectionName) -> Features:
    """Give what a connection declares."""
    connection = settings.connections[name]
    return PROVIDERS[connection.provider].features(connection.options)


def can_probe(settings: Settings, name: ConnectionName, kind: WriteKind) -> bool:
    """Say whether a connection can tell if a write happened."""
    if name not in settings.connections:
        return False
    feature = features_of(settings, name).writes.get(kind)
    return feature is not None and feature.can_probe


def traits_of(settings: Settings, name: ConnectionName) -> SideTraits:
    """Give what the core must know of a connection, over all its kinds of ticket."""
    connection = settings.connections[name]
    provider = PROVIDERS[connection.provider]
    features = provider.features(connection.options)
    return side_traits(
        connection,
        features,
        [
            info
            for kind in sorted(features.kinds)
            for info in provider.fields(connection.options, kind)
        ],
        provider.normalise(connection.options),
    )


def intake_config(settings: Settings) -> IntakeConfig:
    """Give the configuration as intake sees it, without adapters: for deciding, not for reading."""
    return IntakeConfig(
        mappings=settings.mappings,
        adapters={},
        traits={name: traits_of(settings, name) for name in settings.connections},
        kind_traits={
            key: traits
            for connection in settings.connections.values()
            for key, traits in all_kind_traits(connection, PROVIDERS[connection.provider]).items()
        },
        paces={name: one.poll.pace for name, one in settings.connections.items()},
        revision=settings.revision,
    )
