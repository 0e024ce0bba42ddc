"""Descriptions of the counted events of MQTT devices: reason -> (French, English). Pure data."""

from __future__ import annotations

# ruff: noqa: E501 - a table is read across
REASONS: dict[str, tuple[str, str]] = {
    "mqtt-discovery": ("Annonce de découverte illisible", "A message of discovery that cannot be read"),
    "mqtt-flood": ("Trop de messages du broker à la fois, des messages QoS 0 sont perdus", "Too many messages of the broker at once, some of QoS 0 are lost"),
    "mqtt-payload": ("Message illisible ou trop long", "A message that cannot be read, or too long"),
    "mqtt-retained": ("Ancien message gardé par le broker, ignoré", "An old message that the broker kept, ignored"),
    "mqtt-too-many": ("Plus d'appareils annoncés qu'il n'en est retenu", "More devices announced than are remembered"),
    "mqtt-topic": ("Topic trop long ou illisible", "A topic that is too long or cannot be read"),
    "mqtt-value": ("Valeur qui n'est pas de la sorte attendue : vérifiez son « path »", "A value that is not of the kind expected: check its `path`"),
}  # fmt: skip
