"""Patterns of a configuration: compiled, and none that can take for ever on a hostile text."""

import re

PATTERN_CHARS_MAX = 500
"""Longest pattern accepted."""
OPEN_REPEATS_MAX = 4
"""Most `*`, `+` and `{n,}` in one pattern: each multiplies the time a search may take."""


def compile_pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern.

    Raises:
        ValueError: it is not valid, or may take too long; the text says why.
    """
    if len(text) > PATTERN_CHARS_MAX:
        raise ValueError(f"a pattern of {len(text)} characters; at most {PATTERN_CHARS_MAX}")
    try:
        compiled = re.compile(text)
    except (re.error, OverflowError, RecursionError) as err:
        raise ValueError(f"not a pattern: {err}") from err
    repeats = _open_repeats(text)
    if repeats is None:
        raise ValueError("a repeat within a repeat can take for ever, as in (a+)+; write it flat")
    if repeats > OPEN_REPEATS_MAX:
        raise ValueError(f"{repeats} open repeats (*, +, {{n,}}); at most {OPEN_REPEATS_MAX}")
    return compiled


def _open_repeats(text: str) -> int | None:
    """Count repeats without an upper bound; None when one stands within another repeat."""
    count = 0
    inner = [0]  # per open group: open repeats within it
    closed = 0  # of the group that just ended
    for token in _TOKENS.findall(text):
        if token == "(":
            inner.append(0)
            closed = 0
        elif token == ")" and len(inner) > 1:
            closed = inner.pop()
            inner[-1] += closed
        elif token[0] in "*+{":
            bounded = re.fullmatch(r"\{(\d*)(,?)(\d*)\}", token)
            if token[0] == "{" and bounded is None:
                closed = 0
                continue
            if closed:
                return None
            if bounded is None or (bounded[2] and not bounded[3]):
                count += 1
                inner[-1] += 1
        elif token != "?":
            closed = 0
    return count


_TOKENS = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{[^}]*\}|[()*+?]|[^\\\[{()*+?]+|.", re.DOTALL
)
