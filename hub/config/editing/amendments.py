"""Setting and removing single options in the text of a configuration, with comments, blank lines and quotes preserved.

    amend(path, [Edit(("integrations", "modbus", "interval"), "30s"), Edit(("web",), REMOVED)])

Only the characters of the edited node are replaced; a mapping that is set is compared with the existing one, and only
the differences are edited. Text behind `!include` is edited in the included file. Then the gate: the texts are parsed
by the hub's own parser, which shares nothing with the editor, and must give the expected data; every comment outside of
the edited nodes must still be there. If not, nothing is proposed and the sentence names the place.

Blocking: reads files, writes none. Importing this module imports ruamel.yaml.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Final, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.nodes import Node, ScalarNode

from hub.config.editing.comments import comments
from hub.config.editing.merge import merge, with_secret_refs
from hub.config.editing.nodes import child, removed, replaced
from hub.config.editing.yaml_writer import block, plain
from hub.config.positions import Path, Positions, dotted
from hub.config.source import Source, contained, load_bytes, read
from hub.core.errors import ConfigError, Problem
from hub.core.text import Phrase, phrase


class _Removed:
    def __repr__(self) -> str:
        return "REMOVED"


REMOVED: Final = _Removed()
"""Edit value that removes the option, so that its default counts."""


class Edit(NamedTuple):
    """New value of one path. A secret is `{"!secret": name}`."""

    path: Path
    value: Any


@dataclass(slots=True)
class Amended:
    """Texts of the changed files, by name relative to the first one's directory, before and after; and the data of the
    whole configuration afterwards."""

    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    data: Any = None


def amend(path: FilePath, edits: Sequence[Edit], texts: Mapping[str, bytes] | None = None) -> Amended:
    """Apply the edits, one after the other, to the configuration that starts at `path`. `texts` replace files that are
    not written yet. Raises ConfigError: the file is not readable YAML, an edit leads nowhere, or the gate refuses."""
    now = dict(texts or {})
    first: dict[str, str] = {}
    data: Any = None
    for edit in edits:
        source = _readable(path, now)
        data = source.data
        for small in _minimal_edits(data, Edit(edit.path, plain(edit.value))):
            source = _readable(path, now)
            data = _expected(source.data, small)
            if _same(data, source.data):
                continue
            made = _NodeEditor(path, now).edit(small)
            for name in made:
                first.setdefault(name, _text(path, name, now))
            _gate(path, source, small, data, {**now, **made}, made)
            now.update(made)
    changed = {name: now[name].decode() for name, text in first.items() if now[name].decode() != text}
    return Amended({name: first[name] for name in changed}, changed, data)


def _readable(path: FilePath, texts: Mapping[str, bytes]) -> Source:
    source = read(path, texts)
    if source.problems:
        raise ConfigError(source.problems)
    return source


def _minimal_edits(data: Any, edit: Edit) -> list[Edit]:
    """Split an edit into edits of the differences inside it: a mapping keeps what it shares with the new one."""
    old = _at(data, edit.path)
    new = edit.value
    if not (isinstance(old, dict) and old and isinstance(new, dict) and new) or "!secret" in new:
        return [edit]
    found = [Edit((*edit.path, key), REMOVED) for key in old if key not in new]
    for key, value in new.items():
        if key not in old:
            found.append(Edit((*edit.path, key), value))
        elif not _same(old[key], with_secret_refs(value)):
            found += _minimal_edits(data, Edit((*edit.path, key), value))
    if len([one for one in found if one.value is REMOVED]) == len(old):
        return [edit]  # nothing is shared: replace it as a whole
    return found


def _at(data: Any, path: Path) -> Any:
    for part in path:
        if (isinstance(data, dict) and part in data) or (
            isinstance(data, list) and isinstance(part, int) and 0 <= part < len(data)
        ):
            data = data[part]  # type: ignore[index]  # a mapping or a sequence
        else:
            return None
    return data


def _expected(data: Any, edit: Edit) -> Any:
    """Return the data expected afterwards. Raises ConfigError when the path leads through something that is no
    mapping."""
    if not edit.path:
        return None if edit.value is REMOVED else with_secret_refs(edit.value)
    key, rest = edit.path[0], Edit(edit.path[1:], edit.value)
    if isinstance(key, int):
        if not isinstance(data, list) or not 0 <= key < len(data) or (edit.value is REMOVED and not rest.path):
            raise _no_position(edit.path)
        return [*data[:key], _expected(data[key], rest), *data[key + 1 :]]
    if data is not None and not isinstance(data, dict):
        raise _path_error(edit.path, phrase("value-no-mapping", "what stands there is no mapping"))
    whole = dict(data or {})
    if edit.value is REMOVED and key not in whole:
        return data
    if edit.value is REMOVED and not rest.path:
        whole.pop(key)
    else:
        whole[key] = _expected(whole.get(key), rest)
    return whole


def _path_error(path: Path, reason: Phrase) -> ConfigError:
    option = dotted(path)
    message = phrase("option-not-set", "{option} cannot be set: {reason}", option=option, reason=reason)
    return ConfigError([Problem(message, option)])


def _no_position(path: Path) -> ConfigError:
    return _path_error(path, phrase("list-without-position", "this list has no such position; set the list as a whole"))


def _same(one: Any, other: Any) -> bool:
    """Return whether values are equal and of the same type: 1, 1.0 and true differ; an empty file is an empty
    mapping."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other)


class _NodeEditor:
    """Editor of one node in one text."""

    def __init__(self, path: FilePath, texts: Mapping[str, bytes]) -> None:
        self._path, self._texts = path, texts

    def edit(self, edit: Edit) -> dict[str, bytes]:
        """Return the changed texts."""
        if not edit.path:
            return {self._path.name: block(edit.value or {}).encode() if edit.value is not REMOVED else b""}
        name, node, text = self._open(self._path.name)
        parent: Node | None = None
        key: Node | None = None
        above: Node | None = None
        flow_style = False
        for depth, part in enumerate(edit.path):
            if isinstance(node, ScalarNode) and str(node.tag) == "!include":
                name, node, text = self._open(contained(self._path.parent, node.value))
                key, flow_style = None, False
            inner = child(node, part)
            if inner is None:
                if edit.value is REMOVED:
                    return {}
                return self._grown(edit, depth)
            flow_style = flow_style or bool(getattr(node, "flow_style", False))
            above, parent, (key, node) = key, node, inner
        if node is None:
            return {}
        if edit.value is REMOVED:
            new = removed(text, parent, key, node, above, flow_style=flow_style)
        else:
            new = replaced(text, key, node, edit.value, flow_style=flow_style)
        return {name: new.encode()}

    def _open(self, name: str) -> tuple[str, Node | None, str]:
        text = _text(self._path, name, self._texts)
        return name, YAML(typ="safe", pure=True).compose(text), text

    def _grown(self, edit: Edit, depth: int) -> dict[str, bytes]:
        """Add an option that does not exist yet, as an import adds it."""
        found: Any = edit.value
        for part in reversed(edit.path):
            if isinstance(part, int):
                raise _no_position(edit.path)
            found = {part: found}
        merged = merge(self._path, found, self._texts)
        return {name: text.encode() for name, text in merged.after.items()}


def _text(path: FilePath, name: str, texts: Mapping[str, bytes]) -> str:
    content = texts.get(name)
    if content is None:
        content = load_bytes(path.parent / name)
    return content.decode("utf-8-sig")


def _gate(
    path: FilePath, source: Source, edit: Edit, expected: Any, texts: Mapping[str, bytes], made: Mapping[str, bytes]
) -> None:
    """Raise ConfigError when the texts do not give the expected data, or lost a comment outside of the edited node."""
    where = dotted(edit.path) or phrase("the-file", "the file")
    try:
        result = read(path, texts)
    except ConfigError as error:
        raise _gate_error(
            where,
            phrase(
                "new-text-not-readable",
                "what would be written is not readable ({reason})",
                reason=error.problems[0].message,
            ),
        ) from error
    if result.problems:
        raise _gate_error(
            where,
            phrase(
                "new-text-not-right",
                "what would be written is not right ({reason})",
                reason=result.problems[0].message,
            ),
        )
    if not _same(result.data if result.data is not None else {}, expected if expected is not None else {}):
        raise _gate_error(where, phrase("new-text-differs", "what would be written does not say what was meant"))
    extent = _extent(source.positions, edit.path)
    for name, content in made.items():
        before = list(comments(_text(path, name, _before(path, source, name, texts, made))))
        kept = Counter(comment for _, comment in comments(content.decode()))
        first, last = extent.get(str(path.parent / name), (0, -1))
        for line, comment in before:
            if kept[comment] > 0:
                kept[comment] -= 1
            elif not first <= line <= last:
                raise _gate_error(
                    where,
                    phrase("comment-would-vanish", "the comment at {file}:{line} would vanish", file=name, line=line),
                )


def _before(
    path: FilePath, source: Source, name: str, texts: Mapping[str, bytes], made: Mapping[str, bytes]
) -> Mapping[str, bytes]:
    """Return the text of a file as the source read it, since its line numbers refer to that."""
    lines = source.positions.lines.get(str(path.parent / name))
    return {name: "\n".join(lines).encode()} if lines is not None else texts


def _extent(positions: Positions, path: Path) -> dict[str, tuple[int, int]]:
    """Return, by file, the first and the last line of the node at `path`, including its key."""
    found: dict[str, tuple[int, int]] = {}
    for at, spot in [*positions.keys.items(), *positions.values.items()]:
        if at[: len(path)] == path:
            first, last = found.get(spot.file, (spot.line, spot.line))
            found[spot.file] = min(first, spot.line), max(last, spot.line)
    return found


def _gate_error(where: str, reason: Phrase) -> ConfigError:
    return ConfigError(
        phrase(
            "option-not-changed",
            "{option} was not changed: {reason}. Change it in the text of the file",
            option=where,
            reason=reason,
        )
    )
