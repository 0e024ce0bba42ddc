"""Reference page of the core's options. `python -m hub.config.reference` prints it; a test compares."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path as FilePath
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from hub.config.document import MAX_DEPTH
from hub.config.model import Core
from hub.config.option_paths import children, is_secret, is_written_as, options
from hub.config.source import MAX_BYTES
from hub.config.values import Duration, Size, show_duration, show_size

_HEAD = f"""\
# Configuration

Generated from `hub/config/model.py`: change it there.

The hub reads one YAML 1.2 file. `ilot check` reads it as the hub does and shows everything that is wrong, with file,
line and column. `ilot schema` prints a JSON Schema for editors; tell the editor of the tags `!secret` and `!include`.
[`config.example.yaml`](../../config.example.yaml) shows every option. The options of an integration or an uplink are
in its own page; they stand beside the core's keys of its instance.

- **Durations** have a unit: `500ms`, `5s`, `1h30min`, `7d`. **Sizes** too: `256KB`; 1 KB is 1024 bytes.
- **`!secret NAME`** stands for a value kept elsewhere: in `ILOT_SECRET_<NAME>` of the environment, or as a line
  `NAME: value` of `secrets.yaml` beside the first file, which others must not be able to use (`chmod 600`). A secret
  written in the file itself is refused, and so is `!secret` where an option is not kept secret.
- **`!include FILE`** takes the place of a value. The file stands in the directory of the first one or below.
- Keys are text. `no`, `on` and `12:30` are text too. A number that is meant as text is put in quotes.
- Refused: aliases and anchors, merge keys, other tags, a key given twice, more than {MAX_DEPTH} levels, files over
  {MAX_BYTES // 1024} KB.

When the file is wrong, the hub runs the last configuration that was right, and says why.
"""


def render() -> str:
    """Return the page, in Markdown."""
    return _HEAD + "".join(_section(where, model) for where, model in _models(Core, ""))


def _models(model: type[BaseModel], where: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield every model in the order of the file, with its path."""
    for key, field in options(model).items():
        for how, inner in children(field.annotation):
            path = f"{where}.{key}" if where else key
            path += how.replace("{}", ".<id>").replace("[]", "[…]")
            yield path, inner
            yield from _models(inner, path)


def _section(where: str, model: type[BaseModel]) -> str:
    about = " ".join((model.__doc__ or "").split())
    lines = [f"\n## `{where}`\n\n{about}\n\n| option | value | default | meaning |\n|---|---|---|---|\n"]
    for key, field in options(model).items():
        cells = (f"`{key}`", kind_of(field), default_of(field), field.description or "")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return "".join(lines)


def kind_of(field: FieldInfo) -> str:
    """Return the text for the value after the colon."""
    extra = field.json_schema_extra
    unit = str(extra["unit"]) if isinstance(extra, dict) and "unit" in extra else ""
    return f"{_kind(field)}{', ' + unit if unit else ''}{_bounds(field)}"


def _kind(field: FieldInfo) -> str:
    annotation = field.annotation
    if is_secret(annotation):
        return "`!secret`"
    if is_written_as(field, Duration):
        return "duration"
    if is_written_as(field, Size):
        return "size"
    arguments = [part for part in get_args(annotation) if part is not type(None)]
    if get_origin(annotation) is not Literal and type(None) in get_args(annotation):
        annotation = arguments[0]
    while get_origin(annotation) is not None and hasattr(annotation, "__metadata__"):
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{word}`" for word in get_args(annotation))
    names = {"str": "text", "int": "whole number", "float": "number", "bool": "`true` or `false`", "date": "date",
             "Path": "path", "dict": "mapping", "list": "list", "tuple": "list"}  # fmt: skip
    name = getattr(get_origin(annotation) or annotation, "__name__", "")
    return names.get(name, "mapping")


def _bounds(field: FieldInfo) -> str:
    low, high = (
        next((getattr(part, name) for part in field.metadata if getattr(part, name, None) is not None), None)
        for name in ("ge", "le")
    )
    if low is None and high is None:
        return ""
    shown = [_shown(bound, field) if bound is not None else "" for bound in (low, high)]
    return f", {shown[0]} to {shown[1]}" if all(shown) else f", at least {shown[0]}" if shown[0] else f", ≤ {shown[1]}"


def default_of(field: FieldInfo) -> str:
    """Return the default as it would be written, empty for an option that must be given."""
    value = field.default
    if value is PydanticUndefined:
        return "required"
    if value is None or value in ("", {}, ()) or isinstance(value, BaseModel):
        return ""
    return f"`{_shown(value, field)}`"


def _shown(value: Any, field: FieldInfo) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        return show_duration(value)
    if is_written_as(field, Size) and isinstance(value, int):
        return show_size(value)
    return value.as_posix() if isinstance(value, FilePath) else str(value)


if __name__ == "__main__":
    sys.stdout.write(render())
