"""What a meter measures now, chosen from its records: tariffs, errors, stored values, and what a person has mapped."""

from __future__ import annotations

import random
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import hub
from hub.sdk.testing import FakeSession
from integrations.mbus import decode_wired, link, sense
from integrations.mbus.decode import Message, readings, wired
from integrations.mbus.header import Identity
from integrations.mbus.poll import Poller
from integrations.mbus.readings import STORED, WRONG, present, stored
from integrations.mbus.records import Record, parse
from integrations.mbus.settings import DeviceSettings, MappedRecord, RecordMap
from integrations.mbus.vif import COMBINABLE, ERRORS

# Published frames (libmbus, test/test-frames), each with what that library reads in it
TWO_TARIFFS = (  # electricity-meter-1: 12520 Wh and 17744330 Wh, under tariffs 1 and 2; nothing under 0
    "68 92 92 68 08 01 72 3E 02 00 05 43 4C 12 02 13 00 00 00 8C 10 04 52 12 00 00 8C 11 04 52 12 00 00 8C 20 04 33 44 "
    "77 01 8C 21 04 33 44 77 01 02 FD C9 FF 01 ED 00 02 FD DB FF 01 20 00 02 AC FF 01 4F 00 82 40 AC FF 01 EE FF 02 FD "
    "C9 FF 02 E7 00 02 FD DB FF 02 23 00 02 AC FF 02 51 00 82 40 AC FF 02 F1 FF 02 FD C9 FF 03 E4 00 02 FD DB FF 03 45 "
    "00 02 AC FF 03 A0 00 82 40 AC FF 03 E0 FF 02 FF 68 00 00 02 AC FF 00 40 01 82 40 AC FF 00 BF FF 01 FF 13 04 D9 16"
)
ONE_TARIFF = (  # berg_dcmi: 1 Wh under tariff 1; 3452.6 W, stored
    "68 21 21 68 08 01 72 00 00 00 00 A3 08 00 02 92 00 00 00 8C 10 03 01 00 00 00 C4 00 2A DE 86 00 00 01 FD 17 00 C1 "
    "16"
)
NO_ERROR = (  # abb_delta: 0 Wh under tariff 0, with the VIFE "no error"
    "68 98 98 68 08 01 72 12 34 56 78 42 04 02 02 45 00 00 00 0E 84 00 00 00 00 00 00 00 8E 10 84 00 00 00 00 00 00 00 "
    "8E 20 84 00 00 00 00 00 00 00 8E B0 00 84 00 00 00 00 00 00 00 8E 80 10 84 00 00 00 00 00 00 00 8E 80 40 84 00 00 "
    "00 00 00 00 00 8E 90 40 84 00 00 00 00 00 00 00 8E A0 40 84 00 00 00 00 00 00 00 8E B0 40 84 00 00 00 00 00 00 00 "
    "8E 80 50 84 00 00 00 00 00 00 00 01 FF 93 00 00 0C FF 92 00 00 00 00 01 07 FD 97 00 00 00 00 00 00 00 00 00 01 FF "
    "98 00 00 1F 75 16"
)
SIGNED = (  # example_data_01: 1389817000 Wh, 504647 m3; the signature word is B627
    "68 31 31 68 08 01 72 45 58 57 03 B4 05 34 04 9E 00 27 B6 03 06 F9 34 15 03 15 C6 00 4D 05 2E 00 00 00 00 05 3D 00 "
    "00 00 00 05 5B 22 F3 26 42 05 5F C7 DA 0D 42 FA 16"
)
ONLY_STORED = (  # LGB_G350: 10834.092 m3 under storage 1, of 2016-07-22 at eight; nothing under 0
    "68 40 40 68 08 01 72 58 20 08 12 E2 30 40 03 40 00 00 00 2F 2F 4C 13 92 40 83 10 46 6D 00 00 08 16 27 00 0D 78 11 "
    "34 31 38 35 30 32 38 30 32 31 39 35 37 31 30 30 47 89 40 FD 1A 01 01 FD 17 00 01 FD 67 0F 38 16"
)
ALLOCATOR = (  # rel_padpuls3: 1987 units of a heat cost allocator
    "68 2F 2F 68 08 01 72 01 01 03 01 AC 48 40 08 1E 00 00 00 0C 6E 87 19 00 00 04 6D 29 0A 1F 0C 42 6C 1F 0C 4C 6E 02 "
    "13 00 00 42 EC 7E 3F 0C 0F C0 01 01 0C 40 16"
)
PULSES = (  # the beginning of berg_bmb_10S0: the same VIF in an adapter of pulses, whose medium is unknown
    "06 6E 78 25 00 00 00 00 03 6E 68 04 00 05 FE 28 00 00 80 3F"
)
WATER = Identity("ACW", "12345678", 1, 7, b"")
METER = "mbus:LGB-12082058-40-03"


def told(frame: str) -> Message:
    return wired(bytes.fromhex(frame))


def water(data: str) -> dict[str, float]:
    return present(parse(bytes.fromhex(data)).records, WATER).values


def test_a_total_that_is_counted_by_tariffs_alone_is_their_sum() -> None:
    assert readings(told(TWO_TARIFFS)) == {"energy": pytest.approx(17_756.85)}
    assert readings(told(ONE_TARIFF)) == {"energy": pytest.approx(0.001)}


@pytest.mark.parametrize(
    ("records", "litres"),
    [
        ("84101364000000 842013C8000000", 300.0),
        ("0413E8030000 84101364000000 842013C8000000", 1000.0),  # tariff 0 is the total
        ("84101364000000 84101309000000 842013C8000000", 300.0),  # the first of each counts
        ("842013C8000000", None),  # a part
        ("84101364000000 843013C8000000", None),  # without the second
        ("84101364000000 84209315C8000000", None),  # the second is not available
        ("84101364000000 8C2013FFFFFFFF", None),  # the second is no number
        ("04931500000000 84101364000000", None),  # there is a total, which is not available
        ("84101364000000 8420933CC8000000", 100.0),  # backwards: another quantity
        ("C4101364000000 C42013C8000000", None),  # stored
        ("84501364000000", None),  # of another subunit
    ],
)
def test_the_sum_of_tariffs_needs_each_of_them(records: str, litres: float | None) -> None:
    assert water(records.replace(" ", "")).get("water") == litres


def test_a_flow_under_two_tariffs_is_no_sum() -> None:
    assert water("84103B64000000" + "84203BC8000000") == {}


def test_no_error_is_no_reason_to_leave_a_value_out() -> None:
    assert readings(told(NO_ERROR)) == {"energy": 0.0}


@pytest.mark.parametrize("code", sorted(code for code, name in COMBINABLE.items() if name in ERRORS))
def test_a_value_that_its_meter_marks_as_wrong_is_none_and_is_counted(code: int) -> None:
    found = present(parse(bytes([0x04, 0x93, code]) + bytes.fromhex("E8030000")).records, WATER)
    assert found == ({}, (WRONG,))
    both = bytes([0x04, 0x93, code]) + bytes.fromhex("E8030000" + "0413E8030000")
    assert present(parse(both).records, WATER) == ({"water": 1000.0}, ()), "said once more, without the mark"


def test_a_phase_behind_an_extension_is_no_error() -> None:
    (record,) = parse(bytes.fromhex("0AFDC9FC013602")).records  # of an amiplus meter: 236 V at L1 (wmbusmeters)
    assert (record.quantity, record.value, record.modifiers) == ("voltage", 236, ("at phase L1",))
    assert present([record], WATER) == ({}, ())


_RECORD = st.builds(
    Record,
    st.sampled_from(["instantaneous", "maximum", "minimum", "error"]),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 1),
    st.sampled_from(["volume", "energy", "flow temperature", "date and time"]),
    st.sampled_from(["m3", "W.h", "Cel"]),
    st.sampled_from([1, 2.5, None, "2016-07-22T08:00"]),
    st.sampled_from([(), ("no error",), ("data error",), ("per hour",)]),
)


@given(st.lists(_RECORD, max_size=12))
def test_what_is_stored_never_changes_what_is_present(records: list[Record]) -> None:
    of_now = [record for record in records if not record.storage]
    assert present(records, WATER).values == present(of_now, WATER).values


def test_a_heat_cost_allocator_has_units_and_a_counter_of_pulses_has_none() -> None:
    assert readings(told(ALLOCATOR)) == {"heat_cost_units": 1987}
    assert hub.METRICS["heat_cost_units"].privacy == "personal"
    assert present(parse(bytes.fromhex(PULSES)).records, Identity("BCT", "00000339", 0x71, 0x0F, b"")).values == {}


# -- the former signature word ----------------------------------------------------------------------------------------


def test_a_signature_of_former_meters_is_no_encryption() -> None:
    assert readings(told(SIGNED)) == {
        "energy": 1_389_817.0,
        "volume": 504_647_000.0,
        "power": 0.0,
        "volume_flow": 0.0,
        "flow_temperature": pytest.approx(41.7374, abs=1e-3),
        "return_temperature": pytest.approx(35.4637, abs=1e-3),
    }


@pytest.mark.parametrize("word", ["2705", "2707", "270d", "27b6"])
def test_a_sealed_telegram_on_the_wire_is_refused_whatever_the_word_says(word: str) -> None:
    head = bytes.fromhex("4558570 3B4053404 9E00".replace(" ", "") + word)
    for seed in range(200):
        sealed = link.long(0x08, 1, 0x72, head + random.Random(seed).randbytes(64))
        with pytest.raises(hub.DecodeError) as caught:
            wired(sealed)
        assert caught.value.reason == "mbus-mode"


def test_random_bytes_make_no_sense() -> None:
    rng = random.Random(19)
    assert not any(sense.clear(rng.randbytes(16 * rng.randint(1, 8))) for _ in range(20_000))


@given(st.binary(max_size=250))
def test_any_bytes_make_sense_or_none(data: bytes) -> None:
    assert sense.clear(data) in (True, False)


# -- stored values ----------------------------------------------------------------------------------------------------


class Bus:
    """A master whose meters say these telegrams, one poll after another."""

    answered_s = 0.0

    def __init__(self, *frames: str) -> None:
        self.left = [told(frame) for frame in frames]

    async def read(self, address: int, own: bytes | None = None) -> list[Message]:
        return [self.left.pop(0)]

    async def select(self, own: bytes) -> None:
        return None


async def poll(*frames: str, name: str = METER, **options: object) -> FakeSession:
    session = FakeSession("mbus", devices=[hub.Device(id=name, integration="mbus", place="meter", settings=options)])
    settings = DeviceSettings.model_validate({"address": 1, **options})
    poller = Poller(Bus(*frames), session, {name: settings})  # type: ignore[arg-type]
    for _ in frames:
        await poller.poll(session.devices.all())
    return session


async def test_a_meter_that_says_a_stored_total_alone_gives_it_with_its_own_time_and_once() -> None:
    session = await poll(ONLY_STORED, ONLY_STORED)
    then = datetime(2016, 7, 22, 8, tzinfo=ZoneInfo(session.devices.timezone)).timestamp()
    dated = [report for report in session.reports if report.time is not None]
    assert [(report.time, report.values) for report in dated] == [(then, {"gas": pytest.approx(10_834.092)})]
    assert all("gas" not in report.values for report in session.reports if report.time is None), "never as present"
    assert session.drops == []


async def test_a_stored_total_without_a_date_is_counted_and_no_reading() -> None:
    body = bytes.fromhex("58200812E230400340000000" + "4C1392408310")
    session = await poll(link.long(8, 1, 0x72, body).hex())
    assert [report.values.keys() & {"gas", "volume"} for report in session.reports] == [set()]
    assert session.drops == [(METER, STORED)]


def test_two_dates_of_one_storage_date_nothing() -> None:
    twice = parse(bytes.fromhex("4C1392408310" + "446D00080116" * 2)).records
    assert stored(twice, WATER) is None
    assert stored(twice[:2], WATER) is not None


@pytest.mark.parametrize(
    ("status", "units", "litres"),
    [
        ("00", "E97E", {"water": 1.0}),  # libmbus, manual_frame2: 1 l, and 135 l at a former date
        ("02", "E97E", {}),  # both counters are of a fixed date
        ("02", "E969", {}),
        ("01", "E97E", {"water": 1.0}),  # binary
    ],
)
def test_a_counter_of_the_fixed_structure_that_is_of_a_fixed_date_is_not_of_now(
    status: str, units: str, litres: dict[str, float]
) -> None:
    message = wired(link.long(0x08, 5, 0x73, bytes.fromhex("785634120A" + status + units + "0100000035010000")))
    assert readings(message) == pytest.approx(litres)
    assert {record.storage for record in message.parsed.records} <= {0, 1}


def test_the_fixed_structure_says_whether_its_meter_is_well() -> None:
    message = wired(link.long(0x08, 5, 0x73, bytes.fromhex("785634120A1CE97E0100000035010000")))
    assert (message.status, message.parsed.records[1].value) == (0x1C, pytest.approx(0.135))


# -- what a person says -----------------------------------------------------------------------------------------------


async def test_a_record_that_is_mapped_gives_its_reading() -> None:
    session = await poll(ONE_TARIFF, name="mbus:x", records=[{"dif_vif": "C4002A", "metric": "power"}])
    assert [report.values["power"] for report in session.reports] == [pytest.approx(3452.6)]
    shown = decode_wired(hub.Frame(kind="mbus", address="1", data={"telegram": bytes.fromhex(ONE_TARIFF)}), None)
    assert "power" not in shown.values, "stored, says the standard: only a person may say that it is of now"


def test_the_number_tells_records_apart_that_begin_alike_and_scale_brings_the_unit() -> None:
    records = parse(bytes.fromhex("02FF200A00" + "02FF201400")).records
    mapped = [
        MappedRecord(dif_vif="02ff20", metric="temperature", number=2, scale=0.1, offset=-1),
        MappedRecord(dif_vif="02FF20", metric="humidity", number=3),
    ]
    assert present(records, WATER, mapped).values == {"temperature": pytest.approx(1.0)}


def test_what_is_mapped_goes_before_what_the_standard_says() -> None:
    records = parse(bytes.fromhex("0413E8030000" + "441307000000")).records
    assert present(records, WATER, [MappedRecord(dif_vif="4413", metric="water", scale=1000)]).values == {"water": 7.0}


@pytest.mark.parametrize(
    "wrong",
    [
        [{"dif_vif": "04", "metric": "power"}],
        [{"dif_vif": "042", "metric": "power"}],
        [{"dif_vif": "zz2B", "metric": "power"}],
        [{"dif_vif": "042B", "metric": "powr"}],
        [{"dif_vif": "042B", "metric": "fault"}],
        [{"dif_vif": "042B", "metric": "power", "number": 0}],
        [{"dif_vif": "042B", "metric": "power"}, {"dif_vif": "043B", "metric": "power"}],
    ],
)
def test_a_map_that_is_wrong_is_refused(wrong: list[dict[str, object]]) -> None:
    with pytest.raises(ValidationError):
        DeviceSettings.model_validate({"records": wrong})
    with pytest.raises(ValidationError):
        RecordMap.model_validate({"records": wrong})


def test_the_map_of_a_pack_reads_the_records_of_its_vectors() -> None:
    part = RecordMap.model_validate({"records": [{"dif_vif": "02FF20", "metric": "temperature", "scale": 0.1}]})
    assert part.metrics() == {"temperature"}
    assert part.readings({"records": "02FF200A00"}) == {"temperature": pytest.approx(1.0)}
    for heard in ({}, {"records": 5}, {"records": "02"}, {"record": "02FF200A00"}, {"records": "zz"}):
        try:
            assert part.readings(heard) == {}
        except ValueError:
            continue
