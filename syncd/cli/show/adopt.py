"""What `adopt` found, as lines and for programs."""

from collections.abc import Iterable, Mapping, Sequence

from rich.text import Text

from syncd.cli.facts.adopt import Findings
from syncd.cli.show.lines import Part, columns, heading, line
from syncd.cli.text import count, cut
from syncd.core.pairing import Doubt, Known, Match, Opens
from syncd.model.ids import Side

SHOWN_MAX = 100
"""Rows of one part shown to people; `--json` has all."""
TITLE_CHARS_MAX = 40


def document(found: Findings, done: Mapping[str, object]) -> dict[str, object]:
    """Give it for programs."""
    pairing = found.pairing
    return {
        "matches": [_match_json(each) for each in pairing.matches],
        "doubtful": [
            {"itsm": _json(each.itsm), "vendor": _json(each.vendor), "why": each.why}
            for each in pairing.doubtful
        ],
        "unmatched": {
            str(side): [_json(each) for each in pairing.unmatched.get(side, ())] for side in Side
        },
        "linked_before": pairing.linked,
        "known": found.known,
        "read": found.read,
        "notes": found.notes,
        "failed": found.failed,
        **done,
    }


def _match_json(match: Match) -> dict[str, object]:
    return {"itsm": _json(match.itsm), "vendor": _json(match.vendor), "why": match.why}


def _json(known: Known | None) -> dict[str, object] | None:
    if known is None:
        return None
    return {
        "connection": known.who.connection,
        "id": known.who.id,
        "number": known.number,
        "title": known.title,
        "created_at": known.created_at,
        "would_open": known.opens,
        "lacks": known.lacks,
    }


def lines(found: Findings, done: Mapping[str, object]) -> list[Text]:
    """Say it to people."""
    pairing = found.pairing
    made = _part("MATCHES", pairing.matches, [_match(each) for each in pairing.matches])
    made += _part("DOUBTFUL", pairing.doubtful, [_doubt(each) for each in pairing.doubtful])
    for side in Side:
        alone = [each for each in pairing.unmatched.get(side, ()) if each.opens is not Opens.NO]
        title = f"UNMATCHED on the {side} side, wanted by the mapping"
        made += _part(title, alone, [_alone(each) for each in alone])
        others = len(pairing.unmatched.get(side, ())) - len(alone)
        if others:
            what = (
                f"{count(others, 'more ticket')} of the {side} side concern this mapping in no way"
            )
            made.append(line((what, "dim")))
    made += [line((each, "yellow")) for each in found.notes]
    made += [line((f"could not be read: {each}", "bold red")) for each in found.failed]
    both = " and ".join(count(found.known[side], f"{side} ticket") for side in Side)
    read = f"{sum(found.read.values()):,} read just now"
    made.append(line(f"{both} compared ({read}); {count(pairing.linked, 'link')} before"))
    made += [line((text, "bold")) for text in _done(done)]
    return made


def _part(title: str, items: Sequence[object], rows: Sequence[Sequence[Part]]) -> list[Text]:
    if not items:
        return []
    made = [heading(f"{title} ({len(items):,})"), *columns(rows[:SHOWN_MAX], indent=2)]
    if len(rows) > SHOWN_MAX:
        made.append(line(f"and {len(rows) - SHOWN_MAX:,} more; --json has them all", indent=2))
    return [*made, line()]


def _match(each: Match) -> Sequence[Part]:
    title = cut(each.itsm.title, TITLE_CHARS_MAX)
    return (_number(each.itsm), "⇄", _number(each.vendor), title, (", ".join(each.why), "dim"))


def _doubt(each: Doubt) -> Sequence[Part]:
    return (_number(each.itsm), "?", _number(each.vendor), each.why)


def _alone(each: Known) -> Sequence[Part]:
    wanted: Part = ("could be opened", "green")
    if each.opens is Opens.LACKS:
        wanted = (each.lacks, "yellow")
    return (_number(each), cut(each.title, TITLE_CHARS_MAX), wanted)


def _number(known: Known | None) -> str:
    return "-" if known is None else f"{known.who.connection}:{known.number or known.who.id}"


def _done(done: Mapping[str, object]) -> Iterable[str]:
    refused = done.get("refused")
    if isinstance(refused, list):
        yield from refused
    if done.get("dry_run"):
        yield "nothing was changed; without --dry-run the matches are linked"
    elif "asked" in done:
        yield f"{done['asked']} partners were asked for; `syncd ops list` shows their creation"
    else:
        yield f"{done.get('linked', 0)} linked; what differs within a pair becomes a conflict"
