"""Every provider is joined to its name, and refuses another's settings."""

import pytest

from syncd.model.errors import BrokenInvariant
from syncd.registry import PROVIDERS
from syncd.settings.values import HttpSettings
from tests.conformance.fixture import all_fixtures
from tests.settings.support import Folder, make_folder


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return make_folder(tmp_path_factory.mktemp("registry"))


def test_a_provider_is_found_by_its_own_name() -> None:
    assert {name: one.name for name, one in PROVIDERS.items()} == {
        "b612": "b612",
        "digital_realty": "digital_realty",
        "rt": "rt",
        "sipsynergy": "sipsynergy",
        "smartops": "smartops",
        "telenor": "telenor",
    }


def test_what_a_provider_declares_fits_together(folder: Folder) -> None:
    for connection in folder.load().connections.values():
        provider = PROVIDERS[connection.provider]
        features = provider.features(connection.options)
        for kind in features.kinds:
            fields = provider.fields(connection.options, kind)
            names = [info.name for info in fields]
            assert len(set(names)) == len(names)
            assert {"status", "title", "number"} <= set(names)
        assert not provider.fields(connection.options, "no such kind")
        assert callable(provider.error_reader(connection.options))
        assert provider.normalise(connection.options)("title", "a ") == "a"


def test_a_provider_refuses_the_settings_of_another(folder: Folder) -> None:
    connections = list(folder.load().connections.values())
    with pytest.raises(BrokenInvariant, match="SmartOpsSettings is needed"):
        PROVIDERS["smartops"].features(connections[1].options)
    assert HttpSettings().port == 8470


def test_every_provider_is_played_with_by_the_conformance_kit() -> None:
    fixtures = all_fixtures().values()
    assert {one.provider for one in fixtures} == set(PROVIDERS)
    # Each kind of ticket Telenor has is a tree of its own.
    assert {"incident", "order"} <= {one.kind for one in fixtures if one.provider == "telenor"}
