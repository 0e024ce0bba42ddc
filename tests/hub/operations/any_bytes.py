"""A twin of whatever checks files by their hash: one that takes any bytes."""

from __future__ import annotations

import hashlib
from types import ModuleType

import pytest


def take_any_bytes(patch: pytest.MonkeyPatch, module: ModuleType) -> None:
    """Let each hash that a module makes piece by piece be the one that was wanted."""

    class Same(bytes):
        def __ne__(self, other: object) -> bool:
            return False

    class Found:
        def update(self, piece: bytes) -> None:
            pass

        def digest(self) -> bytes:
            return Same(32)

    class Hashes:
        sha256 = staticmethod(lambda *data: hashlib.sha256(*data) if data else Found())

    patch.setattr(module, "hashlib", Hashes)
