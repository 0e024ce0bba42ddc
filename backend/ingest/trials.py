"""Trials: throw-away hubs of the conformance suite, of which nothing stays.

`ilot backend token --trial` makes a token of which the backend knows that its hub is one. When such a hub says that its
trial is over (`DELETE /v1/hubs/{hub}`), or an hour after it enrolled, it is refused from then on, and all that it sent
is deleted, overwritten, with its alarms and its lines in the registry. No other hub can have anything deleted so: a
hub in wrong hands must not remove what it did.
"""

from __future__ import annotations

import logging

from backend.ingest.missing_records import MissingRecords
from backend.storage.engine import Storage
from hub.core.errors import AuthFailed
from hub.core.text import phrase
from hub.protocol.hub_id import hub_id

log = logging.getLogger(__name__)

TRIAL_S = 3600.0
"""Seconds after its enrolment from which on a hub on trial is deleted unasked: the suite was ended halfway."""
MAX_DELETED = 20_000
"""Rows that are deleted at once: messages of hubs wait meanwhile."""


class Trials:
    """Trials at one backend. One thread, outside any transaction."""

    def __init__(self, storage: Storage, holes: MissingRecords) -> None:
        self._storage, self._holes = storage, holes

    def check(self, token: str, identity: bytes) -> None:
        """Raise AuthFailed where a hub that is enrolled already would become one on trial."""
        if self._storage.trials.expected(token) and self._storage.registry.find(hub_id(identity)) is not None:
            raise AuthFailed(
                phrase("trial-of-known-hub", "this token is for a trial, and this hub is enrolled already")
            )

    def end(self, hub: str, now: float) -> bool:
        """Refuse a hub on trial from now on, and delete a piece of what is stored of it; return whether nothing is
        left. Raises AuthFailed for any other hub, StorageError."""
        if hub not in {one.hub for one in self._storage.trials.begun()}:
            raise AuthFailed(phrase("hub-not-on-trial", "{hub} is not on trial: nothing of it is deleted", hub=hub))
        with self._storage.transaction():
            self._storage.registry.revoke(hub, now)
            self._storage.caches.forget(hub)
            done = self._storage.trials.remove(hub, MAX_DELETED)
        if done:
            self._holes.drop(hub)
            self._storage.remove_traces()
            log.info(phrase("trial-removed", "the trial of {hub} is over, and nothing of it is kept", hub=hub))
        return done

    def expire(self, now: float) -> bool:
        """Go on with trials that were not ended; return whether there is more to delete."""
        with self._storage.transaction():
            self._storage.trials.forget_unused(now)
        over = [one.hub for one in self._storage.trials.begun() if now - one.since >= TRIAL_S]
        return any(not self.end(hub, now) for hub in over)
