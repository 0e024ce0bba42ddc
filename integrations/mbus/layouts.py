"""Remembers which records a meter sends, so that its compact frames can be read. Bounded; no I/O.

EN 13757-3:2018, Annex G. A compact frame has the data of the records without their heads. In their place stands a
signature of the heads, as the meter's last full frame (or its format frame) had them, and a checksum over that whole
frame. A layout serves the meter that sent it, and sealed frames only if it came sealed: otherwise a stranger could say
what the numbers of another one mean.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import hub
from hub.sdk.phrases import phrase
from integrations.mbus import fields, radio, records
from integrations.mbus.records import FILLER, Parsed

UNKNOWN = "wmbus-layout"
SEALED, CLEAR = 2048, 256
"""Most meters whose layouts are remembered. Anybody may send frames in clear."""
MOST = 4
"""Most layouts of one meter."""
LONGEST = 255
KEPT = {True: 48_000, False: 8_000}
"""Most bytes that are kept across restarts, of sealed and of clear ones."""

Heads = tuple[bytes, ...]


class Layouts:
    """The layouts of meters. `changed` is set when what `dump` returns has changed; who keeps it clears that."""

    def __init__(self) -> None:
        self.changed = False
        self._known: dict[bool, OrderedDict[str, dict[int, Heads]]] = {True: OrderedDict(), False: OrderedDict()}
        self._used: set[tuple[bool, str]] = set()

    def learn(self, device: str, heads: Heads, *, sealed: bool) -> None:
        """Remember the heads of a full frame or of a format frame."""
        table = self._known[sealed]
        mine = table.get(device)
        if mine is not None and heads in mine.values():
            table.move_to_end(device)
            return
        if not heads or sum(map(len, heads)) > LONGEST:
            return
        mine = table.setdefault(device, {})
        mine.pop(signature := radio.crc(b"".join(heads)), None)
        mine[signature] = heads
        if len(mine) > MOST:
            del mine[next(iter(mine))]
        table.move_to_end(device)
        if len(table) > (SEALED if sealed else CLEAR):
            oldest, _ = table.popitem(last=False)
            self._used.discard((sealed, oldest))
        self.changed = self.changed or (sealed, device) in self._used

    def full(self, device: str, data: bytes, *, sealed: bool) -> Parsed:
        """Parse a compact frame; its `problem` is UNKNOWN while no full frame has shown the layout. Raises DecodeError:
        `mbus-record`, `wmbus-crc`."""
        if len(data) < 4:
            raise hub.DecodeError(
                "mbus-record", phrase("mbus.record-cut", "{wanted} bytes wanted, {left} left", wanted=4, left=len(data))
            )
        signature, checksum = (int.from_bytes(data[at : at + 2], "little") for at in (0, 2))
        heads = self._known[sealed].get(device, {}).get(signature)
        if heads is None:
            return Parsed((), problem=UNKNOWN)
        whole, rest = fields.joined(heads, data[4:])
        if rest.strip(bytes([FILLER])) or radio.crc(whole) != checksum:
            raise hub.DecodeError(
                "wmbus-crc",
                phrase("mbus.compact-frame-differs", "a compact frame that does not fit the meter's full frame"),
            )
        self._known[sealed].move_to_end(device)
        if (sealed, device) not in self._used:
            self._used.add((sealed, device))
            self.changed = True
        return records.parse(whole)

    def dump(self) -> dict[str, Any]:
        """Return what is worth keeping, as plain values: the layouts of meters that do send compact frames."""
        found: dict[str, Any] = {}
        for sealed, limit in KEPT.items():
            size, kept = 0, []
            for device, mine in reversed(self._known[sealed].items()):
                if (sealed, device) not in self._used:
                    continue
                size += len(device) + 8 + sum(2 + len(head) for heads in mine.values() for head in heads)
                if size > limit:
                    break
                kept.append([device, [list(heads) for heads in mine.values()]])
            found["sealed" if sealed else "clear"] = kept[::-1]
        return found

    def load(self, kept: Any) -> None:
        """Remember what `dump` returned. Anything else is left out."""
        for sealed in (True, False):
            entries = kept.get("sealed" if sealed else "clear") if isinstance(kept, dict) else None
            for entry in entries if isinstance(entries, list | tuple) else ():
                try:
                    device, mine = entry
                    for heads in mine:
                        records.heads(b"".join(heads))  # they can be read
                        self.learn(str(device), tuple(heads), sealed=sealed)
                except (TypeError, ValueError, hub.DecodeError):
                    continue
                self._used.add((sealed, str(device)))


LAYOUTS = Layouts()
"""What the decoder of this process has learned."""
