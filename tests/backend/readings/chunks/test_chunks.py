"""Chunks of readings: what goes in comes out, each report once; what nobody wrote is a clear error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, chain
from typing import Any
from unittest import mock
from zlib import crc32

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backend.readings.chunks import building, container, frame_reader, frames, planes
from backend.readings.chunks import rewriting as chunks
from backend.readings.chunks.rows import CARRIED, MAX_TIME, ChunkRow
from hub.core.errors import DecodeError
from hub.core.model import Position
from hub.protocol.records.compression import Joiner, expand
from hub.protocol.records.dictionary import Refused, Scale
from hub.protocol.records.integers import put_packed, put_runs
from hub.protocol.records.rows import Column, Shape, Subject

HOUR = 1_790_000_000_000
TEMPERATURE = Column("temperature", "Cel", "0.01", privacy="environment")
ROOM = Shape((TEMPERATURE, Column("humidity", "%", "0.1")))
SHAPES = (
    ROOM,
    Shape((TEMPERATURE,)),
    Shape((Column("temperature", "Cel", "0.5"), Column("open", kind="flag"))),
    Shape((Column("index", "Wh", "5", state_class="total_increasing"),)),
    Shape((Column("mode", kind="text"), Column("level", resolution="0.000000000001"))),
    Shape((Column("rssi", "dBm"), Column("altitude", "m", "2.5", privacy="personal"))),
)
SUBJECTS = (
    Subject("ble:01", "room-1", "school"),
    Subject("ble:01", "room-1", "school"),  # the same, of another epoch
    Subject("ble:01", "room-2", "school"),
    Subject("ble:02", "room-1", "school", "north", "sensor", "bluetooth"),
    Subject("ble:03"),
    Subject("~é\0", "\0"),
    Subject(""),
)
RECORDS = (0, 1, 2, 7, 9, 300, 1 << 32, container.MAX_RECORD - 1)

few = settings(max_examples=40)
i64 = st.integers(-(1 << 63), (1 << 63) - 1)
items = st.integers(-5, 5) | st.integers(-300, 70_000) | i64
times = st.integers(HOUR, HOUR + 3_600_000) | st.integers(-MAX_TIME, MAX_TIME)


@st.composite
def rows(draw: st.DrawFn, most: int = 12) -> list[ChunkRow]:
    """Reports with origins of their own, values as a block decodes them."""
    origins = draw(
        st.lists(st.tuples(st.sampled_from(RECORDS), st.integers(0, 4095)), min_size=1, max_size=most, unique=True)
    )
    return [draw(row(record << 12 | place)) for record, place in origins]


@st.composite
def row(draw: st.DrawFn, origin: int) -> ChunkRow:
    shape = draw(st.sampled_from(SHAPES))
    position = draw(st.none() | st.builds(where, items, items, st.none() | items, st.none() | items))
    return ChunkRow(
        draw(st.sampled_from(SUBJECTS)),
        shape,
        draw(times),
        origin,
        tuple(draw(value(column)) for column in shape.columns),
        draw(st.integers(0, 3)),
        draw(st.integers(1, 3)),
        draw(st.none() | st.integers(-32767, 32767)),
        position,
    )


def value(column: Column) -> st.SearchStrategy[Any]:
    if column.kind == "number":
        return items.map(lambda item: Scale(column.resolution).values([item])[0])
    return st.booleans() if column.kind == "flag" else st.text(max_size=12)


def where(latitude: int, longitude: int, accuracy: int | None, altitude: int | None) -> Position:
    return Position(
        latitude % (90 * 10**7) / 10**7,
        longitude % (180 * 10**7) / 10**7,
        None if accuracy is None else accuracy % 10**9 / 100,
        None if altitude is None else altitude % 10**9 / 100,
    )


def told(some: Sequence[ChunkRow]) -> list[Any]:
    """The content of reports, in an order of its own: subjects and shapes compare by identity, 1 is not True."""
    return sorted(
        (
            one.origin,
            *msgspec.structs.astuple(one.subject),
            repr(one.shape),
            one.time_ms,
            repr((one.values, one.quality, one.trust, one.rssi, one.position)),
        )
        for one in some
    )


@contextmanager
def small_frames() -> Iterator[None]:
    """Frames of few devices and readings, so that few reports make many."""
    with mock.patch.multiple(building, DEVICES=2, READINGS=10):
        yield


def report(device: str = "ble:01", at: int = 0, record: int = 1, temperature: float = 20.0, **more: Any) -> ChunkRow:
    return ChunkRow(Subject(device, f"room-{device}"), ROOM, HOUR + at, record << 12, (temperature, 50.0), **more)


def town(devices: int = 100, reports: int = 6) -> list[ChunkRow]:
    return [report(f"ble:{n:03d}", 1000 * at, 1 + at, n + at / 100) for n in range(devices) for at in range(reports)]


# -- what goes in comes out --------------------------------------------------------------------------------------


@few
@given(rows(), st.booleans())
def test_what_is_encoded_is_decoded_exactly(some: list[ChunkRow], small: bool) -> None:
    with small_frames() if small else mock.MagicMock():
        data = chunks.encode(some)
        again = chunks.encode(some[::-1])
    assert told(list(chunks.decode(data))) == told(some)
    assert again == data


@few
@given(rows(), st.sampled_from(SUBJECTS), st.sampled_from(["temperature", "mode", "open", "rssi", "index", "none"]))
def test_a_metric_of_a_device_is_picked_as_if_everything_was_decoded(
    some: list[ChunkRow], subject: Subject, metric: str
) -> None:
    with small_frames():
        data = chunks.encode(some)
    found = [
        (picked.subject.place, picked.column, point.time_ms, point.origin, repr(value), point.quality, point.trust)
        for picked in chunks.pick(data, device=subject.device, metric=metric)
        for point, value in zip(picked.points, picked.values(), strict=True)
    ]
    wanted = [
        (one.subject.place, column, one.time_ms, one.origin, repr(value), one.quality, one.trust)
        for one in some
        if one.subject.device == subject.device
        for column, value in zip(one.shape.columns, one.values, strict=True)
        if column.metric == metric
    ]
    assert sorted(found, key=repr) == sorted(wanted, key=repr)


@few
@given(rows(), st.sampled_from(SUBJECTS))
def test_what_reports_carry_is_picked_where_it_is(some: list[ChunkRow], subject: Subject) -> None:
    data = chunks.encode(some)
    own = [one for one in some if one.subject.device == subject.device]
    for metric, of in (
        ("rssi", lambda one: one.rssi),
        ("latitude", lambda one: one.position and one.position.latitude),
        ("position_accuracy", lambda one: one.position and one.position.accuracy),
        ("altitude", lambda one: one.position and one.position.altitude),
    ):
        picked = chunks.pick(data, device=subject.device, metric=CARRIED + metric)
        found = {point.origin: value for one in picked for point, value in zip(one.points, one.values(), strict=True)}
        assert found == {one.origin: of(one) for one in own if of(one) is not None}


@few
@given(rows())
def test_the_contents_are_known_without_reading_a_column(some: list[ChunkRow]) -> None:
    with small_frames():
        data = chunks.encode(some)
    counts: dict[Any, int] = {}
    for one in some:
        key = *msgspec.structs.astuple(one.subject), repr(one.shape)
        counts[key] = counts.get(key, 0) + 1
    found: dict[Any, int] = {}
    with mock.patch.object(frame_reader, "Group", side_effect=AssertionError("a column was read")):
        for content in chunks.contents(data):
            key = *msgspec.structs.astuple(content.subject), repr(content.shape)
            found[key] = found.get(key, 0) + content.reports
    assert found == counts


def test_only_the_frame_that_holds_the_device_is_opened() -> None:
    data = chunks.encode(town())
    assert [entry.first for entry in container.Chunk(data).entries] == ["ble:000", "ble:032", "ble:064", "ble:096"]
    for device in ("ble:000", "ble:031", "ble:032", "ble:099", "absent", "a"):
        with mock.patch.object(container, "Frame", wraps=frame_reader.Frame) as opened:
            picked = chunks.pick(data, device=device, metric="humidity")
        assert opened.call_count == (device >= "ble")
        assert [len(one.points) for one in picked] == ([6] if device.startswith("ble") else [])


def test_a_device_that_is_too_much_for_one_frame_is_read_from_several() -> None:
    busy = [report("ble:050", at, 1 + at) for at in range(20_000)]
    data = chunks.encode([*town(100, 1), *busy])
    firsts = [entry.first for entry in container.Chunk(data).entries]
    assert firsts.count("ble:050") == 2
    (first, *others) = chunks.pick(data, device="ble:050", metric="humidity")
    points = [point for one in (first, *others) for point in one.points]
    assert [point.time_ms for point in points[1:]] == [one.time_ms for one in busy]
    assert sum(1 for _ in chunks.decode(data)) == 20_100


def test_a_report_larger_than_a_frame_has_one_to_itself() -> None:
    wide = Shape(tuple(Column(f"text_{n}", kind="text") for n in range(1000)))
    long = [
        ChunkRow(
            Subject("ble:long"), wide, HOUR + at, 5 << 12 | at, tuple(f"{n} {at} ".ljust(1000) for n in range(1000))
        )
        for at in range(3)
    ]
    data = chunks.encode([*town(3), *long])
    assert [entry.reports for entry in container.Chunk(data).entries] == [18, 1, 1, 1]
    assert told(list(chunks.decode(data))) == told([*town(3), *long])


def test_frames_keep_their_bounds_whatever_names_and_texts_a_hub_sends() -> None:
    clef = "\U0001d11e"
    wide = Shape(tuple(Column(f"{n:03d}" + clef * 200) for n in range(150)))
    text = Shape((Column("text", kind="text"),))
    some = [
        ChunkRow(Subject(f"ble:{n % 40}", clef * 400 + str(n)), text, HOUR + n, 1 << 12 | n, (clef * 1000 + str(n),))
        for n in range(1500)
    ]
    some += [
        ChunkRow(Subject(f"knx:{n % 32:02d}", clef * 250 + str(n)), SHAPES[1], HOUR + n, 3 << 12 | n, (float(n),))
        for n in range(2500)
    ]
    some += [
        ChunkRow(Subject(f"ble:{n}"), Shape(wide.columns[n:]), HOUR, 2 << 12 | n, (n,) * (150 - n)) for n in range(40)
    ]
    chunk = container.Chunk(chunks.encode(some))
    assert max(entry.size for entry in chunk.entries) < frames.MAX_FRAME / 4
    assert told(list(chunks.decode(chunk.data))) == told(some)


# -- changes -----------------------------------------------------------------------------------------------------


def halves(some: list[ChunkRow]) -> tuple[list[ChunkRow], list[ChunkRow]]:
    return some[: len(some) // 2 + 1], some[len(some) // 2 + 1 :]


@few
@given(rows(), st.booleans(), st.integers(0, 5))
def test_merged_reports_are_there_once_whatever_came_before(some: list[ChunkRow], in_order: bool, twice: int) -> None:
    before, late = halves(sorted(some, key=lambda one: one.origin) if in_order else some)
    with small_frames():
        data = chunks.merge(chunks.encode(before), [*late, *before[:twice], *late[:twice]])
        assert told(list(chunks.decode(data))) == told(some)
        for one in some:  # found where it is looked for
            picked = chunks.pick(data, device=one.subject.device, metric=one.shape.columns[0].metric)
            assert any(point.origin == one.origin for found in picked for point in found.points)


def test_late_reports_leave_the_frames_of_other_devices_as_they_were() -> None:
    data = chunks.encode(town())
    late = [report("ble:040", 5, 99), report("ble:0405", 6, 99)._replace(origin=99 << 12 | 1)]
    before, after = container.Chunk(data), container.Chunk(chunks.merge(data, late))
    assert [entry.first for entry in after.entries] == ["ble:000", "ble:032", "ble:063", "ble:064", "ble:096"]
    assert [after.stored(at) for at in (0, 3, 4)] == [before.stored(at) for at in (0, 2, 3)]
    assert told(list(chunks.decode(after.data))) == told([*town(), *late])
    assert len(after.shapes) == 1  # that of the late reports is the one that was known


def test_both_parts_of_a_report_that_was_divided_are_kept() -> None:
    whole = report()
    parts = [
        whole._replace(shape=Shape((column,)), values=(one,))
        for column, one in zip(ROOM.columns, whole.values, strict=True)
    ]
    assert told(list(chunks.decode(chunks.merge(chunks.encode(parts[:1]), parts)))) == told(parts)


@few
@given(rows(), st.sampled_from([(lambda one: one.quality), (lambda one: one.origin % 3), (lambda one: one.rssi)]))
def test_reports_that_are_taken_out_are_gone_and_the_others_are_not(
    some: list[ChunkRow], chosen: Callable[[ChunkRow], Any]
) -> None:
    with small_frames():
        data = chunks.without(chunks.encode(some), lambda one: bool(chosen(one)))
    left = [one for one in some if not chosen(one)]
    assert (data is None) == (not left)
    assert told(list(chunks.decode(data)) if data else []) == told(left)


@few
@given(rows(), st.sampled_from(SUBJECTS))
def test_a_device_loses_its_personal_values_and_keeps_the_others(some: list[ChunkRow], subject: Subject) -> None:
    def plain(one: ChunkRow) -> ChunkRow | None:
        kept = [n for n, column in enumerate(one.shape.columns) if column.privacy != "personal"]
        shape = Shape(tuple(one.shape.columns[n] for n in kept))
        return one._replace(shape=shape, values=tuple(one.values[n] for n in kept), position=None) if kept else None

    with small_frames():
        data = chunks.rewrite(chunks.encode(some), lambda content: content.subject.device == subject.device, plain)
    changed = [plain(one) if one.subject.device == subject.device else one for one in some]
    left = [one for one in changed if one is not None]
    assert told(list(chunks.decode(data)) if data else []) == told(left)


def test_a_name_that_was_erased_is_in_no_byte_of_a_chunk() -> None:
    erased = ChunkRow(Subject("ble:050", "~leila", "home", "~flat"), ROOM, HOUR, 3 << 12, (20.0, 50.0))
    data = chunks.encode([*town(), erased])
    assert "~leila" in {content.subject.place for content in chunks.contents(data)}
    after = chunks.rewrite(data, lambda content: content.subject.zone == "~flat", lambda _: None)
    assert after == chunks.encode(town())
    before, left = container.Chunk(data), container.Chunk(after)
    assert [left.stored(at) == before.stored(at) for at in range(4)] == [True, False, True, True]


def test_a_chunk_without_the_name_is_given_back_as_it_is() -> None:
    data = chunks.encode(town())
    with mock.patch.object(frame_reader, "Group", side_effect=AssertionError("a column was read")):
        assert chunks.rewrite(data, lambda content: content.subject.zone == "~flat", lambda _: None) is data


# -- what nobody wrote -------------------------------------------------------------------------------------------


def sealed(head: Any, some: Sequence[bytes] = ()) -> bytes:
    """A chunk with whatever head and frames, and checksums that fit."""
    packed = Joiner()([msgspec.msgpack.encode(head)])
    return (
        container._START.pack(container.MAGIC, container.VERSION, len(packed), crc32(packed)) + packed + b"".join(some)
    )


def resealed(body: bytes, shape: Shape = ROOM, *, first: str = "ble:01", more: int = 0, reports: int = 1) -> bytes:
    """A chunk with this as its only frame."""
    packed = Joiner()([body])
    entry = [first, len(packed), len(body) + more, crc32(packed), reports]
    fields = [msgspec.structs.astuple(column) for column in shape.columns]
    return sealed([(1, 1, b""), [fields], [entry]], [packed])


GOOD = chunks.encode([report(record=1), report(record=2, at=9, rssi=-70), report("ble:02", record=2)])


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_byte_that_flipped_on_a_disk_is_noticed(at: int, flip: int) -> None:
    damaged = GOOD[:at] + bytes((GOOD[at] ^ flip,)) + GOOD[at + 1 :]
    with pytest.raises(DecodeError):
        list(chunks.decode(damaged))


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=9))
def test_a_chunk_that_was_cut_or_goes_on_is_noticed(at: int, tail: bytes) -> None:
    for wrong in (GOOD[:at], GOOD + tail):
        with pytest.raises(DecodeError, match=r"ends early|damaged"):
            list(chunks.decode(wrong))


@given(st.binary(max_size=200))
@example(b"ICHK\x01\0\0\0\0\0\0\0\0")
def test_whatever_comes_is_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(DecodeError):
        list(chunks.decode(data))


@given(
    st.recursive(
        st.none() | st.integers(-(1 << 63), (1 << 64) - 1) | st.text(max_size=4) | st.binary(max_size=9),
        lambda inner: st.lists(inner, max_size=6),
        max_leaves=20,
    ),
    st.binary(max_size=60),
)
def test_whatever_head_with_a_right_checksum_is_an_error_of_ours(head: Any, tail: bytes) -> None:
    for read in (lambda data: list(chunks.decode(data)), lambda data: chunks.pick(data, device="", metric="")):
        with pytest.raises(DecodeError):
            read(sealed(head, [tail]))


def has_quality(one: ChunkRow) -> bool:
    return one.quality > 0


@few
@given(rows(6), st.data())
def test_a_frame_that_somebody_changed_is_an_error_of_ours_or_reports_within_bounds(
    some: list[ChunkRow], data: st.DataObject
) -> None:
    chunk = container.Chunk(chunks.encode(some))
    body = bytearray(expand(chunk.stored(0), frames.MAX_FRAME))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    packed = Joiner()([bytes(body)])
    entry = chunk.entries[0]._replace(stored=len(packed), size=len(body), checksum=crc32(packed))
    wrong = container.assemble(chunk.records, chunk.shapes, [(entry, packed)])
    for read in (
        lambda: list(chunks.decode(wrong)),
        lambda: chunks.pick(wrong, device=entry.first, metric="temperature"),
        lambda: chunks.without(wrong, has_quality),
    ):
        try:
            found = read()
        except (DecodeError, Refused):  # refused: a value that is no number any more cannot be written again
            continue
        if isinstance(found, list):
            assert len(found) <= frames.READINGS
            for one in found:
                if isinstance(one, ChunkRow):
                    assert one.origin >> 12 in chunk.records
                    assert abs(one.time_ms) <= MAX_TIME


@pytest.mark.parametrize(
    ("bound", "wider", "wrong"),
    [
        ("MAX_TIME", 1 << 60, report(at=MAX_TIME)),
        ("MAX_TIME", 1 << 60, report(at=-MAX_TIME - HOUR - 1)),
        ("PLACE", (1 << 13) - 1, report()._replace(origin=4097)),
    ],
)
def test_a_time_or_a_place_beyond_its_range_is_neither_written_nor_read(
    bound: str, wider: int, wrong: ChunkRow
) -> None:
    bits = {"PLACE": 13, "MAX_TIME": 12}[bound]
    with (
        mock.patch.object(frames, bound, wider),
        mock.patch.object(frames, "ORIGIN_BITS", bits),
        mock.patch.object(building, "ORIGIN_BITS", bits),
    ):
        data = chunks.encode([wrong])
    with pytest.raises(DecodeError, match="out of its range"):
        list(chunks.decode(data))
    with pytest.raises(DecodeError, match="out of its range"):
        chunks.pick(data, device=wrong.subject.device, metric="humidity")
    if bound == "MAX_TIME":
        with pytest.raises(Refused, match="time"):
            chunks.encode([wrong])


@pytest.mark.parametrize(
    ("group", "reports"),
    [
        ([0, [0], [1 << 40]], 1),  # more than a frame holds, in a few bytes
        ([0, [0], [20_000]], 20_000),
        ([0, [0], [0]], 1),
        ([0, [0, 1], [1]], 1),
        ([0, [], []], 1),
        ([1, [0], [1]], 1),
        ([-1, [0], [1]], 1),
        ([0, [1], [1]], 1),
        ([0, [-1], [1]], 1),
    ],
)
def test_counts_and_numbers_beyond_the_bounds_are_refused_before_anything_is_read(group: Any, reports: int) -> None:
    about = msgspec.msgpack.encode([[], 1, [[1, ["ble:01"]], *[[1, [""]]] * 5], [group]])
    wrong = resealed(bytes((len(about),)) + about + bytes(64), reports=reports)
    with pytest.raises(DecodeError, match=r"group|readings|range|directory"):
        list(chunks.decode(wrong))


STATE = Shape((TEMPERATURE, Column("open", kind="flag"), Column("mode", kind="text")))


def written(put: Callable[..., None], *arguments: Any) -> bytes:
    out: list[bytes] = []
    put(out, *arguments)
    return b"".join(out)


def track(*items: int) -> bytes:
    return written(planes.put_track, items, [0, len(items)])


def handmade(**wrong: bytes) -> bytes:
    """A frame with two reports of a device, column by column."""
    about = msgspec.msgpack.encode([[], 1, [[1, ["ble:01"]], *[[1, [""]]] * 5], [[0, [0], [2]]]])
    columns = {
        "time": track(HOUR, HOUR + 1), "record": track(0, 0), "place": track(0, 1), "number": track(5, 7),
        "flag": track(0, 1), "text": b"\1\1a" + written(put_packed, [0, 0]), "quality": written(put_runs, [0, 1]),
        "trust": written(put_runs, [3, 3]), "rssi": b"\0", "position": b"\0", "end": b"",
    }  # fmt: skip
    return bytes((len(about),)) + about + b"".join((columns | wrong).values())


@given(st.lists(st.lists(items | st.none(), min_size=1, max_size=4), min_size=1, max_size=6))
def test_a_column_read_whole_says_what_its_devices_say_one_by_one(devices: list[list[int | None]]) -> None:
    told = [item for some in devices for item in some]
    counts = list(map(len, devices))
    marks = [0, *accumulate(counts)]
    may = planes.Cursor(written(planes.put_may, told, marks)).may(len(devices), len(told))
    parts = [may.part(at, marks[at], marks[at + 1]) for at in range(len(devices))]
    assert may.whole(marks, counts) == list(chain.from_iterable(parts)) == told


def test_a_frame_made_by_hand_is_read_as_its_page_says() -> None:
    (first, second) = chunks.decode(resealed(handmade(), STATE, reports=2))
    assert (first.values, first.origin, first.quality) == ((0.05, False, "a"), 1 << 12, 0)
    assert (second.values, second.origin, second.quality) == ((0.07, True, "a"), 1 << 12 | 1, 1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"record": track(0, 1)}, "out of its range"),
        ({"record": track(-1, 0)}, "out of its range"),
        ({"place": track(0, 4096)}, "out of its range"),
        ({"number": b"\1" + written(put_packed, [(1 << 63) - 1]) + written(put_packed, [0, 5])}, "out of its range"),
        ({"number": b"\3"}, "unknown form"),
        ({"number": b"\2\0\x09"}, "9 byte planes"),
        ({"number": b"\2\0\x42" + bytes(8)}, "66 byte planes"),
        ({"flag": track(0, 2)}, "out of its range"),
        ({"text": b"\1\1a" + written(put_packed, [0, 1])}, "out of its range"),
        ({"text": b"\0"}, "more texts than reports"),
        ({"text": b"\3\1a\1b\1c"}, "more texts than reports"),
        ({"text": b"\1\1\xff" + written(put_packed, [0, 0])}, "decode"),
        ({"quality": written(put_runs, [0, 256])}, "out of its range"),
        ({"trust": written(put_runs, [-1, -1])}, "out of its range"),
        ({"trust": b"\3"}, "more runs than reports"),
        ({"trust": b"\2" + written(put_packed, [1, 2]) + written(put_packed, [2, 1])}, "do not add up"),
        ({"rssi": b"\2"}, "unknown form"),
        ({"position": b"\2"}, "unknown form"),
        ({"end": b"\0"}, "goes on after its end"),
        ({"position": b""}, "ends early"),
    ],
)
def test_a_column_that_no_writer_writes_is_refused(wrong: dict[str, bytes], message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        list(chunks.decode(resealed(handmade(**wrong), STATE, reports=2)))


@pytest.mark.parametrize("wrong", [{"first": "ble:00"}, {"more": 1}, {"reports": 3}, {"reports": 1}])
def test_a_frame_that_is_not_what_the_directory_says_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DecodeError, match="directory"):
        list(chunks.decode(resealed(handmade(), STATE, **({"reports": 2} | wrong))))


def test_a_directory_out_of_order_is_refused() -> None:
    packed = Joiner()([handmade()])
    frame = [len(packed), len(handmade()), crc32(packed), 2]
    fields = [msgspec.structs.astuple(column) for column in STATE.columns]
    wrong = sealed([(1, 1, b""), [fields], [["ble:02", *frame], ["ble:01", *frame]]], [packed, packed])
    with pytest.raises(DecodeError, match="directory"):
        chunks.pick(wrong, device="ble:01", metric="open")


def test_a_frame_that_expands_without_end_is_refused_at_its_bound() -> None:
    packed = Joiner()([bytes(1 << 20)] * 64)
    assert len(packed) < 1 << 14
    shape = [msgspec.structs.astuple(column) for column in ROOM.columns]
    for size in (64 << 20, 100, -5):
        wrong = sealed([(1, 1, b""), [shape], [["ble:01", len(packed), size, crc32(packed), 1]]], [packed])
        with pytest.raises(DecodeError, match="expands beyond"):
            list(chunks.decode(wrong))


def test_a_head_that_expands_without_end_is_refused_at_its_bound() -> None:
    packed = Joiner()([bytes(1 << 20)] * 64)
    start = container._START.pack(container.MAGIC, container.VERSION, len(packed), crc32(packed))
    with pytest.raises(DecodeError, match="expands beyond"):
        list(chunks.decode(start + packed))


def test_a_chunk_of_a_newer_release_is_named_as_such() -> None:
    with pytest.raises(DecodeError, match="format 2, this release reads 1"):
        list(chunks.decode(GOOD[:4] + b"\2" + GOOD[5:]))


@pytest.mark.parametrize("ids", [(0, 1, b""), (2, 1, b"\0\0"), (2, 5, b"\1\0"), (1, 1 << 51, b""), (1, -1, b"")])
def test_ids_of_records_that_do_not_rise_are_refused(ids: Any) -> None:
    with pytest.raises(DecodeError, match="do not rise"):
        list(chunks.decode(sealed([ids, [], []])))


def test_what_no_block_decodes_to_is_refused_and_so_is_nothing() -> None:
    for wrong in (
        [],
        [report(temperature=float("nan"))],
        [report(temperature=1e300)],
        [report()._replace(values=(1,))],
    ):
        with pytest.raises(Refused):
            chunks.encode(wrong)


def test_a_chunk_as_this_release_wrote_it_first_is_read_by_every_later_one() -> None:
    assert told(list(chunks.decode(bytes.fromhex(WRITTEN)))) == told(
        [
            report(record=1),
            report(record=2, at=60_000, temperature=20.25, rssi=-70, quality=1),
            report("ble:02", record=2, position=Position(48.77, 2.29, None, 61.5), trust=1),
            ChunkRow(Subject("mbus:1", "cellar"), SHAPES[4], HOUR, 3 << 12 | 7, ("éco", 0.5)),
            ChunkRow(Subject("mbus:1", "cellar"), SHAPES[2], HOUR, 3 << 12 | 8, (20.5, True)),
        ]
    )


WRITTEN = (
    "4943484b0100000027737cebb928b52ffd0000f1000093930301c4020200909195a6626c653a3031cd014bcd020aced51b78"
    "b30528b52ffd0058100000bf026c0600e28c2c2890296dff7f9dd57fe1470196102fcf78a0d1147b5a647359fb5313dce52c"
    "d2b5a5cbd6fec7e8953b492aa968924a269ad44c68224a1d9926523462466b2177f40f195310e45bfbf7fcbd05428008a966"
    "2b7a311bacd5b8b3ffc6188454532151a03cc16ddbd679e3dd2a90f0c3093fb47d77f82fd478e0f1b66deb8bd76e9daf2c8c"
    "632c1e1d127e022c4264164c6b180d353a6fee41c6e1fce138d0596b1c4373c2f77de071d844057aa3797cd44913020800c2"
    "ce4572e02ad324338684121480dbbe3ff968b4a93d6d030042c7141f90abd018d0ffc24b88e4d583e54ab91f9c8ef72d6277"
    "e7cd2aa6fe45da9629b52708818324814cd166282697671feccf1e7a2c742a0764248d657b6f9f636fd5eadd176cd67023a6"
    "7d3943eb4504d3a0440b0900495981e0a226a61119e3a13c60b299d504c29be196"
)
