"""What `check` found, as lines."""

from rich.text import Text

from syncd.cli.facts.checks import Result
from syncd.cli.show.lines import line
from syncd.cli.text import count


def document(result: Result) -> dict[str, object]:
    """Give the result for programs."""
    settings = result.settings
    return {
        "ok": result.is_fine,
        "environment": settings.environment,
        "revision": settings.revision,
        "files": [str(path) for path in settings.files],
        "connections": {name: one.provider for name, one in settings.connections.items()},
        "mappings": {name: rules.mode for name, rules in settings.mappings.items()},
        "tests": [
            {
                "mapping": each.mapping,
                "name": each.test.name,
                "place": str(each.test.place),
                "passed": each.passed,
                "failures": each.failures,
            }
            for each in result.outcomes
        ],
        "notes": result.notes,
        "live": result.live,
    }


def lines(result: Result) -> list[Text]:
    """Say it to people: what failed first, then the sum."""
    made: list[Text] = []
    for outcome in result.outcomes:
        if not outcome.passed:
            where = f"{outcome.test.place}: {outcome.mapping}: "
            made.append(line(where, ("failed", "bold red"), f": {outcome.test.name}"))
            made += [line(failure, indent=4) for failure in outcome.failures]
    for name, found in result.live.items():
        for each in found:
            mark = ("ok    ", "green") if each.ok else ("failed", "bold red")
            made.append(line(mark, f"  {name}: {each.what}"))
    made += [line(("note    ", "dim"), note) for note in result.notes]
    return [*made, _sum(result)]


def _sum(result: Result) -> Text:
    settings = result.settings
    failed = sum(not each.passed for each in result.outcomes)
    tests = count(len(result.outcomes), "test")
    parts = [
        count(len(settings.connections), "connection"),
        count(len(settings.mappings), "mapping"),
        f"{tests} passed" if not failed else f"{failed} of {tests} failed",
    ]
    bad = sum(not each.ok for found in result.live.values() for each in found)
    if result.live:
        parts.append("the systems agree" if not bad else f"{count(bad, 'finding')} of the systems")
    word = ("fine", "bold green") if result.is_fine else ("not fine", "bold red")
    return line(word, f": {', '.join(parts)} (revision {settings.revision})")
