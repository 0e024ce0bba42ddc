"""Why requests are not captured."""

from __future__ import annotations

from hub.sdk.phrases import phrase

NOT_CAPTURED = phrase("http_json.not-captured", "what it sends is one request, which `curl` with the same body repeats")
