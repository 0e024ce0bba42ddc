"""Descriptions of the counted events of MQTT devices: reason -> English. Pure data."""

from __future__ import annotations

PREFIX = "mqtt_devices.reason-"
REASONS: dict[str, str] = {
    "mqtt-discovery": "A message of discovery that cannot be read",
    "mqtt-flood": "Too many messages of the broker at once, some of QoS 0 are lost",
    "mqtt-payload": "A message that cannot be read, or too long",
    "mqtt-retained": "An old message that the broker kept, ignored",
    "mqtt-too-many": "More devices announced than are remembered",
    "mqtt-topic": "A topic that is too long or cannot be read",
    "mqtt-value": "A value that is not of the kind expected: check its `path`",
}
