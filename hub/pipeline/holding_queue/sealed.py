"""Whose held frames wait for a key, which key opened none of them, and what their devices say meanwhile. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set

from hub.core.errors import DecodeError
from hub.core.model import Device, Frame, NeedKey, Report
from hub.devices.registry import key_fingerprint
from hub.pipeline.holding_queue.table import HeldReport
from hub.sdk.hookspecs import Decoder

BEHIND = 256
"""Frames that one device may say while those held of it are opened."""

Decoders = Callable[[str], Sequence[Decoder]]


class Unfit(DecodeError):
    """A frame does not fit the key that its device has now: the key is wrong, or the frame was forged or damaged."""


def open_frame(frame: Frame, device: Device, decoders: Decoders) -> tuple[Report, tuple[str, ...]] | None:
    """(what it said, reasons to count why a part of it gave no reading); None while there is no key for it, or nobody
    who decodes it. Raises Unfit: also where another device speaks in it, or nothing proves that it used the key."""
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
            raise Unfit("clear-but-keyed", "nothing in the frame shows that it used the key")
        report = Report(device=device.id, values=decoded.values, time=frame.time, proof=proof, signal=frame.signal)
        return report, decoded.skipped
    return None


def told(held: HeldReport, device: Device, decoders: Decoders, count: Callable[[str, str], None]) -> Report | None:
    """What a held report says: itself, or what its frame opens to; None, and counted, where it does not."""
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


class Sealed:
    """Devices by id. `maybe`: those of which sealed frames may be held. `behind`: what those said whose frames are
    about to be opened."""

    def __init__(self) -> None:
        self.maybe: set[str] = set()
        self.behind: dict[str, list[HeldReport]] = {}
        self._unfit: dict[str, bytes] = {}  # the mark of the key that opens none of its frames

    def first(self, device: Device) -> bool:
        """Must its held frames be opened before what it says now?"""
        return device.id in self.maybe and device.key is not None and not self.shut(device)

    def add(self, held: HeldReport) -> bool:
        """It comes after those that are held. False: too many do already."""
        waiting = self.behind.setdefault(held.report.device, [])
        if len(waiting) < BEHIND:
            waiting.append(held)
            return True
        return False

    def shut(self, device: Device) -> bool:
        """Is its key of today one that opened nothing?"""
        return self._unfit.get(device.id) == key_fingerprint(device.key)

    def refuse(self, device: Device) -> bool:
        """Its key of today opened nothing. True when that is news, and it has one."""
        news = device.key is not None and not self.shut(device)
        self._unfit[device.id] = key_fingerprint(device.key)
        return news

    def opens(self, device: Device, frames: Iterable[Frame], decoders: Decoders) -> bool:
        """Does its key open any of these?"""
        for frame in frames:
            try:
                if open_frame(frame, device, decoders) is not None:
                    return True
            except Unfit:
                pass
        return False

    def keep(self, names: Set[str]) -> None:
        """Of no others anything is held."""
        for name in self.maybe - names:
            self.forget(name)

    def forget(self, name: str) -> None:
        """Nothing sealed is held of it any more."""
        self.maybe.discard(name)
        self._unfit.pop(name, None)
