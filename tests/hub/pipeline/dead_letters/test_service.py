"""Payloads that no codec could read: kept within bounds, read again by a better pack, told once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path as FilePath
from typing import Any

import msgspec
import pytest

from hub.core.clock import BUILD_FLOOR
from hub.core.errors import DecodeError, NotReady, StorageError
from hub.core.model import Proof
from hub.core.store import Store
from hub.devices.packs.library import Library
from hub.devices.packs.loader import read
from hub.devices.packs.service import Packs
from hub.devices.packs.vector_tests import Verdict
from hub.pipeline.dead_letters import DeadLetters
from hub.pipeline.dead_letters import table as kept_memory
from hub.pipeline.dead_letters.service import MARK
from hub.pipeline.dead_letters.table import AGE_S
from hub.plugin_host.runtime import InProcessSession
from hub.plugin_host.session_parts import Core
from hub.sdk.testing import FakeHttp
from tests.hub.devices.packs.packs_kit import CODEC, PACK
from tests.hub.path_kit import TAG, Path

pytestmark = pytest.mark.real("processes")

KEY = bytes(range(32))
BAD_CODEC = CODEC.replace(
    "function decodeUplink(i) {", "function decodeUplink(i) {\n  if (i.bytes[0] === 9) for (;;) {}"
)
AT = BUILD_FLOOR + 80_000.0


class Stage:
    """A store and packs that outlive the hub's lives; a buffer whose commits the test makes or kills."""

    def __init__(self, folder: FilePath, library: Library) -> None:
        self.folder, self.library = folder, library
        self.local: dict[str, Any] = {}
        self.rows: list[Any] = []  # durable
        self.flushes = True

    async def start(self) -> None:
        self.path = Path(local=self.local)
        self.path.devices.put(msgspec.structs.replace(TAG, pack="acme-thermo"))
        self.path.buffer.flush = self._flush
        self.store = await Store.open(self.folder / "store.db", KEY)
        self.packs = Packs(self.library)
        await self.packs.__aenter__()
        self.kept = DeadLetters(
            store=self.store,
            buffer=self.path.buffer,
            pipeline=self.path.pipeline,
            planner=self.path.planner,
            devices=self.path.devices,
            packs=self.packs,
            clock=self.path.clock,
            counts=self.path.counts,
        )
        await self.kept.load()
        core = Core(
            self.path.pipeline,
            self.path.planner,
            self.path.devices,
            self.path.buffer,
            self.path.clock,
            self.path.counts,
            lambda _: FakeHttp(),
            lambda kind: [],
            self.packs,
            None,
            None,
            self.kept,
        )
        self.session = InProcessSession(TAG.integration, core, lambda: None)

    async def _flush(self) -> None:
        if not self.flushes:
            raise StorageError("the disk is gone")
        self.rows += self.path.buffer.rows
        self.path.buffer.rows.clear()
        self.local = {key: value for key, value in self.path.buffer.local.items() if value is not None}

    async def kill(self) -> None:
        """What was not flushed is gone."""
        await self.packs.__aexit__(None, None, None)
        await self.store.close()

    async def restart(self) -> None:
        await self.kill()
        await self.start()

    async def hear(self, payload: bytes, counter: int | None, *, time: float | None = AT, **more: Any) -> str:
        """The reason why it was not read, "" when it was."""
        try:
            await self.session.packs.decode(TAG.id, 1, payload, time, proof=Proof("lorawan-1.0", counter, True), **more)
        except DecodeError as error:
            return error.reason
        return ""

    def install(self, folder: FilePath) -> None:
        pack = read(folder)
        self.library.install(pack, Verdict(pack.name, pack.keys.version, pack.digest, True, (), ()))

    def values(self) -> list[tuple[float, dict[str, Any]]]:
        return [
            (row.time_ms / 1000, dict(zip([c.metric for c in row.shape.columns], row.values, strict=True)))
            for row in self.rows
        ]


@pytest.fixture
async def stage(made: Callable[..., FilePath], tmp_path: FilePath) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path, Library(tmp_path / "installed", tmp_path / "none"))
    stage.install(made(codec_js=BAD_CODEC))
    await stage.start()
    yield stage
    await stage.kill()


@pytest.fixture
def better(made: Callable[..., FilePath], stage: Stage) -> Callable[[], None]:
    """Installs version 2, whose codec does not loop."""
    return lambda: stage.install(made(pack_yaml=PACK.replace("version: 1\n", "version: 2\n")))


async def test_what_loops_and_what_throws_is_read_by_a_better_pack_at_its_own_time(
    stage: Stage, better: Callable[[], None]
) -> None:
    assert await stage.hear(b"\x09\x05\x01", 1) == "codec-time"
    assert await stage.hear(b"\x09", 2, time=AT + 60) == "codec-time"
    assert await stage.hear(b"\xd7\x05\x01", 3) == ""
    assert await stage.kept.redecode(TAG.id), "nothing has changed"
    assert stage.rows == []
    better()
    told = await stage.kept.reload({"pack": "acme-thermo"})
    assert [(f["result"], f["reason"], f["readings"]) for f in told["frames"]] == [
        ("decoded", "", 2),
        ("kept", "codec-refused", 0),
    ]
    assert stage.values() == [(AT, {"temperature": 0.9, "probe_2": 5.0})], "the door is personal"
    assert (await stage.kept.reload({"pack": "acme-thermo"}))["frames"] == [], "this pack was tried"
    assert [f["reason"] for f in (await stage.kept.call({}))["frames"]] == ["codec-refused"]
    assert stage.kept.status()["frames"] == 1


async def test_a_new_pack_is_noticed_at_the_start_too(stage: Stage, better: Callable[[], None]) -> None:
    await stage.hear(b"\x09\x05\x01", 1)
    better()
    await stage.restart()
    work = asyncio.create_task(stage.kept.run())
    async with asyncio.timeout(60):
        while not stage.rows:
            await asyncio.sleep(0.01)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert stage.values()[0][1]["temperature"] == 0.9


async def test_the_same_frame_again_is_kept_once(stage: Stage) -> None:
    for _ in range(3):
        await stage.hear(b"\x09", 7)
    await stage.hear(b"\x09", 8)
    for _ in range(2):  # a protocol without counters
        await stage.hear(b"\x09", None)
    await stage.hear(b"\x09", None, time=AT + 1)
    assert stage.kept.status()["frames"] == 4


async def test_the_mark_and_all_readings_of_a_frame_are_in_one_commit(
    stage: Stage, better: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer, seen = stage.path.buffer, []

    @contextmanager
    def together() -> Iterator[None]:
        seen.append((buffer.local.get(MARK), len(buffer.rows)))
        yield
        seen.append((buffer.local.get(MARK), len(buffer.rows)))

    monkeypatch.setattr(buffer, "together", together)
    await stage.hear(b"\x09\x05\x01", 1)
    better()
    await stage.kept.reload({"pack": "acme-thermo"})
    (before, none), (marked, rows) = seen
    assert (before, none) == (None, 0)
    assert marked
    assert rows == len(stage.rows) > 0


@pytest.mark.parametrize("at", ["read", "flush", "remove"])
async def test_a_kill_at_any_moment_neither_doubles_nor_loses(
    stage: Stage, better: Callable[[], None], monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Before the commit, when the commit failed, and between the commit and the removal of the rows."""
    for counter in range(5):
        await stage.hear(bytes((9, counter, 1)), counter, time=AT + counter)
    better()

    class Killed(BaseException):
        pass

    async def die(*_: Any) -> None:
        raise Killed

    if at == "flush":
        stage.flushes = False
        told = await stage.kept.reload({"pack": "acme-thermo"})
        assert told["frames"][-1]["result"] == "waits"
        stage.flushes = True
    else:
        target, name = (stage.path.buffer, "flush") if at == "read" else (kept_memory.DeadLetterTable, "remove")
        with monkeypatch.context() as patch:
            patch.setattr(target, name, die)
            with pytest.raises(Killed):
                await stage.kept.reload({"pack": "acme-thermo"})
    assert len(stage.rows) == (5 if at == "remove" else 0)
    assert bool(stage.local.get(MARK)) is (at == "remove")
    await stage.restart()
    await stage.kept.call({})
    assert [time - AT for time, _ in stage.values()] == [0, 1, 2, 3, 4]
    assert stage.kept.status()["frames"] == 0
    await stage.restart()
    await stage.kept.call({})
    assert len(stage.rows) == 5


async def test_a_commit_that_took_its_time_in_the_same_life_tells_nothing_twice(
    stage: Stage, better: Callable[[], None]
) -> None:
    await stage.hear(b"\x09\x05\x01", 1)
    better()
    stage.flushes = False
    await stage.kept.reload({"pack": "acme-thermo"})
    stage.flushes = True  # the row waited in memory, as the buffer promises
    await stage.kept.call({})
    assert len(stage.rows) == 1
    assert (stage.kept.status()["frames"], stage.path.buffer.local.get(MARK)) == (0, None)


async def test_the_oldest_go_first_and_are_counted(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_memory, "MOST_OF_DEVICE", 3)
    for counter in range(5):
        await stage.hear(b"\x09", counter)
    assert stage.path.counts.by_subject()[TAG.id]["kept-dropped"] == 2
    assert [n for n, _ in await stage.kept._memory.of(TAG.id, 0, 9)] == [3, 4, 5]
    monkeypatch.setattr(kept_memory, "MOST_BYTES", 2 * (kept_memory.ROW_BYTES + 1))
    await stage.hear(b"\x09", 5)
    assert stage.kept.status() == {"frames": 2, "bytes": 402}
    stage.path.clock.set(stage.path.clock.now() + AGE_S + 1)
    await stage.hear(b"\x09", 6)
    assert stage.kept.status()["frames"] == 1
    assert stage.path.counts.by_subject()[TAG.id]["kept-dropped"] == 6


async def test_a_missing_worker_keeps_only_what_does_not_come_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> Any:
        raise NotReady("no worker")

    with monkeypatch.context() as patch:
        patch.setattr(Packs, "decode", away)
        with pytest.raises(NotReady):
            await stage.hear(b"\xd7\x05\x01", 1)
        assert await stage.hear(b"\xd7\x05\x01", 2, once=True) == "codec-away"
        assert [f["result"] for f in (await stage.kept.call({}))["frames"]] == ["waits"]
    assert (await stage.kept.reload({"pack": "other"}))["frames"][0]["result"] == "decoded", "no pack has said a word"
    assert len(stage.rows) == 1


async def test_a_payload_without_a_pack_is_kept_until_there_is_one(stage: Stage) -> None:
    stage.path.devices.put(TAG)
    assert await stage.hear(b"\xd7\x05\x01", 1) == "no-pack"
    stage.path.devices.put(msgspec.structs.replace(TAG, pack="acme-thermo"))
    assert (await stage.kept.call({"device": TAG.id}))["frames"][0]["result"] == "decoded"


async def test_what_nobody_proved_is_not_kept_nor_a_store_that_refuses_believed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DecodeError):
        await stage.session.packs.decode(TAG.id, 1, b"\x09")
    assert stage.kept.status()["frames"] == 0

    async def full(*_: Any) -> Any:
        raise StorageError("full")

    monkeypatch.setattr(Store, "call", full)
    assert await stage.hear(b"\x09", 1) == "codec-time"
    assert stage.path.counts.by_subject()[TAG.id]["not-kept"] == 1


async def test_a_frame_of_an_unsure_clock_is_dated_once_the_clock_is_sure(
    stage: Stage, better: Callable[[], None]
) -> None:
    clock = stage.path.clock
    clock.set(1000.0, sure=False)
    await stage.hear(b"\x09\x05\x01", 1, time=None)
    await clock.advance(60)
    clock.set(AT + 60)
    better()
    await stage.kept.reload({"pack": "acme-thermo"})
    assert [time for time, _ in stage.values()] == [AT]


async def test_no_backup_holds_kept_frames(stage: Stage, tmp_path: FilePath) -> None:
    await stage.hear(b"\x09", 1)
    from hub.core.store import restore

    restore(tmp_path / "copy.db", KEY, await stage.store.image(), sent="sent/", jump=1)
    copy = await Store.open(tmp_path / "copy.db", KEY)
    rows = await copy.call(lambda db: list(db.execute("SELECT n FROM kept")))
    await copy.close()
    assert rows == []


async def test_a_codec_that_loops_rests_and_what_came_meanwhile_is_tried_later(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [await stage.hear(b"\x09\x05\x01", counter) for counter in range(4)]
    assert said == ["codec-time"] * 3 + ["codec-rests"]
    assert await stage.hear(b"\xd7\x05\x01", 4) == "codec-rests", "a good one too: it is kept"
    assert [f["result"] for f in (await stage.kept.call({}))["frames"]] == ["waits"]
    monkeypatch.setattr(stage.packs, "_rests", {})
    assert [f["result"] for f in (await stage.kept.call({}))["frames"]] == ["kept", "waits"], (
        "one try, and a rest again"
    )
    stage.packs._rests.clear()
    stage.packs._spoilt.clear()
    assert [f["result"] for f in (await stage.kept.call({}))["frames"]] == ["kept"] * 3 + ["waits"]
