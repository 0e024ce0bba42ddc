"""Contract test: the integration leaves the event loop to others.

What is measured is one callback: the time from its begin to its end, less what this thread waited for a processor. So a
busy machine is no fault of the integration, and a call that sleeps is.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
import time
from asyncio import events
from collections.abc import Iterator
from types import CoroutineType
from typing import Any

from hub.sdk.testing.contract.running import begun, inside, living, speaking
from hub.sdk.testing.contract.world import World

MOST_S = 0.05
TRIES = 3
"""A machine that stops this process altogether does not do it in the same task three times."""


async def loop_free(world: World) -> list[str]:
    """Callbacks that hold the loop for more than 50 ms, once what the integration imports is there."""
    async with begun(world), living(world, world.session()) as life:
        await speaking(world, life)
    always: set[str] | None = None
    longest: dict[str, tuple[float, str]] = {}
    for _ in range(TRIES):
        with _watched() as held:
            async with begun(world), living(world, world.session()) as life:
                await speaking(world, life)
        for task, found in held.items():
            longest[task] = max(found, longest.get(task, found))
        always = set(held) if always is None else always & set(held)
        if not always:
            return []
    worst = [longest[task] for task in sorted(always or ())]
    return [f"{where} holds the event loop for {seconds * 1000:.0f} ms" for seconds, where in worst]


@contextlib.contextmanager
def _watched() -> Iterator[dict[str, tuple[float, str]]]:
    """Callbacks of the integration that took too long, by what its task began with: seconds, and where it was."""
    held: dict[str, tuple[float, str]] = {}
    run = events.Handle._run

    def watched(self: events.Handle) -> None:
        context = getattr(self, "_context", None)
        if context is None or not context.get(inside, False):
            run(self)
            return
        task, where = _who(self)
        began, waited = time.perf_counter(), _waited()
        run(self)
        took = time.perf_counter() - began - (_waited() - waited)
        if took > MOST_S:
            held[task] = max((took, where), held.get(task, (0.0, "")))

    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    events.Handle._run = watched  # type: ignore[method-assign]
    try:
        yield held
    finally:
        events.Handle._run = run  # type: ignore[method-assign]
        if collecting:
            gc.enable()


def _waited() -> float:
    """Seconds for which this thread was ready to run and had no processor."""
    try:
        with open(f"/proc/self/task/{threading.get_native_id()}/schedstat", "rb") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def _who(handle: events.Handle) -> tuple[str, str]:
    """Return the task of a callback, alike in each try, and the place where it goes on, which may differ."""
    callback = getattr(handle, "_callback", None)
    task = getattr(callback, "__self__", None)
    if not isinstance(task, asyncio.Task):
        name = getattr(callback, "__qualname__", repr(callback))
        return name, name
    places = []
    coro: Any = task.get_coro()
    while isinstance(coro, CoroutineType):
        if coro.cr_frame is not None:
            places.append(f"{coro.__qualname__} ({os.path.basename(coro.cr_frame.f_code.co_filename)})")
        coro = coro.cr_await
    return (places[0], places[-1]) if places else (task.get_name(), task.get_name())
