"""The end of the demo: one JSON object for programs, the proof in words for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from syncd.demo.clerk import Doubt
from syncd.demo.evidence import Kind
from syncd.demo.options import DemoOptions
from syncd.demo.pairing import PAIRINGS, Side
from syncd.demo.verdict import BAD, Fate, Finding, Verdict

FINDINGS_SHOWN = 40


@dataclass(slots=True)
class Result:
    """A whole run.

    Attributes:
        seed: of it.
        verdict: the judge's, everything added up.
        by_vendor: the judge's for each vendor.
        doubts: operations in doubt, as the operator settled them.
        parked: what still waits for a person, a line each.
        is_settled: whether everything ended in time.
        raised: tickets that the automation raised by calling the daemon.
        troubles: what else went wrong: the daemon ended by itself, …
        folder: of configuration, store and log.
        resumed: how often the operator resumed a connection.
        is_kept: the folder is still there.
        settled_after_s: seconds from the last act of people until all was quiet.
    """

    options: DemoOptions
    seed: int
    verdict: Verdict
    folder: Path
    by_vendor: Mapping[str, Verdict] = field(default_factory=dict)
    doubts: Sequence[Doubt] = ()
    parked: Sequence[str] = ()
    is_settled: bool = False
    kills: int = 0
    resumed: int = 0
    raised: int = 0
    settled_after_s: float = 0.0
    troubles: list[str] = field(default_factory=list)
    is_kept: bool = False

    @property
    def is_good(self) -> bool:
        """Whether it ended as promised."""
        return self.verdict.is_good and self.is_settled and not self.troubles


def document(result: Result) -> dict[str, object]:
    """What `--json` prints."""
    return {
        "ok": result.is_good,
        **_counted(result.verdict),
        "in_doubt": len(result.doubts),
        "parked": len(result.parked),
        "by_vendor": {name: _counted(verdict) for name, verdict in result.by_vendor.items()},
        "settled": result.is_settled,
        "settled_after_s": round(result.settled_after_s, 3),
        "seconds": result.options.seconds,
        "seed": result.seed,
        "faults": result.options.faults,
        "kills": result.kills,
        "resumed": result.resumed,
        "raised": result.raised,
        "doubts": [str(each) for each in result.doubts],
        "waiting": list(result.parked),
        "findings": [str(each) for each in result.verdict.findings],
        "troubles": list(result.troubles),
        "folder": str(result.folder) if result.is_kept else None,
    }


def _counted(verdict: Verdict) -> dict[str, object]:
    return {
        **{str(fate): verdict.count(fate) for fate in Fate},
        "violations": sum(verdict.violations.values()),
        "did": _by_kind(verdict.did),
        "arrived": _by_kind(verdict.arrived),
        "requests": {str(side): verdict.requests[side] for side in Side}
        | {"total": sum(verdict.requests.values())},
        "p50_s": _rounded(verdict.percentile_s(0.5)),
        "p99_s": _rounded(verdict.percentile_s(0.99)),
    }


def _by_kind(counts: dict[tuple[Kind, Side], int]) -> dict[str, dict[str, int]]:
    return {
        str(kind): {f"to_{side}": counts.get((kind, side), 0) for side in Side} for kind in Kind
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def summary(result: Result, console: Console) -> None:
    """Print the proof for people."""
    verdict = result.verdict
    console.print()
    console.print(Text("What people did, and what was found on the other side", style="bold"))
    console.print(_table(verdict))
    if len(result.by_vendor) > 1:
        console.print(_vendors(result.by_vendor))
    console.print(Text("Counted from what the simulated systems recorded, not from syncd."))
    for fate in (*BAD, Fate.SHOWN, Fate.SUPERSEDED):
        count = verdict.count(fate)
        style = "green" if not count else ("red" if fate in BAD else "yellow")
        console.print(Text(f"  {fate:11}{count:5}   {_MEANING[fate]}", style=style))
    console.print(Text(f"  {'in doubt':11}{len(result.doubts):5}   {_MEANING_DOUBT}"))
    for doubt in result.doubts:
        console.print(Text(f"      {doubt}"))
    for finding in _bad(verdict):
        console.print(Text(f"  {finding}", style="red"), soft_wrap=True)
    for line in (*result.parked, *result.troubles):
        console.print(Text(f"  {line}", style="yellow"), soft_wrap=True)
    _numbers(result, console)
    _what_next(result, console)


_MEANING = {
    Fate.LOST: "never arrived, or both sides end different",
    Fate.DOUBLED: "arrived more than once",
    Fate.ECHOED: "came back to where it was written",
    Fate.LEAKED: "private, and seen at the vendor",
    Fate.UNWANTED: "arrived although the mapping leaves it out",
    Fate.SHOWN: "did not arrive, and syncd says so",
    Fate.SUPERSEDED: "overwritten by somebody before it was read",
}
_MEANING_DOUBT = "syncd could not tell whether they happened, and asked"


def _table(verdict: Verdict) -> Table:
    table = Table()
    for name in ("", "desk → vendor", "arrived", "vendor → desk", "arrived"):
        table.add_column(name, justify="right" if name else "left")
    for kind in Kind:
        row = [str(kind).replace("_", " ")]
        for side in (Side.VENDOR, Side.ITSM):
            row += [str(verdict.did[kind, side]), str(verdict.arrived[kind, side])]
        table.add_row(*row)
    return table


def _vendors(by_vendor: Mapping[str, Verdict]) -> Table:
    table = Table()
    names = ("", "tickets", "all that was done", "arrived", "bad", "shown", "requests")
    for name in names:
        table.add_column(name, justify="right" if name else "left")
    for name, verdict in by_vendor.items():
        tickets = sum(verdict.did[Kind.TICKETS, side] for side in Side)
        bad = sum(verdict.count(fate) for fate in BAD)
        counts = (
            tickets,
            verdict.did.total(),
            verdict.arrived.total(),
            bad,
            verdict.count(Fate.SHOWN),
            verdict.requests.total(),
        )
        table.add_row(PAIRINGS[name].title, *map(str, counts))
    return table


def _bad(verdict: Verdict) -> list[Finding]:
    return [each for each in verdict.findings if each.fate in BAD][:FINDINGS_SHOWN]


def _numbers(result: Result, console: Console) -> None:
    verdict, options = result.verdict, result.options
    half, most = verdict.percentile_s(0.5), verdict.percentile_s(0.99)
    asked = ", ".join(f"{count} at the {side}" for side, count in verdict.requests.items())
    broken = sum(verdict.violations.values())
    lines = [f"Requests: {asked}; {broken} broke a rule of the vendors' documents."]
    if half is not None and most is not None:
        lines.append(
            f"From a change to its arrival: half within {half:.2f} s, 99 of 100 within"
            f" {most:.2f} s (each side is read every second)."
        )
    lines.append(
        f"Seed {result.seed}, {options.seconds:g} s, faults {'on' if options.faults else 'off'},"
        f" daemon killed {result.kills} times; {result.raised} tickets raised through its gateway;"
        f" all quiet {result.settled_after_s:.1f} s after the last act."
    )
    for line in lines:
        console.print(Text(line), soft_wrap=True)
    verdict_text = "Everything arrived, once." if result.is_good else "Not as promised: see above."
    style = "bold green" if result.is_good else "bold red"
    console.print(Text(verdict_text, style=style))


def _what_next(result: Result, console: Console) -> None:
    console.print()
    console.print(Text("What to try next", style="bold"))
    lines = [
        "syncd demo --faults --kills 3         # the same with failing systems and kill -9",
        f"syncd demo --seed {result.seed} --keep          # again, and keep its folder",
        "syncd sandbox telenor --port 8081     # a simulated vendor to try a mapping against",
        "syncd check --config config/syncd.yaml   # the commented example",
    ]
    if result.is_kept:
        config = result.folder / "config" / "syncd.yaml"
        lines.insert(0, f"syncd log --config {config}")
        lines.insert(0, f"syncd status --config {config}")
        lines.append(f"less {result.folder / 'daemon.log'}")
    for line in lines:
        console.print(Text(f"  {line}"), soft_wrap=True)
