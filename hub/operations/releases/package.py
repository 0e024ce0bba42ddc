"""The release of the package, which is the fallback: its counter, and the keys that may sign later ones.

counter        decimal
release-keys   lines: "threshold N", and "ed25519 HEX NAME" for each key; # begins a comment
"""

from __future__ import annotations

from pathlib import Path

from hub.operations.releases.trees import number_of
from hub.protocol.documents.release import MAX_KEYS, ReleaseKeys

COUNTER, KEYS = "counter", "release-keys"
_MOST = 16 * 1024


class Package:
    """The package's tree, read each time: apt may replace it meanwhile."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree

    def counter(self) -> int:
        return number_of(self._text(COUNTER).strip())

    def keys(self) -> ReleaseKeys:
        """Return the keys; none where the file is missing or wrong, and then no release is taken."""
        return keys_of(self._text(KEYS))

    def _text(self, name: str) -> str:
        try:
            with (self.tree / name).open(encoding="utf-8") as file:
                return file.read(_MOST)
        except (OSError, ValueError):
            return ""


def keys_of(text: str) -> ReleaseKeys:
    """Return the keys of a file's text; none of them where a line is wrong."""
    keys, threshold = list[bytes](), 1
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        try:
            if not words:
                continue
            if words[0] == "threshold":
                threshold = int(words[1])
            elif words[0] == "ed25519" and len(key := bytes.fromhex(words[1])) == 32:
                keys.append(key)
            else:
                raise ValueError(line)
        except (ValueError, IndexError):
            return ReleaseKeys(())
    sound = len(set(keys)) == len(keys) <= MAX_KEYS and 1 <= threshold <= len(keys)
    return ReleaseKeys(tuple(keys), threshold) if sound else ReleaseKeys(())
