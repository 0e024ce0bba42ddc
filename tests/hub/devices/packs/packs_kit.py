"""A small pack that is right, and the shipped ones."""

from __future__ import annotations

from hub.devices.packs.format import RADIO
from hub.devices.packs.library import Library
from hub.plugin_host.plugin_types import part_models
from hub.plugin_host.registry import Registry

PARTS = part_models(Registry.discover())
SHIPPED = Library(parts=PARTS)
NAMES = SHIPPED.names()
CODED = [name for name in NAMES if SHIPPED.get(name).keys.protocol in RADIO]
"""Those with a codec."""

PACK = """\
format: 1
version: 1
vendor: Acme
models: [Thermo]
fr: Sonde
en: Probe
licence: Apache-2.0
protocol: lorawan
lorawan: {mac: 1.0.4, class: C}
period: 10min
labels: ["ACME (?P<dev_eui>[0-9A-F]{16})"]
messages:
  data: {ports: [1]}
metrics:
  probe_2: {unit: Cel, resolution: "0.1", low: -50, high: 90, privacy: environment, fr: Sonde 2, en: Probe 2}
fields:
  - {path: t, metric: temperature, scale: 0.1, invalid: [-999]}
  - {path: t2, metric: probe_2, scale: 0.1}
  - {path: open, metric: door, values: {"0": false, "1": true}}
ignore: [debug.*]
downlinks:
  period:
    fr: Période
    en: Period
    period: minutes
    fields: {minutes: {low: 1, high: 255, unit: min, fr: Minutes, en: Minutes}}
sources:
  manual: {kind: document, title: Thermo manual, version: "2", by: Acme, licence: facts only}
"""
CODEC = """\
function decodeUplink(i) {
  if (i.bytes.length < 2) return { errors: ["too short"] };
  return { data: { t: i.bytes[0], t2: i.bytes[1] * 10, open: i.bytes[2], debug: { n: i.bytes.length } } };
}
function encodeDownlink(i) { return { bytes: [1, i.data.minutes], fPort: 2 }; }
"""
VECTORS = """\
- source: manual
  page: p. 3
  message: data
  port: 1
  bytes: "d70501"
  readings: {temperature: 21.5, probe_2: 5, door: true}
- source: manual
  downlink: period
  given: {minutes: 15}
  port: 2
  bytes: "010f"
- {source: manual, port: 1, bytes: "d7", refused: true}
"""
