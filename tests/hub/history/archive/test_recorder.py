"""Raw history on disk: every reading once, erased for good, purged by policy, whatever the disk does."""

import asyncio
import os
import random

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.errors import DiskRefuses, NotReady
from hub.history.archive import folder as folder_module
from hub.history.archive import recorder
from hub.history.archive.recorder import destroy
from hub.history.memory import History
from tests.hub.history.archive.kit import DAY, ROOT, START, Disk, H, shown
from tests.hub.history.archive.reader import read


async def test_what_was_said_is_read_in_the_next_life_and_by_a_reader_of_the_specification(tmp_path):
    said = [(START + 60 * n, 2000 + n % 7, n % 2) for n in range(200)]
    async with Disk(tmp_path) as disk:
        for row in said[:100]:
            disk.say(*row)
        assert await disk.write() == 200
        for row in said[100:]:
            disk.say(*row)
        assert await disk.write() == 200
        assert await disk.write() == 0
        assert disk.raw.status()["files"] == 2
    async with Disk(tmp_path, START + DAY) as disk:
        assert await disk.read() == shown([row[:2] for row in said])  # before that life wrote for the first time
        assert await disk.read("motion") == [(time, motion) for time, _, motion in said]
        begin, end = START + 3000, START + 9000
        assert await disk.read(begin=begin, end=end) == shown([row[:2] for row in said if begin <= row[0] < end])
        assert await disk.read("humidity") == []
        secrets = {one.n: one.secret for one in await disk.memory.find("salle", "temperature")}
        [number] = secrets
        found = [
            point
            for file in disk.folder.files
            for point in read((tmp_path / "raw" / file.name).read_bytes(), ROOT, secrets)[number]
        ]
        assert sorted(found) == [row[:2] for row in said]
        assert disk.raw.complaints() == []


moments = st.lists(st.tuples(st.integers(0, 30 * H), st.integers(-9999, 9999)), max_size=120)


@settings(max_examples=20, deadline=None)
@given(st.lists(moments, min_size=1, max_size=6))
def test_readings_in_any_order_in_any_number_of_writes_come_back_each_once(tmp_path_factory, batches):
    async def run():
        async with Disk(tmp_path_factory.mktemp("any")) as disk:
            for batch in batches:
                for time, value in batch:
                    disk.say(START + time, value)
                await disk.write()
            said = {(START + time, value) for batch in batches for time, value in batch}
            assert await disk.read() == shown(sorted(said))
            assert disk.raw.readings >= len(said)

    asyncio.run(run())


async def test_rows_stay_open_in_memory_when_they_are_written_and_each_is_written_once(tmp_path):
    async with Disk(tmp_path) as disk:
        counts = []
        for n in range(50):
            disk.say(START + 900 * n, n)
            if n % 4 == 3:
                counts.append(await disk.write())
        assert counts == [4] * 12
        plain = History()
        [other] = plain.bind("salle", [("temperature", "0.01")])
        for n in range(50):
            if other.add([START + 900 * n, n]):
                plain.close(other)
        [group] = disk.history.groups
        assert group.rows() == other.rows() != []
        assert [block.data for block in group.blocks] == [block.data for block in other.blocks]
        assert len(await disk.read()) == 48


async def test_it_writes_once_an_hour_or_when_enough_waits_and_everything_at_its_end(tmp_path):
    async with Disk(tmp_path) as disk:
        running = asyncio.ensure_future(disk.raw.run())
        await passed(disk, 1)
        for n in range(100):
            disk.say(START + n, n)
        await passed(disk, 3500)
        assert disk.folder.files == []
        await passed(disk, 105)
        assert len(disk.folder.files) == 1
        chance = random.Random(1)
        while disk.raw.status()["waiting"] < recorder.WRITE_AT:
            disk.say(START + n, chance.randrange(1 << 40))
            n += 1
        await passed(disk, 10)
        assert len(disk.folder.files) == 2
        disk.say(START + 90_000, 7)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (START + 90_000, 0.07) in await disk.read()


async def passed(disk, seconds):
    """Time passes; threads are waited for."""
    for _ in range(max(1, seconds // 500)):
        await disk.clock.advance(min(500, seconds))
        await asyncio.sleep(0.02)
    async with disk.raw._lock:
        pass


async def test_what_is_erased_is_unreadable_in_every_file_and_the_rest_stays(tmp_path):
    async with Disk(tmp_path) as disk:
        for n in range(90):
            disk.say(START + 60 * n, 2000 + n, n % 2)
            disk.say(START + 60 * n, 1000 + n, place="bureau")
            if n % 30 == 29 and n < 80:
                await disk.write()
        [gone] = await disk.memory.find("salle", "temperature")
        disk.history.hand_over()  # the last thirty wait to be written
        assert await disk.raw.erase("salle", "temperature") == 1
        disk.history.forget("salle", "temperature")
        await disk.write()
        assert await disk.read() == []
        assert len(await disk.read("motion")) == len(await disk.read(place="bureau")) == 90
        assert sorted(await disk.raw.series()) == [("bureau", "temperature"), ("salle", "motion")]
        newest = (tmp_path / "raw" / disk.folder.files[-1].name).read_bytes()
        assert read(newest, ROOT, {gone.n: gone.secret}) == {}, "what waited was written all the same"
        for path in tmp_path.glob("store.db*"):
            assert gone.secret not in path.read_bytes()
        disk.say(START + 9000, 2222)  # who speaks there later
        await disk.write()
        [new] = await disk.memory.find("salle", "temperature")
        assert new.n > gone.n
        assert new.secret != gone.secret
        assert await disk.read() == [(START + 9000, 22.22)]
        assert await disk.raw.erase("salle") == 2
        assert await disk.read("motion") == []


async def test_a_destroyed_secret_is_in_no_page_of_the_store_nor_in_its_backup(tmp_path):
    """The key of the store is given: what it opens holds nothing of it either."""
    async with Disk(tmp_path) as disk:
        disk.say(START, 2000)
        await disk.write()
        [gone] = await disk.memory.find("salle", "temperature")
        assert gone.secret in pages(tmp_path), "the search finds it while it is there"
        assert gone.secret not in await disk.store.image()
        await disk.raw.erase("salle")
        assert gone.secret not in pages(tmp_path)
        assert "secret" not in repr(gone)


def pages(directory):
    """The store as its holder sees it, with the key and without the encryption; and what its journal has under it."""
    plain = directory / "plain.db"
    plain.write_bytes((directory / "store.db").read_bytes())
    opened = apsw.Connection(str(plain))
    opened.execute("PRAGMA cipher = 'chacha20'")
    opened.execute(f"PRAGMA key = 'raw:{(b'k' * 32).hex()}'")
    opened.execute("PRAGMA rekey = ''")
    opened.close()
    return plain.read_bytes()


async def test_files_go_when_they_are_too_old_and_not_while_the_clock_is_unsure(tmp_path):
    async with Disk(tmp_path, keep_s=2 * DAY) as disk:
        for day in range(3):
            disk.clock.set(START + day * DAY)
            disk.say(START + day * DAY, day)
            await disk.write()
        assert len(disk.folder.files) == 3
        disk.clock.set(START + 9 * DAY, sure=False)
        await disk.raw.write()
        assert len(disk.folder.files) == 3
        disk.clock.set(START + 3 * DAY + 1)
        assert [time for time, _ in await disk.read()] == [START + 2 * DAY]  # before anything is unlinked
        await disk.raw.write()
        assert [file.last for file in disk.folder.files] == [START + 2 * DAY]
        assert len(list((tmp_path / "raw").iterdir())) == 1
        assert await disk.raw.since("salle", "temperature") == START + 2 * DAY
        assert disk.raw.complaints() == []


async def test_the_oldest_go_where_all_are_too_large_and_that_is_told(tmp_path):
    async with Disk(tmp_path, most=20_000) as disk:
        chance = random.Random(3)
        for hour in range(12):
            for n in range(400):
                disk.say(START + hour * H + n * 9, chance.randrange(1 << 30))
            await disk.write()
            assert disk.raw.status()["disk"] <= 20_000
            assert disk.raw.status()["disk"] == sum(path.stat().st_size for path in (tmp_path / "raw").iterdir())
        assert (await disk.read())[-1][0] == START + 11 * H + 399 * 9
        assert disk.folder.files[0].first > START
        assert "raise history.raw_max_size" in disk.raw.complaints()[0]


async def test_the_buffer_has_what_is_left_of_a_disk_that_runs_full(tmp_path, monkeypatch):
    async with Disk(tmp_path) as disk:
        for hour in range(3):
            disk.say(START + hour * H, hour)
            await disk.write()
        real, left = os.statvfs, folder_module.KEEP_FREE
        size = disk.folder.files[0].size

        def full(path):
            found = real(path)
            return os.statvfs_result((found.f_bsize, 1, found.f_blocks, found.f_bfree, left - size // 2, *found[5:]))

        monkeypatch.setattr(folder_module.os, "statvfs", full)
        disk.say(START + 3 * H, 3)
        assert await disk.write() == 0
        assert [file.first for file in disk.folder.files] == [START + 2 * H]  # it makes room, the oldest first
        assert "left to the buffer" in disk.raw.complaints()[0]
        monkeypatch.undo()
        assert await disk.write() == 1
        assert await disk.read() == [(START + 2 * H, 0.02), (START + 3 * H, 0.03)]


async def test_a_refused_write_keeps_what_waits_within_bounds_and_counts_what_is_lost(tmp_path, monkeypatch):
    async with Disk(tmp_path) as disk:
        monkeypatch.setattr(folder_module, "write_atomically", refuse)
        for n in range(40):
            disk.say(START + n, n)
        assert await disk.write() == 0
        assert "No space left" in disk.raw.complaints()[0]
        assert disk.raw.lost == 0
        chance = random.Random(5)
        for n in range(40, 90_000):
            disk.say(START + n, chance.randrange(1 << 60))
        assert disk.raw.status()["waiting"] <= recorder.MOST
        assert disk.raw.lost > 1000
        monkeypatch.undo()
        written = await disk.write()
        assert written + disk.raw.lost == 90_000
        assert disk.raw.complaints() == [
            f"{disk.raw.lost} readings are in no raw history on disk: the disk did not take them in time"
        ]


def refuse(path, data, mode=0o600):
    raise OSError(28, "No space left on device")


async def test_what_a_broken_twin_forgets_when_the_disk_refuses_is_seen(tmp_path, monkeypatch):
    """The same oracle as above, and a store that drops what was refused."""
    async with Disk(tmp_path) as disk:
        for n in range(40):
            disk.say(START + n, n)
        real = recorder.RawArchive._write

        async def forgets(self, root):
            try:
                return await real(self, root)
            except DiskRefuses:
                self._waiting, self._bytes = [], 0
                raise

        monkeypatch.setattr(recorder.RawArchive, "_write", forgets)
        with monkeypatch.context() as patch:
            patch.setattr(folder_module, "write_atomically", refuse)
            await disk.write()
        written = await disk.write()
        assert written + disk.raw.lost < 40


async def test_a_key_that_cannot_be_had_stops_nothing_and_is_told_with_its_remedy(tmp_path):
    answers = [NotReady("this machine has no /dev/tpmrm0"), None]

    def root():
        error = answers.pop(0)
        if error:
            raise error
        return ROOT

    async with Disk(tmp_path, root=root) as disk:
        disk.say(START, 1)
        assert await disk.write() == 0
        assert disk.raw.complaints() == ["raw history cannot be kept on disk: this machine has no /dev/tpmrm0"]
        assert await disk.read() == []
        assert await disk.write() == 1
        assert disk.raw.complaints() == []


async def test_only_what_the_owner_wants_there_is_written(tmp_path):
    async with Disk(tmp_path, wanted=lambda place, metric: metric != "motion") as disk:
        for n in range(40):
            disk.say(START + n, n, 1)
            disk.say(START + n, 1, place="couloir", columns=(("motion", "1"),))
        assert await disk.write() == 40
        assert await disk.raw.series() == [("salle", "temperature")]


async def test_what_becomes_personal_is_erased_and_what_nobody_can_judge_yet_waits(tmp_path):
    async with Disk(tmp_path) as disk:
        disk.say(START, 1, 1)
        await disk.write()
    async with Disk(tmp_path, wanted=lambda place, metric: None if metric == "motion" else False) as disk:
        await disk.raw.write()
        assert await disk.raw.series() == [("salle", "motion")]
        disk.say(START + 60, 1, 1)
        assert await disk.write() == 0


@pytest.mark.parametrize("how", ["flip", "cut", "zero", "empty", "gone", "foreign"])
async def test_a_damaged_file_costs_its_own_readings_and_is_counted_once(tmp_path, how):
    async with Disk(tmp_path) as disk:
        for hour in range(3):
            for n in range(60):
                disk.say(START + hour * H + n * 60, n, n % 2)
            await disk.write()
    path = sorted((tmp_path / "raw").iterdir())[1]
    data = bytearray(path.read_bytes())
    if how == "flip":
        data[60] ^= 4
    damaged = {"flip": data, "cut": data[:70], "zero": bytes(len(data)), "empty": b"", "foreign": b"x" * 4000}
    path.unlink() if how == "gone" else path.write_bytes(damaged[how])
    (tmp_path / "raw" / "notes.txt").write_text("somebody's")
    (tmp_path / "raw" / f".{path.name}-abc").write_text("a write that was cut short")
    async with Disk(tmp_path, START + DAY) as disk:
        await disk.raw.write()
        assert not list((tmp_path / "raw").glob(".*"))
        for _ in range(2):
            found = [time for time, _ in await disk.read()]
            assert len(found) == 120
            assert not [time for time in found if START + H <= time < START + 2 * H]
        assert disk.raw.damaged == (how != "gone")
        assert disk.raw.complaints() == (
            [] if how == "gone" else ["1 part of raw history on disk is damaged; it shows as a gap"]
        )


async def test_a_damaged_block_costs_one_series_in_one_hour(tmp_path):
    async with Disk(tmp_path) as disk:
        for n in range(60):
            disk.say(START + n * 60, n, n % 2)
        await disk.write()
        path = next((tmp_path / "raw").iterdir())
        data = bytearray(path.read_bytes())
        data[-3] ^= 1  # of the last block
        path.write_bytes(data)
        kept = sorted([len(await disk.read(metric)) for metric in ("temperature", "motion")])
        assert kept == [0, 60]
        assert disk.raw.damaged == 1


async def test_another_root_key_opens_nothing_and_is_no_crash(tmp_path):
    async with Disk(tmp_path) as disk:
        disk.say(START, 1)
        await disk.write()
    async with Disk(tmp_path, root=lambda: b"x" * 32) as disk:
        await disk.raw.write()
        assert await disk.read() == []
        assert disk.raw.damaged == 1


async def test_raw_history_that_is_no_longer_wanted_is_destroyed_whole(tmp_path):
    async with Disk(tmp_path) as disk:
        disk.say(START, 1)
        await disk.write()
        await destroy(disk.folder, disk.memory)
        assert list((tmp_path / "raw").iterdir()) == []
        assert await disk.memory.names() == []


async def test_a_start_looks_at_names_alone_however_much_lies_there(tmp_path):
    (tmp_path / "raw").mkdir()
    for n in range(2200):
        (tmp_path / "raw" / f"{START + n * H:010d}-{START + n * H + 3599:010d}-{n:08x}.raw").touch()
    opened = []
    async with Disk(tmp_path, START + 2200 * H, keep_s=100 * DAY) as disk:
        disk.folder.path = tmp_path / "raw"
        disk.raw._of = lambda *a: opened.append(a) or iter(())
        await disk.raw.write()
        assert len(disk.folder.files) == 2200
        assert opened == []
