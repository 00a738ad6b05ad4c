"""Durations, sizes and lists of labels are read from texts, the same way everywhere."""

from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from syncd.model.texts import Bytes, LabelList, Seconds, Zone, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("60s", 60), ("1.5s", 1.5), ("30m", 1800), ("2h", 7200), ("1d", 86400)],
)
def test_a_duration_has_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["60", "", "s", "1 h", "-1s", "1w", "1h30m", "367d", "1e3s", "٣s", 60, None]
)
def test_other_texts_are_no_durations(text: object) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1B", 1), ("500kB", 500_000), ("20MB", 20_000_000), ("1GiB", 2**30), ("25 MiB", 25 * 2**20)],
)
def test_a_size_has_a_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["20", "0MB", "20mb", "20M", "1.5MB", "9999GB", "-1B", "iB"])
def test_other_texts_are_no_sizes(text: str) -> None:
    with pytest.raises(ValueError):
        parse_size(text)


@pytest.mark.parametrize(
    ("kind", "text", "read"),
    [
        (Seconds, "5m", 300.0),
        (Seconds, "1.5", 1.5),
        (Seconds, 0, 0.0),
        (Bytes, "3900", 3900),
        (Bytes, "25MB", 25_000_000),
        (Bytes, 1, 1),
    ],
)
def test_a_provider_takes_a_number_alone_in_the_unit_of_its_key(
    kind: Any, text: object, read: float
) -> None:
    assert TypeAdapter(kind).validate_python(text) == read


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        (Seconds, "soon", "'soon' is not a duration; accepted: 500ms"),
        (Seconds, "-1", "'-1' is not a duration"),
        (Seconds, "1e3", "'1e3' is not a duration"),
        (Seconds, "nan", "'nan' is not a duration"),
        (Seconds, "99999999", "less than or equal to"),
        (Annotated[Seconds, Field(le=60)], "2m", "less than or equal to 60"),
        (Bytes, "25 megs", "'25 megs' is not a size; accepted: 500kB"),
        (Bytes, "0", "greater than 0"),
        (Bytes, "1.5", "integer"),
        (Bytes, "9999999999999", "less than or equal to"),
        (Zone, "Europe/Olso", "'Europe/Olso' is not a time zone; accepted"),
        (Zone, "../../etc/passwd", "is not a time zone"),
        (LabelList, ["New", "new"], "listed twice, capitals do not count: new"),
        (LabelList, ["New", " "], "an empty label"),
    ],
)
def test_what_is_no_duration_size_zone_or_label_is_told_with_what_is_accepted(
    kind: Any, text: object, told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        TypeAdapter(kind).validate_python(text)
