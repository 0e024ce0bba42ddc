"""The worker that runs other people's parsers: whatever one of them does, it loses only itself.

The deeds run in the real worker. The broken twin is the same worker without its jail, where they succeed.
"""

from __future__ import annotations

import asyncio
import itertools
import mmap
import os
import socket
import sys
import time
from pathlib import Path

import msgspec
import pytest

import hub
from integrations.bluetooth.strangers import child, feeding, questions
from integrations.bluetooth.strangers.messages import Ask

from .strangers_kit import HOSTILE, IMPORTS, Stage, home, install, serving, unjailed, until

__all__ = ["home"]

SENDER = "AA:BB:CC:DD:EE:FF"
THERMOPRO = hub.Frame(
    kind="ble", address="11:BB:CC:DD:EE:FF", name="TP357 (2142)", data={"manufacturer:f1c2": bytes.fromhex("001d022c")}
)


def frame(deed: str, address: str = SENDER) -> hub.Frame:
    return hub.Frame(kind="ble", address=address, name=deed, data={"manufacturer:1234": b"x"})


def ask(deed: str) -> Ask:
    return Ask(0, SENDER, deed, -60, {0x1234: b"x"})


@pytest.fixture
def hostile(home: Path) -> Path:
    install(home, "hostile-ble", HOSTILE)
    return home


FORBIDDEN = [
    "fork", "spawn", "thread", "read", "write", "list", "connect", "socket", "kill", "limits", "ptrace", "setuid",
    "exec",
]  # fmt: skip


@pytest.mark.real("processes")
async def test_computing_is_all_a_parser_can_do(hostile: Path) -> None:
    async with child.worker([]) as worker:
        for deed in FORBIDDEN:
            answer, _ = await worker.asked(ask(deed), 10, 60)
            assert answer.parser == "", deed
            assert "hostile-ble" in dict(answer.failed), deed
        answer, _ = await worker.asked(ask("nothing"), 10, 60)
        assert (answer.parser, answer.said[0].value) == ("hostile-ble", 21.5)
    assert not Path("/tmp/ilot-hostile").exists()


@pytest.mark.real("processes")
async def test_without_the_jail_it_could_do_more(hostile: Path) -> None:
    async with child.worker([], unjailed()) as worker:
        for deed in ("thread", "read", "list", "socket", "spawn"):
            answer, _ = await worker.asked(ask(deed), 10, 60)
            assert answer.parser == "hostile-ble", deed


@pytest.mark.real("processes")
async def test_the_worker_has_no_rights_no_environment_and_no_files(hostile: Path) -> None:
    async with child.worker([]) as worker:
        [pid] = [
            int(entry)
            for entry in os.listdir("/proc")
            if entry.isdigit() and _parent(entry) == os.getpid() and b"runpy" in _read(f"/proc/{entry}/cmdline")
        ]
        status = dict(
            line.split(":\t", 1) for line in _read(f"/proc/{pid}/status").decode().splitlines() if ":\t" in line
        )
        assert set(status["Uid"].split()) != {"0"}
        assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
        assert _read(f"/proc/{pid}/environ") == b""
        assert len(os.listdir(f"/proc/{pid}/fd")) == 4  # two of /dev/null, the socket, the page; none that is a log
        await worker.asked(ask("nothing"), 10, 60)


def _parent(pid: str) -> int:
    try:
        return int(_read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[1])
    except (OSError, IndexError):
        return -1


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


@pytest.mark.real("processes")
async def test_a_parser_that_hangs_is_cut_off_after_its_time_and_the_others_go_on(hostile: Path) -> None:
    async with child.worker([]) as worker:
        answer, _ = await worker.asked(ask("hang"), 10, 60)
        assert dict(answer.failed)["hostile-ble"] == "too-slow"
        answer, _ = await worker.asked(questions.question(THERMOPRO, None), 10, 60)
        assert answer.parser == "thermopro-ble"


@pytest.mark.real("processes")
async def test_a_parser_that_eats_memory_is_told_there_is_none(hostile: Path) -> None:
    async with child.worker([]) as worker:
        answer, _ = await worker.asked(ask("eat"), 30, 60)
        assert dict(answer.failed)["hostile-ble"] == "out-of-memory"
        answer, _ = await worker.asked(questions.question(THERMOPRO, None), 10, 60)
        assert answer.parser == "thermopro-ble"


@pytest.mark.real("processes")
@pytest.mark.parametrize(("deed", "what"), [
    ("swallow", "did not answer"), ("deaf", "did not answer"), ("sleep", "did not answer"), ("exit", "died"),
    ("crash", "died"),
])  # fmt: skip
async def test_when_the_worker_is_lost_the_page_tells_whose_fault_it_is(hostile: Path, deed: str, what: str) -> None:
    starved = 3.0 if deed == "sleep" else 60.0  # who computes or ends does so whenever it gets the processor
    async with child.worker([]) as worker:
        with pytest.raises(child.Lost, match=what) as lost:
            await worker.asked(ask(deed), 0.4, starved)
    assert lost.value.parser == "hostile-ble"


@pytest.mark.real("processes")
@pytest.mark.parametrize("deed", ["exit", "eat"])
async def test_the_worker_comes_back_without_whoever_did_it_too_often(hostile: Path, deed: str) -> None:
    stage = Stage()
    strangers = feeding.Strangers(stage.host(), pause=0.01)
    async with serving(strangers):
        for number in range(feeding.STRIKES):
            strangers.offer(frame(deed, f"AA:BB:CC:DD:EE:{number:02X}"))
            await until(lambda seen=number: stage.counts.count("others-lost") > seen)
        strangers.offer(THERMOPRO)
        await until(lambda: stage.answers)
    assert strangers.left_out == ["hostile-ble"]
    assert f"the worker {'died' if deed == 'exit' else 'ran out of memory'}, at work was hostile-ble" in stage.log
    assert stage.answers[0].values["temperature"] == 24.1


@pytest.mark.real("processes")
async def test_a_worker_that_gets_no_processor_is_waited_for() -> None:
    """Broken twin: with no more than the patience of a hanging worker it is lost."""
    slow = "import socket,sys,time; s=socket.socket(fileno=int(sys.argv[1]));"
    hello = r"s.send(b'\x82\xa7parsers\x91\x92\xa1x\xa11\xa6broken\x90');"
    answer = "s.recv(9999); time.sleep({}); s.send(b'\\x81\\xa6number\\x01'); s.recv(9999)"

    def command(seconds: float) -> list[str]:
        return [sys.executable, "-c", slow + hello + answer.format(seconds)]

    async with child.worker([], command(0.6)) as worker:
        said, _ = await worker.asked(ask("x"), 0.2, 60.0)
        assert said.number == 1
    async with child.worker([], command(600)) as worker:
        with pytest.raises(child.Lost, match="did not answer"):
            await worker.asked(ask("x"), 0.2, 0.2)


@pytest.mark.real("processes")
async def test_a_worker_that_starts_slowly_on_a_busy_machine_is_waited_for_and_one_that_sleeps_or_computes_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(child, "RESTING_S", 0.1)
    hello = "import socket,sys,time; s=socket.socket(fileno=int(sys.argv[1])); time.sleep(1);"
    hello += r"s.send(b'\x82\xa7parsers\x91\x92\xa1x\xa11\xa6broken\x90'); s.recv(9999)"
    for each, starts in ((0.05, True), (0.0, False), (30.0, False)):  # processor seconds in a tenth of a second
        computed = itertools.count()
        monkeypatch.setattr(child, "cpu_s", lambda pid, each=each, computed=computed: next(computed) * each)
        began = child.worker([], [sys.executable, "-c", hello])
        if starts:
            async with began as worker:
                assert worker.parsers == [("x", "1")]
        else:
            with pytest.raises(child.NoParsers, match="did not answer"):
                async with began:
                    pass


@pytest.mark.real("clock")
async def test_an_answer_that_comes_in_the_moment_in_which_the_clock_is_looked_at_is_heard() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    with ours, theirs, mmap.mmap(-1, mmap.PAGESIZE) as page:
        asked = asyncio.create_task(child.Worker(ours, page, os.getpid()).asked(ask("x"), 0.05, 2.0))
        await asyncio.sleep(0.01)
        theirs.send(msgspec.msgpack.encode({"number": 1}))
        time.sleep(0.1)
        said, _ = await asked
    assert said.number == 1


@pytest.mark.real("processes")
async def test_an_answer_too_large_for_a_packet_is_no_answer(hostile: Path) -> None:
    async with child.worker([]) as worker:
        answer, _ = await worker.asked(ask("nothing/wide"), 10, 60)
        assert (answer.parser, answer.failed) == ("", [("hostile-ble", "too-much")])
        answer, _ = await worker.asked(questions.question(THERMOPRO, None), 10, 60)
        assert answer.parser == "thermopro-ble"


@pytest.mark.real("processes")
async def test_strikes_far_apart_are_forgiven(hostile: Path) -> None:
    stage = Stage()
    strangers = feeding.Strangers(stage.host(), pause=0.01)
    async with serving(strangers):
        for number in range(feeding.STRIKES + 1):
            strangers.offer(frame("exit", f"AA:BB:CC:DD:EE:{number:02X}"))
            await until(lambda seen=number: stage.counts.count("others-lost") > seen)
            stage.now += feeding.WINDOW_S
    assert strangers.left_out == []


@pytest.mark.real("processes")
async def test_the_sender_of_what_killed_the_worker_is_muted_for_a_while(hostile: Path) -> None:
    stage = Stage()
    strangers = feeding.Strangers(stage.host(), pause=0.01)
    async with serving(strangers):
        strangers.offer(frame("exit"))
        await until(lambda: "others-lost" in stage.counts)
        strangers.offer(frame("nothing"))
        assert stage.counts[-1] == "others-muted"
        stage.now += feeding.MUTED_S
        strangers.offer(frame("nothing"))
        await until(lambda: stage.answers)


@pytest.mark.real("processes")
async def test_time_outs_inside_the_worker_count_as_strikes_too(hostile: Path) -> None:
    stage = Stage()
    strangers = feeding.Strangers(stage.host(), pause=0.01)
    async with serving(strangers):
        for number in range(feeding.STRIKES):
            strangers.offer(frame("hang", f"AA:BB:CC:DD:EE:{number:02X}"))
        await until(lambda: strangers.left_out)
        strangers.offer(THERMOPRO)
        await until(lambda: stage.answers)
    assert strangers.left_out == ["hostile-ble"]
    assert stage.counts.count("others-too-slow") == feeding.STRIKES


AGAIN = pytest.mark.long("starts a worker for one value more", of="integrations/bluetooth")


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    "value", ["nan", "many", "ok", *(pytest.param(each, marks=AGAIN) for each in ("inf", "huge", "text", "object"))]
)
async def test_whatever_a_parser_says_it_becomes_readings_or_nothing(hostile: Path, value: str) -> None:
    stage = Stage()
    strangers = feeding.Strangers(stage.host(), pause=0.01)
    async with serving(strangers):
        strangers.offer(frame(f"nothing/{value}"))
        await until(lambda: stage.answers)
    [answer] = stage.answers
    assert answer.values == ({"temperature": 21.5} if value in ("ok", "many") else {})
    assert "others-lost" not in stage.counts


@pytest.mark.real("processes")
@pytest.mark.parametrize("how", ["exits", "raises"])
async def test_a_parser_that_breaks_at_import_does_not_keep_the_others_away(home: Path, how: str) -> None:
    install(home, "broken-ble", IMPORTS[how])
    stage = Stage()
    strangers = feeding.Strangers(stage.host(), pause=0.01)
    async with serving(strangers):
        strangers.offer(THERMOPRO)
        await until(lambda: stage.answers, 60)
    assert strangers.left_out == (["broken-ble"] if how == "exits" else [])
    assert any("broken-ble" in line for line in stage.log)


@pytest.mark.real("processes")
async def test_where_there_is_no_worker_the_log_says_so_once_and_nothing_piles_up(tmp_path: Path) -> None:
    stage = Stage()
    strangers = feeding.Strangers(stage.host())
    await strangers.run(["/bin/sh", "-c", "echo no such luck >&2; exit 1", "sh"])
    strangers.offer(THERMOPRO)
    assert stage.log == ["other makers' sensors are not read: no such luck"]
    assert strangers.on is False


@pytest.mark.real("processes")
async def test_a_worker_that_talks_nonsense_is_not_believed() -> None:
    answer = "import socket,sys; s=socket.socket(fileno=int(sys.argv[1]));"
    hello = r"s.send(b'\x82\xa7parsers\x91\x92\xa1x\xa11\xa6broken\x90');"
    for talk in ("s.recv(9999); s.send(b'\\xc1')", "s.recv(9999); s.send(b'\\x81\\xa6number\\x00')", "s.recv(9999)"):
        stage = Stage()
        strangers = feeding.Strangers(stage.host(), pause=0.01)
        async with serving(strangers, [sys.executable, "-c", answer + hello + talk]):
            strangers.offer(THERMOPRO)
            await until(lambda: "others-lost" in stage.counts)  # noqa: B023 - awaited before the next turn
        assert stage.answers == []


async def test_a_flood_of_strangers_leaves_own_devices_their_place() -> None:
    own = hub.Device(id=f"ble:{THERMOPRO.address}", integration="bluetooth", place="office")
    stage = Stage(own)
    strangers = feeding.Strangers(stage.host(), limit=16)
    for number in range(100):
        strangers.offer(frame("nothing", f"00:00:00:00:00:{number:02X}"))
    strangers.offer(THERMOPRO)
    strangers.offer(THERMOPRO)
    assert stage.counts.count("others-busy") == 84
    assert stage.counts.count("others-superseded") == 1
    assert await strangers._next() is THERMOPRO


@pytest.mark.parametrize(("section", "data", "quiet"), [
    ("manufacturer:004c", "1005", True), ("manufacturer:0006", "01", True), ("manufacturer:004c", "0215aa", False),
    ("manufacturer:0499", "05", False),
])  # fmt: skip
def test_the_chatter_of_phones_and_computers_is_not_offered(section: str, data: str, quiet: bool) -> None:
    strangers = feeding.Strangers(Stage().host())
    strangers.offer(hub.Frame(kind="ble", address=SENDER, data={section: bytes.fromhex(data)}))
    assert bool(strangers._waiting[1]) is not quiet
