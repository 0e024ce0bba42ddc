"""Clones, impossible jumps, rates and neighbours: what the gate looks at in each report of an admitted device."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.model import Position, Proof, Quality, Report, Signal
from hub.core.security_events import FORK, POSITION_JUMP, RATE, SIGNAL_JUMP, TWO_PATHS, UNLIKE
from hub.pipeline.admission.clones import (
    CounterForkDetector,
    DisjointReceivers,
    PositionJumpDetector,
    SignalJumpDetector,
    distance,
)
from hub.pipeline.admission.guard import Guard, Options
from hub.pipeline.admission.neighbours import Neighbours
from hub.pipeline.admission.rates import LEAST_PER_MINUTE, Bucket, bound
from tests.hub.path_kit import TAG, Path


def spoken(forks, *frames):
    """What Forks says of (counter, content) frames, as the replay window would sort them."""
    highest, found = -1, []
    for counter, content in frames:
        if counter > highest:
            highest = counter
            forks.fresh(counter, content)
            found.append(None)
        else:
            found.append(forks.stale(counter, content))
    return found


def test_the_second_frame_of_a_clone_that_goes_on_from_the_same_counter_is_a_fork():
    found = spoken(CounterForkDetector(), (100, 1), (101, 11), (101, 21), (102, 12), (102, 22))
    assert [bool(one) for one in found] == [False, False, True, False, True]


@pytest.mark.parametrize("leap", [2, 10, 100, 100_000])
def test_a_clone_that_goes_ahead_is_found_by_the_second_frame_of_the_true_one(leap):
    """The clone jumps ahead; the true one goes on where it was, and each of them speaks in turn."""
    true = [(n, n) for n in (1001, 1002)]
    clone = [(1000 + leap + n, 7_000 + n) for n in (1, 2)]
    found = spoken(CounterForkDetector(), (999, 999), (1000, 1000), clone[0], true[0], clone[1], true[1])
    assert found[-1], "found at the second frame after the fork"
    assert not any(found[:-1])


@given(st.lists(st.integers(0, 60), max_size=80), st.randoms())
def test_one_sender_whose_frames_are_lost_repeated_and_replayed_is_never_a_fork(lost, rng):
    """Frames that came once may come again, any time; some never come."""
    forks, heard, frames = CounterForkDetector(), [], []
    for counter in range(1, 61):
        if counter in lost:
            continue
        frames.append((counter, counter * 31))
        heard.append((counter, counter * 31))
        frames += rng.sample(heard, min(len(heard), rng.randrange(3)))
    assert not any(spoken(forks, *frames))


@pytest.mark.parametrize("newest", [9, 500])
def test_frames_that_were_long_on_their_way_are_no_fork(newest):
    """A gateway that was cut off hands over what it heard meanwhile."""
    assert not any(spoken(CounterForkDetector(), (1, 1), (newest, 5), *[(n, n) for n in range(2, 8)], (newest + 1, 6)))


def test_two_gateways_of_which_one_is_always_late_make_no_fork():
    frames = [frame for n in range(2, 60, 2) for frame in ((n + 1, n + 1), (n, n))]
    assert not any(spoken(CounterForkDetector(), (1, 1), *frames))


async def test_the_content_that_a_proof_tells_counts_whatever_a_pack_reads_in_it():
    path, guard, told = guarded()
    for values, content in (({"temperature": 1.0}, 7), ({"temperature": 2.0}, 7)):
        await path.emit(values=values, proof=Proof("lorawan-1.0", 9, True, content=content))
    assert guard.suspects() == {}
    path.pipeline.stale(TAG.id, Proof("lorawan-1.0", 9, True, content=8))
    assert [event[0] for event in told] == [FORK]


def test_a_signal_that_jumps_to_and_fro_is_two_senders_and_one_that_fades_or_moves_away_is_not():
    signals = SignalJumpDetector(40)
    found = [signals.see("hall", dbm, float(n)) for n, dbm in enumerate((-50, -95, -52, -94))]
    assert [bool(one) for one in found] == [False, False, False, True]
    for walk in ((-50, -60, -75, -88, -95), (-50, -95, -96, -95, -94), (-50, -80, -55, -82, -51)):
        signals = SignalJumpDetector(40)
        assert not any(signals.see("hall", dbm, float(n)) for n, dbm in enumerate(walk))
    signals = SignalJumpDetector(40)
    assert not any(signals.see("hall", dbm, n * 3600.0) for n, dbm in enumerate((-50, -95, -50, -95, -50, -95)))


PARIS, LYON = Position(48.8566, 2.3522), Position(45.7640, 4.8357)


def test_the_distance_from_paris_to_lyon_is_392_km():
    assert distance(PARIS, LYON) == pytest.approx(392_000, rel=0.01)


def test_a_position_that_jumps_to_and_fro_is_two_senders_and_a_train_is_not():
    where = PositionJumpDetector()
    found = [where.see(one, n * 60.0) for n, one in enumerate((PARIS, LYON, PARIS, LYON))]
    assert [bool(one) for one in found] == [False, False, False, True]
    assert "latitude" not in found[-1], "how far, never where"
    where = PositionJumpDetector()
    assert not any(where.see(one, n * 7200.0) for n, one in enumerate((PARIS, LYON, PARIS, LYON)))
    rough = [Position(48.85, 2.35, accuracy=400_000.0), LYON]
    where = PositionJumpDetector()
    assert not any(where.see(one, n * 60.0) for n, one in enumerate(rough * 3)), "a fix that knows it is rough"


def test_a_former_position_that_comes_late_is_no_jump():
    where = PositionJumpDetector()
    for n in range(6):
        assert where.see(PARIS, n * 60.0) is None
        assert where.see(LYON, n * 60.0 - 90.0) is None


def test_two_gateways_that_cannot_both_hear_a_device_are_told_apart_from_those_that_can():
    apart = DisjointReceivers({"roof": 0, "hall": 0, "cellar": 1})
    assert apart.see(["roof", "hall"], 0.0) is None
    assert apart.see(["elsewhere"], 1.0) is None
    assert apart.see(["cellar"], 10.0) == {"source": "cellar", "other": "hall", "seconds": 10}
    assert apart.see(["roof"], 1000.0) is None, "it was carried there"


@given(st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_no_minute_lets_through_more_than_the_bound_and_its_burst(steps):
    bucket, moment, passed = Bucket(30.0, 0.0), 0.0, []
    for step in steps:
        moment += step
        if bucket.take(moment):
            passed.append(moment)
    for since in passed:
        within = [at for at in passed if since <= at <= since + 60]
        assert len(within) <= 30 * 2 + 30 + 1


def test_the_bound_is_a_multiple_of_what_the_pack_expects_and_never_so_low_that_an_alarm_is_lost():
    assert bound(1.0, 4, None) == 240
    assert bound(600.0, 4, None) == LEAST_PER_MINUTE
    assert bound(None, 4, 100) == 100
    assert bound(None, 4, None) is None


def test_a_device_that_says_what_no_neighbour_says_is_found_and_two_that_differ_judge_nobody():
    zone = Neighbours({"z": {"temperature": 5.0}})
    assert zone.metrics("z") == ("temperature",)
    assert zone.metrics("other") == ()
    say = lambda who, value, at=0.0: zone.unlike("z", "temperature", who, value, at)  # noqa: E731
    assert say("a", 20.0) is None
    assert say("b", 90.0) is None, "who of two is right?"
    assert say("b", 21.0) is None
    assert say("c", 20.5) is None
    assert say("d", 60.0) == 20.5
    assert say("d", math.nan) is None
    assert say("d", True) is None
    assert say("d", 60.0, 8000.0) is None, "what the others said long ago is no measure"


# in the path


def guarded(local=None, **options):
    path = Path(local=local)
    told = []
    guard = Guard(
        Options(**options),
        tell=lambda *event: told.append(event),
        monotonic=path.clock.monotonic,
        remembered=path.buffer.local,
        remember=path.buffer.put_local,
    )
    path.pipeline._guard = guard
    return path, guard, told


def keyed(counter):
    return Proof("bthome-ccm", counter, True)


async def test_a_fork_is_told_at_the_second_frame_and_marks_the_readings_until_a_person_has_looked():
    path, guard, told = guarded()
    await path.emit(values={"temperature": 20.0}, proof=keyed(100))
    await path.emit(values={"temperature": 20.1}, proof=keyed(101))
    await path.emit(values={"temperature": 35.0}, proof=keyed(101))
    (event,) = told
    assert event[:2] == (FORK, TAG.id)
    assert event[2]["counter"] == 101
    rows = await path.emit(values={"temperature": 20.2}, proof=keyed(102))
    assert [row.quality for row in rows] == [Quality.GOOD, Quality.GOOD, Quality.UNCERTAIN]
    assert guard.clear(TAG.id)
    path.pipeline.recompile(TAG.id)
    rows = await path.emit(values={"temperature": 20.2}, proof=keyed(103))
    assert rows[-1].quality == Quality.GOOD


async def test_a_frame_that_radios_repeat_and_a_replayed_one_make_no_suspect():
    path, guard, _ = guarded()
    for counter in (5, 5, 6, 5, 6, 7, 7, 5):
        await path.emit(values={"temperature": 20.0 + counter}, proof=keyed(counter))
    assert guard.suspects() == {}


async def test_a_suspicion_outlives_the_process():
    path, _, _ = guarded()
    for value, counter in ((1.0, 1), (2.0, 1)):
        await path.emit(values={"temperature": value}, proof=keyed(counter))
    later, guard, _ = guarded(local=path.buffer.local)
    assert guard.suspects() == {TAG.id: FORK}
    (row,) = await later.emit(values={"temperature": 3.0}, proof=keyed(9))
    assert row.quality == Quality.UNCERTAIN


async def test_where_the_owner_wants_it_a_suspect_is_kept_out_and_becomes_evidence():
    path, _, _ = guarded(keep_out=True)
    await path.emit(values={"temperature": 1.0}, proof=keyed(1))
    await path.emit(values={"temperature": 2.0}, proof=keyed(1))
    rows = await path.emit(values={"temperature": 3.0}, proof=keyed(2))
    assert len(rows) == 1
    assert path.counts.of("suspect", TAG.id) == 1
    (waiting,) = path.quarantine
    assert (waiting.id, waiting.known) == (TAG.id, True)


async def test_a_jumping_signal_a_jumping_position_and_two_far_gateways_are_told_with_evidence():
    path, _, told = guarded(apart=[["hall"], ["cellar"]])
    for dbm in (-50, -95, -50, -95):
        await path.emit(values={"temperature": 1.0}, signal=Signal(rssi=dbm, source="hall"))
    assert [event[0] for event in told] == [SIGNAL_JUMP]
    await path.emit(values={"temperature": 1.0}, signal=Signal(rssi=-60, source="cellar"))
    assert told[-1][0] == TWO_PATHS
    assert told[-1][2]["other"] == "hall"
    path, _, told = guarded()
    for n, where in enumerate((PARIS, LYON, PARIS, LYON)):
        await path.emit(values={"temperature": 1.0}, position=where, time=path.clock.now() - 600 + n * 60)
    assert [event[0] for event in told] == [POSITION_JUMP]


@pytest.mark.parametrize("dated", [lambda now: now + 1e9, lambda now: None], ids=["years ahead", "not at all"])
async def test_a_sender_whose_date_is_none_hides_no_jump_of_position(dated):
    path, _, told = guarded()
    await path.emit(values={"temperature": 1.0}, position=PARIS, time=dated(path.clock.now()))
    for n, where in enumerate((LYON, PARIS, LYON, PARIS, LYON)):
        await path.clock.advance(60)
        time = path.clock.now() if n % 2 else dated(path.clock.now())
        await path.emit(values={"temperature": 1.0}, position=where, time=time)
    assert {event[0] for event in told} == {POSITION_JUMP}


async def test_a_device_that_speaks_too_often_is_held_to_its_bound_and_starves_nobody():
    path, guard, told = guarded(most_per_minute=30)
    for n in range(1000):
        await path.emit(values={"temperature": float(n % 50)})
    assert len(path.buffer.rows) == 60, "a burst of two minutes"
    assert path.counts.of("too-often", TAG.id) == 940
    assert {event[:2] for event in told} == {(RATE, TAG.id)}
    assert [waiting.known for waiting in path.quarantine] == [True]
    for _ in range(20):
        await path.emit("modbus", "modbus:meter", values={"power": 1.0})
    assert len(path.buffer.rows) == 80, "others pass"
    await path.clock.advance(60)
    await path.emit(values={"temperature": 1.0})
    assert len(path.buffer.rows) == 81
    assert guard.suspects() == {}


async def test_a_device_that_was_told_to_speak_more_often_is_given_room_until_it_is_told_back():
    path, guard, told = guarded(most_per_minute=30)
    for n in range(60):
        await path.emit(values={"temperature": float(n)})
    guard.use_raised_rates({TAG.id: 1.0}.get)
    guard.retime([TAG.id])
    for n in range(300):
        await path.clock.advance(0.5)
        await path.emit(values={"temperature": float(n % 50)})
    assert told == [], "no weak signal of our own making"
    guard.use_raised_rates(lambda device: None)
    guard.retime([TAG.id])
    for n in range(300):
        await path.clock.advance(0.5)
        await path.emit(values={"temperature": float(n % 50)})
    assert {event[:2] for event in told} == {(RATE, TAG.id)}, "and it is a burst again afterwards"


async def test_who_proves_himself_may_speak_as_often_as_he_likes():
    path, _, _ = guarded(most_per_minute=30)
    for counter in range(200):
        await path.emit(values={"temperature": 1.0}, proof=keyed(counter))
    assert len(path.buffer.rows) == 200


async def test_a_reading_that_no_neighbour_confirms_is_marked_and_told():
    path, _, told = guarded(neighbours={"classes": {"temperature": 5.0}})
    for n, value in enumerate((20.0, 21.0, 20.5)):
        other = f"ble:BB:BB:BB:BB:BB:0{n}"
        path.devices.put(type(TAG)(id=other, integration="bluetooth", place="classe-1"))
        await path.emit(device=other, values={"temperature": value})
    rows = await path.emit(values={"temperature": 60.0})
    assert [row.quality for row in rows] == [Quality.GOOD] * 3 + [Quality.UNCERTAIN]
    assert [event[:2] for event in told] == [(UNLIKE, TAG.id)]


async def test_what_was_said_long_ago_is_judged_by_no_rate_and_shows_as_no_last_value():
    path, _, _ = guarded(most_per_minute=1)
    now = path.clock.now()
    await path.emit(values={"temperature": 30.0})
    for n in range(50):
        report = Report(device=TAG.id, values={"temperature": 1.0}, time=now - 3600 + n)
        assert path.pipeline.accept("bluetooth", report, past=True)
    assert len(path.buffer.rows) == 51
    assert [value.value for value in path.live.values()] == [30.0]
