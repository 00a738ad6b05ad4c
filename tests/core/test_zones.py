"""Wall times of a site become instants and back, in the zone the mapping names."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.rules import Expression, FieldRule, Lookup, Zoned
from syncd.core.sources import FieldOf, Table
from syncd.core.state import WITHHELD
from syncd.core.zones import converted
from syncd.model.ids import Side
from syncd.model.ticket import FieldInfo
from tests.core.test_plan import linked
from tests.support.mappings import WRITABLE, mapping, traits

OSLO, LONDON = ZoneInfo("Europe/Oslo"), ZoneInfo("Europe/London")


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("2026-01-15T09:30:00", "2026-01-15T08:30:00+00:00"),
        ("2026-07-15 09:30", "2026-07-15T07:30:00+00:00"),
        ("2026-07-15T07:30:00Z", "2026-07-15T09:30:00"),
        ("2026-07-15T07:30:00+00:00", "2026-07-15T09:30:00"),
        # Clocks go back at 03:00: the first 02:30 is meant.
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00+00:00"),
        # Clocks go forward at 02:00: 02:30 is skipped.
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00+00:00"),
        ("2026-03-29", None),
        ("20260329", None),
        ("02/30/2026 10:00", None),
        ("tomorrow", None),
        ("0001-01-01T00:00:00", None),
        ("9999-12-31T23:59:59-12:00", None),
        ("", None),
    ],
)
def test_a_wall_time_becomes_an_instant_and_an_instant_a_wall_time(
    text: str, made: str | None
) -> None:
    assert converted(text, OSLO) == made


@given(st.integers(631_152_000, 4_102_444_800), st.sampled_from([OSLO, LONDON]))
def test_an_instant_comes_back_unless_clocks_showed_its_time_twice(
    at_s: int, zone: ZoneInfo
) -> None:
    instant = datetime.fromtimestamp(at_s, UTC)
    wall = converted(instant.isoformat(), zone)
    assert wall is not None
    back = converted(wall, zone)
    assert back is not None
    assert instant - datetime.fromisoformat(back) in (timedelta(), timedelta(hours=1))


TABLE = Table(
    name="zones",
    columns=("site", "zone"),
    rows=(("OSL1", "Europe/Oslo"), ("LHR1", "Europe/London")),
)
VISIT = FieldRule(
    slot="to_itsm.planned_visit",
    target_side=Side.ITSM,
    target="planned_visit",
    expression=Expression(
        source=FieldOf("suggested_at"),
        zone=Zoned(
            name=Expression(source=Lookup(table=TABLE, by=("site",), get="zone")),
            known={"Europe/Oslo": OSLO, "Europe/London": LONDON},
        ),
    ),
)


def test_a_wall_time_follows_the_site_it_is_of_and_what_cannot_be_read_is_told() -> None:
    side = traits()
    more = {**side.fields, "planned_visit": FieldInfo(name="planned_visit", writable=WRITABLE)}
    both = dict.fromkeys(Side, replace(side, fields=more))
    world = linked(mapping(fields=(*mapping().fields, VISIT)), both)

    def visit() -> object:
        world.settles()
        assert world.plans().is_empty
        return world.tickets[Side.ITSM].get("planned_visit")

    world.sets(Side.VENDOR, "site", "OSL1")
    world.sets(Side.VENDOR, "suggested_at", "2026-07-15T09:30:00")
    assert visit() == "2026-07-15T07:30:00+00:00"
    world.sets(Side.VENDOR, "site", "LHR1")
    assert visit() == "2026-07-15T08:30:00+00:00", "the zone is an input like any other"

    told = (Side.VENDOR, WITHHELD + VISIT.slot)
    world.sets(Side.VENDOR, "suggested_at", "after lunch")
    assert visit() == "2026-07-15T08:30:00+00:00"
    assert "'after lunch' is no date with a time" in str(world.baselines[told].value)
    world.sets(Side.VENDOR, "site", "AMS1")
    assert visit() == "2026-07-15T08:30:00+00:00"
    assert "no zone is known" in str(world.baselines[told].value)
    world.sets(Side.VENDOR, "site", "OSL1")
    world.sets(Side.VENDOR, "suggested_at", "2026-07-16T09:30:00")
    assert visit() == "2026-07-16T07:30:00+00:00"
    assert world.baselines[told].value is None
