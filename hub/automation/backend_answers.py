"""What people answer to alerts at the backend, fetched by the hub: nobody calls into a building.

While an alert is open, the hub asks `GET /v1/alerts` over the owner's pinned TLS, with its client certificate: every
10 s in the first quarter of an hour of one that is raised or escalated, then twice a minute; every five minutes where
all are acknowledged or muted, and on a metered line. After a question that came to nothing while the link is up the
pauses grow, to LONGEST_S at most. The answer lists acts: {alert, state, by, why, until}. They are
requests: this hub judges each (`hub.automation.alerts.lifecycle`), and what comes of it goes up the `alerts` stream
with the next number, which is also what ends the act at the backend. So an act that was fetched and lost is fetched
again, and one that was done and is fetched again changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from hub.automation.alerts import ACKNOWLEDGED, CLEARED, ESCALATED, MUTED, RAISED, Book, NoSuchAlert
from hub.core.backoff import Backoff
from hub.core.clock import Clock
from hub.core.errors import HubError
from hub.store_and_forward.backend_client import Http, asked

SOON_S, ASK_S, SELDOM_S = 10.0, 30.0, 300.0
FRESH_S = 900.0
LOOK_S = 1.0
LONGEST_S = 120.0

_log = logging.getLogger("hub.alerts")


class Act(msgspec.Struct, frozen=True):
    """What somebody at the backend wants of one alert; `until` is Unix seconds."""

    alert: Annotated[str, Meta(max_length=64)]
    state: Annotated[str, Meta(max_length=16)]
    by: Annotated[str, Meta(max_length=64)] = ""
    why: Annotated[str, Meta(max_length=200)] = ""
    until: float | None = None


class Acts(msgspec.Struct, frozen=True):
    acts: Annotated[tuple[Act, ...], Meta(max_length=1000)]


class Answering:
    """`up` says whether any uplink is: without one there is nobody to ask."""

    def __init__(
        self,
        book: Book,
        *,
        http: Http,
        url: str,
        clock: Clock,
        up: Callable[[], bool],
        metered: bool = False,
        backoff: Backoff | None = None,
    ) -> None:
        self._book, self._http, self._clock, self._up = book, http, clock, up
        self._url = f"{url.rstrip('/')}/v1/alerts"
        self.metered = metered
        self._asked: float | None = None
        self._backoff, self._pause = backoff or Backoff(2 * SOON_S, LONGEST_S), 0.0
        self._quiet = False

    async def run(self) -> None:
        """Ask while there is something to answer; at once when the link returns."""
        while True:
            await self._clock.sleep(LOOK_S)
            await self.turn()

    async def turn(self) -> None:
        """One look: asks when it is time to."""
        if not self._up():
            self._asked = None
            self._well()
            return
        now = self._clock.monotonic()
        if not self._book.open or (self._asked is not None and now - self._asked < max(self._pause, self._every())):
            return
        self._asked = now
        try:
            await self._fetch()
        except HubError as error:
            if not self._quiet:
                _log.warning("acknowledgements at the backend are not fetched: %s", error)
            self._quiet = True
            self._pause = self._backoff.next()
        else:
            self._quiet = False
            self._well()

    def _well(self) -> None:
        self._backoff.reset()
        self._pause = 0.0

    def _every(self) -> float:
        pressing = [alert.changed for alert in self._book.open if alert.state in (RAISED, ESCALATED)]
        if self.metered or not pressing:
            return SELDOM_S
        return SOON_S if 0 <= self._clock.now() - max(pressing) < FRESH_S else ASK_S

    async def _fetch(self) -> None:
        said = await asked(self._http, self._url, Acts, "acts")
        if said is None:  # a backend older than this hub
            return
        for act in said.acts:
            if act.state in (ACKNOWLEDGED, MUTED, CLEARED):
                try:
                    by = "".join(c for c in act.by if c.isprintable())
                    why = "".join(c for c in act.why if c.isprintable())
                    await self._book.act(act.alert, act.state, f"backend:{by}", why, act.until)
                except NoSuchAlert:
                    continue  # of another life of this hub
        await self._book.tell()
