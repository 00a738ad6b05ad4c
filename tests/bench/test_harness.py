"""The arithmetic of the benches, and one small row measured from end to end."""

from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from tests.bench import catalogue, process, quiet
from tests.bench.__main__ import main, measure
from tests.bench.delivery import Window
from tests.bench.harness import (
    Bench,
    Goal,
    Of,
    Round,
    Row,
    Setting,
    document,
    in_turns,
    judged,
    not_measured,
    table,
)
from tests.bench.latency import percentile

ROUNDS = [Round(value=900, floor=1000), Round(value=400, floor=500), Round(value=990, floor=1000)]


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    row = judged("r", ROUNDS, unit="op/s", goal=Goal(bound=0.9, at_least=True, of=Of.RATIO))
    assert (row.value, row.floor, row.ratio) == (900, 1000, 0.9)
    assert row.spread == (0.8, 0.99)
    assert row.met is True


def test_the_spread_is_that_of_what_the_goal_is_about() -> None:
    row = judged("r", ROUNDS, unit="MB", goal=Goal(bound=500))
    assert row.spread == (400, 990)
    assert row.met is False


@pytest.mark.parametrize(
    ("goal", "measured", "is_met"),
    [
        (Goal(bound=1), 1.0, True),
        (Goal(bound=1), 1.1, False),
        (Goal(bound=0), 0.0, True),
        (Goal(bound=3.8, at_least=True), 3.8, True),
        (Goal(bound=3.8, at_least=True), 3.7, False),
    ],
)
def test_a_goal_may_be_reached_exactly(goal: Goal, measured: float, is_met: bool) -> None:
    assert judged("r", [Round(value=measured)], unit="", goal=goal).met is is_met


def test_nothing_is_said_to_be_met_without_a_goal_or_a_measurement() -> None:
    assert judged("r", [Round(value=1)], unit="", goal=None).met is None
    assert not_measured("r", "later", Goal(bound=1)).met is None


def test_a_floor_of_nothing_gives_no_ratio() -> None:
    row = judged("r", [Round(value=5, floor=0)], unit="", goal=Goal(bound=5))
    assert (row.floor, row.ratio, row.met) == (0, None, True)


async def test_floor_and_ours_are_measured_in_turns_and_each_is_first_every_other_time(
    tmp_path: Path,
) -> None:
    order: list[str] = []

    async def floor() -> float:
        order.append("floor")
        return 2.0

    async def ours() -> float:
        order.append("ours")
        return 1.0

    rounds = await in_turns(Setting(rounds=3, folder=tmp_path), "r", floor, ours)
    assert order == ["floor", "ours", "ours", "floor", "floor", "ours"]
    assert [one.ratio for one in rounds] == [0.5] * 3


async def test_a_window_times_what_lies_between_warm_up_and_end() -> None:
    window = Window(warm=2, count=3)
    for _ in range(4):
        window.tick()
    assert not window.full.is_set()
    window.tick()
    assert window.full.is_set()
    assert window.per_s > 0


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [([5.0], 0.99, 5.0), ([3.0, 1.0, 2.0, 4.0], 0.5, 2.0), (list(range(1, 201)), 0.99, 198)],
)
def test_a_percentile_is_a_value_that_was_measured(
    values: list[float], share: float, found: float
) -> None:
    assert percentile(values, share) == found


def _bench(name: str, error: Exception | None = None) -> Bench:
    async def run(setting: Setting) -> Sequence[Row]:
        if error is not None:
            raise error
        return [judged(name, [Round(value=1, floor=2)], unit="s", goal=Goal(bound=3))]

    return Bench(rows=(name,), run=run)


async def test_a_row_that_fails_is_named_and_hides_no_other(tmp_path: Path) -> None:
    setting = Setting(rounds=1, folder=tmp_path)
    benches = [_bench("broken", ValueError("no\ndisk")), _bench("fine")]
    rows, all_ran = await measure(benches, setting)
    assert not all_ran
    assert [(row.name, row.met) for row in rows] == [("broken", None), ("fine", True)]
    assert rows[0].note == "failed: ValueError: no"


async def test_only_the_rows_wanted_are_measured(tmp_path: Path) -> None:
    setting = Setting(rounds=1, folder=tmp_path, only=("fi",))
    rows, _ = await measure([_bench("broken", ValueError()), _bench("fine")], setting)
    assert [row.name for row in rows] == ["fine"]


def test_the_document_has_what_every_row_must_tell(tmp_path: Path) -> None:
    row = judged("r", ROUNDS, unit="op/s", goal=Goal(bound=0.9, at_least=True, of=Of.RATIO))
    told = orjson.loads(orjson.dumps(document([row], Setting(folder=tmp_path))))
    assert {"row", "value", "floor", "ratio", "goal", "met", "spread"} <= set(told["rows"][0])
    assert "yes" in table([row])


def test_every_row_has_one_name() -> None:
    names = [name for bench in catalogue.benches() for name in bench.rows]
    assert len(names) == len(set(names))


def test_what_a_process_holds_is_known() -> None:
    process.forget_peak()
    before_mb = process.resident_mb()
    held = b"x" * 50_000_000
    assert process.resident_mb() > before_mb + 0.9 * len(held) / process.MB
    del held
    assert process.peak_mb() > before_mb + 45


async def test_a_small_row_is_measured_from_end_to_end(tmp_path: Path) -> None:
    rows = {row.name: row for row in await quiet.passes(Setting(rounds=1, folder=tmp_path), 500)}
    assert rows[quiet.WRITES].value == 0
    assert rows[quiet.WRITES].met is True
    assert (rows[quiet.CPU].value or 0) > 0
    assert (rows[quiet.CPU].floor or 0) > 0


def test_standard_output_gets_one_json_object(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["--quick", "--only", "four-processes", "--folder", str(tmp_path)]) == 0
    out, err = capfdbinary.readouterr()
    (row,) = orjson.loads(out)["rows"]
    assert (row["row"], row["goal"], row["met"]) == ("four-processes", 3.8, None)
    assert b"four-processes" in err
    assert list(tmp_path.iterdir()) == []
