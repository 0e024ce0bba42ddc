"""Packs in a running hub: read on first use, their codecs in one worker process that starts with the first payload."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Set
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from hub.core.errors import ConfigError, DecodeError
from hub.core.model import Device, PackFacts
from hub.core.text import phrase
from hub.devices.codecs import Codecs
from hub.devices.codecs.messages import FATAL_REASONS
from hub.devices.packs.labels import LabelPattern, Recognised, label_pattern_of, recognise
from hub.devices.packs.library import Library

if TYPE_CHECKING:
    from hub.devices.packs.decoding import Reading
    from hub.devices.packs.loader import Pack

REST_AFTER, REST_S = 3, 60.0
RESTS = "codec-rests"

_log = logging.getLogger("hub.packs")


class Packs:
    """The packs of one hub: `async with Packs(library) as packs`. A pack is read once; a version installed later is
    used after `reload`, or from the next start."""

    def __init__(self, library: Library, codecs: Codecs | None = None) -> None:
        self._library = library
        self._codecs = codecs or Codecs()
        self._read: dict[str, Pack | ConfigError] = {}
        self._reading = asyncio.Lock()
        self._missing: set[str] = set()
        self._signs: list[LabelPattern] | None = None
        self._spoilt: dict[str, int] = {}  # digest → payloads in a row on which its codec timed out or died
        self._answers: set[str] = set()  # digests of packs whose codec has answered
        self._one_at_a_time: dict[str, asyncio.Lock] = {}
        self._rests: dict[str, float] = {}  # digest → loop time until which it is suspended

    async def expect(self, names: Set[str]) -> None:
        """Check that these packs are present, without reading them.

        `ilot check` refuses a configuration with a missing pack; a hub that starts all the same, e.g. restored on new
        hardware, runs with those it has.
        """
        self._missing = set(names) - set(await asyncio.to_thread(self._library.names))
        if self._missing:
            _log.error(
                phrase(
                    "packs-missing",
                    "{count} device [pack is|packs are] missing; `ilot status` names them",
                    count=len(self._missing),
                )
            )

    def status(self) -> dict[str, Any]:
        """Return the state for the control socket."""
        return {
            "used": sorted(self._read), "missing": sorted(self._missing), "unreadable": sorted(self._unreadable()),
            "restarts": self._codecs.restarts,
        }  # fmt: skip

    def complaints(self) -> list[str]:
        """Return the problems to show in `ilot status`, one sentence each."""
        missing = [
            phrase("pack-missing", "pack {pack} is missing: install it, its devices' payloads are lost", pack=name)
            for name in self._missing
        ]
        unreadable = [
            phrase("pack-wrong", "pack {pack} is wrong: {reason}", pack=name, reason=problem)
            for name, problem in self._unreadable().items()
        ]
        return sorted(missing + unreadable)

    def _unreadable(self) -> dict[str, str]:
        read = self._read.items()
        return {n: p.problems[0].sentence for n, p in read if isinstance(p, ConfigError) and n not in self._missing}

    async def __aenter__(self) -> Self:
        await self._codecs.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._codecs.__aexit__(kind, error, trace)

    async def get(self, name: str) -> Pack:
        """Return a pack. Raises DecodeError: `no-pack` without a name, `bad-pack` when it is missing or invalid."""
        if not name:
            raise DecodeError(
                "no-pack", phrase("device-without-pack", "the device has no pack; give it `pack:` in the configuration")
            )
        if name not in self._read:
            async with self._reading:
                if name not in self._read:
                    self._read[name] = await asyncio.to_thread(self._look, name)
        found = self._read[name]
        if isinstance(found, ConfigError):
            raise DecodeError(
                "bad-pack",
                phrase("pack-wrong", "pack {pack} is wrong: {reason}", pack=name, reason=found.problems[0].sentence),
            ) from found
        return found

    async def reload(self, name: str) -> None:
        """Read a pack again on its next use: another version was installed."""
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
        """Decode a payload. Raises DecodeError with its reason, NotReady when there is no codec worker."""
        from hub.devices.packs.decoding import (
            check_port,
            read_answer,
        )  # late, like everything that reads packs: saves memory on hubs without any

        pack = await self.get(name)
        check_port(pack, port)
        answer = await self._answer(pack, payload, port, received)
        return read_answer(pack, port, answer, received)

    async def _answer(self, pack: Pack, payload: bytes, port: int, received: float | None) -> dict[str, Any]:
        """Call the codec, one call at a time until it has proved itself.

        That is until it has answered once, and again after each time it looped or died; one that keeps doing so is
        suspended for REST_S. Calls never queue behind one that is on trial after a failure, because a device that
        expects an answer within a second would get none.
        """
        if pack.digest in self._answers:
            return await self._call(pack, payload, port, received)
        trial, spoilt = self._one_at_a_time.setdefault(pack.digest, asyncio.Lock()), self._spoilt.get(pack.digest, 0)
        if spoilt and trial.locked():
            raise DecodeError(
                RESTS,
                phrase(
                    "codec-being-retried",
                    "the codec of pack {pack} looped or died: it is being tried again",
                    pack=pack.name,
                ),
            )
        async with trial:
            if self._spoilt.get(pack.digest, 0) > spoilt:
                raise DecodeError(
                    RESTS,
                    phrase(
                        "codec-died-while-waiting",
                        "the codec of pack {pack} looped or died while this payload waited for it",
                        pack=pack.name,
                    ),
                )
            if self._rests.get(pack.digest, 0.0) > asyncio.get_running_loop().time():
                raise DecodeError(
                    RESTS,
                    phrase(
                        "codec-suspended",
                        "the codec of pack {pack} loops or dies: it is tried again in a minute",
                        pack=pack.name,
                    ),
                )
            return await self._call(pack, payload, port, received)

    async def _call(self, pack: Pack, payload: bytes, port: int, received: float | None) -> dict[str, Any]:
        from hub.devices.packs.decoding import run_codec

        try:
            answer = await run_codec(pack, self._codecs, payload, port, received)
        except DecodeError as error:
            if error.reason in FATAL_REASONS:
                self._answers.discard(pack.digest)
                spoilt = self._spoilt[pack.digest] = self._spoilt.get(pack.digest, 0) + 1
                if spoilt >= REST_AFTER:
                    self._rests[pack.digest] = asyncio.get_running_loop().time() + REST_S
                    if spoilt == REST_AFTER:
                        _log.error(
                            phrase(
                                "codec-keeps-dying",
                                "the codec of pack {pack} loops or dies; it is tried once a minute",
                                pack=pack.name,
                            )
                        )
            raise
        self._answers.add(pack.digest)
        self._spoilt.pop(pack.digest, None)
        return answer

    async def encode(self, name: str, downlink: str, given: Mapping[str, float]) -> tuple[int, bytes]:
        """Encode a downlink: port and payload. Raises as `decode`."""
        from hub.devices.packs.downlinks import codec_input, parse_codec_answer

        pack = await self.get(name)
        return parse_codec_answer(await self._codecs.encode_downlink(pack.codec, codec_input(pack, downlink, given)))

    async def recognise(self, text: str, profile: str = "") -> Recognised:
        """Recognise a label (`hub.devices.packs.labels`). Reads all packs at the first call."""
        async with self._reading:
            if self._signs is None:
                self._signs = await asyncio.to_thread(self._look_at_all)
        return recognise(self._signs, text, profile)

    def _look_at_all(self) -> list[LabelPattern]:
        found = map(self._look, self._library.names())
        return [label_pattern_of(pack) for pack in found if not isinstance(pack, ConfigError)]

    async def names(self) -> list[str]:
        """Return every pack that is there, readable or not."""
        return await asyncio.to_thread(self._library.names)

    async def check_downlink(self, device: Device, downlink: str, given: Mapping[str, float]) -> None:
        """Raise DecodeError if `encode` would refuse this downlink."""
        from hub.devices.packs.downlinks import codec_input

        codec_input(await self.get(device.pack), downlink, given)


def facts_of(pack: Pack) -> PackFacts:
    """Return the facts of a device's pack that integrations use."""
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
