"""Searches for devices on a line, and attempts to read one, for the pages: the calls `find.…`.

An integration with a `Finder` (`hub.sdk.finding`) searches a line that is configured, or one that is not yet. It only
reads; nothing is added here. A search is bounded in time and in what it may find, and a few are kept in memory until
somebody has added the devices.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from pydantic import ValidationError

from hub.config.instances import Instance, Models
from hub.config.load import Loaded
from hub.core.actor import asker
from hub.core.calls import Call
from hub.core.errors import ConfigError, HubError
from hub.core.model import Device
from hub.core.text import phrase, reason_of
from hub.devices.packs.library import Library
from hub.devices.registry import Devices
from hub.plugin_host.error_text import named_error
from hub.plugin_host.finding_texts import ports_here, value_of, where
from hub.plugin_host.lent_access import Lender, LentAccess
from hub.plugin_host.registry import Registry
from hub.plugin_host.searchable import Searchable, Searchables
from hub.plugin_host.serial_buses import Buses, BusOptions, SharedLine
from hub.sdk.finding import Found, Offer, Tried, expect_found, expect_tried
from hub.sdk.options import wrong_option

MOST_SEARCHES, MOST_FOUND, MOST_AT_ONCE = 8, 256, 4
LONGEST_S, READ_S = 900.0, 30.0
"""Maximum time of a search, and of one attempt to read a device."""
NEW_BUS = "new_line"
"""Name of the serial line of a search whose line is not configured."""
MOST_ROWS = 1000

RUNNING, DONE, STOPPED, FAILED = "running", "done", "stopped", "failed"

_log = logging.getLogger("hub")


@dataclass(slots=True)
class Seek:
    """A search. `instance` is what is searched, without a name for a new line, whose `options` and `bus` are here."""

    id: str
    instance: Instance
    line: Searchable
    addresses: str
    by: str
    options: dict[str, Any] = field(default_factory=dict)
    bus: dict[str, Any] = field(default_factory=dict)
    buses: Buses | None = None
    packs: tuple[Offer, ...] = ()
    state: str = RUNNING
    error: str = ""
    done: int = 0
    total: int = 0
    left_out: int = 0
    found: dict[str, Found] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def where(self) -> str:
        """Return what two searches must not have at the same time."""
        kind = self.instance.type
        return self.instance.name or f"{kind} {sorted(self.options.items())} {self.bus.get('port', '')}"


class _Lent:
    """Implements `hub.sdk.finding.Lent` for one search."""

    def __init__(self, seek: Seek, access: LentAccess, devices: tuple[Device, ...]) -> None:
        self._seek, self._access, self.devices, self.packs = seek, access, devices, seek.packs
        self.http, self.network = access.http, access.network

    def bus(self, name: str) -> SharedLine:
        return self._access.bus(name)

    def progress(self, done: int, total: int) -> None:
        self._seek.done, self._seek.total = max(0, int(done)), max(0, int(total))

    def found(self, one: Found) -> None:
        expect_found(one)
        found = self._seek.found
        if one.address not in found and len(found) >= MOST_FOUND:
            self._seek.left_out += 1
            return
        found[one.address] = one


@dataclass(frozen=True)
class Here:
    """Parts of the hub that a search uses. `loaded` returns the running configuration; `held` says why an
    instance may not speak now, "" when it may."""

    registry: Registry
    models: Models
    library: Library
    devices: Devices
    buses: Buses
    lender: Lender
    loaded: Callable[[], Loaded]
    held: Callable[[Instance], str]
    audit: Callable[[str, Mapping[str, object]], Awaitable[None]]


class Finding:
    """The searches of one hub."""

    def __init__(self, here: Here) -> None:
        self._here = here
        self._lines = Searchables(here.registry, here.models, here.lender)
        self._searches: dict[str, Seek] = {}

    def calls(self) -> dict[str, Call]:
        return {
            "find.lines": self._known_lines, "find.start": self._start, "find.state": self._state,
            "find.stop": self._stop, "find.read": self._read,
        }  # fmt: skip

    async def run(self) -> None:
        """Stop every search when the hub stops."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            for seek in self._searches.values():
                if seek.task is not None:
                    seek.task.cancel()

    # calls

    async def _known_lines(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {new?} with {lines, types, ports, buses}: the configured lines that can be searched, and, with `new`,
        what a new one may be."""
        loaded, lines = self._here.loaded(), []
        for instance in loaded.integrations:
            if not instance.enabled:
                continue
            try:
                line = await self._lines.of(instance)
            except HubError:  # its own instance shows why
                continue
            if line is not None:
                lines.append(
                    {
                        "name": instance.name,
                        "where": where(line.finder, line.config, loaded),
                        "held": self._here.held(instance),
                        **line.described,
                    }
                )
        buses = {name: bus.port for name, bus in loaded.config.buses.items()}
        if not arguments.get("new"):
            return {"lines": lines, "types": [], "ports": [], "buses": buses}
        ports = await asyncio.to_thread(ports_here)
        types = [one async for one in self._lines.types()]
        return {"lines": lines, "types": types, "ports": ports, "buses": buses}

    async def _start(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {line | type, options, bus, addresses, by} with {id}: the search runs from now on."""
        seek = await self._asked(arguments)
        if any(one.state == RUNNING and one.where == seek.where for one in self._searches.values()):
            raise HubError(
                phrase("line-searched-already", "this line is being searched already: stop that search first")
            )
        if sum(one.state == RUNNING for one in self._searches.values()) >= MOST_AT_ONCE:
            raise HubError(
                phrase("too-many-searches", "{most} searches run already: stop one first", most=MOST_AT_ONCE)
            )
        line = seek.instance
        seek.packs = await asyncio.to_thread(self._offers, line.type)
        await self._here.audit(
            seek.by, {"find": "search", "line": line.name or line.type, "addresses": seek.addresses[:100]}
        )
        await self._keep(seek)
        seek.task = asyncio.create_task(self._search(seek), name=f"search {seek.where}")
        return {"id": seek.id}

    async def _state(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {id} with the whole search: what was found, each with its matches."""
        seek = self._known(arguments)
        return {
            "id": seek.id, "type": seek.instance.type, "line": seek.instance.name or self._twin(seek),
            "options": seek.options, "bus": seek.bus,
            "addresses": seek.addresses, "state": seek.state, "error": seek.error, "done": seek.done,
            "total": seek.total, "left_out": seek.left_out,
            "found": [
                {**msgspec.structs.asdict(one), "matches": [msgspec.structs.asdict(match) for match in one.matches]}
                for one in seek.found.values()
            ],
            "packs": [
                {"pack": one.pack, "vendor": one.vendor, "models": [*one.models]} for one in seek.packs
            ],
            **seek.line.described,
        }  # fmt: skip

    async def _stop(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {id} with {state}: the search is stopped, and what it found stays."""
        seek = self._known(arguments)
        if seek.task is not None and not seek.task.done():
            seek.state = STOPPED
            seek.task.cancel()
            await asyncio.wait([seek.task], timeout=5.0)
        return {"state": seek.state}

    async def _read(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {id, settings, pack?} with {values: [{metric, value, unit, en}], wrong}: what the device says now."""
        seek = self._known(arguments)
        self._expect_free(seek)
        settings = self._settings(seek.line, arguments)
        async with seek.turn:
            try:
                with self._lent(seek) as lent:
                    tried: Tried = await _judged(seek.line.finder.read(seek.line.config, settings, lent), READ_S)
            finally:
                await _let_go(seek)
        expect_tried(tried)
        metrics = {one.key: one for one in (*seek.line.metrics, *tried.metrics)}
        return {
            "values": [value_of(key, value, metrics.get(key)) for key, value in tried.values.items()],
            "wrong": dict(tried.wrong),
        }

    # implementation

    async def _asked(self, arguments: dict[str, Any]) -> Seek:
        """Return the search that these arguments ask for. Raises HubError."""
        name, kind = (str(arguments.get(name) or "") for name in ("line", "type"))
        if not name:
            return await self._new_line(kind, arguments)
        instance = next((one for one in self._here.loaded().integrations if one.name == name), None)
        if instance is None:
            raise HubError(phrase("line-not-known", "there is no line {name!r}", name=name[:64]))
        self._expect_free(instance)
        return self._seek(instance, await self._lines.of(instance), arguments)

    async def _new_line(self, kind: str, arguments: dict[str, Any]) -> Seek:
        bus = {name: value for name, value in dict(arguments.get("bus") or {}).items() if value not in ("", None)}
        given, buses = dict(arguments.get("options") or {}), None
        name = str(bus.get("name") or NEW_BUS) if bus else ""
        if bus:
            bus, buses = self._bus(bus)
        line, options = await self._lines.new(kind, given, name)
        instance = Instance(name="", type=kind, config=line.config)
        self._expect_free(instance)
        seek = self._seek(instance, line, arguments)
        seek.options, seek.bus, seek.buses = options, bus, buses
        return seek

    def _bus(self, bus: dict[str, Any]) -> tuple[dict[str, Any], Buses | None]:
        """Return the options of the serial line of a new instance, and the line; None: it is one of the hub's. Raises
        HubError."""
        loaded = self._here.loaded()
        if name := bus.get("name"):
            if name not in loaded.config.buses:
                raise HubError(phrase("no-such-bus-here", "there is no serial line {name!r}", name=str(name)[:64]))
            return {"name": name}, None
        from hub.config.parts.devices import Bus  # late: only where a line is new

        try:
            read = Bus(**{key: value for key, value in bus.items() if key != "name"})
        except ValidationError as error:
            raise HubError(wrong_option(error)) from error
        for name, known in loaded.config.buses.items():
            if known.port == read.port:
                raise HubError(
                    phrase("port-of-known-bus", "{port} is the line {name}: choose that", port=read.port, name=name)
                )
        told = {key: value for key, value in read.model_dump(mode="json").items() if key in bus}
        return told, Buses({NEW_BUS: BusOptions(read.port, read.baudrate, read.bits, read.parity)})

    def _seek(self, instance: Instance, line: Searchable | None, arguments: dict[str, Any]) -> Seek:
        if line is None:
            name = instance.name or instance.type
            raise HubError(phrase("line-without-search", "{name!r} cannot search its devices", name=name))
        addresses = str(arguments.get("addresses") or line.finder.addresses).strip()[:200]
        return Seek(secrets.token_hex(6), instance, line, addresses, asker(arguments))

    @contextmanager
    def _lent(self, seek: Seek) -> Iterator[_Lent]:
        """Lend what a search needs until the end of the block."""
        own = tuple(self._here.devices.of(seek.instance.name)) if seek.instance.name else ()
        with self._here.lender.lent(seek.instance, seek.buses or self._here.buses) as access:
            yield _Lent(seek, access, own)

    def _offers(self, kind: str) -> tuple[Offer, ...]:
        """Return the packs for this protocol. Blocking."""
        found = []
        for name in self._here.library.names():
            try:
                keys = self._here.library.get(name).keys
            except ConfigError:  # `ilot status` names it
                continue
            if keys.protocol == kind:
                found.append(Offer(pack=name, vendor=keys.vendor, models=keys.models, part=keys.part, signs=keys.signs))
        return tuple(found)

    def _twin(self, seek: Seek) -> str:
        """Return the instance by which the line of a search was added meanwhile, "" while there is none."""
        loaded = self._here.loaded()
        finder, config = seek.line.finder, seek.line.config
        names = [name for name in finder.options if name in seek.options]
        for one in loaded.integrations:
            if one.type != seek.instance.type:
                continue
            if seek.bus:
                bus = loaded.config.buses.get(getattr(one.config, finder.bus, ""))
                same = bus is not None and bus.port == seek.bus.get("port")
                same = same or getattr(one.config, finder.bus, "") == seek.bus.get("name", NEW_BUS)
            else:
                same = all(getattr(one.config, name, None) == getattr(config, name) for name in names)
            if same:
                return one.name
        return ""

    def _expect_free(self, one: Seek | Instance) -> None:
        """Raise HubError while an isolated hub may not speak to this line."""
        if isinstance(one, Seek):
            known = {instance.name: instance for instance in self._here.loaded().integrations}
            one = known.get(one.instance.name) or one.instance
        if why := self._here.held(one):
            raise HubError(why)

    async def _keep(self, seek: Seek) -> None:
        """Keep a search; the oldest that has ended gives way."""
        while len(self._searches) >= MOST_SEARCHES:
            old = next(one for one in self._searches.values() if one.state != RUNNING)
            del self._searches[old.id]
        self._searches[seek.id] = seek

    def _known(self, arguments: dict[str, Any]) -> Seek:
        seek = self._searches.get(str(arguments.get("id") or ""))
        if seek is None:
            raise HubError(phrase("search-gone", "this search is over and forgotten: search again"))
        return seek

    async def _search(self, seek: Seek) -> None:
        try:
            with self._lent(seek) as lent:
                await _judged(seek.line.finder.search(seek.line.config, seek.addresses, lent), LONGEST_S)
        except asyncio.CancelledError:
            seek.state = STOPPED
            raise
        except HubError as error:
            seek.state, seek.error = FAILED, reason_of(error)
        else:
            seek.state = DONE
        finally:
            await _let_go(seek)

    def _settings(self, line: Searchable, arguments: dict[str, Any]) -> Any:
        """Return the settings of a device in its integration's model, with the map of its pack. Raises HubError."""
        given, pack = arguments.get("settings"), str(arguments.get("pack") or "")
        if not isinstance(given, dict):
            raise HubError(phrase("settings-not-mapping", "the settings of a device are a mapping"))
        if line.device is None:
            return given
        try:
            return line.device(**self._here.models.settings(line.kind, pack, given))
        except ValidationError as error:
            raise HubError(wrong_option(error)) from error
        except (ValueError, TypeError) as error:
            raise HubError(reason_of(error)) from error


async def _let_go(seek: Seek) -> None:
    """Close the serial line of a new instance: it opens again on its next use, by whoever that is."""
    if seek.buses is not None:
        await seek.buses.close()


async def _judged(work: Awaitable[Any], seconds: float) -> Any:
    """Await what a plugin does. Raises HubError, also for its bugs and when it takes too long."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except HubError:
        raise
    except TimeoutError:
        raise HubError(
            phrase("search-took-too-long", "it was not done within {seconds:.0f} s, and was stopped", seconds=seconds)
        ) from None
    except Exception as error:  # a bug of the plugin ends this search only
        _log.exception(phrase("search-failed-log", "a search for devices failed"))
        raise HubError(phrase("search-failed", "the search failed: {reason}", reason=named_error(error))) from error
