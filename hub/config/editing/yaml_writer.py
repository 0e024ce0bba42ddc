"""Writer of plain data as YAML text that `document` reads back as the same data. Pure, and needs no YAML library.

Text comes from devices and projects, so none of it may become anything else than text: whatever is not plainly a word
is quoted as in JSON. Beside data, a mapping may hold

    "#": text            a comment at the end of its line
    "# any": text        a comment line of its own: `# any: text`
    {"!secret": name}    a mapping of this one key is a reference to a secret
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from hub.config.positions import SECRET_NAME
from hub.config.scalars import resolve

WIDTH = 110
"""Columns up to which a mapping of plain values is written on one line."""

_WORD = re.compile(r"[^\W_][\w ./:()°'+@;-]*")
_HIDDEN = re.compile("[\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff\u2028\u2029]")


def block(data: Mapping[str, Any], indent: int = 0) -> str:
    """Return the entries of a mapping, one below the other, each line ended. Raises TypeError for anything but plain
    data."""
    pad = " " * indent
    return "".join(f"{pad}{line}\n" for line in _entries(data, WIDTH - indent))


def flow(data: Any) -> str:
    """Return a value on one line, without comments."""
    if isinstance(data, Mapping):
        if "!secret" in data:
            return _secret(data)
        return "{" + ", ".join(f"{scalar(key, key=True)}: {flow(value)}" for key, value in plain(data).items()) + "}"
    if isinstance(data, (list, tuple)):
        return "[" + ", ".join(map(flow, data)) + "]"
    return scalar(data)


def plain(data: Any) -> Any:
    """Return the data without its comments."""
    if isinstance(data, Mapping):
        return {key: plain(value) for key, value in data.items() if not key.startswith("#")}
    return [plain(value) for value in data] if isinstance(data, (list, tuple)) else data


def scalar(value: Any, *, key: bool = False) -> str:
    """Return one scalar. Raises TypeError for anything else."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, (int, float)):
        return json.dumps(value, allow_nan=False)
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} is no plain data")
    if _is_word(value) and (key or _stays_text(value)):
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


def _is_word(text: str) -> bool:
    return bool(_WORD.fullmatch(text)) and ": " not in text and text[-1] not in ": " and text.isprintable()


def _stays_text(text: str) -> bool:
    try:
        return resolve(text) == text
    except ValueError:  # a number out of range
        return False


def _secret(data: Mapping[str, Any]) -> str:
    name = data["!secret"]
    if len(data) != 1 or not isinstance(name, str) or not SECRET_NAME.fullmatch(name):
        raise TypeError("a reference to a secret is {'!secret': its name} and nothing else")
    return f"!secret {name}"


def _entries(data: Mapping[str, Any], room: int) -> Iterator[str]:
    for key, value in data.items():
        if key == "#":
            continue
        if key.startswith("#"):
            yield f"# {_comment(key[1:].strip())}: {_comment(value)}"
            continue
        name = scalar(key, key=True)
        inner = plain(value)
        comment = f"  # {_comment(value['#'])}" if isinstance(value, Mapping) and value.get("#") else ""
        if not isinstance(value, Mapping) or "!secret" in value or _is_flat(value, len(name), room):
            yield f"{name}: {flow(inner)}{comment}"
            continue
        yield f"{name}:{comment}"
        yield from (f"  {line}" for line in _entries(value, room - 2))


def _is_flat(data: Mapping[str, Any], taken: int, room: int) -> bool:
    """Return whether it fits on one line."""
    if any(isinstance(value, Mapping) or key.startswith("# ") for key, value in data.items()):
        return False
    return taken + len(flow(data)) + 2 <= room


def _comment(text: object) -> str:
    line = "".join(c if c.isprintable() else " " for c in str(text))
    return line if len(line) <= 120 else line[:119] + "…"
