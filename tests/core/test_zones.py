"""Wall times of a site become instants and back, in the zone the mapping names."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.rules import ConflictPolicy, Expression, FieldRule, Lookup, PairedField, Zoned
from syncd.core.sources import FieldOf, Table
from syncd.core.state import WITHHELD
from syncd.core.zones import converted
from syncd.model.ids import Side
from syncd.model.ticket import FieldInfo, Missing, Value
from tests.core.test_plan import linked
from tests.support.link_world import LinkWorld
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


# --- kept equal both ways ------------------------------------------------------------------------

WALL, INSTANT = "2026-07-15T09:30:00", "2026-07-15T07:30:00+00:00"


def both_ways(wall: Side = Side.VENDOR, *, origin: Side = Side.ITSM, **itsm: Value) -> LinkWorld:
    """A link whose visit is an instant on one side and a wall time of the ITSM's site on the other.

    It is new: opened from a ticket with the given fields, nothing settled yet.
    """
    zone = VISIT.expression.zone
    pair = PairedField(
        slot="both.visit",
        itsm="planned_visit",
        vendor="suggested_at",
        zone=zone,
        wall=wall,
        conflict=ConflictPolicy.VENDOR,
    )
    side = traits()
    more = {name: FieldInfo(name=name, writable=WRITABLE) for name in (pair.itsm, pair.vendor)}
    sides = dict.fromkeys(Side, replace(side, fields={**side.fields, **more}))
    world = LinkWorld(rules=mapping(paired=(pair,)), traits=sides)
    world.creates(origin, title="x", assigned_group="NOC", status="New", **itsm)
    assert world.opens(origin)
    world.settles()
    return world


def shows(world: LinkWorld) -> tuple[Value | Missing, Value | Missing]:
    """What both sides show once nothing is left to do."""
    world.settles()
    assert world.plans().is_empty
    return (
        world.tickets[Side.ITSM].get("planned_visit"),
        world.tickets[Side.VENDOR].get("suggested_at"),
    )


def test_a_time_kept_equal_both_ways_is_converted_there_and_back() -> None:
    world = both_ways(site="OSL1", planned_visit="2026-07-15T07:30:00Z")
    assert shows(world) == ("2026-07-15T07:30:00Z", WALL), "the new ticket shows the wall time"
    world.sets(Side.VENDOR, "suggested_at", "2026-12-01 08:00")
    assert shows(world) == ("2026-12-01T07:00:00+00:00", "2026-12-01 08:00")
    world.sets(Side.ITSM, "planned_visit", INSTANT)
    assert shows(world) == (INSTANT, WALL)
    world.sets(Side.ITSM, "planned_visit", "2026-07-15T07:30:00.000000Z")
    world.sets(Side.VENDOR, "suggested_at", "2026-07-15 09:30")
    assert shows(world)[1] == "2026-07-15 09:30", "other spellings of one time are no conflict"
    # Clocks went back at 03:00: 01:30 UTC is the second 02:30 there, and stays it.
    world.sets(Side.ITSM, "planned_visit", "2026-10-25T01:30:00+00:00")
    assert shows(world) == ("2026-10-25T01:30:00+00:00", "2026-10-25T02:30:00")
    world.sets(Side.ITSM, "planned_visit", INSTANT)
    world.sets(Side.VENDOR, "suggested_at", "2026-07-16T09:30:00")
    assert shows(world)[0] == "2026-07-16T07:30:00+00:00", "the policy decides on two times"


def test_the_itsm_may_be_the_side_of_wall_times() -> None:
    world = both_ways(wall=Side.ITSM, site="LHR1", planned_visit="2026-07-15T08:30")
    assert shows(world) == ("2026-07-15T08:30", INSTANT)
    world.sets(Side.VENDOR, "suggested_at", "2026-07-15T09:00:00+02:00")
    assert shows(world)[0] == "2026-07-15T08:00:00"


def test_a_site_in_another_zone_moves_the_instant_and_keeps_the_wall_time() -> None:
    world = both_ways(site="OSL1", planned_visit=INSTANT)
    assert shows(world) == (INSTANT, WALL)
    world.sets(Side.ITSM, "site", "LHR1")
    assert shows(world) == ("2026-07-15T08:30:00+00:00", WALL)
    world.sets(Side.ITSM, "site", "AMS1")
    assert shows(world) == ("2026-07-15T08:30:00+00:00", WALL), "no zone is known: nothing moves"


def test_a_time_that_cannot_be_converted_is_told_and_carried_once_it_can() -> None:
    world = both_ways(site="AMS1", planned_visit=INSTANT)
    told = (Side.ITSM, WITHHELD + "both.visit")
    assert "suggested_at" not in world.tickets[Side.VENDOR].fields, "no zone, nothing guessed"
    world.sets(Side.VENDOR, "suggested_at", "")
    assert shows(world) == (INSTANT, "")
    assert "no zone is known" in str(world.baselines[told].value)
    world.sets(Side.ITSM, "site", "OSL1")
    assert shows(world) == (INSTANT, WALL)
    assert world.baselines[told].value is None
    world.sets(Side.ITSM, "planned_visit", "2026-07-15T07:30:00")
    assert shows(world)[1] == WALL, "what has no offset is no instant"
    assert "an offset" in str(world.baselines[told].value)


def test_a_partner_opened_at_the_itsm_gets_the_time_once_its_site_is_known() -> None:
    world = both_ways(origin=Side.VENDOR, suggested_at=WALL)
    world.sets(Side.ITSM, "site", "OSL1")
    world.sets(Side.ITSM, "planned_visit", None)
    assert shows(world) == (INSTANT, WALL)
