"""What a codec's leaves probably are: a guess for each, for a person to review. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hub.core.metric_catalogue import numbered
from hub.core.model import Metric, Value
from hub.core.text import Phrase, phrase
from hub.devices.codecs.mapping import Field, propose

Confidence = Literal["sure", "unsure", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A leaf of decoded data and the metric that it probably is.

    `sample` is the first value that examples show, `low` and `high` the smallest and largest number. `metric` is a key
    of the catalogue, "" for none; reading = raw × `scale` + `offset`, or `values` by raw value as text. `channel`: "2",
    "l1" where several leaves are the same metric. Only a `sure` guess is a reading before a person has confirmed it.
    `reason` says why, or why not.
    """

    path: str
    sample: Value
    low: float | None = None
    high: float | None = None
    metric: str = ""
    scale: float = 1.0
    offset: float = 0.0
    values: Mapping[str, Value] | None = None
    channel: str = ""
    confidence: Confidence = "none"
    reason: Phrase

    @property
    def key(self) -> str:
        """Metric key of the reading: `temperature`, `temperature_2`; "" without a guess."""
        return f"{self.metric}_{self.channel}" if self.metric and self.channel else self.metric

    def defined(self, metrics: Mapping[str, Metric]) -> Metric:
        """Return the metric of the reading. A channel's is the catalogue's with a number: a pack has to define it."""
        known = metrics[self.metric]
        return numbered(known, self.key, self.channel.upper()) if self.channel else known

    def field(self) -> Field:
        """Return the field that this guess proposes."""
        values = None if self.values is None else dict(self.values)
        return Field(path=self.path, metric=self.key, scale=self.scale, offset=self.offset, values=values)


def guess(samples: Sequence[Mapping[str, Value]], metrics: Mapping[str, Metric]) -> list[Guess]:
    """Return a guess for every leaf that the samples show, in the order of their appearance.

    A sample is what `leaves` returns for one decoded message: the more of them, the more is sure.
    """
    seen: dict[str, list[Value]] = {}
    for sample in samples:
        for path, value in sample.items():
            seen.setdefault(path, []).append(value)
    proposed = {one.path: one for one in propose({path: values[0] for path, values in seen.items()}, metrics)}
    return [_guess(path, values, proposed.get(path)) for path, values in seen.items()]


def _guess(path: str, values: list[Value], found: Field | None) -> Guess:
    numbers = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    low, high = (min(numbers), max(numbers)) if numbers else (None, None)
    if found is None:
        why = phrase("guess-name-unknown", "its name says nothing of what it is")
        return Guess(path=path, sample=values[0], low=low, high=high, reason=why)
    return Guess(
        path=path,
        sample=values[0],
        low=low,
        high=high,
        metric=found.metric,
        scale=found.scale,
        offset=found.offset,
        confidence="unsure",
        reason=phrase("guess-by-name", "its name says so"),
    )
