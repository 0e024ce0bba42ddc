"""Who of a host's devices is away, and what of that is worth a line in the log. Pure."""

from __future__ import annotations


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
