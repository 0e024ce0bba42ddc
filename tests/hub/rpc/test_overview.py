"""What status says of the buffer's autonomy. The other parts are strangers here and say nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from hub.core.errors import StorageError
from hub.core.model import Candidate
from hub.core.text import reason_of
from hub.page_kit.messages import message
from hub.pipeline.admission.quarantine import Quarantine
from hub.rpc.autonomy import LEAST_S
from hub.rpc.overview import WRITTEN_KEY, BufferSpace, Overview, PluginStates, ReportPath, WayOut, disk_remedy
from hub.sdk.testing import ManualClock
from hub.store_and_forward.buffer import BufferStatus, Durable
from hub.store_and_forward.buffer.disk import SystemDisk
from hub.store_and_forward.buffer.segment import SegmentFile

DAY = 86400.0


class Buffer:
    def __init__(self) -> None:
        self.local: dict[str, Any] = {}

    def put_local(self, key: str, value: Any) -> None:
        self.local[key] = value

    def status(self) -> BufferStatus:
        return BufferStatus(
            records=0,
            readings=0,
            bytes=0,
            kept=0,
            oldest_s=0,
            segments=0,
            pending_rows=0,
            pending_bound=1,
            poisoned=0,
            evicted=0,
            refused={},
            cut_bytes=0,
            notes=(),
            error="",
            last_commit_s=0.0,
        )


def overview(clock: ManualClock, buffer: Buffer, room: BufferSpace) -> Overview:
    link = MagicMock()

    path = ReportPath(*(MagicMock() for _ in ReportPath._fields))._replace(quarantine=[])
    return Overview("hub-a", clock, path, WayOut(buffer, room, link), PluginStates([]), counts=MagicMock(), problems=[])


def degraded(made: Overview, buffer: Buffer) -> list[str]:
    return made.degraded("", "", made._autonomy(buffer.status()))


async def test_below_the_warning_the_hub_is_degraded_and_above_it_is_not(tmp_path: Path) -> None:
    clock, buffer = ManualClock(), Buffer()
    room = BufferSpace(tmp_path, 2 * 86_400_000, 3 * DAY)  # at 1 kB/s: two days
    assert room.free() > room.max_bytes, "the disk of these tests has 200 MB"
    made = overview(clock, buffer, room)
    await clock.advance(LEAST_S - 1.0)
    made.count_durable(Durable("readings", b"", 1, 1, 100, round(LEAST_S) * 1000))
    assert degraded(made, buffer) == [], "nothing is said before there is a rate"
    await clock.advance(1.0)
    (sentence,) = degraded(made, buffer)
    assert "full in 2 d 0 h at today's rate" in sentence
    made._room = room._replace(warning_s=DAY)
    assert degraded(made, buffer) == []


async def test_the_rate_outlives_the_process(tmp_path: Path) -> None:
    clock, buffer = ManualClock(), Buffer()
    room = BufferSpace(tmp_path, 86_400_000, 0.0)
    made = overview(clock, buffer, room)
    await clock.advance(1000.0)
    made.count_durable(Durable("readings", b"", 1, 1, 100, 1_000_000))
    assert WRITTEN_KEY in buffer.local
    again = overview(clock, buffer, room)
    assert again._autonomy(buffer.status()) == made._autonomy(buffer.status())
    assert made._autonomy(buffer.status()).seconds == 86_400.0


def test_a_directory_that_is_gone_has_no_room(tmp_path: Path) -> None:
    assert BufferSpace(tmp_path / "gone", 1, 1.0).free() == 0


async def test_a_known_device_whose_frames_are_refused_is_said_for_a_day(tmp_path: Path) -> None:
    clock, buffer = ManualClock(), Buffer()
    made = overview(clock, buffer, BufferSpace(tmp_path, 86_400_000, 0.0))
    quarantine = Quarantine()
    quarantine.add(Candidate(id="ble:stranger", integration="bluetooth"), "not in the configuration", clock.now())
    made._quarantine = quarantine
    assert degraded(made, buffer) == []
    quarantine.refuse(Candidate(id="ble:known", integration="bluetooth"), "clear-but-keyed", clock.now())
    await clock.advance(DAY - 1.0)
    (sentence,) = degraded(made, buffer)
    assert "frames of 1 known device are refused" in sentence
    await clock.advance(2.0)
    assert degraded(made, buffer) == []


def test_records_that_the_backend_does_not_take_are_said_with_what_to_do_in_both_languages(tmp_path: Path) -> None:
    made = overview(ManualClock(), Buffer(), BufferSpace(tmp_path, 1, 0.0))
    autonomy = made._autonomy(Buffer().status())
    (sentence,) = made.degraded("", "", autonomy, rejected=7)
    assert sentence.startswith("the backend does not take 7 records")
    told = message(sentence, "fr")
    assert (told.text[:42], told.quoted) == ("Le serveur ne prend pas 7 enregistrements,", "")
    assert made.degraded("", "", autonomy, rejected=0) == []


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EROFS, "put in a new one and restore the backup"),
        (errno.EIO, "put in a new one and restore the backup"),
        (errno.ENOSPC, "free some room"),
        (errno.EACCES, ""),
    ],
)
def test_what_to_do_about_a_disk_that_takes_no_readings_is_said(number: int, remedy: str, tmp_path: Path) -> None:
    class Refusing(SystemDisk):
        def write(self, fd: int, data: bytes) -> int:
            raise OSError(number, os.strerror(number))

    file = SegmentFile(Refusing(), tmp_path / "a.seg")
    with pytest.raises(StorageError) as refused:
        file.commit()
    said = disk_remedy(reason_of(refused.value))
    assert remedy in said
    assert bool(remedy) == bool(said)
