"""Loads a codec and the files it requires from a directory. Blocking: never on the event loop."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from hub.core.text import phrase
from hub.devices.codecs.messages import Codec

MAX_FILES = 64
MAX_BYTES = 2 << 20
"""Maximum size of a codec with all its files."""
_ASKS = re.compile(r"""(?:\brequire\s*\(\s*|\bfrom\s*|\bimport\s*)(["'])(\.{1,2}/[^"'\r\n]{1,200})\1""")

_UPWARDS = re.compile(r"^(\.\.?/)+")


def read_bounded(path: Path) -> bytes:
    """Read a file, one byte more than MAX_BYTES at most."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def load_bundle(code: Path, read: Callable[[Path], bytes] = read_bounded) -> Codec:
    """Load a codec and the files it requires, directly or indirectly (`require("./x")`, `import … from "./x"`).

    Files are keyed by their path below the codec's directory. A file that would lie outside is looked for from its top,
    as `prelude.js` does, and left out like a missing one: the codec fails when it needs it. Raises what `read` raises,
    and ValueError for more than MAX_FILES files or MAX_BYTES.
    """
    root = code.parent.resolve()
    source = text_of(read(code))
    room = MAX_BYTES - len(source)
    files: dict[str, str] = {}
    waiting = [(root, source)]
    while waiting:
        folder, text = waiting.pop()
        for _, name in _ASKS.findall(text):
            found = _inside(root, folder / name) or _inside(root, root / _UPWARDS.sub("", name))
            if found is None or found == code.resolve() or found.relative_to(root).as_posix() in files:
                continue
            if len(files) >= MAX_FILES:
                raise ValueError(
                    phrase(
                        "codec-too-many-files",
                        "{file} requires more than {limit} files",
                        file=code.name,
                        limit=MAX_FILES,
                    )
                )
            files[found.relative_to(root).as_posix()] = asked = text_of(read(found))
            room -= len(asked)
            if room < 0:
                break
            waiting.append((found.parent, asked))
        if room < 0:
            raise ValueError(
                phrase(
                    "codec-too-large",
                    "{file} and the files that it requires have more than {limit} MiB",
                    file=code.name,
                    limit=MAX_BYTES >> 20,
                )
            )
    return Codec(source, files, name=code.name)


def text_of(content: bytes) -> str:
    """Decode source text: UTF-8, otherwise Windows-1252, which old files with a degree sign in a comment use."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _inside(root: Path, asked: Path) -> Path | None:
    for path in (
        asked,
        Path(f"{asked}.js"),
        asked / "index.js",
        *(Path(f"{asked}.{end}") for end in ("json", "mjs", "cjs")),
    ):
        try:
            found = path.resolve()
            if found.suffix in (".js", ".json", ".mjs", ".cjs") and found.is_relative_to(root) and found.is_file():
                return found
        except (OSError, RuntimeError, ValueError):  # name too long, circular links or a NUL: no such file
            continue
    return None
