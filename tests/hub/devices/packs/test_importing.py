"""Codecs in the layouts of others become packs: examples as vectors, values as proposals that a person decides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.core.errors import HubError
from hub.devices.packs.importing.pack_files import files_of
from hub.devices.packs.importing.run import payload_given
from hub.devices.packs.vector_tests import run_vectors
from tests.hub.devices.packs.importing_kit import (
    CHIRPSTACK,
    CODEC,
    DRIVER,
    FLOW,
    MILESIGHT,
    PROFILE,
    SCALE,
    THINGPARK,
    TTN,
    Bench,
    imported,
    lay,
    pack_at,
    packs_of,
    zipped,
)

WIND = {"codec.js", "scale.js", "pack.yaml", "vectors/examples.yaml"}


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    ("files", "name", "mac", "listens", "vectors"),
    [
        (TTN, "windco-wind", "1.0.4", "C", 2),
        (CHIRPSTACK, "wind-co-wind", "1.0.3", "A", 1),
        (THINGPARK, "wind-co-drop", "1.0.0", "C", 2),
        (FLOW, "wind-flood", "1.0.3", "A", 1),
    ],
    ids=["things", "chirpstack", "thingpark", "flow"],
)
def test_a_codec_of_each_layout_becomes_a_pack_that_passes_its_own_examples(
    bench: Bench, tmp_path: Path, files: dict[str, str], name: str, mac: str, listens: str, vectors: int
) -> None:
    made = imported(bench, lay(tmp_path / "windco", files))
    (draft,) = [one for one in made.drafts if one.name == name]
    pack = pack_at(tmp_path / name, files_of(draft))
    assert pack.keys.lorawan is not None
    assert (pack.keys.lorawan.mac, pack.keys.lorawan.class_) == (mac, listens)
    assert (draft.untested, pack.keys.untested, len(pack.vectors)) == (False, False, vectors)
    codecs, run = bench
    verdict = run(run_vectors(pack, codecs))
    assert not [outcome for outcome in verdict.outcomes if outcome.wrong]
    assert verdict.untested == ()
    assert (verdict.ok, verdict.undecided) == (False, pack.undecided), "a person has not decided yet"
    assert pack.undecided


@pytest.mark.real("processes")
def test_the_things_network_s_folder_names_the_device_its_remarks_and_what_is_missing(
    bench: Bench, tmp_path: Path
) -> None:
    made = imported(bench, lay(tmp_path / "windco", TTN))
    assert made.left_out == {
        "gone-codec": "its codec 'gone.js' is missing",
        "up-codec": "its codec '../wind.js' is missing",
    }
    bare, wind = sorted(made.drafts, key=lambda draft: draft.name)
    assert (bare.name, bare.untested, bare.proposals) == ("windco-bare", True, [])
    assert (wind.model, set(files_of(wind))) == ("Wind sensor", WIND)
    assert "its downlinks are not declared yet" in wind.remarks
    assert "1 example without a payload or a result is left out" in wind.remarks
    assert [one.path for one in wind.proposals] == ["temperature", "Ünit", "humidity"]
    assert (wind.proposals[0].sample, wind.proposals[0].metric) == (21.5, "temperature")
    pack = packs_of(made, tmp_path / "made")[1]
    (tmp_path / "made" / wind.name / "scale.js").write_text(SCALE.replace("10", "100"))
    codecs, run = bench
    broken = run(run_vectors(pack_at(tmp_path / "made" / wind.name, {}), codecs))
    assert any(outcome.wrong for outcome in broken.outcomes), "the examples judge the codec"
    assert pack.digest != broken.digest


@pytest.mark.real("processes")
def test_a_vendor_s_own_name_comes_from_the_repository(bench: Bench, tmp_path: Path) -> None:
    whole = {f"vendor/windco/{name}": text for name, text in TTN.items()}
    index = "vendors:\n  - id: windco\n    name: Wind & Co\n"
    made = imported(bench, lay(tmp_path / "all", {**whole, "vendor/index.yaml": index}))
    assert {draft.vendor for draft in made.drafts} == {"Wind & Co"}


@pytest.mark.real("processes")
def test_code_that_no_document_names_is_of_the_vendor_in_whose_folder_it_lies(bench: Bench, tmp_path: Path) -> None:
    code = "function decodeUplink(input) { return { data: { field1: input.bytes[0] } }; }"
    (draft,) = imported(bench, lay(tmp_path / "all", {"vendor/agro/co2.js": code})).drafts
    assert (draft.name, draft.vendor, draft.untested) == ("agro-co2", "agro", True)


@pytest.mark.real("processes")
def test_a_milesight_model_comes_without_what_its_payload_means_and_is_untested(bench: Bench, tmp_path: Path) -> None:
    made = imported(bench, lay(tmp_path / "decoders", MILESIGHT))
    old, new = made.drafts
    assert (new.name, new.vendor, new.model, new.ports) == ("milesight-em1-x", "Milesight", "EM1-X", [85])
    assert (new.untested, new.vectors) == (True, [])
    assert [(one.path, one.sample) for one in new.proposals] == [("battery", 100), ("liquid", "full")]
    assert (old.name, old.model) == ("milesight-ws9", "WS9")
    assert "Decoder(bytes" in old.files["codec.js"], "the form that the hub knows best of several"


@pytest.mark.real("processes")
def test_an_exported_device_profile_is_a_codec(bench: Bench, tmp_path: Path) -> None:
    cayenne = {"name": "Lpp", "payloadCodecRuntime": "CAYENNE_LPP", "payloadCodecScript": ""}
    old = {
        "device_profile": {
            "name": "Three",
            "mac_version": "1.0.2",
            "payload_decoder_script": "function Decode(p, b) {}",
        }
    }
    files = {"one.json": PROFILE, "all.json": json.dumps({"result": [cayenne, old]}), "other.json": "{}"}
    made = imported(bench, lay(tmp_path / "exported", files))
    three, one = sorted(made.drafts, key=lambda draft: draft.name)
    assert (one.name, one.mac, one.listens, one.ports) == ("unknown-wind-profile", "1.0.4", "C", [])
    assert (three.model, three.mac) == ("Three", "1.0.2")
    assert made.left_out == {"Lpp": "it has no codec of its own: name the pack cayenne-lpp at its devices"}
    assert "nothing says who makes the device: name it in `vendor`" in one.remarks


@pytest.mark.real("processes")
def test_a_single_file_is_read_by_a_payload_that_a_person_gives(bench: Bench, tmp_path: Path) -> None:
    lay(tmp_path, {"acme-thermo.js": CODEC, "scale.js": SCALE})
    made = imported(bench, tmp_path / "acme-thermo.js", payloads=[payload_given("2:d728")])
    (draft,) = made.drafts
    assert (draft.name, draft.untested, draft.ports) == ("acme-thermo", True, [])
    assert (draft.proposals[0].path, draft.proposals[0].sample) == ("temperature", 21.5)
    (blind,) = imported(bench, tmp_path / "acme-thermo.js", payloads=[payload_given("3:00")], vendor="Acme SA").drafts
    assert (blind.name, blind.vendor, blind.proposals) == ("acme-sa-thermo", "Acme SA", [])
    assert any("it makes nothing of the payload 00: ['unknown FPort']" in remark for remark in blind.remarks)
    for wrong in ("", "d7d", "300:00", "x:00"):
        with pytest.raises(ValueError, match="PORT:HEX"):
            payload_given(wrong)


@pytest.mark.real("processes")
def test_examples_beside_a_single_file_are_its_vectors(bench: Bench, tmp_path: Path) -> None:
    examples = '[{input: {bytes: "d728", fPort: "2"}, output: {data: {temperature: 21.5, Ünit: "°C", humidity: 40}}}]'
    lay(tmp_path, {"acme-thermo.js": CODEC, "scale.js": SCALE, "acme-thermo.examples.json": examples})
    (draft,) = imported(bench, tmp_path / "acme-thermo.js").drafts
    assert (draft.untested, len(draft.vectors), draft.ports) == (False, 1, [2])


@pytest.mark.real("processes")
def test_an_example_without_a_port_is_read_on_the_usual_one_and_any_port_is_declared(
    bench: Bench, tmp_path: Path
) -> None:
    text = TTN["wind-codec.yaml"].replace("        fPort: 2\n", "", 1).replace("fPort: 42", "fPort: 2")
    (draft,) = imported(bench, lay(tmp_path / "windco", {**TTN, "wind-codec.yaml": text}), only="wind").drafts
    assert (draft.ports, [vector.port for vector in draft.vectors]) == ([], [2])
    assert "not every example gives a port: payloads of any port are read" in draft.remarks
    pack = pack_at(tmp_path / draft.name, files_of(draft))
    assert list(pack.keys.messages) == ["uplink"]
    codecs, run = bench
    assert not [one for one in run(run_vectors(pack, codecs)).outcomes if one.wrong]


@pytest.mark.real("processes")
def test_an_example_that_the_codec_contradicts_is_left_out_and_said(bench: Bench, tmp_path: Path) -> None:
    text = TTN["wind-codec.yaml"].replace("humidity: 40", "humidity: 41")
    (draft,) = imported(bench, lay(tmp_path / "windco", {**TTN, "wind-codec.yaml": text}), only="wind").drafts
    assert (draft.untested, [vector.data for vector in draft.vectors]) == (True, [None])
    assert "1 example does not hold and is left out: humidity is 40, not 41" in draft.remarks
    assert draft.proposals[0].path == "temperature", "its values are proposed all the same"


@pytest.mark.real("processes")
def test_the_same_comes_from_a_folder_and_from_an_archive(bench: Bench, tmp_path: Path) -> None:
    folder = imported(bench, lay(tmp_path / "windco", TTN))
    archive = tmp_path / "windco.zip"
    archive.write_bytes(zipped({**TTN, "wind.png": b"\x89PNG" * 999}, top="lorawan-devices-master/windco/"))
    packed = imported(bench, archive)
    assert [files_of(draft) for draft in packed.drafts] == [files_of(draft) for draft in folder.drafts]
    assert packed.left_out == folder.left_out


@pytest.mark.real("processes")
def test_code_beside_documents_that_name_other_code_comes_in_too(bench: Bench, tmp_path: Path) -> None:
    loose = {"rain.js": "function decodeUplink(input) { return { data: { rain: input.bytes[0] } }; }"}
    made = imported(bench, lay(tmp_path / "vendor/windco", {**TTN, **loose}))
    assert [draft.name for draft in made.drafts] == ["windco-bare", "windco-wind", "windco-rain"]
    assert (made.drafts[2].layout, made.drafts[2].untested) == ("JavaScript", True)


@pytest.mark.real("processes")
def test_a_codec_whose_document_cannot_be_read_comes_in_without_its_examples(bench: Bench, tmp_path: Path) -> None:
    odd = """\
uplinkDecoder:
  fileName: wind.js
  examples:
    - output:
        data:
          Level[1]:
                Bits [3:0]    a voltage
                # a remark
                Bits [7~4]    reserved
"""
    made = imported(bench, lay(tmp_path / "windco", {**TTN, "wind-codec.yaml": odd}), only="wind")
    (draft,) = made.drafts
    assert (draft.untested, draft.vectors) == (True, [])
    assert draft.remarks[0].startswith("wind-codec.yaml cannot be read: line ")
    made = imported(
        bench, lay(tmp_path / "windco", {"wind-codec.yaml": odd.replace("wind.js", "lost.js")}), only="wind"
    )
    assert list(made.left_out) == ["wind-codec"]


@pytest.mark.real("processes")
def test_an_output_may_be_the_data_themselves(bench: Bench, tmp_path: Path) -> None:
    bare = (
        '[{"type": "uplink", "input": {"bytes": "00BF", "fPort": 1}, "output": {"reason": "alive", "battery": 3.056}}]'
    )
    files = {**FLOW, "wind/flood/examples/alive.examples.json": bare}
    (draft,) = imported(bench, lay(tmp_path / "x", files)).drafts
    assert [vector.data for vector in draft.vectors] == [{"reason": "alive", "battery": 3.056}]


@pytest.mark.real("processes")
def test_one_codec_is_chosen_by_its_name(bench: Bench, tmp_path: Path) -> None:
    folder = lay(tmp_path / "windco", TTN)
    made = imported(bench, folder, only="wind-codec")
    assert ([draft.name for draft in made.drafts], made.left_out) == (["windco-wind"], {})
    with pytest.raises(HubError, match="there is no codec 'rain'"):
        imported(bench, folder, only="rain")


@pytest.mark.real("processes")
def test_codecs_of_one_name_become_packs_of_their_own(bench: Bench, tmp_path: Path) -> None:
    both = {**{f"a/wind/{n}": t for n, t in FLOW.items()}, **{f"b/wind/{n}": t for n, t in FLOW.items()}}
    assert [draft.name for draft in imported(bench, lay(tmp_path / "x", both)).drafts] == ["wind-flood", "wind-flood-2"]


@pytest.mark.real("processes")
def test_what_holds_no_codec_or_cannot_be_read_is_said(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(HubError, match="holds no codec: no folder of ChirpStack"):
        imported(bench, lay(tmp_path / "empty", {"readme.txt": "", "package.json": "{}"}))
    broken = {
        **CHIRPSTACK,
        "vendor.toml": "[vendor",
        "codecs/test_decode_wind.json": "[{",
        "codecs/odd.js": "function Decode( {",
        "codecs/encoder.js": "function encodeDownlink(input) {}",
    }
    made = imported(bench, lay(tmp_path / "broken", broken))
    (draft,) = made.drafts
    assert (draft.name, draft.untested) == ("broken-wind", True), "a codec comes in without its tests"
    assert any(remark.startswith("vendor.toml cannot be read") for remark in draft.remarks)
    assert any(remark.startswith("its tests cannot be read") for remark in draft.remarks)
    assert made.left_out["odd"].startswith("its code cannot be loaded: SyntaxError")
    assert made.left_out["encoder"] == "it decodes no uplinks: it defines no decodeUplink, Decoder or Decode"


@pytest.mark.real("processes")
def test_a_driver_that_returns_its_values_bare_and_throws_comes_in_as_it_is(bench: Bench, tmp_path: Path) -> None:
    (draft,) = imported(bench, lay(tmp_path / "x", FLOW)).drafts
    assert draft.files == {"codec.js": DRIVER}
    assert [vector.data for vector in draft.vectors] == [{"reason": "alive", "battery": 3.056}]
    assert not any("hold" in remark for remark in draft.remarks), "what it throws for is no contradiction"


NAMES = [
    "uplinkDecoder", "fileName", "examples", "input", "output", "fPort", "bytes", "data", "errors", "firmwareVersions",
    "profiles", "EU863-870", "id", "codec", "macVersion", "name",
]  # fmt: skip
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 300) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner | st.just("wind.js"), max_size=4)
    ),
    max_leaves=15,
)


@pytest.mark.real("processes")
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(["wind-codec.yaml", "wind.yaml", "wind-eu868.yaml"]), DOCUMENTS)
def test_any_document_in_a_folder_is_a_pack_or_left_out(bench: Bench, tmp_path: Path, name: str, document: Any) -> None:
    folder = lay(tmp_path / "windco", {**TTN, name: json.dumps(document)})
    made = imported(bench, folder)
    assert len(made.drafts) + len(made.left_out) in (3, 4, 5)  # a document may take a codec away, or add one
    packs_of(made, tmp_path / "made")


@pytest.mark.real("processes")
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(DOCUMENTS, st.sampled_from(["examples.json", "metadata.json", "package.json", "driver.yaml"]))
def test_any_document_of_a_driver_leaves_the_codec_in(bench: Bench, tmp_path: Path, document: Any, name: str) -> None:
    whole = {**THINGPARK, f"vendors/wind/drivers/drop/{name}": json.dumps(document)}
    made = imported(bench, lay(tmp_path / "x", whole))
    assert len(made.drafts) == 1
    packs_of(made, tmp_path / "made")


@pytest.mark.real("processes")
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(st.text(max_size=6), st.text(max_size=6) | st.floats(allow_nan=False) | st.integers(), max_size=4)
)
def test_whatever_a_codec_returns_can_be_written_and_read_again(
    bench: Bench, tmp_path: Path, data: dict[str, Any]
) -> None:
    code = "function decodeUplink(input) { return { data: Object.assign({ z: 1 }, " + json.dumps(data) + ") }; }"
    lay(tmp_path / "one", {"acme-any.js": code.encode("utf-8", "backslashreplace")})
    made = imported(bench, tmp_path / "one", payloads=[payload_given("1:00")])
    packs_of(made, tmp_path / "made")
    assert len(made.drafts) == 1
