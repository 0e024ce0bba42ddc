"""Why this machine's health is not captured."""

from __future__ import annotations

from hub.sdk.phrases import phrase

NOT_CAPTURED = phrase("host.not-captured", "it is this machine's own health, which is read and never heard")
