"""Held frames that wait for a key, keys that opened none of them, and frames that arrive meanwhile. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set

from hub.core.errors import DecodeError
from hub.core.model import Device, Frame, NeedKey, Report
from hub.core.text import phrase
from hub.devices.registry import key_fingerprint
from hub.pipeline.holding_queue.table import HeldReport
from hub.sdk.hookspecs import Decoder

BEHIND = 256
"""Frames of one device that may wait while its held frames are opened."""

Decoders = Callable[[str], Sequence[Decoder]]


class Unfit(DecodeError):
    """A frame does not fit the device's present key: the key is wrong, or the frame was forged or damaged."""


def open_frame(frame: Frame, device: Device, decoders: Decoders) -> tuple[Report, tuple[str, ...]] | None:
    """Return (report, reasons why parts gave no reading); None while there is no key, or no decoder. Raises Unfit: also
    when the frame names another device, or nothing in it proves that the key was used."""
    for decoder in decoders(frame.kind):
        try:
            decoded = decoder.decode(frame, lambda name: device.key if name == device.id else None)
        except DecodeError as error:
            raise Unfit(error.reason, error.detail) from error
        if decoded is None:
            continue
        if isinstance(decoded, NeedKey):
            return None
        proof = decoded.proof
        if decoded.device != device.id or proof is None or not (proof.authenticated or proof.sealed):
            raise Unfit(
                "clear-but-keyed", phrase("frame-shows-no-key", "nothing in the frame shows that it used the key")
            )
        report = Report(device=device.id, values=decoded.values, time=frame.time, proof=proof, signal=frame.signal)
        return report, decoded.skipped
    return None


def told(held: HeldReport, device: Device, decoders: Decoders, count: Callable[[str, str], None]) -> Report | None:
    """Return the report that was held, or the one its frame opens to; None, and counted, when it does not open."""
    if held.frame is None:
        return held.report
    try:
        opened = open_frame(held.frame, device, decoders)
    except Unfit as error:
        count(error.reason, device.id)
        return None
    if opened is None:
        count("needs-key", device.id)
        return None
    report, skipped = opened
    for reason in skipped:
        count(reason, device.id)
    return report


class SealedFrames:
    """State of sealed frames by device id. `maybe`: devices of which sealed frames may be held. `behind`: what devices
    sent while their held frames are about to be opened."""

    def __init__(self) -> None:
        self.maybe: set[str] = set()
        self.behind: dict[str, list[HeldReport]] = {}
        self._unfit: dict[str, bytes] = {}  # the mark of the key that opens none of its frames

    def first(self, device: Device) -> bool:
        """True when held frames of this device have to be opened before its new one."""
        return device.id in self.maybe and device.key is not None and not self.shut(device)

    def add(self, held: HeldReport) -> bool:
        """Queue a frame behind those that are held. Returns False when too many wait already."""
        waiting = self.behind.setdefault(held.report.device, [])
        if len(waiting) < BEHIND:
            waiting.append(held)
            return True
        return False

    def shut(self, device: Device) -> bool:
        """True when the present key of a device has opened none of its frames."""
        return self._unfit.get(device.id) == key_fingerprint(device.key)

    def refuse(self, device: Device) -> bool:
        """Note that the present key opened none of the frames. Returns True when that is new, and there is a key."""
        news = device.key is not None and not self.shut(device)
        self._unfit[device.id] = key_fingerprint(device.key)
        return news

    def opens(self, device: Device, frames: Iterable[Frame], decoders: Decoders) -> bool:
        """True when the device's key opens any of these frames."""
        for frame in frames:
            try:
                if open_frame(frame, device, decoders) is not None:
                    return True
            except Unfit:
                pass
        return False

    def keep(self, names: Set[str]) -> None:
        """Forget all devices but these: nothing of the others is held."""
        for name in self.maybe - names:
            self.forget(name)

    def forget(self, name: str) -> None:
        """Forget a device: no sealed frame of it is held any more."""
        self.maybe.discard(name)
        self._unfit.pop(name, None)
