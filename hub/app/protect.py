"""Data protection at work: windows that end, consents, erasures."""

from __future__ import annotations

from dataclasses import dataclass

from hub.app.ground import Ground
from hub.app.path import Path
from hub.app.service import Service
from hub.protecting import Protecting


@dataclass
class Protect:
    protecting: Protecting

    @property
    def services(self) -> list[Service]:
        return [Service(self.protecting, "privacy")]


async def build_protect(ground: Ground, path: Path) -> Protect:
    return Protect(Protecting(path.privacy, ground.buffer, ground.clock))
