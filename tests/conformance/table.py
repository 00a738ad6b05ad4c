"""Writes `syncd/providers/FEATURES.md`: what each provider can do, from what it declares.

python -m tests.conformance.table
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from syncd.model.features import Absence, Features
from syncd.model.operation import WriteKind
from syncd.registry import PROVIDERS
from tests.conformance.fixture import Fixture, all_fixtures

PAGE = Path(__file__).resolve().parents[2] / "syncd" / "providers" / "FEATURES.md"
ANY_URL = "https://vendor.example"
MB = 1000 * 1000

HEAD = """# What each provider can do

Made from the adapters' `Features` by `python -m tests.conformance.table`, each connection with the
settings it has by default; the conformance kit shows every line of it true.

"""
LEGEND = """
**How a lost answer is settled.** *found again*: a read tells whether the write happened; once it is
sure that it did not, it is sent again. *found or parked*: found again where it happened, left to a
person where not. *in doubt*: nothing can tell; a person decides, nothing is sent twice.

**How changes become known.** *feed*: the vendor lists what happened. *scan*: its list of tickets is
compared. *watch*: each known ticket is read, often while something happens to it.
"""


def features_of(fixture: Fixture) -> Features:
    """Give a provider's Features with the fixture's login and nothing else set."""
    provider = PROVIDERS[fixture.provider]
    own = provider.settings_model.model_validate(fixture.settings(ANY_URL))
    return provider.features(own).of(fixture.kind)


def table(fixtures: Mapping[str, Fixture]) -> str:
    """Give the page's text."""
    declared = {name: features_of(one) for name, one in fixtures.items()}
    rows = [
        ["", *declared],
        ["---"] * (len(declared) + 1),
        *([what, *map(told, declared.values())] for what, told in _rows()),
        ["fields", *map(_fields, fixtures.values())],
        ["calls by name", *map(_calls, fixtures.values())],
    ]
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows) + LEGEND


def _rows() -> Iterator[tuple[str, Callable[[Features], str]]]:
    yield "changes become known by", lambda one: str(one.reading)
    for kind in WriteKind:
        yield f"{kind}", lambda one, kind=kind: _write(one, kind)
    yield "comments it keeps apart", lambda one: ", ".join(sorted(one.comment_kinds)) or "–"
    yield "attachments are read", lambda one: _yes(one.attachments)
    yield "largest attachment", _largest
    yield "empty attachments", _empty
    yield "file types refused", lambda one: ", ".join(sorted(one.limits.refused_types)) or "–"
    yield "longest comment", _longest
    yield "statuses", lambda one: ", ".join(one.statuses) or "as configured"
    yield "cancelling", lambda one: one.cancelled_status or "–"
    yield "tells when fields changed", lambda one: _yes(one.field_times)
    yield "reads may be late by", lambda one: f"{one.settle_s:g} s"


def _write(one: Features, kind: WriteKind) -> str:
    feature = one.writes.get(kind)
    if feature is None or (kind is WriteKind.COMMENT and not one.comment_kinds):
        return "–"
    if not feature.can_probe:
        return "yes, in doubt"
    how = "found again" if feature.absence is Absence.RESEND else "found or parked"
    return f"yes, {how} (after {feature.settle_s:g} s)"


def _yes(claim: bool) -> str:
    return "yes" if claim else "–"


def _largest(one: Features) -> str:
    if WriteKind.ATTACHMENT not in one.writes:
        return "–"
    return f"{one.limits.attachment_bytes / MB:g} MB"


def _empty(one: Features) -> str:
    if WriteKind.ATTACHMENT not in one.writes:
        return "–"
    return "refused" if one.limits.attachment_bytes_min else "taken"


def _longest(one: Features) -> str:
    if WriteKind.COMMENT not in one.writes:
        return "–"
    limit = one.limits.comment_bytes
    return "not known" if limit is None else f"{limit} bytes"


def _fields(fixture: Fixture) -> str:
    provider = PROVIDERS[fixture.provider]
    own = provider.settings_model.model_validate(fixture.settings(ANY_URL))
    infos = provider.fields(own, fixture.kind)
    return f"{sum(bool(one.writable) for one in infos)} of {len(infos)} can be written"


def _calls(fixture: Fixture) -> str:
    from tests.conformance.endpoints import rows_of

    if fixture.is_served:
        return "–"
    names = {row.used.split()[1] for row in rows_of(fixture.provider) if row.used[:5] == "call "}
    return f"{len(names)}" if names else "–"


if __name__ == "__main__":
    PAGE.write_text(table(all_fixtures()), encoding="utf-8")
