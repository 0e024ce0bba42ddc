"""Damage to the directory of a stopped hub; then it starts, and what the backend holds must equal what was destroyed.

One directory is filled by several lives while the backend is away, and kept. Each case works on a copy: the truth is
which records' bytes were changed; the backend must have every other record, and know of each destroyed one, by a GAP
or, for numbers that only a later epoch names, as a hole.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rig import Rig, Verdict

from hub.buffer import frame
from hub.buffer.segment import MAGIC, SegmentName

Number = tuple[str, int]
"""Run (hex) and seq, of stream `readings`."""


@dataclass
class Segment:
    """One file as it was before the damage."""

    name: SegmentName
    data: bytes
    records: list[frame.Head]

    @classmethod
    def read(cls, path: Path) -> Segment:
        name, data = SegmentName.parse(path.name), path.read_bytes()
        assert name is not None
        return cls(name, data, [head for head in frame.scan(data, len(MAGIC)) if isinstance(head, frame.Head)])

    def numbers(self) -> set[Number]:
        return {(self.name.run.hex(), head.seq) for head in self.records if head.kind in frame.NUMBERED}

    def destroyed(self, now: bytes) -> set[Number]:
        """The records that `now`, the file after the damage, does not hold; all, when nobody can open what is left."""
        whole = [head for head in self.records if now[head.offset : head.offset + head.size] == self._raw(head)]
        if not any(head.kind == frame.EPOCH for head in whole):
            return self.numbers()
        return self.numbers() - {(self.name.run.hex(), head.seq) for head in whole if head.kind in frame.NUMBERED}

    def _raw(self, head: frame.Head) -> bytes:
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
    return _flip_at(folder, segment, rng.choice(segment.records).offset + rng.randrange(frame.HEADER_SIZE), rng)


def flip_in_last_record(folder: Path, segments: list[Segment], rng: random.Random) -> Truth:
    last = next(head for head in reversed(segments[-1].records) if head.kind in frame.NUMBERED)
    return _flip_at(folder, segments[-1], last.offset + rng.randrange(last.size), rng)


def _flip_at(folder: Path, segment: Segment, at: int, rng: random.Random) -> Truth:
    data = bytearray(segment.data)
    data[at] ^= 1 << rng.randrange(8)
    return _write(folder, segment, bytes(data))


def zero_block(folder: Path, segments: list[Segment], rng: random.Random) -> Truth:
    """A sector or a page that reads as zeros; not the last bytes, which look like a write that never ended."""
    size = rng.choice([512, 4096])
    segment = rng.choice(segments)
    at = rng.randrange(max(1, len(segment.data) // size - 1)) * size
    data = segment.data[:at] + bytes(min(size, len(segment.data) - at)) + segment.data[at + size :]
    return _write(folder, segment, data)


def truncate_closed(folder: Path, segments: list[Segment], rng: random.Random) -> Truth:
    segment = rng.choice(segments[:-1])
    return _write(folder, segment, segment.data[: rng.randrange(len(segment.data))])


def truncate_last(folder: Path, segments: list[Segment], rng: random.Random) -> Truth:
    """A card that was cut back: no promise for its tail, and nothing else may go with it."""
    segment = segments[-1]
    truth = _write(folder, segment, segment.data[: rng.randrange(len(segment.data))])
    return Truth(set(), truth.destroyed)


def remove_closed(folder: Path, segments: list[Segment], rng: random.Random) -> Truth:
    segment = rng.choice(segments[:-1])
    (folder / str(segment.name)).unlink()
    return Truth(segment.numbers())


def swap(folder: Path, segments: list[Segment], rng: random.Random) -> Truth:
    """Two files under each other's names: neither can be believed."""
    one, other = rng.sample(segments[:-1], 2)
    (folder / str(one.name)).write_bytes(other.data)
    (folder / str(other.name)).write_bytes(one.data)
    return Truth(one.numbers() | other.numbers())


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


def stray(folder: Path, segments: list[Segment], rng: random.Random) -> Truth:
    """Copies under names that are no segment's."""
    (folder / f"{segments[0].name}.bak").write_bytes(segments[0].data)
    (folder / "lost+found").mkdir()
    return Truth()


CASES: tuple[Case, ...] = (
    flip_in_last_record, flip, zero_block, remove_closed, flip_in_header, truncate_closed, swap, duplicate_last,
    duplicate_any, stray, truncate_last,
)  # fmt: skip


def damaged_directory(root: Path, runs: int, seed: int, cases: tuple[Case, ...] = CASES) -> Verdict:
    rng = random.Random(seed)
    rig = Rig(root)
    try:
        rig.kill(rig.backend)
        for rate in (300.0, 6000.0, 300.0, 300.0):
            rig.start_hub(rate)
            rig.wait_durable(8)
            time.sleep(4.0 if rate > 1000 else 0.2)
            rig.kill(rig.hub)
        kept = [(rig.state, root / "kept-state"), (rig.backend_dir, root / "kept-backend")]
        for place, copy in kept:
            shutil.copytree(place, copy, ignore=shutil.ignore_patterns("hub.sock"))
        journal = rig.journal.read_bytes()
        folder = rig.state / "buffer" / "readings"
        segments = [Segment.read(path) for path in sorted(folder.glob("*.seg"))]
        total = Verdict("damaged directory", runs, 0, 0, 0, 0, 0, 0, 0, may_declare=True)
        for n in range(runs):
            for place, copy in kept:
                shutil.rmtree(place)
                shutil.copytree(copy, place)
            rig.journal.write_bytes(journal)
            case = cases[n % len(cases)]
            truth = case(folder, segments, rng)
            rig.start_backend()
            rig.settle(30.0)
            for line in _judge(rig, case.__name__, truth, segments, total):
                print(f"{line}, seed {seed}, case {n}", flush=True)
        return total
    finally:
        rig.close()


def _judge(rig: Rig, case: str, truth: Truth, segments: list[Segment], total: Verdict) -> Iterator[str]:
    """Add one case to `total`; say what is not as it must be."""
    records = {
        (run.hex(), seq)
        for run, seq in rig.sql(
            "SELECT t.run, c.seq FROM records c JOIN streams t ON t.id = c.stream WHERE t.stream = 'readings'"
        )
    }
    gaps = rig.sql("SELECT run, first, last, readings FROM gaps WHERE stream = 'readings'")
    declared = {(run.hex(), seq) for run, first, last, _ in gaps for seq in range(first, last + 1)}
    known = declared | {
        (run.hex(), seq)
        for run, announced in rig.sql("SELECT run, announced FROM streams WHERE stream = 'readings'")
        for seq in range(1, announced + 1)
    }
    readings = {
        (segment.name.run.hex(), head.seq): head.readings
        for segment in segments for head in segment.records if head.kind in frame.NUMBERED
    }  # fmt: skip
    everything = set(readings)
    lost = everything - truth.destroyed - truth.unknowable - records
    silent = truth.destroyed - records - known
    false = declared - truth.destroyed - truth.unknowable
    count = sum(gap[3] for gap in gaps) - sum(readings.get(number, 0) for number in declared)
    verdict = rig.verdict(case, 1, may_declare=True)
    total.emitted += verdict.emitted
    total.durable += verdict.durable
    total.stored += verdict.stored
    total.declared += len(declared)
    total.lost += len(lost) + len(silent)
    total.twice += verdict.twice
    total.wrong += verdict.wrong + len(false) + (count != 0)
    if lost or silent or false or count or verdict.wrong or verdict.twice:
        yield (
            f"{case}: intact and not delivered {len(lost)}, destroyed and not known {len(silent)}, declared and intact "
            f"{len(false)}, readings declared beyond the truth {count}, wrong {verdict.wrong}, twice {verdict.twice}"
        )
