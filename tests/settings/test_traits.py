"""Labels are equal to the core however a system spells them, and written as the files say."""

from syncd.model.ids import MappingName, Side
from syncd.registry import PROVIDERS
from syncd.settings.traits import mapping_traits
from tests.settings.support import Folder


def test_another_spelling_becomes_the_canonical_label(folder: Folder) -> None:
    settings = folder.load()
    traits = mapping_traits(settings, MappingName("telenor-incidents"), PROVIDERS)
    itsm, vendor = traits[Side.ITSM].normalise, traits[Side.VENDOR].normalise
    assert itsm("priority", "1 - Critical") == "1"
    assert itsm("priority", " 1 ") == "1"
    assert vendor("status", "LØST") == "Solved"
    assert vendor("priority", "critical") == "Critical"
    assert vendor("status", "Something New") == "something new"
    assert vendor("title", " a  b ") == "a b"
    assert vendor("title", None) is None


def test_n_applied_twice_is_n(folder: Folder) -> None:
    settings = folder.load()
    traits = mapping_traits(settings, MappingName("telenor-incidents"), PROVIDERS)
    for side, names in ((Side.ITSM, ("1 - Critical", "x")), (Side.VENDOR, ("løst", "HIGH", "x"))):
        for name in ("status", "priority", "title"):
            for value in names:
                once = traits[side].normalise(name, value)
                assert traits[side].normalise(name, once) == once


def test_phases_and_fields_are_handed_on(folder: Folder) -> None:
    settings = folder.load()
    traits = mapping_traits(settings, MappingName("telenor-incidents"), PROVIDERS)
    assert traits[Side.ITSM].phases["closed"] == ("Closed", "Cancelled")
    assert traits[Side.ITSM].fields["vendor_ref"].max_chars == 40
