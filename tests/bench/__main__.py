"""The command line of the benches; the package's docstring has its use."""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
import uvloop

from syncd.app.collector import calm
from tests.bench import catalogue
from tests.bench.harness import (
    QUICK_ROUNDS,
    ROUNDS,
    Bench,
    Row,
    Setting,
    document,
    not_measured,
    table,
)

REASON_CHARS_MAX = 200
"""How much of a failure stands in the table; the rest is above it."""


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller stores")
    parser.add_argument("--rounds", type=int, help=f"turns per row; {ROUNDS}, quick {QUICK_ROUNDS}")
    parser.add_argument(
        "--only", action="append", default=[], metavar="ROW", help="rows whose name begins so"
    )
    parser.add_argument("--folder", type=Path, help="where stores are made; a disk, not memory")
    parser.add_argument("--list", action="store_true", help="name the rows and end")
    return parser.parse_args(given)


@contextlib.contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="syncd-bench-", dir=given) as made:
        yield Path(made)


async def measure(benches: Sequence[Bench], setting: Setting) -> tuple[list[Row], bool]:
    """Run the benches one after the other; says whether every row could be measured."""
    rows: list[Row] = []
    all_ran = True
    for number, bench in enumerate(benches):
        wanted = [name for name in bench.rows if setting.wants(name)]
        if not wanted:
            continue
        try:
            made = list(await bench.run(setting.inside(f"{number:02}")))
        except Exception as error:  # noqa: BLE001 - one row must not hide the others
            traceback.print_exc()
            all_ran = False
            why = f"failed: {type(error).__name__}: {error}".splitlines()[0][:REASON_CHARS_MAX]
            made = [not_measured(name, why) for name in wanted]
        rows += [row for row in made if setting.wants(row.name)]
    return rows, all_ran


def main(given: Sequence[str]) -> int:
    arguments = _arguments(given)
    benches = catalogue.benches()
    if arguments.list:
        print(*(name for bench in benches for name in bench.rows), sep="\n")
        return 0
    with _folder(arguments.folder) as folder:
        setting = Setting(
            rounds=arguments.rounds or (QUICK_ROUNDS if arguments.quick else ROUNDS),
            quick=arguments.quick,
            folder=folder,
            only=tuple(arguments.only),
        )
        rows, all_ran = uvloop.run(_all(benches, setting))
    print(table(rows), file=sys.stderr)
    sys.stdout.buffer.write(orjson.dumps(document(rows, setting)) + b"\n")
    return 0 if all_ran and rows else 1


async def _all(benches: Sequence[Bench], setting: Setting) -> tuple[list[Row], bool]:
    # A slow callback says nothing here; what runs is timed as it is, and set as the daemon is.
    asyncio.get_running_loop().set_debug(False)
    calm()
    return await measure(benches, setting)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
