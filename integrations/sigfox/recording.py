"""Reads the lines of `ilot capture sigfox`: the payload of a callback, for the pack of its device. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import hub
from hub.sdk.sigfox.callback import CARRY_DATA
from hub.sdk.simulation import Payload, Read
from integrations.sigfox import decode


def read(line: Mapping[str, Any], devices: Mapping[str, hub.Device]) -> dict[str, dict[str, Any] | Payload]:
    """Return the payload of a callback, by device. Raises DecodeError."""
    callback, _ = decode.parts(decode.line(dict(line)))
    number = callback.device
    names = (name for name in devices if name.partition(":")[2].upper().lstrip("0") == number)
    name = next(names, f"sigfox:{number}")
    return {name: Payload(callback.data)} if callback.kind in CARRY_DATA else {name: {}}


READERS: dict[str, Read] = {"sigfox": read}
