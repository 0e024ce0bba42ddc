"""Why frames of a network server are not captured."""

from __future__ import annotations

from hub.sdk.phrases import phrase

NOT_CAPTURED = phrase("lorawan_servers.not-captured", "the network server keeps its own log of frames; see its pages")
