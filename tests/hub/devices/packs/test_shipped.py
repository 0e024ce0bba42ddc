"""Every pack that ships: its vectors through the real worker, what they cite, and what hostile bytes make of it."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.core.errors import DecodeError
from hub.devices.codecs import Codecs
from hub.devices.packs.decoding import NO_PORT, Reading, check_port, read_answer, run_codec
from hub.devices.packs.loader import Pack
from hub.devices.packs.vector_tests import Verdict, run_vectors
from tests.hub.devices.packs.packs_kit import CODED, NAMES, SHIPPED

Bench = tuple[Codecs, Callable[[Any], Any]]


@pytest.fixture(scope="module")
def verdicts(bench: Bench) -> dict[str, Verdict]:
    codecs, run = bench

    async def all_of_them() -> dict[str, Verdict]:
        return {name: await run_vectors(SHIPPED.get(name), codecs) for name in NAMES}

    found: dict[str, Verdict] = run(all_of_them())
    return found


@pytest.mark.real("processes")
@pytest.mark.parametrize("name", NAMES)
def test_every_vector_passes_and_nothing_that_is_declared_is_untested(verdicts: dict[str, Verdict], name: str) -> None:
    verdict = verdicts[name]
    assert [(o.vector, o.wrong) for o in verdict.outcomes if o.wrong] == []
    assert verdict.untested == ()
    assert verdict.ok


def test_there_are_packs_of_the_makers_and_for_the_uses_of_a_district() -> None:
    vendors = {SHIPPED.get(name).keys.vendor for name in NAMES}
    assert vendors >= {
        "Adeunis", "nke Watteco", "Nexelec", "Enless Wireless", "Ewattch", "Milesight", "Dragino", "Decentlab", "Elsys",
    }  # fmt: skip
    uses = {
        "parking": "bosch-tps110", "bin level": "milesight-em400-mud", "particulates": "decentlab-dl-pm",
        "weather": "decentlab-dl-atm41", "traffic": "parametric-tcr", "sewer level": "dragino-ldds04",
        "street light": "nas-ul20xx", "presence": "milesight-ws202", "water meter": "axioma-qalcosonic-w1",
        "pulse counter": "adeunis-pulse4", "Cayenne LPP": "cayenne-lpp", "anything": "generic-json",
    }  # fmt: skip
    assert set(uses.values()) <= set(NAMES)
    assert len(set(NAMES) - {"cayenne-lpp", "generic-json"}) >= 15, "real devices"


@pytest.mark.parametrize("name", NAMES)
def test_each_source_is_somebody_else_s_and_the_codec_is_small_enough_to_be_read(name: str) -> None:
    pack = SHIPPED.get(name)
    used = {vector.keys.source for vector in pack.vectors} | {one.source for one in pack.keys.default_credentials}
    idle = set(pack.keys.sources) - used
    # the list of a map's objects is a document's; the bytes of their values may be a standard's
    assert not idle or (pack.part and {pack.keys.sources[name].kind for name in idle} == {"document"})
    for source in pack.keys.sources.values():
        assert not re.search(r"îlot|ilot\b", f"{source.title} {source.by}", re.IGNORECASE)
    assert pack.codec.source.count("\n") < 120
    assert not re.search(r"\beval\b|\brequire\b|\bnew Function\b", pack.codec.source)


# -- hostile bytes ------------------------------------------------------------------------------------------------

BATCH = 25


def payloads(pack: Pack) -> st.SearchStrategy[list[tuple[int, bytes]]]:
    """What its vectors hold, cut, spoilt and prolonged, and bytes of no meaning; on their ports and on others."""
    known = [(v.keys.port or NO_PORT, bytes.fromhex(v.keys.bytes)) for v in pack.vectors if v.keys.downlink is None]
    ports = st.one_of(st.sampled_from([port for port, _ in known]), st.integers(1, 223))

    def spoil(seed: int) -> tuple[int, bytes]:
        rng = random.Random(seed)
        port, payload = rng.choice(known)
        spoilt = bytearray(payload[: rng.randrange(len(payload) + 1)] if rng.random() < 0.3 else payload)
        for _ in range(rng.randrange(4) if spoilt else 0):
            spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
        return port, bytes(spoilt) + rng.randbytes(rng.randrange(8) if rng.random() < 0.3 else 0)

    one = st.one_of(st.builds(spoil, st.integers(0, 2**64)), st.tuples(ports, st.binary(max_size=60)))
    return st.lists(one, min_size=BATCH, max_size=BATCH)


@pytest.mark.real("processes")
@pytest.mark.parametrize("name", CODED)
def test_any_bytes_give_readings_within_their_bounds_or_a_decode_error(bench: Bench, name: str) -> None:
    codecs, run = bench
    pack = SHIPPED.get(name)

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(payloads(pack))
    def holds(batch: list[tuple[int, bytes]]) -> None:
        for answer in run(_all(pack, codecs, batch)):
            assert answer is None or _sane(pack, answer)

    holds()
    assert codecs.restarts == 0, "no payload costs the worker"


async def _all(pack: Pack, codecs: Codecs, batch: list[tuple[int, bytes]]) -> list[Reading | None]:
    return [await _one(pack, codecs, port, payload) for port, payload in batch]


async def _one(pack: Pack, codecs: Codecs, port: int, payload: bytes) -> Reading | None:
    try:
        check_port(pack, port)
        answer = await run_codec(pack, codecs, payload, port, 1_800_000_000.0)
        return read_answer(pack, port, answer, 1_800_000_000.0)
    except DecodeError as error:
        if error.reason in ("codec-time", "codec-memory", "codec-stack", "codec-crash"):
            raise
        return None


def _sane(pack: Pack, reading: Reading) -> bool:
    for sample in reading.samples:
        assert sample.time is None or 0 <= sample.time < 2**40
        for key, value in sample.values.items():
            metric = pack.metrics[key]
            if metric.kind == "flag":
                assert isinstance(value, bool), key
            elif metric.kind == "text":
                assert isinstance(value, str), key
                assert value.isprintable()
            else:
                assert isinstance(value, int | float), key
                assert math.isfinite(value)
                assert metric.low is None or value >= metric.low, key
                assert metric.high is None or value <= metric.high, key
    return True


def test_the_judge_of_sanity_catches_a_value_out_of_bounds() -> None:
    from hub.core.model import Sample

    pack = SHIPPED.get("nke-th")
    with pytest.raises(AssertionError):
        _sane(pack, Reading("temperature", (Sample(values={"temperature": 1e9}),), (), ()))


# -- the maker's own codecs ---------------------------------------------------------------------------------------


def _temp4(said: dict[str, Any]) -> dict[str, Any]:
    rows = said.get("alarms") or said.get("temperatures") or []
    raw = [row["temperature"]["value"] if "temperature" in row else _first(row) for row in rows]
    values = dict(zip(("temperature", "temperature_2"), raw, strict=False))
    return {key: value for key, value in values.items() if value is not None and -100 <= value <= 200}


def _first(row: dict[str, Any]) -> float | None:
    value = row["value"] if "value" in row else (row["values"] or [None])[0]
    return None if value is None else float(value)


def _comfort2(said: dict[str, Any]) -> dict[str, Any]:
    if "alarmTemperature" in said:
        temperature = said["alarmTemperature"]["temperature"]["value"]
        humidity = said["alarmHumidity"]["humidity"]["value"]
    else:
        temperature, humidity = said["temperature"]["values"][0], said["humidity"]["values"][0]
    values = {"temperature": temperature} if -100 <= temperature <= 200 else {}
    return values | ({"humidity": humidity} if humidity <= 100 else {})


def _pulse4(said: dict[str, Any]) -> dict[str, Any]:
    kind = str(said["type"])[:4]
    if kind == "0x46":
        return dict(zip(("pulses", "pulses_2"), said["counterValues"], strict=True))
    if kind in ("0x5a", "0x5b"):
        return {"pulses" if kind == "0x5a" else "pulses_2": said["counterValues"][0]}
    if kind == "0x30":
        a, b = said["channels"]
        return {"leak": a["leakageAlarm"], "leak_2": b["leakageAlarm"], "tamper": a["tamperAlarm"],
                "tamper_2": b["tamperAlarm"]}  # fmt: skip
    return {}


def _temp4_sizes(code: int, channels: int) -> list[int]:
    return {0x57: [2 * channels * n for n in (1, 2, 3)], 0x58: [3 * channels], 0x30: [2 * channels]}[code]


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    ("name", "product", "sizes", "expected"),
    [
        ("adeunis-temp4", "temp4", {code: partial(_temp4_sizes, code) for code in (0x57, 0x58, 0x30)}, _temp4),
        ("adeunis-comfort2", "comfort2", {0x4C: lambda _: [3, 6, 9], 0x4D: lambda _: [4]}, _comfort2),
        (
            "adeunis-pulse4",
            "pulse4",
            {
                0x46: lambda _: [8],
                0x47: lambda _: [4],
                0x5A: lambda _: [4, 6, 10],
                0x5B: lambda _: [4, 8],
                0x30: lambda _: [9],
            },
            _pulse4,
        ),
    ],
)
def test_the_maker_s_own_codec_reads_the_same_in_frames_of_chance(
    bench: Bench,
    adeunis: Callable[[str, bytes], dict[str, Any]],
    name: str,
    product: str,
    sizes: dict[int, Callable[[int], list[int]]],
    expected: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    codecs, run = bench
    pack = SHIPPED.get(name)
    rng = random.Random(4)
    for code in [code for code in sizes for _ in range(60)]:
        status = rng.randrange(256)
        size = rng.choice(sizes[code](2 if status & 0x10 else 1)) + (4 if status & 4 else 0)
        frame = bytes([code, status]) + rng.randbytes(size)
        said = adeunis(product, frame)
        reading = run(_one(pack, codecs, 1, frame))
        assert reading is not None, frame.hex()
        now = reading.samples[0]
        wanted = {**expected(said), "battery_low": said["status"]["lowBattery"]}
        assert now.values == pytest.approx(wanted), frame.hex()
        if "timestamp" in said:
            assert now.time == datetime.fromisoformat(said["timestamp"]).replace(tzinfo=UTC).timestamp()
        else:
            assert now.time is None
