"""MAC commands and what the network does with them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.lorawan import adr, gps
from integrations.lorawan import commands as c
from integrations.lorawan.device import Radio
from integrations.lorawan.mac import PATIENCE, Link, Negotiation

LINK = Link(margin=12.4, gateways=3, time=1_790_000_000.25)
PLAN = Radio(rx_delay=5, rx2_rate=3, rx1_offset=1, channels=dict(enumerate([868_100_000, 868_300_000, 868_500_000])))

BYTE, NIBBLE = st.integers(0, 255), st.integers(0, 15)
HERTZ = st.integers(0, 0xFFFFFF).map(lambda n: n * 100)
UP = st.one_of(
    st.just(c.LinkCheckReq()),
    st.builds(c.LinkADRAns, st.booleans(), st.booleans(), st.booleans()),
    st.just(c.DutyCycleAns()),
    st.builds(c.RXParamSetupAns, st.booleans(), st.booleans(), st.booleans()),
    st.builds(c.DevStatusAns, BYTE, st.integers(-32, 31)),
    st.builds(c.NewChannelAns, st.booleans(), st.booleans()),
    st.just(c.RXTimingSetupAns()),
    st.just(c.TxParamSetupAns()),
    st.builds(c.DlChannelAns, st.booleans(), st.booleans()),
    st.just(c.DeviceTimeReq()),
)
DOWN = st.one_of(
    st.builds(c.LinkCheckAns, BYTE, BYTE),
    st.builds(c.LinkADRReq, NIBBLE, NIBBLE, st.integers(0, 0xFFFF), st.integers(0, 7), NIBBLE),
    st.builds(c.DutyCycleReq, NIBBLE),
    st.builds(c.RXParamSetupReq, st.integers(0, 7), NIBBLE, HERTZ),
    st.just(c.DevStatusReq()),
    st.builds(c.NewChannelReq, BYTE, HERTZ, NIBBLE, NIBBLE),
    st.builds(c.RXTimingSetupReq, NIBBLE),
    st.builds(c.TxParamSetupReq, BYTE),
    st.builds(c.DlChannelReq, BYTE, HERTZ),
    st.builds(c.DeviceTimeAns, st.integers(0, (1 << 40) - 1)),
)


@settings(max_examples=200)
@given(st.lists(UP, max_size=8), st.lists(DOWN, max_size=8))
def test_a_row_of_commands_reads_as_it_was_written(up: list[c.Command], down: list[c.Command]) -> None:
    assert c.parse(c.build(up), uplink=True) == (up, "")
    assert c.parse(c.build(down), uplink=False) == (down, "")


@settings.get_profile("hostile")
@given(st.binary(max_size=242), st.booleans())
def test_hostile_commands_end_the_row_and_nothing_else(data: bytes, uplink: bool) -> None:
    row, slug = c.parse(data, uplink=uplink)
    read = len(c.build(row))
    assert (slug == "") == (read == len(data))
    if slug.startswith("unknown"):
        assert slug == f"unknown-mac-command-{data[read]:02x}"


@pytest.mark.parametrize(
    ("hexadecimal", "uplink", "command"),
    [
        ("02", True, c.LinkCheckReq()),
        ("020f01", False, c.LinkCheckAns(15, 1)),
        ("0351ff0001", False, c.LinkADRReq(5, 1, 0x00FF, 0, 1)),
        ("0307", True, c.LinkADRAns(True, True, True)),
        ("0502d2ad84", False, c.RXParamSetupReq(0, 2, 869_525_000)),
        ("06ff3f", True, c.DevStatusAns(255, -1)),
        ("0703184f8450", False, c.NewChannelReq(3, 867_100_000, 0, 5)),
        ("0805", False, c.RXTimingSetupReq(5)),
        ("0a00d2ad84", False, c.DlChannelReq(0, 869_525_000)),
    ],
)
def test_commands_have_the_bytes_of_the_standard(hexadecimal: str, uplink: bool, command: c.Command) -> None:
    """TS001-1.0.4 chapter 5, field by field; 869.525 MHz is 0x84ADD2 × 100 Hz."""
    assert c.build([command]).hex() == hexadecimal
    assert c.parse(bytes.fromhex(hexadecimal), uplink=uplink) == ([command], "")


def test_gps_time_of_a_known_instant() -> None:
    """TS003, DeviceTime: Friday 12 February 2016 at 14:24:31 UTC was GPS second 1,139,322,288, with the 17 leap seconds
    of that year; an eighteenth came at the end of it."""
    assert gps.seconds(1_455_287_071.0) == 1_139_322_288 + 1
    mac = Negotiation(Radio())
    mac.heard([c.DeviceTimeReq()], Link(0.0, 1, 1_455_287_071.5))
    assert c.build(mac.row(15)).hex() == "0d" + (1_139_322_289).to_bytes(4, "little").hex() + "80"


def told(mac: Negotiation, room: int = 15) -> list[c.Command]:
    row = mac.row(room)
    mac.sent(row)
    return row


def test_a_link_check_and_a_time_request_are_answered_once_and_in_their_own_windows_only() -> None:
    mac = Negotiation(Radio())
    assert mac.heard([c.LinkCheckReq(), c.DeviceTimeReq(), c.LinkCheckReq()], LINK) == []
    assert mac.must_answer
    assert mac.row(15) == [c.LinkCheckAns(12, 3), c.DeviceTimeAns(round(gps.seconds(1_790_000_000.25) * 256))]
    mac.heard([], LINK)
    assert not mac.must_answer
    assert mac.row(15) == []


def test_a_time_that_is_not_sure_is_not_told() -> None:
    mac = Negotiation(Radio())
    mac.heard([c.DeviceTimeReq()], Link(0.0, 1, None))
    assert (mac.row(15), mac.must_answer) == ([], False)


def test_a_request_is_repeated_until_it_is_answered_and_counts_from_the_answer() -> None:
    mac = Negotiation(Radio())
    mac.want(PLAN)
    first = told(mac)
    assert first == [c.RXParamSetupReq(1, 3, 869_525_000), c.RXTimingSetupReq(5)]
    assert mac.radio == Radio(), "nothing is believed before the device says so"
    mac.heard([], LINK)
    mac.want(PLAN)
    assert told(mac) == first
    assert mac.heard([c.RXParamSetupAns(True, True, True), c.RXTimingSetupAns()], LINK) == []
    assert mac.radio == PLAN
    mac.want(PLAN)
    assert not mac.waiting


def test_a_sticky_answer_asks_for_a_downlink_every_time_it_is_heard() -> None:
    """§5.4: the device repeats it in each uplink until it hears a downlink."""
    mac = Negotiation(Radio())
    mac.want(PLAN)
    told(mac)
    for _ in range(3):
        assert mac.heard([c.RXParamSetupAns(True, True, True), c.RXTimingSetupAns()], LINK) == []
        assert mac.must_answer
    assert mac.radio == PLAN


def test_what_a_device_refuses_or_never_answers_is_not_asked_for_ever() -> None:
    mac = Negotiation(Radio())
    mac.want(PLAN)
    told(mac)
    assert mac.heard([c.RXParamSetupAns(True, False, True)], LINK) == ["mac-refused-05"]
    slugs: list[str] = []
    for _ in range(PATIENCE):
        mac.want(PLAN)
        assert told(mac) == ([c.RXTimingSetupReq(5)] if not slugs else [])
        slugs += mac.heard([], LINK)
    assert slugs == ["mac-unanswered-08"]
    mac.want(PLAN)
    assert not mac.waiting
    assert mac.radio == Radio()


def test_an_answer_to_nothing_changes_nothing() -> None:
    mac = Negotiation(Radio())
    mac.want(PLAN)  # wanted, but no downlink has carried it yet
    answers: list[c.Command] = [c.LinkADRAns(True, True, True), c.NewChannelAns(True, True), c.DevStatusAns(100, 3)]
    assert mac.heard([*answers, c.RXTimingSetupAns()], LINK) == ["unexpected-mac-answer"] * 4
    assert (mac.radio, mac.battery) == (Radio(), None)


def test_new_channels_are_answered_in_the_order_of_their_requests() -> None:
    goal = Radio(channels={0: 868_100_000, 1: 868_300_000, 2: 868_500_000, 3: 867_100_000, 4: 867_300_000})
    mac = Negotiation(Radio())
    mac.want(goal)
    assert told(mac) == [c.NewChannelReq(3, 867_100_000, 0, 5), c.NewChannelReq(4, 867_300_000, 0, 5)]
    assert mac.heard([c.NewChannelAns(True, False), c.NewChannelAns(True, True)], LINK) == ["mac-refused-07"]
    assert mac.radio.channels == {0: 868_100_000, 1: 868_300_000, 2: 868_500_000, 4: 867_300_000}


def test_a_row_keeps_to_its_room_and_overtakes_nothing() -> None:
    goal = Radio(rx_delay=5, rx2_rate=3, channels={**Radio().channels, 3: 867_100_000})
    mac = Negotiation(Radio())
    mac.want(goal)
    assert [len(c.build(mac.row(room))) for room in (0, 4, 5, 6, 7, 12, 13, 15)] == [0, 0, 5, 5, 7, 7, 13, 13]


def test_battery_and_margin_of_a_device_are_remembered() -> None:
    mac = Negotiation(Radio())
    mac.want_status()
    assert told(mac) == [c.DevStatusReq()]
    mac.heard([c.DevStatusAns(254, -7)], LINK)
    assert (mac.battery, mac.margin, mac.waiting) == (254, -7, False)


def test_a_refused_power_or_rate_is_a_limit_from_then_on() -> None:
    mac = Negotiation(Radio())
    mac.want_adr(adr.Setting(5, 7, 1))
    assert told(mac) == [c.LinkADRReq(5, 7, 0b111, 0, 1)]
    assert mac.heard([c.LinkADRAns(power=False, rate=True, mask=True)], LINK) == ["mac-refused-03"]
    assert mac.limits == adr.Limits(5, 6)
    mac.want_adr(adr.Setting(4, 6, 2))
    told(mac)
    mac.heard([c.LinkADRAns(True, True, True)], LINK)
    assert (mac.radio.power, mac.radio.nb_trans) == (6, 2)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=6))
def test_whatever_a_device_says_its_radio_changes_only_as_asked(frames: list[bytes]) -> None:
    mac = Negotiation(Radio())
    mac.want(PLAN)
    for frame in frames:
        told(mac)
        row, _ = c.parse(frame, uplink=True)
        mac.heard(row, LINK)
        assert mac.radio.rx_delay in {1, 5}
        assert (mac.radio.rx1_offset, mac.radio.rx2_rate) in {(0, 0), (1, 3)}
        assert mac.radio.channels == Radio().channels
        assert len(c.build(mac.row(15))) <= 15
