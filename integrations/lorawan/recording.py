"""Reads the lines of `ilot capture lorawan` with the keys of the configured devices. Pure.

The session keys of a device that joined are made at the join by the hub, which never shows them: of such devices a
capture holds frames that only the hub can open. Devices with an address and keys of their own (ABP) are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import hub
from hub.sdk.phrases import phrase
from hub.sdk.simulation import Payload, Read
from integrations.lorawan import decode, phy
from integrations.lorawan.settings import DeviceSettings


def read(line: Mapping[str, Any], devices: Mapping[str, hub.Device]) -> dict[str, dict[str, Any] | Payload]:
    """Return the payload of a frame, by device; nothing of a join. Raises DecodeError."""
    frame = decode.line(dict(line))
    said = phy.parse(frame.data["phy"])
    if isinstance(said, phy.JoinRequest):
        device = devices.get(f"lorawan:{said.dev_eui.hex()}")
        found = decode.decode(frame, lambda name: device.key if device is not None else None)
        return {} if found is None else {found.device: {}}
    if not isinstance(said, phy.Data) or not said.uplink:
        return {}
    wanted = f"{said.dev_addr:08x}"
    known = next((d for d in devices.values() if d.settings_as(DeviceSettings).address.lower() == wanted), None)
    if known is None:
        raise hub.DecodeError(
            "needs-key",
            phrase(
                "lorawan.line-of-a-session",
                "no device of the configuration has the address {address}: it is a stranger's, or was given at a join, "
                "and then only the hub has the keys",
                address=wanted,
            ),
        )
    opened = decode.decode(frame, lambda _: known.key)
    if not isinstance(opened, hub.Decoded) or not said.fport:
        return {known.id: {}}
    return {known.id: Payload(bytes.fromhex(str(opened.values["payload"])), said.fport)}


READERS: dict[str, Read] = {"lorawan": read}
