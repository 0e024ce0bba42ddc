"""One file about one device for whoever helps with it: `ilot support DEVICE`, and the device's page.

    {"part": "support", …}        what the file is, and how many lines of each part it has
    {"part": "about", …}          versions of the hub, its packages and the machine; the device's integration and pack
    {"part": "device", …}         its state, without values
    {"part": "configuration", …}  its own section and that of its integration, with secrets as references
    {"part": "count", …}          each reason for which a frame of it was refused, since the start
    {"part": "frame", …}          a frame as received, the oldest first: bytes by section, or one text in hexadecimal
    {"part": "kept", …}           a payload that no codec could read, from the last seven days
    {"part": "log", …}            a line of the log of its integration, the oldest first; raised lines among them

One JSON object a line: it opens in any editor, needs no program to be looked through before it is sent, and is read
line by line by `ilot pack vector`. Names, addresses and secrets are replaced as in diagnostics (`hub.rpc.redaction`).
Bytes of a device whose values may be personal are withheld unless the person who asks says that they may go out
(`personal`, with a reason); the audit log says who asked, for which device, and whether they went.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from hub.config.load import Loaded
from hub.core.actor import asker
from hub.core.calls import Call
from hub.core.clock import Clock
from hub.core.errors import ConfigError, DecodeError, HubError
from hub.core.logs import Line, Ring
from hub.core.model import Device, Metric
from hub.core.raised_logs import RaisedLogs
from hub.core.store import Store
from hub.core.text import phrase
from hub.devices.packs import Library
from hub.devices.places import Places
from hub.devices.registry import Devices
from hub.pipeline.recent_frames import RecentFrames
from hub.rpc.diagnostics import PEOPLE_ENTRIES, PLACES, WITHHELD, about, people, without
from hub.rpc.redaction import MASK, Redactor

FORMAT = 1
MOST_KEPT = 200
MOST_LINES = 2000


class KeptFrame(Protocol):
    """The part of `hub.pipeline.dead_letters.table.UndecodedFrame` that is used here."""

    @property
    def port(self) -> int: ...
    @property
    def payload(self) -> bytes: ...
    @property
    def at(self) -> float: ...
    @property
    def time(self) -> float | None: ...
    @property
    def reason(self) -> str: ...


class Sources(NamedTuple):
    """Where the contents come from. `kept` returns a device's payloads that no codec could read; `metrics` the metrics
    that a device has told so far; `may_keep` whether a metric in a zone may leave memory; `names`: kind → names to
    hide; `ask(name, arguments)` returns the answers of other calls."""

    devices: Devices
    places: Places
    library: Library
    frames: RecentFrames
    kept: Callable[[str, int], Awaitable[Sequence[KeptFrame]]]
    metrics: Callable[[str], Iterable[Metric]]
    may_keep: Callable[[Metric, str], bool]
    loaded: Callable[[], Loaded]
    names: Callable[[], Mapping[str, Iterable[str]]]
    ask: Callable[[str, dict[str, Any]], Awaitable[Any]]


class SupportCalls:
    """Calls of support. It runs the raised logs."""

    def __init__(self, sources: Sources, raised: RaisedLogs, ring: Ring, store: Store, clock: Clock) -> None:
        self._from, self._raised, self._ring, self._store, self._clock = sources, raised, ring, store, clock

    def calls(self) -> dict[str, Call]:
        return {"support": self._call, "support.raise": self._raise, "support.lines": self._lines}

    async def run(self) -> None:
        """Run the raised logs."""
        await self._raised.run()

    async def _call(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {device, personal, why} with {document: base64 of the file, contents: part → lines, personal:
        whether bytes that may tell of people are "included", "withheld" or "none", raised_s}."""
        device = self._device(arguments)
        personal, why = arguments.get("personal") is True, str(arguments.get("why") or "")[:200].strip()
        if personal and not why:
            raise HubError(
                phrase("support-without-reason", "say why personal payloads may go out: they tell about people")
            )
        lines, told = await self._document(device, personal=personal)
        await self._store.audit(
            self._clock.now(), asker(arguments), {"support": "file", "device": device.id, "personal": told, "why": why}
        )
        contents: dict[str, int] = {}
        for line in lines:
            contents[line["part"]] = contents.get(line["part"], 0) + 1
        head = {
            "part": "support", "format": FORMAT, "made": self._clock.now(), "personal": told, "contents": contents,
        }  # fmt: skip
        text = b"".join(msgspec.json.encode(line) + b"\n" for line in [head, *lines])
        return {
            "document": base64.b64encode(text).decode(), "contents": contents, "personal": told,
            "raised_s": self._raised.left(device.integration),
        }  # fmt: skip

    async def _raise(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Raise the logs of {device}'s integration for an hour, or end that with {end}. Answer {source, raised_s}."""
        device = self._device(arguments)
        ended = arguments.get("end") is True
        if ended:
            self._raised.end(device.integration)
        else:
            self._raised.raise_(device.integration)
        await self._store.audit(
            self._clock.now(), asker(arguments), {"support": "lower" if ended else "raise", "device": device.id}
        )
        return {"source": device.integration, "raised_s": self._raised.left(device.integration)}

    async def _lines(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {device, after} with {lines: newer than `after` (Unix seconds), the oldest first, raised_s}."""
        device = self._device(arguments)
        after = float(arguments.get("after") or 0.0)
        found = [msgspec.to_builtins(one) for one in self._log(device.integration) if one.at > after]
        return {"lines": found, "raised_s": self._raised.left(device.integration)}

    def _device(self, arguments: Mapping[str, Any]) -> Device:
        name = str(arguments.get("device") or "")
        found = self._from.devices.get(name)
        if found is None:
            raise DecodeError(
                "unknown-device",
                phrase("device-not-known", "no device {device!r} is known; `ilot devices` lists them", device=name),
            )
        return found

    def _log(self, source: str) -> list[Line]:
        """Return the lines of a source, raised and others, oldest first."""
        raised = list(self._raised.lines(source))
        first = min((line.at for line in raised), default=float("inf"))
        usual = [line for line in self._ring.last(source=source) if line.at < first]
        return sorted([*raised, *usual], key=lambda line: line.at)[-MOST_LINES:]

    async def _document(self, device: Device, *, personal: bool) -> tuple[list[dict[str, Any]], str]:
        acted = (await self._from.ask("audit.list", {"limit": PEOPLE_ENTRIES}))["entries"]
        names = self._from.names()
        redactor = Redactor({**names, "person": {*names.get("person", ()), *people(one["who"] for one in acted)}})
        tells = self._tells_of_people(device)
        bare = tells and not personal
        frames = self._frames(device, bare=bare)
        frames += await self._kept(device, bare=bare)
        status = await self._from.ask("status", {"values": False})
        listed = (await self._from.ask("devices", {}))["devices"]
        parts: list[dict[str, Any]] = [
            {"part": "about", **about(), **self._made_by(device)},
            *({"part": "device", **without(one, WITHHELD)} for one in listed if one["id"] == device.id),
            {"part": "configuration", **self._configuration(device)},
            *(
                {"part": "count", "reason": reason, "count": count}
                for reason, count in sorted(status.get("counts", {}).get(device.id, {}).items())
            ),
        ]
        log = [{"part": "log", **msgspec.to_builtins(line)} for line in self._log(device.integration)]
        told = ("withheld" if bare else "included") if tells else "none"
        # bytes are no words: what looks like an address in them is part of a payload, and stays readable
        return [*map(redactor.value, parts), *frames, *map(redactor.value, log)], told

    def _tells_of_people(self, device: Device) -> bool:
        """Return whether a payload may hold what the privacy rules keep in memory; also where nothing is known of its
        values yet."""
        place = self._from.places.get(device.place)
        zone = place.zone if place is not None else ""
        metrics = [*self._from.metrics(device.id), *self._packed(device.pack)]
        return not metrics or not all(self._from.may_keep(metric, zone) for metric in metrics)

    def _packed(self, name: str) -> list[Metric]:
        try:
            pack = self._from.library.get(name) if name else None
        except ConfigError:
            return []
        if pack is None or pack.fields is None:
            return []
        return [pack.metrics[field.metric] for field in pack.fields.values() if field.metric in pack.metrics]

    def _made_by(self, device: Device) -> dict[str, Any]:
        found = {"integration": self._type(device.integration), "pack": device.pack, "pack_version": ""}
        try:
            pack = self._from.library.get(device.pack) if device.pack else None
        except ConfigError:
            return {**found, "pack_error": True}
        if pack is None:
            return found
        return {
            **found, "pack_version": pack.keys.version, "pack_from": self._from.library.origin(pack),
            "untested": pack.keys.untested,
        }  # fmt: skip

    def _type(self, instance: str) -> str:
        return next((one.type for one in self._from.loaded().integrations if one.name == instance), "")

    def _configuration(self, device: Device) -> dict[str, Any]:
        data = self._from.loaded().data
        section = data if isinstance(data, dict) else {}
        own = _entry(section.get("devices"), device.id)
        around = _entry(section.get("integrations"), device.integration)
        return {
            "device": without(_plain(own), PLACES) if own is not None else "added while the hub ran",
            "integration": without(_plain(around), PLACES),
        }

    def _frames(self, device: Device, *, bare: bool) -> list[dict[str, Any]]:
        keys = _secrets_of(device)
        found = []
        for frame in self._from.frames.of(device.id):
            data = None if bare else {name: _hex(part, keys) for name, part in frame.data.items()}
            found.append(
                {
                    "part": "frame",
                    "time": frame.time,
                    "kind": frame.kind,
                    "port": frame.port or None,
                    "size": frame.size,
                    "bytes": data[""] if data is not None and "" in data else data,
                    "outcome": frame.outcome or "read",
                }
            )  # fmt: skip
        return found

    async def _kept(self, device: Device, *, bare: bool) -> list[dict[str, Any]]:
        keys = _secrets_of(device)
        return [
            {
                "part": "kept", "time": one.time if one.time is not None else one.at, "kind": "payload",
                "port": one.port or None, "size": len(one.payload),
                "bytes": None if bare else _hex(one.payload, keys), "outcome": one.reason,
            }
            for one in await self._from.kept(device.id, MOST_KEPT)
        ]  # fmt: skip


def _entry(section: Any, name: str) -> Any:
    return section.get(name) if isinstance(section, Mapping) else None


def _plain(value: Any) -> Any:
    """Return a part of the configuration as data of JSON: a reference to a secret by its stars."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return MASK


def _secrets_of(device: Device) -> list[bytes]:
    return [device.key] if device.key else []


def _hex(data: bytes, secrets: Iterable[bytes]) -> str:
    return MASK if any(secret in data for secret in secrets) else data.hex()
