"""What a pydantic model accepts at a path: its keys, its types."""

import types
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from syncd.settings.problems import Path


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """Take a type apart: `Annotated` and unions opened, None left out."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return alternatives(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        found: list[Any] = []
        for one in get_args(annotation):
            found += [] if one is type(None) else alternatives(one)
        return tuple(found)
    return (annotation,)


def model_of(annotation: Any) -> type[BaseModel] | None:
    """Return the model among the alternatives of a type."""
    for one in alternatives(annotation):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None


def keys_of(model: type[BaseModel]) -> dict[str, Any]:
    """List the keys a model's block may have, with their types."""
    return {info.alias or name: info.annotation for name, info in model.model_fields.items()}


def below(annotation: Any, part: str | int) -> Any:
    """Return the type of a key or list item; None where it is not known."""
    model = model_of(annotation)
    if model is not None and isinstance(part, str):
        keys = keys_of(model)
        if part in keys:
            return keys[part]
        return extra_type(model)
    for one in alternatives(annotation):
        arguments = get_args(one)
        origin = get_origin(one)
        if isinstance(part, str) and len(arguments) == 2 and origin not in (tuple, list):
            return arguments[1]
        if isinstance(part, int) and origin in (tuple, list) and arguments:
            return arguments[0]
    return None


def extra_type(model: type[BaseModel]) -> Any:
    """Return the type of further keys, for a model that takes any and says which."""
    further = getattr(model, "further", None)
    return further() if further is not None else None


def at(annotation: Any, path: Path) -> Any:
    """Return the type at a path; None where it is not known."""
    for part in path:
        annotation = below(annotation, part)
    return annotation
