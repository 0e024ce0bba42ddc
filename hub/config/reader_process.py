"""Reader of a configuration's files in a process of its own: the YAML parser leaves 2 MiB of memory behind, and a hub
runs for months on what it read once.

    python -m hub.config.reader_process PATH     stdout: MessagePack [files, data, asked], a secret as in
                                                 `hub.config.sealed`;
                                        nothing and exit 1 where something is wrong: the parent then reads the files
                                        itself, and reports it

Blocking: never on the event loop.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from hub.config import source
from hub.config.sealed import decode, encode
from hub.core.errors import ConfigError

TIMEOUT_S = 20.0


def read(path: Path) -> tuple[dict[str, str], Any, dict[str, str]] | None:
    """Return the digest of each file, the data and the includes; None when the parent must read them."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "hub.config.reader_process", str(path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=True,
        )
        return msgspec.msgpack.decode(done.stdout, type=tuple[dict[str, str], Any, dict[str, str]], ext_hook=decode)
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError, ValueError, RecursionError):
        return None


def main(path: Path) -> int:
    try:
        found = source.read(path)
    except ConfigError:
        return 1
    if found.problems or found.broken:
        return 1
    sys.stdout.buffer.write(msgspec.msgpack.encode((found.files, found.data, found.asked), enc_hook=encode))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
