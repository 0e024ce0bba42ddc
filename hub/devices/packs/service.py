"""Packs at work in a running hub: read when first asked for, their codecs in one worker process that starts with the
first payload."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Set
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from hub.core.errors import ConfigError, DecodeError
from hub.core.model import Device, PackFacts
from hub.devices.codecs import Codecs
from hub.devices.codecs.messages import SPOILS
from hub.devices.packs.labels import LabelPattern, Recognised, recognise, sign_of
from hub.devices.packs.library import Library

if TYPE_CHECKING:
    from hub.devices.packs.decoding import Reading
    from hub.devices.packs.loader import Pack

REST_AFTER, REST_S = 3, 60.0
RESTS = "codec-rests"

_log = logging.getLogger("hub.packs")


class Packs:
    """`async with Packs(library) as packs`. A pack is read once; what is installed later serves once it is `reload`ed,
    or from the next start."""

    def __init__(self, library: Library, codecs: Codecs | None = None) -> None:
        self._library = library
        self._codecs = codecs or Codecs()
        self._read: dict[str, Pack | ConfigError] = {}
        self._reading = asyncio.Lock()
        self._missing: set[str] = set()
        self._signs: list[LabelPattern] | None = None
        self._spoilt: dict[str, int] = {}  # digest → payloads in a row that cost its codec all of its time
        self._answers: set[str] = set()  # digests of packs whose codecs do
        self._one_at_a_time: dict[str, asyncio.Lock] = {}
        self._rests: dict[str, float] = {}  # digest → loop time until which it is not called

    async def expect(self, names: Set[str]) -> None:
        """Look whether the packs of these names are here, without reading them. `ilot check` refuses a configuration
        with one that is not; a hub that starts, restored on new hardware say, runs it and reads what it can."""
        self._missing = set(names) - set(await asyncio.to_thread(self._library.names))
        if self._missing:
            _log.error("%d device packs are not here; `ilot status` names them", len(self._missing))

    def status(self) -> dict[str, Any]:
        """For the control socket."""
        return {
            "used": sorted(self._read), "missing": sorted(self._missing), "unreadable": sorted(self._unreadable()),
            "restarts": self._codecs.restarts,
        }  # fmt: skip

    def complaints(self) -> list[str]:
        """What somebody should look at."""
        missing = [f"pack {name} is not here: install it, its devices' payloads are lost" for name in self._missing]
        unreadable = [f"pack {name} is wrong: {problem}" for name, problem in self._unreadable().items()]
        return sorted(missing + unreadable)

    def _unreadable(self) -> dict[str, str]:
        read = self._read.items()
        return {n: str(p.problems[0]) for n, p in read if isinstance(p, ConfigError) and n not in self._missing}

    async def __aenter__(self) -> Self:
        await self._codecs.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._codecs.__aexit__(kind, error, trace)

    async def get(self, name: str) -> Pack:
        """Raises DecodeError: `no-pack` without a name, `bad-pack` when there is none that can be read."""
        if not name:
            raise DecodeError("no-pack", "the device has no pack; give it `pack:` in the configuration")
        if name not in self._read:
            async with self._reading:
                if name not in self._read:
                    self._read[name] = await asyncio.to_thread(self._look, name)
        found = self._read[name]
        if isinstance(found, ConfigError):
            raise DecodeError("bad-pack", f"pack {name}: {found.problems[0]}") from found
        return found

    async def reload(self, name: str) -> None:
        """Another version of a pack was installed: it is read when it is asked for next."""
        async with self._reading:
            self._read.pop(name, None)
            self._signs = None
        self._missing -= {name}

    def _look(self, name: str) -> Pack | ConfigError:
        try:
            return self._library.get(name)
        except ConfigError as error:
            return error

    async def decode(self, name: str, port: int, payload: bytes, received: float | None) -> Reading:
        """Raises DecodeError with its reason, NotReady when there is no codec worker to be had."""
        from hub.devices.packs.decoding import message_at, read_answer  # late, as all that reads a pack

        pack = await self.get(name)
        message_at(pack, port)
        answer = await self._answer(pack, payload, port, received)
        return read_answer(pack, port, answer, received)

    async def _answer(self, pack: Pack, payload: bytes, port: int, received: float | None) -> dict[str, Any]:
        """What its codec says. Until it has answered once, and after each time that it looped or died, it is called
        once at a time, and one that does so again and again rests for a while. Nobody waits behind a call of one that
        has looped or died: a device that wants an answer in a second would get none."""
        if pack.digest in self._answers:
            return await self._call(pack, payload, port, received)
        trial, spoilt = self._one_at_a_time.setdefault(pack.digest, asyncio.Lock()), self._spoilt.get(pack.digest, 0)
        if spoilt and trial.locked():
            raise DecodeError(RESTS, f"the codec of pack {pack.name} looped or died: it is being tried again")
        async with trial:
            if self._spoilt.get(pack.digest, 0) > spoilt:
                raise DecodeError(RESTS, f"the codec of pack {pack.name} looped or died while this waited for it")
            if self._rests.get(pack.digest, 0.0) > asyncio.get_running_loop().time():
                raise DecodeError(RESTS, f"the codec of pack {pack.name} loops or dies: it is tried again in a minute")
            return await self._call(pack, payload, port, received)

    async def _call(self, pack: Pack, payload: bytes, port: int, received: float | None) -> dict[str, Any]:
        from hub.devices.packs.decoding import answer_of

        try:
            answer = await answer_of(pack, self._codecs, payload, port, received)
        except DecodeError as error:
            if error.reason in SPOILS:
                self._answers.discard(pack.digest)
                spoilt = self._spoilt[pack.digest] = self._spoilt.get(pack.digest, 0) + 1
                if spoilt >= REST_AFTER:
                    self._rests[pack.digest] = asyncio.get_running_loop().time() + REST_S
                    if spoilt == REST_AFTER:
                        _log.error("the codec of pack %s loops or dies; it is tried once a minute", pack.name)
            raise
        self._answers.add(pack.digest)
        self._spoilt.pop(pack.digest, None)
        return answer

    async def encode(self, name: str, downlink: str, given: Mapping[str, float]) -> tuple[int, bytes]:
        """Port and payload of a downlink. Raises as `decode`."""
        from hub.devices.packs.downlinks import bytes_of, checked

        pack = await self.get(name)
        return bytes_of(await self._codecs.encode_downlink(pack.codec, checked(pack, downlink, given)))

    async def recognise(self, text: str, profile: str = "") -> Recognised:
        """The pack whose label this is: see `hub.devices.packs.labels`. Reads all packs at the first call."""
        async with self._reading:
            if self._signs is None:
                self._signs = await asyncio.to_thread(self._look_at_all)
        return recognise(self._signs, text, profile)

    def _look_at_all(self) -> list[LabelPattern]:
        found = map(self._look, self._library.names())
        return [sign_of(pack) for pack in found if not isinstance(pack, ConfigError)]

    async def names(self) -> list[str]:
        """Every pack that is here, readable or not."""
        return await asyncio.to_thread(self._library.names)

    async def check_downlink(self, device: Device, downlink: str, given: Mapping[str, float]) -> None:
        """Could `encode` be asked this? Raises DecodeError."""
        from hub.devices.packs.downlinks import checked

        checked(await self.get(device.pack), downlink, given)


def facts_of(pack: Pack) -> PackFacts:
    """What an integration wants to know of a device's pack."""
    keys = pack.keys
    return PackFacts(
        name=pack.name,
        version=keys.version,
        vendor=keys.vendor,
        models=keys.models,
        mac=keys.lorawan.mac if keys.lorawan else "",
        listens=keys.lorawan.class_ if keys.lorawan else "A",
        period_s=keys.period.total_seconds() if keys.period else None,
        downlinks={name: tuple(downlink.fields) for name, downlink in keys.downlinks.items()},
    )
