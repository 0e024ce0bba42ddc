from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.core.model import Candidate, Proof, Signal, TrustClass
from hub.pipeline.admission.quarantine import Quarantine
from hub.pipeline.admission.replay import Freshness, ReplayWindows
from hub.pipeline.admission.trust import trust_class


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
    assert trust_class(Proof("bthome-ccm", None, True), protected=False) is TrustClass.B
    assert trust_class(Proof("lorawan-1.0", 7, True), protected=False) is TrustClass.A
    assert trust_class(Proof("lorawan-1.0-abp", 7, True), protected=False) is TrustClass.B
    assert trust_class(Proof("oms-5", sealed=True), protected=False) is TrustClass.B
    assert trust_class(Proof("wmbus-ctr", 7, sealed=True), protected=False) is TrustClass.B
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


def test_evidence_about_a_known_device_outlives_a_flood_of_strangers():
    quarantine = Quarantine(limit=3)
    heard = Signal(rssi=-60, source="hci0", heard=(("hci0", -60), ("hall", -80)))
    known = Candidate(id="ble:known", integration="bluetooth", signal=heard)
    assert quarantine.refuse(known, "clear-but-keyed", 1.0), "once is enough: it is told"
    assert not quarantine.refuse(known, "clear-but-keyed", 2.0), "and told once"
    for n in range(100):
        quarantine.add(Candidate(id=f"ble:{n}", integration="bluetooth"), "not in the configuration", 2.0 + n)
    first = next(iter(quarantine))
    assert (first.id, first.known, first.count, first.heard) == ("ble:known", True, 2, {"hci0": -60, "hall": -80})
    assert len(quarantine) == 4
    assert quarantine.release("ble:known") is None, "it is no stranger"
    assert quarantine.clear("ble:known") is first
    assert quarantine.clear("ble:known") is None


def test_a_wrong_key_is_evidence_after_a_threshold_and_a_good_frame_starts_the_count_over():
    quarantine = Quarantine()
    known = Candidate(id="ble:known", integration="bluetooth")
    for _ in range(3):
        told = [quarantine.refuse(known, "bad-mic", float(n)) for n in range(15)]
        assert told == [False] * 15
        assert list(quarantine) == []
        quarantine.trusted("ble:known")
    assert [quarantine.refuse(known, "bad-mic", float(n)) for n in range(18)] == [False] * 15 + [True, False, False]
    (waiting,) = quarantine
    assert "do not fit its key" in waiting.reason
    quarantine.trusted("ble:known")
    assert list(quarantine) == [waiting], "what was seen stays until a person has looked"


def test_a_frame_that_is_merely_cut_is_no_evidence():
    quarantine = Quarantine()
    assert not quarantine.refuse(Candidate(id="ble:known", integration="bluetooth"), "truncated", 1.0)
    assert list(quarantine) == []
