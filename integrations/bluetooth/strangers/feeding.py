"""Feeds a worker: queues frames for it, judges its answers, and restarts it.

One advertisement is with the worker at a time. Of each sender only the newest waits; this hub's own devices have a lane
of their own that is served first; the lane of unknown devices holds `limit` senders.

A parser that hangs, dies, forks or eats memory loses only itself: the page of shared memory names it, and after STRIKES
within WINDOW_S it is left out until the hub starts again. The sender that caused it is muted for MUTED_S. The worker
comes back after a pause that doubles from 1 s to 5 min.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec

import hub
from hub.sdk.phrases import phrase, reason_of
from integrations.bluetooth.strangers import mapping
from integrations.bluetooth.strangers.child import ANSWER_S, STARVED_S, Lost, NoParsers, Worker, worker
from integrations.bluetooth.strangers.messages import FAULTS, Answer, Said
from integrations.bluetooth.strangers.questions import question
from integrations.bluetooth.text import cleaned

STRIKES, WINDOW_S = 3, 3600.0
MUTED_S = 600.0
MOST_MUTED = 256
FIRST_PAUSE_S, LONGEST_PAUSE_S, HEALTHY_S = 1.0, 300.0, 60.0
NAMED = 256
"""Maximum different items named in the log."""

_QUIET = ("manufacturer:004c", "manufacturer:0006")
"""Phones and computers of two makers: most of the traffic. An iBeacon (0x02 0x15) may be a sensor."""


class Host(NamedTuple):
    """Services of the integration: a sink for answers, its devices, its counters, its log (information, warnings) and a
    clock in seconds."""

    heard: Callable[[hub.Frame], Awaitable[object]]
    own: Callable[[str], hub.Device | None]
    tally: Callable[[str, str], None]
    say: Callable[[str], None]
    warn: Callable[[str], None]
    clock: Callable[[], float]


class Strangers:
    """Feeds the worker: `offer` frames that no decoder recognised; `run` as long as answers are wanted."""

    def __init__(
        self,
        host: Host,
        *,
        limit: int = 256,
        patience: float = ANSWER_S,
        starved: float = STARVED_S,
        pause: float = FIRST_PAUSE_S,
    ) -> None:
        self._host = host
        self._pause = pause
        self._limit = limit
        self._patience, self._starved = patience, starved
        self._waiting: tuple[dict[str, hub.Frame], dict[str, hub.Frame]] = ({}, {})  # own devices, unknown ones
        self._ready = asyncio.Event()
        self._muted: dict[str, float] = {}
        self._strikes: dict[str, deque[float]] = {}
        self._named: set[str] = set()
        self.left_out: list[str] = []
        self.on = True

    def offer(self, frame: hub.Frame) -> None:
        """Queue a frame that no decoder recognised. Never waits, never raises."""
        if not self.on or (len(frame.data) == 1 and _quiet(frame)):
            return
        if self._muted and self._mute(frame.address):
            self._host.tally("others-muted", "")
            return
        device = f"ble:{frame.address.upper()}"
        own = self._host.own(device) is not None
        waiting = self._waiting[not own]
        if frame.address in waiting:
            self._host.tally("others-superseded", device if own else "")
        elif not own and len(waiting) >= self._limit:
            self._host.tally("others-busy", "")
            return
        waiting[frame.address] = frame
        self._ready.set()

    async def run(self, command: Sequence[str] | None = None) -> None:
        """Keep a worker running until cancelled. Returns when there is nothing to run."""
        pause = self._pause
        while True:
            began = self._host.clock()
            try:
                async with worker(self.left_out, command) as talking:
                    self._greet(talking)
                    await self._serve(talking)
            except NoParsers as error:
                self.on = False
                self._host.warn(
                    phrase(
                        "bluetooth.others-not-read",
                        "other makers' sensors are not read: {reason}",
                        reason=reason_of(error),
                    )
                )
                return
            except Lost as error:
                self._host.tally("others-lost", "")
                self._name(_lost(error))
                self._strike(error.parser)
            if self._host.clock() - began >= HEALTHY_S:
                pause = self._pause
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            pause = min(LONGEST_PAUSE_S, pause * 2)

    async def _serve(self, talking: Worker) -> None:
        known = {name for name, _ in talking.parsers}
        while True:
            frame = await self._next()
            ask = question(frame, self._host.own(f"ble:{frame.address.upper()}"))
            try:
                answer, data = await talking.asked(ask, self._patience, self._starved)
            except Lost:
                self._muted[frame.address] = self._host.clock() + MUTED_S
                if len(self._muted) > MOST_MUTED:
                    del self._muted[next(iter(self._muted))]
                raise
            if {answer.parser, *answer.others} - known - {""} or {name for name, _ in answer.failed} - known:
                raise Lost(phrase("bluetooth.worker-unknown-parser", "the worker spoke for a parser it does not have"))
            self._judge(answer)
            if answer.parser:
                told = {**frame.data, mapping.SECTION: data}
                await self._host.heard(msgspec.structs.replace(frame, data=told))
            full = [parser for parser, why in answer.failed if why == "out-of-memory"]
            if full:  # further offers would get none either
                raise Lost(phrase("bluetooth.worker-out-of-memory", "the worker ran out of memory"), full[0])
            if self.left_out[-1:] and self.left_out[-1] in known:
                raise Lost(
                    phrase(
                        "bluetooth.worker-restarted-without",
                        "the worker is started again without a parser that failed too often",
                    )
                )

    def _judge(self, answer: Answer) -> None:
        for parser, why in answer.failed:
            self._name(
                phrase("bluetooth.parser-failed", "the parser {parser} failed: {reason}", parser=parser, reason=why)
            )
            if why in FAULTS:  # some parsers raise for frames of others: only name them once
                self._host.tally(f"others-{why}", "")
                if why != "out-of-memory":  # out-of-memory restarts the worker, which counts a strike
                    self._strike(parser)
        for said in answer.said:
            if not answer.others and _homeless(answer.parser, said):
                self._name(_no_place(answer.parser, said))

    def _strike(self, parser: str) -> None:
        if not parser or parser in self.left_out:
            return
        now = self._host.clock()
        strikes = self._strikes.setdefault(parser, deque(maxlen=STRIKES))
        strikes.append(now)
        if len(strikes) == STRIKES and now - strikes[0] <= WINDOW_S:
            self.left_out.append(parser)
            self._host.warn(
                phrase(
                    "bluetooth.parser-left-out",
                    "{parser} failed {count} times within an hour and is left out until the hub starts again",
                    parser=parser,
                    count=STRIKES,
                )
            )

    def _name(self, what: str) -> None:
        """Log something once."""
        if what not in self._named and len(self._named) < NAMED:
            self._named.add(what)
            self._host.say(cleaned(what))

    def _greet(self, talking: Worker) -> None:
        names = sorted({f"{name} {version}" for name, version in talking.parsers})
        self._name(phrase("bluetooth.others-read", "other makers' sensors are read by {parsers}", parsers=names))
        for name, why in talking.broken:
            self._name(
                phrase(
                    "bluetooth.parser-not-imported", "{parser} cannot be imported: {reason}", parser=name, reason=why
                )
            )

    def _mute(self, address: str) -> bool:
        until = self._muted.get(address)
        if until is None:
            return False
        if self._host.clock() < until:
            return True
        del self._muted[address]
        return False

    async def _next(self) -> hub.Frame:
        while True:
            for waiting in self._waiting:
                if waiting:
                    return waiting.pop(next(iter(waiting)))
            self._ready.clear()
            await self._ready.wait()


def _quiet(frame: hub.Frame) -> bool:
    section, data = next(iter(frame.data.items()))
    return section in _QUIET and not data.startswith(b"\x02\x15")


def _lost(error: Lost) -> str:
    if not error.parser:
        return reason_of(error)
    return phrase(
        "bluetooth.worker-lost", "{reason}, at work was {parser}", reason=reason_of(error), parser=error.parser
    )


def _no_place(parser: str, said: Said) -> str:
    unit = said.unit or phrase("bluetooth.no-unit", "no unit")
    if said.device:
        return phrase(
            "bluetooth.part-without-place",
            "{parser} says {key} ({kind}, {unit}) of {device}, which has no place in the catalogue",
            parser=parser,
            key=said.key,
            kind=said.cls or said.kind,
            unit=unit,
            device=said.device,
        )
    return phrase(
        "bluetooth.value-without-place",
        "{parser} says {key} ({kind}, {unit}), which has no place in the catalogue",
        parser=parser,
        key=said.key,
        kind=said.cls or said.kind,
        unit=unit,
    )


def _homeless(parser: str, said: Said) -> bool:
    signal = "signal_strength" in (said.cls, said.key)
    return said.value is not None and not signal and mapping.place(parser, said)[1] is None
