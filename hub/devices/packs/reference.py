"""Prints the format of a pack as a page of documentation: `python -m hub.devices.packs.reference`; a test compares
it."""

from __future__ import annotations

import sys

from hub.config.field_types import Section
from hub.config.option_paths import options
from hub.config.reference import default_of, kind_of
from hub.devices.packs import format as keys
from hub.devices.packs import vectors
from hub.devices.packs.decoding import MAX_HISTORY
from hub.devices.packs.library import SHIPPED, Library
from hub.devices.packs.loader import MAX_DEPTH, MAX_FILE, MAX_FILES

_HEAD = f"""\
# Device packs

Generated from `hub/devices/packs/format.py` and from the packs themselves: `python -m hub.devices.packs.reference`.

A pack describes devices of one maker as data: a folder named `vendor-model` with `pack.yaml` and vectors, and for a
radio (lorawan, sigfox) a payload codec in JavaScript. A device uses one by [`pack:`](configuration.md) in the
configuration. How to make one: [Write a pack](../how-to/write-a-pack.md).

- The codec runs in a process that can do nothing but compute: 50 ms of processor time, 16 MB, no input or output. It
  sees nothing of an earlier call, of whatever device: what it keeps in a variable is gone, and `Math.random` gives the
  same numbers each time.
- A codec may have the form of the LoRa Alliance's Payload Codec API (TS013-1.0.0), of The Things Network v2, of
  ChirpStack v3 or of Actility's drivers, as a script, a CommonJS or ES module, or what a bundler made of it. Around it
  it finds what Node.js 20 has of `Buffer`, `crypto` (AES, HMAC, hashes), `util`, `assert` and dates in a time zone; the
  local time is UTC. What is not there throws and says so ([why](../adr/0098-what-a-codec-finds-around-it.md)).
- A pack of Sigfox may say its payload in the operator's grammar instead (`codec.format`). There are no ports: its
  codec is given port 1, and its downlinks have 8 bytes.
- What a pack does not declare is not decoded: another port, another message. Such a frame is counted with its reason,
  and so is one that the codec refuses or spoils.
- A value out of its metric's bounds, of another kind, or not a number gives no reading and is counted.
- A pack of Modbus, BACnet, KNX, Bluetooth or M-Bus has a map in the place of a codec: `registers`, `objects`,
  `groups`, `layout` or `records`, in the words of that integration's own settings. It becomes part of the `settings:`
  of each device that names the pack; an entry that the device has itself takes the place of the pack's. Metrics beyond
  the catalogue have their unit and privacy class in the map (M-Bus knows those of the catalogue alone). A newer version
  of such a pack is used from the hub's next start.
- What a device leaves the factory with stands in `default_credentials`. While a device's key, or the user and password
  of its integration, is one of them, nothing is written to it, and `ilot status` and « À traiter » say so.
- A vector comes from somebody else: the maker's document, an independent codec, a standard. A pack whose vectors do
  not all pass, or that declares a message, a port of one, a downlink or a metric of a map that no vector shows, is not
  installed.
- A pack with `untested: true` needs no vectors, and passes those it has. It is installed only where a person says so
  (`ilot pack install --untested`, or the page of packs), and is shown as untested wherever packs are.
- `proposed` lists what an import found in a codec's answers: path, a value that an example shows, a guess of the metric
  and how sure it is. With one `decision: ask` left, and with `fields: automatic`, a pack is not installed; only packs
  that ship with the hub, for devices that name their values themselves, leave the choice to it.
- The codec may give former values with their dates, at most {MAX_HISTORY} an uplink.
- A pack has at most {MAX_FILES} files of {MAX_FILE // 1024} KB; those of its codec may lie in folders, at most
  {MAX_DEPTH} deep. YAML is read as the [configuration](configuration.md)
  is: problems are told with file, line and column.

Reasons by which frames and leaves are counted: `no-pack`, `bad-pack`, `undeclared-port`, `undeclared-message`,
`codec-refused` (the codec returned errors), `codec-error` (it threw), `codec-syntax`, `codec-time`, `codec-memory`,
`codec-stack`, `codec-shape` (no object, too large or too deep), `codec-crash`; `truncated`, `oversized` (by a
`codec.format`); of single values: `codec-value` (not of the metric's kind), `implausible`, `undated`.
"""
_PARTS: tuple[tuple[str, type[Section]], ...] = (
    ("pack.yaml", keys.PackKeys),
    ("lorawan", keys.LoRaWANKeys),
    ("codec", keys.CodecKeys),
    ("messages.<name>", keys.MessageKeys),
    ("metrics.<key>", keys.MetricKeys),
    ("fields[…]", keys.FieldKeys),
    ("proposed[…]", keys.ProposedKeys),
    ("downlinks.<name>", keys.DownlinkKeys),
    ("downlinks.<name>.fields.<name>", keys.BoundKeys),
    ("default_credentials[…]", keys.DefaultKeys),
    ("sources.<name>", keys.SourceKeys),
    ("vectors/*.yaml, each entry", vectors.VectorKeys),
    ("history[…] of a vector", vectors.FormerKeys),
)
_KINDS: dict[tuple[type[Section], str], str] = {
    (keys.PackKeys, "period"): "duration",
    (keys.CodecKeys, "format"): "text or nothing",
    (keys.PackKeys, "fields"): "`automatic`, or a list",
    (keys.ProposedKeys, "sample"): "number, text, or `true` or `false`",
}


def render() -> str:
    """Return the page, in Markdown."""
    return _HEAD + "".join(_section(where, model) for where, model in _PARTS) + _shipped()


def _section(where: str, model: type[Section]) -> str:
    about = " ".join((model.__doc__ or "").split())
    lines = [f"\n## `{where}`\n\n{about}\n\n| key | value | default | meaning |\n|---|---|---|---|\n"]
    for key, field in options(model).items():
        kind = _KINDS.get((model, key)) or kind_of(field).replace("`` or", "nothing,")
        cells = (f"`{key}`", kind, default_of(field), field.description or "")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return "".join(lines)


def _shipped() -> str:
    lines = [
        "\n## Packs that ship with the hub\n\n",
        "Tried on real hardware: a person has read a device with it and compared the values with its display.\n\n",
        "| pack | vendor, models | what it is | tried on real hardware | vectors from |\n|---|---|---|---|---|\n",
    ]
    library = Library(None, SHIPPED)
    for name in library.names():
        pack = library.get(name).keys
        sources = " · ".join(f"{source.by}: {source.title}, {source.version}" for source in pack.sources.values())
        what = f"{pack.vendor}: {', '.join(pack.models)} | {pack.en} | {'yes' if pack.tried else 'no'}"
        lines.append(f"| `{name}` | {what} | {sources} |\n")
    return "".join(lines)


if __name__ == "__main__":
    sys.stdout.write(render())
