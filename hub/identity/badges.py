"""Badges on a hub: their verification, and the owner's list of withdrawn ones, fetched or brought as a file.

    GET {url}/v1/badges/revoked → the document of `hub.protocol.documents.badges`; 404 while the owner has none

Anybody on the way may replay an old list: one is accepted only if a badge key of TRUST signed it and its number is
higher than that of the stored one. It is stored before it takes effect. A hub without a network accepts a withdrawn
badge until it expires, 30 days at most, or until somebody brings the list: `ilot badge load FILE`.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any, Protocol

from hub.core.actor import asker
from hub.core.clock import Clock
from hub.core.errors import HubError, NotReady
from hub.core.store import Store
from hub.core.text import phrase, reason_of
from hub.protocol.documents.badges import BadBadge, Badge, Revoked, admit, read_badge, read_revoked
from hub.protocol.documents.trust import Trust
from hub.sdk.session import Reply

KEPT = "badges/revoked"
ASK_S, METERED_S, LOOK_S = 3600.0, 6 * 3600.0, 30.0
TIMEOUT = timedelta(seconds=30)

_log = logging.getLogger("hub.badges")


class Http(Protocol):
    async def request(self, method: str, url: str, *, timeout: timedelta = TIMEOUT) -> Reply: ...


class BadgeVerifier:
    """Verifies badges and keeps the list of withdrawn ones.

    `trust` returns the document in force, `here` holds this hub's id and its sites, `up` returns whether any transport
    is connected.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        http: Http,
        url: str,
        trust: Callable[[], Trust],
        here: Collection[str],
        up: Callable[[], bool],
        metered: bool = False,
    ) -> None:
        self._store, self._clock, self._http, self._trust = store, clock, http, trust
        self._url, self._here, self._up = f"{url.rstrip('/')}/v1/badges/revoked", frozenset(here), up
        self._every = METERED_S if metered else ASK_S
        self._list: Revoked | None = None
        self._gone: frozenset[bytes] = frozenset()
        self._turn = asyncio.Lock()  # serialises lists: the backend's and a person's may arrive together
        self._asked: float | None = None
        self.error = ""

    def reconfigure(self, here: Collection[str], *, metered: bool) -> None:
        """Apply a new configuration."""
        self._here, self._every = frozenset(here), METERED_S if metered else ASK_S

    async def load(self) -> None:
        """Load the stored list; one whose key TRUST no longer names is ignored. Raises StorageError."""
        document = await self._store.get(KEPT)
        if document is not None:
            try:
                self._take(read_revoked(document, self._keys()))
            except BadBadge as error:
                _log.warning(
                    phrase(
                        "badge-list-kept-useless",
                        "the list of withdrawn badges on disk cannot be used: {reason}",
                        reason=reason_of(error),
                    )
                )

    @property
    def known(self) -> bool:
        """True if the owner signs badges at all."""
        return bool(self._keys())

    def read(self, text: str) -> Badge:
        """Return a badge that is valid here and now; its passphrase is not checked. Raises BadBadge."""
        badge = read_badge(text, self._keys())
        self.judge(badge)
        return badge

    def judge(self, badge: Badge) -> None:
        """Check that a badge is still valid. Raises BadBadge."""
        least = max(self._trust().issued, self._list.issued if self._list else 0)
        admit(badge, here=self._here, revoked=self._gone, now=self._clock.date(), at_least=least)

    async def run(self) -> None:
        """Fetch the list periodically, and soon after the link is up."""
        while True:
            await self._clock.sleep(LOOK_S)
            await self.turn()

    async def turn(self) -> None:
        """Fetch the list if a fetch is due."""
        if not self._up() or not self.known:
            return
        now = self._clock.monotonic()
        if self._asked is not None and now - self._asked < self._every:
            return
        self._asked = now
        try:
            reply = await self._http.request("GET", self._url, timeout=TIMEOUT)
            if reply.status == 404:
                return
            if reply.status != 200:
                raise NotReady(
                    phrase("answers-with-status", "{url} answers {status}", url=self._url, status=reply.status)
                )
            await self.keep(reply.body, "backend")
        except HubError as error:
            if reason_of(error) != self.error:
                _log.warning(
                    phrase(
                        "badge-list-not-fetched",
                        "the list of withdrawn badges could not be fetched: {reason}",
                        reason=reason_of(error),
                    )
                )
            self.error = reason_of(error)
        else:
            self.error = ""

    async def keep(self, document: bytes, who: str) -> bool:
        """Accept a list; returns False when it is not newer. Raises BadBadge, StorageError."""
        newer = read_revoked(document, self._keys())
        async with self._turn:
            if self._list is not None and newer.number <= self._list.number:
                return False
            what = {"badges": "list", "number": newer.number, "ids": len(newer.ids)}
            await self._store.audit(self._clock.now(), who, what, {KEPT: document})
            self._take(newer)
        _log.info(
            phrase(
                "badge-list-in-force", "the list of withdrawn badges, number {number}, is in force", number=newer.number
            )
        )
        return True

    def status(self) -> dict[str, Any]:
        """Return the number of badge keys, the list's number and date (None without one), and how many it names."""
        kept = self._list
        return {
            "keys": len(self._keys()), "number": kept.number if kept else None,
            "issued": kept.issued if kept else None, "revoked": len(self._gone), "error": self.error,
        }  # fmt: skip

    def complaints(self) -> list[str]:
        return []

    def calls(self) -> dict[str, Any]:
        return {"badge.load": self._load, "badge.status": self._status}

    async def _load(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """{document: base64, dry_run, by} → {number, issued, revoked, newer}."""
        try:
            document = base64.b64decode(str(arguments.get("document", "")), validate=True)
        except ValueError as error:
            raise HubError(phrase("badge-list-incomplete", "the list did not arrive whole")) from error
        read = read_revoked(document, self._keys())
        newer = self._list is None or read.number > self._list.number
        if newer and not arguments.get("dry_run"):
            await self.keep(document, asker(arguments))
        return {"number": read.number, "issued": read.issued, "revoked": len(read.ids), "newer": newer}

    async def _status(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return self.status()

    def _keys(self) -> tuple[bytes, ...]:
        return self._trust().badge_publics

    def _take(self, newer: Revoked) -> None:
        self._list, self._gone = newer, frozenset(newer.ids)
