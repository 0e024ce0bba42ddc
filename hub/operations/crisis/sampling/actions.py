"""Protocol of the operations that raised sampling needs from the parts of a hub."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hub.operations.crisis.sampling.state import Raised


class SamplingActions(Protocol):
    """Operations of raised sampling on the hub's parts."""

    def refusal(self) -> str:
        """Return why no downlink may be ordered now, a slug of `reasons`, or "". Ask first: each refused order is
        audited."""
        ...

    async def order(self, one: Raised, period_s: float, by: str, why: str) -> str:
        """Order a downlink with this period; return the id of the command. Raises WriteRefused."""
        ...

    async def command_state(self, command: str) -> str:
        """Return the state of a command, "" when it is unknown."""
        ...

    def pending_command(self, one: Raised, period_s: float) -> str:
        """Return the id of a pending command with this period, or ""."""
        ...

    def withdraw(self, command: str) -> bool:
        """Withdraw a command; False where it may have reached its device."""
        ...

    def set_poll_periods(self, periods: dict[str, float]) -> None:
        """Set the poll periods of devices, in seconds; all others are polled as configured."""
        ...

    def last_report(self, device: str) -> float | None:
        """Return the time of its last report in Unix seconds."""
        ...

    def changed(self, devices: Sequence[str]) -> None:
        """Report that the expected periods of these devices changed."""
        ...

    def digest(self) -> str:
        """Return the digest of the running configuration."""
        ...
