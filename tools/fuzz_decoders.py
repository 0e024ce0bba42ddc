"""Coverage-guided fuzzing of the decoders of meters and EnOcean, where `atheris` is installed. `make fuzz` runs it.

    python tools/fuzz_decoders.py SECONDS [CORPUS DIRECTORY]

The first byte of an input chooses the decoder; published telegrams are where it starts from. Anything but a
DecodeError, a reading that is not finite, or a frame that takes longer than its time ends it with the input in a file
`crash-…`, which the same command replays as its last argument. Instrumented code is several times slower: the time
allowed here is 25 ms; the promise of 5 ms is measured by `bench/meters.py`.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["integrations"]):
    import hub
    from integrations.enocean import decode as enocean
    from integrations.enocean import esp3, secure, showing
    from integrations.enocean.eep import KNOWN, RORG
    from integrations.linky.decode import decode as read_meter
    from integrations.linky.frames import Framer
    from integrations.linky.showing import explain as explain_tic
    from integrations.mbus import decode as mbus
    from integrations.mbus import lines, sticks

SLOWEST_S = 0.025
KEY = bytes(range(16))
PARIS = ZoneInfo("Europe/Paris")
EEPS = sorted(KNOWN)


def _wired(data: bytes) -> Iterator[object]:
    message = mbus.wired(data)
    list(mbus.explain(message))
    yield from mbus.readings(message).values()


def _wireless(data: bytes) -> Iterator[object]:
    with suppress(hub.DecodeError):
        mbus.sender(data)
    for key in (None, KEY):
        with suppress(hub.DecodeError):
            message = mbus.wireless(data, key)
            list(mbus.explain(message))
            yield from mbus.readings(message).values()


def _records(data: bytes) -> Iterator[object]:
    yield from (record.value for record in mbus.records.parse(data).records)


def _tic(data: bytes) -> Iterator[object]:
    for frame in Framer().feed(b"\x02" + data + b"\x03"):
        with suppress(hub.DecodeError):
            meter = read_meter(frame, PARIS)
            list(explain_tic(frame, PARIS))
            yield from meter.values.values()
            yield from (value for _, moment in meter.dated for value in moment.values())


def _tic_groups(data: bytes) -> Iterator[object]:
    """The same with right checksums, which a fuzzer does not find: groups are separated by 00."""
    body = b""
    for group in data.split(b"\0")[:40]:
        text = bytes(byte & 0x7F for byte in group if 0x20 <= byte & 0x7F < 0x7F or byte == 9)
        separator = b"\t" if b"\t" in text else b" "
        counted = text + separator if separator == b"\t" else text
        body += b"\n" + text + separator + bytes([(sum(counted) & 0x3F) + 0x20]) + b"\r"
    yield from _tic(b"\nMESURES1 x %c\r" % ((sum(b"MESURES1 x") & 0x3F) + 0x20) + body)
    yield from _tic(b"\nADCO 012345678901 %c\r" % ((sum(b"ADCO 012345678901") & 0x3F) + 0x20) + body)


def _eep(data: bytes) -> Iterator[object]:
    eep = EEPS[data[0] % len(EEPS)]
    telegram = esp3.Telegram(RORG[eep[:2]], data[2:18], "018F2B3C", data[1])
    enocean.teach_in(telegram)
    yield from enocean.decode(telegram, eep, data[1] & 3).values()


def _secured(data: bytes) -> Iterator[object]:
    with suppress(hub.DecodeError):
        secure.TeachIns().take("a", data[3:], 1.0)
    opened = secure.open_(0x30 | data[0] & 1, data[3:], KEY, secure.level(data[1]), data[2] or None)
    if opened is not None:
        yield opened.counter


def _packets(data: bytes) -> Iterator[object]:
    for packet in esp3.Splitter().feed(data):
        with suppress(hub.DecodeError):
            esp3.radio(packet)
    list(showing.explain(showing.frame_of({"packet": data.hex(), "eep": "A5-04-01"}), lambda _: KEY))
    yield 0


def _receivers(data: bytes) -> Iterator[object]:
    for stick in (sticks.Im871a(), sticks.Amber()):
        yield from (heard.dbm or 0 for heard in stick.feed(data))
    for text in lines.Lines().feed(data):
        with suppress(hub.DecodeError):
            lines.telegram(text)


TARGETS: tuple[Callable[[bytes], Iterator[object]], ...] = (
    _wired, _wireless, _records, _tic, _tic_groups, _eep, _secured, _packets, _receivers,
)  # fmt: skip


def one(data: bytes) -> None:
    """Raises for what no decoder may do."""
    if len(data) < 5:
        return
    target = TARGETS[data[0] % len(TARGETS)]
    times = []
    for _ in range(3):
        began = time.process_time()
        try:
            for value in target(data[1:]):
                if isinstance(value, float) and not math.isfinite(value):
                    raise AssertionError(f"{target.__name__} read {value}")
        except hub.DecodeError:
            pass
        times.append(time.process_time() - began)
        if times[-1] < SLOWEST_S:
            return
    raise AssertionError(f"{target.__name__} took {min(times) * 1000:.0f} ms")


def seeds() -> Iterator[bytes]:
    """Published telegrams, each before its decoder, and frames that the simulators make."""
    from ruamel.yaml import YAML

    from integrations.linky import sim

    house = Path(__file__).parents[1] / "integrations"
    for example in YAML(typ="safe").load((house / "mbus/examples.yaml").read_text()):
        raw = bytes.fromhex(str(example["telegram"]))
        yield bytes([TARGETS.index(_wired if example["kind"] == "mbus" else _wireless)]) + raw
    for example in YAML(typ="safe").load((house / "linky/examples.yaml").read_text()):
        groups = [group.rpartition(" ")[0].encode("latin-1") for group in example["groups"]]
        yield bytes([TARGETS.index(_tic_groups)]) + b"\0".join(groups)
    yield bytes([TARGETS.index(_tic)]) + sim.historic("021875123456", 1, 2, 300)[1:-1]
    yield bytes([TARGETS.index(_packets)]) + bytes.fromhex("55000A0701EB30D0B518FB019EB63B0000FFFFFFFF37004D")


def main() -> None:
    seconds, *rest = sys.argv[1:] or ["60"]
    if rest and Path(rest[0]).is_file():
        one(Path(rest[0]).read_bytes())
        return
    for directory in rest:
        Path(directory).mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(seeds()):
            (Path(directory) / f"seed-{number}").write_bytes(data)
    flags = [f"-max_total_time={seconds}", "-max_len=300", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *flags, *rest], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
