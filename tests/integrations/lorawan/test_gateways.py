"""What gateways say and are told: Semtech's UDP protocol and Basics Station's LNS protocol."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lorawan_peer import LoraPacket

import hub
from integrations.lorawan import basics, eui, gwmp, phy, region, station
from integrations.lorawan.parts import Reception, Transmit

EUI = "0016c001ff10d3e5"
PUSH = bytes.fromhex("02beef00" + EUI)
MANY = settings.get_profile("hostile")

RXPK = [  # PROTOCOL.TXT of the packet forwarder, section 4: its three examples
    {"time": "2013-03-31T16:21:17.528002Z", "tmst": 3512348611, "chan": 2, "rfch": 0, "freq": 866.349812, "stat": 1,
     "modu": "LORA", "datr": "SF7BW125", "codr": "4/6", "rssi": -35, "lsnr": 5.1, "size": 32,
     "data": "-DS4CGaDCdG+48eJNM3Vai-zDpsR71Pn9CPA9uCON84"},
    {"time": "2013-03-31T16:21:17.530974Z", "tmst": 3512348514, "chan": 9, "rfch": 1, "freq": 869.1, "stat": 1,
     "modu": "FSK", "datr": 50000, "rssi": -75, "size": 16, "data": "VEVTVF9QQUNLRVRfMTIzNA=="},
    {"time": "2013-03-31T16:21:17.532038Z", "tmst": 3316387610, "chan": 0, "rfch": 0, "freq": 863.00981, "stat": 1,
     "modu": "LORA", "datr": "SF10BW125", "codr": "4/7", "rssi": -38, "lsnr": 5.5, "size": 32,
     "data": "ysgRl452xNLep9S1NTIg2lomKDxUgn3DJ7DE+b00Ass"},
]  # fmt: skip


def push(*packets: dict[str, Any], **more: Any) -> bytes:
    return PUSH + json.dumps({"rxpk": list(packets), **more}).encode()


def order(**changes: Any) -> Transmit:
    after = Reception(
        gateway=EUI,
        at=1.0,
        raw=b"",
        frequency=868_100_000,
        rate=5,
        rssi=-80,
        snr=5,
        clock=0x1_FFFF_0000,
        context=2,
    )
    usual = Transmit(
        id=7,
        gateway=EUI,
        dev_eui=bytes.fromhex("70b3d5e75e000001"),
        raw=b"\x60\x01\x02",
        frequency=868_100_000,
        rate=5,
        eirp=16,
        window=1,
        after=after,
        delay=5,
    )
    return msgspec.structs.replace(usual, **changes)


# Semtech UDP


def test_the_examples_of_the_protocol_document_are_read() -> None:
    said = gwmp.parse(
        push(
            *RXPK,
            stat={
                "rxnb": 2,
                "rxok": 2,
                "rxfw": 2,
                "ackr": 100.0,
                "dwnb": 2,
                "txnb": 2,
                "lati": 46.24,
                "long": 3.2523,
                "alti": 145,
            },
        )
    )
    assert isinstance(said, gwmp.Push)
    assert (said.gateway, said.token, said.skipped) == (EUI, 0xBEEF, ())
    lora, fsk, slow = said.received
    assert (lora.tmst, lora.frequency, lora.rate, lora.rssi, lora.snr, len(lora.raw)) == (
        3512348611, 866_349_812, 5, -35, 5.1, 32,
    )  # fmt: skip
    assert (fsk.raw, fsk.rate) == (b"TEST_PACKET_1234", 7)
    assert (slow.rate, slow.frequency) == (2, 863_009_810)
    assert said.status
    assert (said.status.ackr, said.status.lati) == (100.0, 46.24)
    assert gwmp.acknowledge(said) == bytes.fromhex("02beef01")


def test_a_pull_is_acknowledged_with_its_token() -> None:
    said = gwmp.parse(bytes.fromhex("02123402" + EUI))
    assert said == gwmp.Pull(EUI, 0x1234)
    assert gwmp.acknowledge(said) == bytes.fromhex("02123404")


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b"", ""), (b"\0", ""), (b'{"txpk_ack":{"error":"NONE"}}', ""), (b'{"txpk_ack":{"error":""}}', ""),
        (b'{"txpk_ack":{"error":"TOO_LATE"}}', "too-late"),
        (b'{"txpk_ack":{"error":"COLLISION_PACKET"}}', "collision-packet"),
        (b'{"txpk_ack":{"warn":"TX_POWER","value":14}}', ""), (b'{"txpk_ack":{"error":"<script>"}}', "other"),
    ],
)  # fmt: skip
def test_a_transmission_is_acknowledged_or_refused(body: bytes, refusal: str) -> None:
    assert gwmp.parse(bytes.fromhex("02002a05" + EUI) + body) == gwmp.TxAck(EUI, 42, refusal)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stat": -1}, "bad-crc"), ({"stat": 0}, "no-crc"), ({"freq": 915.0}, "out-of-band"),
        ({"datr": "SF5BW125"}, "unsupported-rate"), ({"datr": 50000}, "unsupported-rate"),
        ({"modu": "LR-FHSS"}, "unsupported-rate"), ({"size": 31}, "bad-size"), ({"data": "!!!!"}, "bad-base64"),
        ({"data": ""}, "bad-size"), ({"data": "A" * 513}, "bad-rxpk"), ({"tmst": -1}, "bad-rxpk"),
        ({"tmst": 1 << 32}, "bad-rxpk"), ({"rssi": None}, "bad-rxpk"), ({"lsnr": 1e9}, "bad-rxpk"),
        ({"freq": "868.1"}, "bad-rxpk"),
    ],
)  # fmt: skip
def test_one_bad_packet_is_named_and_its_neighbours_are_kept(change: dict[str, Any], reason: str) -> None:
    said = gwmp.parse(push(RXPK[0], {**RXPK[0], **change}, RXPK[2]))
    assert isinstance(said, gwmp.Push)
    assert len(said.received) == 2
    assert said.skipped == (reason,)


def test_a_gateway_with_two_antennas_counts_with_the_better_one() -> None:
    packet = {key: value for key, value in RXPK[0].items() if key not in {"rssi", "lsnr"}}
    said = gwmp.parse(push({**packet, "rsig": [{"rssic": -90, "lsnr": -2.0}, {"rssic": -80, "lsnr": 6.5}]}))
    assert isinstance(said, gwmp.Push)
    assert (said.received[0].rssi, said.received[0].snr) == (-80, 6.5)


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"", "truncated"), (PUSH[:11], "truncated"), (b"\x01" + PUSH[1:] + b"{}", "unsupported-version"),
        (bytes.fromhex("02beef03" + EUI) + b"{}", "unknown-kind"), (PUSH, "bad-json"), (PUSH + b"[]", "bad-json"),
        (PUSH + b'{"rxpk":{}}', "bad-json"), (PUSH + b"\xff\xfe", "bad-json"),
        (PUSH + b'{"rxpk":[' + b"[" * 5000 + b"]" * 5000 + b"]}", "bad-json"),
        (PUSH + json.dumps({"rxpk": [{}] * 257}).encode(), "bad-json"),
        (bytes.fromhex("02002a05" + EUI) + b'{"txpk_ack":7}', "bad-json"),
    ],
)  # fmt: skip
def test_each_wrong_datagram_has_its_reason(datagram: bytes, reason: str) -> None:
    with pytest.raises(hub.DecodeError) as caught:
        gwmp.parse(datagram)
    assert caught.value.reason == reason


NUMBER = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
SCALAR = st.none() | st.booleans() | NUMBER | st.text(max_size=8)
JSON = SCALAR | st.lists(SCALAR, max_size=3) | st.dictionaries(st.text(max_size=6), SCALAR, max_size=3)


@st.composite
def spoilt(draw: st.DrawFn, good: dict[str, Any]) -> dict[str, Any]:
    """A good object with some of its fields replaced by anything, or left out."""
    made = dict(good)
    for name in draw(st.lists(st.sampled_from(sorted(good)), max_size=2)):
        made[name] = draw(JSON)
    for name in draw(st.lists(st.sampled_from(sorted(good)), max_size=1)):
        del made[name]
    return made


def finite(rssi: float, snr: float) -> bool:
    return math.isfinite(rssi) and math.isfinite(snr)


@MANY
@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: PUSH + tail))
def test_hostile_datagrams_are_read_or_refused(datagram: bytes) -> None:
    try:
        gwmp.parse(datagram)
    except hub.DecodeError:
        return
    assert datagram[0] == 2


@MANY
@given(st.lists(spoilt(RXPK[0]), max_size=2), JSON)
def test_hostile_packets_in_a_good_datagram_are_read_or_counted(packets: list[dict[str, Any]], stat: Any) -> None:
    said = gwmp.parse(push(*packets, stat=stat))
    assert isinstance(said, gwmp.Push)
    bad_stat = stat is not None and said.status is None
    assert len(said.received) + len(said.skipped) == len(packets) + bad_stat
    for rx in said.received:
        assert finite(rx.rssi, rx.snr)
        assert region.LOWEST <= rx.frequency < region.HIGHEST


def test_a_downlink_is_timed_by_the_gateways_own_clock_across_its_roll_over() -> None:
    made = gwmp.pull_resp(order(), 42, gain=2.0)
    assert made[:4] == bytes.fromhex("02002a03")
    assert json.loads(made[4:]) == {
        "txpk": {
            "tmst": (0xFFFF_0000 + 5_000_000) % (1 << 32),
            "freq": 868.1,
            "rfch": 0,
            "powe": 14,
            "modu": "LORA",
            "datr": "SF7BW125",
            "codr": "4/5",
            "ipol": True,
            "ncrc": True,
            "prea": 8,
            "size": 3,
            "data": "YAEC",
        }
    }


def test_a_class_c_downlink_goes_at_once_and_fsk_has_its_deviation() -> None:
    assert json.loads(gwmp.pull_resp(order(window=0, after=None, delay=0), 1)[4:])["txpk"]["imme"] is True
    fsk = json.loads(gwmp.pull_resp(order(rate=7), 1)[4:])["txpk"]
    assert (fsk["modu"], fsk["datr"], fsk["fdev"], "ipol" in fsk) == ("FSK", 50000, 25000, False)


def test_a_gateway_is_not_asked_for_more_power_than_it_has() -> None:
    assert json.loads(gwmp.pull_resp(order(eirp=29), 1, gain=0.5, most=27)[4:])["txpk"]["powe"] == 27
    assert json.loads(gwmp.pull_resp(order(eirp=29), 1, gain=8.2)[4:])["txpk"]["powe"] == 20


@given(st.lists(st.integers(0, (1 << 31) - 1), min_size=1, max_size=50), st.integers(0, 0xFFFFFFFF))
def test_a_rolling_clock_is_unrolled(steps: list[int], first: int) -> None:
    clock, true = gwmp.Unwrap(), first
    start = clock.feed(first)
    for step in steps:
        true += step
        assert clock.feed(true & 0xFFFFFFFF) - start == true - first


def test_a_frame_out_of_order_stands_before_the_one_that_overtook_it() -> None:
    clock = gwmp.Unwrap()
    later = clock.feed(100)
    assert clock.feed(0xFFFFFFFF - 99) == later - 200
    assert clock.feed(150) == later + 50


# Basics Station


UPINFO = {"rctx": 0, "xtime": 40250921680313459, "gpstime": 0, "rssi": -47, "snr": 9.25, "rxtime": 1548059982.03}


def from_frame(raw: bytes, **more: Any) -> dict[str, Any]:
    """A frame as a station takes it apart ("The LNS Protocol", uplink messages)."""
    common = {"MHdr": raw[0], "MIC": int.from_bytes(raw[-4:], "little", signed=True), "DR": 5, "Freq": 868_300_000,
              "upinfo": UPINFO}  # fmt: skip
    if raw[0] >> 5 == 0:
        return {"msgtype": "jreq", "JoinEui": eui.dashed(raw[8:0:-1].hex()), "DevEui": eui.id6(raw[16:8:-1].hex()),
                "DevNonce": int.from_bytes(raw[17:19], "little"), **common, **more}  # fmt: skip
    end = 8 + (raw[5] & 0x0F)
    port = raw[end] if end < len(raw) - 4 else -1
    return {
        "msgtype": "updf", "DevAddr": int.from_bytes(raw[1:5], "little", signed=True), "FCtrl": raw[5],
        "FCnt": int.from_bytes(raw[6:8], "little"), "FOpts": raw[8:end].hex(), "FPort": port,
        "FRMPayload": raw[end + 1 : -4].hex(), **common, **more,
    }  # fmt: skip


@pytest.mark.real("processes")
@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.none() | st.integers(0, 255), st.binary(max_size=15), st.integers(0, 0xFFFFFFFF))
def test_a_frame_taken_apart_by_a_station_is_put_together_byte_for_byte(
    lora_packet: LoraPacket, payload: bytes, fport: int | None, fopts: bytes, address: int
) -> None:
    frame = lora_packet.data(
        uplink=True,
        address=address,
        fcnt=address % 70000,
        nwk=bytes(16),
        app=bytes(16),
        fport=fport,
        payload=payload if fport is not None else b"",
        fopts=fopts,
    )
    said = basics.parse(json.dumps(from_frame(frame)))
    assert said == basics.Received(frame, 868_300_000, 5, -47.0, 9.25, 40250921680313459, 0)


@pytest.mark.real("processes")
def test_a_join_request_is_put_together_too(lora_packet: LoraPacket) -> None:
    join_eui, dev_eui = "0000000000000001", "70b3d5e75e00abcd"
    raw = bytes.fromhex(
        lora_packet("joinRequest", joinEui=join_eui, devEui=dev_eui, devNonce=0xBEEF, appKey=bytes(16).hex())
    )
    said = basics.parse(json.dumps(from_frame(raw)))
    assert isinstance(said, basics.Received)
    assert said.raw == raw
    assert isinstance(phy.parse(said.raw), phy.JoinRequest)


GOOD = from_frame(bytes.fromhex("40f17dbe4900020001954378762b11ff0d"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"FCtrl": 1}, "bad-fopts"), ({"FOpts": "0"}, "bad-hex"), ({"FRMPayload": "zz"}, "bad-hex"),
        ({"FRMPayload": "95 43"}, "bad-hex"), ({"FPort": -1}, "bad-json"), ({"FPort": 256}, "bad-json"),
        ({"FCnt": 65536}, "bad-json"), ({"DR": 8}, "unsupported-rate"), ({"DR": 16}, "bad-json"),
        ({"Freq": 915_000_000}, "out-of-band"), ({"MIC": 1 << 32}, "bad-json"), ({"upinfo": {}}, "bad-json"),
        ({"FRMPayload": "00" * 256}, "bad-json"), ({"msgtype": 7}, "bad-json"), ({"x": "y" * 17000}, "oversized"),
    ],
)  # fmt: skip
def test_each_wrong_message_has_its_reason(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(hub.DecodeError) as caught:
        basics.parse(json.dumps({**GOOD, **change}))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"msgtype": "version", "station": "2.0.6", "firmware": None, "package": "x", "model": "m", "protocol": 2,
          "features": "rmtsh prod"}, basics.Version("2.0.6", "", "m", 2)),
        ({"msgtype": "dntxed", "diid": 35, "DevEui": "1", "rctx": 0, "xtime": 1, "txtime": 1.0, "gpstime": 0},
         basics.Sent(35)),
        ({"msgtype": "timesync", "txtime": 1234567}, basics.TimeSync(1234567)),
        ({"msgtype": "propdf", "FRMPayload": "00"}, basics.Other("proprietary")),
        ({"msgtype": "rmtsh", "user": "root"}, basics.Other("refused-remote-shell")),
        ({"msgtype": "runcmd"}, basics.Other("refused-remote-shell")),
        ({"msgtype": "alarm"}, basics.Other("")), ({"msgtype": "dnmsg"}, basics.Other("unknown-message")),
    ],
)  # fmt: skip
def test_the_other_messages_of_a_station(message: dict[str, Any], expected: basics.Message) -> None:
    assert basics.parse(json.dumps(message).encode()) == expected


@MANY
@given(st.binary(max_size=120) | st.text(max_size=60) | JSON.map(json.dumps) | spoilt(GOOD).map(json.dumps))
def test_hostile_messages_are_read_or_refused(data: bytes | str) -> None:
    for read in (basics.parse, basics.discovery):
        try:
            said = read(data)
        except hub.DecodeError:
            continue
        if isinstance(said, basics.Received):
            assert finite(said.rssi, said.snr)
            assert len(said.raw) >= 12


def test_the_router_configuration_covers_the_usual_eight_channels() -> None:
    """The two radios of every EU868 configuration of the reference forwarder: 867.5 and 868.5 MHz."""
    channels = (*region.DEFAULT_CHANNELS, 867_100_000, 867_300_000, 867_500_000, 867_700_000, 867_900_000)
    said = json.loads(station.router_config(channels, 1_790_000_000.0))
    radios = said["sx1301_conf"][0]
    centres = [radios["radio_0"]["freq"], radios["radio_1"]["freq"]]
    assert centres == [867_500_000, 868_500_000]
    heard = [radios[f"chan_multiSF_{i}"] for i in range(8)]
    assert sorted(centres[channel["radio"]] + channel["if"] for channel in heard) == sorted(channels)
    fast, fsk = radios["chan_Lora_std"], radios["chan_FSK"]
    assert (centres[fast["radio"]] + fast["if"], fast["spread_factor"]) == (868_300_000, 7)
    assert centres[fsk["radio"]] + fsk["if"] == 868_800_000
    assert said["DRs"][:8] == [[12, 125, 0], [11, 125, 0], [10, 125, 0], [9, 125, 0], [8, 125, 0], [7, 125, 0],
                               [7, 250, 0], [0, 0, 0]]  # fmt: skip
    assert len(said["DRs"]) == 16


def test_channels_that_no_gateway_can_hear_are_refused() -> None:
    with pytest.raises(ValueError, match="two radios"):
        station.router_config((863_100_000, 865_100_000, 868_100_000), 0.0)
    with pytest.raises(ValueError, match="1 to 8"):
        station.router_config((), 0.0)


def test_a_class_a_downlink_names_the_chosen_window_only() -> None:
    first = json.loads(station.dnmsg(order(), 1.0))
    assert first == {
        "msgtype": "dnmsg", "DevEui": "70-B3-D5-E7-5E-00-00-01", "dC": 0, "diid": 7, "pdu": "600102", "priority": 0,
        "MuxTime": 1.0, "RxDelay": 5, "RX1DR": 5, "RX1Freq": 868_100_000, "xtime": 0x1_FFFF_0000, "rctx": 2,
    }  # fmt: skip
    second = json.loads(station.dnmsg(order(window=2, delay=6, rate=0, frequency=869_525_000), 1.0))
    assert (second["RxDelay"], second["RX2DR"], second["RX2Freq"]) == (5, 0, 869_525_000)
    assert "RX1DR" not in second


def test_a_class_c_downlink_has_no_uplink_to_count_from() -> None:
    said = json.loads(station.dnmsg(order(window=0, delay=0, after=None, frequency=869_525_000), 1.0))
    assert (said["dC"], said["RX2Freq"], "xtime" in said) == (2, 869_525_000, False)


def test_a_station_is_told_gps_time_and_where_to_go() -> None:
    said = json.loads(station.timesync(55, 1_455_287_071.0))
    assert (said["txtime"], said["gpstime"]) == (55, 1_139_322_289_000_000)
    assert basics.discovery(b'{"router":"::1"}') == basics.Discovery("0000000000000001")
    assert json.loads(station.welcome(EUI, "0" * 16, "ws://127.0.0.1:1/x"))["router"] == "16:c001:ff10:d3e5"
    assert json.loads(station.unwelcome(EUI, "not on the list"))["error"] == "not on the list"


# EUIs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0016C001FF10D3E5", EUI), ("00-16-C0-01-FF-10-D3-E5", EUI), ("00:16:c0:01:ff:10:d3:e5", EUI),
        ("16:c001:ff10:d3e5", EUI), ("::1", "0000000000000001"), ("::", "0" * 16), ("fe::", "00fe000000000000"),
        ("a:b::", "000a000b00000000"), ("::a:b", "00000000000a000b"), ("1::2", "0001000000000002"),
        (1, "0000000000000001"), (-1, "f" * 16), ((1 << 64) - 1, "f" * 16), ("1234567890123456", "1234567890123456"),
    ],
)  # fmt: skip
def test_every_way_to_write_an_eui_is_read(text: str | int, expected: str) -> None:
    assert eui.read(text) == expected


@pytest.mark.parametrize(
    "text", ["", "1", "0016C001FF10D3E", "00-16:C0-01-FF-10-D3-E5", "1:2:3", "1:2:3:4:5", "::1::", "1::2:3:4",
             "12345::", "g::", 1 << 64, "00-16-C0-01-FF-10-D3-E5-00"],
)  # fmt: skip
def test_what_is_no_eui_is_refused(text: str | int) -> None:
    with pytest.raises(hub.DecodeError, match="bad-eui"):
        eui.read(text)


@given(st.binary(min_size=8, max_size=8).map(bytes.hex) | st.integers(0, 0xFFFFFFFF).map(lambda n: f"{n:016x}"))
def test_what_is_written_is_read_again(made: str) -> None:
    assert eui.read(eui.id6(made)) == eui.read(eui.dashed(made)) == made


@MANY
@given(st.text(max_size=30) | st.text(alphabet="0123456789abcdef:-", max_size=24) | st.integers())
def test_hostile_euis_are_read_or_refused(text: str | int) -> None:
    try:
        found = eui.read(text)
    except hub.DecodeError:
        return
    assert len(bytes.fromhex(found)) == 8
