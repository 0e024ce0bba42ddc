"""A payload and its datapoint type → a metric's value, and back. Pure; loads xknx, whose transcoders it uses.

KNX Standard v2.1, 03_07_02 Datapoint Types.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any

import msgspec
from xknx.dpt.dpt import DPTBase, DPTComplexData
from xknx.dpt.payload import DPTArray, DPTBinary
from xknx.exceptions import ConversionError, CouldNotParseTelegram

import hub
from hub.sdk.phrases import phrase
from integrations.knx.decode import size
from integrations.knx.points import POINTS, Conversion, Point
from integrations.knx.settings import Group

Value = float | int | bool | str
Payload = int | bytes

LONGEST_TEXT = 256


@cache
def transcoder(dpt: str) -> type[DPTBase]:
    """Return the transcoder in xknx (cached: xknx's own lookup walks all of them). Raises DecodeError `knx-no-type`."""
    main, _, sub = dpt.partition(".")
    found = DPTBase.transcoder_by_dpt(int(main), int(sub) if sub else None)
    if found is None:
        raise hub.DecodeError("knx-no-type", phrase("knx.no-transcoder", "xknx has no datapoint type {dpt}", dpt=dpt))
    return found


def value(group: Group, payload: Payload) -> Value:
    """Decode a payload at this group address, in the metric's unit.

    Raises DecodeError with `knx-size` (it cannot be this type), `knx-invalid` (the sender reports that it has no value,
    or the value is outside the type's range) or `knx-not-finite`."""
    said = read(group.point, payload)
    if isinstance(said, bool):
        return said != group.invert
    if isinstance(said, str):
        return said
    return _scaled(said, group.conversion)


def payload(group: Group, wanted: Value) -> Payload:
    """Encode `wanted`, which is in the metric's unit. Raises DecodeError `knx-cannot-say`."""
    point = group.point
    if point.kind == "flag":
        if not isinstance(wanted, bool):
            raise hub.DecodeError(
                "knx-cannot-say", phrase("knx.flag-expected", "{dpt} is true or false", dpt=point.dpt)
            )
        return int((wanted != group.invert) != point.inverted)
    if point.kind == "number":
        if isinstance(wanted, (str, bool)):
            raise hub.DecodeError("knx-cannot-say", phrase("knx.number-expected", "{dpt} is a number", dpt=point.dpt))
        factor, offset = group.conversion
        raw: Any = (wanted - offset) / factor
        if _whole(point):
            raw = round(raw)
    else:
        raw = wanted
    try:
        said = transcoder(point.dpt).to_knx(raw)
    except (ConversionError, ValueError, OverflowError) as error:
        raise hub.DecodeError(
            "knx-cannot-say",
            phrase("knx.value-does-not-fit", "{dpt} cannot say {value!r}", dpt=point.dpt, value=wanted),
        ) from error
    return said.value if isinstance(said, DPTBinary) else bytes(said.value)


def same(group: Group, said: Value, wanted: Value) -> bool:
    """Return whether a status confirms the written value. Numbers lose digits in encoding: one step of the type, or 1
    %, is tolerated."""
    if isinstance(said, (bool, str)) or isinstance(wanted, (bool, str)):
        return said == wanted
    factor = abs(group.conversion.factor)
    step = 0.02 if group.dpt.startswith(("9.", "14.")) else 1.0
    return math.isclose(said, wanted, rel_tol=0.01, abs_tol=step * factor)


def read(point: Point, payload: Payload) -> Value:
    """Decode a payload in the type's own unit. Raises DecodeError as `value` does."""
    if point.kind == "flag":
        if not isinstance(payload, int) or payload > 1:
            raise _wrong_size(point, payload)
        return bool(payload) != point.inverted
    told = DPTBinary(payload) if isinstance(payload, int) else DPTArray(payload)
    try:
        said = transcoder(point.dpt).from_knx(told)
    except CouldNotParseTelegram as error:
        raise _wrong_size(point, payload) from error
    except (ConversionError, ValueError) as error:
        raise hub.DecodeError(
            "knx-invalid",
            phrase("knx.sender-without-value", "{dpt}: the sender says that it has no value", dpt=point.dpt),
        ) from error
    if point.kind == "number":
        return _number(point, said)
    return _text(said)


def guesses(payload: Payload) -> dict[str, Value]:
    """Return the values that a payload of this length may stand for, by main datapoint type: for `ilot decode`, which
    knows no types."""
    if isinstance(payload, int):
        mains = ["1", "2.001", "3.007"]
    else:
        mains = {
            1: ["5.001", "5", "6"],
            2: ["7", "8", "9"],
            3: ["10.001", "11.001"],
            4: ["12", "13", "14"],
            8: ["19.001", "29"],
            14: ["16.001"],
        }.get(len(payload), [])
    found: dict[str, Value] = {}
    for main in mains:
        try:
            found[main] = read(POINTS[main], payload)
        except hub.DecodeError:
            continue
    return found


def _whole(point: Point) -> bool:
    return not point.dpt.startswith(("5.", "8.010", "9", "14"))


def _wrong_size(point: Point, payload: Payload) -> hub.DecodeError:
    return hub.DecodeError(
        "knx-size",
        phrase("knx.size-does-not-fit", "{size} cannot be {dpt}: check `dpt`", size=size(payload), dpt=point.dpt),
    )


def _number(point: Point, said: Any) -> float | int:
    if point.dpt.startswith("3."):  # a control bit (up or down) and a step count
        up = int(said.control.value)
        return int(said.step_code) * (1 if up else -1)
    if not isinstance(said, (int, float)) or not math.isfinite(said):
        raise hub.DecodeError("knx-not-finite", phrase("knx.not-a-number", "{dpt}: not a number", dpt=point.dpt))
    return said


def _scaled(said: float, by: Conversion) -> float | int:
    if by == (1.0, 0.0):
        return said
    number = said * by.factor + by.offset
    if not math.isfinite(number):
        raise hub.DecodeError("knx-not-finite", phrase("knx.number-too-large", "too large for a number"))
    return round(number, 9)


def _text(said: Any) -> str:
    if isinstance(said, Enum):
        return said.name.lower()
    if isinstance(said, DPTComplexData):
        return msgspec.json.encode(_plain(said.as_dict()), order="sorted").decode()[:LONGEST_TEXT]
    return "".join(character for character in str(said) if character.isprintable())[:LONGEST_TEXT]


def _plain(said: Any) -> Any:
    if isinstance(said, Enum):
        return said.name.lower()
    if isinstance(said, Mapping):
        return {str(key): _plain(entry) for key, entry in said.items()}
    if isinstance(said, (list, tuple)):
        return [_plain(entry) for entry in said]
    return said
