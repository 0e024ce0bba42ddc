"""Frames and packs of a plugin under test."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from hub.core.errors import DecodeError, HubError
from hub.core.model import Candidate, Decoded, Device, Frame, NeedKey, PackFacts, Proof, Report, Sample
from hub.sdk.hookspecs import Decoder
from hub.sdk.session_rules import FactBounds, slug_of
from hub.sdk.testing.devices import FakeDevices, Refused


class FakeRadio:
    """Implements `hub.sdk.session.Radio`. `frames` are the frames submitted, `errors` (device, reason) of each decode
    error, `facts` the latest diagnostics by subject.

    With `decoders` a frame goes the hub's way: it is decoded, and its report emitted; a stranger, or a device without
    its key, becomes a candidate; what the hub would leave out is in `refused`. Without any, every frame is known, and
    nothing more comes of it."""

    def __init__(
        self,
        devices: FakeDevices,
        emit: Callable[[Report], Awaitable[None]],
        decoders: Iterable[Decoder] = (),
        refused: list[Refused] | None = None,
    ) -> None:
        self.frames: list[Frame] = []
        self.errors: list[tuple[str, str]] = []
        self.facts: dict[str, dict[str, Any]] = {}
        self._bounds = FactBounds()
        self.decoders = list(decoders)
        self.refused = [] if refused is None else refused
        self._devices, self._emit = devices, emit

    async def submit_frame(self, frame: Frame) -> bool:
        self.frames.append(frame)
        if not self.decoders:
            return True
        for decoder in self.decoders:
            try:
                decoded = decoder.decode(frame, self._key) if decoder.kind == frame.kind else None
            except Exception as error:  # the decoder's own mistake, too, costs this frame and no other
                reason = error if isinstance(error, DecodeError) else DecodeError("decoder-mistake")
                self.report_decode_error(f"{frame.kind}:{frame.address}", reason)
                return True
            if decoded is not None:
                await self._decoded(frame, decoded)
                return True
        self.refused.append(Refused("not-a-sensor", ""))
        return False

    def _key(self, device: str) -> bytes | None:
        known = self._devices.find(device)
        return known.key if known is not None else None

    async def _decoded(self, frame: Frame, decoded: Decoded | NeedKey) -> None:
        device = decoded.device
        known = self._devices.find(device)
        if isinstance(decoded, NeedKey):
            self.refused.append(Refused("needs-key", device))
            self._candidate(Candidate(id=device, integration="", model=decoded.model, signal=frame.signal))
            return
        self.errors += [(device, reason) for reason in decoded.skipped]
        if known is None:
            self.refused.append(Refused("not-admitted", device))
            evidence = {"name": frame.name} if frame.name else {}
            self._candidate(
                Candidate(
                    id=device, integration="", model=decoded.model, values=decoded.values, signal=frame.signal,
                    evidence=evidence,
                )
            )  # fmt: skip
        elif self._devices.get(device) is None:
            self.refused.append(Refused("heard-elsewhere", device))
        elif _in_clear(known, decoded.proof):
            self.refused.append(Refused("clear-but-keyed", device))
        else:
            if decoded.model:
                self._devices.declare(device, model=decoded.model)
            await self._emit(
                Report(
                    device=device, values=decoded.values, time=frame.time, proof=decoded.proof, signal=frame.signal
                )
            )  # fmt: skip

    def _candidate(self, candidate: Candidate) -> None:
        if all(one.id != candidate.id for one in self._devices.candidates):
            self._devices.heard(candidate)

    def report_decode_error(self, device: str, error: Exception, *, proof: Proof | None = None) -> None:
        self.errors.append((device, slug_of(error)))

    def publish_facts(self, subject: str, facts: Mapping[str, Any]) -> None:
        self._bounds.take(subject, facts)
        if facts:
            self.facts[subject] = dict(facts)
        else:
            self.facts.pop(subject, None)


def _in_clear(known: Device, proof: Proof | None) -> bool:
    """Whether a device that has a key spoke without it: anybody could have."""
    return known.key is not None and not (proof is not None and (proof.authenticated or proof.sealed))


class FakePacks:
    """Implements `hub.sdk.session.Packs` as three tables: `facts` by device, `payloads` by (device, port, payload), an
    error among them is raised, `downlinks` by (device, name, sorted items of its values). `kept` are the payloads that
    a hub would keep for a later pack."""

    def __init__(self, devices: FakeDevices, radio: FakeRadio) -> None:
        self.facts: dict[str, PackFacts] = {}
        self.payloads: dict[tuple[str, int, bytes], tuple[Sample, ...] | HubError] = {}
        self.downlinks: dict[tuple[str, str, tuple[tuple[str, float], ...]], tuple[int, bytes]] = {}
        self.kept: list[tuple[str, int, bytes, Proof]] = []
        self._devices, self._radio = devices, radio

    async def get(self, device: str) -> PackFacts | None:
        self._devices.own(device)
        return self.facts.get(device)

    async def decode(
        self,
        device: str,
        port: int,
        payload: bytes,
        time: float | None = None,
        *,
        proof: Proof | None = None,
        once: bool = False,
    ) -> tuple[Sample, ...]:
        self._devices.own(device)
        known = self.payloads.get((device, port, payload))
        if isinstance(known, tuple):
            return known
        error = known or DecodeError("no-pack", "this payload is not in the table")
        if not isinstance(error, DecodeError):  # no worker is free
            if not once:
                raise error
            error = DecodeError("codec-away", str(error))
        if proof is not None:
            self.kept.append((device, port, payload, proof))
        self._radio.report_decode_error(device, error)
        raise error from None

    async def encode(self, device: str, downlink: str, values: Mapping[str, float]) -> tuple[int, bytes]:
        self._devices.own(device)
        try:
            return self.downlinks[device, downlink, tuple(sorted(values.items()))]
        except KeyError:
            raise DecodeError("unknown-downlink", "this downlink is not in the table") from None
