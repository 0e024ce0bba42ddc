"""Messages of what a plugin may be beside an integration and a notifier: a probe, a search for devices, a decoder, an
exporter; see `wire`. Pure.

A probe, a search and an attempt to read are errands: a process of its own each, which ends with its Result.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec

from hub.core.model import Decoded, Frame, LastValue, NeedKey, Series, Value
from hub.plugin_host.isolation.wire_base import Call, Failure, Id, Message, Number, Text, Word
from hub.sdk.finding import Found, Tried

PAGE = 1000
"""Series, or values, of one answer to an exporter."""
Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]
Label = Annotated[str, msgspec.Meta(max_length=300)]


class ColumnText(msgspec.Struct, frozen=True):
    """A column of a map that is made by hand, as a table shows it."""

    name: Word
    choices: Annotated[list[str | int | float | bool], msgspec.Meta(max_length=100)] = []
    type: Word = "string"
    default: Value | None = None


class FinderText(msgspec.Struct, frozen=True):
    """A finder as the pages show it; see `hub.plugin_host.finding_texts.described`."""

    type: Word
    addresses_hint: Label = ""
    address: Label = ""
    title: Label = ""
    option_names: Annotated[list[Word], msgspec.Meta(max_length=20)] = []
    labels: Annotated[list[Label], msgspec.Meta(max_length=20)] = []
    choices: Annotated[list[list[Label]], msgspec.Meta(max_length=20)] = []
    serial: Word = ""
    setting: Word = ""
    columns: Annotated[list[ColumnText], msgspec.Meta(max_length=20)] = []


class Seen(msgspec.Struct, frozen=True):
    """What an integration can do beside running; `options` are those that it was given, as its model has them."""

    probes: bool
    finder: FinderText | None = None
    options: dict[Word, Any] = {}


class DecoderText(msgspec.Struct, frozen=True, array_like=True):
    """A decoder that a plugin registered."""

    name: Word
    kind: Word


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """What an errand is about: the addresses of a search, the settings of an attempt to read or of a new line."""

    addresses: str = ""
    settings: dict[str, Any] = {}


# From the child.


class Progress(Message, frozen=True, tag="progress"):
    done: Count
    total: Count


class FoundOne(Message, frozen=True, tag="found"):
    one: Found


class Result(Message, frozen=True, tag="result"):
    """What an errand gave: a sentence of a probe, readings of a device, or what there is to see."""

    said: Text = ""
    tried: Tried | None = None
    seen: Seen | None = None


class DecodedFrame(Message, frozen=True, tag="decoded"):
    """The answer to a DecodeFrame; where nothing is given the frame is another decoder's."""

    n: Number
    answer: Decoded | None = None
    needs: NeedKey | None = None
    failure: Failure | None = None


class KeyOf(Call, frozen=True, tag="key_of"):
    """The key of a device, for a frame that is being decoded."""

    answer: ClassVar[Any] = bytes | None
    device: Id


class ViewPart(Call, frozen=True, tag="view_part"):
    """Series or values from this one on; fewer than PAGE are the last."""

    answer: ClassVar[Any] = tuple[list[Series], list[LastValue]]
    values: bool
    begin: Count


class ViewPulse(Call, frozen=True, tag="view_pulse"):
    answer: ClassVar[Any] = dict[str, float]


class ViewChanges(Call, frozen=True, tag="view_changes"):
    """The next values of a loop that changed, PAGE at most, and whether more of them wait."""

    answer: ClassVar[Any] = tuple[list[LastValue], bool]
    loop: Number
    seconds: float


# From the hub.


class DecodeFrame(Message, frozen=True, tag="decode_frame"):
    """A frame that no decoder of this distribution reads. `key`: that of the device with the frame's own address."""

    n: Number
    decoder: Id
    frame: Frame
    key: bytes | None = None
