"""What raising does to the parts of a hub: shapes only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hub.operations.crisis.sampling.state import Raised


class SamplingActions(Protocol):
    """What raising does to the hub's parts."""

    def closed(self) -> str:
        """Why nothing is written now, a slug of `reasons`, "" when it may be: each order that is refused is audited."""
        ...

    async def order(self, one: Raised, period_s: float, by: str, why: str) -> str:
        """Send a downlink with this period: the id of the command. Raises WriteRefused."""
        ...

    async def stands(self, command: str) -> str:
        """The state of a command, "" when nobody knows it any more."""
        ...

    def under_way(self, one: Raised, period_s: float) -> str:
        """The id of a command with this period that is under way, "" for none."""
        ...

    def withdraw(self, command: str) -> bool:
        """False where it may have reached its device."""
        ...

    def quicken(self, periods: dict[str, float]) -> None:
        """Polled devices → seconds; all others go as configured."""
        ...

    def seen(self, device: str) -> float | None:
        """Unix seconds of its last report."""
        ...

    def changed(self, devices: Sequence[str]) -> None:
        """What is expected of these changed."""
        ...

    def digest(self) -> str:
        """Of the configuration that runs."""
        ...
