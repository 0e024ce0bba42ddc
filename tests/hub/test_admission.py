from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.admission.quarantine import Quarantine
from hub.admission.replay import Freshness, ReplayWindows
from hub.admission.trust import trust_class
from hub.model import Candidate, Proof, Signal, TrustClass


def windows(remembered=None):
    kept = dict(remembered or {})
    return ReplayWindows(kept, kept.__setitem__), kept


def test_a_counter_must_rise():
    replay, _ = windows()
    window = replay.window("ble:AA", b"k")
    answers = [replay.judge(window, n) for n in (5, 5, 4, 6, 0, 2**32)]
    assert answers == [
        Freshness.FRESH, Freshness.REPEAT, Freshness.REPLAY, Freshness.FRESH, Freshness.REPLAY, Freshness.FRESH,
    ]  # fmt: skip


@given(st.lists(st.integers(0, 2**32 - 1), max_size=50), st.lists(st.integers(0, 2**32 - 1), max_size=50))
def test_no_counter_is_ever_fresh_twice_even_across_a_restart(before, after):
    replay, kept = windows()
    window = replay.window("ble:AA", b"k")
    fresh = [n for n in before if replay.judge(window, n) is Freshness.FRESH]
    replay, _ = windows(kept)
    fresh += [n for n in after if replay.judge(window, n) is Freshness.FRESH]
    assert fresh == sorted(set(fresh))


def test_a_new_key_starts_over_and_the_old_key_keeps_its_floor():
    replay, kept = windows()
    old, new = replay.window("ble:AA", b"old"), replay.window("ble:AA", b"new")
    assert replay.judge(old, 100) is Freshness.FRESH
    assert replay.judge(new, 1) is Freshness.FRESH
    assert replay.judge(old, 50) is Freshness.REPLAY
    assert not any("6f6c64" in name for name in kept), "a window names its key by a fingerprint only"


def test_trust_belongs_to_the_path():
    assert trust_class(Proof("bthome-ccm", 7, True), protected=False) is TrustClass.A
    assert trust_class(Proof("wmbus-5", None, True), protected=False) is TrustClass.B
    assert trust_class(Proof("modbus"), protected=True) is TrustClass.B
    assert trust_class(Proof("modbus"), protected=False) is TrustClass.C
    assert trust_class(Proof("bthome", 7, False), protected=False) is TrustClass.C
    assert trust_class(None, protected=False) is TrustClass.C


def test_quarantine_keeps_evidence_and_is_bounded():
    quarantine = Quarantine(limit=3)
    for n in range(5):
        quarantine.add(Candidate(id=f"ble:{n}", integration="bluetooth"), "not in the configuration", float(n))
    assert [w.id for w in quarantine] == ["ble:2", "ble:3", "ble:4"]
    assert quarantine.evicted == 2
    seen = Candidate(id="ble:3", integration="bluetooth", model="tag", signal=Signal(rssi=-60), values={"t": 1.0})
    waiting = quarantine.add(seen, "needs a key", 9.0)
    assert (waiting.count, waiting.first, waiting.last, waiting.rssi) == (2, 3.0, 9.0, -60)
    quarantine.add(Candidate(id="ble:9", integration="bluetooth"), "not in the configuration", 10.0)
    assert "ble:2" not in [w.id for w in quarantine], "the one heard longest ago makes room"
    assert quarantine.release("ble:3") is waiting
