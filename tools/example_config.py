"""Which options config.example.yaml does not show, and a line for each in its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from hub.config.model import Core
from hub.config.option_paths import children, options
from hub.config.reference import default_of
from hub.plugin_host.opening import installed_nowhere
from hub.plugin_host.registry import Registry

EXAMPLE = Path(__file__).resolve().parent.parent / "config.example.yaml"


class Missing(NamedTuple):
    """An option that no mapping of its model shows; `line` is that of the first key of such a mapping, counted from 1,
    0 where no mapping stands in lines of its own."""

    path: str
    key: str
    field: FieldInfo
    line: int
    indent: int


def missing() -> Iterator[Missing]:
    """What the example does not show, of all that ships; the README of an integration may show it instead."""
    registry = Registry.discover()
    models = installed_nowhere(registry)
    data = YAML().load(_plain(EXAMPLE.read_text()))
    yield from _unshown(Core, [data], "")
    integrations, devices = data["integrations"], list(data["devices"].values())
    for kind, (config, settings) in models.integrations.items():
        mine = [name for name, entry in integrations.items() if (entry or {}).get("type", name) == kind]
        shown = [*(integrations[name] for name in mine), *_of_readme(registry.plugins[kind].entry.value, kind)]
        yield from _unshown(config, shown, f"integrations.{kind}.")
        if settings is not None:
            given = [entry.get("settings") for entry in devices if entry["integration"] in mine]
            yield from _unshown(settings, given, f"devices.<of {kind}>.settings.")
    for name, model in models.uplinks.items():
        yield from _unshown(model, [data["link"]["uplinks"].get(name)], f"link.uplinks.{name}.")
    for name, model in models.exporters.items():
        yield from _unshown(model, [data["exporters"].get(name)], f"exporters.{name}.")
    for kind, model in models.notifiers.items():
        mine = [entry for name, entry in data["notifiers"].items() if (entry or {}).get("type", name) == kind]
        yield from _unshown(model, mine, f"notifiers.{kind}.")


def _of_readme(module: str, kind: str) -> Iterator[Any]:
    """The instances of an integration that the YAML of its own README shows."""
    readme = EXAMPLE.parent.joinpath(*module.split(".")[:2], "README.md")
    text = readme.read_text() if readme.exists() else ""
    for block in re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        data = YAML(typ="safe").load(_plain(block))
        for name, entry in ((data.get("integrations") or {}) if isinstance(data, dict) else {}).items():
            if isinstance(entry, dict) and entry.get("type", name) == kind:
                yield entry


def add(found: Iterable[Missing]) -> None:
    """Write each with its default, as a comment before the first key of its mapping."""
    lines = EXAMPLE.read_text().splitlines(keepends=True)
    for one in sorted(found, key=lambda one: one.line, reverse=True):
        default = default_of(one.field).strip("`")
        about = (one.field.description or "").rstrip(".")
        if one.line and default and re.fullmatch(r"[^\n#]+", default):
            lines.insert(one.line - 1, f"{' ' * one.indent}# {one.key}: {default} # {about}\n")
    EXAMPLE.write_text("".join(lines))


def _plain(text: str) -> str:
    """The example with every option that it shows in a comment; its lines keep their numbers."""
    text = re.sub(r"^(\s*)# ([a-z_]+: )", r"\1\2", text, flags=re.MULTILINE)
    return re.sub(r"!(secret|include) ", "", text)


def _unshown(model: type[BaseModel], nodes: list[Any], where: str) -> Iterator[Missing]:
    nodes = [node for node in nodes if isinstance(node, dict)]
    own = [node for node in nodes if isinstance(node, CommentedMap) and not node.fa.flow_style() and node]
    for key, field in options(model).items():
        shown = [node[key] for node in nodes if key in node]
        if not shown:
            line, indent = own[0].lc.key(next(iter(own[0]))) if own else (-1, 0)
            yield Missing(f"{where}{key}", key, field, line + 1, indent)
        for how, inner in children(field.annotation):
            for step in ("{}", "[]"):
                for _ in range(how.count(step)):
                    shown = [item for part in shown for item in (part.values() if step == "{}" else part)]
            yield from _unshown(inner, shown, f"{where}{key}{how}.")
