"""Carries out what a child says, by the session that its plugin would have in the hub's own process.

Everything is judged again here: the child may say anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import timedelta
from typing import Any, cast

from msgspec.structs import replace

from hub.core.errors import DecodeError, PluginError
from hub.core.model import Command
from hub.core.text import phrase
from hub.plugin_host.error_text import RemoteError
from hub.plugin_host.isolation import wire, wire_base
from hub.plugin_host.isolation.calls import Calls, Say
from hub.plugin_host.isolation.emits import Emits
from hub.plugin_host.isolation.failures import raised
from hub.plugin_host.isolation.served_access import AccessServed
from hub.plugin_host.isolation.served_decoders import DecodersServed
from hub.plugin_host.isolation.wire_base import Hostile
from hub.plugin_host.isolation.wire_roles import DecodedFrame, KeyOf
from hub.plugin_host.registry import Plugin
from hub.plugin_host.runtime import InProcessSession
from hub.plugin_host.session_parts import Core
from hub.sdk.session_rules import expect_facts, own

MOST_LOOPS = 1000
MOST_METRICS = 2000
"""Metrics that one device may be declared to have."""


class _Loop:
    """A loop of a plugin by the hub's clock; `polled` are the devices that it asks now."""

    def __init__(self, turns: AsyncIterator[float], polled: list[tuple[str, ...]]) -> None:
        self._turns, self.polled = turns, polled
        self._turn = asyncio.Lock()

    async def next(self) -> float:
        async with self._turn:
            return await anext(self._turns)

    async def close(self) -> None:
        """Close it, once a call that was just cancelled has left it."""
        async with self._turn:
            await self._turns.aclose()  # type: ignore[attr-defined]


class SessionServed:
    """The session of one run of an isolated integration. `say` sends its process a message."""

    def __init__(self, session: InProcessSession, core: Core, plugin: Plugin, say: Say) -> None:
        self.calls = Calls(say)
        self.decoders = DecodersServed(session.name, plugin, core.counts, say)
        self.emits = Emits(session, core.buffer, self.calls)
        self._session, self._core, self._say = session, core, say
        self._access = AccessServed(session, self.calls)
        self._commands: AsyncIterator[Command] | None = None
        self._command_turn = asyncio.Lock()
        self._loops: dict[int, _Loop] = {}
        self._ends: set[asyncio.Task[None]] = set()
        self._changes: asyncio.Task[None] | None = None

    def begin(self, start: wire.Start) -> wire.Start:
        """Return what to start, with what the session has now; changes are passed on from here on."""
        session, core = self._session, self._core
        self._changes = asyncio.create_task(self._pass_changes(session.devices.changes()))
        return replace(
            start,
            devices=tuple(session.devices.all()),
            state=session.state.all(),
            timezone=session.devices.timezone,
            full=self.emits.full,
            takes_commands=core.commands is not None,
        )

    @property
    def timezone(self) -> str:
        return self._session.devices.timezone

    async def take(self, message: wire.Up, size: int) -> None:
        """Carry out what the child says. Raises Hostile for what it may not say, HubError for what ends its run."""
        if size > wire.most_of(message):
            raise Hostile(f"{type(message).__name__} of {size} bytes")
        if type(message) is wire.Emit:
            if size > wire.MOST_SMALL:
                self._expect_known(message)
            await self.emits.take(message, size)
        elif self._access.take(message, size):
            return
        elif isinstance(message, DecodedFrame):
            self.decoders.take(message)
        elif isinstance(message, wire_base.Call):
            self.calls.number(message.n)
            if (work := _CALLS.get(type(message))) is not None:
                self.calls.begin(message.n, size, work(self, message))
            elif (at_once := _AT_ONCE.get(type(message))) is not None:
                self.calls.answer(message.n, lambda: at_once(self, message))
            else:
                raise Hostile(f"{type(message).__name__} is nothing for an integration")
        elif (tell := _TELLS.get(type(message))) is not None:
            tell(self, message)
        else:
            raise Hostile(f"{type(message).__name__} is nothing for an integration")

    def _expect_known(self, message: wire.Emit) -> None:
        """Raise Hostile where much is said of devices that nobody knows: it would be kept for a person to judge."""
        if any(self._core.devices.get(report.device) is None for report in message.reports):
            raise Hostile("much of devices that nobody knows")

    async def close(self) -> None:
        """End what the child left."""
        self.emits.leave()
        self.decoders.close()
        if self._changes is not None:
            self._changes.cancel()
        await self.calls.close()
        await self._access.close()
        for task in self._ends:
            task.cancel()
        await self._close_commands()
        for loop in self._loops.values():
            await loop.close()

    async def _pass_changes(self, changes: AsyncIterator[Any]) -> None:
        async for device in changes:
            known = self._session.devices.get(device.id)
            self._say(wire.Changed(known or device, known is None))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)

    # what is said without an answer

    def _put(self, message: wire.Put) -> None:
        self._session.state.put(message.key, message.value)

    def _cancel(self, message: wire.Cancel) -> None:
        self.calls.cancel(message.n)

    def _discovered(self, message: wire.Discovered) -> None:
        self._session.devices.discovered(message.candidate)

    def _answer(self, message: wire.Answer) -> None:
        if self._core.commands is not None:
            self._core.commands.answer(self._session.name, message.command, message.state, message.detail)

    def _offer(self, message: wire.Offer) -> None:
        if self._core.commands is not None:
            self._session.commands.offer(*message.acts)

    def _commands_end(self, message: wire.CommandsEnd) -> None:
        self._later(self._close_commands())

    def _cycle_end(self, message: wire.CycleEnd) -> None:
        if (loop := self._loops.pop(message.loop, None)) is None:
            raise Hostile(f"ends loop {message.loop}, which it has not")
        self._later(loop.close())

    def _polled(self, message: wire.Polled) -> None:
        if message.outcome not in ("answered", "silent", "unread"):
            raise Hostile(f"{message.outcome!r} is no end of a poll")
        self._session.polling.polled(message.device, cast("Any", message.outcome))

    def _undecoded(self, message: wire.Undecoded) -> None:
        error = raised(message.failure)
        if isinstance(error, RemoteError):  # counted by the name of its class there
            error = DecodeError(error.kind, message.failure.text)
        self._session.radio.report_decode_error(message.device, error, proof=message.proof)

    def _facts(self, message: wire.Facts) -> None:
        expect_facts(message.subject, message.facts)
        self._session.radio.publish_facts(message.subject, message.facts)

    # what is answered at once

    def _speaks_for(self, call: wire.SpeaksFor) -> None:
        self._core.pipeline.expect_own(self._session.name, call.devices)

    def _declare(self, call: wire.Declare) -> None:
        declared = self._core.planner.declared.get(call.device)
        if declared is not None and len({*declared.metrics, *(one.key for one in call.metrics)}) > MOST_METRICS:
            device = call.device
            raise PluginError(
                phrase(
                    "plugin-too-many-metrics", "more than {most} metrics of {device}", most=MOST_METRICS, device=device
                )
            )
        self._session.devices.declare(call.device, model=call.model, firmware=call.firmware, metrics=call.metrics)

    def _key(self, call: KeyOf) -> bytes | None:
        return self.decoders.key(call.device)

    def _wanted(self, call: wire.Wanted) -> bool:
        return self._core.commands is not None and self._core.commands.wants(self._session.name, call.command)

    def _intervals(self, call: wire.Intervals) -> dict[str, float]:
        devices = self._session.devices
        usual = {own(self._session.name, name, devices.get(name)).id: s for name, s in call.seconds.items()}
        now = self._session.polling.set_poll_intervals(
            {name: timedelta(seconds=seconds) for name, seconds in usual.items()}, timedelta(seconds=call.least)
        )
        return {name: interval.total_seconds() for name, interval in now.items()}

    # what takes time

    async def _next_command(self, call: wire.NextCommand) -> Command:
        async with self._command_turn:
            if self._commands is None:
                self._commands = aiter(self._session.commands)
            try:
                return await anext(self._commands)
            except BaseException:
                self._commands = None  # its iterator is over
                raise

    async def _close_commands(self) -> None:
        async with self._command_turn:  # once a call that was just cancelled has left it
            commands, self._commands = self._commands, None
            if commands is not None:
                await commands.aclose()  # type: ignore[attr-defined]

    async def _cycle(self, call: wire.Cycle) -> float:
        if call.loop not in self._loops:
            self._loops[call.loop] = self._new_loop(call)
        loop = self._loops[call.loop]
        loop.polled[0] = self._own(call.devices or ())
        return await loop.next()

    def _new_loop(self, call: wire.Cycle) -> _Loop:
        if len(self._loops) >= MOST_LOOPS:
            raise PluginError(
                phrase("plugin-too-many-loops", "more than {most} loops at once wait for the clock", most=MOST_LOOPS)
            )
        polled, interval = [self._own(call.devices or ())], timedelta(seconds=call.seconds)
        if call.devices is None:
            return _Loop(aiter(self._session.every(interval)), polled)
        return _Loop(aiter(self._session.polling.poll_cycles(interval, lambda: polled[0])), polled)

    def _own(self, devices: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(one for one in devices if self._session.devices.get(one) is not None)

    async def _pack(self, call: wire.PackOf) -> Any:
        return await self._session.packs.get(call.device)

    async def _decode(self, call: wire.Decode) -> Any:
        return await self._session.packs.decode(
            call.device, call.port, call.payload, call.time, proof=call.proof, once=call.once
        )

    async def _encode(self, call: wire.Encode) -> Any:
        return await self._session.packs.encode(call.device, call.downlink, call.values)

    async def _submit(self, call: wire.Submit) -> bool:
        return await self._session.radio.submit_frame(call.frame)


_TELLS: dict[type[Any], Callable[[SessionServed, Any], None]] = {
    wire.Put: SessionServed._put,
    wire.Cancel: SessionServed._cancel,
    wire.Discovered: SessionServed._discovered,
    wire.Answer: SessionServed._answer,
    wire.Offer: SessionServed._offer,
    wire.CommandsEnd: SessionServed._commands_end,
    wire.CycleEnd: SessionServed._cycle_end,
    wire.Polled: SessionServed._polled,
    wire.Undecoded: SessionServed._undecoded,
    wire.Facts: SessionServed._facts,
}
_AT_ONCE: dict[type[Any], Callable[[SessionServed, Any], Any]] = {
    wire.SpeaksFor: SessionServed._speaks_for,
    wire.Declare: SessionServed._declare,
    KeyOf: SessionServed._key,
    wire.Wanted: SessionServed._wanted,
    wire.Intervals: SessionServed._intervals,
}
_CALLS: dict[type[Any], Callable[[SessionServed, Any], Coroutine[Any, Any, Any]]] = {
    wire.NextCommand: SessionServed._next_command,
    wire.Cycle: SessionServed._cycle,
    wire.PackOf: SessionServed._pack,
    wire.Decode: SessionServed._decode,
    wire.Encode: SessionServed._encode,
    wire.Submit: SessionServed._submit,
}
