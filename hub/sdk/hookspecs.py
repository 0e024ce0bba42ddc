"""Every hook, on one screen.

A plugin is a coroutine function of `(config, session)`. Calling it is start, cancelling it is stop, an
exception is failure, `async with` is clean-up. pluggy registers: hooks are synchronous and are called for one
plugin at a time, so that one that raises loses only itself. Each hook takes one object, and evolves only by
adding fields to it. No hook ships without a real plugin that uses it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import pluggy

from hub.core.model import Decoded, Frame, Metric, NeedKey, Value
from hub.sdk.exporter import RegisterExporter
from hub.sdk.finding import Finder
from hub.sdk.notification import RegisterNotifier
from hub.sdk.options import Config
from hub.sdk.sampling import Sampling
from hub.sdk.session import Access, Session
from hub.sdk.transport import RegisterTransport

hookspec = pluggy.HookspecMarker("hub")
hookimpl = pluggy.HookimplMarker("hub")

C = TypeVar("C", bound=Config)
"""The model of an integration's options."""

Run = Callable[[C, Session], Awaitable[None]]
"""The plugin itself: `await run(config, session)`."""
Keys = Callable[[str], bytes | None]
"""The key of a device id, None when the hub holds none."""
Decode = Callable[[Frame, Keys], Decoded | NeedKey | None]
"""Pure: a frame and the keys → its readings, NeedKey when it is sealed, None when it is another decoder's. Raises
DecodeError when it is this decoder's and wrong."""
Probe = Callable[[C], Awaitable[str]] | Callable[[C, Access], Awaitable[str]]
"""Is it reachable? Returns a sentence about what answered; raises NotReady or AuthFailed. With a second parameter it is
given the ways to devices that a plugin in a process of its own has."""
Listen = Callable[[C, Callable[[dict[str, Any]], None]], Awaitable[None]]
"""`await listen(config, hear)`: listen until cancelled, without a hub; each frame heard goes to `hear` as a JSON object
of `ilot decode`. Raises NotReady or AuthFailed."""

Reasons = Mapping[str, str | tuple[str, str]]
"""Reasons that a plugin counts (`DecodeError.reason`, `Decoded.skipped`) → what each means and what to do, in English.
Their code in the plugin's catalogue is `acme.reason-` and the reason. (French, English) is the form of former versions,
which this one still reads. A key that ends in `*` stands for all reasons of the plugin's own integration that begin so;
`{part}` in its words is the rest. A reason without words is shown to people as it is, and marked; those of the hub
(`truncated`, `bad-mic`, …) have theirs."""

Explain = Callable[[Frame, Keys], Iterable[dict[str, Any]]]
"""Everything a frame says, as JSON objects, for `ilot decode`: more than its readings. Raises DecodeError."""


class PackPart(Protocol):
    """What the model given as `pack` offers, once read: a Config with one option, which is the map of a device pack
    (`hub.devices.packs.maps`), and `signs` where the integration tells the devices of packs apart when it finds them.
    """

    def metrics(self) -> Iterable[str]:
        """The metrics that the map can give."""
        ...

    def readings(self, heard: Mapping[str, Any]) -> Mapping[str, Value]:
        """What a device says, as a vector has it, → readings by metric. Pure. Raises DecodeError, ValueError when
        `heard` has another form."""
        ...


class Register(Protocol):
    """`register(name, Config, run)` adds an integration. Its functions take the very subclass of `hub.Config` that is
    registered, so that a type checker sees a mistake."""

    def __call__(
        self,
        name: str,
        config: type[C],
        run: Run[C],
        *,
        device: type[Config] | None = None,
        metrics: Iterable[Metric] = (),
        probe: Probe[C] | None = None,
        listen: Listen[C] | None = None,
        pack: type[Config] | None = None,
        reasons: Reasons = ...,
        sampling: Sampling = ...,
        finder: Finder[C] | None = None,
    ) -> None:
        """`device` is the model of the `settings:` of its devices, which `Device.settings_as` gives back; without it a
        device has no settings. `metrics` are added to the catalogue. `listen` serves `ilot capture` and
        `ilot discover`. `pack` is the model of the part of a device pack that the integration reads (`PackPart`).
        `reasons` explains to people the reasons of its DecodeErrors. `sampling` says what raised sampling may ask of
        its devices. `finder` finds devices on a line, and tries them, for the pages. Raises PluginError when an
        argument is wrong."""
        ...


class RegisterDecoder(Protocol):
    """`register(name, kind, decode)` adds a decoder for frames of a shared radio, "ble" for instance."""

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
    ) -> None:
        """`line` turns one JSON object of `ilot decode` into a frame, and `explain` shows there everything that a frame
        says. `metrics` are added to the catalogue, `reasons` explains to people the reasons of its DecodeErrors. Raises
        PluginError when an argument is wrong."""
        ...


class Hooks:
    """Specification of every hook."""

    @hookspec
    def register_integrations(self, register: Register) -> None:
        """Integrations: what speaks to devices."""

    @hookspec
    def register_decoders(self, register: RegisterDecoder) -> None:
        """Decoders of frames from a radio that the hub owns and shares."""

    @hookspec
    def register_transports(self, register: RegisterTransport) -> None:
        """Transports: carry sealed records to the owner's backend."""

    @hookspec(
        warn_on_impl=DeprecationWarning("register_uplinks is now register_transports; the old name ends with 1.0")
    )
    def register_uplinks(self, register: RegisterTransport) -> None:
        """Former name of `register_transports`, read until 1.0."""

    @hookspec
    def register_exporters(self, register: RegisterExporter) -> None:
        """What shows live values to a neighbour: a supervisor, a home automation, a metrics collector."""

    @hookspec
    def register_notifiers(self, register: RegisterNotifier) -> None:
        """What carries alerts to people: a webhook, e-mail, SMS."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """A decoder as a plugin registered it. `apart` is set for one in a process of its own, whose answer is awaited."""

    name: str
    plugin: str
    kind: str
    decode: Decode
    metrics: tuple[Metric, ...]
    line: Callable[[dict[str, Any]], Frame] | None
    explain: Explain | None = None
    apart: Callable[[Frame, Keys], Awaitable[Decoded | NeedKey | None]] | None = None
