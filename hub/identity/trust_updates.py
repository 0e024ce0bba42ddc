"""Updates the owner's TRUST while the hub runs: documents that the backend offers are verified, stored, then applied.

Anybody on the way may offer any document, also an old one. One is accepted only if both signatures of the pinned root
are valid and its version is higher than the stored one's (`hub.identity.enrolment.keep_trust`); it is on disk before it
is applied.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hub.core.clock import Clock
from hub.core.errors import AuthFailed, HubError
from hub.core.text import phrase, reason_of
from hub.identity import enrolment
from hub.protocol.documents.trust import Trust
from hub.protocol.records.seal import H

RETRY_S = 60.0
"""Seconds between retries of a document that could not be written."""

_log = logging.getLogger("hub.trust")


class TrustUpdates:
    """The trust document in force and its updates.

    `trust` is the one in force, from the state directory; `adopt` is called with each one that replaces it, in the
    event loop's thread. `offer` takes documents, `run` verifies them.
    """

    def __init__(self, state: Path, trust: Trust, clock: Clock, adopt: Callable[[Trust], None]) -> None:
        self.trust = trust
        self.refused = 0
        self.error = ""
        self._state, self._clock, self._adopt = state, clock, adopt
        self._offered = b""  # the latest only: an older one adds nothing
        self._bad = b""  # digest of the last refused one, so that a repetition costs nothing
        self._came = asyncio.Event()

    def offer(self, document: bytes) -> None:
        """Take an unverified document."""
        if H(document) == self._bad:
            self.refused += 1
            return
        self._offered = document
        self._came.set()

    async def run(self) -> None:
        """Verify offered documents, one after the other."""
        while True:
            await self._came.wait()
            self._came.clear()
            if not await self._judge(self._offered):
                await self._clock.sleep(RETRY_S)
                self._came.set()

    def status(self) -> dict[str, Any]:
        """Return the version in force, the number of refused documents, and why the last one was ("" if nothing is
        wrong)."""
        return {"version": self.trust.version, "refused": self.refused, "error": self.error}

    def complaints(self) -> list[str]:
        """Return the problems to show in `ilot status`, one sentence each."""
        if not self.error:
            return []
        return [phrase("trust-not-updated", "trust document: {reason}", reason=self.error)]

    async def _judge(self, document: bytes) -> bool:
        """Verify and store a document. Returns False when the disk refused it and it must be retried."""
        try:
            trust = await asyncio.to_thread(enrolment.keep_trust, self._state, document)
        except AuthFailed as error:
            self.refused += 1
            self._bad = H(document)
            if reason_of(error) != self.error:
                _log.error(phrase("trust-refused", "a trust document was refused: {reason}", reason=reason_of(error)))
            self.error = reason_of(error)
            return True
        except HubError as error:
            if reason_of(error) != self.error:
                _log.error(
                    phrase(
                        "trust-not-stored",
                        "a new trust document cannot be stored, the former one stays: {reason}",
                        reason=reason_of(error),
                    )
                )
            self.error = reason_of(error)
            return False
        self.error = ""
        if trust.version > self.trust.version:
            _log.info(
                phrase(
                    "trust-in-force",
                    "the owner's trust document, version {version}, is in force",
                    version=trust.version,
                )
            )
            self.trust = trust
            self._adopt(trust)
        return True
