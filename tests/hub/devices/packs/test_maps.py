"""Packs without a codec: registers, objects, groups, layouts and records, from the file to a device's settings."""

from __future__ import annotations

import asyncio
import base64
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hub
from hub.config.instances import Models
from hub.config.load import load
from hub.core.errors import ConfigError, HubError
from hub.core.model import Device
from hub.devices.codecs import Codecs
from hub.devices.packs import Library
from hub.devices.packs.loader import read
from hub.devices.packs.maps import MAPS, filled
from hub.devices.packs.vector_tests import Verdict, run_vectors
from hub.onboarding.adoption.resolve import with_settings
from hub.plugin_host.plugin_types import installed_models
from hub.plugin_host.registry import Registry
from hub.rpc.packs import PackCalls
from tests.hub.devices.packs.packs_kit import CODED, NAMES, PARTS, SHIPPED

MAPPED = [name for name in NAMES if SHIPPED.get(name).keys.part is not None]
HEAD = """\
format: 1
version: 1
vendor: Acme
models: [Meter]
fr: Compteur
en: Meter
licence: Apache-2.0
sources: {manual: {kind: document, title: manual, version: "1", by: Acme, licence: facts only}}
"""
REGISTERS = """\
protocol: modbus
registers:
  - {metric: power, address: 0, table: input, type: float32}
  - {metric: energy, address: 2, table: input, type: uint32, scale: 0.001}
"""
VECTORS = """\
- source: manual
  heard: {"input 0": [0x4566, 0x5000, 0x0012, 0xD687]}
  readings: {power: 3685, energy: 1234.567}
"""
CODED_VECTORS = '- {source: manual, message: data, bytes: "00", readings: {power: 1}}'


def folder(root: Path, pack: str, vectors: str = VECTORS, name: str = "acme-meter") -> Path:
    (root / name / "vectors").mkdir(parents=True)
    (root / name / "pack.yaml").write_text(HEAD + pack)
    if vectors:
        (root / name / "vectors" / "all.yaml").write_text(vectors)
    return root / name


def judged(path: Path) -> Verdict:
    async def run() -> Verdict:
        async with Codecs(starved_s=300.0) as codecs:
            return await run_vectors(read(path, parts=PARTS), codecs)

    return asyncio.run(run())


def test_there_is_a_real_pack_of_each_kind_that_a_document_or_a_maker_s_code_backs() -> None:
    assert {SHIPPED.get(name).keys.protocol for name in MAPPED} >= {"bluetooth", "bacnet", "knx", "mbus"}
    assert not set(MAPPED) & set(CODED)


def test_a_register_map_passes_with_vectors_for_all_it_reads(tmp_path: Path) -> None:
    verdict = judged(folder(tmp_path, REGISTERS))
    assert (verdict.ok, verdict.untested, [one.wrong for one in verdict.outcomes]) == (True, (), [""])


@pytest.mark.parametrize(
    ("vectors", "says"),
    [
        (VECTORS.replace("3685", "3686"), "readings.power is 3685.0, not 3686"),
        (VECTORS.replace(", energy: 1234.567", ""), "readings.energy is 1234.567, and is not expected"),
        (VECTORS.replace("input 0", "inputs 0"), "'inputs 0' is not like `input 0`"),
        (VECTORS.replace(", 0x0012, 0xD687]", "]").replace(", energy: 1234.567", ""), "metric energy"),
    ],
)
def test_a_map_with_a_wrong_or_missing_vector_does_not_pass(tmp_path: Path, vectors: str, says: str) -> None:
    verdict = judged(folder(tmp_path, REGISTERS, vectors))
    assert not verdict.ok
    assert any(says in said for said in (*verdict.untested, *(one.wrong for one in verdict.outcomes)))


@pytest.mark.parametrize(
    ("pack", "vectors", "says"),
    [
        (REGISTERS.replace("type: float32", "type: float31"), VECTORS, "expected int16,"),
        (REGISTERS.replace("metric: power", "metric: powr"), VECTORS, "metric powr is not in the catalogue"),
        ("protocol: modbus\n", VECTORS, "a pack of modbus needs `registers`"),
        (REGISTERS.replace("modbus", "bacnet"), VECTORS, "`registers` is for packs of modbus"),
        (REGISTERS + "messages: {data: {}}\n", VECTORS, "`messages` is for packs with a codec: lorawan, sigfox"),
        (REGISTERS, "", "a pack has vectors"),
        (REGISTERS, CODED_VECTORS, "there is no message 'data'"),
        ("protocol: http_json\n", "", "a pack of http_json lists `default_credentials`"),
        ("protocol: http_json\ndefault_credentials: [{user: a, password: b, source: me}]\n", "", "no source 'me'"),
        ("protocol: http_json\ndefault_credentials: [{user: a, source: manual}]\n", "", "either a password or a key"),
        ("protocol: http_json\ndefault_credentials: [{key: '00', source: manual}]\n", "", "a key has 16 or 32 bytes"),
    ],
)
def test_what_is_wrong_in_a_map_is_told_with_its_place(tmp_path: Path, pack: str, vectors: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(folder(tmp_path, pack, vectors), parts=PARTS)
    assert any(says in str(problem) for problem in caught.value.problems), caught.value.problems


def test_without_anybody_who_reads_a_map_it_does_not_pass(tmp_path: Path) -> None:
    async def run() -> Verdict:
        async with Codecs(starved_s=300.0) as codecs:
            return await run_vectors(read(folder(tmp_path, REGISTERS)), codecs)

    assert not asyncio.run(run()).ok


# -- what a device gets of it ---------------------------------------------------------------------------------------


@given(
    st.lists(st.fixed_dictionaries({"metric": st.sampled_from("abcd"), "address": st.integers(0, 9)}), max_size=4),
    st.lists(st.fixed_dictionaries({"metric": st.sampled_from("abcd"), "address": st.integers(0, 9)}), max_size=4),
)
def test_a_device_keeps_all_it_says_itself_and_gets_the_rest_of_the_pack(part: Any, own: Any) -> None:
    got = filled("modbus", part, {"unit": 3, "registers": own})
    assert got["unit"] == 3
    mine = {entry["metric"] for entry in own}
    assert got["registers"] == [*(entry for entry in part if entry["metric"] not in mine), *own]


CONFIG = """\
hub: {name: h, site: s, state_dir: state}
sites: {s: {timezone: Europe/Paris}}
zones: {z: {site: s}}
places: {p: {zone: z}}
integrations:
  knx: {}
  mbus: {port: /dev/null}
  bacnet: {}
  bluetooth: {}
  modbus: {host: 192.0.2.1}
devices:
  DEVICE
"""


def settings_of(tmp_path: Path, models: Models, device: str) -> dict[str, Any]:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.replace("DEVICE", device))
    return dict(load(file, models).devices[0].settings)


@pytest.fixture(scope="module")
def models() -> Models:
    return installed_models(Registry.discover())


def test_a_device_s_pack_is_part_of_its_settings(tmp_path: Path, models: Models) -> None:
    ble = settings_of(tmp_path, models, "ble:aa: {integration: bluetooth, place: p, pack: airthings-wave-plus}")
    assert [field["metric"] for field in ble["gatt"][0]["fields"]][:2] == ["humidity", "radon"]
    mbus = settings_of(
        tmp_path,
        models,
        "mbus:IME-12345678-66-02: {integration: mbus, place: p, pack: ime-mbus-66, settings: "
        "{records: [{dif_vif: 02FF8A48, metric: frequency, scale: 0.2}]}}",
    )
    assert [(one["metric"], one["scale"]) for one in mbus["records"]] == [
        ("energy", 0.01), ("power", 1.0), ("frequency", 0.2),
    ]  # fmt: skip
    bacnet = settings_of(
        tmp_path,
        models,
        "bacnet:7: {integration: bacnet, place: p, pack: vaisala-hmw95, settings: "
        "{address: 192.0.2.9, objects: {'analog-input:4': {metric: dew_point, notify: false}, "
        "'analog-input:9': {metric: tvoc}}}}",
    )
    assert [*bacnet["objects"]] == ["analog-input:2", "analog-input:3", "analog-input:4", "analog-input:9"]
    assert bacnet["objects"]["analog-input:4"]["notify"] is False
    knx = settings_of(
        tmp_path,
        models,
        "knx:a: {integration: knx, place: p, pack: gira-co2-2104, "
        "settings: {addresses: {co2: 1/2/3}, groups: {1/2/9: {dpt: '1.001', metric: light}}}}",
    )
    assert {address: group["metric"] for address, group in knx["groups"].items()} == {"1/2/3": "co2", "1/2/9": "light"}


@pytest.mark.parametrize(
    ("device", "says"),
    [
        ("knx:a: {integration: knx, place: p, pack: gira-co2-2104}", "nothing is read: give `groups`, or `addresses`"),
        (
            "knx:a: {integration: knx, place: p, pack: gira-co2-2104, settings: {addresses: {co3: 1/2/3}}}",
            "'co3' is no object of the device's pack; it has temperature, humidity, co2, dew-point",
        ),
        ("knx:a: {integration: knx, place: p, settings: {addresses: {co2: 1/2/3}}}", "it has none"),
        (
            "modbus:a: {integration: modbus, place: p, pack: vaisala-hmw95, settings: {sunspec: true}}",
            "pack vaisala-hmw95 is for devices of bacnet, this is one of modbus",
        ),
    ],
)
def test_a_pack_that_does_not_fit_its_device_is_told(tmp_path: Path, models: Models, device: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings_of(tmp_path, models, device)
    assert says in str(caught.value)


def test_an_adopted_device_has_its_pack_s_map_too(models: Models) -> None:
    adopted = Device(id="ble:aa", integration="bluetooth", place="p", pack="airthings-wave-plus")
    assert with_settings(adopted, "bluetooth", models).settings["gatt"][0]["fields"][1]["metric"] == "radon"


# -- hostile values -------------------------------------------------------------------------------------------------


def hostile(protocol: str, part: Any) -> st.SearchStrategy[dict[str, Any]]:
    blob = st.binary(max_size=24).map(bytes.hex)
    if protocol == "bluetooth":
        names = [f"{item['service']}/{item['characteristic']}" for item in part]
        return st.dictionaries(st.sampled_from(names), blob)
    if protocol in ("mbus", "wmbus"):
        return blob.map(lambda records: {"records": records})
    if protocol == "knx":
        return st.dictionaries(st.sampled_from([*part]), blob)
    if protocol == "modbus":
        places = [f"{entry.get('table', 'holding')} {entry['address']}" for entry in part]
        return st.dictionaries(st.sampled_from(places), st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=60))
    number = st.one_of(st.floats(), st.integers(), st.booleans(), st.none(), st.text(max_size=4))
    return st.dictionaries(st.sampled_from([*part]), number | st.fixed_dictionaries({"value": number}))


@pytest.mark.real("processes")
@pytest.mark.parametrize("name", MAPPED)
def test_whatever_a_device_says_gives_readings_of_the_map_or_a_decode_error(name: str) -> None:
    pack = SHIPPED.get(name)
    known = set(pack.part.metrics())

    @settings(deadline=None)  # the first one loads what reads it
    @given(hostile(pack.keys.protocol, pack.keys.part))
    def holds(heard: dict[str, Any]) -> None:
        try:
            got = pack.part.readings(heard)
        except hub.DecodeError:
            return
        assert set(got) <= known

    holds()


def test_the_kinds_of_maps_are_those_that_integrations_register() -> None:
    registry = Registry.discover()
    assert all(registry.integration(protocol).pack is not None for protocol in MAPS)


# -- from a browser -------------------------------------------------------------------------------------------------


class Nobody:
    """What kept frames and the audit are to a pack that is only installed."""

    def __init__(self) -> None:
        self.audited: list[Any] = []

    async def reload(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"frames": []}

    async def audit(self, at: float, who: str, what: Any) -> None:
        self.audited.append(what)


@pytest.mark.parametrize("parts", [PARTS, None])
async def test_a_map_is_installed_from_an_archive_where_somebody_reads_it_and_nowhere_else(
    tmp_path: Path, parts: Any
) -> None:
    made = folder(tmp_path / "made", REGISTERS)
    archive = shutil.make_archive(str(tmp_path / "pack"), "zip", made.parent, made.name)
    nobody = Nobody()
    library = Library(tmp_path / "packs", parts=parts)
    packing = PackCalls(library, nobody, nobody, list, lambda: 1.0)  # type: ignore[arg-type]
    install = packing.calls()["pack.install"]({"archive": base64.b64encode(Path(archive).read_bytes()).decode()})
    if parts is None:
        with pytest.raises(HubError, match="nothing that is installed here reads packs of modbus"):
            await install
        assert "acme-meter" not in library.names()
    else:
        assert (await install)["installed"]
        assert library.get("acme-meter").part is not None
