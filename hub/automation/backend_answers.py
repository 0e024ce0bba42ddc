"""Fetches the actions on alerts that people took at the backend; nothing connects into the building.

While an alert is open, the hub sends `GET /v1/alerts` over the owner's pinned TLS with its client certificate: every
10 s during the first 15 minutes of a raised or escalated alert, then every 30 s; every 5 minutes when all alerts are
acknowledged or muted, and always on a metered line. After a request that failed while the link is up the pauses grow,
to LONGEST_S at most.

The answer lists actions {alert, state, by, why, until}. They are requests: the hub checks each one
(`hub.automation.alerts.lifecycle`), and the resulting change is sent in the `alerts` stream with the next number, which
also ends the action at the backend. Hence an action lost after it was fetched is fetched again, and one fetched twice
changes nothing the second time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from hub.automation.alerts import ACKNOWLEDGED, CLEARED, ESCALATED, MUTED, RAISED, AlertService, NoSuchAlert
from hub.core.backoff import Backoff
from hub.core.clock import Clock
from hub.core.errors import HubError
from hub.core.text import phrase, reason_of
from hub.store_and_forward.backend_client import Http, asked

SOON_S, ASK_S, SELDOM_S = 10.0, 30.0, 300.0
FRESH_S = 900.0
LOOK_S = 1.0
LONGEST_S = 120.0

_log = logging.getLogger("hub.alerts")


class AlertAction(msgspec.Struct, frozen=True):
    """An action on one alert requested at the backend; `until` is Unix seconds."""

    alert: Annotated[str, Meta(max_length=64)]
    state: Annotated[str, Meta(max_length=16)]
    by: Annotated[str, Meta(max_length=64)] = ""
    why: Annotated[str, Meta(max_length=200)] = ""
    until: float | None = None


class AlertActions(msgspec.Struct, frozen=True):
    acts: Annotated[tuple[AlertAction, ...], Meta(max_length=1000)]


class BackendAnswers:
    """Polls the backend for actions. `up` returns whether any transport is connected; nothing is polled without one."""

    def __init__(
        self,
        book: AlertService,
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
        """Poll while alerts are open; poll at once when the link returns."""
        while True:
            await self._clock.sleep(LOOK_S)
            await self.turn()

    async def turn(self) -> None:
        """Poll once if a poll is due."""
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
                _log.warning(
                    phrase(
                        "acknowledgements-not-fetched",
                        "acknowledgements at the backend are not fetched: {reason}",
                        reason=reason_of(error),
                    )
                )
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
        said = await asked(self._http, self._url, AlertActions, "acts")
        if said is None:  # an older backend without this route
            return
        for act in said.acts:
            if act.state in (ACKNOWLEDGED, MUTED, CLEARED):
                try:
                    by = "".join(c for c in act.by if c.isprintable())
                    why = "".join(c for c in act.why if c.isprintable())
                    await self._book.act(act.alert, act.state, f"backend:{by}", why, act.until)
                except NoSuchAlert:
                    continue  # raised by a former state of this hub
        await self._book.flush()
