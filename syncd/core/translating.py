"""What a value of a two-directional field is on the other side: by its map, or as a time."""

from collections.abc import Mapping

from syncd.core.evaluate import View, as_text, evaluate, inputs
from syncd.core.rules import PairedField
from syncd.core.zones import instant_of, is_same_time, wall_time_of, zone_of
from syncd.model.ids import Side
from syncd.model.ticket import MISSING, Missing, Value


def mapped(
    paired: PairedField, source: Side, value: Value | Missing, views: Mapping[Side, View]
) -> Value | Missing:
    """Translate a value of one side for the other; MISSING when there is no such value there."""
    if paired.zone is not None:
        return _timed(paired, source, value, views)[0]
    labels = paired.to_vendor if source is Side.ITSM else paired.to_itsm
    if labels is None or isinstance(value, Missing):
        return value
    return labels.get(as_text(value), MISSING)


def written_value(paired: PairedField, source: Side, views: Mapping[Side, View]) -> Value | Missing:
    """Give what a side's value is written as on the other; MISSING when it cannot be translated."""
    view, name = views[source], paired.itsm if source is Side.ITSM else paired.vendor
    is_kept = paired.zone is None and paired.to_vendor is None
    return view.shown(name) if is_kept else mapped(paired, source, view.get(name), views)


def why_no_time(paired: PairedField, source: Side, views: Mapping[Side, View]) -> str:
    """Say why a side's value is no time on the other; empty for a rule without a zone."""
    name = paired.itsm if source is Side.ITSM else paired.vendor
    return _timed(paired, source, views[source].get(name), views)[1] if paired.zone else ""


def zone_name(paired: PairedField, views: Mapping[Side, View]) -> str:
    """Name the zone that the ITSM's ticket chooses; empty where it chooses none, or is not yet."""
    if paired.zone is None:
        return ""
    is_fixed = not inputs(paired.zone.name, {})
    view = next(iter(views.values()), None) if is_fixed else views.get(Side.ITSM)
    name = "" if view is None else as_text(evaluate(paired.zone.name, view)).strip()
    return name if zone_of(name, paired.zone.known) is not None else ""


def is_same(paired: PairedField, one: Value | Missing, other: Value | Missing) -> bool:
    """Whether two values of one side are the same: times are, however they are spelled."""
    if one == other:
        return True
    return paired.zone is not None and is_same_time(as_text(one), as_text(other))


def _timed(
    paired: PairedField, source: Side, value: Value | Missing, views: Mapping[Side, View]
) -> tuple[Value | Missing, str]:
    """Turn a wall time into an instant or back; say why nothing came of it as well."""
    text = as_text(value).strip()
    if paired.zone is None or not text:
        return MISSING, ""
    zone = zone_of(zone_name(paired, views), paired.zone.known)
    if zone is None:
        return MISSING, f"no zone is known for {text!r}"
    if source is paired.wall:
        made, wanted = instant_of(text, zone), "no date with a time"
    else:
        made, wanted = wall_time_of(text, zone), "no date with a time and an offset (or Z)"
    return (MISSING, f"{text!r} is {wanted}") if made is None else (made, "")
