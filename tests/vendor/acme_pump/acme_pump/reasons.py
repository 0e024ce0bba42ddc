"""Words for the refusals counted for Acme Pump: reason -> English. Pure data."""

from __future__ import annotations

PREFIX = "acme_pump.reason-"
REASONS: dict[str, str] = {
    "line-size": "A line longer than allowed",
    "line-shape": "A line of another form: is it the right device?",
}
