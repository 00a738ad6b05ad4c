"""The `tests:` of a mapping, as values (MAPPING.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncd.core.rules import Place
from syncd.model.ids import Side
from syncd.model.ticket import CommentKind, Value, Visibility

NOWHERE = Place()
"""The place of what no file holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidComment:
    """A comment somebody makes in a test."""

    body: str
    author: str = ""
    kind: CommentKind = CommentKind.COMMENT
    visibility: Visibility = Visibility.PUBLIC


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedFile:
    """An attachment somebody adds in a test."""

    name: str
    size_bytes: int = 1000
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What a ticket is or becomes.

    Attributes:
        fields: field -> value.
        comments: made, in order.
        files: added, in order.
        elsewhere: what another link of the ticket wrote there, before the rest.
    """

    fields: Mapping[str, Value] = field(default_factory=dict)
    comments: tuple[SaidComment, ...] = ()
    files: tuple[AddedFile, ...] = ()
    elsewhere: "Happening | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must reach one side.

    Attributes:
        nothing: no write at all.
        opened: a ticket is created there; None: not said.
        deleted: the ticket there is deleted.
        followed: a new ticket takes its place, or does not; None: not said.
        fields: field -> value that must be written; others may be written too.
        comments: texts that must be said there, each as a whole, with their kind; None: any.
        files: names of attachments that must be uploaded.
    """

    nothing: bool = False
    opened: bool | None = None
    deleted: bool = False
    followed: bool | None = None
    fields: Mapping[str, Value] = field(default_factory=dict)
    comments: tuple[tuple[CommentKind | None, str], ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingTest:
    """One test.

    Attributes:
        name: what it shows.
        linked: both tickets exist and agree before `when`.
        given: how each side starts; an unlinked test has one side.
        when: what then changes on each side.
        expect: what must reach each side; a side that is absent is not looked at.
        conflicts: slots or fields that must be in conflict.
        problems: texts of which each must stand in a problem told to the desk.
        place: where it stands.
    """

    name: str
    linked: bool
    given: Mapping[Side, Happening]
    when: Mapping[Side, Happening]
    expect: Mapping[Side, Expected]
    conflicts: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    place: Place = NOWHERE
