"""An integration in its surroundings: what the contract tests need to know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol

import msgspec

from hub.core.model import Device, Metric
from hub.sdk.hookspecs import Decoder
from hub.sdk.options import Config
from hub.sdk.testing.session import FakeSession

AT_ONCE = 64
PATIENCE_S = 30.0
"""Seconds after which what is awaited counts as not coming. No good plugin needs them; a busy machine may."""
READINGS = 10
"""How much a device says in one test, unless its world names another number."""


class Registered(msgspec.Struct, kw_only=True):
    """An integration as its hook registered it: `name`, `config` and `run`, the model `device` of its devices'
    settings, its own `metrics`, and the words of its `reasons`."""

    name: str
    config: type[Config]
    run: Callable[[Any, Any], Any]
    device: type[Config] | None = None
    metrics: tuple[Metric, ...] = ()
    reasons: Mapping[str, Any] = {}


class Peer(Protocol):
    """The other end, which begins and ends as often as one likes."""

    async def begin(self) -> None: ...
    async def end(self) -> None: ...


class World:
    """An integration with a peer to speak with. Subclass it, one class for each integration.

    `module` is what the entry point names, `name` the type that it registers (needed where there are several).
    `secrets` are the values of `options()` that nobody may read in a log or an error. `exempt` maps the name of a
    contract test to the reason why it says nothing of this integration. `much` is what a device says in one test.

    A test begins the peer (`begin`), runs the integration with `options()` and `devices()`, lets the peer speak
    (`say`), perhaps takes it away and brings it back (`away`, `back`), and ends it (`end`). One that is polled need not
    `say`."""

    module: str = ""
    name: str = ""
    secrets: tuple[str, ...] = ()
    exempt: Mapping[str, str] = {}
    much: int = READINGS
    at_once: int = AT_ONCE
    patience: float = PATIENCE_S
    peer: Peer | None = None
    """A peer of `hub.sdk.testing.peers`, or one like it. It begins and ends with the test, and is away once ended."""
    acknowledged = 0
    """How many things the integration told its peer that it has, since `begin`."""

    def options(self) -> dict[str, Any]:
        """The options, as the configuration has them."""
        return {}

    def devices(self) -> Sequence[Device]:
        """The devices of the configuration."""
        return ()

    def prepare(self, session: FakeSession) -> None:
        """Give the session what it lends: replies of `http`, payloads of `packs`, lines."""

    async def begin(self) -> None:
        """Start the peer."""
        if self.peer is not None:
            await self.peer.begin()

    async def end(self) -> None:
        """Stop the peer."""
        if self.peer is not None:
            await self.peer.end()

    async def say(self, session: FakeSession, count: int) -> None:
        """Let the peer speak so many times. It may wait as long as the integration takes nothing."""

    async def away(self, session: FakeSession) -> None:
        """Make the peer unreachable, until `back`."""
        await self.end()

    async def back(self, session: FakeSession) -> None:
        """Make the peer reachable again."""
        await self.begin()

    # -- what comes of it

    def imported(self) -> ModuleType:
        """The module of the integration."""
        return import_module(self.module)

    def registered(self) -> Registered:
        """The integration. Raises ValueError when its module registers none of this name."""
        found = list(integrations(self.imported()))
        wanted = [one for one in found if self.name in ("", one.name)]
        if not wanted:
            raise ValueError(f"{self.module} registers no integration {self.name!r}, but {[one.name for one in found]}")
        return wanted[0]

    def session(self, state: Mapping[str, Any] | None = None) -> FakeSession:
        """A session for one run, with the small state that a former one left."""
        one = self.registered()
        made = FakeSession(
            one.name, self.devices(), metrics=one.metrics, decoders=decoders(self.imported()), holds_keys=self._keyed()
        )
        for key, value in (state or {}).items():
            made.state.put(key, value)
        self.prepare(made)
        return made

    def config(self) -> Config:
        """The options, read by the integration's own model."""
        return self.registered().config.model_validate(self.options())

    def _keyed(self) -> bool:
        return self.config().holds_keys()


def integrations(module: ModuleType) -> Iterable[Registered]:
    """The integrations that a plugin registers."""
    found: list[Registered] = []

    def register(name: str, config: type[Config], run: Any, **more: Any) -> None:
        known = {key: more[key] for key in ("device", "reasons") if key in more}
        found.append(Registered(name=name, config=config, run=run, metrics=tuple(more.get("metrics", ())), **known))

    if hasattr(module, "register_integrations"):
        module.register_integrations(register)
    return found


def decoders(module: ModuleType) -> list[Decoder]:
    """The decoders that a plugin registers."""
    found: list[Decoder] = []

    def register(name: str, kind: str, decode: Any, **more: Any) -> None:
        found.append(Decoder(name, module.__name__, kind, decode, tuple(more.get("metrics", ())), None))

    if hasattr(module, "register_decoders"):
        module.register_decoders(register)
    return found
