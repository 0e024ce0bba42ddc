"""What the buffer writes, a reader in another language reads: written from the format's documentation alone."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hub.core.errors import DecodeError
from hub.core.model import Position
from hub.protocol.records import framing
from hub.protocol.records.bodies import ClockMark, Gap, decode_table, encode_table
from hub.protocol.records.columns import decode, forms
from hub.protocol.records.compression import Squeezer
from hub.protocol.records.dictionary import Numbering
from hub.protocol.records.rows import ALERTS, READINGS, STREAMS, Column, Row, Shape, Subject
from hub.protocol.records.seal import AES, CHACHA, EpochStart, Previous, Sealer
from hub.store_and_forward.buffer import Buffer
from hub.store_and_forward.buffer.batch import Batch
from hub.store_and_forward.buffer.disk import SystemDisk
from hub.store_and_forward.buffer.journal import BufferConfig, Journal
from hub.store_and_forward.buffer.recovery import Scan, record_digest
from hub.store_and_forward.buffer.segment import MAGIC
from tests.hub.store_and_forward.buffer.buffer_kit import Clock, Party, batch, rows

from .node_reader import NodeReader, Refused
from .strategies import commits
from .told import as_clock, as_gap, as_report, plain

pytestmark = pytest.mark.real("processes")

CONFIG = BufferConfig(segment_bytes=12 << 10, max_bytes=1 << 20)


@pytest.fixture(scope="module")
def node() -> Iterator[NodeReader]:
    reader = NodeReader()
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def party() -> Party:
    return Party()


def counted(items: list[dict[str, Any]]) -> Counter[str]:
    """As a bag, without what the hub adds."""
    own = ("seq", "commit", "digest")
    return Counter(json.dumps(plain({k: v for k, v in item.items() if k not in own})) for item in items)


def segments(directory: Path, stream: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((directory / stream).glob("*.seg"))]


def read(node: NodeReader, party: Party, data: bytes) -> list[dict[str, Any]]:
    found = node("segment", data=data, keys=[party.ingest_private], identity=party.public)
    assert isinstance(found, list)
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(batches=commits(), aead=st.sampled_from([AES, CHACHA]))
def test_the_other_reader_finds_exactly_what_was_put_in(
    node: NodeReader, party: Party, batches: list[tuple[Batch, list[Gap]]], aead: str
) -> None:
    clock = Clock()
    expected: dict[str, list[dict[str, Any]]] = {READINGS: [], ALERTS: []}
    for one, lost in batches:
        expected[READINGS] += [as_report(row, clock.boot) for row in one.rows] + [as_clock(mark) for mark in one.marks]
        expected[ALERTS] += [as_report(row, clock.boot) for row in one.alerts] + [as_gap(gap) for gap in lost]
    with tempfile.TemporaryDirectory() as scratch:
        directory, run = Path(scratch), os.urandom(16)
        journal = Journal(
            directory, disk=SystemDisk(), clock=clock, keys=party.keys(aead), run=run, trust=party.trust, config=CONFIG
        )
        for one, lost in batches:
            for gap in lost:
                journal.declare(gap)
            journal.commit(one)
        for stream in STREAMS:
            found = [read(node, party, data) for data in segments(directory, stream)]
            items = [item for told in found for item in told if item["kind"] != "epoch"]
            assert counted(items) == counted(expected[stream])
            for told in found:
                head = told[0]
                assert (head["hub"], head["run"], head["stream"]) == ("hub-test", run.hex(), stream)
                assert head["cipher"] == aead
            state = next((s for s in journal.catalog.states() if s.stream == stream), None)
            stored = journal.reader.read(stream, run, 1, state.last, 1 << 20) if state else []
            digests = {record.seq: record_digest(record.raw).hex() for record in stored if record.seq}
            assert {item["seq"]: item["digest"] for item in items} == digests
        journal.close()


async def test_the_other_reader_follows_the_buffer_of_a_hub_over_segments_and_runs(
    node: NodeReader, party: Party, tmp_path: Path
) -> None:
    for number in range(2):
        buffer = Buffer.open(
            tmp_path,
            keys=party.keys(),
            trust=party.trust,
            clock=Clock(),
            config=replace(CONFIG, segment_bytes=8 << 10, urgent_s=0.0),
        )
        buffer.start(asyncio.get_running_loop())
        for row in rows(1000 * number, 1000):
            buffer.append(row)
            if row.values[0] % 250 == 249:
                await buffer.flush()
        buffer.append(row, ALERTS)
        await buffer.close()
    files = [[path.name, path.read_bytes()] for path in sorted((tmp_path / READINGS).glob("*.seg"))]
    found = node("stream", files=files, keys=[party.ingest_private], identity=party.public)
    assert len(files) > 4
    assert [item["segment"] for item in found if item["kind"] == "epoch"] == list(range(1, len(files) + 1))
    numbers = [item["readings"][0]["value"] for item in found if item["kind"] == "report"]
    assert sorted(numbers) == list(range(2000))
    (_, first, second) = [item for told in segments(tmp_path, ALERTS) for item in read(node, party, told)][:3]
    assert (first["readings"][0]["value"], second["kind"]) == (999, "epoch")


@pytest.fixture(scope="module")
def whole(party: Party, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A segment of five blocks and a CLOCK; its context stands in it twice."""
    directory = tmp_path_factory.mktemp("whole")
    journal = party.journal(directory)
    for number in range(5):
        one = batch(rows(10 * number, 3), local={"counter": number})
        one.marks = [ClockMark(bytes(16), 1, 1, "rtc")] if number == 2 else []
        journal.commit(one)
    journal.close()
    (data,) = segments(directory, READINGS)
    return data


def test_a_flipped_bit_costs_the_record_it_is_in_and_no_other(node: NodeReader, party: Party, whole: bytes) -> None:
    intact = read(node, party, whole)
    heads = [item for item in framing.scan(whole, len(MAGIC)) if isinstance(item, framing.Head)]
    assert [head.kind for head in heads].count(framing.EPOCH) == 2
    chosen = random.Random(7)
    spots = {head.offset + at for head in heads for at in (0, 8, 20, 34, 40, head.size - 80, head.size - 2)}
    spots |= {chosen.randrange(len(MAGIC), len(whole)) for _ in range(60)}
    for spot in sorted(spots):
        flipped = bytearray(whole)
        flipped[spot] ^= 1 << chosen.randrange(8)
        hit = next(head for head in heads if head.offset <= spot < head.offset + head.size)
        lost = hit.seq if hit.kind in framing.NUMBERED else 0
        found = read(node, party, bytes(flipped))
        assert [item for item in found if item["kind"] != "damage"] == [
            item for item in intact if item["kind"] == "epoch" or item["seq"] != lost
        ], f"byte {spot}"
        damage = [item for item in found if item["kind"] == "damage"]
        assert [(item["from"], item["to"]) for item in damage] == [(hit.offset, hit.offset + hit.size)], f"byte {spot}"


def test_both_readers_find_the_same_end_of_a_segment_that_a_power_cut_tore(
    node: NodeReader, party: Party, whole: bytes
) -> None:
    """At any byte, with nothing behind it, or with zeros up to where the file would have ended, or beyond."""
    chosen, name = random.Random(3), f"0000000001-{'ab' * 16}-000000000001.seg"
    heads = [item for item in framing.scan(whole, len(MAGIC)) if isinstance(item, framing.Head)]
    cuts = {head.offset + at for head in heads for at in (0, 2, 30, 36, head.size - 1)}
    cuts |= {chosen.randrange(len(MAGIC), len(whole)) for _ in range(20)}
    cuts |= set(range(512, len(whole), 512))
    torn = [whole[:cut] + bytes(zeros) for cut in sorted(cuts) for zeros in (0, len(whole) - cut, 700)]
    holed = []  # sectors lost, and later ones kept
    for at in {*(head.offset for head in heads), *range(0, len(whole), 512)}:
        end = (at // 512 + 1) * 512
        holed += [whole[:at] + bytes(end - at) + whole[end : len(whole) - cut] for cut in (0, 30)]
    torn += [data for data in holed if data.rstrip(b"\0") == data]
    assert any(Scan.of(data).holed for data in torn)
    ends = set()
    for data in torn:
        told = node("stream", files=[[name, data]], keys=[party.ingest_private], identity=party.public)
        found = [item["from"] for item in told if item["kind"] == "unfinished"]
        end = Scan.of(data).finished
        assert found == ([end] if end < len(data) else []), len(data)
        ends |= set(found)
    assert {head.offset + head.size for head in heads if not head.more} - {len(whole)} <= ends


def resealed(data: bytes, head: framing.Head, at: int) -> bytes:
    """One bit of a record changed by somebody who knows how checksums are made, and no key."""
    raw = bytearray(data[head.offset : head.offset + head.size])
    raw[at] ^= 1
    header = framing.pack_header(
        raw[8],
        head.size - framing.OVERHEAD,
        readings=int.from_bytes(raw[10:12], "big"),
        seq=int.from_bytes(raw[12:20], "big"),
        total=int.from_bytes(raw[20:28], "big"),
        commit_s=int.from_bytes(raw[28:32], "big"),
    )
    cut = head.size - framing.SIGNATURE_SIZE - 4
    forged = framing.pack_record(header, bytes(raw[framing.HEADER_SIZE : cut]), bytes(raw[cut:-4]))
    return data[: head.offset] + forged + data[head.offset + head.size :]


def test_a_damaged_beginning_of_the_file_costs_nothing(node: NodeReader, party: Party, whole: bytes) -> None:
    epoch, damage, *rest = read(node, party, b"ILOT" + whole[4:])
    assert damage == {"kind": "damage", "from": 0, "to": len(MAGIC)}
    assert [epoch, *rest] == read(node, party, whole)


@pytest.mark.parametrize("at", [11, 19, 27, 31, 36, 60, -70, -5], ids=lambda at: f"byte {at}")
def test_a_record_that_somebody_altered_is_refused_and_no_other(
    node: NodeReader, party: Party, whole: bytes, at: int
) -> None:
    intact = read(node, party, whole)
    blocks = [item for item in framing.scan(whole, len(MAGIC)) if isinstance(item, framing.Head) and item.kind == 3]
    head = blocks[2]
    found = read(node, party, resealed(whole, head, at if at >= 0 else head.size + at))
    refused = [item for item in found if item["kind"] == "refused"]
    assert [item["record"] for item in refused] == [framing.BLOCK]
    assert [item for item in found if item["kind"] != "refused"] == [
        item for item in intact if item["kind"] == "epoch" or item["seq"] != head.seq
    ]


def test_a_record_of_another_segment_of_the_same_hub_is_refused(
    node: NodeReader, party: Party, whole: bytes, tmp_path: Path
) -> None:
    journal = party.journal(tmp_path)
    journal.commit(batch(rows(0, 3)))
    journal.close()
    (other,) = segments(tmp_path, READINGS)
    stranger = next(
        item for item in framing.scan(other, len(MAGIC)) if isinstance(item, framing.Head) and item.kind == 3
    )
    found = read(node, party, whole + other[stranger.offset : stranger.offset + stranger.size])
    assert [item["kind"] for item in found].count("refused") == 1
    assert [item for item in found if item["kind"] != "refused"] == read(node, party, whole)


def test_who_is_no_recipient_and_who_trusts_another_hub_reads_nothing(
    node: NodeReader, party: Party, whole: bytes
) -> None:
    for keys, identity in (([party.stranger_private], party.public), ([party.ingest_private], Party().public)):
        with pytest.raises(Refused):
            node("segment", data=whole, keys=keys, identity=identity)
    told = [
        node("segment", data=whole, keys=[key], identity=party.public)
        for key in (party.ingest_private, party.recovery_private)
    ]
    assert told[0] == told[1]
    assert any(item["kind"] == "clock" for item in told[0])


def test_both_copies_of_the_epoch_gone_is_told_as_such(node: NodeReader, party: Party, whole: bytes) -> None:
    heads = [item for item in framing.scan(whole, len(MAGIC)) if isinstance(item, framing.Head) and item.kind == 1]
    broken = bytearray(whole)
    for head in itertools.islice(heads, 2):
        broken[head.offset + 100] ^= 1
    with pytest.raises(Refused, match="no intact epoch"):
        read(node, party, bytes(broken))


def altered(body: bytes, chosen: random.Random) -> bytes:
    """A body with a few bits, bytes or lengths wrong, as somebody may write it who holds the keys."""
    found = bytearray(body)
    for _ in range(chosen.choice([0, 1, 1, 1, 2, 4])):
        at, how = chosen.randrange(len(found)), chosen.random()
        if how < 0.4:
            found[at] ^= 1 << chosen.randrange(8)
        elif how < 0.6:
            found[at] = chosen.choice([0, 1, 8, 9, 0x40, 0x41, 0x7F, 0x80, 0xFF])
        elif how < 0.8 and len(found) > 4:
            del found[at : at + chosen.randrange(1, 4)]
        else:
            found[at:at] = bytes(chosen.choice([0, 1, 0x80, 0xFF]) for _ in range(chosen.randrange(1, 11)))
    return bytes(found)


def alike(ours: Any, theirs: Any) -> bool:
    """The same, with numbers compared as doubles: what is beyond 2^53 is written with other digits there."""
    if isinstance(ours, dict):
        return (
            isinstance(theirs, dict) and ours.keys() == theirs.keys() and all(alike(ours[k], theirs[k]) for k in ours)
        )
    if isinstance(ours, list):
        return isinstance(theirs, list) and len(ours) == len(theirs) and all(map(alike, ours, theirs))
    if type(ours) in (int, float):
        return type(theirs) in (int, float) and float(ours) == float(theirs)
    return type(ours) is type(theirs) and ours == theirs


@pytest.mark.parametrize("seed", range(4))
def test_both_readers_refuse_the_same_blocks_and_say_the_same_of_the_others_whatever_their_writer_got_wrong(
    node: NodeReader, party: Party, seed: int
) -> None:
    chosen, numbering, squeeze = random.Random(seed), Numbering(), Squeezer()
    sealer = Sealer(party.keys(), party.trust, EpochStart(os.urandom(16), READINGS, 1, 1, 0, 5, Previous()))
    shapes = [
        Shape((Column("a"), Column("b", "Cel", "0.01"), Column("f", kind="flag"))),
        Shape((Column("t", kind="text"), Column("k", "W", "10"))),
    ]
    subjects = [Subject(f"d{number}") for number in range(4)]
    whole = [
        form
        for _ in range(20)
        for form in forms([a_row(chosen, shapes, subjects) for _ in range(chosen.choice([1, 2, 5, 30]))], numbering)
    ]
    table = encode_table(*numbering.fresh())
    told = decode_table(table)
    data = MAGIC + sealer.epoch + sealer.seal(framing.TABLE, 1, squeeze(table), readings=0, total=0, commit_s=5).raw
    expected: dict[int, list[Any] | None] = {}
    for seq in range(1, 151):
        body, readings = altered(chosen.choice(whole), chosen), 1
        try:
            boot, found = decode(body, told.shapes, told.subjects)
            readings = sum(len(row.values) for row in found)
            expected[seq] = [plain(as_report(row, boot)) for row in found]
        except DecodeError:
            expected[seq] = None
        data += sealer.seal(framing.BLOCK, seq, squeeze(body), readings=readings, total=0, commit_s=5).raw
    items = read(node, party, data)
    refused = {item["seq"] for item in items if item["kind"] == "refused"}
    own = ("seq", "commit", "digest")
    for seq, ours in expected.items():
        reports = [item for item in items if item["kind"] == "report" and item["seq"] == seq]
        theirs = (
            None if seq in refused else [plain({k: v for k, v in item.items() if k not in own}) for item in reports]
        )
        assert alike(ours, theirs), (seq, ours, theirs)
    assert 0 < len(refused) < 150


def a_row(chosen: random.Random, shapes: list[Shape], subjects: list[Subject]) -> Row:
    shape = chosen.choice(shapes)
    number = chosen.choice([0, 1, -1, 1 << 62, chosen.randrange(100)])
    fine = chosen.choice([0.5, -0.0, 1e-300, chosen.random() * 50])
    text = chosen.choice(["", "x", "é" * 9, "\0"])
    values = (number, fine, chosen.random() < 0.5) if shape is shapes[0] else (text, chosen.randrange(-5, 50) * 10)
    place = Position(chosen.uniform(-90, 90), chosen.uniform(-180, 180), chosen.choice([None, 3.0]))
    return Row(
        chosen.choice(subjects),
        shape,
        chosen.choice([0, 5, -7, chosen.randrange(1 << 40), (1 << 63) - 1]),
        True,
        values,
        chosen.randrange(4),
        chosen.randrange(1, 4),
        chosen.choice([None, -60, 0, 5]),
        chosen.choice([None, None, place]),
    )
