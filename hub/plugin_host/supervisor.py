"""Keeps one plugin running: classifies errors, backs off, reports health.

returns            finished: nothing more to do
NotReady           temporary: wait and retry; one log line when it is lost, one when it returns
AuthFailed         the operator must renew a credential: stopped until a restart
PluginError, other a bug: traceback once, counted, restarted with back-off; QUARANTINE of them within WINDOW_S
                   and it stays stopped
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

from hub.core.backoff import Backoff
from hub.core.cancellation import cancelled
from hub.core.clock import Clock
from hub.core.errors import AuthFailed, NotReady, StorageError, cause
from hub.core.text import phrase
from hub.plugin_host.error_text import error_text, named_error

QUARANTINE, WINDOW_S = 8, 3600.0
APART_QUARANTINE, APART_WINDOW_S = 5, 600.0
"""Of a plugin in a process of its own: each failure is a process that is started."""
HEALTHY_S = 60.0
"""A run of this length was healthy, and resets the back-off."""

RUNNING, WAITING, STOPPED, QUARANTINED, FINISHED = "running", "waiting", "stopped", "quarantined", "finished"
STATES = {
    RUNNING: phrase("state-running", "running"),
    WAITING: phrase("state-waiting", "waiting"),
    STOPPED: phrase("state-stopped", "stopped"),
    QUARANTINED: phrase("state-quarantined", "quarantined"),
    FINISHED: phrase("state-finished", "finished"),
}
"""The states as words within a sentence."""


class Health(msgspec.Struct, kw_only=True):
    """The state of one plugin instance, for the CLI and the UI. Times are Unix seconds. `through`: in its present run
    it has reached its device or peer; `error` is a phrase wherever what failed said it as one. `plugin` is the name of
    its type, `emits` how often it handed over reports. `apart`: it has a process of its own, which has used `cpu_s`
    seconds of processor, and uses `memory` bytes that it shares with no file."""

    name: str
    type: str = ""
    plugin: str = ""
    through: bool = False
    state: str = WAITING
    error: str = ""
    since: float = 0.0
    restarts: int = 0
    crashes: int = 0
    emits: int = 0
    apart: bool = False
    cpu_s: float = 0.0
    memory: int = 0


class Supervisor:
    """Runs one plugin: `await Supervisor(…).run()` inside the top TaskGroup; cancelling it stops the plugin."""

    def __init__(
        self, health: Health, start: Callable[[], Awaitable[None]], clock: Clock, backoff: Backoff | None = None
    ) -> None:
        self.health = health
        self._start = start
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._crashes: deque[float] = deque()
        self._log = logging.getLogger(f"hub.{health.name}")
        self._reported = ""
        self._limit = (APART_QUARANTINE, APART_WINDOW_S) if health.apart else (QUARANTINE, WINDOW_S)

    async def run(self) -> None:
        """Run the plugin until it finishes, is stopped for good, or is cancelled."""
        while True:
            began = self._clock.monotonic()
            self._enter(RUNNING)
            try:
                await self._start()
            except (Exception, SystemExit) as error:  # a plugin's SystemExit ends only the plugin
                if cancelled():
                    raise asyncio.CancelledError from error
                if self._over(error, lasted=self._clock.monotonic() - began):
                    return
            else:
                self._enter(FINISHED)
                return
            await self._clock.sleep(self._backoff.next())
            self.health.restarts += 1

    def _over(self, error: Exception | SystemExit, lasted: float) -> bool:
        """Handle the end of a run of that many seconds; returns True when there must be no other."""
        error = cause(error) if isinstance(error, Exception) else error  # of a task group: its worst
        if isinstance(error, NotReady | StorageError):  # the disk that refuses is no failure of the plugin
            if lasted >= HEALTHY_S:
                self._backoff.reset()
                self._reported = ""
            self._away(error_text(error))
            return False
        if isinstance(error, AuthFailed):
            why = error_text(error)
            self._enter(STOPPED, why)
            self._log.error(
                phrase("plugin-stopped", "stopped: {reason}; renew the credential and restart it", reason=why)
            )
            return True
        return self._crashed(error)  # a bug of the plugin: only itself is lost

    def ready(self) -> None:
        """Record that the plugin reached its device (its first report), and log it once after an absence."""
        if self._reported:
            self._log.info(phrase("plugin-is-back", "back"))
            self._reported = ""
            self._backoff.reset()
        self.health.error = ""
        self.health.through = True
        self.health.emits += 1

    def paused(self, why: str) -> None:
        """Record that it does not run for now, for this reason; "" when it resumes."""
        if why:
            self._enter(WAITING, why)
        else:
            self.health.error = ""

    def _enter(self, state: str, error: str = "") -> None:
        self.health.state = state
        self.health.through = False
        self.health.since = self._clock.now()
        if error:
            self.health.error = error

    def _away(self, error: str) -> None:
        self._enter(WAITING, error)
        if not self._reported:
            self._log.warning(phrase("plugin-not-ready", "not ready: {reason}; trying again by itself", reason=error))
            self._reported = error

    def _crashed(self, error: Exception | SystemExit) -> bool:
        """Record a crash; returns True when it was one too many."""
        text = named_error(error)
        now = self._clock.monotonic()
        failures, window_s = self._limit
        first = text != self.health.error
        self._log.error(phrase("plugin-failed", "failed: {reason}", reason=text), exc_info=error if first else None)
        self._crashes.append(now)
        while self._crashes and now - self._crashes[0] > window_s:
            self._crashes.popleft()
        self.health.crashes += 1
        if len(self._crashes) >= failures:
            self._enter(QUARANTINED, text)
            self._log.error(
                phrase(
                    "plugin-quarantined-within",
                    "quarantined after {failures} failures within {minutes:.0f} minutes; restart it to try again",
                    failures=failures,
                    minutes=window_s / 60,
                )
            )
            return True
        self._enter(WAITING, text)
        return False
