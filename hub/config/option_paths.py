"""Look-up of the options of a model at a path. Pure."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from hub.config.positions import Path

Model = type[BaseModel]


def key_of(name: str, field: FieldInfo) -> str:
    """Return a field's key in the file."""
    alias = field.validation_alias if isinstance(field.validation_alias, str) else field.alias
    return alias or name


def options(model: Model) -> dict[str, FieldInfo]:
    """Return the fields of a model by their key in the file."""
    return {key_of(name, field): field for name, field in model.model_fields.items()}


def models_in(annotation: Any) -> list[Model]:
    """Return the models that a value of this type may be, not those of its items."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType):
        return [model for part in get_args(annotation) for model in models_in(part)]
    if get_origin(annotation) is Annotated:
        return models_in(get_args(annotation)[0])
    return []


def _inner(annotation: Any, part: str | int) -> list[Any]:
    """Return the types inside a value of this type, at one key or position."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return [inner for member in arguments for inner in _inner(member, part)]
    if origin is Annotated:
        return _inner(arguments[0], part)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = options(annotation).get(str(part))
        return [field.annotation] if field else []
    if isinstance(part, int):
        if origin is tuple and len(arguments) > part and arguments[-1] is not Ellipsis:
            return [arguments[part]]
        return list(arguments[:1])
    return list(arguments[1:2])


def types_at(model: Model, path: Path) -> list[Any]:
    """Return the types of the value at `path` inside a `model`; empty when unknown."""
    found: list[Any] = [model]
    for part in path:
        found = [inner for annotation in found for inner in _inner(annotation, part)]
    return found


def at(model: Model, path: Path) -> list[Model]:
    """Return the models of the value at `path` inside a `model`."""
    return [inner for annotation in types_at(model, path) for inner in models_in(annotation)]


def is_secret(annotation: Any) -> bool:
    """Return whether a value of this type is secret."""
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        return any(is_secret(part) for part in get_args(annotation))
    return isinstance(annotation, type) and issubclass(annotation, (SecretStr, SecretBytes))


def field_at(model: Model, path: Path) -> FieldInfo | None:
    """Return the field that `path` names inside a `model`."""
    if not path or not isinstance(path[-1], str):
        return None
    for owner in at(model, path[:-1]):
        if path[-1] in options(owner):
            return options(owner)[path[-1]]
    return None


def is_written_as(field: FieldInfo, kind: Any) -> bool:
    """Return whether the validator of that annotated type reads it."""
    return kind.__metadata__[0] in field.metadata


def children(annotation: Any) -> Iterator[tuple[str, Model]]:
    """Yield the models inside a type with the step to them: "" itself, "[]" in a list, "{}" in a mapping."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    for model in models_in(annotation):
        yield "", model
    if origin is Annotated:
        annotation, origin, arguments = arguments[0], get_origin(arguments[0]), get_args(arguments[0])
    if origin in (Union, types.UnionType):
        for member in arguments:
            if not models_in(member):
                yield from children(member)
    elif origin is Literal:
        return
    elif origin in (list, tuple, set, frozenset):
        for member in arguments:
            yield from (("[]" + how, model) for how, model in children(member))
    elif origin is dict:
        yield from (("{}" + how, model) for how, model in children(arguments[1]))
