"""A codec and the files it asks for, from a directory. Blocking: never on the event loop."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from hub.devices.codecs.messages import Codec

MAX_FILES = 64
MAX_BYTES = 2 << 20
"""Of a codec and all that it asks for."""
_ASKS = re.compile(r"""(?:\brequire\s*\(\s*|\bfrom\s*|\bimport\s*)(["'])(\.{1,2}/[^"'\r\n]{1,200})\1""")


def read_bounded(path: Path) -> bytes:
    """A file, of one that is too long a little more than may be."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def gathered(code: Path, read: Callable[[Path], bytes] = read_bounded) -> Codec:
    """The codec, and by their path below its directory the files that it and they ask for by name (`require("./x")`,
    `import … from "./x"`). What is not there, or outside the directory, is left for the codec to miss.

    Raises what `read` raises, and ValueError for more than MAX_FILES files or MAX_BYTES."""
    root = code.parent.resolve()
    source = text_of(read(code))
    room = MAX_BYTES - len(source)
    files: dict[str, str] = {}
    waiting = [(root, source)]
    while waiting:
        folder, text = waiting.pop()
        for _, name in _ASKS.findall(text):
            found = _inside(root, folder / name)
            if found is None or found == code.resolve() or found.relative_to(root).as_posix() in files:
                continue
            if len(files) >= MAX_FILES:
                raise ValueError(f"{code.name} asks for more than {MAX_FILES} files")
            files[found.relative_to(root).as_posix()] = asked = text_of(read(found))
            room -= len(asked)
            if room < 0:
                break
            waiting.append((found.parent, asked))
        if room < 0:
            raise ValueError(f"{code.name} and what it asks for have more than {MAX_BYTES >> 20} MiB")
    return Codec(source, files)


def text_of(content: bytes) -> str:
    """Source as text. UTF-8; makers' old files, with a degree sign in a comment, are Windows-1252."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _inside(root: Path, asked: Path) -> Path | None:
    for path in (asked, Path(f"{asked}.js"), asked / "index.js", Path(f"{asked}.json")):
        try:
            found = path.resolve()
            if found.suffix in (".js", ".json", ".mjs", ".cjs") and found.is_relative_to(root) and found.is_file():
                return found
        except (OSError, RuntimeError, ValueError):  # a name too long, links in a ring, a NUL: nothing is there
            continue
    return None
