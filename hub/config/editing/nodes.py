"""Replacement and removal of one node in a YAML text: only its own characters change. Pure; imports ruamel.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from hub.config.editing.merge import end_of, is_empty, next_line
from hub.config.editing.yaml_writer import block, flow
from hub.core.errors import ConfigError
from hub.core.text import phrase


def child(node: Node | None, part: str | int) -> tuple[Node | None, Node] | None:
    """Return (key, value) at one step of a path; None when there is none."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode) and key.value == part:
                return key, value
    elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return None, node.value[part]
    return None


def replaced(text: str, key: Node | None, node: Node, value: Any, *, flow_style: bool) -> str:
    """Return the text with another value."""
    start, end = node.start_mark.index, end_of(node, text)
    if key is None or flow_style:  # an item of a list, or anything within brackets
        return text[:start] + flow(value) + text[end:]
    colon = text.index(":", key.end_mark.index) + 1
    rest = text[colon : next_line(text, colon)]
    written = node.end_mark.index > node.start_mark.index
    on_the_line = written and start < colon + len(rest)
    line_end = colon + len(rest.rstrip("\r\n"))
    deep = isinstance(value, Mapping) and bool(value) and "!secret" not in value
    if not deep:
        if on_the_line:
            return text[:start] + flow(value) + text[end:]
        if not written:
            return text[:colon] + " " + flow(value) + text[colon:]
        # the value was below its key, whose line may end in a comment
        return text[:colon] + " " + flow(value) + text[colon:line_end] + text[_trimmed(text, end) :]
    newline = "\r\n" if "\r\n" in text else "\n"
    below = block(value, key.start_mark.column + 2).rstrip("\n").replace("\n", newline)
    if on_the_line:
        last = _trimmed(text, end)
        return text[:colon] + text[end:last] + newline + below + text[last:]
    last = max(_trimmed(text, end), line_end) if written else line_end
    return text[:line_end] + newline + below + text[last:]


def _trimmed(text: str, end: int) -> int:
    """Return the end of the node's last line: blanks and a comment after it go with it, not the newline."""
    return end + len(text[end : next_line(text, end)].rstrip("\r\n"))


def removed(
    text: str, parent: Node | None, key: Node | None, node: Node, above: Node | None, *, flow_style: bool
) -> str:
    """Return the text without one entry of a mapping. A mapping that becomes empty is written `{}`."""
    if key is None or not isinstance(parent, MappingNode):
        raise ConfigError(
            phrase(
                "list-position-not-removed", "one position of a list is not removed by itself; set the list as a whole"
            )
        )
    start, end = key.start_mark.index, max(end_of(node, text), key.end_mark.index)
    if is_empty(node):
        end = max(
            node.end_mark.index if node.end_mark.index > node.start_mark.index else 0,
            text.index(":", key.end_mark.index) + 1,
        )
    if flow_style:
        after = len(text[end:]) - len(text[end:].lstrip())
        if text[end + after : end + after + 1] == ",":
            end += after + 1
            end += len(text[end:]) - len(text[end:].lstrip(" "))
        else:
            before = text[:start].rstrip()
            start = len(before) - 1 if before.endswith(",") else start
        return text[:start] + text[end:]
    first = text.rfind("\n", 0, start) + 1
    last = next_line(text, end)
    if len(parent.value) > 1:
        if text[first:start].strip():  # `- key: value`: the dash is the item's
            column = start - first
            following = parent.value[1][0].start_mark.index
            return text[:start] + text[following:] if column >= 0 else text
        return text[:first] + text[last:]
    if above is None:
        if text[first:start].strip():
            return text[:start] + "{}" + text[end:]
        return text[:first] + text[last:]
    colon = text.index(":", above.end_mark.index) + 1
    return text[:colon] + " {}" + text[colon:first] + text[last:]
