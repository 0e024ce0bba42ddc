"""Words for the refusals counted for Boreal mixing units: reason -> English. Pure data."""

from __future__ import annotations

PREFIX = "boreal_mixer.reason-"
REASONS: dict[str, str] = {
    "line-size": "A line longer than allowed",
    "line-shape": "A line of another form: is it a Boreal gateway?",
}
