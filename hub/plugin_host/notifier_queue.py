"""Queues of alerts for notifiers, which outlive the process.

A notice is pending until its notifier confirms it. Of one alert only the latest change is pending: after an hour of
absence people learn the present state, not each step. `hub.automation.alerts.policy` decides which changes are sent and
when; an hourly limit makes the rest wait, the most severe first. Progress is stored in the buffer's small state, so
that a new process continues where the former one ended; a crash may repeat the very last notice, under the same key.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from secrets import token_hex
from typing import Any, cast

from hub.automation.alerts import Alert
from hub.automation.alerts.policy import EVERYTHING, NEVER, TELL, WAIT, Policy, next_alert, notification_decision
from hub.core.clock import Clock
from hub.core.errors import HubError, NotReady
from hub.core.text import phrase
from hub.i18n.catalogues import translate
from hub.plugin_host.session_parts import own_state
from hub.plugin_host.supervisor import STATES, Health
from hub.sdk.notification import AlertState, Notification, Severity
from hub.sdk.session import Http
from hub.store_and_forward.buffer import Buffer

DONE_KEY, SENT_KEY, REMEMBERED, MOST = "done", "told", 500, 2000
"""State keys, and how many alerts a notifier remembers: ended ones are dropped first, open ones beyond MOST. A dropped
open alert is sent again after a restart."""
PENDING_LIMIT = 1000
"""Alerts pending per notifier; beyond it the oldest are dropped and counted."""
LOOK_S = 1.0
"""Interval of checks for notices that wait for a time of day or the hourly limit."""
HOUR_S = 3600.0
TEST_S = 30.0
_TEST = phrase("notifier-test", "This is a test: alerts of this hub arrive here")


class NotifierQueue:
    """The queue of one notifier, for the life of the process; see `hub.sdk.session.Notices`. Call `start` before each
    run."""

    def __init__(
        self,
        name: str,
        hub: str,
        http: Http,
        buffer: Buffer,
        clock: Clock,
        policy: Policy = EVERYTHING,
        timezone: str = "Europe/Paris",
    ) -> None:
        self.name, self.hub, self.http, self.timezone = name, hub, http, timezone
        self.log = logging.LoggerAdapter(logging.getLogger(f"hub.notifier.{name}"), {"plugin": name})
        self.memory: dict[str, Any] = {}
        self.left_out = 0
        self.limited = False
        self._clock, self._policy = clock, policy
        self._state = own_state(f"notifier.{name}", buffer)  # with a dot, which no name of an integration instance has
        self._done: dict[str, int] = dict(self._state.get(DONE_KEY) or {})
        told = self._state.get(SENT_KEY)  # None: state of an older version, where all done were sent
        self._sent_ids: dict[str, None] = dict.fromkeys(self._done if told is None else told)
        self._ended: dict[str, None] = {}  # done alerts that have ended, and will not change again
        self._pending: dict[str, Alert] = {}
        self._deferred: set[str] = set()
        self._yielded: set[str] = set()  # notices yielded in this run, which are not repeated
        self._sent: deque[float] = deque()  # monotonic seconds of the notices sent
        self._tests: dict[str, tuple[Alert, asyncio.Future[None]]] = {}
        self._wake = asyncio.Event()
        self._ready: Callable[[], None] = lambda: None

    def start(self, ready: Callable[[], None]) -> NotifierQueue:
        """Start a new run of the notifier; `ready` is called when a notice got through."""
        self._ready = ready
        return self

    @property
    def known_alerts(self) -> list[str]:
        """Ids of alerts that were sent or settled here."""
        return list(self._done)

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Queue what the last run left: open alerts not sent yet, and the end of those that were sent."""
        for alert in alerts:
            if alert.open or alert.id in self._done:
                self.offer(alert)
            if not alert.open and alert.n <= self._done.get(alert.id, 0):
                self._ended[alert.id] = None

    def offer(self, alert: Alert) -> None:
        """Queue a change of an alert. Never waits, never fails."""
        if alert.n <= self._done.get(alert.id, 0):
            return
        if (newer := self._pending.get(alert.id)) is not None and newer.n > alert.n:
            return  # a stale copy from the store
        self._pending.pop(alert.id, None)  # reinserted, so that the newest is last
        self._pending[alert.id] = alert
        if len(self._pending) > PENDING_LIMIT:
            oldest = next(iter(self._pending))
            del self._pending[oldest]
            self._deferred.discard(oldest)
            self.left_out += 1
        self._wake.set()

    async def __aiter__(self) -> AsyncIterator[Notification]:
        self._yielded.clear()
        while True:
            self._wake.clear()
            alert = self._next()
            if alert is not None:
                notice = notice_of(alert)
                self._yielded.add(notice.key)
                if len(self._yielded) > 2 * PENDING_LIMIT:  # bounded: others come and go while one waits for its time
                    self._yielded &= {_key(one) for one in self._pending.values()} | {
                        _key(one) for one, _ in self._tests.values()
                    }
                yield notice
            elif self._deferred or self.limited:  # time alone makes them due
                await self._clock.sleep(LOOK_S)
            else:
                if not self._pending:
                    self._yielded.clear()
                await self._wake.wait()

    def done(self, notice: Notification) -> None:
        test = self._tests.pop(notice.alert, None)
        if test is not None:
            if not test[1].done():
                test[1].set_result(None)
        else:
            self._sent.append(self._clock.monotonic())
            self._sent_ids[notice.alert] = None
            self._settle(notice.alert, notice.n)
        self._ready()

    async def test(self, by: str, health: Health) -> None:
        """Send a test notice, past all limits. Raises HubError with the notifier's error when it does not get through
        in TEST_S."""
        now = self._clock.now()
        alert = Alert(
            id=f"test-{token_hex(4)}",
            rule="test",
            key=self.name,
            severity="info",
            raised=now,
            changed=now,
            by=by[:64],
            text=str(_TEST),
            text_fr=str(translate(_TEST, "fr")),
        )
        got: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tests[alert.id] = alert, got
        self._wake.set()
        try:
            async with asyncio.timeout(TEST_S):
                await got
        except TimeoutError:
            silent = phrase("notifier-says-nothing", "it says nothing within {seconds:.0f} s", seconds=TEST_S)
            raise NotReady(
                phrase(
                    "notifier-test-failed",
                    "notifier {name} ({state}): {reason}",
                    name=self.name,
                    state=STATES.get(health.state, health.state),
                    reason=health.error or silent,
                )
            ) from None
        finally:
            self._tests.pop(alert.id, None)

    def status(self) -> dict[str, Any]:
        """Return the numbers of pending notices, of those held back, and of those sent in the last hour."""
        self._hour()
        return {
            "waiting": len(self._pending), "kept_back": len(self._deferred), "left_out": self.left_out,
            "told_hour": len(self._sent), "limited": self.limited,
        }  # fmt: skip

    def complaints(self) -> list[str]:
        """Return the problems to show in `ilot status`, one sentence each."""
        said: list[str] = []
        if self.limited:
            said.append(
                phrase(
                    "notifier-alerts-wait",
                    "notifier {name}: {count} [alert waits|alerts wait], {per_hour} an hour are told",
                    name=self.name,
                    count=len(self._pending),
                    per_hour=self._policy.per_hour,
                )
            )
        if self.left_out:
            said.append(
                phrase(
                    "notifier-alerts-left-out",
                    "notifier {name}: {count} [alert was|alerts were] left out, more than {most} waited",
                    name=self.name,
                    count=self.left_out,
                    most=PENDING_LIMIT,
                )
            )
        return said

    def _next(self) -> Alert | None:
        """Return the alert to send now, and settle those never to be sent."""
        for alert, _ in self._tests.values():
            if _key(alert) not in self._yielded:
                return alert
        now = self._clock.now()
        ready = []
        for alert in list(self._pending.values()):
            sent = alert.id in self._sent_ids
            held_back = alert.id in self._deferred or alert.id in self._done
            verdict = notification_decision(self._policy, alert, now, sent=sent, held_back=held_back)
            if verdict == NEVER:
                self._settle(alert.id, alert.n)
            elif verdict == WAIT:
                self._deferred.add(alert.id)
            elif verdict == TELL:
                self._deferred.discard(alert.id)
                if _key(alert) not in self._yielded:
                    ready.append(alert)
        self._hour()
        limit = self._policy.per_hour
        self.limited = bool(ready) and limit is not None and len(self._sent) >= limit
        if not ready or self.limited:
            return None
        return ready[0] if limit is None else next_alert(ready)

    def _settle(self, alert: str, n: int) -> None:
        if (owed := self._pending.get(alert)) is not None and owed.n <= n:
            del self._pending[alert]
            self._deferred.discard(alert)
            if not owed.open:
                self._ended[alert] = None
        self._done.pop(alert, None)
        self._done[alert] = n
        while len(self._done) > REMEMBERED and (self._ended or len(self._done) > MOST):
            oldest = next(iter(self._ended or self._done))
            del self._done[oldest]
            self._sent_ids.pop(oldest, None)
            self._ended.pop(oldest, None)
        self._state.put(DONE_KEY, dict(self._done))
        self._state.put(SENT_KEY, list(self._sent_ids))

    def _hour(self) -> None:
        now = self._clock.monotonic()
        while self._sent and now - self._sent[0] >= HOUR_S:
            self._sent.popleft()


def _key(alert: Alert) -> str:
    """Return the key of the alert's notice."""
    return f"{alert.id}-{alert.n}"


class Notifiers:
    """All notifier queues of the hub, for `ilot notify` and `ilot status`. `health` is that of the plugins."""

    def __init__(self, queues: Sequence[NotifierQueue], health: Sequence[Health]) -> None:
        self._queues = {queue.name: queue for queue in queues}
        self._health = health

    def put(self, queue: NotifierQueue) -> None:
        """Add a queue."""
        self._queues[queue.name] = queue

    def pop(self, name: str) -> NotifierQueue | None:
        """Remove a queue; None when there was none."""
        return self._queues.pop(name, None)

    def status(self) -> dict[str, Any]:
        return {name: {**queue.status(), **self._health_of(name)} for name, queue in self._queues.items()}

    def complaints(self) -> list[str]:
        return [said for queue in self._queues.values() for said in queue.complaints()]

    def calls(self) -> dict[str, Any]:
        """Return the handlers: notify.list · notify.test {name, by}."""
        return {"notify.list": self._list, "notify.test": self._test}

    async def _list(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"notifiers": [{"name": name, **one} for name, one in self.status().items()]}

    async def _test(self, arguments: dict[str, Any]) -> dict[str, Any]:
        name = str(arguments.get("name", ""))
        queue = self._queues.get(name)
        if queue is None:
            raise HubError(
                phrase(
                    "no-such-notifier",
                    "there is no notifier {name!r}; there are {notifiers}",
                    name=name,
                    notifiers=list(self._queues),
                )
                if self._queues
                else phrase("no-such-notifier-none", "there is no notifier {name!r}; there are none", name=name)
            )
        health = self._of(name) or Health(name=name, type="notifier")
        await queue.test(str(arguments.get("by", "")) or "?", health)
        return {"name": name, "told": True}

    def _of(self, name: str) -> Health | None:
        return next((one for one in self._health if (one.name, one.type) == (name, "notifier")), None)

    def _health_of(self, name: str) -> dict[str, Any]:
        health = self._of(name)
        return {} if health is None else {"state": health.state, "error": health.error}


def notice_of(alert: Alert) -> Notification:
    return Notification(
        alert=alert.id,
        n=alert.n,
        rule=alert.rule,
        state=cast("AlertState", alert.state),
        severity=cast("Severity", alert.severity),
        text=alert.text,
        text_fr=alert.text_fr,
        value=alert.value,
        place=alert.place,
        zone=alert.zone,
        site=alert.site,
        device=alert.device,
        integration=alert.integration,
        by=alert.by,
        why=alert.why,
        raised=alert.raised,
        changed=alert.changed,
    )
