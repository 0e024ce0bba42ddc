"""Follows the owner's TRUST while the hub runs: what the backend offers is verified, kept, and then acted on.

Anybody on the way may offer anything, an old document too. It counts only when both signatures of the pinned root hold
and its version is above the one kept (`hub.identity.enrolment.keep_trust`); then it is on the disk before anything
follows it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hub.core.clock import Clock
from hub.core.errors import AuthFailed, HubError
from hub.identity import enrolment
from hub.protocol.documents.trust import Trust
from hub.protocol.records.seal import H

RETRY_S = 60.0
"""A document that could not be written is tried again this often."""

_log = logging.getLogger("hub.trust")


class Following:
    """`trust` is the one in force, from the state directory; `adopt` is called with each one that replaces it, on the
    loop's thread. `offer` takes what came, `run` judges it."""

    def __init__(self, state: Path, trust: Trust, clock: Clock, adopt: Callable[[Trust], None]) -> None:
        self.trust = trust
        self.refused = 0
        self.error = ""
        self._state, self._clock, self._adopt = state, clock, adopt
        self._offered = b""  # the last one: an older offer has nothing that a newer one lacks
        self._bad = b""  # digest of the last that was refused, so that a repeated one costs nothing
        self._came = asyncio.Event()

    def offer(self, document: bytes) -> None:
        """A document that nobody has verified."""
        if H(document) == self._bad:
            self.refused += 1
            return
        self._offered = document
        self._came.set()

    async def run(self) -> None:
        """Judge what is offered, one after the other."""
        while True:
            await self._came.wait()
            self._came.clear()
            if not await self._judge(self._offered):
                await self._clock.sleep(RETRY_S)
                self._came.set()

    def status(self) -> dict[str, Any]:
        """The version in force, documents refused, and why the last one was ("" when nothing is wrong)."""
        return {"version": self.trust.version, "refused": self.refused, "error": self.error}

    def complaints(self) -> list[str]:
        """Sentences for `ilot status`."""
        return [f"trust document: {self.error}"] if self.error else []

    async def _judge(self, document: bytes) -> bool:
        """False when the disk refused it: it is to be tried again."""
        try:
            trust = await asyncio.to_thread(enrolment.keep_trust, self._state, document)
        except AuthFailed as error:
            self.refused += 1
            self._bad = H(document)
            if str(error) != self.error:
                _log.error("a trust document was refused: %s", error)
            self.error = str(error)
            return True
        except HubError as error:
            if str(error) != self.error:
                _log.error("a new trust document cannot be kept, the former one stays: %s", error)
            self.error = str(error)
            return False
        self.error = ""
        if trust.version > self.trust.version:
            _log.info("the owner's trust document, version %d, is in force", trust.version)
            self.trust = trust
            self._adopt(trust)
        return True
