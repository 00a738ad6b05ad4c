"""Text templates: sandboxed, compiled when settings load, rendered here."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import jinja2
from jinja2 import meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

OUTPUT_CHARS_MAX = 64 * 1024
"""Longest text a template may make; longer output is cut there."""
COMPILED_MAX = 4096
"""Templates kept compiled: compiling one costs as much as rendering it a hundred times."""

_LOOPS = (nodes.For, nodes.Macro, nodes.CallBlock, nodes.Include, nodes.Import, nodes.FromImport)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(autoescape=False, keep_trailing_newline=True)
    environment.globals.clear()
    environment.finalize = lambda value: "" if value is None else value
    return environment


_ENVIRONMENT = _environment()


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled text template; equal when its text is equal.

    Attributes:
        text: as written.
        names: the variables it reads.
    """

    text: str
    names: frozenset[str]

    def render(self, context: Mapping[str, object]) -> str:
        """Give the text; a name without a value reads as empty."""
        return _compiled(self.text).render(context)[:OUTPUT_CHARS_MAX]


@lru_cache(maxsize=COMPILED_MAX)
def _compiled(text: str) -> jinja2.Template:
    return _ENVIRONMENT.from_string(text)


def compile_template(text: str) -> Template:
    """Check a template.

    Raises:
        ValueError: it is not valid, or it loops, includes or defines macros; the text says what.
    """
    try:
        tree = _ENVIRONMENT.parse(text)
    except jinja2.TemplateSyntaxError as err:
        raise ValueError(f"template line {err.lineno}: {err.message}") from err
    for node in tree.find_all(_LOOPS):
        raise ValueError(
            f"template line {node.lineno}: loops, macros and includes are not accepted"
        )
    return Template(text, frozenset(meta.find_undeclared_variables(tree)))
