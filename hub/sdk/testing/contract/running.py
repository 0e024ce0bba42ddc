"""Runs an integration in its world as the hub would: started again when it is not ready, and its clock moves on."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any
from weakref import WeakSet

from hub.core.errors import AuthFailed, NotReady, StorageError, cause
from hub.sdk.testing.contract.world import PATIENCE_S, World
from hub.sdk.testing.session import FakeSession

AGAIN_S = 0.02
inside: contextvars.ContextVar[bool] = contextvars.ContextVar("ilot_contract_inside", default=False)
"""Whether code runs for the integration under test, and not for its peer."""


class Missing(Exception):
    """Something that had to come did not; the text says what."""


class Life:
    """The runs of one integration: `errors` with which it said that it is not ready, `crash` what it raised besides,
    `finished` when it returned. `tasks` are those of its that live."""

    def __init__(self, world: World, session: FakeSession) -> None:
        self.world, self.session = world, session
        self.errors: list[Exception] = []
        self.crash: BaseException | None = None
        self.finished = False
        self._tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
        self._run, self._config = world.registered().run, world.config()

    async def run(self) -> None:
        """Run it until it is cancelled, and again whenever it was not ready."""
        inside.set(True)
        while True:
            try:
                await self._run(self._config, self.session)
            except Exception as raised:
                error = cause(raised)  # of a task group: its worst, as the hub judges
                if not isinstance(error, NotReady | StorageError | AuthFailed):
                    self.crash = error
                    return
                self.errors.append(error)  # AuthFailed: the hub would stop it; here the peer may come back
            except asyncio.CancelledError:
                raise
            except BaseException as raised:
                self.crash = raised
                return
            else:
                self.finished = True
                return
            await asyncio.sleep(AGAIN_S)

    def tasks(self) -> int:
        """How many tasks of the integration live."""
        return sum(not task.done() for task in self._tasks)

    def made(self, loop: asyncio.AbstractEventLoop, coro: Any, **more: Any) -> asyncio.Task[Any]:
        """A task factory that knows those of the integration."""
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, **more)
        if inside.get():
            self._tasks.add(task)
        return task

    async def until(self, true: Callable[[], object], what: str) -> None:
        """Wait for something. Raises Missing when it does not come, or the integration has ended."""
        try:
            async with asyncio.timeout(self.world.patience):
                while not true():
                    if self.crash is not None:
                        raise Missing(f"it fails with {type(self.crash).__name__}: {self.crash}") from self.crash
                    if self.finished:
                        raise Missing(f"it returns before {what}")
                    await asyncio.sleep(0.002)
        except TimeoutError:
            said = f"; it says: {self.errors[-1]}" if self.errors else ""
            raise Missing(f"waited {self.world.patience:.0f} s for {what}{said}") from None


@contextlib.asynccontextmanager
async def begun(world: World) -> AsyncIterator[World]:
    """Its peer, until the block ends."""
    world.acknowledged = 0
    await world.begin()
    try:
        yield world
    finally:
        await world.end()


@contextlib.asynccontextmanager
async def living(world: World, session: FakeSession) -> AsyncIterator[Life]:
    """An integration that runs, and whose clock moves by itself whenever it sleeps; it is cancelled at the end."""
    life = Life(world, session)
    task = asyncio.create_task(life.run(), name="integration under test", context=contextvars.copy_context())
    pace = asyncio.create_task(moving(session))
    loop = asyncio.get_running_loop()
    former = loop.get_task_factory()
    loop.set_task_factory(life.made)
    try:
        yield life
    finally:
        loop.set_task_factory(former)
        await stopped(task)
        await stopped(pace)


async def stopped(task: asyncio.Task[Any]) -> bool:
    """Cancel a task. Returns False when it goes on all the same."""
    task.cancel()
    await asyncio.wait([task], timeout=PATIENCE_S)
    if not task.done():
        return False
    with contextlib.suppress(asyncio.CancelledError, Exception):
        task.result()
    return True


async def moving(session: FakeSession) -> None:
    """Move the clock of a session whenever somebody sleeps."""
    while True:
        await session.clock.advance_to_next()
        await asyncio.sleep(0.002)


async def speaking(world: World, life: Life, count: int = 0) -> None:
    """Let the peer speak, and wait until something has come of it: a report, or a stranger. Raises Missing."""
    session = life.session
    before = len(session.reports), len(session.candidates)
    say = asyncio.create_task(world.say(session, count or world.much))
    try:
        await life.until(
            lambda: len(session.reports) > before[0] or len(session.candidates) > before[1],
            "a report, or a device that it found",
        )
        await asyncio.wait([say], timeout=PATIENCE_S)
        if say.done():
            say.result()
    finally:
        await stopped(say)


class Logged(logging.Handler):
    """Keeps what is logged while the block runs, at every level. `lines` as they would be written, `told` those of the
    integration that people see: warnings and worse, and `noted` those of level INFO."""

    def __init__(self, name: str) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []
        self.told: list[str] = []
        self.noted: list[str] = []
        self._own = f"hub.{name}"

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))
        if record.name == self._own:
            kept = self.told if record.levelno >= logging.WARNING else self.noted
            if record.levelno >= logging.INFO:
                kept.append(record.getMessage())


@contextlib.contextmanager
def logged(name: str) -> Any:
    """Keep what is logged."""
    root, own = logging.getLogger(), logging.getLogger(f"hub.{name}")
    handler, levels = Logged(name), (root.level, own.level)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    own.setLevel(logging.DEBUG)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        root.setLevel(levels[0])
        own.setLevel(levels[1])
