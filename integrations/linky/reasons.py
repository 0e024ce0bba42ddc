"""Descriptions of the counted events of the TIC: reason -> English. Pure data."""

from __future__ import annotations

from hub.sdk.sampling import Sampling

PREFIX = "linky.reason-"
REASONS: dict[str, str] = {
    "tic-checksum": "A damaged frame: check the wiring of the TIC",
    "tic-frame": "This text is no frame of the TIC",
    "tic-group": "A group of the frame that is malformed: check the wiring of the TIC",
    "tic-label": "A label of the TIC that is not known here, not read",
    "tic-mixed": "Historical and standard mode mixed in one frame: check the wiring",
    "tic-no-meter": "A frame without a meter's number",
    "tic-other-meter": "Another meter is on this port: check `meter` and the wires",
    "tic-stamp": "A date of the meter that cannot be read",
    "tic-tariff": "An unknown tariff period of the meter",
    "tic-unit": "An unexpected unit of the meter",
    "tic-value": "An impossible value of the meter, left out",
}
SAMPLING = Sampling(
    reason="meter-tic",
    why=(
        "le compteur parle de lui-même ; ce qui en est gardé relève de la vie privée",
        "the meter speaks by itself; how often that is kept is a matter of privacy",
    ),
)
