"""What hubs say of themselves: which state is news, which is an old one played again, and what the last one said.

A state is taken when it stands above the last one taken, or was made after that one came: the backend's own time, that
an ack carried to the hub and the hub signed in `heard`, proves it (`hub.protocol.link_messages`). Anything else changes
nothing.

A store that was set back counts its generations anew, so that an old state may stand above the last one. Within one
generation, and for a hub that is known to have been set back, a state above that has heard less is an old one.
"""

from __future__ import annotations

from backend import backups
from backend.registry import Hub
from backend.storage import Storage
from hub.core.errors import AuthFailed, DecodeError
from hub.protocol.link_messages import State, read_state

DAMAGED = "damaged-state"
ORDINARY = 2
"""States that are so little behind the last one were overtaken on their way; more is worth a person's look."""
OFFER_EVERY_S = 600.0
"""A hub that goes on stating an old trust version is handed the new document this often, not with every answer."""


class States:
    """The last state of every hub. One thread, inside `storage.transaction()`."""

    def __init__(self, storage: Storage) -> None:
        self.stale = 0
        self._storage = storage
        self._last: dict[str, State | None] = {}
        self._offered: dict[str, tuple[int, float]] = {}  # hub → trust version handed over, and when
        self._certified: dict[str, float] = {}
        self._promised: set[str] = set()  # hubs that one of these two counts as handed over to, and not answered yet

    def take(self, hub: Hub, body: bytes, now: float) -> tuple[State, bool]:
        """The state that `hub` signed, and whether it was taken; `now` is Unix seconds.

        Raises DecodeError, AuthFailed when another hub signed it or it is another hub's.
        """
        state = read_state(body, hub.identity)
        if state.hub != hub.hub:
            raise AuthFailed(f"this state is of another hub than {hub.hub}")
        last = self.last(hub.hub)
        if last is not None and _place(state) <= _place(last):
            if state.heard <= self._taken_at(hub.hub):
                self._refuse(state, last)
                return state, False
            told = f"its state was set back, from generation {last.generation} to {state.generation}"
            self._storage.alarm("set-back", hub.hub, f"{told}. {backups.set_back(last)}")
        elif last is not None and self._older(state, last):
            self._refuse(state, last)
            return state, False
        elif last is not None:
            backups.watch(self._storage, last, state)
        self._storage.connection.execute(
            "update hubs set state = ?, state_at = ?, seen_at = ? where hub = ?", (body, now, now, hub.hub)
        )
        self._last[hub.hub] = state
        return state, True

    def last(self, hub: str) -> State | None:
        """The last state taken of a hub, also before this process started."""
        if hub not in self._last:
            found = self._storage.connection.execute("select state, identity from hubs where hub = ?", (hub,)).get
            known = found is not None and found[0] is not None
            self._last[hub] = self._kept(hub, bytes(found[0]), bytes(found[1])) if known else None
        return self._last[hub]

    def _kept(self, hub: str, state: bytes, identity: bytes) -> State | None:
        try:
            return read_state(state, identity)
        except (AuthFailed, DecodeError):  # it was right when it came: no reason to refuse what the hub says now
            self._storage.alarm(
                DAMAGED, hub, "what it stated last was damaged here: its next state counts as its first"
            )
            return None

    def owes(self, state: State, version: int, now: float) -> bool:
        """Whether this hub is to be handed the trust document `version` with the answer to its state."""
        if state.trust_version >= version:
            return False
        before, at = self._offered.get(state.hub, (0, 0.0))
        if before == version and 0.0 <= now - at < OFFER_EVERY_S:
            return False
        self._offered[state.hub] = version, now
        self._promised.add(state.hub)
        return True

    def due_certificate(self, hub: str, now: float) -> bool:
        """Whether the certificate that this hub asks for is made: one in OFFER_EVERY_S."""
        if 0.0 <= now - self._certified.get(hub, -OFFER_EVERY_S) < OFFER_EVERY_S:
            return False
        self._certified[hub] = now
        self._promised.add(hub)
        return True

    def answered(self) -> None:
        """The answers of this batch are made: what they hand over counts."""
        self._promised.clear()

    def forget(self) -> None:
        """A batch failed: what it took is gone, and what it was to hand over is still owed."""
        self._last.clear()
        for hub in self._promised:
            self._offered.pop(hub, None)
            self._certified.pop(hub, None)
        self._promised.clear()

    def _older(self, state: State, last: State) -> bool:
        """Of a state that stands above: a hub that lives on never hears less than before."""
        return state.heard < last.heard and (state.generation == last.generation or self._was_set_back(state.hub))

    def _was_set_back(self, hub: str) -> bool:
        found = self._storage.connection.execute("select 1 from alarms where kind = 'set-back' and hub = ?", (hub,))
        return found.get is not None

    def _taken_at(self, hub: str) -> float:
        return float(self._storage.connection.execute("select state_at from hubs where hub = ?", (hub,)).get or 0.0)

    def _refuse(self, state: State, last: State) -> None:
        self.stale += 1
        if state.generation < last.generation or state.n < last.n - ORDINARY:
            self._storage.alarm(
                "old-state", state.hub, "an old state came again: somebody plays it, or the hub's store was set back"
            )


def _place(state: State) -> tuple[int, int]:
    return state.generation, state.n
