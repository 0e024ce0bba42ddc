"""The installed parsers in the real worker: what their own test-suites say of recorded advertisements.

Each vector is from `tests/` of the repository of the parser on GitHub, or from ble_monitor where that is said.
"""

from __future__ import annotations

import re
import sys
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from hypothesis import given, settings
from hypothesis import strategies as st

import hub
from integrations.bluetooth import advert
from integrations.bluetooth.strangers import child, lines, mapping, questions
from integrations.bluetooth.strangers.messages import Answer, Ask
from integrations.bluetooth.strangers.parsers import Reader, find

ADDRESS = "AA:BB:CC:DD:EE:FF"
SENSORPUSH = ("ef090000-11d6-42ba-93b8-9dd7ec090ab0",)

# parser, address, name, company → data, service → data, services without data, readings
VECTORS: list[tuple[str, str, str, dict[int, str], dict[str, str], tuple[str, ...], dict[str, Any]]] = [
    ("thermopro-ble", ADDRESS, "TP357 (2142)", {61890: "001d022c"}, {}, (),
     {"temperature": 24.1, "humidity": 29, "battery": 100}),
    ("sensorpush-ble", ADDRESS, "", {24064: "365b3abbb6"}, {}, SENSORPUSH,
     {"temperature": 22.3, "humidity": 52.81, "pressure": 997.59}),
    ("sensorpush-ble", ADDRESS, "", {14596: "36e73c"}, {}, SENSORPUSH, {"temperature": 20.44, "humidity": 38.7}),
    ("moat-ble", ADDRESS, "Moat_S2", {},
     {"5000": "df79e3a612b3f50b", "1000": "df79e3a612b31153db62fc627071f50bffff"}, (),
     {"temperature": 21.093, "humidity": 49.389, "battery_voltage": 3.061, "battery": 100}),
    ("thermobeacon-ble", ADDRESS, "ThermoBeacon", {16: "0000b002000047a4e20c8001b6024a000000"}, {}, ("fff0",),
     {"temperature": 24.0, "humidity": 43.38, "battery_voltage": 3.3, "battery": 100}),
    ("kegtron-ble", "D0:CF:5E:5C:9B:75", "D0:CF:5E:5C:9B:75",
     {65535: "49ef138802e20153696e676c6520506f7274000000000000000000"}, {}, (), {}),
    ("bluemaestro-ble", ADDRESS, "FA17B62C",
     {307: "17640e10000200f201f200830100010d02ab00f201f2010d02ab00f201f200ff024e0000000000"}, {}, (),
     {"temperature": 24.2, "humidity": 49.8, "dew_point": 13.1, "battery": 100}),
    ("mopeka-iot-ble", "C9:F3:32:E0:F5:09", "", {89: "0872460040e0f509f0d8"}, {}, ("fee5",),
     {"temperature": 30, "battery": 100, "battery_voltage": 3.5625, "distance": 0}),
    ("qingping-ble", ADDRESS, "Qingping Alarm Clock", {}, {"fdcd": "080c344d5634 2d5801042001b201020164"}, (),
     {"temperature": 28.8, "humidity": 43.4, "battery": 100}),
    ("qingping-ble", ADDRESS, "Qingping Motion & Light", {}, {"fdcd": "4812cdd560342d580804000d00000f01ee"}, (),
     {"motion": False}),
    ("inkbird-ble", "49:42:08:00:63:7A", "sps", {0x089C: "f41000ba4e6408"}, {}, ("fff0",),  # ble_monitor
     {"temperature": 22.04, "humidity": 43.4, "battery": 100}),
    ("inkbird-ble", "49:42:07:00:29:24", "tps", {0xF89E: "000000bcbc6406"}, {}, ("fff0",),  # ble_monitor
     {"temperature": -18.9, "battery": 100}),
    ("inkbird-ble", "34:14:B5:AB:F4:7B", "iBBQ", {0: "00003414b5abf47bc800d200"}, {}, ("fff0",),  # ble_monitor
     {"temperature": 20.0, "temperature_2": 21.0}),
    ("govee-ble", "A4:C1:38:DD:DB:F8", "GVH5075_DBF8", {60552: "00034db26400"}, {}, ("ec88",),
     {"temperature": 21.6, "humidity": 49.8, "battery": 100}),
    ("govee-ble", "A4:C1:38:DD:DB:F8", "Govee_H5074_5FF4",
     {60552: "00e609bc126402", 76: "0215494e54454c4c495f524f434b535f48575075f2ffc2"}, {}, ("ec88",),
     {"temperature": 25.34, "humidity": 47.96, "battery": 100}),
    ("xiaomi-ble", "A4:C1:38:B4:94:4C", "", {}, {"fe95": "50305b05034c94b438c1a40d10041001ea01"}, (),  # ble_monitor
     {"temperature": 27.2, "humidity": 49.0}),
]  # fmt: skip

SEALED = bytes.fromhex("58585b0550f4830238c1a495ef58763c26000097e2abb5")  # LYWSD03MMC, with its published key:
KEY = bytes.fromhex("e9ea895fac7cca6d30532432a516f3a8")
SENDER = "A4:C1:38:02:83:F4"


def frame(
    address: str, name: str, manufacturer: dict[int, str], service: dict[str, str], uuids: tuple[str, ...] = ()
) -> hub.Frame:
    return advert.frame(
        address,
        {company: bytes.fromhex(data) for company, data in manufacturer.items()},
        {uuid: bytes.fromhex(data) for uuid, data in service.items()},
        name=name,
        rssi=-60,
        uuids=uuids,
    )


def read(heard: hub.Frame, data: bytes, key: bytes | None = None) -> hub.Decoded | hub.NeedKey | None:
    said = hub.Frame(kind="ble", address=heard.address, data={**heard.data, mapping.SECTION: data})
    return mapping.decode(said, lambda device: key)


@pytest.mark.real("processes")
async def test_recorded_advertisements_mean_what_their_parsers_published() -> None:
    async with child.worker([]) as worker:
        for parser, address, name, manufacturer, service, uuids, values in VECTORS:
            heard = frame(address, name, manufacturer, service, uuids)
            answer, data = await worker.asked(questions.question(heard, None), 10)
            assert (answer.parser, answer.others) == (parser, []), name
            decoded = read(heard, data)
            assert isinstance(decoded, hub.Decoded)
            assert decoded.values == values, name
            assert decoded.device == f"ble:{address}"
            assert decoded.proof == hub.Proof("others", None, False)


@pytest.mark.real("processes")
async def test_what_a_frame_means_does_not_depend_on_what_other_senders_said_before() -> None:
    """The worker stays, and the parsers' modules in it: each frame first of all in one worker is last in another."""

    async def told(vectors: list[Any]) -> list[tuple[str, bytes]]:
        async with child.worker([]) as worker:
            answers = []
            for number, (_, address, name, manufacturer, service, uuids, _) in vectors:
                # where nothing in the frame says the address, each is of a sender of its own
                sender = f"AA:BB:CC:DD:EE:{number:02X}" if address == ADDRESS else address
                asked = questions.question(frame(sender, name, manufacturer, service, uuids), None)
                answer, _ = await worker.asked(asked, 10)
                answers.append((sender, msgspec.msgpack.encode(msgspec.structs.replace(answer, number=0))))
            return answers

    vectors = list(enumerate(VECTORS))
    assert sorted(await told(vectors)) == sorted(await told(vectors[::-1]))


def test_no_parser_keeps_anything_beside_its_object() -> None:
    """Variables of their modules and classes, before the vectors and after."""
    parsers, _ = find(bytearray(4096))
    homes = {parser.make.__module__.partition(".")[0] for parser in parsers} | {"sensor_state_data"}

    def kept() -> dict[str, str]:
        modules = [module for name, module in sys.modules.items() if name.partition(".")[0] in homes]
        holders = [*modules, *(c for m in modules for c in vars(m).values() if isinstance(c, type))]
        return {
            f"{holder!r}.{name}": repr(value)
            for holder in holders
            for name, value in list(vars(holder).items())
            if isinstance(value, (list, dict, set, bytearray, int, str, bytes)) and not name.startswith("__")
        }

    before = kept()
    reader = Reader(parsers, bytearray(4096))
    for number, (_, address, name, manufacturer, service, uuids, _) in enumerate(VECTORS):
        asked = questions.question(frame(address, name, manufacturer, service, uuids), None)
        assert reader.read(msgspec.structs.replace(asked, number=number)).parser
    assert len(before) > 500
    assert kept() == before


@pytest.mark.real("processes")
async def test_every_parser_of_the_extra_is_there() -> None:
    pyproject = (child.Path(child.__file__).parents[3] / "pyproject.toml").read_text()
    listed = re.search(r"^ble-sensors = \[(.*?)^\]", pyproject, re.MULTILINE | re.DOTALL)
    assert listed
    wanted = {re.split(r"[<>=]", name)[0] for name in re.findall(r'"([^"]+)"', listed[1])}
    async with child.worker([]) as worker:
        assert {name for name, _ in worker.parsers} == wanted
        assert worker.broken == []


def device(key: bytes | None) -> hub.Device:
    return hub.Device(id=f"ble:{SENDER}", integration="bluetooth", place="office", key=key)


@pytest.mark.real("processes")
async def test_a_sealed_frame_opens_with_the_key_of_its_device_and_no_other() -> None:
    heard = frame(SENDER, "", {}, {"fe95": SEALED.hex()})
    async with child.worker([]) as worker:
        _, data = await worker.asked(questions.question(heard, None), 10)
        assert read(heard, data) == hub.NeedKey(f"ble:{SENDER}", "Xiaomi LYWSD03MMC")
        answer, data = await worker.asked(questions.question(heard, device(KEY)), 10)
        assert answer.opened
        decoded = read(heard, data, KEY)
        _, data = await worker.asked(questions.question(heard, device(bytes(16))), 10)
        with pytest.raises(hub.DecodeError, match="bad-key"):
            read(heard, data, bytes(16))
    assert isinstance(decoded, hub.Decoded)
    assert decoded.proof == hub.Proof("others", None, True)
    # MiBeacon 5: address reversed, product, counters are the nonce; 0x11 is authenticated with it
    nonce = SEALED[5:11] + SEALED[2:5] + SEALED[-7:-4]
    clear = AESCCM(KEY, tag_length=4).decrypt(nonce, SEALED[11:-7] + SEALED[-4:], b"\x11")
    assert clear[:3] == bytes.fromhex("061002")  # humidity, two bytes
    assert decoded.values == {"humidity": int.from_bytes(clear[3:], "little") // 10}  # its display shows whole %


@pytest.mark.real("processes")
async def test_a_device_with_a_key_is_not_believed_in_clear() -> None:
    heard = frame("A4:C1:38:B4:94:4C", "", {}, {"fe95": "50305b05034c94b438c1a40d10041001ea01"})
    async with child.worker([]) as worker:
        _, data = await worker.asked(questions.question(heard, device(KEY)), 10)
    with pytest.raises(hub.DecodeError, match="clear-but-keyed"):
        read(heard, data, KEY)


LINE = {"address": SENDER, "service_data": {"fe95": SEALED.hex()}, "others": True}


@pytest.mark.real("processes")
def test_a_line_of_the_command_is_put_to_them_too() -> None:
    said = mapping.decode(lines.line({**LINE, "key": KEY.hex()}), lambda device: None)
    assert isinstance(said, hub.Decoded)
    assert said.values == {"humidity": 46}
    plain = {key: value for key, value in LINE.items() if key != "others"}
    assert lines.line(plain) == advert.line(plain)


@pytest.mark.parametrize("more", [{"others": 1}, {"others": False}, {"key": "xx"}, {"key": 5}, {"raw": ""}, {"tx": 1}])
def test_a_line_that_makes_no_sense_says_so(more: dict[str, Any]) -> None:
    with pytest.raises(hub.DecodeError, match="bad-line"):
        lines.line({**LINE, **more})


@pytest.mark.real("processes")
def test_a_line_says_so_when_no_parser_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "own_command", lambda: ["/bin/sh", "-c", "echo none here >&2; exit 1", "sh"])
    with pytest.raises(hub.DecodeError, match="no-parser: none here"):
        lines.line(LINE)


READER = Reader(find(bytearray(64))[0], bytearray(64), patience=5.0)


def ask(manufacturer: dict[int, str], address: str = ADDRESS, name: str = "TP357 (2142)") -> Answer:
    data = {company: bytes.fromhex(text) for company, text in manufacturer.items()}
    return READER.read(Ask(0, address, name, -60, data))


def test_a_parser_says_what_the_frame_says_and_nothing_it_said_before() -> None:
    """Broken twin: one parser object for all frames repeats the temperature."""
    assert {said.key for said in ask({61890: "001d022c"}).said} >= {"temperature", "humidity"}
    assert {said.key for said in ask({61890: "00"}).said} <= {"signal_strength"}


def test_of_what_bluez_keeps_together_only_the_new_is_read() -> None:
    before, both = {61890: "001d022c"}, {61890: "001d022c", 63938: "0010022c"}
    assert [said.value for said in ask(both, "AA:BB:CC:DD:EE:02").said if said.key == "temperature"] == []
    ask(before, "AA:BB:CC:DD:EE:03")
    [temperature] = [said.value for said in ask(both, "AA:BB:CC:DD:EE:03").said if said.key == "temperature"]
    assert temperature == 24.9  # 0x00f9, of the second


addresses = st.sampled_from([v[1] for v in VECTORS]) | st.just(ADDRESS)
names = st.sampled_from([v[2] for v in VECTORS]) | st.text(max_size=20)
companies = st.sampled_from([c for v in VECTORS for c in v[3]]) | st.integers(0, 0xFFFF)
services = st.sampled_from([questions.whole_uuid(s) for v in VECTORS for s in v[4]])
uuids = st.sampled_from([questions.whole_uuid(u) for v in VECTORS for u in v[5]])


@settings.get_profile("hostile")
@given(
    asked=st.builds(
        Ask,
        st.just(0),
        addresses,
        names,
        st.integers(-127, 20) | st.none(),
        st.dictionaries(companies, st.binary(max_size=40), max_size=3),
        st.dictionaries(services, st.binary(max_size=40), max_size=2),
        st.lists(uuids, max_size=2),
        st.none() | st.binary(min_size=16, max_size=16),
    )
)
def test_whatever_is_on_the_air_the_readings_are_numbers_with_a_place(asked: Ask) -> None:
    answer = READER.read(asked)
    known = {**hub.METRICS, **{metric.key: metric for metric in mapping.METRICS}}
    heard = hub.Frame(kind="ble", address=asked.address, data={})
    try:
        decoded = read(heard, child.msgspec.msgpack.encode(answer), asked.key)
    except hub.DecodeError as error:
        reason = error.reason
    else:
        reason = ""
        for metric, value in decoded.values.items() if isinstance(decoded, hub.Decoded) else ():
            kind = known[metric].kind if metric in known else "number"
            assert isinstance(value, {"number": int | float, "flag": bool}[kind])
    assert reason in ("", "ambiguous", "bad-key", "clear-but-keyed")
