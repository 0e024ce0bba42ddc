"""The stall watch: who holds the loop is named, by plugin, function and line; nobody pays for it."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import pytest

from hub.plugin_host.stall_watch import (
    HUB,
    LIBRARY,
    LOOK_S,
    MACHINE,
    NOTICED_S,
    TOLD_S,
    Culprit,
    Place,
    Stall,
    StallWatch,
    culprit,
    roots_of,
    starved_s,
)

PLUGIN = """
    import asyncio, json, re, time

    def busy(seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            json.dumps(list(range(50)))

    async def work(seconds, how):
        await asyncio.sleep(0)
        (time.sleep if how == "sleep" else busy)(seconds)

    def holds(over):
        until = time.monotonic() + 60
        while not over() and time.monotonic() < until:
            time.sleep(0.01)

    def runs_away():
        took, length = 0.0, 20
        while took < 3:
            began, length = time.monotonic(), length + 1
            re.match(r"(a+)+$", "a" * length + "b")
            took = time.monotonic() - began
"""


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A plugin of its own, imported."""
    file = tmp_path / "acme_hub" / "__init__.py"
    file.parent.mkdir()
    file.write_text(textwrap.dedent(PLUGIN))
    spec = importlib.util.spec_from_file_location("acme_hub", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "acme_hub", module)
    spec.loader.exec_module(module)
    return module


class Watch(StallWatch):
    """`stalls`: all that were counted; a busy machine may cause others than those of the test."""

    def __init__(self, starved: Callable[[int], float]) -> None:
        super().__init__(lambda: {"acme": "acme_hub", "away": "never_imported"}, time.time, starved=starved)
        self.stalls: list[Stall] = []

    def _end(self, seconds: float, starved: float, found: Culprit) -> None:
        super()._end(seconds, starved, found)
        assert self.last is not None
        self.stalls.append(self.last)

    def of_acme(self) -> list[Stall]:
        return [one for one in self.stalls if one.culprit.who == "acme"]

    async def counts_acme(self) -> None:
        async with asyncio.timeout(60):
            while not self.of_acme():
                await asyncio.sleep(LOOK_S / 5)


@asynccontextmanager
async def watching(starved: Callable[[int], float] = starved_s) -> AsyncIterator[Watch]:
    watch = Watch(starved)
    task = asyncio.create_task(watch.run())
    await asyncio.sleep(3 * LOOK_S)
    yield watch
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.real("clock")
@pytest.mark.parametrize("how", ["sleep", "busy"])
async def test_a_plugin_that_holds_the_loop_is_named_with_its_function_and_line(vendor: ModuleType, how: str) -> None:
    async with watching() as watch, asyncio.timeout(60):
        while not watch.of_acme():  # again where the process had no time to look
            await vendor.work(4 * NOTICED_S, how)
            await asyncio.sleep(3 * LOOK_S)
    stall = watch.of_acme()[0]
    assert stall.culprit.function == ("work" if how == "sleep" else "busy")
    assert stall.culprit.where.startswith("acme_hub/__init__.py:")
    assert stall.seconds >= 2 * NOTICED_S


def is_told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """By the thread, while the stall lasts."""
    return [text for record in caplog.records if "acme has held" in (text := record.getMessage())]


async def test_a_long_stall_is_told_while_it_lasts_and_complained_of_afterwards(
    vendor: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    async with watching() as watch:
        vendor.holds(lambda: is_told(caplog))
        (during,) = is_told(caplog)
        assert "in holds (acme_hub/__init__.py:" in during
        await watch.counts_acme()
    assert watch.told["acme"] == 1
    assert watch.of_acme()[0].seconds >= TOLD_S
    assert len(watch.complaints()) == 1
    assert watch.status()["by"]["acme"]["count"] == 1


async def test_a_stall_is_told_also_where_the_process_had_no_time_when_it_began(
    vendor: ModuleType, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, late = threading.Event(), Watch._late

    def late_once(self: Watch, since: float) -> bool:
        if held.is_set() and not self._answered.is_set():
            held.clear()
            return True
        return late(self, since)

    async with watching() as watch:
        monkeypatch.setattr(Watch, "_late", late_once)
        held.set()
        vendor.holds(lambda: is_told(caplog))
        (during,) = is_told(caplog)
        assert "in holds (acme_hub/__init__.py:" in during
        assert not held.is_set()
        await watch.counts_acme()


@pytest.mark.real("clock")
async def test_nobody_is_accused_of_the_time_in_which_the_process_got_no_processor(
    vendor: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    async with watching(starved=lambda thread: time.monotonic()) as watch:
        suspected = list[str]()
        watch.suspects = suspected.append
        await vendor.work(TOLD_S + 0.5, "sleep")
        await watch.counts_acme()
    assert (suspected, watch.told, watch.complaints()) == ([], {}, [])
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    assert watch.status()["by"]["acme"]["count"] == 1, "counted it is"


@pytest.mark.real("processes")
def test_a_thread_that_shares_its_processor_is_starved_at_times() -> None:
    mine = threading.get_native_id()
    if not Path(f"/proc/self/task/{mine}/schedstat").exists():
        pytest.skip("this kernel does not count it")
    former = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(former)})
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            before, began = starved_s(mine), time.monotonic()
            while starved_s(mine) - before < 0.2:
                assert time.monotonic() - began < 90
            assert starved_s(mine) - before <= time.monotonic() - began
        finally:
            os.sched_setaffinity(0, former)
            other.kill()
    assert starved_s(0x7FFFFFFF) == 0.0, "no such thread"


async def test_a_loop_that_turns_is_left_alone(vendor: ModuleType) -> None:
    async with watching() as watch:
        for _ in range(20):
            await asyncio.sleep(0.02)
    assert watch.told == {}
    assert not watch.of_acme()


@pytest.mark.real("processes")
def test_what_holds_the_interpreter_itself_is_named_by_the_timer(tmp_path: Path) -> None:
    """A regular expression that runs away lets no other thread run. In a process of its own: each has one handler."""
    (tmp_path / "acme_hub").mkdir()
    (tmp_path / "acme_hub" / "__init__.py").write_text(textwrap.dedent(PLUGIN))
    program = """
        import asyncio, sys, time
        sys.path.insert(0, sys.argv[1])
        import acme_hub
        from hub.plugin_host.stall_watch import StallWatch
        async def main():
            watch = StallWatch(lambda: {"acme": "acme_hub"}, time.time, traces=True)
            task = asyncio.create_task(watch.run())
            await asyncio.sleep(0.5)
            acme_hub.runs_away()
            await asyncio.sleep(1)
            print(watch.longest.seconds > 2, *watch.longest.culprit[:2])
        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.stdout.split() == ["True", "acme", "runs_away"], done.stderr


@pytest.mark.real("processes")
def test_a_loop_that_runs_when_the_timer_goes_off_goes_on() -> None:
    """As on a machine that gives the watch no time: the timer is due, and nobody holds the loop."""
    program = """
        import json, threading, time
        from hub.plugin_host import stall_watch
        stall_watch.TRACE_S = 0.001
        written = 0
        trace = stall_watch._Trace()
        def looks():
            global written
            while written < 500:
                trace.arm()
                time.sleep(0.003)
                written += bool(trace.read())
            trace.close()
        thread = threading.Thread(target=looks)
        thread.start()
        def deep(n):
            return json.dumps(list(range(3))) if n == 0 else deep(n - 1)
        while thread.is_alive():
            list(deep(n % 9) for n in range(50))
            exec(compile("def q(): return sum(i for i in range(9))\\nq()", "q", "exec"), {})
        print("alive")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, check=False, timeout=240
    )
    assert (done.returncode, done.stdout) == (0, b"alive\n"), done.stderr


def test_the_innermost_plugin_counts_also_through_libraries_and_the_hub_if_it_is_further_within() -> None:
    roots = {"/p/acme/": "acme", "/p/one.py": "one"}
    inside = Place("/usr/lib/python3/json/decoder.py", 3, "decode")
    core = Place(str(Path(sys.modules["hub"].__file__ or "").parent / "pipeline/x.py"), 9, "emit")
    turn = Place("/usr/lib/python3/asyncio/events.py", 88, "Handle._run")
    own = Place("/p/acme/driver.py", 7, "Driver.read")
    assert culprit([inside, own, core, turn], roots)[:2] == ("acme", "Driver.read")
    assert culprit([inside, core, own, turn], roots)[:2] == (HUB, "emit")
    assert culprit([inside, Place("/p/one.py", 1, "f"), turn], roots)[:2] == ("one", "f")
    assert culprit([inside, turn, own], roots)[:2] == (LIBRARY, "decode"), "what called the loop is not what it runs"
    waits = Place("/usr/lib/python3/selectors.py", 452, "EpollSelector.select")
    assert culprit([waits, own], roots).who == MACHINE, "it waits: its process gets no time"
    assert culprit([], roots).who == MACHINE


def test_a_package_inside_another_is_found_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, file in (("servers", "servers/__init__.py"), ("servers.stack", "servers/stack/__init__.py")):
        module = ModuleType(name)
        module.__file__ = str(tmp_path / file)
        monkeypatch.setitem(sys.modules, name, module)
    roots = roots_of({"servers": "servers", "stack": "servers.stack"})
    assert culprit([Place(str(tmp_path / "servers/stack/x.py"), 1, "f")], roots).who == "stack"
    assert culprit([Place(str(tmp_path / "servers/x.py"), 1, "f")], roots).who == "servers"
