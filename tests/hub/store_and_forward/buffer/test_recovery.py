"""What a hub finds again after damage: a flipped bit costs at most one record, declared; a torn tail is cut."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

import pytest
from buffer_kit import SMALL, Backend, FaultyDisk, Party, batch, io_error, row, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.errors import DecodeError, DiskRefuses, SegmentDamaged, StorageError
from hub.protocol.records import framing
from hub.protocol.records.opening import split
from hub.protocol.records.rows import ALERTS, READINGS
from hub.store_and_forward.acked_ranges import ACK_KEY, range_key
from hub.store_and_forward.buffer.disk import SystemDisk
from hub.store_and_forward.buffer.inspect import export, verify
from hub.store_and_forward.buffer.recovery import Scan
from hub.store_and_forward.buffer.segment import SegmentName

COMMITS, PER_COMMIT = 7, 20


@pytest.fixture(scope="module")
def whole(party: Party, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two segments of readings and one of alerts, every commit whole."""
    directory = tmp_path_factory.mktemp("whole")
    journal = party.journal(directory)
    for at in range(COMMITS):
        made = rows(at * PER_COMMIT, PER_COMMIT)
        journal.commit(batch(made[:-2], made[-2:], local={"at": at}))
        if at == COMMITS // 2:
            journal.writers[READINGS].close()
    journal.close()
    return directory


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Iterator[Path]:
    shutil.copytree(whole, tmp_path / "copy")
    yield tmp_path / "copy"
    shutil.rmtree(tmp_path / "copy")


def recovered(party: Party, directory: Path) -> Backend:
    """Everything a backend gets from `directory` after a restart, the GAPs of it included."""
    journal = party.journal(directory)
    backend = party.reader()
    backend.drain(journal)
    journal.commit(batch(rows(1000, 1)))
    backend.drain(journal)
    journal.close()
    return backend


PER_RECORD = {ALERTS: 2, READINGS: PER_COMMIT - 2}


def lost(backend: Backend) -> int:
    """How many records are missing; asserts that each is declared, with the right number of readings."""
    gone = 0
    for gap in backend.gaps:
        count = gap.last - gap.first + 1
        gone += count
        assert gap.readings == 2 * count * PER_RECORD[gap.stream]
        assert gap.reason == "damaged"
        assert 1_800_000_000 - SMALL.window_s <= gap.from_s <= 1_800_000_000 <= gap.to_s
        for seq in range(gap.first, gap.last + 1):
            assert (gap.stream, gap.run, seq) not in backend.digests
    found = set(backend.all_numbers) - {1000}
    missing = set(range(COMMITS * PER_COMMIT)) - found
    assert len(missing) == sum(gap.readings for gap in backend.gaps) // 2
    return gone


def flip(path: Path, at: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(bytes(data))


def segments(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*.seg"))


def test_nothing_is_lost_when_nothing_is_damaged(party: Party, copy: Path) -> None:
    assert lost(recovered(party, copy)) == 0


@given(st.data())
@settings(max_examples=250, deadline=None)
def test_a_flipped_bit_anywhere_costs_at_most_the_record_it_hits_and_is_declared(
    party: Party, whole: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("flip")
    shutil.copytree(whole, directory, dirs_exist_ok=True)
    path = data.draw(st.sampled_from(segments(directory)))
    at = data.draw(st.integers(0, path.stat().st_size - 1))
    hit = next(
        (head.kind for head in Scan.of(path.read_bytes()).heads if head.offset <= at < head.offset + head.size), None
    )
    flip(path, at, data.draw(st.integers(0, 7)))
    assert lost(recovered(party, directory)) == (1 if hit in framing.NUMBERED else 0)
    shutil.rmtree(directory)


def test_every_byte_of_the_last_committed_record_is_guarded(party: Party, whole: Path, tmp_path: Path) -> None:
    """The last record has no successor that shows it existed: its damage must still be told from a torn write."""
    directory = tmp_path / "last"
    name = segments(whole)[0].relative_to(whole)  # alerts: no LOCAL after the block
    head = Scan.of((whole / name).read_bytes()).heads[-1]
    assert head.kind == framing.BLOCK
    for at in range(head.offset, head.offset + head.size, 3):
        shutil.copytree(whole, directory)
        flip(directory / name, at, at % 8)
        assert lost(recovered(party, directory)) == 1
        shutil.rmtree(directory)


def last_commit(path: Path) -> tuple[bytes, int]:
    """A segment's bytes, and where the last of its commits begins."""
    scan = Scan.of(path.read_bytes())
    ends = [head.offset + head.size for head in scan.heads if not head.more]
    assert ends[-1] == len(scan.data)
    return scan.data, ends[-2]


def test_a_torn_tail_is_cut_at_every_length(party: Party, whole: Path, tmp_path: Path) -> None:
    """Back to the commit before: its readings and the counters of their frames, or neither."""
    directory = tmp_path / "torn"
    name = segments(whole)[-1].relative_to(whole)
    data, start = last_commit(whole / name)
    sectors = range((start // 512 + 1) * 512, len(data), 512)
    torn = [data[:end] for end in range(start, len(data), 5)]
    torn += [data[:end] + bytes(size) for end in (start, *sectors) for size in (len(data) - end, 700)]
    assert sectors
    for found in torn:
        shutil.copytree(whole, directory)
        (directory / name).write_bytes(found)
        assert sum(report.torn for report in verify(directory)) == len(found) - start
        journal = party.journal(directory)
        assert (journal.cut, journal.local["at"]) == (len(found) - start, COMMITS - 2)
        backend = party.reader()
        backend.drain(journal)
        assert not journal.has_urgent_rows
        assert len(backend.all_numbers) == COMMITS * PER_COMMIT - (PER_COMMIT - 2)
        journal.close()
        assert (directory / name).stat().st_size == start
        shutil.rmtree(directory)


def in_two_blocks(party: Party, directory: Path, size: int = 10) -> Path:
    """One segment, whose last commit is two blocks of `size` rows and a LOCAL; that is promised."""
    journal = party.journal(directory)
    for at in range(3):
        first = 2 * size * at
        known, monotonic = rows(first, size), [row(first + n, sure=False) for n in range(size, 2 * size)]
        journal.commit(batch(known + monotonic, local={"at": at}))
    journal.close()
    return segments(directory)[-1]


def test_a_flipped_bit_anywhere_in_the_last_promised_commit_makes_nothing_of_it_vanish_undeclared(
    party: Party, tmp_path: Path
) -> None:
    path = in_two_blocks(party, tmp_path / "b")
    data, start = last_commit(path)
    heads = [head for head in Scan.of(data).heads if head.offset >= start]
    assert [(head.kind, head.more) for head in heads] == [
        (framing.BLOCK, True),
        (framing.BLOCK, True),
        (framing.LOCAL, False),
    ]
    for head in heads:
        for at in [
            *range(head.offset, head.offset + framing.HEADER_SIZE),
            *range(head.offset, head.offset + head.size, 7),
        ]:
            path.write_bytes(data)
            flip(path, at, at % 8)
            journal = party.journal(tmp_path / "b")
            backend = party.reader()
            backend.drain(journal)
            claimed = {head.seq} if head.kind == framing.BLOCK else set()
            assert {seq for gap in journal._gaps for seq in range(gap.first, gap.last + 1)} == claimed, at
            assert len(backend.all_numbers) == 60 - 10 * len(claimed), at
            assert journal.local["at"] == (1 if head.kind == framing.LOCAL else 2), at
            journal.close()
            assert path.stat().st_size == len(data), "and what may have been promised stays"


@pytest.mark.parametrize("also_cut", [0, 20])
def test_a_sector_lost_from_the_last_commit_takes_all_of_it_and_is_declared(
    party: Party, tmp_path: Path, also_cut: int
) -> None:
    """Its readings and the counters of their frames, or neither; told once, also when two starts find it so."""
    path = in_two_blocks(party, tmp_path / "b", 300)
    data, start = last_commit(path)
    commit = [head.seq for head in Scan.of(data).heads if head.kind == framing.BLOCK and start <= head.offset]
    assert commit == [5, 6]
    run = SegmentName.parse(path.name).run  # type: ignore[union-attr]
    for at in (start, *range((start // 512 + 1) * 512, len(data) // 512 * 512, 512)):
        end = (at // 512 + 1) * 512
        found = (data[:at] + bytes(end - at) + data[end:])[: len(data) - also_cut]
        path.write_bytes(found)
        assert [(report.whole, report.torn, report.last) for report in verify(tmp_path / "b")] == [(False, 0, 4)]
        for _ in range(2):
            journal = party.journal(tmp_path / "b")
            assert (journal.local["at"], journal.cut) == (1, 0)
            backend = party.reader()
            backend.drain(journal)
            assert len(backend.all_numbers) == 1200
            journal.close()
            assert path.read_bytes() == found, "nothing is taken away that may have been promised"
        journal = party.journal(tmp_path / "b")
        journal.commit(batch(rows(5000, 1)))
        backend.drain(journal)
        assert backend.openers[backend.eid].epoch.previous_digest == bytes(32)
        journal.close()
        later = party.journal(tmp_path / "b")
        backend.drain(later)
        later.commit(batch(rows(5001, 1)))
        backend.drain(later)
        assert later.local["at"] == 1
        later.close()
        assert backend.all_numbers == [*range(1200), 5000, 5001]
        assert {(gap.run, gap.first, gap.last, gap.readings) for gap in backend.gaps} == {(run, 5, 6, 1200)}
        for other in segments(tmp_path / "b"):
            if other != path:
                other.unlink()


@pytest.mark.parametrize("lost", ["a sector", "its end"])
def test_the_second_copy_of_a_table_in_a_commit_that_does_not_count_opens_the_blocks_before_it(
    party: Party, tmp_path: Path, lost: str
) -> None:
    journal = party.journal(tmp_path / "b")
    for at in range(2):
        journal.commit(batch(rows(300 * at, 300)))
    journal.close()
    path = segments(tmp_path / "b")[-1]
    data, start = last_commit(path)
    heads = Scan.of(data).heads
    context = [head.kind for head in heads if head.offset >= start]
    assert context == [framing.EPOCH, framing.TABLE, framing.BLOCK]
    at = (heads[-1].offset // 512 + 1) * 512
    found = bytearray(data[:at] + bytes(512) + data[at + 512 :] if lost == "a sector" else data[:-30])
    table = next(head for head in heads if head.kind == framing.TABLE)
    found[table.offset + 50] ^= 1
    path.write_bytes(bytes(found))
    journal = party.journal(tmp_path / "b")
    backend = party.reader()
    backend.drain(journal)
    assert backend.all_numbers == [*range(300)]
    assert [(gap.first, gap.last) for gap in journal._gaps] == ([(2, 2)] if lost == "a sector" else [])
    journal.close()


def test_a_sector_lost_after_a_start_took_its_commit_for_whole_costs_that_record_alone(
    party: Party, tmp_path: Path
) -> None:
    path = in_two_blocks(party, tmp_path / "b", 300)
    data, start = last_commit(path)
    restarted(party, tmp_path / "b", 5000)
    first = next(head for head in Scan.of(data).heads if head.offset == start)
    at = (start // 512 + 1) * 512
    assert first.seq == 5
    assert at + 512 < first.offset + first.size
    path.write_bytes(data[:at] + bytes(512) + data[at + 512 :])
    journal = party.journal(tmp_path / "b")
    backend = party.reader()
    backend.drain(journal)
    assert [(gap.first, gap.last, gap.readings) for gap in journal._gaps] == [(5, 5, 600)]
    assert len(backend.all_numbers) == 1800 - 300 + 1
    journal.close()


def test_a_run_that_follows_a_cut_names_the_last_number_of_a_finished_commit(party: Party, tmp_path: Path) -> None:
    path = in_two_blocks(party, tmp_path / "b")
    data, start = last_commit(path)
    path.write_bytes(data[:-3])
    journal = party.journal(tmp_path / "b")
    (state,) = journal.catalog.states()
    journal.commit(batch(rows(1000, 1)))
    backend = party.reader()
    backend.drain(journal)
    journal.close()
    epochs = [opener.epoch for opener in backend.openers.values()]
    assert [(epoch.previous_seq, epoch.previous_digest) for epoch in epochs] == [(0, bytes(32)), (4, state.digest)]
    assert backend.digests[READINGS, state.run, 4] == state.digest
    assert start < len(data)
    assert sorted(seq for _, run, seq in backend.digests if run != state.run) == [1]


def test_an_unfinished_commit_that_the_disk_did_not_let_a_start_cut_counts_no_more_at_a_later_one(
    party: Party, tmp_path: Path
) -> None:
    path = in_two_blocks(party, tmp_path / "b")
    data, _ = last_commit(path)
    path.write_bytes(data[:-3])  # within the counters: the blocks before them are intact
    disk = FaultyDisk()
    disk.fail["cut"] = [io_error()] * 4
    journal = party.journal(tmp_path / "b", disk)
    assert "not delivered" in journal.errors[0]
    journal.commit(batch(rows(1000, 1)))
    journal.close()
    journal = party.journal(tmp_path / "b")
    backend = party.reader()
    backend.drain(journal)
    journal.close()
    assert backend.all_numbers == [*range(40), 1000]
    assert not backend.gaps


def test_a_first_commit_that_never_finished_takes_its_snapshot_of_the_counters_along(
    party: Party, copy: Path, tmp_path: Path
) -> None:
    shutil.copytree(copy, tmp_path / "one more")
    restarted(party, tmp_path / "one more")
    (fresh,) = {p.name for p in segments(tmp_path / "one more")} - {p.name for p in segments(copy)}
    scan = Scan.of((tmp_path / "one more" / READINGS / fresh).read_bytes())
    assert [head.kind for head in scan.heads] == [framing.EPOCH, framing.LOCAL, framing.TABLE, framing.BLOCK]
    for head in scan.heads:
        (copy / READINGS / fresh).write_bytes(scan.data[: head.offset + head.size - (head is scan.heads[-1])])
        journal = party.journal(copy)
        assert not (copy / READINGS / fresh).exists()
        assert journal.local["at"] == COMMITS - 1
        journal.close()
    assert lost(recovered(party, copy)) == 0


def test_a_buffer_whose_commits_are_not_marked_is_read_as_before(party: Party, tmp_path: Path) -> None:
    """As hubs wrote it before: no record says that more of its commit follow."""
    with mock.patch.object(framing, "MORE", 0):
        path = in_two_blocks(party, tmp_path / "b")
    data = path.read_bytes()
    assert not any(head.more for head in Scan.of(data).heads)
    assert lost_rows(party, tmp_path / "b") == (set(), 2)
    path.write_bytes(data[:-1])
    assert lost_rows(party, tmp_path / "b") == (set(), 1), "the torn record alone is cut"


def lost_rows(party: Party, directory: Path) -> tuple[set[int], int]:
    """Which of the sixty rows are gone, and the counter remembered."""
    journal = party.journal(directory)
    backend = party.reader()
    backend.drain(journal)
    journal.close()
    return set(range(60)) - set(backend.all_numbers), journal.local["at"]


@pytest.mark.parametrize("size", [0, 4, 8, 30, 1000, 3000])
def test_a_first_commit_that_never_finished_leaves_no_segment(party: Party, copy: Path, size: int) -> None:
    numbered = copy.parent / "donor" / ALERTS
    numbered.mkdir(parents=True)
    (numbered / str(SegmentName(98, b"r" * 16, 1))).touch()  # so that the next one has number 99
    donor = party.journal(copy.parent / "donor")
    donor.commit(batch([], rows(0, 1)))
    (path,) = numbered.iterdir()
    fresh = copy / ALERTS / path.name
    data = path.read_bytes()
    table = next(head for head in Scan.of(data).heads if head.kind == framing.TABLE)
    fresh.write_bytes(data[: min(size, table.offset + 5)])
    journal = party.journal(copy)
    assert not fresh.exists()
    journal.commit(batch([], rows(2000, 1)))
    assert journal.catalog.of(ALERTS)[-1].number == 100
    journal.close()
    backend = recovered(party, copy)
    backend.numbers = {key: numbers for key, numbers in backend.numbers.items() if numbers != [2000]}
    assert lost(backend) == 0


def test_a_zeroed_block_is_declared(party: Party, copy: Path) -> None:
    path = segments(copy)[1]
    scan = Scan.of(path.read_bytes())
    blocks = [head for head in scan.heads if head.kind == framing.BLOCK]
    data = bytearray(scan.data)
    for head in blocks[1:3]:
        data[head.offset : head.offset + head.size] = bytes(head.size)
    path.write_bytes(bytes(data))
    assert lost(recovered(party, copy)) == 2


def test_a_segment_without_its_epoch_is_declared_whole(party: Party, copy: Path) -> None:
    path = segments(copy)[1]
    scan = Scan.of(path.read_bytes())
    data = bytearray(scan.data)
    epochs = [head for head in scan.heads if head.kind == framing.EPOCH]
    assert len(epochs) == 2
    for head in epochs:
        data[head.offset + 200] ^= 1
    path.write_bytes(bytes(data))
    assert lost(recovered(party, copy)) == COMMITS // 2 + 1


def test_duplicated_and_swapped_records_change_nothing(party: Party, copy: Path) -> None:
    path = segments(copy)[1]
    scan = Scan.of(path.read_bytes())
    raws = [scan.raw(head) for head in scan.heads]
    blocks = [at for at, head in enumerate(scan.heads) if head.kind == framing.BLOCK]
    raws[blocks[1]], raws[blocks[2]] = raws[blocks[2]], raws[blocks[1]]
    path.write_bytes(scan.data[:8] + b"".join(raws) + raws[blocks[0]])
    assert lost(recovered(party, copy)) == 0


def test_a_copy_of_an_older_state_of_the_hub_behind_the_newest_takes_no_counter_back(party: Party, copy: Path) -> None:
    path = segments(copy)[-1]
    scan = Scan.of(path.read_bytes())
    local = [scan.raw(head) for head in scan.heads if head.kind == framing.LOCAL]
    assert len(local) > 2
    for copies in ([local[0]], local[1:2], local[::-1]):
        path.write_bytes(scan.data + b"".join(copies))
        journal = party.journal(copy)
        assert journal.local["at"] == COMMITS - 1
        journal.close()


def test_a_deleted_segment_is_declared_by_the_next_process_that_knows_of_it(party: Party, copy: Path) -> None:
    journal = party.journal(copy)
    segments(copy)[1].unlink()
    backend = party.reader()
    backend.drain(journal)
    journal.commit(batch(rows(1000, 1)))
    backend.drain(journal)
    assert [(gap.stream, gap.first, gap.last) for gap in backend.gaps] == [(READINGS, 1, COMMITS // 2 + 1)]


def test_a_damaged_last_record_is_declared_also_when_the_process_that_found_it_had_no_time_for_it(
    party: Party, tmp_path: Path
) -> None:
    """The next run names it, in the first alert already, before any LOCAL says what the segment held."""
    journal = party.journal(tmp_path / "b")
    for at in range(2):
        journal.commit(batch([], rows(3 * at, 3)))
    journal.close()
    (path,) = segments(tmp_path / "b")
    flip(path, path.stat().st_size - 30, 1)
    journal = party.journal(tmp_path / "b")
    journal.commit(batch([], rows(6, 1)))
    journal.close()
    journal = party.journal(tmp_path / "b")
    backend = party.reader()
    backend.drain(journal)
    assert [(gap.stream, gap.first, gap.last) for gap in journal._gaps] == [(ALERTS, 2, 2)]
    assert backend.all_numbers == [0, 1, 2, 6]
    journal.close()


def test_damage_is_declared_once(party: Party, copy: Path) -> None:
    path = segments(copy)[1]
    block = next(head for head in Scan.of(path.read_bytes()).heads if head.kind == framing.BLOCK)
    flip(path, block.offset + 50, 1)
    backend = party.reader()
    for _ in range(3):
        journal = party.journal(copy)
        for _ in range(2):
            backend.drain(journal)
            journal.commit(batch(rows(1000, 1)))
        journal.close()
    backend.drain(party.journal(copy))
    assert len({(gap.first, gap.last) for gap in backend.gaps}) == 1
    assert len([key for key in backend.digests if key not in backend.numbers]) == 1


def test_what_was_whole_when_it_was_found_and_is_damaged_when_it_is_sent_is_declared(party: Party, copy: Path) -> None:
    journal = party.journal(copy)
    party.reader().drain(journal)
    path = segments(copy)[1]
    block = [head for head in Scan.of(path.read_bytes()).heads if head.kind == framing.BLOCK][1]
    flip(path, block.offset + 50, 1)
    backend = party.reader()
    backend.drain(journal)
    assert journal.has_urgent_rows
    journal.commit(batch(rows(1000, 1)))
    backend.drain(journal)
    assert [(gap.stream, gap.first, gap.last, gap.readings) for gap in backend.gaps] == [
        (READINGS, block.seq, block.seq, block.readings)
    ]
    journal.close()


def test_damage_in_what_is_acked_is_no_gap(party: Party, copy: Path) -> None:
    path = segments(copy)[1]
    block = next(head for head in Scan.of(path.read_bytes()).heads if head.kind == framing.BLOCK)
    flip(path, block.offset + 50, 1)
    journal = party.journal(copy)
    run = journal.catalog.of(READINGS)[0].run
    journal.acked.durable.add(READINGS, run, 1, 1)
    party.reader().drain(journal)
    assert not journal.has_urgent_rows


def test_files_that_are_no_segments_are_left_alone(party: Party, copy: Path) -> None:
    (copy / READINGS / "notes.txt").write_text("mine")
    (copy / READINGS / "1-2-3.seg").write_text("mine too")
    assert lost(recovered(party, copy)) == 0
    assert (copy / READINGS / "notes.txt").read_text() == "mine"


def test_a_segment_that_cannot_be_synced_is_not_delivered(party: Party, copy: Path) -> None:
    disk = FaultyDisk()
    disk.fail["cut"] = [io_error()] * 4  # of the readings, which come first, for as long as it is tried
    journal = party.journal(copy, disk)
    backend = party.reader()
    backend.drain(journal)
    assert "not delivered" in journal.errors[0]
    delivered = {key for key in backend.numbers if key[0] == READINGS}
    assert len(delivered) == COMMITS // 2 + 1, "the closed segment, and not the last one"
    assert {key[0] for key in backend.numbers} == {ALERTS, READINGS}
    assert not disk.fail["cut"]
    journal.close()
    assert lost(recovered(party, copy)) == 0


@pytest.mark.parametrize("call", ["cut", "sync_directory"])
@pytest.mark.parametrize("stream", [READINGS, ALERTS])
def test_what_the_disk_did_not_let_a_start_sync_keeps_its_counters_and_is_not_declared_lost(
    party: Party, copy: Path, call: str, stream: str
) -> None:
    journal = party.journal(copy)
    journal.commit(batch(rows(1000, 1), local={"at": 99}))  # tells the books of the run before, too
    journal.close()
    disk = FaultyDisk()
    disk.fail[call] = [*([None] * (stream == ALERTS)), *([io_error()] * 4)]
    journal = party.journal(copy, disk)
    assert "delivered" in journal.errors[0]
    assert journal.local["at"] == 99
    books = set(journal._manifest._told)
    journal.commit(batch(rows(1001, 1)))
    journal.close()
    assert books <= set(journal._manifest._told), "one that vanishes meanwhile is still known"
    journal = party.journal(copy)
    assert journal.local["at"] == 99
    backend = party.reader()
    backend.drain(journal)
    journal.close()
    assert not backend.gaps
    assert set(range(COMMITS * PER_COMMIT)) < set(backend.all_numbers)


def test_nothing_of_a_directory_that_cannot_be_synced_is_delivered(party: Party, copy: Path) -> None:
    disk = FaultyDisk()
    disk.fail["sync_directory"] = [io_error()] * 4  # of the readings, which come first, for as long as it is tried
    journal = party.journal(copy, disk)
    backend = party.reader()
    backend.drain(journal)
    assert "nothing found in it is delivered" in journal.errors[0]
    assert {key[0] for key in backend.numbers} == {ALERTS}
    journal.close()
    assert lost(recovered(party, copy)) == 0


def test_a_sync_that_is_refused_for_a_moment_delays_a_start_and_costs_nothing(party: Party, copy: Path) -> None:
    disk = FaultyDisk()
    disk.fail["cut"] = [io_error(), io_error()]
    disk.fail["sync_directory"] = [io_error()]
    journal = party.journal(copy, disk)
    assert journal.errors == []
    backend = party.reader()
    backend.drain(journal)
    assert backend.all_numbers == list(range(COMMITS * PER_COMMIT))
    assert disk.slept
    journal.close()


def test_a_directory_that_the_disk_refuses_is_worth_trying_again(party: Party, copy: Path) -> None:
    disk = FaultyDisk()
    disk.names = lambda directory: (_ for _ in ()).throw(io_error())  # type: ignore[method-assign]
    with pytest.raises(DiskRefuses):
        party.journal(copy, disk)


def test_verify_names_what_is_damaged_without_a_key(party: Party, copy: Path) -> None:
    reports = verify(copy)
    assert all(report.whole for report in reports)
    assert sum(report.records for report in reports) == 2 * COMMITS
    assert sum(report.readings for report in reports) == 2 * COMMITS * PER_COMMIT
    path = segments(copy)[1]
    blocks = [head for head in Scan.of(path.read_bytes()).heads if head.kind == framing.BLOCK]
    flip(path, blocks[1].offset + 60, 3)
    last = segments(copy)[-1]
    last.write_bytes(last.read_bytes() + blocks_head(blocks[1]))
    damaged = {report.path: report for report in verify(copy)}
    assert damaged[str(path)].missing == ((2, 2),)
    assert damaged[str(path)].damaged == ((blocks[1].offset, blocks[1].offset + blocks[1].size),)
    assert not damaged[str(path)].whole
    assert damaged[str(last)].torn == framing.HEADER_SIZE
    assert damaged[str(last)].whole


def blocks_head(head: framing.Head) -> bytes:
    """The beginning of a record, as a write that was cut leaves it."""
    return framing.pack_header(framing.BLOCK, 500, readings=1, seq=head.seq, total=1, commit_s=1)


def test_an_export_opens_like_the_segments(party: Party, copy: Path, tmp_path: Path) -> None:
    out = tmp_path / "all.records"
    assert export(copy, out) == 2 * COMMITS
    backend = party.reader()
    for raw in split(out.read_bytes()):
        backend.take(raw)
    assert backend.all_numbers == list(range(COMMITS * PER_COMMIT))
    assert export(copy, tmp_path / "closed", running=True) == COMMITS // 2 + 1
    with pytest.raises(StorageError):
        export(copy, out)
    with pytest.raises(StorageError):
        verify(tmp_path / "nowhere")
    with pytest.raises(SegmentDamaged):
        list(split(out.read_bytes()[:-1]))
    last = segments(copy)[-1]
    data, _ = last_commit(last)
    last.write_bytes(data[:-1])
    assert export(copy, tmp_path / "torn") == 2 * COMMITS - 1, "a commit that never finished counts for nothing"


def test_what_a_later_segment_supersedes_is_not_exported(party: Party, tmp_path: Path) -> None:
    disk = FaultyDisk()
    journal = party.journal(tmp_path / "b", disk)
    journal.commit(batch(rows(0, 3)))
    disk.fail["sync"] = [io_error()]
    pending = batch(rows(3, 3))
    with pytest.raises(StorageError):
        journal.commit(pending)
    journal.commit(pending)
    assert export(tmp_path / "b", tmp_path / "out") == 2
    backend = party.reader()
    for raw in split((tmp_path / "out").read_bytes()):
        backend.take(raw)
    assert backend.all_numbers == list(range(6))
    assert [report.last for report in verify(tmp_path / "b")] == [1, 2]
    assert SMALL.segment_bytes > 0


def test_a_sector_that_the_medium_refuses_to_read_does_not_pass_for_one_never_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, sector, real = tmp_path / "file", 4096, os.pread
    file.write_bytes(b"A" * sector + b"B" * sector)

    def pread(fd: int, size: int, offset: int) -> bytes:
        if offset + size > sector:
            raise OSError(errno.EIO, "Input/output error")
        return real(fd, size, offset)

    slept: list[float] = []
    monkeypatch.setattr(os, "pread", pread)
    monkeypatch.setattr(SystemDisk, "sleep", lambda self, seconds: slept.append(seconds))
    disk = SystemDisk()
    data = disk.read(file)
    assert (len(data), data[:sector]) == (2 * sector, b"A" * sector)
    for _ in range(100):
        assert disk.read(file) == data
    assert 3.0 < sum(slept) <= 30.0, "a dead card may not delay the hub for ever"
    assert not framing.torn(data, sector), "a tail that may have been durable is declared, not cut"


@pytest.mark.parametrize("patient", [True, False])
def test_a_read_that_is_refused_for_a_moment_is_tried_again_and_a_twin_that_is_not_patient_declares_what_is_there(
    party: Party, copy: Path, monkeypatch: pytest.MonkeyPatch, patient: bool
) -> None:
    real, refusals = os.pread, [0]

    def pread(fd: int, size: int, offset: int) -> bytes:
        refusals[0] += 1
        if refusals[0] % 5:  # four in a row, then one that passes
            raise OSError(errno.EIO, "Input/output error")
        return real(fd, size, offset)

    slept: list[float] = []
    monkeypatch.setattr(os, "pread", pread)
    monkeypatch.setattr(SystemDisk, "sleep", lambda self, seconds: slept.append(seconds))
    if not patient:
        monkeypatch.setattr("hub.store_and_forward.buffer.disk._PAUSES", ())
    journal = party.journal(copy)
    backend = party.reader()
    with nullcontext() if patient else pytest.raises((AssertionError, DecodeError)):
        backend.drain(journal)
        assert not journal.has_urgent_rows
        assert backend.all_numbers == list(range(COMMITS * PER_COMMIT))
    assert bool(slept) is patient
    journal.close()


def restarted(party: Party, directory: Path, number: int = 2000) -> None:
    """One more process, which tells what it found and leaves one row."""
    journal = party.journal(directory)
    journal.commit(batch(rows(number, 1)))
    journal.close()


def destroy(directory: Path, victim: Path, how: str) -> None:
    others = [path for path in segments(directory) if path.parent == victim.parent and path != victim]
    if how == "deleted":
        victim.unlink()
    elif how == "another one over it":
        victim.write_bytes(others[0].read_bytes())
    else:
        victim.write_bytes(victim.read_bytes()[:2700])  # most of its first epoch


@pytest.mark.parametrize("how", ["deleted", "another one over it", "cut to its beginning"])
@pytest.mark.parametrize("which", [1, 2])
def test_a_closed_segment_that_is_gone_is_declared_with_exactly_what_it_held(
    party: Party, copy: Path, how: str, which: int
) -> None:
    restarted(party, copy)
    victim = segments(copy)[which]  # the first of its run, the last of its run: no neighbour tells
    held = COMMITS // 2 + (which == 1)
    destroy(copy, victim, how)
    backend = recovered(party, copy)
    backend.numbers = {key: numbers for key, numbers in backend.numbers.items() if numbers != [2000]}
    assert lost(backend) == held
    again = party.journal(copy)
    assert not again.has_urgent_rows, "it is declared once"
    again.close()


def test_a_run_that_is_gone_wholly_is_declared(party: Party, copy: Path) -> None:
    restarted(party, copy)
    for victim in segments(copy)[1:3]:
        victim.unlink()
    backend = recovered(party, copy)
    backend.numbers = {key: numbers for key, numbers in backend.numbers.items() if numbers != [2000]}
    assert lost(backend) == COMMITS


def test_what_the_hub_itself_unlinked_is_never_declared(party: Party, copy: Path) -> None:
    for at in range(4):
        journal = party.journal(copy)
        acks = {
            range_key(ACK_KEY, state.stream, state.run): [[state.first, state.last]]
            for state in journal.catalog.states()
        }
        journal.commit(batch(rows(2000 + at, 1), local=acks))
        journal.commit(batch(rows(3000 + at, 1)))
        assert not journal.has_urgent_rows
        journal.close()
    assert len(segments(copy)) < 4, "the test must have unlinked something"


def test_segments_under_each_others_names_are_taken_for_what_they_are(party: Party, copy: Path) -> None:
    restarted(party, copy)
    paths = segments(copy)[1:4]
    data = [path.read_bytes() for path in paths]
    for path, other in zip(paths, data[1:] + data[:1], strict=True):
        path.write_bytes(other)
    backend = recovered(party, copy)
    backend.numbers = {key: numbers for key, numbers in backend.numbers.items() if numbers != [2000]}
    assert lost(backend) == 0


def test_a_segment_of_the_other_stream_is_left_alone_and_named(party: Party, copy: Path) -> None:
    readings = segments(copy)[1]
    name = SegmentName.parse(readings.name)
    assert name is not None
    stranger = copy / ALERTS / str(name._replace(number=77))
    shutil.copy(readings, stranger)
    journal = party.journal(copy)
    assert journal.errors == [f"{stranger.name}: it belongs to another stream or hub; left alone"]
    journal.close()
    assert stranger.exists()
    assert lost(recovered(party, copy)) == 0


def test_a_copy_of_a_segment_counts_nothing_and_is_left_alone(party: Party, copy: Path) -> None:
    original = segments(copy)[1]
    name = SegmentName.parse(original.name)
    assert name is not None
    other = original.with_name(str(name._replace(number=77)))
    shutil.copy(original, other)
    journal = party.journal(copy)
    assert journal.errors == [f"{other.name}: a copy of {original.name}; left alone"]
    assert [info.path for info in journal.catalog.of(READINGS)] == segments(copy)[1:3]
    journal.commit(batch(rows(2000, 1)))
    assert journal.catalog.of(READINGS)[-1].number == 78
    journal.close()
    assert other.exists()


def test_a_segment_that_was_put_here_with_the_number_of_another_is_named_and_both_stay(
    party: Party, copy: Path, tmp_path: Path
) -> None:
    in_two_blocks(party, tmp_path / "elsewhere")
    (strange,) = segments(tmp_path / "elsewhere")
    shutil.copy(strange, copy / READINGS)
    for _ in range(2):
        journal = party.journal(copy)
        (error,) = journal.errors
        assert "left alone" in error
        assert "ilot buffer send" in error
        left = error.partition(":")[0]
        assert {info.path.name for info in journal.catalog.of(READINGS)} == {p.name for p in segments(copy)} - {left}
        journal.close()
    (copy / READINGS / strange.name).unlink()
    assert lost(recovered(party, copy)) == 0


def test_an_export_of_files_under_each_others_names_holds_everything(party: Party, copy: Path, tmp_path: Path) -> None:
    one, other = segments(copy)[1:3]
    data = one.read_bytes(), other.read_bytes()
    other.write_bytes(data[0])
    one.write_bytes(data[1])
    assert all(report.whole for report in verify(copy))
    out = tmp_path / "all.records"
    assert export(copy, out) == 2 * COMMITS
    backend = party.reader()
    for raw in split(out.read_bytes()):
        backend.take(raw)
    assert backend.all_numbers == list(range(COMMITS * PER_COMMIT))
