"""Every documented call is used or offered, as it is documented."""

from collections import defaultdict

import pytest

from tests.conformance.conftest import FIXTURES
from tests.conformance.endpoints import UNUSED, Row, done, rows_of
from tests.conformance.fixture import Fixture
from tests.conformance.world import TOKEN_OPERATIONS, World, needs_remote, world_of

ROWS = [
    (fixture, row)
    for fixture in {one.provider: one for one in reversed(FIXTURES.values())}.values()
    for row in rows_of(fixture.provider)
]


def played_by(provider: str, kind: str) -> Fixture:
    """Give the provider's fixture of a kind of ticket; the first one's where none is named."""
    for one in FIXTURES.values():
        if one.provider == provider and kind in ("", one.kind):
            return one
    raise AssertionError(f"{provider} has no fixture of kind {kind!r}")


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=f"{row.provider}-{row.id}")
        for _, row in ROWS
        if not row.used.startswith(UNUSED)
    ],
)
async def test_each_documented_call_is_made_as_documented(row: Row) -> None:
    async with done(played_by(row.provider, row.kind), row) as (world, since):
        made = [
            one
            for one in world.requests(since)
            if row.matches(one["method"], one["path"]) and one["operation"] == row.operation
        ]
        seen = [f"{one['method']} {one['path']}" for one in world.requests(since)]
        assert made, f"{row.used} made {seen} and not {row.method} {row.path}"
        # A 404 may be the documented answer to a question.
        asked = {404} if row.method == "GET" else set()
        answers = {one["status"] for one in made} - {None}
        assert any(status < 400 or status in asked for status in answers), answers
        assert not problems(row, made)
        assert world.sandbox.violations == []


def problems(row: Row, made: list[dict[str, object]]) -> list[str]:
    """Compare what was sent with what a row says."""
    found: list[str] = []
    query: set[str] = set()
    body: set[str] = set()
    for one in made:
        headers = {name.lower(): told for name, told in one["headers"].items()}  # type: ignore[attr-defined]
        for name, value in row.headers.items():
            told = headers.get(name.lower())
            if told is None or not told.startswith(value):
                found.append(f"header {name} is {told!r}")
        if row.is_multipart and not headers.get("content-type", "").startswith("multipart/"):
            found.append("it is no multipart form")
        query |= {name for name, _ in one["query"]}  # type: ignore[attr-defined]
        body |= set(one["body_names"])  # type: ignore[call-overload]
    found += row.query.problems(query)
    return found if row.is_multipart else found + row.body.problems(body)


async def test_every_call_offered_by_name_is_a_row_with_its_arguments(world: World) -> None:
    needs_remote(world)
    used: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows_of(world.fixture.provider):
        if row.used.startswith("call "):
            _, name, *words = row.used.split(" ")
            used[name] |= {word.partition("=")[0] for word in words if "=" in word}
    offered = world.adapter.calls()
    assert set(used) == set(offered), f"in one only: {set(used) ^ set(offered)}"
    for name, arguments in used.items():
        missing = [one for one in arguments if one not in offered[name]]
        assert not missing, f"{name}: {offered[name]!r} does not tell {missing}"


@pytest.mark.parametrize("provider", sorted({one.provider for one in FIXTURES.values()}))
async def test_every_call_of_the_vendor_is_used_offered_or_excused(provider: str) -> None:
    async with world_of(played_by(provider, "")) as world:
        known = {row.operation for row in rows_of(provider)}
        vendors = set(world.sandbox.operations) - TOKEN_OPERATIONS
        if "order" not in world.features.kinds:
            # Telenor's sandbox has both trees; a provider is held to the kinds it declares.
            vendors = {name for name in vendors if "order" not in name}
        assert vendors <= known, f"not in ENDPOINTS.md: {sorted(vendors - known)}"


async def test_a_row_that_is_not_true_is_found() -> None:
    (row,) = [one for _, one in ROWS if (one.provider, one.id) == ("telenor", "I2")]
    async with done(played_by("telenor", ""), row) as (world, since):
        made = world.requests(since)[-1:]
    assert not problems(row, made)
    assert not row.matches("PUT", row.path)
    assert not row.matches("POST", row.path + "/x")
    made[0]["body_names"] = ["subject", "colour"]
    made[0]["headers"] = {}
    told = problems(row, made)
    assert "colour is told nowhere" in told
    assert "description was not sent" in told
    assert "header Authorization is None" in told
