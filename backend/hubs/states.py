"""States that hubs report of themselves: which one is new, which is an old one replayed, and the last one of each hub.

A state is accepted when its place is after the last accepted one, or when it was made after that one arrived: the
backend's own time, which an ack carried to the hub and the hub signed in `heard`, proves it
(`hub.protocol.link_messages`). Any other state changes nothing.

A store that was set back counts its generations anew, so that an old state may seem to be after the last one. Within
one generation, and for a hub that is known to have been set back, a later state that has heard less is an old one.
"""

from __future__ import annotations

from backend.hubs import backups
from backend.hubs.alarms import raise_alarm
from backend.storage.engine import StatedBefore, Storage
from backend.storage.tables import Hub
from hub.core.errors import AuthFailed, DecodeError
from hub.core.text import phrase
from hub.protocol.link_messages import State, read_state

DAMAGED = "damaged-state"
MAX_OVERTAKEN = 2
"""States this little behind the last one were overtaken on their way; more than that is counted for a person to see."""
OFFER_EVERY_S = 600.0
"""Seconds until a hub that still reports an old trust version is handed the new document again."""


class HubStates:
    """Last state of every hub. One thread, inside `storage.transaction()`."""

    def __init__(self, storage: Storage) -> None:
        self.stale = 0
        self._storage = storage
        self._last: dict[str, State | None] = {}
        self._offered: dict[str, tuple[int, float]] = {}  # hub → (trust version handed over, when)
        self._certified: dict[str, float] = {}
        self._promised: set[str] = set()  # hubs whose hand-over in the two above is not answered yet
        storage.caches.add(self.forget, of_states=True)

    def take(self, hub: Hub, body: bytes, now: float) -> tuple[State, bool]:
        """Verify the state that `hub` signed; return it, and whether it was accepted. `now` is Unix seconds.

        Raises DecodeError, AuthFailed when another hub signed it or it is another hub's.
        """
        state = read_state(body, hub.identity)
        if state.hub != hub.hub:
            raise AuthFailed(phrase("state-of-another-hub", "this state is of another hub than {hub}", hub=hub.hub))
        last = self.last(hub.hub)
        if last is not None and _place(state) <= _place(last):
            if state.heard <= self._taken_at(hub.hub):
                self._refuse(state, last)
                return state, False
            told = phrase(
                "state-set-back",
                "its state was set back, from generation {former} to {generation}. {advice}",
                former=last.generation,
                generation=state.generation,
                advice=backups.set_back(last),
            )
            raise_alarm(self._storage, "set-back", hub.hub, told)
        elif last is not None and self._older(state, last):
            self._refuse(state, last)
            return state, False
        elif last is not None:
            backups.watch(self._storage, last, state)
        self._storage.states.put(hub.hub, body, now)
        self._last[hub.hub] = state
        return state, True

    def last(self, hub: str) -> State | None:
        """Return the last accepted state of a hub, also from before this process started."""
        if hub not in self._last:
            found = self._storage.states.last(hub)
            self._last[hub] = None if found is None else self._stored(hub, found)
        return self._last[hub]

    def _stored(self, hub: str, found: StatedBefore) -> State | None:
        try:
            return read_state(found.body, found.identity)
        except (
            AuthFailed,
            DecodeError,
        ):  # it was valid when it arrived: its damage must not refuse the hub's new state
            raise_alarm(
                self._storage,
                DAMAGED,
                hub,
                phrase(
                    "stated-damaged-here", "what it stated last was damaged here: its next state counts as its first"
                ),
            )
            return None

    def trust_due(self, state: State, version: int, now: float) -> bool:
        """Return whether this hub is to be handed the trust document `version` with the answer to its state."""
        if state.trust_version >= version:
            return False
        before, at = self._offered.get(state.hub, (0, 0.0))
        if before == version and 0.0 <= now - at < OFFER_EVERY_S:
            return False
        self._offered[state.hub] = version, now
        self._promised.add(state.hub)
        return True

    def due_certificate(self, hub: str, now: float) -> bool:
        """Return whether the certificate that this hub requests is made: one in OFFER_EVERY_S."""
        if 0.0 <= now - self._certified.get(hub, -OFFER_EVERY_S) < OFFER_EVERY_S:
            return False
        self._certified[hub] = now
        self._promised.add(hub)
        return True

    def answered(self) -> None:
        """Confirm what this batch hands over: its answers are made."""
        self._promised.clear()

    def forget(self, hub: str | None) -> None:
        """Discard the cached state of a hub, or of all."""
        if hub is None:
            self._last.clear()
        else:
            self._last.pop(hub, None)

    def rolled_back(self) -> None:
        """Count what a failed batch was to hand over as still due."""
        for hub in self._promised:
            self._offered.pop(hub, None)
            self._certified.pop(hub, None)
        self._promised.clear()

    def _older(self, state: State, last: State) -> bool:
        """Return whether a state whose place is later was made earlier: a hub that lives on never hears less than
        before."""
        return state.heard < last.heard and (state.generation == last.generation or self._was_set_back(state.hub))

    def _was_set_back(self, hub: str) -> bool:
        return self._storage.alarms.was_raised("set-back", hub)

    def _taken_at(self, hub: str) -> float:
        found = self._storage.states.last(hub)
        return 0.0 if found is None else found.at

    def _refuse(self, state: State, last: State) -> None:
        self.stale += 1
        if state.generation < last.generation or state.n < last.n - MAX_OVERTAKEN:
            raise_alarm(
                self._storage,
                "old-state",
                state.hub,
                phrase(
                    "old-state-again", "an old state came again: somebody plays it, or the hub's store was set back"
                ),
            )


def _place(state: State) -> tuple[int, int]:
    return state.generation, state.n
