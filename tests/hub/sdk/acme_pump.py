"""A plugin that keeps its contract, and one for each contract test that breaks it. `Pump` is the device at the other
end: it is polled over HTTP, pushes what it counts, and wants a token."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from itertools import cycle
from types import ModuleType
from typing import Any

from pydantic import Field, SecretStr

import hub
from hub.sdk.options import french
from hub.sdk.phrases import phrase
from hub.sdk.testing import FakeSession, Inbox
from hub.sdk.testing.contract import World

TOKEN = "correct-horse-battery"
URL = "http://192.168.1.40/"
ELSEWHERE = cycle((False, True))


class Config(hub.Config):
    """A pump."""

    help_fr = "Une pompe."
    url: hub.HttpUrl = Field(description="Its address.", json_schema_extra=french("Son adresse.", title="Adresse"))
    token: SecretStr = Field(description="Its token.", json_schema_extra=french("Son jeton.", title="Jeton"))
    interval: timedelta = Field(
        default=timedelta(seconds=30),
        description="Time between two polls.",
        json_schema_extra=french("Temps entre deux lectures.", title="Intervalle"),
    )


class Forgotten(Config):
    """Nobody translated it."""

    speed: int = Field(default=1, description="Its speed.")
    mute: int = 2


class Pushed(Inbox[int]):
    """What the pump pushes: taken by the plugin, and told back when it is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.acknowledged = 0


class Pump(World):
    """The pump and its plugin; `run` and `config_model` are those of a twin."""

    secrets = (TOKEN,)
    module = "acme_pump"

    def __init__(self, run: Callable[[Any, Any], Any], model: type[hub.Config] = Config) -> None:
        self._module = ModuleType("acme_pump")
        self._run, self._model = run, model
        self.metrics: tuple[hub.Metric, ...] = ()
        self.reasons: Mapping[str, Any] = {}
        self._module.register_integrations = self._register  # type: ignore[attr-defined]
        self._model.__module__ = "acme_pump"

    def _register(self, register: Any) -> None:
        register("acme_pump", self._model, self._run, metrics=self.metrics, reasons=self.reasons)

    def imported(self) -> ModuleType:
        return self._module

    def options(self) -> dict[str, Any]:
        return {"url": URL, "token": TOKEN}

    def devices(self) -> tuple[hub.Device, ...]:
        return (hub.Device(id="acme:1", integration="acme_pump", place="p"),)

    def prepare(self, session: FakeSession) -> None:
        session.http.reply("GET", URL, {"sn": 1, "t": 21.5})
        self.pushed = PUSHED[id(session)] = Pushed()

    async def say(self, session: FakeSession, count: int) -> None:
        for n in range(count):
            self.pushed.put(n)
        while self.pushed.acknowledged < count and session.http.replies:
            self.acknowledged = self.pushed.acknowledged
            await asyncio.sleep(0)
        self.acknowledged = self.pushed.acknowledged

    async def away(self, session: FakeSession) -> None:
        session.http.replies.clear()

    async def back(self, session: FakeSession) -> None:
        session.http.reply("GET", URL, {"sn": 1, "t": 21.5})


PUSHED: dict[int, Pushed] = {}


async def read(config: Config, session: Any) -> hub.Report:
    headers = {"Authorization": f"Bearer {config.token.get_secret_value()}"}
    reply = await session.http.request("GET", str(config.url), headers=headers)
    return hub.Report(device=f"acme:{reply.json()['sn']}", values={"temperature": reply.json()["t"]})


async def polls(config: Config, session: Any, made: Callable[..., Any] = read) -> None:
    async for _ in session.every(config.interval):
        await session.emit(await made(config, session))


async def takes(config: Config, session: Any) -> None:
    pushed = PUSHED[id(session)]
    while True:
        n = await pushed.get()
        await session.emit(hub.Report(device="acme:1", values={"temperature": float(n % 30)}))
        pushed.acknowledged += 1


async def good(config: Config, session: Any, *others: Any) -> None:
    try:
        async with asyncio.TaskGroup() as tasks:
            for one in others or (polls, takes):
                tasks.create_task(one(config, session))
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


# -- twins ------------------------------------------------------------------------------------------------------------


async def another_id_each_time(config: Config, session: Any) -> None:
    name = f"acme:{uuid.uuid4()}"
    session.devices.discovered(hub.Candidate(id=name, integration=""))
    await good(config, session)


async def leaves_a_task(config: Config, session: Any) -> None:
    KEPT.append(asyncio.create_task(asyncio.sleep(3600)))
    await good(config, session)


async def leaves_a_socket(config: Config, session: Any) -> None:
    KEPT.extend(socket.socketpair())
    await good(config, session)


async def leaves_a_thread(config: Config, session: Any) -> None:
    gone = threading.Event()
    KEPT.append(gone)
    threading.Thread(target=gone.wait, name="acme", daemon=True).start()
    await good(config, session)


KEPT: list[Any] = []


def let_go() -> None:
    """Close what a twin has left."""
    for one in KEPT:
        if isinstance(one, socket.socket):
            one.close()
        elif isinstance(one, threading.Event):
            one.set()
    KEPT.clear()


async def _again_and_again(config: Config, session: Any) -> None:
    async for _ in session.every(config.interval):
        try:
            await session.emit(await read(config, session))
        except hub.NotReady:
            session.log.warning("the pump is away")


async def tells_at_each_poll(config: Config, session: Any) -> None:
    await good(config, session, _again_and_again, takes)


async def tells_nobody(config: Config, session: Any) -> None:
    async def silent(config: Config, session: Any) -> None:
        async for _ in session.every(config.interval):
            try:
                await session.emit(await read(config, session))
            except hub.NotReady:
                continue

    await good(config, session, silent, takes)


async def never_comes_back(config: Config, session: Any) -> None:
    try:
        await good(config, session)
    except hub.NotReady:
        session.log.warning("the pump is away")
        await asyncio.Event().wait()


async def says_it_in_plain_text(config: Config, session: Any) -> None:
    try:
        await good(config, session)
    except hub.NotReady:
        raise hub.NotReady("no pump") from None


async def gives_up(config: Config, session: Any) -> None:
    try:
        await good(config, session)
    except hub.NotReady as error:
        raise hub.AuthFailed(error.args[0]) from None


async def tells_its_return_at_each_poll(config: Config, session: Any) -> None:
    async def glad(config: Config, session: Any) -> hub.Report:
        report = await read(config, session)
        session.log.info("the pump is back")
        return report

    await good(config, session, partial(polls, made=glad), takes)


async def fails_instead(config: Config, session: Any) -> None:
    try:
        await good(config, session)
    except hub.NotReady:
        raise OSError("no pump") from None


async def sleeps_on_the_loop(config: Config, session: Any) -> None:
    async def slow(config: Config, session: Any) -> hub.Report:
        time.sleep(0.08)  # the mistake
        return await read(config, session)

    await good(config, session, partial(polls, made=slow), takes)


async def sleeps_here_and_there(config: Config, session: Any) -> None:
    async def slow(config: Config, session: Any) -> hub.Report:
        if next(ELSEWHERE):
            await asyncio.sleep(0)
        time.sleep(0.08)
        return await read(config, session)

    await good(config, session, partial(polls, made=slow), takes)


async def reports_what_nobody_knows(config: Config, session: Any) -> None:
    async def odd(config: Config, session: Any) -> hub.Report:
        return hub.Report(device="acme:1", values={"temperature": 21.5, "furlongs": 3.0, "humidity": 900.0})

    await good(config, session, partial(polls, made=odd), takes)


async def logs_its_options(config: Config, session: Any) -> None:
    session.log.debug("asks %s with %s", config.url, config.token.get_secret_value())
    await good(config, session)


async def says_it_in_an_error(config: Config, session: Any) -> None:
    try:
        await good(config, session)
    except hub.NotReady as error:
        token = config.token.get_secret_value()
        raise hub.NotReady(phrase("acme_pump.away", "{url} is away", url=f"{config.url}?token={token}")) from error


async def hands_it_over(config: Config, session: Any) -> None:
    session.radio.publish_facts("pump", {"token": config.token.get_secret_value()})
    await good(config, session)


async def acknowledges_too_soon(config: Config, session: Any) -> None:
    async def hasty(config: Config, session: Any) -> None:
        pushed = PUSHED[id(session)]
        while True:
            n = await pushed.get()
            pushed.acknowledged += 1
            await session.emit(hub.Report(device="acme:1", values={"temperature": float(n % 30)}))

    await good(config, session, polls, hasty)


async def a_task_for_each(config: Config, session: Any) -> None:
    async def piles(config: Config, session: Any) -> None:
        pushed, going = PUSHED[id(session)], set[asyncio.Task[Any]]()

        async def keep(n: int) -> None:
            await session.emit(hub.Report(device="acme:1", values={"temperature": float(n % 30)}))
            pushed.acknowledged += 1

        try:
            while True:
                going.add(asyncio.create_task(keep(await pushed.get())))
        finally:
            for one in going:
                one.cancel()

    await good(config, session, polls, piles)


WRONG_UNIT = hub.Metric(key="acme_flow", unit="furlong", en="Flow", fr="Débit")
