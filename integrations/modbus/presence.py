"""Tracks which of a host's devices are away, and what is to be logged of that. Pure."""

from __future__ import annotations


class Roster:
    """Presence of the devices of one host. Tells what is to be logged: once when a device goes, once when it
    returns."""

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
        """Note an answer. Returns True when its absence was logged, so that its return must be too."""
        self._state[device] = "here"
        self._host_spoke = True
        returned = device in self._told
        self._told.discard(device)
        return returned

    def away(self, device: str) -> bool:
        """Note that the host answered in its place. Returns True when this must be logged."""
        self._state[device] = "away"
        self._host_spoke = True
        return self._tell(device)

    def silent(self, device: str) -> bool:
        """Note that nobody answered. Returns True when this must be logged; until the host has answered at all, the
        silence counts as the host's."""
        self._state[device] = "silent"
        return self._host_spoke and not self.nobody and self._tell(device)

    @property
    def nobody(self) -> bool:
        """Return whether every device was asked and none answered: then the host itself is away."""
        return bool(self._state) and all(state == "silent" for state in self._state.values())

    def __len__(self) -> int:
        return len(self._state)

    def _tell(self, device: str) -> bool:
        new = device not in self._told
        self._told.add(device)
        return new
