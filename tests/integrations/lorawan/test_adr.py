"""Adaptive data rate: weaker and faster only with reason, stronger at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from integrations.lorawan import adr
from integrations.lorawan.adr import HISTORY, Heard, Limits, Setting
from integrations.lorawan.region import RATES

SLOWEST = Setting(0, 0, 1)


def heard(snr: float, count: int = HISTORY, power: int = 0, step: int = 1) -> list[Heard]:
    return [Heard(i * step, snr, power) for i in range(count)]


def test_a_near_device_becomes_as_fast_and_then_as_weak_as_its_margin_buys() -> None:
    # SF12 needs -20 dB: 0 dB heard leaves 20 - 10 = 10 dB, three steps of 3 dB
    assert adr.decide(heard(0.0), SLOWEST) == Setting(3, 0, 1)
    assert adr.decide(heard(10.0), SLOWEST) == Setting(5, 1, 1)
    assert adr.decide(heard(60.0), SLOWEST) == Setting(5, 7, 1)


def test_nothing_becomes_weaker_on_fewer_than_twenty_uplinks() -> None:
    assert adr.decide(heard(10.0, HISTORY - 1), SLOWEST) == SLOWEST
    assert adr.decide([], SLOWEST) == SLOWEST


def test_power_rises_at_once_when_the_margin_is_gone() -> None:
    weak = Setting(5, 4, 1)  # SF7 needs -7.5 dB, with 10 dB to spare
    assert adr.decide(heard(-3.0, 1, power=4), weak) == Setting(5, 1, 1)
    assert adr.decide(heard(-20.0, 1, power=4), weak) == Setting(5, 0, 1)


def test_the_data_rate_never_falls_by_order() -> None:
    assert adr.decide(heard(-30.0), Setting(5, 0, 1)).rate == 5


def test_history_heard_at_another_power_still_counts() -> None:
    mixed = heard(4.0)[:10] + [Heard(i, 0.0, 2) for i in range(10, 20)]  # the same path, 4 dB weaker since
    assert adr.spare(mixed, Setting(5, 2, 1)) == adr.spare(heard(0.0, power=2), Setting(5, 2, 1))


def test_lost_frames_are_sent_more_often_and_stop_every_weakening() -> None:
    assert adr.loss(heard(0.0)) == 0
    assert adr.loss(heard(0.0, step=2)) > 0.4
    assert adr.decide(heard(30.0, step=2), SLOWEST) == Setting(0, 0, 3)
    some = [Heard(i + (i > 10) * 3, 30.0, 0) for i in range(HISTORY)]  # 3 of 23
    assert adr.decide(some, SLOWEST) == Setting(0, 0, 2)
    assert adr.decide(heard(-12.0), Setting(0, 0, 3)) == Setting(0, 0, 2)


def test_what_a_device_refused_is_not_given_again() -> None:
    assert adr.decide(heard(60.0), SLOWEST, Limits(fastest=3, weakest=2)) == Setting(3, 2, 1)


@given(st.floats(-30, 40), st.integers(0, 5), st.integers(0, 7), st.integers(1, 3))
def test_a_steady_path_comes_to_rest_with_its_margin_kept(path: float, rate: int, power: int, nb_trans: int) -> None:
    """The same path heard for ever: the settings stop changing, and unless at full power the margin is there."""
    setting = Setting(rate, power, nb_trans)
    for _ in range(30):
        after = adr.decide(heard(path - 2 * setting.power, power=setting.power), setting)
        assert after.rate >= setting.rate
        assert 0 <= after.power <= 7
        assert 1 <= after.nb_trans <= 3
        if after == setting:
            break
        setting = after
    else:
        raise AssertionError("it never settles")
    margin = path - 2 * setting.power - RATES[setting.rate].snr
    assert margin >= adr.MARGIN or setting.power == 0
    assert margin < adr.MARGIN + 2 * adr.STEP or (setting.rate, setting.power) == (5, 7)
