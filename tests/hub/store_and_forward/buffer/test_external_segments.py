"""Segments in a foreign place: what counts is read, what is damaged or another's is told, and nothing is touched."""

from __future__ import annotations

import shutil
from pathlib import Path
from zlib import crc32

from buffer_kit import SMALL, Backend, Party, batch, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.protocol.records import framing
from hub.protocol.records.rows import ALERTS, READINGS
from hub.store_and_forward.buffer.external_segments import ExternalSegments, homes
from hub.store_and_forward.buffer.segment import MAGIC, SegmentName


def written(party: Party, directory: Path, first: int, count: int) -> list[Path]:
    """One process's life: so many segments of 100 rows, and an alert."""
    from buffer_kit import Clock

    clock = Clock()
    journal = party.journal(directory, clock=clock, config=SMALL)
    for n in range(count):
        journal.commit(batch(rows(first + 100 * n, 100)))
        clock.advance(SMALL.segment_s)
    journal.commit(batch(alerts=rows(first + 100 * count, 1)))
    journal.close()
    return sorted((directory / READINGS).iterdir())


def look(party: Party, directory: Path) -> ExternalSegments:
    return ExternalSegments(directory, hub="hub-test", identity_public=party.public)


def taken(party: Party, found: ExternalSegments) -> Backend:
    """A backend that was given everything, as the delivery asks for it."""
    backend = party.reader()
    for state in found.streams():
        at = state.first
        while at <= state.last:
            records = found.read(state.stream, state.run, at, state.last, 1 << 20)
            backend.take_all(records)
            at = max((record.seq for record in records), default=state.last) + 1
    return backend


def test_a_buffer_out_of_its_hub_is_read_whole_over_all_its_runs(party: Party, tmp_path: Path) -> None:
    written(party, tmp_path, 0, 3)
    written(party, tmp_path, 1000, 2)
    found = look(party, tmp_path)
    assert taken(party, found).all_numbers == [*range(301), *range(1000, 1201)]
    assert (found.skipped, [found.damaged(info) for info in found.segments if found.damaged(info)]) == ([], [])
    assert {state.stream for state in found.streams()} == {READINGS, ALERTS}


def test_copies_of_two_runs_with_the_same_segment_number_are_both_read(party: Party, tmp_path: Path) -> None:
    """A restored hub counts its segments from 1 again."""
    written(party, tmp_path / "one", 0, 1)
    written(party, tmp_path / "two", 500, 1)
    shutil.copytree(tmp_path / "one", tmp_path / "stick")
    shutil.copytree(tmp_path / "two", tmp_path / "stick", dirs_exist_ok=True)
    found = look(party, tmp_path / "stick")
    assert len({info.number for info in found.segments if info.stream == READINGS}) == 1
    assert taken(party, found).all_numbers == [*range(101), *range(500, 601)]


def test_a_copy_that_is_missing_in_the_middle_is_no_damage(party: Party, tmp_path: Path) -> None:
    written(party, tmp_path, 0, 3)[1].unlink()
    found = look(party, tmp_path)
    assert taken(party, found).all_numbers == [*range(100), *range(200, 301)]
    assert not any(found.damaged(info) for info in found.segments)


def test_what_a_later_segment_superseded_is_not_read(party: Party, tmp_path: Path) -> None:
    paths = written(party, tmp_path, 0, 1)
    data = paths[0].read_bytes()
    name = SegmentName.parse(paths[0].name)
    assert name is not None
    later = name._replace(number=name.number + 1, first=1)
    (paths[0].parent / str(later)).write_bytes(data)
    found = look(party, tmp_path)
    assert [info.number for info in found.segments if info.stream == READINGS] == [later.number]


def test_what_a_power_cut_left_of_a_commit_is_not_read_unless_a_later_segment_shows_that_it_was_promised(
    party: Party, tmp_path: Path
) -> None:
    path = written(party, tmp_path, 0, 1)[0]
    data = path.read_bytes()
    block = [h for h in framing.scan(data, len(MAGIC)) if isinstance(h, framing.Head) and h.kind == framing.BLOCK][-1]
    assert block.more is (block.offset + block.size < len(data))
    marked = bytearray(data[: block.offset + block.size])
    marked[block.offset + 9] = framing.MORE
    marked[block.offset + 32 : block.offset + 36] = crc32(marked[block.offset : block.offset + 32]).to_bytes(4, "big")
    path.write_bytes(marked)
    found = look(party, tmp_path)
    assert [info for info in found.segments if info.stream == READINGS] == []
    name = SegmentName.parse(path.name)
    assert name is not None
    (path.parent / str(name._replace(number=name.number + 1, first=block.seq + 1))).write_bytes(MAGIC)
    found = look(party, tmp_path)
    assert [(info.first, info.last) for info in found.segments if info.stream == READINGS] == [(1, block.seq)]


def test_a_flipped_bit_costs_its_record_and_is_told(party: Party, tmp_path: Path) -> None:
    path = written(party, tmp_path, 0, 1)[0]
    data = bytearray(path.read_bytes())
    heads = [h for h in framing.scan(bytes(data), len(MAGIC)) if isinstance(h, framing.Head)]
    block = next(head for head in heads if head.kind == framing.BLOCK)
    data[block.offset + 50] ^= 1
    whole = look(party, tmp_path)
    path.write_bytes(data)  # after it was looked at: as when the stick fails while it is read
    assert taken(party, whole).all_numbers == [100]
    (info,) = (info for info in whole.segments if info.stream == READINGS)
    assert (whole.damaged(info), whole.owed(info)) == ([(1, 1)], [])
    assert taken(party, look(party, tmp_path)).all_numbers == [100], "and before it: there is nothing to read"


def test_a_strangers_segments_are_left_alone_and_named(party: Party, tmp_path: Path) -> None:
    other = Party()
    written(party, tmp_path, 0, 1)
    stranger = written(other, tmp_path / "other", 500, 1)[0]
    shutil.copy(stranger, tmp_path / READINGS)
    found = look(party, tmp_path)
    assert found.skipped == [f"{stranger.name} is damaged, or not of this hub"]
    assert taken(party, found).all_numbers == [*range(101)]


def test_acks_are_counted_a_new_database_forgets_them(party: Party, tmp_path: Path) -> None:
    written(party, tmp_path, 0, 1)
    found = look(party, tmp_path)
    for info in found.segments:
        assert found.owed(info) == [(info.first, info.last)]
        found.acked(info.stream, info.run, [(info.first, info.last)])
        assert (found.owed(info), found.delivered(info)) == ([], info.last - info.first + 1)
        found.unacked(info.stream, info.run, [(info.first, info.first)])
        assert found.owed(info) == [(info.first, info.first)]
    found.forget_acks()
    assert all(found.owed(info) for info in found.segments)


def test_nothing_there_is_written(party: Party, tmp_path: Path) -> None:
    path = written(party, tmp_path, 0, 2)[-1]
    path.write_bytes(path.read_bytes() + b"\0" * 700)  # a torn tail, which a hub would cut
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.rglob("*.seg")}
    assert taken(party, look(party, tmp_path)).all_numbers == [*range(201)]
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.rglob("*.seg")} == before


PARTY = Party()


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=300), cut=st.integers(0, 4000), at=st.integers(0, 4000))
def test_hostile_files_are_skipped_or_read_and_raise_nothing(data: bytes, cut: int, at: int, tmp_path_factory) -> None:
    root = tmp_path_factory.mktemp("stick")
    path = written(PARTY, root, 0, 1)[0]
    whole = path.read_bytes()
    name = SegmentName.parse(path.name)
    assert name is not None
    (path.parent / str(name._replace(number=name.number + 1))).write_bytes(data)
    (path.parent / str(name._replace(number=name.number + 2, first=7))).write_bytes(MAGIC + data)
    path.write_bytes(whole[:at] + data + whole[at:cut])
    found = look(PARTY, root)
    assert set(taken(PARTY, found).all_numbers) <= set(range(101))


def test_a_mirror_a_state_directory_and_a_buffer_are_found(tmp_path: Path) -> None:
    for place in ("hub-test", "buffer", "."):
        (tmp_path / place / READINGS).mkdir(parents=True)
    assert list(homes(tmp_path, "hub-test")) == [tmp_path / "hub-test", tmp_path / "buffer", tmp_path]
    assert list(homes(tmp_path / "nowhere", "hub-test")) == []
