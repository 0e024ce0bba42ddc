"""The worker process: shut in, bounded, alone to suffer, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hub
from integrations.opcua import Config, child, link, run
from integrations.opcua import messages as m
from integrations.opcua.child import Lost, worker
from tests.integrations.opcua.conftest import plain

NODES = {"/Boiler/FlowTemperature": {"metric": "flow_temperature"}}
ROOT = Path(__file__).parents[3]


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.mark.real("processes")
async def test_the_worker_has_no_file_no_socket_no_process_and_little_memory() -> None:
    async with worker() as talking:
        said = status(talking.pid)
        assert said["Seccomp"] == "2"
        assert said["NoNewPrivs"] == "1"
        if os.geteuid() == 0:
            assert set(said["Uid"].split()) == {"65534"}
        limits = Path(f"/proc/{talking.pid}/limits").read_text()
        for name in ("Max open files", "Max processes", "Max file size", "Max core file size"):
            (line,) = [line for line in limits.splitlines() if line.startswith(name)]
            assert line.removeprefix(name).split()[:2] == ["0", "0"], line
        (line,) = [line for line in limits.splitlines() if line.startswith("Max address space")]
        assert int(line.split()[3]) - int(said["VmSize"].split()[0]) * 1024 <= 97 << 20
        assert Path(f"/proc/{talking.pid}/environ").read_bytes() == b""
        assert Path(f"/proc/{talking.pid}/oom_score_adj").read_text() == "1000\n"


@pytest.mark.real("network, processes")
async def test_a_worker_that_dies_costs_only_its_server(session: Any, start: Any, serve: Any) -> None:
    peer = await serve()
    session.put("opcua:boiler", NODES)
    before = _children()
    running = start(run(plain(peer), session))
    await session.reported("flow_temperature", 63.5)
    (pid,) = _children() - before
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(hub.NotReady, match="worker died"):
        await running
    session.reports.clear()
    start(run(plain(peer), session))
    await session.reported("flow_temperature", 63.5)


@pytest.mark.real("network, processes")
async def test_a_worker_that_hangs_is_killed(
    session: Any, start: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "PING_S", 0.2)
    monkeypatch.setattr(link, "CLOSE_S", 0.2)
    peer = await serve()
    session.put("opcua:boiler", NODES)
    before = _children()
    running = start(run(plain(peer), session))
    await session.reported("flow_temperature", 63.5)
    (pid,) = _children() - before
    monkeypatch.setattr(link, "PONG_S", 0.5)  # not before: a worker may start as slowly as the machine lets it
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(hub.NotReady, match="worker hangs"):
        await running
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.real("processes")
async def test_a_worker_that_talks_nonsense_is_killed() -> None:
    chatter = "import socket, sys; socket.socket(fileno=int(sys.argv[1])).send(b'nonsense')"
    with pytest.raises(Lost, match="nonsense"):
        async with worker([sys.executable, "-c", chatter]):
            pass


@pytest.fixture
def taken_over() -> Iterator[tuple[link.Link, socket.socket]]:
    """A link, and the worker's end of its socket in the hands of the test."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        config = Config(url="opc.tcp://127.0.0.1:4840", security="none")  # type: ignore[arg-type]
        yield link.Link(child.Child(ours, 0), config, None, None), theirs  # type: ignore[arg-type]


async def test_a_worker_that_floods_has_no_more_than_its_turn(taken_over: tuple[link.Link, socket.socket]) -> None:
    talking, theirs = taken_over
    for _ in range(100):
        theirs.send(m.encode(m.Gone()))
    listening = asyncio.create_task(talking.from_worker())
    for _ in range(20):
        await asyncio.sleep(0)
    listening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listening
    left = 0
    with contextlib.suppress(BlockingIOError):
        while talking._child._channel.recv(m.PACKET):
            left += 1
    assert 70 <= left < 100


async def test_an_answer_that_nobody_asked_for_ends_the_worker_and_a_late_one_does_not(
    taken_over: tuple[link.Link, socket.socket],
) -> None:
    talking, theirs = taken_over
    listening = asyncio.create_task(talking.from_worker())
    with pytest.raises(hub.NotReady, match="does not answer"):
        await talking.ask(m.Ping(), m.Done, seconds=0.01)
    theirs.send(m.encode(m.Told(1, m.Done())))
    asking = asyncio.create_task(talking.ask(m.Ping(), m.Done, seconds=10))
    await asyncio.sleep(0)
    theirs.send(m.encode(m.Told(2, m.Done())))
    assert await asking == m.Done()
    for number in (1, 3):
        theirs.send(m.encode(m.Told(number, m.Done())))
        with pytest.raises(Lost, match="nobody asked"):
            async with asyncio.timeout(60):
                await listening
        listening = asyncio.create_task(talking.from_worker())
    listening.cancel()


@pytest.mark.real("processes")
async def test_a_worker_that_does_not_start_says_why() -> None:
    with pytest.raises(hub.AuthFailed, match=r"pip install 'ilot\[opcua\]'"):
        async with worker([sys.executable, "-c", "import sys; sys.exit(\"No module named 'asyncua'\")"]):
            pass
    with pytest.raises(Lost, match="did not start: of a reason"):
        async with worker([sys.executable, "-c", "import sys; sys.exit('of a reason')"]):
            pass


@pytest.mark.real("processes")
async def test_a_worker_dies_with_its_hub() -> None:
    holder = (
        "import asyncio, sys\n"
        "from integrations.opcua.child import worker\n"
        "async def main():\n"
        "    async with worker() as talking:\n"
        "        print(talking.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", holder, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    async with asyncio.timeout(60):
        pid = int(await process.stdout.readline())
        process.kill()
        await process.wait()
        while Path(f"/proc/{pid}").exists() and status(pid)["State"][0] != "Z":
            await asyncio.sleep(0.01)


@pytest.mark.real("network, processes")
async def test_the_hub_itself_never_imports_asyncua(serve: Any) -> None:
    peer = await serve()
    hub_like = (
        "import asyncio, sys\n"
        "from integrations.opcua import Config, probe\n"
        f"print(asyncio.run(probe(Config(url={peer.url!r}, security='none'))))\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] == 'asyncua']\n"
    )
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", hub_like], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "open62541" in done.stdout


def test_the_worker_runs_without_the_site_module_and_its_pth_files() -> None:
    assert child.own_command()[1:3] == ["-I", "-S"]


def test_parts_of_a_question_fit_into_packets() -> None:
    items = [m.Item(number, "ns=1;s=" + "x" * 390) for number in range(1000)]
    batches = list(m.batches(items))
    assert [item for batch in batches for item in batch] == items
    assert max(len(batch) for batch in batches) == m.BATCH
    assert max(len(m.encode(m.Ask(1, m.Watch(batch)))) for batch in batches) <= m.PACKET


def test_the_largest_answers_fit_into_packets() -> None:
    wide = "é" * m.TEXT
    value = m.Change(0xFFFFFFFF, 0xFFFFFFFF, "LocalizedText", "\U0001f321" * m.TEXT, 1.5e9, 1.5e9)
    node = m.Resolved(0xFFFFFFFF, "x" * m.ID, "LocalizedText", True, 3, 1 << 30, "\U0001f321" * 24, 1e300, 1e300)
    reference = m.Reference("x" * m.ID, *("\U0001f321" * m.TEXT,) * 3, 0xFFFF)
    certificate = m.Certificate(b"x" * 8192, wide, wide, 1.5e9, 1.5e9, 65536)
    endpoint = m.Endpoint(3, "x" * m.TEXT, 3, [("x" * 20, "x" * 60)] * 4)
    for answer in (
        m.Values([value] * m.BATCH), m.Nodes([node] * m.BATCH), m.References([reference] * m.REFERENCES, b"x" * 4096),
        m.Endpoints([endpoint] * 32, [certificate] * 4, wide),
    ):  # fmt: skip
        assert len(m.encode(m.Told(1, answer))) <= m.PACKET, type(answer).__name__


def _children() -> set[int]:
    """Workers of this process."""
    found = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return {int(pid) for pid in found if "opcua.worker" in Path(f"/proc/{pid}/cmdline").read_text()}
