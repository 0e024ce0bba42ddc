"""Writes the annotated examples of the documentation from the vectors: python tests/vectors/annotate.py

It walks the bytes by itself, as a reader would; of our code it only borrows framing and ciphers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from hub.protocol.documents import recovery_key_file
from hub.protocol.records import framing
from hub.protocol.records.compression import expand
from hub.protocol.records.opening import read_epoch
from hub.protocol.records.seal import AEADS, AES, SUITE, nonce
from hub.store_and_forward.buffer.segment import MAGIC
from tests.vectors.walk import NAMES, Walk, msgpack, text_of

# -- segment ---------------------------------------------------------------------------------------------------------


def segment(vectors: Path) -> str:
    (path,) = (vectors / "small").rglob("*.seg")
    walk = Walk(path.read_bytes(), [f"{path.name}: {path.stat().st_size:,} bytes, two commits", ""])
    key = recovery_key_file.read_file((vectors / "keys/ingest.key").read_bytes())
    walk.take(8, "magic, version 1 of the format")
    seen: dict[bytes, int] = {}
    eid = k = b""
    while walk.rest():
        head = framing.read_head(walk.data, walk.at)
        assert head is not None
        raw = walk.data[walk.at : walk.at + head.size]
        walk.say()
        if raw in seen:
            walk.say(f"{framing.KINDS[head.kind]}, second copy")
            walk.take(head.size, f"the same {head.size:,} bytes as at {seen[raw]}")
            continue
        seen[raw] = walk.at
        walk.say(framing.KINDS[head.kind])
        parts = framing.parse(raw)
        header(walk)
        if head.kind == framing.EPOCH:
            eid, k = epoch(walk, raw, key)
        else:
            sealed(walk, parts, eid, k)
    return "\n".join(walk.lines) + "\n"


def header(walk: Walk) -> None:
    kind = walk.data[walk.at + 8]
    own = "its own counter: {}"
    seq = {framing.EPOCH: "first seq of the segment: {}", framing.TABLE: own, framing.LOCAL: own}
    walk.take(4, "marker")
    walk.number(4, "payload: {} bytes")
    walk.take(1, f"kind {kind}, {framing.KINDS[kind]}")
    walk.take(1, "flags")
    walk.number(2, "{} readings in this record")
    walk.number(8, seq.get(kind, "seq {}"))
    walk.number(8, "{} readings of this run and stream up to here")
    walk.take(4, lambda raw: f"commit: {second(int.from_bytes(raw, 'big'))}")
    walk.take(4, "CRC-32 of the 32 bytes above")


def epoch(walk: Walk, raw: bytes, key: recovery_key_file.RecipientKey) -> tuple[bytes, bytes]:
    """Returns the epoch's id and its key."""
    told = read_epoch(raw)
    count = len(told.kids)
    names: list[str | Callable[[bytes], str]] = [
        text_of, lambda name: f"hub: {text_of(name)}", "run", lambda name: f"stream: {text_of(name)}",
        lambda n: f"segment number {int.from_bytes(n, 'big')}", lambda n: f"first seq {int.from_bytes(n, 'big')}",
        "previous run: none", "its last seq: none", "its last digest: none", lambda name: f"cipher: {text_of(name)}",
        "e.public, Ed25519", 'H("ilot/commit/1\\0" ‖ k)', *(f"kid_{n + 1}" for n in range(count)),
        lambda n: f"trust version {int.from_bytes(n, 'big')}", *(f"cap_{n + 1}" for n in range(count)),
    ]  # fmt: skip
    for name in names:
        walk.take(walk.number(4, "length {}"), name)
    signature(walk, "IDENTITY")
    at = told.kids.index(key.kid)
    k = SUITE.decrypt(told.caps[at], key.private, info=told.info + key.kid)
    walk.say(f"        eid = H(payload) = {told.eid.hex()}")
    walk.say(f"        kid_{at + 1} is keys/ingest.key; cap_{at + 1} opens to k = {k.hex()}")
    return told.eid, k


def sealed(walk: Walk, parts: framing.Parts, eid: bytes, k: bytes) -> None:
    kind, sequence = parts.head.kind, parts.head.seq
    walk.take(len(parts.payload), f"ciphertext of {len(parts.payload) - 16} bytes, tag of 16")
    if kind == framing.LOCAL:
        walk.say("        (under the hub's own key)")
    else:
        squeezed = AEADS[AES](k).decrypt(nonce(kind, sequence), parts.payload, eid + parts.header)
        content = expand(squeezed)
        walk.say(f"        nonce {nonce(kind, sequence).hex(' ')}; opens to {len(squeezed)} bytes of zstd,")
        walk.say(f"        and these to {len(content)} bytes:")
        inside = Walk(content, walk.lines, indent="        ")
        if kind == framing.BLOCK:
            block(inside)
        else:
            msgpack(inside, NAMES)
        assert not inside.rest()
    signature(walk, "e")


def signature(walk: Walk, who: str) -> None:
    walk.take(64, f"signature by {who}")
    walk.take(4, "CRC-32 of payload and signature")


# -- block -----------------------------------------------------------------------------------------------------------


def block(walk: Walk) -> None:
    """A block of climate reports: two numbers each."""
    walk.take(1, "time base: Unix ms")
    walk.varint(lambda n: f"{n} group")
    walk.varint(lambda n: f"shape {n} of TABLE: temperature, humidity")
    s = walk.varint(lambda n: f"{n} subjects")
    packed(walk, s, "subjects", lambda steps: list(accumulate(steps)))
    reports = packed(walk, s, "reports of each")
    n = sum(reports)
    track(walk, n, reports, "time", lambda item: moment(item / 1000))
    track(walk, n, reports, "temperature / 0.005", lambda item: f"{item * 5 / 1000} °C")
    track(walk, n, reports, "humidity / 0.0025", lambda item: f"{item * 25 / 10000} %")
    for name in ("quality", "trust", "rssi"):
        runs(walk, n, name)
    walk.take(1, "positions: none")


def packed(walk: Walk, n: int, name: str, shown: Callable[[list[int]], Any] = lambda items: items) -> list[int]:
    coded = walk.varint(lambda coded: f"{name}: base {(coded >> 1) ^ -(coded & 1)}")
    base = (coded >> 1) ^ -(coded & 1)
    width = walk.take(1, lambda raw: f"  width {raw[0]}" + (f": {shown([base] * n)}" if not raw[0] else ""))[0]
    items = [base] * n
    for plane in range(width):
        start = walk.at
        items = [item + (walk.data[start + at] << 8 * plane) for at, item in enumerate(items)]
        last = plane == width - 1
        walk.take(n, f"  byte {plane} of each" + (f": {shown(items)}" if last else ""))
    return items


def track(walk: Walk, n: int, reports: list[int], name: str, shown: Callable[[int], str]) -> None:
    firsts = packed(walk, len(reports), f"{name}, first of each", lambda items: ", ".join(map(shown, items)))
    if n == len(reports):
        return
    steps = packed(walk, n - len(reports), f"{name}, differences")
    for at, (first, count) in enumerate(zip(firsts, reports, strict=True)):
        mine = steps[sum(reports[:at]) - at :][: count - 1]
        if mine:
            items = list(accumulate([first, *mine]))
            walk.say(f"{walk.indent}{'':34}  so subject {at}: {', '.join(map(shown, items))}")


def runs(walk: Walk, n: int, name: str) -> None:
    r = walk.varint(lambda r: f"{name}: {r} run" + "s" * (r != 1) if r else f"{name}: not as runs")
    if r == 0:
        packed(walk, n, name)
        return
    packed(walk, r, f"{name}, values")
    if r > 1:
        packed(walk, r, f"{name}, lengths")


# -- message and ack ---------------------------------------------------------------------------------------------------


def message(vectors: Path) -> str:
    (path,) = (vectors / "small").rglob("*.seg")
    stored = path.read_bytes()
    walk = Walk((vectors / "link/message.bin").read_bytes(), [])
    walk.say(f"message.bin: {len(walk.data):,} bytes, one group")
    walk.say()
    walk.take(4, "magic")
    walk.take(32, "eid of the group")
    walk.number(4, "records: {} bytes")
    while walk.rest():
        head = framing.read_head(walk.data, walk.at)
        assert head is not None
        place = stored.index(walk.data[walk.at : walk.at + head.size], len(MAGIC))
        seq = f" {head.seq}" if head.kind in framing.NUMBERED else ""
        walk.take(
            head.size, f"{framing.KINDS[head.kind]}{seq}, {head.size:,} bytes as stored in the segment at {place}"
        )
    return "\n".join(walk.lines) + "\n"


def ack(vectors: Path) -> str:
    walk = Walk((vectors / "link/ack.bin").read_bytes(), [])
    walk.say(f"ack.bin: {len(walk.data):,} bytes")
    walk.say()
    walk.take(walk.number(4, "length {}"), text_of)
    size = walk.number(4, "length {}")
    walk.say()
    inside = Walk(walk.data[: walk.at + size], walk.lines, at=walk.at)
    msgpack(inside, {})
    walk.at = inside.at
    walk.say()
    walk.take(walk.number(4, "length {}"), "kid: H of the key in keys/public.json")
    walk.take(walk.number(4, "length {}"), "signature over lp(label) ‖ payload")
    assert not walk.rest()
    return "\n".join(walk.lines) + "\n"


def second(unix: int) -> str:
    return f"{datetime.fromtimestamp(unix, UTC):%Y-%m-%dT%H:%M:%SZ}"


def moment(unix: float) -> str:
    return f"{datetime.fromtimestamp(unix, UTC):%H:%M:%S.%f}"[:-3]


PAGES: dict[str, Callable[[Path], str]] = {
    "small/segment.txt": segment,
    "link/message.txt": message,
    "link/ack.txt": ack,
}

if __name__ == "__main__":
    here = Path(__file__).parent
    for page, write in PAGES.items():
        (here / page).write_text(write(here))
