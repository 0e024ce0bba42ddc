"""Raises and changes alerts, and appends each change to the buffer.

Each change is written to the store, then appended to the buffer's `alerts` stream, then marked as sent (`told`). A
process killed between two of these steps sends the change again after its restart; the receiver recognises it by its
number. Changes that the disk refuses stay in memory and are retried; the alert is sent all the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from math import inf
from secrets import token_hex

import msgspec

from hub.automation.alerts.lifecycle import (
    ACKNOWLEDGED,
    CLEARED,
    MUTED,
    RAISED,
    Alert,
    NoSuchAlert,
    Step,
    due_transition,
    transition,
)
from hub.automation.alerts.stream_rows import row, subject_of
from hub.automation.alerts.table import AlertTable
from hub.core.clock import Clock
from hub.core.errors import BufferFull, DiskRefuses, StorageError
from hub.core.store import Store
from hub.core.text import phrase, reason_of
from hub.i18n.typography import typeset
from hub.protocol.records.rows import ALERTS, Subject
from hub.store_and_forward.buffer import Buffer

SUBJECTS = 4096
"""Size of the subject cache; a subject created again costs a few bytes in the stream."""
LONGEST_MUTE_S = 31 * 86_400.0
OPEN_LIMIT = 10_000
"""Maximum number of open alerts; further ones are not raised, and `ilot status` says so."""

_log = logging.getLogger("hub.alerts")


class AlertService:
    """All alerts of the hub.

    `listeners` are called on every change (notifiers, pages); they must neither fail nor wait. `changes` counts changes
    since the start. `owners` names the sources other than configured rules that raise and clear their own alerts.
    """

    def __init__(self, store: Store, buffer: Buffer, clock: Clock) -> None:
        self._table, self._buffer, self._clock = AlertTable(store), buffer, clock
        self.listeners: list[Callable[[Alert], None]] = []
        self.refused = 0
        self.changes = 0
        self.owners: set[str] = set()
        self._open: dict[str, Alert] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._since: dict[str, float] = {}  # monotonic, so that setting the clock shortens no waiting time
        self._subjects: dict[tuple[str, ...], Subject] = {}
        self._unwritten: dict[str, Alert] = {}  # changed, but refused by the disk
        self._pending: dict[str, Alert] = {}  # not yet known to be durable in the buffer
        self._appended: dict[str, int] = {}  # id → the `n` last appended to the buffer since the start
        self._lock = asyncio.Lock()

    async def load(self) -> None:
        """Load alerts that are open, or whose last change may not be in the buffer. Call before the plugins start."""
        for alert in await self._table.open():
            self._index(alert)
            self._since[alert.id] -= max(0.0, self._clock.now() - alert.changed)
        for alert in [*self._open.values(), *await self._table.unsent()]:
            if alert.told < alert.n:
                self._pending[alert.id] = alert

    @property
    def open(self) -> list[Alert]:
        """Alerts that are not cleared, oldest first."""
        return list(self._open.values())

    def open_keys(self) -> list[tuple[str, str]]:
        """Return (rule, key) of all alerts that are not cleared."""
        return list(self._keys)

    def of(self, rule: str, key: str) -> Alert | None:
        """Return the open alert of a rule and key, or None."""
        name = self._keys.get((rule, key))
        return None if name is None else self._open[name]

    async def raise_(self, alert: Alert, *, meta: Mapping[str, bytes] | None = None) -> Alert | None:
        """Raise an alert, or return the one that its rule has open for the same key; None when too many are open.

        `id`, `raised` and `changed` are assigned here. `meta`: keys of `meta` written in the commit of the change.
        """
        async with self._lock:
            known = self.of(alert.rule, alert.key)
            if known is not None:
                return known
            if len(self._open) >= OPEN_LIMIT:
                self.refused += 1
                return None
            now = self._clock.now()
            made = msgspec.structs.replace(
                alert,
                id=token_hex(8),
                text_fr=typeset(alert.text_fr),
                raised=now,
                changed=now,
                n=1,
                told=0,
                story=(Step(1, RAISED, now, alert.by),),
            )
            await self._change(made, meta=meta)
            return made

    async def update(self, name: str, newer: Alert) -> Alert | None:
        """Replace text, value, severity and evidence of an open alert by those of `newer`; the state stays."""
        async with self._lock:
            known = self._open.get(name)
            if known is None:
                return None
            made = msgspec.structs.replace(
                known,
                n=known.n + 1,
                changed=self._clock.now(),
                by=newer.by,
                why="",
                value=newer.value,
                severity=newer.severity,
                text=newer.text,
                text_fr=typeset(newer.text_fr),
                evidence=newer.evidence,
            )
            await self._change(made)
            return made

    async def clear(self, rule: str, key: str, by: str, *, meta: Mapping[str, bytes] | None = None) -> Alert | None:
        """Clear the open alert of a rule and key. `meta` as in `raise_`."""
        async with self._lock:
            known = self.of(rule, key)
            after = None if known is None else transition(known, CLEARED, self._clock.now(), by)
            if after is not None:
                await self._change(after, meta=meta)
            return after

    async def act(self, name: str, state: str, by: str, why: str = "", until: float | None = None) -> Alert:
        """Apply a person's action: ACKNOWLEDGED, MUTED (with `until`) or CLEARED.

        Returns the alert as it stands then, also when the action changed nothing. Raises NoSuchAlert.
        """
        async with self._lock:
            alert = self._open.get(name)
            if alert is None:
                cleared = await self._table.find(name)
                if cleared is None:
                    raise NoSuchAlert(
                        phrase("alert-not-known", "no alert {name!r} is known; `ilot alerts` lists them", name=name)
                    )
                return cleared
            if state not in (ACKNOWLEDGED, MUTED, CLEARED):
                raise NoSuchAlert(
                    phrase("alert-state-not-for-people", "nobody can make an alert {state!r}", state=state)
                )
            now = self._clock.now()
            if until is not None:
                until = min(until, now + LONGEST_MUTE_S)
            after = transition(alert, state, now, by[:64], why[:200], until)
            if after is None:
                return alert
            await self._change(after, by_person=True)
            return after

    async def tick(self) -> None:
        """End mutes, escalate, and retry writes that the disk refused. Called about once a second."""
        async with self._lock:
            now = self._clock.now()
            for alert in self.open:
                after = due_transition(alert, now, self._clock.monotonic() - self._since[alert.id])
                if after is not None:
                    await self._change(after)
            if self._unwritten:
                await self._write(list(self._unwritten.values()))
        await self.flush()

    async def flush(self) -> None:
        """Make pending changes durable in the buffer, and mark them as sent."""
        pending = list(self._pending.values())
        for alert in pending:
            self._append(alert)
        if not pending:
            return
        try:
            await self._buffer.flush()
        except StorageError as error:
            _log.warning(
                phrase(
                    "alert-changes-not-durable",
                    "{count} [change|changes] of alerts [is|are] not durable yet: {reason}",
                    count=len(pending),
                    reason=reason_of(error),
                )
            )
            return
        told = []
        for alert in pending:
            if self._open.get(alert.id) is not (alert if alert.open else None):
                continue  # being changed: this write would overtake the newer one and undo it
            if self._pending.get(alert.id) is alert and self._appended.get(alert.id) == alert.n:
                del self._pending[alert.id], self._appended[alert.id]
                told.append(msgspec.structs.replace(alert, told=alert.n))
                if alert.id in self._open:
                    self._open[alert.id] = told[-1]
        if told:
            await self._write(told)

    async def last(self, limit: int, begin: float = 0.0, end: float = inf) -> list[Alert]:
        """Return alerts raised in [begin, end), Unix seconds, newest first, open or not."""
        return await self._table.last(limit, begin, end)

    async def find_all(self, names: Iterable[str]) -> list[Alert]:
        """Return the known alerts among these ids, open or not, in the order in which they were raised."""
        return await self._table.find_all(names)

    async def find(self, name: str) -> Alert:
        """Return one alert, open or not. Raises NoSuchAlert."""
        found = self._open.get(name) or await self._table.find(name)
        if found is None:
            raise NoSuchAlert(
                phrase("alert-not-known", "no alert {name!r} is known; `ilot alerts` lists them", name=name)
            )
        return found

    def complaints(self) -> list[str]:
        """Return the problems to show in `ilot status`, one sentence each."""
        said: list[str] = []
        if self._unwritten:
            said.append(
                phrase(
                    "alerts-not-written",
                    "{count} [alert|alerts] cannot be written to the store",
                    count=len(self._unwritten),
                )
            )
        if self.refused:
            said.append(
                phrase(
                    "alerts-not-raised",
                    "{count} [alert was|alerts were] not raised: {open} are open, clear some",
                    count=self.refused,
                    open=OPEN_LIMIT,
                )
            )
        return said

    async def _change(self, alert: Alert, *, by_person: bool = False, meta: Mapping[str, bytes] | None = None) -> None:
        """Apply a change in memory, store and buffer, and call the listeners. The caller holds the lock."""
        self._index(alert)
        self.changes += 1
        await self._write([alert], by_person=by_person, meta=meta)
        self._pending[alert.id] = alert
        self._append(alert)
        for listener in self.listeners:
            listener(alert)

    def _index(self, alert: Alert) -> None:
        if alert.open:
            self._open[alert.id] = alert
            self._keys[alert.rule, alert.key] = alert.id
            self._since[alert.id] = self._clock.monotonic()
        else:
            self._open.pop(alert.id, None)
            self._since.pop(alert.id, None)
            self._keys.pop((alert.rule, alert.key), None)

    async def _write(
        self, alerts: list[Alert], *, by_person: bool = False, meta: Mapping[str, bytes] | None = None
    ) -> None:
        try:
            await self._table.put(alerts, by_person=by_person, meta=meta)
        except (DiskRefuses, StorageError) as error:
            if not self._unwritten:
                _log.error(
                    phrase(
                        "alert-store-refuses",
                        "alerts cannot be written to the store: {reason}",
                        reason=reason_of(error),
                    )
                )
            self._unwritten |= {alert.id: alert for alert in alerts}
        else:
            for alert in alerts:
                self._unwritten.pop(alert.id, None)

    def _append(self, alert: Alert) -> None:
        """Append the alert to the buffer, once per change."""
        if self._appended.get(alert.id) == alert.n:
            return
        subject = subject_of(alert)
        key = (subject.device, subject.place, subject.site, subject.zone, subject.integration)
        if len(self._subjects) >= SUBJECTS:
            self._subjects.clear()
        known = self._subjects.setdefault(key, subject)
        sure = self._clock.sure()
        try:
            self._buffer.append(row(alert, known, monotonic=self._clock.monotonic(), sure=sure), ALERTS)
        except BufferFull:
            return  # still pending: retried on the next tick
        self._appended[alert.id] = alert.n
