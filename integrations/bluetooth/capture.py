"""Recorded captures: one JSON line for each advertisement, as written by `ilot capture ble` and read by `ilot decode
ble`.

time                 Unix seconds
source, address      "hci0", "A4:C1:38:01:02:03"
rssi, name           dBm and text, where they are known
random, private      true for a random address that stays, and for one that changes
raw                  the advertising data in hex, where the source gave it whole; otherwise
manufacturer_data    {"0x0499": hex}
service_data         {"0000fcd2-…": hex}
service_uuids        ["fff0"]: services that are named without data
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

import hub
from hub.sdk.nesting import shallow_json
from hub.sdk.phrases import phrase, reason_of, system_error
from integrations.bluetooth import advert
from integrations.bluetooth.intake import Heard, private
from integrations.bluetooth.sources import Sources

GROUP = "capture"
LARGEST = 64 << 20


def line(heard: Heard, now: float) -> dict[str, Any]:
    """Return an advertisement as a line; `now` is Unix seconds."""
    out: dict[str, Any] = {"time": round(now, 3), "source": heard.source, "address": heard.address}
    if heard.random:
        out["private" if private(heard) else "random"] = True
    if heard.rssi is not None:
        out["rssi"] = heard.rssi
    if heard.raw:
        return {**out, "raw": heard.raw.hex()}
    if heard.name:
        out["name"] = heard.name
    if heard.manufacturer:
        out["manufacturer_data"] = {f"0x{company:04x}": data.hex() for company, data in heard.manufacturer.items()}
    if heard.service:
        out["service_data"] = {uuid: data.hex() for uuid, data in heard.service.items()}
    if heard.uuids:
        out["service_uuids"] = list(heard.uuids)
    return out


def heard(item: Mapping[str, Any]) -> tuple[float | None, Heard]:
    """Parse a line: its time, None where it has none, and the advertisement. Raises DecodeError, as `advert.line`
    does."""
    frame = advert.line(item)
    at = item.get("time")
    if not isinstance(at, int | float | None) or isinstance(at, bool):
        raise hub.DecodeError("bad-line", phrase("bluetooth.time-not-unix", "time is Unix seconds"))
    signal = frame.signal
    manufacturer = {int(k[13:], 16): v for k, v in frame.data.items() if k.startswith("manufacturer:")}
    service = {k[8:]: v for k, v in frame.data.items() if k.startswith("service:")}
    source = f"{GROUP}:{signal.source}" if signal and signal.source else GROUP
    rssi = signal.rssi if signal else None
    random = item.get("random") is True or item.get("private") is True
    uuids = [k[5:] for k in frame.data if k.startswith("uuid:")]
    return at, Heard(frame.address, manufacturer, service, frame.name, rssi, source, random, uuids=uuids)


def read(data: bytes) -> Iterator[tuple[float | None, Heard] | hub.DecodeError]:
    """Yield the lines of a capture; an error in place of each invalid one."""
    for text in data.splitlines():
        if text.strip():
            try:
                yield heard(msgspec.json.decode(shallow_json(text), type=dict[str, Any]))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                yield hub.DecodeError(
                    "bad-line",
                    phrase("bluetooth.not-a-json-object", "not a JSON object: {reason}", reason=reason_of(error)),
                )
            except hub.DecodeError as error:
                yield error


async def play(
    path: Path, *, hear: Callable[[Heard], None], count: Callable[[str, str], None], sources: Sources
) -> None:
    """Replay a capture once, at its own pace; then wait. Never returns. Raises NotReady when it cannot be read and no
    other source listens."""
    try:
        data = await asyncio.to_thread(_load, path)
    except OSError as error:
        unreadable = phrase(
            "bluetooth.capture-unreadable",
            "the capture {path} cannot be read: {reason}",
            path=path,
            reason=system_error(error),
        )
        sources.failed(GROUP, hub.NotReady(unreadable))
        return
    except hub.NotReady as error:
        sources.failed(GROUP, error)
        return
    sources.began(GROUP, GROUP)
    loop = asyncio.get_running_loop()
    began, first = loop.time(), None
    for item in read(data):
        if isinstance(item, hub.DecodeError):
            count(item.reason, "")
            continue
        at, said = item
        if at is not None:
            first = at if first is None else first
            await asyncio.sleep(max(0.0, at - first - (loop.time() - began)))
        hear(said)
    await asyncio.Event().wait()


def _load(path: Path) -> bytes:
    if path.stat().st_size > LARGEST:
        raise hub.NotReady(
            phrase(
                "bluetooth.capture-too-large",
                "the capture {path} has more than {most} MiB",
                path=path,
                most=LARGEST >> 20,
            )
        )
    return path.read_bytes()
