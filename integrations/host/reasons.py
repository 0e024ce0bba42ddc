"""Descriptions of the counted events of this machine's own health: reason -> (French, English). Pure data."""

from __future__ import annotations

REASONS: dict[str, tuple[str, str]] = {
    "bad-clock": ("L'horloge du système est illisible", "The system's clock cannot be read"),
    "bad-meminfo": ("La mémoire du système est illisible", "The system's memory cannot be read"),
    "bad-thermal": ("La température du processeur est illisible", "The processor's temperature cannot be read"),
    "bad-*": ("Le système ne donne pas {part}", "The system does not give {part}"),
}  # fmt: skip
