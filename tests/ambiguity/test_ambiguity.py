"""Whatever goes wrong with a write, it ends as the table says."""

from datetime import datetime
from pathlib import Path

import pytest

from syncd.model.operation import Finding, ProbeResult, Write, WriteKind
from syncd.ports.adapter import Adapter
from tests.ambiguity.scene import scene_of
from tests.ambiguity.table import PAGE, TABLE, Case, End, ends_of, page
from tests.conformance.fixture import all_fixtures
from tests.conformance.table import features_of

FIXTURES = all_fixtures()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), list(TABLE), ids=[f"{a}-{b}" for a, b in TABLE])
async def test_every_write_ends_as_the_table_says_whatever_goes_wrong(
    tmp_path: Path, name: str, kind: WriteKind
) -> None:
    expected = {case: end for case, end in ends_of(name, kind).items() if end is not End.NONE}
    async with scene_of(FIXTURES[name], tmp_path) as scene:
        found = {case: await scene.end(kind, case) for case in expected}
        assert found == expected
        assert scene.kit.sandbox.violations == []


class Blind:
    """An adapter whose probe never finds anything."""

    def __init__(self, inner: Adapter) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    async def probe(self, write: Write, sent_at: datetime) -> ProbeResult:
        return ProbeResult(finding=Finding.ABSENT, looked_at="looked away")


async def test_a_probe_that_looks_away_is_seen_to_double(tmp_path: Path) -> None:
    async with scene_of(FIXTURES["telenor"], tmp_path, Blind) as scene:  # type: ignore[arg-type]
        ended = await scene.end(WriteKind.COMMENT, Case.ANSWER_LOST)
    assert ended == "applied  with 2 effects"


def test_every_write_that_is_declared_has_a_row() -> None:
    # What the daemon serves lies in its own store, with no vendor and no HTTP between: its lost
    # answers are the kit's business (tests/conformance).
    declared = {
        (name, kind)
        for name, fixture in FIXTURES.items()
        if not fixture.is_served
        for kind in features_of(fixture).writes
    }
    assert set(TABLE) == declared


def test_in_doubt_is_only_what_the_provider_says_cannot_be_looked_for() -> None:
    for name, kind in TABLE:
        feature = features_of(FIXTURES[name]).writes[kind]
        assert (End.DOUBT in ends_of(name, kind).values()) != feature.can_probe, (name, kind)


def test_the_page_is_the_table() -> None:
    told = PAGE.read_text(encoding="utf-8")
    assert told == page(), "run: python -m tests.ambiguity.table"
