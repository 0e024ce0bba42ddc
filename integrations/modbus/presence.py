"""When to ask again, and who is away. Pure: time is counted in polls."""

from __future__ import annotations


class Patience:
    """Doubling back-off in polls: after a failure skip 1 poll, then 3, 7 … at most `limit`."""

    def __init__(self, limit: int) -> None:
        self.failures = 0
        self._limit = limit
        self._skip = 0

    def due(self) -> bool:
        """Called once a poll: is it time to ask?"""
        if self._skip:
            self._skip -= 1
            return False
        return True

    def failed(self) -> None:
        self.failures += 1
        self._skip = min(self._limit, 2 ** min(self.failures, 16) - 1)

    def succeeded(self) -> None:
        self.failures = self._skip = 0


class Roster:
    """Which devices of one host answer. Says what is worth a line in the log: once when a device goes, once
    when it returns."""

    def __init__(self) -> None:
        self._state: dict[str, str] = {}  # device -> "unknown", "here", "away" (the gateway says so), "silent"
        self._told: set[str] = set()
        self._host_spoke = False

    def joins(self, device: str) -> None:
        self._state[device] = "unknown"

    def leaves(self, device: str) -> None:
        self._state.pop(device, None)
        self._told.discard(device)

    def here(self, device: str) -> bool:
        """It answered. True when its absence was told and its return must be."""
        self._state[device] = "here"
        self._host_spoke = True
        returned = device in self._told
        self._told.discard(device)
        return returned

    def away(self, device: str) -> bool:
        """The host answered in its stead. True when this must be told."""
        self._state[device] = "away"
        self._host_spoke = True
        return self._tell(device)

    def silent(self, device: str) -> bool:
        """Nobody answered. True when this must be told; while the host as a whole has not spoken, its silence
        is the host's and not the device's."""
        self._state[device] = "silent"
        return self._host_spoke and not self.nobody and self._tell(device)

    @property
    def nobody(self) -> bool:
        """Every device was asked and none answered: the host itself is away."""
        return bool(self._state) and all(state == "silent" for state in self._state.values())

    def __len__(self) -> int:
        return len(self._state)

    def _tell(self, device: str) -> bool:
        new = device not in self._told
        self._told.add(device)
        return new
