"""Building of `ilot demo`: a school where something happens in the first minutes.

Besides the meter, the boiler and the sensors of every scene there are a room and a lamp on KNX/IP, a waste bin on
LoRaWAN, a roof of solar panels, and a stranger's sensor. Each uses its own protocol:

    at once      an unlisted Bluetooth sensor waits in quarantine
    at once      somebody is in the room: a rule lights its lamp, and presence is stored nowhere
    after 1 min  the bin is full: an alert; two minutes later it is emptied, and the alert ends by itself
    at 1½ min    the boiler reports a fault for as long again and loses a sensor: an alert, and a gap in its chart
"""

from __future__ import annotations

import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hub.cli import output
from hub.cli.demo.scene import BEYOND, HEAD, LINES, Scene
from hub.core.text import phrase

HOUSE = """\
  name: École Jean-Jaurès (démonstration)
  site: jean-jaures
sites:
  jean-jaures: {{name: École Jean-Jaurès, timezone: Europe/Paris}}
zones:
  classes:
    site: jean-jaures
    name: Salles de classe
    use: enseignement
    personal: # metrics that say something of people are dropped at once, but for these
      light: Éclairage que le concentrateur commande
      co2: Qualité de l'air des salles (code de l'environnement, R221-30)
  technique: {{site: jean-jaures, name: Locaux techniques}}
  exterieur: {{site: jean-jaures, name: Extérieur}}
places:
  classe-1: {{zone: classes, name: Classe 1}}
  classe-2: {{zone: classes, name: Classe 2}}
  classe-3: {{zone: classes, name: Classe 3}}
  classe-4: {{zone: classes, name: Classe 4}}
  salle: {{zone: classes, name: Salle polyvalente}}
  eclairage: {{zone: classes, name: Éclairage de la salle polyvalente}}
  vanne: {{zone: classes, name: Vanne du radiateur de la salle polyvalente}}
  cour: {{zone: exterieur, name: Cour, position: {{latitude: 48.85671, longitude: 2.35243}}}}
  benne: {{zone: exterieur, name: Benne à papier, position: {{latitude: 48.85652, longitude: 2.35290}}}}
  hub: {{zone: technique, name: Le concentrateur}}
  compteur: {{zone: technique, name: Compteur électrique, meter: {{carrier: electricity, serial: A1, accuracy: MID B}}}}
  chaufferie: {{zone: technique, name: Chaufferie, position: {{latitude: 48.85634, longitude: 2.35151}}}}
  toit: {{zone: exterieur, name: Panneaux du toit, position: {{latitude: 48.85650, longitude: 2.35195}}}}
"""
MORE_LINES = """\
  knx:
    connection: tunnelling
    host: 127.0.0.1
    port: {knx_port}
    perimeter: {{kind: locked room, declared_by: Services techniques, declared_on: 2026-01-01}}
  lorawan:
    gateways: {{{gateway}: {{}}}}
    udp: {{port: {lora_port}}}
rules:
  benne-pleine:
    template: bin_full
    places: [benne]
    inputs: {{level: 96, margin: 20, depth: 1200}} # its depth in millimetres
    text: "{{place}} is full: {{value}} left below the lid"
    text_fr: "{{place}} : pleine, il reste {{value}} sous le couvercle"
  chaudiere-en-defaut:
    metric: fault
    places: [chaufferie]
    equals: true
    severity: critical
    text: "{{place}}: the boiler reports a fault"
    text_fr: "{{place}} : la chaudière signale un défaut"
  lumiere-selon-presence: # presence acts here, and is stored nowhere
    metric: occupancy
    places: [salle]
    equals: true
    alert: false
    set: {{device: "knx:1.1.20", metric: light, value: true, otherwise: false}}
privacy:
  rules:
    frequentation:
      zones: [classes]
      metrics: [occupancy]
      purpose: Horaires de chauffage des salles
      count: {{window: 1h}}
energy: {{outdoor: cour/temperature}}
"""

PINS = {
    "classe-1": (0.12, 0.2), "classe-2": (0.44, 0.2), "salle": (0.74, 0.18), "eclairage": (0.9, 0.14),
    "vanne": (0.9, 0.34), "classe-3": (0.12, 0.78), "classe-4": (0.44, 0.78), "chaufferie": (0.72, 0.72),
    "compteur": (0.9, 0.72), "hub": (0.9, 0.88),
}  # fmt: skip
"""Positions of the places on the plan: shares of its width and height."""

OUTAGE_AT_S, OUTAGE_S = 40.0, 15.0
"""Begin and length in seconds of the backend outage that the demo causes."""

EVENTS = (
    (0, phrase("demo-event-stranger", "a Bluetooth sensor that nobody knows waits in quarantine")),
    (
        70,
        phrase(
            "demo-event-bin", "the paper bin is full: an alert. It is over by itself when the bin is emptied, at 3:00"
        ),
    ),
    (
        90,
        phrase(
            "demo-event-boiler",
            "the boiler reports a fault and loses a sensor until 3:00: an alert, and a gap in its chart",
        ),
    ),
)
"""Events: (seconds after the start, text)."""


def story(happens: str, config: Path, ilot: Path | str) -> str:
    """Return what happens in the demo, and what to try."""
    return phrase(
        "demo-story",
        "What happens by itself\n{events}\n\n"
        "Three things to try\n"
        "  1. À traiter, Inconnus (Strangers): adopt the unknown sensor, then find it under Appareils (Devices)\n"
        "  2. Alertes levées (Alerts raised): acknowledge the full bin\n"
        "  3. Appareils, Éclairage de la salle polyvalente: switch the lamp. Or in another terminal:\n"
        "       export ILOT_CONFIG={config}\n"
        '       {ilot} command set knx:1.1.20 light off --why "a try"\n'
        "       {ilot} status\n",
        events=happens,
        config=config,
        ilot=ilot,
    )


def events(cut_s: float, outage_s: float, end_s: float | None) -> str:
    """Return the events before the end, a line each; an outage of 0 s is left out."""
    cut = phrase(
        "demo-event-outage",
        "the backend is cut off for {seconds:.0f} s: readings wait in the buffer, sealed, then all of them leave",
        seconds=outage_s,
    )
    told = sorted([*EVENTS, *([(cut_s, cut)] if outage_s else [])])
    now = output.translated(phrase("demo-event-now", "now"))
    return "\n".join(
        f"  {f'{at // 60:.0f}:{at % 60:02.0f}' if at else now:<6} {output.translated(text)}"
        for at, text in told
        if end_s is None or at < end_s
    )


class Showcase(Scene):
    """A larger scene. Its pages keep one address as long as it lives."""

    ble_places = ("classe-1", "classe-2", "cour", "classe-3", "classe-4")
    text = HEAD + HOUSE + LINES + MORE_LINES + BEYOND

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        super().__init__(root, say)
        self.web_port = _free(socket.SOCK_STREAM)
        self._lora_port = _free(socket.SOCK_DGRAM)
        self._knx: dict[str, Any] = {}
        self._lora: dict[str, Any] = {}

    def build(self) -> None:
        self.say(
            phrase(
                "demo-school",
                "building: a meter, a boiler and a roof on Modbus TCP, a room and its lamp on KNX/IP,\n"
                "          a waste bin on LoRaWAN, five sensors on Bluetooth, and one more that nobody knows",
            )
        )
        self.modbus = self._start("modbus", "-m", "integrations.modbus.sim")
        self.radio = self._start("radio", "-m", "integrations.bluetooth.sim", "--interval", "2", "--copies", "2")
        self._knx = self._start("knx", "-m", "integrations.knx.sim", "--interval", "5")
        self._lora = self._start(
            "lorawan",
            "-m",
            "integrations.lorawan.sim",
            "--port",
            str(self._lora_port),
            "--devices",
            "0",
            "--bins",
            "1",
            "--interval",
            "6",
        )

    def furnish(self) -> None:
        """Upload the floor plan, and put places on it."""
        plan = self.ask("picture.add", name="Rez-de-chaussée", file=str(self._plan()))["id"]
        for place, (x, y) in PINS.items():
            self.ask("roster.pin", place=place, plan=plan, x=x, y=y)

    def _devices(self, secrets: dict[str, str]) -> dict[str, Any]:
        devices = super()._devices(secrets)
        devices["modbus:onduleur"] = {
            "integration": "modbus", "place": "toit", "settings": self.modbus["devices"]["modbus:onduleur"],
        }  # fmt: skip
        rooms = self._knx["devices"]
        devices["knx:1.1.10"] = {"integration": "knx", "place": "salle", "settings": rooms["knx:1.1.10"]}
        devices["knx:1.1.20"] = {
            "integration": "knx", "place": "eclairage",
            "settings": {"groups": {"2/0/2": rooms["knx:1.1.20"]["groups"]["2/0/2"]}},
            "writable": {"light": {"role": "technicien", "every": "1s"}},
        }  # fmt: skip
        valve = {"dpt": "5.001", "metric": "valve_position", "write": "2/1/1", "read": True, "confirm": 20}
        devices["knx:vanne"] = {
            "integration": "knx", "place": "vanne", "settings": {"groups": {"2/1/2": valve}},
            "writable": {"valve_position": {"low": 0, "high": 100, "role": "technicien", "every": "1s"}},
        }  # fmt: skip
        for name, said in self._lora["devices"].items():
            secrets["benne"] = said["key"]
            devices[name] = {"integration": "lorawan", "place": "benne", **said, "key": "!secret benne"}
        return devices

    def _facts(self) -> dict[str, Any]:
        more = {"knx_port": self._knx["port"], "lora_port": self._lora_port, "gateway": self._lora["gateway"]}
        return super()._facts() | more

    def _plan(self) -> Path:
        path = self.root / "plan.png"
        path.write_bytes(draw_plan())
        return path


def draw_plan(width: int = 600, height: int = 380) -> bytes:
    """Draw a floor of six rooms along a corridor, as PNG (ISO/IEC 15948), grey of 8 bits."""
    paper, wall = 255, 40
    rows = bytearray()
    for y in range(height):
        rows.append(0)  # filter type 0: none
        for x in range(width):
            edge = min(x, y, width - 1 - x, height - 1 - y)
            inside = edge >= 10
            corridor = (165 <= y < 168 or 215 <= y < 218) and not 90 <= x % 192 < 125
            between = (204 <= x < 207 or 396 <= x < 399) and not 168 <= y < 215
            rows.append(wall if 10 <= edge < 14 or (inside and (corridor or between)) else paper)

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _free(kind: socket.SocketKind) -> int:
    """Return a free port of loopback."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
