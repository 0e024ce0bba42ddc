"""Codecs in the layouts of others, each written here."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hub.devices.codecs import Codecs
from hub.devices.packs.importing.pack_files import files_of
from hub.devices.packs.importing.run import Imported, import_codecs
from hub.devices.packs.loader import Pack, read

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
    - description: no payload
      input: {fPort: 2}
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
    "profiles/EU868-1_0_4-C.toml": '[profile]\nregion = "EU868"\nmac_version = "1.0.4"\nsupports_class_c = true\n',
    "devices/wind.toml": '[device]\nname = "Wind sensor"\n[[device.firmware]]\nversion = "1"\ncodec = "wind.js"\n'
    'profiles = ["US915-1_0_3.toml", "EU868-1_0_3.toml"]\n',
    "codecs/wind.js": CODEC,
    "codecs/scale.js": SCALE,
    "codecs/test_decode_wind.json": """\
[
  {
    name: "values // no comment",
    "input": {
      fPort: 0x02, // port 2
      "bytes": [0xd7, 0x28],
    },
    /* and more */ 'expected': {data: {"temperature": 21.5, 'Ünit': '°C', humidity: 40}}
  },
]
""",
}
DRIVER = """\
exports.decodeUplink = function (input) {
  if (input.bytes.length !== 2) throw new Error("Unhandled data");
  return { reason: "alive", battery: input.bytes[1] * 16 / 1000 };
};
"""
THINGPARK = {
    "vendors/wind/vendor.yaml": "id: wind\nname: Wind & Co\n",
    "vendors/wind/drivers/drop/package.json": '{"name": "wind-drop", "version": "1.0.0", "main": "index.js", '
    '"license": "MIT", "driver": {"application": {"producerId": "wind", "moduleId": "drop"}}}',
    "vendors/wind/drivers/drop/driver.yaml": "name: Drop\nproducerId: wind\nprotocolId: wind:drop:1\nsignature:\n",
    "vendors/wind/drivers/drop/index.js": "exports.decodeUplink = require('./src/read/uplink').decodeUplink;\n",
    "vendors/wind/drivers/drop/src/read/uplink.js": """\
exports.decodeUplink = (input) => input.bytes[0] ? { data: { water: input.bytes[0] } } : { errors: ["empty"] };
""",
    "vendors/wind/drivers/drop/examples.json": """\
[{"type": "uplink", "description": "hexadecimal", "input": {"bytes": "2a", "fPort": 5},
  "output": {"data": {"water": 42}, "errors": [], "warnings": []}},
 {"type": "uplink", "input": {"bytes": [0], "fPort": 5}, "output": {"errors": ["empty"]}},
 {"type": "downlink-encode", "input": {"data": {"a": 1}}, "output": {"bytes": [1], "fPort": 5}}]
""",
    "vendors/wind/models/drop/model.yaml": "name: Wind Drop\nprotocolId:\n  - wind:drop:1\n"
    "deviceProfileIds:\n  - id: WIND_us\n  - id: WIND_eu\n",
    "vendors/wind/profiles/WIND_us.yaml": "id: WIND_us\nloRaWANClass: A\nISMbands: us915\n"
    "mac: {loRaWANMacVersion: 1.0.2}\n",
    "vendors/wind/profiles/WIND_eu.yaml": "id: WIND_eu\nloRaWANClass: C\nISMbands: eu868,in865\n"
    "mac: {loRaWANMacVersion: 1.0.0/1.0.1}\n",
    "vendors/wind/drivers/none/driver.yaml": "name: a driver without code\n",
}
FLOW = {
    "wind/flood/package.json": '{"name": "@x/wind-flood", "main": "index.js", "driver": {"type": "thingpark-x-js", '
    '"application": {"producerId": "wind", "moduleId": "flood", "version": "1"}}}',
    "wind/flood/index.js": DRIVER,
    "wind/flood/examples/alive.examples.json": '[{"type": "uplink", "bytes": "00BF", "fPort": 1, '
    '"time": "2020-08-02T20:00:00.000+05:00", "data": {"reason": "alive", "battery": 3.056}}]',
    "wind/flood/errors/driver.errors.json": '[{"type": "uplink", "bytes": "02", "fPort": 1, "error": "Unhandled"}]',
}
MILESIGHT = {
    "em-series/em1-x/em1-x-decoder.js": """\
function decodeUplink(input) { return { data: milesight(input.bytes) }; }
function Decode(fPort, bytes) { return milesight(bytes); }
function Decoder(bytes, port) { return milesight(bytes); }
function milesight(bytes) { return { battery: bytes[2], liquid: bytes[5] ? "full" : "empty" }; }
""",
    "em-series/em1-x/em1-x-encoder.js": "function encodeDownlink(input) { return { bytes: [1] }; }\n",
    "em-series/em1-x/em1-x-codec.json": '{"version": "1.0.0", "bytes": "01756403ED01", "object": '
    '[{"id": "battery", "name": "Battery", "value": "100", "unit": "%", "access_mode": "R"}]}',
    "WS_Series/WS9/WS9_Chirpstack.js": "function Decode(fPort, bytes) { return { open: bytes[0] }; }\n",
    "WS_Series/WS9/WS9_TTN.js": "function Decoder(bytes, port) { return { open: bytes[0] }; }\n",
}
PROFILE = (
    '{"deviceProfile": {"name": "Wind profile", "region": "EU868", "macVersion": "LORAWAN_1_0_4", '
    '"supportsClassC": true, "payloadCodecRuntime": "JS", '
    '"payloadCodecScript": "function decodeUplink(input) { return { data: { t: input.bytes[0] } }; }"}}'
)


def lay(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def zipped(files: Mapping[str, str | bytes], top: str = "") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(top + name, text)
    return made.getvalue()


def imported(bench: Bench, source: Path, **options: Any) -> Imported:
    codecs, run = bench
    made: Imported = run(import_codecs(source, codecs, **options))
    return made


def pack_at(folder: Path, files: Mapping[str, str]) -> Pack:
    return read(lay(folder, files))


def packs_of(made: Imported, below: Path) -> list[Pack]:
    shutil.rmtree(below, ignore_errors=True)
    return [pack_at(below / draft.name, files_of(draft)) for draft in made.drafts]
