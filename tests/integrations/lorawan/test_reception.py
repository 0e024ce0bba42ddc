"""Copies of one frame, and what a gateway may send."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.lorawan.airspace import GUARD_S, HOUR, Airspace
from integrations.lorawan.dedup import LIMIT, Dedup
from integrations.lorawan.parts import Reception
from integrations.lorawan.region import BANDS, band

GATEWAYS = [f"{i:016x}" for i in range(4)]


def reception(
    raw: bytes = b"frame", gateway: int = 0, at: float = 100.0, snr: float = 0.0, rssi: float = -90
) -> Reception:
    return Reception(
        gateway=GATEWAYS[gateway],
        at=at,
        raw=raw,
        frequency=868_100_000,
        rate=5,
        rssi=rssi,
        snr=snr,
        clock=round(at * 1e6) + gateway * 1_000_000_000,
    )


def test_copies_within_the_window_are_one_uplink_with_the_best_signal_first() -> None:
    dedup = Dedup()
    copies = [
        reception(snr=-3),
        reception(gateway=1, at=100.1, snr=7),
        reception(gateway=2, at=100.19, snr=7, rssi=-40),
    ]
    assert [dedup.hear(copy) for copy in copies] == ["", "", ""]
    assert dedup.wake() == 100.2
    assert dedup.due(100.19) == []
    assert dedup.due(100.2) == [(copies[2], copies[1], copies[0])]
    assert dedup.due(200.0) == []
    assert dedup.wake() is None


def test_a_copy_over_a_slow_link_is_dropped_and_a_repetition_by_the_device_is_not() -> None:
    dedup = Dedup()
    dedup.hear(reception())
    dedup.due(100.2)
    assert dedup.hear(reception(gateway=1, at=100.6)) == "late-copy"
    assert dedup.hear(reception(gateway=1, at=102.0)) == ""
    assert len(dedup.due(102.2)) == 1


def test_the_same_gateway_twice_is_one_copy() -> None:
    dedup = Dedup()
    assert [dedup.hear(reception()), dedup.hear(reception())] == ["", "duplicate"]
    assert len(dedup.due(101.0)[0]) == 1


def test_a_flood_loses_no_frame_and_is_bounded() -> None:
    dedup = Dedup()
    total = 3 * LIMIT
    for number in range(total):
        assert dedup.hear(reception(raw=number.to_bytes(4, "big"))) == ""
    assert len(dedup.due(100.0)) == total - LIMIT
    assert len(dedup.due(101.0)) == LIMIT


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.floats(0, 0.5), st.integers(-20, 10)), max_size=40))
def test_every_frame_comes_out_exactly_once_per_burst_of_copies(heard: list[tuple[int, int, float, int]]) -> None:
    dedup = Dedup()
    at, out, dropped = 0.0, 0, 0
    for raw, gateway, wait, snr in heard:
        at += wait
        for copies in dedup.due(at):
            out += len(copies)
            assert [c.snr for c in copies] == sorted((c.snr for c in copies), reverse=True)
            assert len({c.gateway for c in copies}) == len(copies)
            assert max(c.at for c in copies) - min(c.at for c in copies) <= 0.2
        dropped += dedup.hear(reception(bytes((raw,)), gateway, at, snr)) != ""
    out += sum(len(copies) for copies in dedup.due(at + 1))
    assert out + dropped == len(heard)


def test_a_gateway_sends_one_frame_at_a_time() -> None:
    space = Airspace()
    m = band(868_100_000)
    assert m
    space.reserve(1, m, 1000.0, 0.5, 10.0)
    assert not space.free(1000.2, 0.1, 10.0)
    assert not space.free(999.8, 0.3, 10.0)
    assert not space.free(1000.5, 0.1, 10.0), "the next frame must be loaded first"
    assert space.free(1000.5 + GUARD_S, 0.1, 10.0)
    assert space.free(999.0, 0.5, 10.0)
    space.release(1)
    assert space.free(1000.2, 0.1, 10.0)
    assert space.used(m, 10.0) == 0


def test_the_share_of_the_hour_is_kept_and_comes_back() -> None:
    space = Airspace()
    n = band(868_800_000)
    assert n
    for i in range(3):
        assert space.affords(n, 1.2, 10.0 * i)
        space.reserve(i, n, 10.0 * i, 1.2, 10.0 * i)
    assert not space.affords(n, 0.1, 30.0)
    assert abs(space.left(30.0)["N"]) < 1e-9
    assert space.left(30.0)["P"] == 360
    assert not space.affords(n, 0.1, HOUR)
    assert space.affords(n, 1.2, HOUR + 1.3)


def test_a_restart_counts_half_of_each_share_as_used_for_an_hour() -> None:
    space = Airspace()
    space.restarted(5.0)
    for each in BANDS:
        assert space.used(each, 5.0) == each.duty * HOUR / 2
        assert space.used(each, 5.0 + HOUR) == 0
    assert space.free(5.0, 1.0, 5.0)


def test_a_class_c_downlink_is_placed_on_the_gateways_own_clock() -> None:
    space = Airspace()
    assert space.start(None, 0, 50.0) == 50.0
    space.last = reception(gateway=1, at=40.0)
    assert space.start(None, 0, 50.0) == 1000 + 50.0
    assert space.start(space.last, 5, 41.0) == 1000 + 45.0


@settings(max_examples=200)
@given(st.lists(st.tuples(st.floats(0, 200), st.floats(0.02, 2.5)), max_size=60))
def test_reservations_never_overlap_and_never_pass_the_share(wanted: list[tuple[float, float]]) -> None:
    space, m = Airspace(), BANDS[3]
    taken: list[tuple[float, float]] = []
    for number, (start, seconds) in enumerate(wanted):
        if space.free(start, seconds, 0.0) and space.affords(m, seconds, 0.0):
            space.reserve(number, m, start, seconds, start)
            taken.append((start, start + seconds))
    taken.sort()
    assert all(a[1] < b[0] for a, b in pairwise(taken))
    assert sum(end - start for start, end in taken) <= m.duty * HOUR + 1e-6
