"""Frames of meters decoded in a second of processor time, on one core, and the longest one. `python bench/meters.py`

One figure a line. `mbus.<name>` is one published telegram each (`integrations/mbus/examples.yaml`), through the decoder
as the hub calls it, keys included; `mbus.wired` is all those of the wire in turn, 13 records a telegram, and `mbus.air`
all those of the air. The gate for both is 10,000. `tic.<mode>` is a whole frame of a customer output, framing and
checksums included, `enocean.sealed` a secured telegram whose rolling code is sent, `enocean.forged` one that fits none
of 129 codes. `longest` is the slowest of all frames and of 20,000 random ones, in ms; the gate for one frame is 5.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).parent))
from decoders import rate
from measure import figure
from ruamel.yaml import YAML

import hub
from integrations import mbus
from integrations.enocean import secure
from integrations.linky import sim
from integrations.linky.decode import decode as read_meter
from integrations.linky.frames import Framer
from integrations.mbus import records

ROOT = Path(__file__).parents[1]
PARIS = ZoneInfo("Europe/Paris")
GATE = 10_000
NOON = time.strptime("2026-01-15 12:03:20", "%Y-%m-%d %H:%M:%S")
KEY = bytes.fromhex("456E4F6365616E20476D62482E313300")
FORGED = bytes.fromhex("3EEAC4A2DFEAF20F")
AIR: set[str] = set()
Work = Callable[[], object]


def telegrams() -> dict[str, Work]:
    found: dict[str, Work] = {}
    for example in YAML(typ="safe").load((ROOT / "integrations/mbus/examples.yaml").read_text()):
        if "error" in example:
            continue
        frame = hub.Frame(kind=example["kind"], address="", data={"telegram": bytes.fromhex(str(example["telegram"]))})
        key = bytes.fromhex(example["key"]) if "key" in example else None
        wired = example["kind"] == "mbus"
        decode = mbus.decode_wired if wired else mbus.decode_wireless
        name = f"mbus.{example['name'].replace(' ', '-').replace(',', '')}"
        AIR.update(() if wired else (name,))
        found[name] = lambda decode=decode, frame=frame, key=key: decode(frame, lambda _: key)
    return found


def others() -> dict[str, Work]:
    lines = {
        "tic.standard": sim.standard(
            "021875123456", "H260115120000", 4_000_000, 8_345_678, 980, ("H260115113000", 870)
        ),
        "tic.historic": sim.historic("021875123456", 4_000_000, 8_345_678, 980),
        "tic.pme-pmi": sim.pme_pmi("041436028024", NOON, NOON, 9684, 88),
        "tic.ice": sim.ice(NOON, NOON, 9684, 88),
    }

    def read(data: bytes) -> object:
        (frame,) = Framer().feed(data)
        return read_meter(frame, PARIS)

    found: dict[str, Work] = {name: lambda data=data: read(data) for name, data in lines.items()}
    how = secure.level(0xF3)
    code = (500).to_bytes(4, "big")
    body = secure.vaes(KEY, code, bytes.fromhex("a500647d08"))
    sealed = body + code + secure.cmac(KEY, b"\x31" + body + code, 4)
    found["enocean.sealed"] = lambda: secure.open_(0x31, sealed, KEY, how, 499)
    found["enocean.forged"] = forged
    return found


def forged() -> None:
    with suppress(hub.DecodeError):
        secure.open_(0x31, FORGED, KEY, secure.level(0x8B), 1)


def longest(work: dict[str, Work]) -> float:
    """Milliseconds of processor time of the slowest frame, each frame's best of three."""

    def best(one: Work) -> float:
        times = []
        for _ in range(3):
            began = time.process_time_ns()
            with suppress(hub.DecodeError):
                one()
            times.append(time.process_time_ns() - began)
        return min(times) / 1e6

    rng = random.Random(1)
    slowest = max(best(one) for one in work.values())
    for _ in range(20_000):
        raw = rng.randbytes(rng.randint(1, 250))
        slowest = max(slowest, best(lambda raw=raw: records.parse(raw)))
    return slowest


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.5
    wired = telegrams()
    for kind in ("wired", "air"):
        some = [work for name, work in wired.items() if (name in AIR) == (kind == "air")]
        figure(
            f"mbus.{kind}",
            len(some) * rate(lambda some=some: [work() for work in some], seconds),
            "frames/s",
            f"gate {GATE:,}",
        )
    for name, work in wired.items():
        figure(name, rate(work, seconds), "frames/s")
    for name, work in others().items():
        figure(name, rate(work, seconds), "frames/s")
    figure("longest", longest({**wired, **others()}), "ms", "gate 5")


if __name__ == "__main__":
    main()
