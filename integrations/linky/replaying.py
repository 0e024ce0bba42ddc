"""Says the frames of a capture again, as a meter behind a TCP port, for `ilot replay linky --play`. The meter has an
address of zeros: a hub that knows another one refuses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from hub.sdk.replaying import Line, serial_line
from hub.sdk.simulation import Replay
from integrations.linky import frame_of
from integrations.linky.showing import only


def _frame(line: Mapping[str, Any]) -> bytes:
    data = frame_of(dict(line)).data["tic"]
    only(data)  # raises DecodeError for what is no frame
    return data


def replay(options: Any, lines: Sequence[Mapping[str, Any]], port: int) -> AbstractAsyncContextManager[Line]:
    return serial_line(_frame, port)


REPLAYERS: dict[str, Replay] = {"linky": replay}
