"""Metrics as data, and their text in Prometheus' format 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

GAUGE, COUNTER = "gauge", "counter"


class Family(NamedTuple):
    """A metric: `samples` are its values, each with labels as (name, value) pairs."""

    name: str
    kind: str
    help: str
    samples: tuple[tuple[tuple[tuple[str, str], ...], float], ...]


def gauge(name: str, text: str, value: float) -> Family:
    return Family(name, GAUGE, text, (((), value),))


def counter(name: str, text: str, value: float) -> Family:
    return Family(name, COUNTER, text, (((), value),))


def by_label(name: str, kind: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> Family:
    """Return a metric with one value for each value of a label."""
    return Family(name, kind, text, tuple((((label, of),), value) for of, value in values))


def render(families: Iterable[Family]) -> str:
    """Return the text of a scrape."""
    lines: list[str] = []
    for family in families:
        lines.append(f"# HELP {family.name} {_escaped(family.help, quotes=False)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        for labels, value in family.samples:
            inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels)
            lines.append(f"{family.name}{{{inside}}} {value!r}" if inside else f"{family.name} {value!r}")
    return "\n".join([*lines, ""])


def _escaped(text: str, *, quotes: bool = True) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quotes else text
