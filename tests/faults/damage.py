"""Damage to the directory of a stopped hub; then it starts, and what the backend holds must equal what was destroyed.

One directory is filled by several lives while the backend is away, and kept. Each case works on a copy: the truth is
which records' bytes were changed. The backend must have every other record; its table of gaps must name exactly the
destroyed numbers, with their readings; its table of forks must be empty. Cases that this process can afford by the
thousand, on the buffer alone, are in tests/hub/store_and_forward/buffer/test_recovery.py.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rig import Rig, Verdict, until

from hub.protocol.records import framing
from hub.store_and_forward.buffer.segment import MAGIC, SegmentName

Number = tuple[str, int]
"""Run (hex) and seq, of stream `readings`."""


@dataclass
class Segment:
    """One file as it was before the damage."""

    name: SegmentName
    data: bytes
    records: list[framing.Head]

    @classmethod
    def read(cls, path: Path) -> Segment:
        name, data = SegmentName.parse(path.name), path.read_bytes()
        assert name is not None
        return cls(name, data, [head for head in framing.scan(data, len(MAGIC)) if isinstance(head, framing.Head)])

    def numbers(self) -> set[Number]:
        return {(self.name.run.hex(), head.seq) for head in self.records if head.kind in framing.NUMBERED}

    def destroyed(self, now: bytes) -> set[Number]:
        """The records that `now`, the file after the damage, does not hold; all, when nobody can open what is left."""
        whole = [head for head in self.records if now[head.offset : head.offset + head.size] == self._raw(head)]
        if not any(head.kind == framing.EPOCH for head in whole):
            return self.numbers()
        return self.numbers() - {(self.name.run.hex(), head.seq) for head in whole if head.kind in framing.NUMBERED}

    def unfinished(self, size: int) -> set[Number]:
        """The numbers in commits that do not end within the first `size` bytes."""
        found: set[Number] = set()
        commit: set[Number] = set()
        for head in self.records:
            commit |= {(self.name.run.hex(), head.seq)} if head.kind in framing.NUMBERED else set()
            if not head.more:
                found |= commit if head.offset + head.size > size else set()
                commit = set()
        return found

    def holed(self, at: int, end: int) -> set[Number]:
        """The numbers that the last segment of all loses where bytes `at` … `end` read as zeros: all of its last
        commit, unless another one ends behind them."""
        if len([head for head in self.records if head.offset >= end and not head.more]) > 1:
            return set()
        ends = [head.offset + head.size for head in self.records if not head.more]
        begun = max((place for place in ends if place <= at), default=0)
        return {
            (self.name.run.hex(), head.seq)
            for head in self.records
            if head.kind in framing.NUMBERED and head.offset >= begun
        }

    def _raw(self, head: framing.Head) -> bytes:
        return self.data[head.offset : head.offset + head.size]


@dataclass
class Truth:
    """What a case destroyed. `unknowable`: it may be missing without anybody being able to tell."""

    destroyed: set[Number] = field(default_factory=set)
    unknowable: set[Number] = field(default_factory=set)


Case = Callable[[Path, list[Segment], random.Random], Truth]


def _write(folder: Path, segment: Segment, data: bytes) -> Truth:
    (folder / str(segment.name)).write_bytes(data)
    return Truth(segment.destroyed(data))


def flip(folder: Path, segments: list[Segment], rng: random.Random) -> Truth:
    """One bit, anywhere."""
    segment = rng.choice(segments)
    return _flip_at(folder, segment, rng.randrange(len(segment.data)), rng)


def flip_in_header(folder: Path, segments: list[Segment], rng: random.Random) -> Truth:
    segment = rng.choice(segments)
    return _flip_at(folder, segment, rng.choice(segment.records).offset + rng.randrange(framing.HEADER_SIZE), rng)


def flip_in_last_record(folder: Path, segments: list[Segment], rng: random.Random) -> Truth:
    last = next(head for head in reversed(segments[-1].records) if head.kind in framing.NUMBERED)
    return _flip_at(folder, segments[-1], last.offset + rng.randrange(last.size), rng)


def _flip_at(folder: Path, segment: Segment, at: int, rng: random.Random) -> Truth:
    data = bytearray(segment.data)
    data[at] ^= 1 << rng.randrange(8)
    return _write(folder, segment, bytes(data))


def zero_block(folder: Path, segments: list[Segment], rng: random.Random) -> Truth:
    """A sector or a page that reads as zeros; not the last bytes, which look like a write that never ended. In the last
    commit of all it looks like a write that lost a sector: that one is given up whole, and declared."""
    size = rng.choice([512, 4096])
    segment = rng.choice(segments)
    at = rng.randrange(max(1, len(segment.data) // size - 1)) * size
    data = segment.data[:at] + bytes(min(size, len(segment.data) - at)) + segment.data[at + size :]
    truth = _write(folder, segment, data)
    if segment is segments[-1] and len(segments) > 1:
        truth.destroyed |= segment.holed(at, at + size)
    return truth


def truncate_closed(folder: Path, segments: list[Segment], rng: random.Random) -> Truth:
    segment = rng.choice(segments[:-1])
    return _write(folder, segment, segment.data[: rng.randrange(len(segment.data))])


def truncate_last(folder: Path, segments: list[Segment], rng: random.Random) -> Truth:
    """A card that was cut back: no promise for its tail, and nothing else may go with it than the commit it cuts."""
    segment, size = segments[-1], rng.randrange(len(segments[-1].data))
    truth = _write(folder, segment, segment.data[:size])
    return Truth(set(), truth.destroyed | segment.unfinished(size))


def remove_closed(folder: Path, segments: list[Segment], rng: random.Random) -> Truth:
    segment = rng.choice(segments[:-1])
    (folder / str(segment.name)).unlink()
    return Truth(segment.numbers())


def swap(folder: Path, segments: list[Segment], rng: random.Random) -> Truth:
    """Two files under each other's names: each says itself which one it is."""
    one, other = rng.sample(segments, 2)
    (folder / str(one.name)).write_bytes(other.data)
    (folder / str(other.name)).write_bytes(one.data)
    return Truth()


def overwrite(folder: Path, segments: list[Segment], rng: random.Random) -> Truth:
    """One closed file is a copy of another: what it held is gone."""
    one, other = rng.sample(segments[:-1], 2)
    (folder / str(one.name)).write_bytes(other.data)
    return Truth(one.numbers())


def duplicate_last(folder: Path, segments: list[Segment], rng: random.Random) -> Truth:
    """The newest file once more, as the next segment."""
    name = segments[-1].name
    (folder / str(name._replace(number=name.number + 1))).write_bytes(segments[-1].data)
    return Truth()


def duplicate_any(folder: Path, segments: list[Segment], rng: random.Random) -> Truth:
    """An older file once more, as the next segment."""
    segment = rng.choice(segments[:-1])
    name = segment.name._replace(number=segments[-1].name.number + 1)
    (folder / str(name)).write_bytes(segment.data)
    return Truth()


def all_at_once(folder: Path, segments: list[Segment], rng: random.Random) -> Truth:
    """One closed segment missing, one flipped, one zeroed under the name of another, one cut; the last one torn, and
    there twice."""
    gone, flipped, one, other, short, *_ = rng.sample(segments[:-1], 5)
    last, truth = segments[-1], Truth(gone.numbers())
    (folder / str(gone.name)).unlink()
    truth.destroyed |= flip(folder, [flipped], rng).destroyed
    truth.destroyed |= zero_block(folder, [one], rng).destroyed
    zeroed = (folder / str(one.name)).read_bytes()
    (folder / str(one.name)).write_bytes(other.data)
    (folder / str(other.name)).write_bytes(zeroed)
    if one.destroyed(zeroed) == one.numbers():  # nobody can tell which one it was, so that both names are taken for it
        truth.unknowable |= one.numbers() | other.numbers()
    truth.destroyed |= truncate_closed(folder, [short, last], rng).destroyed
    torn = last.data + framing.pack_header(framing.BLOCK, 900, readings=9, seq=1 << 20, total=1, commit_s=1) + b"begun"
    (folder / str(last.name)).write_bytes(torn)
    (folder / str(last.name._replace(number=last.name.number + 1))).write_bytes(last.data)
    return truth


def stray(folder: Path, segments: list[Segment], rng: random.Random) -> Truth:
    """Copies under names that are no segment's."""
    (folder / f"{segments[0].name}.bak").write_bytes(segments[0].data)
    (folder / "lost+found").mkdir()
    return Truth()


CASES: tuple[Case, ...] = (
    all_at_once, flip_in_last_record, remove_closed, swap, zero_block, flip_in_header, truncate_closed, duplicate_any,
    flip, overwrite, truncate_last, duplicate_last, stray,
)  # fmt: skip


def damaged_directory(
    root: Path, runs: int, seed: int, cases: tuple[Case, ...] = CASES, options: tuple[str, ...] = ()
) -> Verdict:
    """So many cases, each kind in turn."""
    rng = random.Random(seed)
    rig = Rig(root, generator=options)
    try:
        rig.kill(rig.backend)
        folder = rig.state / "buffer" / "readings"
        for fast in (False, True, False, False):  # the second fills several segments
            rig.start_hub(1000.0 if fast else 300.0, options=["--bulky", "--per-durable", "50"] if fast else [])
            rig.wait_durable(4 if fast else 8)
            if fast:
                until(lambda: len(list(folder.glob("*.seg"))) >= 4, 120.0, lambda: f"no segment fills: {rig.logs()}")
            rig.kill(rig.hub)
        kept = [(rig.state, root / "kept-state"), (rig.backend_dir, root / "kept-backend")]
        for place, copy in kept:
            shutil.copytree(place, copy, ignore=shutil.ignore_patterns("*.sock"))
        journal = rig.journal.read_bytes()
        segments = [Segment.read(path) for path in sorted(folder.glob("*.seg"))]
        total = Verdict("", runs, 0, 0, 0, 0, 0, 0, 0, may_declare=True)
        slowest = 0.0
        for n in range(runs):
            for place, copy in kept:
                shutil.rmtree(place)
                shutil.copytree(copy, place)
            rig.journal.write_bytes(journal)
            case = cases[n % len(cases)]
            truth = case(folder, segments, rng)
            rig.start_backend()
            rig.settle()
            slowest = max(slowest, rig.started_s)
            for line in _judge(rig, case.__name__, truth, segments, total):
                print(f"{line}, seed {seed}, case {n}", flush=True)
        total.fault = f"damaged directory of {len(segments)} segments (slowest start {slowest:.1f} s)"
        return total
    finally:
        rig.close()


def twin_without_manifest(root: Path, runs: int, seed: int) -> Verdict:
    """A hub that does not remember what its closed segments held cannot say what vanished with one."""
    verdict = damaged_directory(root, runs, seed, (remove_closed,), ("--forgetful",))
    verdict.fault = f"twin: {verdict.fault}, forgotten"
    return verdict


def _judge(rig: Rig, case: str, truth: Truth, segments: list[Segment], total: Verdict) -> Iterator[str]:
    """Add one case to `total`; say what is not as it must be."""
    records = {
        (run.hex(), seq)
        for run, seq in rig.sql(
            "SELECT t.run, c.seq FROM records c JOIN streams t ON t.id = c.stream WHERE t.stream = 'readings'"
        )
    }
    gaps = rig.sql("SELECT DISTINCT run, first, last, readings FROM gaps WHERE stream = 'readings'")
    declared = {(run.hex(), seq) for run, first, last, _ in gaps for seq in range(first, last + 1)}
    readings = {
        (segment.name.run.hex(), head.seq): head.readings
        for segment in segments
        for head in segment.records
        if head.kind in framing.NUMBERED
    }
    lost = readings.keys() - truth.destroyed - truth.unknowable - records
    silent = truth.destroyed - truth.unknowable - declared
    false = declared - truth.destroyed - truth.unknowable
    count = sum(gap[3] for gap in gaps) - sum(readings.get(number, 0) for number in declared)
    verdict = rig.verdict(case, 1, may_declare=True)
    total.emitted += verdict.emitted
    total.durable += verdict.durable
    total.stored += verdict.stored
    total.declared += sum(gap[3] for gap in gaps)
    total.lost += len(lost) + len(silent)
    total.twice += verdict.twice
    total.wrong += verdict.wrong + len(false) + (count != 0)
    if lost or silent or false or count or verdict.wrong or verdict.twice:
        yield (
            f"{case}: intact and not delivered {len(lost)}, destroyed and not declared {len(silent)}, declared and "
            f"intact {len(false)}, readings declared beyond the truth {count}, wrong {verdict.wrong}, "
            f"twice {verdict.twice}"
        )
