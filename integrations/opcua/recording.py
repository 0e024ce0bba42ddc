"""Why OPC UA is not captured."""

from __future__ import annotations

from hub.sdk.phrases import phrase

NOT_CAPTURED = phrase("opcua.not-captured", "its sessions are encrypted end to end, with keys that only the hub has")
