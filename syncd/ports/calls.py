"""Calls that syncing does not need, offered to operators by name (`syncd call`)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from syncd.ports.errors import Refused, Unsupported

Arguments = Mapping[str, str]
"""By name, as typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCall:
    """A call offered by name.

    Attributes:
        text: one line for people, with the arguments.
        needed, optional: argument names.
        make: makes it.
    """

    text: str
    needed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    make: Callable[[Arguments], Awaitable[object]]


def described(named: Mapping[str, NamedCall]) -> Mapping[str, str]:
    """Give name -> one line for people."""
    return {name: one.text for name, one in named.items()}


async def make(named: Mapping[str, NamedCall], name: str, arguments: Arguments) -> object:
    """Make a call by name; gives what it answers.

    Raises:
        Unsupported: no such name. Refused: an argument is missing or unknown.
    """
    found = named.get(name)
    if found is None:
        raise Unsupported(f"no call {name!r}; there are {', '.join(sorted(named))}")
    missing = [one for one in found.needed if not arguments.get(one)]
    strangers = sorted(set(arguments) - {*found.needed, *found.optional})
    if missing or strangers:
        raise Refused(f"{name}: missing {missing}, unknown {strangers}; {found.text}")
    return await found.make(arguments)
