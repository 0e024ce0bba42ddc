"""The task that dispatches: looks for changes, takes them in, begins steps, sends what is due, passes requests on.

Nothing that matters is only in memory. A pass that fails is done again; a process that is killed between any two steps
goes on where the database stands: a change is taken in again, a message whose lease is over is sent again under the
same id.

    look → take in, correlate, dispatch, steps (one transaction) → claim → send → note what became of it
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import aiohttp
import msgspec

from backend.city.city import City
from backend.city.dispatch import lifecycle, plan_table
from backend.city.dispatch.channels.channel import Channel, Envelope, Later, Never, Outcome, Sent
from backend.city.dispatch.channels.email import EmailChannel
from backend.city.dispatch.channels.http import GlpiChannel, Open311Channel, SmsChannel, WebhookChannel
from backend.city.dispatch.channels.settings import Settings, load
from backend.city.dispatch.intake import ALARM, Intake, Looked
from backend.city.dispatch.lifecycle import NOBODY, UNDELIVERABLE, Lifecycle
from backend.city.dispatch.plan import Plan, Swap
from backend.city.dispatch.rota import on_duty
from backend.city.dispatch.wording import Facts
from backend.city.zone import zone_of
from backend.hubs.alarms import clear_alarm, raise_alarm
from backend.hubs.alerts import NoAlert, request_change
from backend.storage.city import dispatch as table
from backend.storage.city import incidents as incident_table
from backend.storage.city.database import Reader, Transaction
from backend.storage.city.dispatch import Act, Message
from backend.storage.engine import Storage
from hub.core.errors import ConfigError, HubError
from hub.core.text import Phrase, phrase, reason_of

log = logging.getLogger(__name__)

LOOK_S = 0.5
LEASE_S = 180.0
"""Seconds for which a message is one process's: longer than any channel may take."""
AT_ONCE = 16
"""Messages that are sent at the same time."""
PAUSES_S = (5.0, 15.0, 45.0, 120.0, 300.0, 900.0)
HURRY_AFTER = 4
"""Attempts that failed after which the next step begins."""
GIVE_UP_S = 86_400.0
RECHECK_S = 60.0
TWO_HUBS = "two-hubs"
TWO_HUBS_S = 3600.0
LORAWAN = "lorawan:"


class _Clone(NamedTuple):
    device: str
    hubs: tuple[str, ...]


class Dispatcher:
    """Dispatch of one city. `channels` replaces those of the owner's settings; `hold_s` is how long an alert waits for
    others of its cause."""

    def __init__(
        self, city: City, *, channels: Mapping[str, Channel] | None = None, hold_s: float = lifecycle.HOLD_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._city, self._channels, self._given, self._hold = city, dict(channels or {}), channels is not None, hold_s
        self._monotonic = monotonic
        self._intake = Intake(city.queries, city.clock, monotonic)
        self._plan: tuple[int, Plan] = (0, Plan())
        self._settings = Settings()
        self._session: aiohttp.ClientSession | None = None
        self._recheck_at = -RECHECK_S
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._said = ""

    async def run(self) -> None:
        """Dispatch until cancelled."""
        try:
            while True:
                await self.turn()
                await asyncio.sleep(LOOK_S)
        finally:
            await self.close()

    async def close(self) -> None:
        for task in list(self._sending.values()):
            task.cancel()
        await asyncio.gather(*self._sending.values(), return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def turn(self, *, wait: bool = False) -> None:
        """Do one pass; `wait` until what it sends is noted. Raises StorageError."""
        await self.take_in()
        await self.pass_requests()
        await self.send_due(wait=wait)
        if self._monotonic() - self._recheck_at >= RECHECK_S:
            self._recheck_at = self._monotonic()
            await self._recheck()

    # alerts

    async def take_in(self) -> None:
        """Look for changes, and do in one transaction what follows of them and of time."""
        known = await self._city.store.read(table.open_names)
        looked = await self._city.store.run(lambda: self._intake.look(known))
        if not looked.changes and not await self._city.store.read(self._anything_due):
            return
        made = await self._city.store.write(lambda t: self._step(t, looked))
        await self._raise(made)

    def _anything_due(self, r: Reader) -> bool:
        now = self._city.clock()
        return bool(table.due_chains(r, now, 1) or table.held_alerts(r, now, 1) or incident_table.to_tell(r, now))

    def _step(self, t: Transaction, looked: Looked) -> list[tuple[str, str, Phrase]]:
        now = self._city.clock()
        version, plan = self._current(t)
        life = Lifecycle(t, version, plan, plan_table.standing_swaps(t, now), now, url=self._city.url.rstrip("/"),
                         tags=looked.tags, hold_s=self._hold)  # fmt: skip
        life.take(looked.changes)
        life.dispatch_held()
        life.tell_incidents()
        life.run_due_chains()
        return life.alarms

    def _current(self, r: Reader) -> tuple[int, Plan]:
        found = table.last_plan(r)
        if found is not None and found[0] != self._plan[0]:
            self._plan = int(found[0]), plan_table.decode(found[3])
        return self._plan

    # messages

    async def send_due(self, *, wait: bool = False) -> None:
        """Claim what is due, and send it beside."""
        await self._configure()
        room = AT_ONCE - len(self._sending)
        if room > 0 and await self._city.store.read(self._message_due):
            lease, now = secrets.token_hex(8), self._city.clock()
            claimed = await self._city.store.write(lambda t: table.claim(t, lease, now, now + LEASE_S, room))
            for one in claimed:
                task = asyncio.create_task(self._deliver(one))
                self._sending[one.id] = task
                task.add_done_callback(partial(self._ended, one.id))
        if wait:
            await asyncio.gather(*self._sending.values())

    def _message_due(self, r: Reader) -> bool:
        due = table.next_due(r)
        return due is not None and due <= self._city.clock()

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        self._sending.pop(name, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning(phrase("dispatch-note-failed",
                               "what became of a message is not noted, it is sent again: {reason}",
                               reason=reason_of(error)))  # fmt: skip

    async def _deliver(self, one: Message) -> None:
        channel = self._channels.get(one.channel)
        outcome: Outcome
        if channel is None:
            outcome = Never(phrase("dispatch-no-channel", "{file} has no settings for {channel}", file="channels.yaml",
                                   channel=one.channel))  # fmt: skip
        else:
            outcome = await channel.send(await self._city.store.read(lambda r: self._envelope(r, one)))
        await self._note(one, outcome)

    def _envelope(self, r: Reader, one: Message) -> Envelope:
        former = [m for m in table.messages_of(r, one.hub, one.alert)
                  if (m.person, m.channel) == (one.person, one.channel) and m.state == "sent"]  # fmt: skip
        facts = msgspec.json.decode(one.body, type=Facts)
        reference = next((m.reference for m in former if m.reference), "")
        return Envelope(one.id, one.address, one.language, facts, zone_of(self._city).key,
                        former[0].id if former else "", reference)  # fmt: skip

    async def _note(self, one: Message, outcome: Outcome) -> None:
        """Note what became of a message; where it is undeliverable, the next step begins at once."""
        now = self._city.clock()
        alarms: list[tuple[str, str, Phrase]] = []

        def work(t: Transaction) -> None:
            if isinstance(outcome, Sent):
                table.settle(t, one, "sent", next_at=None, error="", sent_at=now, reference=outcome.reference)
                return
            over = isinstance(outcome, Never) or now - one.made_at >= GIVE_UP_S
            pause = PAUSES_S[min(one.attempts, len(PAUSES_S)) - 1]
            state, again = ("undeliverable", None) if over else ("waiting", now + pause)
            held = table.settle(
                t, one, state, next_at=again, error=str(outcome.reason)[:300], sent_at=None, reference=""
            )
            if not held or not (over or one.attempts == HURRY_AFTER):
                return
            table.hurry_chain(t, one.chain, now)
            alarms.append((UNDELIVERABLE, one.person, phrase(
                "dispatch-undeliverable", "{person} is not reached by {channel}: {reason}", person=one.person,
                channel=one.channel, reason=outcome.reason)))  # fmt: skip

        await self._city.store.write(work)
        await self._raise(alarms)

    async def _configure(self) -> None:
        """Read the channels' settings again where they changed."""
        if self._given:
            return
        try:
            found = await asyncio.to_thread(load, self._city.directory)
        except ConfigError as error:
            if self._said != str(error):
                log.error(reason_of(error))
            self._said = str(error)
            return
        self._said = ""
        if found == self._settings and (self._channels or found == Settings()):
            return
        self._settings = found
        if self._session is None:
            self._session = aiohttp.ClientSession()
        made: dict[str, Channel] = {}
        if found.email is not None:
            made["email"] = EmailChannel(found.email)
        if found.sms is not None:
            made["sms"] = SmsChannel(found.sms, self._session)
        if found.webhook is not None:
            made["webhook"] = WebhookChannel(found.webhook, self._session)
        if found.glpi is not None:
            made["glpi"] = GlpiChannel(found.glpi, self._session)
        if found.open311 is not None:
            made["open311"] = Open311Channel(found.open311, self._session)
        self._channels = made

    # the backend

    async def pass_requests(self) -> None:
        """Pass what people asked on to the backend, which hubs ask for it."""
        waiting = await self._city.store.read(table.waiting_acts)
        for act in waiting:
            await self._pass(act)

    async def _pass(self, act: Act) -> None:
        outcome = await self._city.storage.call(lambda storage: _request(storage, act, self._city.clock()))
        await self._city.store.write(lambda t: table.finish_act(t, act.id, outcome, self._city.clock()))

    async def _raise(self, alarms: list[tuple[str, str, Phrase]]) -> None:
        if not alarms:
            return

        def work(storage: Storage) -> None:
            with storage.transaction():
                for kind, _, detail in alarms:
                    raise_alarm(storage, kind, "", detail)

        await self._city.storage.call(work)
        for _, _, detail in alarms:
            log.warning(detail)

    async def _recheck(self) -> None:
        """Clear alarms that hold no more, and raise that a device is heard at two hubs."""
        now = self._city.clock()
        lines = await self._city.store.run(self._open_alarms)
        plan, swaps = await self._city.store.read(lambda r: (self._current(r)[1], plan_table.standing_swaps(r, now)))
        clones = await self._city.store.read(lambda r: _clones(r, now))
        over = [(kind, detail) for kind, detail in lines if _is_over(kind, detail, clones, plan, swaps, now)]
        raised = {str(detail) for kind, detail in lines if kind == TWO_HUBS}
        fresh = [(TWO_HUBS, "", said) for one in clones if str(said := _two_hubs(one)) not in raised]
        if over:

            def work(storage: Storage) -> None:
                with storage.transaction():
                    for kind, detail in over:
                        clear_alarm(storage, kind, "", detail, now)

            await self._city.storage.call(work)
        await self._raise(fresh)

    def _open_alarms(self) -> list[tuple[str, str]]:
        return [(one["kind"], one["detail"]) for one in self._city.views.alarms(everything=False)
                if one["kind"] in (NOBODY, TWO_HUBS, UNDELIVERABLE)]  # fmt: skip


def _request(storage: Storage, act: Act, now: float) -> str:
    """Carry out one request in the backend's database; return what became of it."""
    try:
        with storage.transaction():
            if act.alert.startswith(ALARM):
                if act.state == "cleared":
                    storage.review.close_alarm(int(act.alert.removeprefix(ALARM)), now)
                return "done"
            request_change(storage.alerts, act.alert, act.state, act.who, act.why, act.until_at, act.hub)
    except NoAlert:
        return "over"  # the hub ended it meanwhile
    except HubError as error:
        return str(error)[:200]
    return "asked"


def _is_over(kind: str, detail: str, clones: list[_Clone], plan: Plan, swaps: list[Swap], now: float) -> bool:
    if not isinstance(detail, Phrase):
        return False
    if kind == TWO_HUBS:
        return str(detail) not in {str(_two_hubs(one)) for one in clones}
    return kind == NOBODY and bool(on_duty(plan, swaps, str(detail.params.get("service", "")), now))


def _clones(r: Reader, now: float) -> list[_Clone]:
    hubs: dict[str, set[str]] = {}
    for device, hub in table.heard_at_two_hubs(r, LORAWAN, now - TWO_HUBS_S):
        hubs.setdefault(device, set()).add(hub)
    return [_Clone(device, tuple(sorted(at))) for device, at in sorted(hubs.items())]


def _two_hubs(one: _Clone) -> Phrase:
    return phrase(
        "dispatch-two-hubs",
        "{device} is heard at {count} hubs within an hour ({hubs}): a clone, or enrolled twice",
        device=one.device,
        count=len(one.hubs),
        hubs=list(one.hubs),
    )


async def work(city: City) -> None:
    """Dispatch until cancelled, in one process at a time."""
    await Dispatcher(city).run()


__all__ = ["Dispatcher", "Later", "work"]
