"""Acme Pump: circulators that speak lines of text over TCP, and start and stop when somebody wants it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import hub
from hub.sdk.phrases import phrase, reason_of
from pydantic import Field

from acme_pump.lines import GET, decode, request
from acme_pump.reasons import REASONS

__all__ = ["Config", "register_integrations", "run"]

ANSWER_S = 5.0


class Config(hub.Config):
    """One circulator."""

    url: str = Field(
        pattern=r"^tcp://[^/\s]+:[0-9]{1,5}$",
        description="Address of the circulator: tcp://host:port.",
    )
    interval: timedelta = Field(
        default=timedelta(seconds=30),
        ge=timedelta(seconds=1),
        le=timedelta(days=1),
        description="Time between two polls.",
    )


def silent(reason: str) -> str:
    """A sentence for people: its code, its English and what stands in it."""
    return phrase(
        "acme_pump.silent", "the circulator does not answer: {reason}", reason=reason
    )


class Pump:
    """One connection. A line and its answer belong together: one at a time."""

    def __init__(
        self,
        session: hub.Session,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.session = session
        self.reader = reader
        self.writer = writer
        self.turn = asyncio.Lock()

    async def ask(self, line: bytes) -> bytes:
        """Raises NotReady when no answer comes: the hub connects again later."""
        async with self.turn:
            try:
                self.writer.write(line)
                async with asyncio.timeout(ANSWER_S):
                    await self.writer.drain()
                    return await self.reader.readuntil(b"\n")
            except (EOFError, OSError, asyncio.LimitOverrunError) as error:
                raise hub.NotReady(silent(reason_of(error))) from error

    async def poll(self, interval: timedelta) -> None:
        async for _ in self.session.polling.poll_cycles(interval, self.ids):
            await self.read()

    def ids(self) -> list[str]:
        return [device.id for device in self.session.devices.all()]

    async def read(self) -> None:
        try:
            report = decode(await self.ask(GET))
        except hub.DecodeError as error:
            self.session.radio.report_decode_error("", error)
        else:
            await self.session.emit(report)

    async def obey(self) -> None:
        async for command in self.session.commands:
            try:
                answer = await self.ask(request(command))
            except (hub.NotReady, hub.PluginError) as error:
                self.session.commands.answer(command, "failed", reason_of(error))
                if isinstance(error, hub.NotReady):
                    raise
            else:
                done = answer.strip() == b"OK"
                detail = "" if done else answer.decode("ascii", "replace").strip()
                self.session.commands.answer(
                    command, "done" if done else "failed", detail
                )
                await self.read()


async def run(config: Config, session: hub.Session) -> None:
    """Poll and obey until cancelled. Raises NotReady when the circulator is away."""
    reader, writer = await session.network.connect(config.url)
    try:
        pump = Pump(session, reader, writer)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pump.poll(config.interval))
            tasks.create_task(pump.obey())
    finally:
        writer.close()


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("acme_pump", Config, run, reasons=REASONS)
