"""Contents of one frame of a customer output, for any meter. Pure."""

from __future__ import annotations

from typing import NamedTuple

from integrations.linky.stamps import Stamp

Value = float | int | bool | str


class Meter(NamedTuple):
    """Contents of one frame: `serial` is the meter's address (12 digits; never sent on), `dated` values with times of
    their own, `unknown` the reasons to count."""

    serial: str
    values: dict[str, Value]
    dated: list[tuple[Stamp, dict[str, Value]]]
    clock: Stamp | None
    model: str
    unknown: tuple[str, ...]
