"""Says the telegrams of a capture again, as a gateway behind a TCP port, for `ilot replay enocean --play`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import hub
from hub.sdk.phrases import phrase
from hub.sdk.replaying import Line, serial_line
from hub.sdk.simulation import Replay
from integrations.enocean.showing import frame_of


def _packet(line: Mapping[str, Any]) -> bytes:
    frame_of(dict(line))  # raises DecodeError for what is no telegram
    raw = bytes.fromhex(str(line.get("packet", line.get("raw", ""))))
    if raw[:1] != b"\x55":
        raise hub.DecodeError("bad-line", phrase("enocean.line-without-packet", "`packet` is a whole one, from 55 on"))
    return raw


def replay(options: Any, lines: Sequence[Mapping[str, Any]], port: int) -> AbstractAsyncContextManager[Line]:
    return serial_line(_packet, port)


REPLAYERS: dict[str, Replay] = {"enocean": replay}
