"""Maps the models of one part to the registers to read, and their raw words to values. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

import hub
from hub.sdk.metric_names import numbered
from hub.sdk.phrases import phrase
from integrations.modbus.decode import Value
from integrations.modbus.settings import OF_SUNSPEC, Register
from integrations.modbus.sunspec.metrics import METRICS
from integrations.modbus.sunspec.models import FAULT, RUNNING, SHAPES, Point, Shape
from integrations.modbus.sunspec.walk import Model, Part

MOST_SCALE = 10
"""A scale factor is from -10 to 10 (Device Information Model Specification V1.1, sunssf)."""
_TYPES: dict[str, tuple[str, tuple[int, ...]]] = {
    # the registers of a type, and the value for a point that the device does not implement
    "int16": ("int16", (-0x8000,)), "uint16": ("uint16", (0xFFFF,)), "acc32": ("uint32", (0,)),
    "float32": ("float32", ()), "enum16": ("uint16", (0xFFFF,)), "bitfield32": ("uint32", (0xFFFFFFFF,)),
}  # fmt: skip
_SIZES = {"acc32": 2, "float32": 2, "bitfield32": 2}


@dataclass(frozen=True, slots=True)
class _Read:
    point: Point
    metric: str
    shape: Shape
    model: Model
    raw: str
    scale: str


class Points:
    """The points of one part. `taken`: metrics that the operator reads in another way; no point replaces them. A metric
    of two models is the first one's; the second's is called `…_2`."""

    def __init__(self, part: Part, taken: Collection[str] = ()) -> None:
        self.models = tuple(model for model in part.models if model.id in SHAPES)
        self.left_out = tuple(sorted({model.id for model in part.models if model.id not in SHAPES}))
        self._reads: list[_Read] = []
        self._registers: dict[str, Register] = {}
        self._metrics: dict[str, hub.Metric] = {}
        used: set[str] = set()
        for number, model in enumerate(self.models):
            self._add(number, model, SHAPES[model.id], used, frozenset(taken))

    @property
    def registers(self) -> tuple[Register, ...]:
        """Return the registers to read, each with a name of its own that starts with `OF_SUNSPEC`."""
        return tuple(self._registers.values())

    @property
    def metrics(self) -> tuple[hub.Metric, ...]:
        """Return the metrics that are not in the catalogue."""
        return tuple(metric for key, metric in self._metrics.items() if key not in hub.METRICS)

    def values(self, raw: dict[str, Value], dropped: Callable[[hub.DecodeError], None]) -> dict[str, Value]:
        """Take this part's registers out of `raw`, the registers' contents by name, and convert them to values.

        A point that the device does not implement has no value. `dropped` is called for invalid scale factors. Raises
        DecodeError `sunspec-moved` when a model is no longer where it was."""
        mine = {name: raw.pop(name) for name in [*raw] if name.startswith(OF_SUNSPEC)}
        for number, model in enumerate(self.models):
            header = {f"{OF_SUNSPEC}{number}_id": model.id, f"{OF_SUNSPEC}{number}_length": model.length}
            if any(mine.get(name, value) != value for name, value in header.items()):
                raise hub.DecodeError(
                    "sunspec-moved",
                    phrase(
                        "modbus.model-moved",
                        "model {model} is no longer at {address}",
                        model=model.id,
                        address=model.address,
                    ),
                )
        found: dict[str, Value] = {}
        wrong: set[str] = set()
        for read in self._reads:
            value = mine.get(read.raw)
            if value is None:
                continue
            try:
                found.update(_values(read, value, mine))
            except hub.DecodeError as error:
                if read.scale not in wrong:
                    dropped(error)
                wrong.add(read.scale)
        return {metric: value for metric, value in found.items() if metric in self._metrics}

    def _add(self, number: int, model: Model, shape: Shape, used: set[str], taken: frozenset[str]) -> None:
        name = f"{OF_SUNSPEC}{number}_"
        self._register(f"{name}id", model.address, "uint16")
        self._register(f"{name}length", model.address + 1, "uint16")
        named = {}
        for point in shape.points:
            extra = ("running", "fault") if point.type == "enum16" else ()
            for metric in (point.metric, *extra):
                key, count = metric, 2
                while key in used:
                    key, count = f"{metric}_{count}", count + 1
                named[metric] = key
        used.update(named.values())
        last = 1 + model.length
        for point in shape.points:
            metric = named[point.metric]
            wanted = metric not in taken or (point.type == "enum16" and not {"running", "fault"} <= taken)
            scale_at = shape.scales.get(point.scale, 0)
            if not wanted or max(point.offset + _SIZES.get(point.type, 1) - 1, scale_at) > last:
                continue
            kind, invalid = _TYPES[point.type]
            raw, scale = f"{name}{point.name.lower()}", f"{name}{point.scale.lower()}" if point.scale else ""
            self._register(raw, model.address + point.offset, kind, invalid)
            if scale:
                self._register(scale, model.address + scale_at, "int16", (-0x8000,))
            self._reads.append(_Read(point, metric, shape, model, raw, scale))
            extras = {one: named[one] for one in ("running", "fault")} if point.type == "enum16" else {}
            for base, key in {point.metric: metric, **extras}.items():
                if key not in taken:
                    self._metrics[key] = _metric(base, key)

    def _register(self, name: str, address: int, kind: str, invalid: tuple[int, ...] = ()) -> None:
        self._registers[name] = Register.model_validate(
            {"metric": name, "address": address, "type": kind, "invalid": invalid, "unit": "1", "privacy": "technical"}
        )


def _metric(base: str, key: str) -> hub.Metric:
    metric = METRICS.get(base) or hub.METRICS[base]
    if key == base:
        return metric
    number = key.removeprefix(base).lstrip("_")
    return numbered(metric, key, f"({number})")


def _values(read: _Read, raw: Value, all_raw: Mapping[str, Value]) -> dict[str, Value]:
    point = read.point
    suffix = read.metric.removeprefix(point.metric)
    if point.type == "enum16":
        state = read.shape.symbols[point.name].get(int(raw), f"state_{raw}")
        return {
            read.metric: state,
            f"running{suffix}": state in RUNNING,
            f"fault{suffix}": state == FAULT,
        }
    if point.type == "bitfield32":
        names = read.shape.symbols[point.name]
        bits = [bit for bit in range(32) if int(raw) >> bit & 1]
        return {read.metric: ", ".join(names.get(bit, f"bit_{bit}") for bit in bits) or "none"}
    if isinstance(raw, float):
        value = raw * float(point.factor)
        return {read.metric: value} if math.isfinite(value) else {}
    if not read.scale:
        return {read.metric: float(int(raw) * point.factor)}
    power = all_raw.get(read.scale)
    if power is None or not -MOST_SCALE <= int(power) <= MOST_SCALE:
        raise hub.DecodeError("bad-scale", _bad_scale(read.model.id, point.scale, power))
    return {read.metric: float(int(raw) * Decimal(10) ** int(power) * point.factor)}


def _bad_scale(model: int, scale: str, power: Value | None) -> str:
    if power is None:
        return phrase(
            "modbus.scale-factor-missing",
            "model {model}: the scale factor {scale} is missing",
            model=model,
            scale=scale,
        )
    return phrase(
        "modbus.scale-factor-impossible",
        "model {model}: the scale factor {scale} is {power}, not from -{most} to {most}",
        model=model,
        scale=scale,
        power=power,
        most=MOST_SCALE,
    )
