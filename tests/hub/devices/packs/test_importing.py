"""Folders in the layouts of The Things Network and of ChirpStack become packs with vectors from their examples."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.core.errors import HubError
from hub.devices.codecs import Codecs
from hub.devices.packs.importing import _json, packs_in
from hub.devices.packs.loader import read
from hub.devices.packs.vector_tests import run_vectors

Bench = tuple[Codecs, Callable[[Any], Any]]

CODEC = """\
const scale = require("./scale.js");
function decodeUplink(input) {
  if (input.fPort !== 2) return { errors: ["unknown FPort"] };
  return { data: { temperature: scale(input.bytes[0]), Ünit: "°C", humidity: input.bytes[1] } };
}
"""
SCALE = "module.exports = (raw) => raw / 10;\n"
TTN = {
    "index.yaml": "endDevices:\n  - wind\n",
    "wind.yaml": """\
name: Wind sensor
description: An example
firmwareVersions:
  - version: '1.0'
    numeric: 1
    profiles:
      EU863-870: {id: wind-eu868, lorawanCertified: true, codec: wind-codec}
      US902-928: {id: wind-us915, codec: wind-codec}
""",
    "wind-eu868.yaml": "vendorProfileID: 3\nmacVersion: 1.0.4\nsupportsClassC: true\n",
    "wind-codec.yaml": """\
# Examples, as others write them
uplinkDecoder:
  fileName: wind.js
  examples:
    - description: values
      input:
        fPort: 2
        bytes: [0xD7, 40]
      output:
        data: {'temperature': 21.5, "\\xDCnit": "\\xB0C", humidity: 40}
    - description: Unknown FPort
      input: {fPort: 42, bytes: [1, 42]}
      output:
        errors:
          - unknown FPort
    - description: nothing to compare with
      input: {bytes: [1]}
downlinkEncoder: {fileName: wind.js}
""",
    "wind.js": CODEC,
    "scale.js": SCALE,
    "bare-codec.yaml": "uplinkDecoder: {fileName: wind.js}\n",
    "gone-codec.yaml": "uplinkDecoder: {fileName: gone.js, examples: []}\n",
    "up-codec.yaml": "uplinkDecoder: {fileName: ../wind.js, examples: []}\n",
    "odd.yaml": "[",
}
CHIRPSTACK = {
    "vendor.toml": '[vendor]\nid = "x"\nname = "Wind & Co"\nvendor_id = 1\n',
    "profiles/EU868-1_0_3.toml": '[profile]\nregion = "EU868"\nmac_version = "1.0.3"\nsupports_class_c = false\n',
    "devices/wind.toml": '[device]\nname = "Wind sensor"\n[[device.firmware]]\nversion = "1"\ncodec = "wind.js"\n',
    "codecs/wind.js": CODEC,
    "codecs/scale.js": SCALE,
    "codecs/test_decode_wind.json": """\
[
  {
    "name": "values // no comment",
    "input": {
      "fPort": 0x02, // port 2
      "bytes": [0xd7, 0x28],
    },
    /* and more */ "expected": {"data": {"temperature": 21.5, "Ünit": "°C", "humidity": 40}}
  },
]
""",
}


def lay(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def written(folder: Path, files: dict[str, str]) -> Path:
    return lay(folder, files)


@pytest.mark.parametrize(
    ("files", "name", "mac", "listens", "vectors"),
    [(TTN, "windco-wind", "1.0.4", "C", 2), (CHIRPSTACK, "wind-co-wind", "1.0.3", "A", 1)],
)
def test_a_vendor_s_folder_becomes_a_pack_that_passes_its_own_examples(
    bench: Bench, tmp_path: Path, files: dict[str, str], name: str, mac: str, listens: str, vectors: int
) -> None:
    made, left_out = packs_in(lay(tmp_path / "windco", files))
    (one,) = made
    assert one.name == name
    assert set(one.files) == {"pack.yaml", "codec.js", "scale.js", "vectors/examples.yaml"}
    pack = read(written(tmp_path / name, one.files))
    assert (pack.keys.lorawan.mac, pack.keys.lorawan.class_, pack.keys.models) == (mac, listens, ("Wind sensor",))
    assert pack.fields is None, "proposed from names, for a person to confirm"
    codecs, run = bench
    verdict = run(run_vectors(pack, codecs))
    assert (verdict.ok, len(verdict.outcomes)) == (True, vectors)
    (tmp_path / name / "scale.js").write_text(SCALE.replace("10", "100"))
    assert not run(run_vectors(read(tmp_path / name), codecs)).ok, "the examples judge the codec"
    if files is TTN:
        assert left_out == {
            "bare-codec": "it has no examples, and a pack needs test vectors",
            "gone-codec": "its codec 'gone.js' is missing",
            "up-codec": "its codec '../wind.js' is missing",
        }
        assert "its downlinks are not declared yet" in one.remarks
        assert "an example without port, bytes or a result is left out" in one.remarks


def test_one_codec_is_chosen_by_its_name(tmp_path: Path) -> None:
    folder = lay(tmp_path / "windco", TTN)
    made, left_out = packs_in(folder, "wind")
    assert ([one.name for one in made], left_out) == (["windco-wind"], {})
    with pytest.raises(HubError, match="there is no codec 'rain'"):
        packs_in(folder, "rain")


def test_what_is_neither_layout_or_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"neither vendor\.toml .* nor codec files"):
        packs_in(lay(tmp_path / "empty", {"readme.txt": ""}))
    with pytest.raises(HubError, match=r"vendor\.toml cannot be read"):
        packs_in(lay(tmp_path / "broken", {"vendor.toml": "[vendor"}))
    _, left_out = packs_in(lay(tmp_path / "bad", {**CHIRPSTACK, "codecs/test_decode_wind.json": "[{"}))
    assert left_out["wind"].startswith("its tests cannot be read")


@pytest.mark.parametrize("text", ['"' + '\\"' * 60_000, "/*" * 60_000, "[1, /* no end"])
def test_a_text_or_remark_without_an_end_is_told_at_once(text: str, tmp_path: Path) -> None:
    file = tmp_path / "test.json"
    file.write_text(text)
    began = time.process_time()
    with pytest.raises(ValueError, match="line"):
        _json(file)
    assert time.process_time() - began < 1.0


def test_json_as_others_write_it_is_read_and_what_is_in_quotes_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text('{"a": "0x10 // no, and /* no */ ,]", "b": [0x10, 1,], // yes\n "c": "\\"//"}')
    assert _json(file) == {"a": "0x10 // no, and /* no */ ,]", "b": [16, 1], "c": '"//'}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(["wind-codec.yaml", "wind.yaml", "wind-eu868.yaml"]),
    st.recursive(
        st.none() | st.booleans() | st.integers(-5, 300) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "uplinkDecoder",
                        "fileName",
                        "examples",
                        "input",
                        "output",
                        "fPort",
                        "bytes",
                        "data",
                        "errors",
                        "firmwareVersions",
                        "profiles",
                        "EU863-870",
                        "id",
                        "codec",
                        "macVersion",
                        "name",
                    ]
                ),
                inner | st.just("wind.js"),
                max_size=4,
            )
        ),
        max_leaves=15,
    ),
)
def test_any_document_in_a_folder_is_a_pack_or_left_out(tmp_path: Path, name: str, document: Any) -> None:
    import json

    folder = lay(tmp_path / "windco", {**TTN, name: json.dumps(document)})
    made, left_out = packs_in(folder)
    assert len(made) + len(left_out) in (3, 4, 5)  # a document may take a codec away, or add one
    for one in made:
        read(written(tmp_path / one.name, one.files))
