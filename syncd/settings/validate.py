"""Holds a block of a file against a pydantic model; every complaint gets its line and column."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from syncd.model.secret import Secret
from syncd.settings import secrets, shapes
from syncd.settings.problems import Mark, Path, Problems, listed, nearest, quoted, shown
from syncd.settings.yaml_nodes import Document, Map, Node, Scalar, Seq

M = TypeVar("M", bound=BaseModel)

_CUTS_MAX = 4
"""Times a file is held against its model again, with what was wrong left out."""

_PLACEHOLDER = Secret("-")
"""Stands where a complaint was made, so that nothing follows from it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What validation needs besides a model.

    Attributes:
        document: the file.
        problems: where complaints go.
        secrets: where references to secrets are looked up.
    """

    document: Document
    problems: Problems
    secrets: secrets.SecretSource

    def add(self, path: Path, what: str) -> None:
        """Complain about the value at a path."""
        known = self.document.known(path)
        if not self.document.is_broken(known):
            self.problems.add(self.document.mark(known), known, what)

    def add_key(self, path: Path, what: str) -> None:
        """Complain about the key at a path."""
        if not self.document.is_broken(path):
            self.problems.add(self.document.key_mark(path), path, what)


def validate(model: type[M], node: Map, path: Path, reading: Reading) -> M | None:
    """Make a model of a block.

    Args:
        model: what it must be.
        node: the block.
        path: where the block stands in its file.
        reading: the file and where complaints go.

    Returns:
        None when there was any complaint about it, now or when the file was read.
    """
    before = len(reading.problems)
    data = prepared(node, model, path, reading)
    try:
        made = model.model_validate(data)
    except ValidationError as err:
        for one in err.errors(include_url=False):
            _complain(one, model, path, reading)
        return None
    broken = any(one[: len(path)] == path for one in reading.document.broken)
    return None if broken or len(reading.problems) > before else made


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuts:
    """How to go on with the rest of a file after complaints, so that all are told at once.

    Attributes:
        depth: section -> how many parts of a path make one rule that is left out as a whole; 1 for
            sections not named.
        instead: what stands for a section that must not be missing.
    """

    depth: Mapping[str, int]
    instead: Mapping[str, object]


def validate_rest(model: type[M], reading: Reading, cuts: Cuts) -> M | None:
    """Make a model of a whole file; what there are complaints about is left out of it.

    Returns:
        None when nothing useful is left.
    """
    data = prepared(reading.document.root, model, (), reading)
    for path in reading.document.broken:
        _cut(data, path, cuts)
    for attempt in range(_CUTS_MAX):
        try:
            return model.model_validate(data)
        except ValidationError as err:
            for one in err.errors(include_url=False):
                if attempt == 0:
                    _complain(one, model, (), reading)
                _cut(data, one["loc"], cuts)
    return None


def _cut(data: object, location: Path, cuts: Cuts) -> None:
    """Take out the rule around a location, or put in what stands for it."""
    if not location or not isinstance(data, dict):
        return
    section = str(location[0])
    path = location[: cuts.depth.get(section, 1)]
    while path:
        around: object = data
        for part in path[:-1]:
            around = around.get(part) if isinstance(around, dict) else None
        if isinstance(around, dict) and path[-1] in around:
            del around[path[-1]]
            break
        path = path[:-1]
    if section in cuts.instead and section not in data:
        data[section] = cuts.instead[section]


def prepared(node: Node, annotation: Any, path: Path, reading: Reading) -> object:
    """Turn nodes into what pydantic takes, truth values and secrets already read."""
    kinds = shapes.alternatives(annotation)
    if isinstance(node, Scalar):
        return _prepared_scalar(node, kinds, path, reading)
    if isinstance(node, Seq):
        if set(kinds) == {Secret}:
            reading.add(path, f"a secret is given by reference; {secrets.ACCEPTED}")
            return _PLACEHOLDER
        items = enumerate(node.items)
        return [
            prepared(item, shapes.below(annotation, at), (*path, at), reading) for at, item in items
        ]
    if Secret in kinds:
        return _resolved(node, path, reading)
    return {
        key: prepared(entry.value, shapes.below(annotation, key), (*path, key), reading)
        for key, entry in node.entries.items()
    }


def _prepared_scalar(
    node: Scalar, kinds: tuple[Any, ...], path: Path, reading: Reading
) -> str | bool | Secret:
    if set(kinds) == {Secret}:
        reading.add(path, f"a secret does not stand in a file; {secrets.ACCEPTED}")
        return _PLACEHOLDER
    if set(kinds) == {bool}:
        if node.text not in ("true", "false"):
            reading.add(path, f"{shown(node.text)} is not accepted; accepted: true, false")
        return node.text == "true"
    return node.text


def _resolved(node: Map, path: Path, reading: Reading) -> Secret:
    key, entry = next(iter(node.entries.items()), ("", None))
    if len(node.entries) != 1 or key not in secrets.KINDS:
        reading.add(path, f"not a reference to a secret; {secrets.ACCEPTED}")
    elif entry is None or not isinstance(entry.value, Scalar):
        reading.add((*path, key), f"a text is expected; {secrets.ACCEPTED}")
    else:
        try:
            return reading.secrets.resolve(key, entry.value.text)
        except ValueError as err:
            reading.add((*path, key), str(err))
    return _PLACEHOLDER


def _complain(error: ErrorDetails, model: type[BaseModel], base: Path, reading: Reading) -> None:
    """Give one of pydantic's complaints its place and plain words."""
    location = tuple(part for part in error["loc"] if part != "[key]")
    path = (*base, *location)
    document = reading.document
    if document.is_broken(path):
        return
    if error["type"] == "missing":
        if document.node(path) is None:  # Else it is there, and was complained about.
            around = path[:-1]
            what = f"`{location[-1]}` is missing" + _hint(model, location)
            reading.problems.add(document.mark(around), document.known(around), what)
        return
    if error["type"] == "extra_forbidden":
        reading.add_key(path, unknown_key(str(location[-1]), _keys(model, location[:-1])))
        return
    if error["loc"] and error["loc"][-1] == "[key]":
        reading.add_key(path, _plain_words(error, model, location))
        return
    reading.add(path, _plain_words(error, model, location))


def unknown_key(key: str, accepted: list[str]) -> str:
    """Say that a key is not known, with the nearest accepted one."""
    return f"unknown key{nearest(key, accepted) or ';'} accepted: {listed(accepted)}"


def _keys(model: type[BaseModel], location: Path) -> list[str]:
    found = shapes.model_of(shapes.at(model, location))
    return list(shapes.keys_of(found)) if found else []


def _hint(model: type[BaseModel], location: Path) -> str:
    words = accepted_words(shapes.at(model, location))
    return f"; accepted: {listed(words)}" if words else ""


def accepted_words(annotation: Any) -> list[str]:
    """List the words a type accepts, where it lists them."""
    found: list[str] = []
    for one in shapes.alternatives(annotation):
        if get_origin(one) is Literal:
            found += [str(word) for word in get_args(one)]
        elif isinstance(one, type) and issubclass(one, Enum):
            found += [str(word.value) for word in one]
    return found


_EXPECTED = {
    "string_type": "a text is expected, not {kind}",
    "model_type": "a block of keys is expected, not {kind}",
    "model_attributes_type": "a block of keys is expected, not {kind}",
    "dict_type": "a block of keys is expected, not {kind}",
    "mapping_type": "a block of keys is expected, not {kind}",
    "list_type": "a list is expected, not {kind}",
    "tuple_type": "a list is expected, not {kind}",
    "int_parsing": "a whole number is expected, not {kind}",
    "int_type": "a whole number is expected, not {kind}",
    "int_from_float": "a whole number is expected, not {kind}",
    "float_parsing": "a number is expected, not {kind}",
    "float_type": "a number is expected, not {kind}",
}


def _plain_words(error: ErrorDetails, model: type[BaseModel], location: Path) -> str:
    kind = _kind(error["input"])
    template = _EXPECTED.get(error["type"])
    if template is not None:
        return template.format(kind=kind)
    if error["type"] in ("literal_error", "enum"):
        words = accepted_words(shapes.at(model, location)) or [_expected(error)]
        close = nearest(str(error["input"]), words) if isinstance(error["input"], str) else ""
        return f"{kind} is not accepted{close or ';'} accepted: {listed(words)}"
    if error["type"] == "value_error":
        return str(error.get("ctx", {}).get("error", error["msg"]))
    said = re.sub(r"^(Input|Value|String|Tuple|List) should ", "must ", error["msg"])
    return f"{kind} {said}" if said.startswith("must ") else said


def _expected(error: ErrorDetails) -> str:
    return str(error.get("ctx", {}).get("expected", ""))


def _kind(value: object) -> str:
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, Mapping):
        return "a block of keys"
    if isinstance(value, list | tuple):
        return "a list"
    return "this"


__all__ = [
    "Cuts",
    "Mark",
    "Reading",
    "accepted_words",
    "prepared",
    "quoted",
    "unknown_key",
    "validate",
    "validate_rest",
]
