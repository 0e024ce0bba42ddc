"""Every hook, on one screen.

A plugin is a coroutine function of `(config, session)`. Calling it is start, cancelling it is stop, an
exception is failure, `async with` is clean-up. pluggy registers: hooks are synchronous and are called for one
plugin at a time, so that one that raises loses only itself. Each hook takes one object, and evolves only by
adding fields to it. No hook ships without a real plugin that uses it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pluggy
from pydantic import BaseModel, ConfigDict

from hub.core.model import Decoded, Frame, Metric, NeedKey, Value
from hub.sdk.session import Notices, Session, Uplink, View

hookspec = pluggy.HookspecMarker("hub")
hookimpl = pluggy.HookimplMarker("hub")


class Config(BaseModel):
    """Base of a plugin's configuration: unknown keys are errors, values are frozen once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


Run = Callable[[Any, Session], Awaitable[None]]
RunUplink = Callable[[Any, Uplink], Awaitable[None]]
RunExporter = Callable[[Any, View], Awaitable[None]]
RunNotifier = Callable[[Any, Notices], Awaitable[None]]
Keys = Callable[[str], bytes | None]
"""The key of a device id, None when the hub holds none."""
Decode = Callable[[Frame, Keys], Decoded | NeedKey | None]
"""Pure: a frame and the keys → what it says, NeedKey when it is sealed, None when it is not this decoder's.
Raises DecodeError when it is this decoder's and wrong."""
Probe = Callable[[Any], Awaitable[str]]
"""Is it reachable? Returns a sentence about what answered; raises NotReady or AuthFailed."""
Listen = Callable[[Any, Callable[[dict[str, Any]], None]], Awaitable[None]]
"""`await listen(config, hear)`: listen until cancelled, without a hub; each frame heard goes to `hear` as a JSON object
of `ilot decode`. Raises NotReady or AuthFailed."""


Reasons = Mapping[str, tuple[str, str]]
"""Reasons that a plugin counts (`DecodeError.reason`, `Decoded.skipped`) → what each means and what to do: (French,
English). A key that ends in `*` stands for all reasons of the plugin's own integration that begin so; `{part}` in its
words is the rest. A reason without words is shown to people as it is, and marked; those of the hub (`truncated`,
`bad-mic`, …) have theirs."""

Explain = Callable[[Frame, Keys], Iterable[dict[str, Any]]]
"""Everything a frame says, as JSON objects, for `ilot decode`: more than its readings. Raises DecodeError."""


class PackPart(Protocol):
    """What the model given as `pack` offers, once read: a Config with one option, which is the map of a device pack
    (`hub.devices.packs.maps`)."""

    def metrics(self) -> Iterable[str]:
        """The metrics that the map can give."""
        ...

    def readings(self, heard: Mapping[str, Any]) -> Mapping[str, Value]:
        """What a device says, as a vector has it, → readings by metric. Pure. Raises DecodeError, ValueError when
        `heard` has another form."""
        ...


class Register(Protocol):
    """`register(name, Config, run)` adds one integration. `device` is the model of the `settings:` of its
    devices in the configuration; without it a device has no settings. `listen` serves `ilot capture` and
    `ilot discover`. `pack` is the model of the part of a device pack that it reads (`PackPart`); `reasons` are the
    words for what it refuses (`Reasons`)."""

    def __call__(
        self,
        name: str,
        config: type[Config],
        run: Run,
        *,
        device: type[Config] | None = None,
        metrics: Iterable[Metric] = (),
        probe: Probe | None = None,
        listen: Listen | None = None,
        pack: type[Config] | None = None,
        reasons: Reasons = ...,
    ) -> None: ...


class RegisterDecoder(Protocol):
    """`register(name, kind, decode)` adds a decoder for frames of a shared radio; `line` turns one decoded
    JSON object of `ilot decode` into frames, `explain` shows there all that a frame says, `reasons` are the words for
    what it refuses."""

    def __call__(
        self,
        name: str,
        kind: str,
        decode: Decode,
        *,
        metrics: Iterable[Metric] = (),
        line: Callable[[dict[str, Any]], Frame] | None = None,
        explain: Explain | None = None,
        reasons: Reasons = ...,
    ) -> None: ...


class RegisterUplink(Protocol):
    """`register(name, Config, run)` adds a transport to the owner's backend."""

    def __call__(self, name: str, config: type[Config], run: RunUplink) -> None: ...


class RegisterExporter(Protocol):
    """`register(name, Config, run)` adds what shows the hub's live values to a neighbour."""

    def __call__(self, name: str, config: type[Config], run: RunExporter) -> None: ...


class RegisterNotifier(Protocol):
    """`register(name, Config, run)` adds what carries alerts to people. `per_hour` is how many messages an hour are
    enough where the configuration says nothing else: of those that cost money, or fill a letter box."""

    def __call__(self, name: str, config: type[Config], run: RunNotifier, *, per_hour: int | None = None) -> None: ...


class Hooks:
    @hookspec
    def register_integrations(self, register: Register) -> None:
        """Integrations: what speaks to devices."""

    @hookspec
    def register_decoders(self, register: RegisterDecoder) -> None:
        """Decoders of frames from a radio that the hub owns and shares."""

    @hookspec
    def register_uplinks(self, register: RegisterUplink) -> None:
        """Transports that carry sealed records to the owner's backend."""

    @hookspec
    def register_exporters(self, register: RegisterExporter) -> None:
        """What shows live values to a neighbour: a supervisor, a home automation, a metrics collector."""

    @hookspec
    def register_notifiers(self, register: RegisterNotifier) -> None:
        """What carries alerts to people: a webhook, e-mail, SMS."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """A decoder as a plugin registered it."""

    name: str
    plugin: str
    kind: str
    decode: Decode
    metrics: tuple[Metric, ...]
    line: Callable[[dict[str, Any]], Frame] | None
    explain: Explain | None = None
