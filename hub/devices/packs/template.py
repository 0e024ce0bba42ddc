"""The files of a new pack: a whole example whose test passes, to be changed for a device. Pure."""

from __future__ import annotations

_PACK = """\
format: 1
version: 1                       # rises with every change that is installed
vendor: {vendor}
models: [{model}]
fr: Capteur {model}              # what it is
en: {model} sensor
licence: Apache-2.0              # of the files of this pack

protocol: lorawan
lorawan: {{mac: 1.0.3, class: A}}  # as the maker's document says; from 1.0.4 the DevNonce of a join counts
period: 1h                       # between two uplinks, as delivered

messages:                        # each kind of uplink; one that stands here needs a vector
  data: {{ports: [1], about: values}}

fields:                          # leaves of what the codec returns → metrics (`docs/reference/metrics.md`)
  - {{path: temperature, metric: temperature}}

sources:                         # where the vectors come from: never from this codec
  manual:
    kind: document
    title: the title of the maker's document
    version: its version or date
    by: {vendor}
    licence: facts only
"""

_CODEC = """\
// {model}: uplinks. Written from the maker's document; see `sources` in pack.yaml.
"use strict";

function decodeUplink(input) {{
    const bytes = input.bytes;
    if (bytes.length !== 2) return {{ errors: ["a payload has 2 bytes"] }};
    const raw = (bytes[0] << 8) | bytes[1];
    return {{ data: {{ temperature: (raw > 0x7fff ? raw - 0x10000 : raw) / 10 }} }};
}}
"""

_VECTORS = """\
# Payloads and what they mean, as the source says. Replace this one: it is made up, nobody has vouched for it.
- source: manual
  page: the page
  message: data
  port: 1
  bytes: "00d7"
  readings: {temperature: 21.5}
"""


def files(name: str) -> dict[str, str]:
    """Return text by file name for the pack `name` (vendor-model)."""
    vendor, _, model = name.partition("-")
    words = {"vendor": vendor.capitalize(), "model": model.replace("-", " ").upper()}
    return {
        "pack.yaml": _PACK.format(**words),
        "codec.js": _CODEC.format(**words),
        "vectors/data.yaml": _VECTORS,
    }
