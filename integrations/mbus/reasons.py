"""Descriptions of the counted events of M-Bus, wired and wireless: reason -> English. Pure data."""

from __future__ import annotations

from hub.sdk.sampling import BROADCASTS, Sampling

PREFIX = "mbus.reason-"
REASONS: dict[str, str] = {
    "mbus-address": "A meter without an address: give `address`, or name it by its number",
    "mbus-checksum": "A telegram damaged on its way: the wiring, too many meters?",
    "mbus-ci": "An M-Bus telegram of a kind that is not read",
    "mbus-collision": "Several meters answer at once: give each its own address",
    "mbus-empty": "A telegram without data",
    "mbus-error": "The meter reports an error: look at it",
    "mbus-frame": "A malformed telegram: parity, speed, wiring?",
    "mbus-header": "A header of a telegram that ends too early",
    "mbus-mode": "A sealed telegram on the wired bus, not read",
    "mbus-other-meter": "Another meter is at this address: check `address`",
    "mbus-record": "A record of the telegram cannot be read, nor what follows it",
    "mbus-silent": "The meter does not answer: its wiring, its address, its speed?",
    "mbus-stored": "A meter that says former values only: give it a clock to date them, or map one of its records",
    "mbus-twins": "Two meters that nothing tells apart on the line: give them addresses",
    "mbus-value-error": "The meter marks a value as not available or wrong: look at it",
    "wmbus-crc": "A damaged radio telegram: weak reception?",
    "wmbus-fragment": "A radio telegram in parts, not read",
    "wmbus-frame": "A malformed radio telegram",
    "wmbus-layout": "A compact radio telegram: it is read once the meter has sent a full one",
    "wmbus-line": "A line of the receiver that cannot be read",
    "wmbus-mode": "A security mode that is not read: ask the supplier for mode 5 or 7",
    "wmbus-receiver": "A damaged message of the radio receiver: look at the USB stick",
}
SAMPLING = Sampling(reason="broadcasts", why=BROADCASTS, meters=True)
"""Sampling of wired meters; wireless ones send by themselves."""
