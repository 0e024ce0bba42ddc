"""Insertion of plain data into the text of a configuration: new entries are added, existing text is preserved.

Only lines are inserted, so every comment, blank line and quote of the file stays where it was. Entries behind
`!include` are added to the included file. An existing option is never changed, nor a list: only mappings grow.
Blocking: reads files, writes none. Importing this module imports ruamel.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from hub.config.editing.yaml_writer import block, flow, plain, scalar
from hub.config.positions import Path, SecretRef, dotted
from hub.config.source import contained, load_bytes, read
from hub.core.errors import ConfigError, Problem
from hub.core.text import phrase


@dataclass(slots=True)
class Merged:
    """Texts of the changed files (relative to the first one's directory), before and after; the data of the whole
    configuration afterwards; and the paths where the file has another value, which is preserved."""

    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    data: Any = None
    kept: list[str] = field(default_factory=list)


def merge(path: FilePath, found: Mapping[str, Any], texts: Mapping[str, bytes] | None = None) -> Merged:
    """Add `found` to the configuration that starts at `path`, which need not exist. `texts` replace files that are not
    written yet. Raises ConfigError when the file is not readable YAML, or is no mapping where one is to grow."""
    merged = Merged()
    data: Any = None
    texts = texts or {}
    if path.exists() or path.name in texts:
        source = read(path, texts)
        if source.problems:
            raise ConfigError(source.problems)
        data = source.data
    merged.data = _merged_data({} if data is None else data, plain(found), (), merged.kept)
    merger = _Merger(path, texts)
    merger.file(path.name, found, ())
    for name, edits in merger.edits.items():
        text = merger.texts[name]
        merged.before[name] = merger.before[name]
        for _, (index, length, new) in sorted(enumerate(edits), key=lambda edit: (edit[1][0], edit[0]), reverse=True):
            text = text[:index] + new + text[index + length :]
        merged.after[name] = text
    return merged


def _merged_data(old: Any, new: Any, path: Path, kept: list[str]) -> Any:
    """Return the data expected afterwards."""
    if isinstance(new, dict) and "!secret" in new:
        new = SecretRef(new["!secret"])
    if old is None and isinstance(new, dict):
        old = {}
    if isinstance(old, dict) and isinstance(new, dict):
        whole = dict(old)
        for key, value in new.items():
            whole[key] = _merged_data(old[key], value, (*path, key), kept) if key in old else with_secret_refs(value)
        return whole
    if old != new:
        kept.append(dotted(path))
    return old


def with_secret_refs(data: Any) -> Any:
    """Return plain data with a SecretRef where it refers to a secret."""
    if isinstance(data, dict):
        if "!secret" in data:
            return SecretRef(data["!secret"])
        return {key: with_secret_refs(value) for key, value in data.items()}
    return [with_secret_refs(value) for value in data] if isinstance(data, list) else data


class _Merger:
    """Collector of insertions: (index in the text, characters that they replace, text)."""

    def __init__(self, path: FilePath, texts: Mapping[str, bytes]) -> None:
        self._path = path
        self._given = texts
        self.before: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.edits: dict[str, list[tuple[int, int, str]]] = {}

    def file(self, name: str, found: Mapping[str, Any], at: Path) -> None:
        """Add `found` to a whole file."""
        file = self._path.parent / name
        content = self._given.get(name)
        if content is None:
            content = load_bytes(file) if file.exists() else b""
        before = content.decode("utf-8-sig")
        text = before if before.endswith("\n") or not before else before + "\n"
        self.before[name], self.texts[name] = before, text
        root = YAML(typ="safe", pure=True).compose(text)
        if isinstance(root, MappingNode):
            self._mapping(name, root, found, at)
        elif root is None or (isinstance(root, ScalarNode) and not root.value):
            self._insert(name, len(text), block(found))
        else:
            raise self._not_a_mapping(name, at)

    def _mapping(self, name: str, node: MappingNode, found: Mapping[str, Any], at: Path) -> None:
        nodes = {key.value: (key, value) for key, value in node.value}
        missing: dict[str, Any] = {}
        for key, value in _data_entries(found):
            if key not in nodes:
                missing[key] = value
            elif isinstance(value, Mapping) and "!secret" not in value and plain(value):
                self._grow(name, *nodes[key], value, (*at, key), inline=bool(node.flow_style))
        if missing:
            self._add(name, node, missing, at)

    def _grow(self, name: str, key: Node, value: Node, found: Mapping[str, Any], at: Path, *, inline: bool) -> None:
        if isinstance(value, MappingNode) and (value.value or inline):
            self._mapping(name, value, found, at)
        elif isinstance(value, ScalarNode) and str(value.tag) == "!include":
            self.file(contained(self._path.parent, value.value), found, at)
        elif is_empty(value) and not inline:
            if value.value or isinstance(value, MappingNode):
                colon = self.texts[name].index(":", key.end_mark.index) + 1
                self._insert(name, colon, "", value.end_mark.index - colon)
            column = key.start_mark.column + 2
            self._insert(name, self._after(name, key.end_mark.index, column), block(found, column))
        elif is_empty(value) and value.value:  # flow style: everything is on one line
            start, end = value.start_mark.index, value.end_mark.index
            self._insert(name, start, flow(plain(found)), end - start)
        # anything else is preserved, and reported in `kept`

    def _add(self, name: str, node: MappingNode, found: Mapping[str, Any], at: Path) -> None:
        """Add entries at the end of a non-empty block mapping, or of `{}`."""
        text, end = self.texts[name], node.end_mark.index
        if node.flow_style:
            inside = text[node.start_mark.index + 1 : end - 1].rstrip()
            joint = "" if not inside.strip() or inside.endswith(",") else ", "
            entries = (f"{scalar(key, key=True)}: {flow(value)}" for key, value in plain(found).items())
            self._insert(name, end - 1, joint + ", ".join(entries))
            return
        column = node.start_mark.column
        new = block(found, column)
        if not at:
            new = "\n" + new
        self._insert(name, self._after(name, end_of(node, text), column), new)

    def _after(self, name: str, index: int, column: int) -> int:
        """Return the start of the line after the one with `index`, and after comments below it with the same
        indentation."""
        text = self.texts[name]
        index = next_line(text, index)
        while index < len(text):
            end = next_line(text, index)
            line = text[index:end]
            if not line.lstrip(" ").startswith("#") or len(line) - len(line.lstrip(" ")) < max(column, 1):
                break
            index = end
        return index

    def _insert(self, name: str, index: int, new: str, length: int = 0) -> None:
        if "\r\n" in self.texts[name]:
            new = new.replace("\n", "\r\n")
        self.edits.setdefault(name, []).append((index, length, new))

    def _not_a_mapping(self, name: str, at: Path) -> ConfigError:
        message = phrase("mapping-to-be-added-to", "a mapping (lines of 'key: value') is expected here, to be added to")
        return ConfigError([Problem(message, dotted(at), file=str(self._path.parent / name))])


def _data_entries(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the entries that are no comments."""
    return [(key, value) for key, value in found.items() if not key.startswith("#")]


def is_empty(node: Node) -> bool:
    """Return whether the node is `{}`, `~` or nothing at all."""
    if isinstance(node, ScalarNode):
        return str(node.tag) != "!include" and node.style is None and node.value in ("", "~", "null", "Null", "NULL")
    return isinstance(node, MappingNode) and not node.value


def end_of(node: Node, text: str) -> int:
    """Return the index after the last character of a node: a block's own end mark is after the comments below it."""
    last = node
    while isinstance(last, (MappingNode, SequenceNode)) and not last.flow_style and last.value:
        below = last.value[-1]
        key, last = below if isinstance(below, tuple) else (None, below)
        if isinstance(last, ScalarNode) and not last.value and key is not None:
            return int(key.end_mark.index)
    end = int(last.end_mark.index)
    if isinstance(last, ScalarNode) and last.style in ("|", ">"):
        return len(text[:end].rstrip())
    return end


def next_line(text: str, index: int) -> int:
    """Return the index after the newline that ends the line of `index`."""
    end = text.find("\n", index)
    return len(text) if end < 0 else end + 1
