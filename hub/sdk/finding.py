"""Finding devices on a line and trying them before they are saved: the argument `finder` of `register`.

    async def search(config: AcmeBus, addresses: str, lent: Lent) -> None:
        for address in units(addresses):
            lent.progress(done, total)
            if await answers(config, address):
                lent.found(Found(address=str(address), device=f"acme:{address}", settings={"unit": address}))

    async def read(config: AcmeBus, settings: AcmeDevice, lent: Lent) -> Tried:
        return Tried(values={"temperature": await asked(config, settings.unit)})

    register("acme", AcmeBus, run, device=AcmeDevice, finder=Finder(search, read, addresses="1-32", address=HELP))

Both only read, and run beside the instance that polls the same line: they take turns with it. They are cancelled when a
person stops them, when it takes too long, and when the hub stops.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from hub.core.errors import PluginError
from hub.core.model import DEVICE_ID, Device, Metric, Value
from hub.core.text import phrase
from hub.sdk.options import Config
from hub.sdk.session import Access, Bus

__all__ = ["Finder", "Found", "Lent", "Match", "Offer", "Tried", "expect_found", "expect_tried"]

C = TypeVar("C", bound=Config)
MOST_MATCHES, MOST_VALUES, LONGEST_TEXT = 32, 1000, 200
MOST_BYTES = 64 * 1024
"""Bytes of one found device, packed."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A device `pack` for the protocol of this integration, with its `vendor` and `models`: `part` is its map as in
    pack.yaml, `signs` what tells its devices from others, as the integration's model of packs has them."""

    pack: str
    vendor: str
    models: tuple[str, ...]
    part: Any = None
    signs: tuple[Mapping[str, Any], ...] = ()


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A way to read a device that was found: the whole `settings` of the device, without the map of the `pack`. `title`
    names what it is, and `why` is a phrase that says why it is proposed."""

    settings: dict[str, Any]
    pack: str = ""
    title: str = ""
    why: str = ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A device that answers. `address` as people type it; `settings` those of a device there, without any map, for one
    that is made by hand; `device` the id that it would have; `title` what it says that it is; `matches` the best first;
    `known` the id of the device of this hub that is read there already."""

    address: str
    device: str
    settings: dict[str, Any] = {}
    title: str = ""
    matches: tuple[Match, ...] = ()
    known: str = ""


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """Readings of a device that is tried: `values` by metric, `wrong` metric → sentence where it has none, and the
    `metrics` that are not in the catalogue."""

    values: dict[str, Value] = {}
    wrong: dict[str, str] = {}
    metrics: tuple[Metric, ...] = ()


class Lent(Access, Protocol):
    """Services of the hub for one search, or for one attempt to read; `http` and `network` as those of a session."""

    @property
    def packs(self) -> tuple[Offer, ...]:
        """The device packs for this protocol that are here."""
        ...

    @property
    def devices(self) -> tuple[Device, ...]:
        """The devices of this instance; none for a line that is not in the configuration yet."""
        ...

    def bus(self, name: str) -> Bus:
        """The serial line of this name, as `Session.bus`; it may not be in the configuration yet. Raises AuthFailed
        when there is none."""
        ...

    def progress(self, done: int, total: int) -> None:
        """Say how far the search is, in addresses."""
        ...

    def found(self, one: Found) -> None:
        """Report a device; another one with the same address replaces it. Raises PluginError when it is wrong."""
        ...


Search = Callable[[C, str, Lent], Awaitable[None]]
"""Searches addresses as a person typed them, reporting to `Lent`. Raises HubError: NotReady when the line is away, and
others that say what is wrong in the addresses."""
ReadOnce = Callable[[C, Any, Lent], Awaitable[Tried]]
"""Reads a device once, by its settings in the model given as `device`, with the map of its pack. Raises HubError."""


@dataclass(frozen=True, slots=True)
class Finder(Generic[C]):
    """How an integration finds its devices. `addresses`: those searched where nobody says otherwise, and `address` a
    phrase about what one may type; "" for a line whose devices are all heard at once. `title` is a phrase that names
    the kind of line, and `labels` have one for each option that the pages do not name well.

    `options` are the names of the options that a new line needs, the first without which there is none; `bus` the name
    of the option that may name a serial line instead. `rows` is the model of an entry of a map made by hand, `setting`
    the device's setting that is a list of these, `columns` the fields of it that a table has.
    """

    search: Search[C]
    read: ReadOnce[C]
    addresses: str = ""
    address: str = ""
    options: tuple[str, ...] = ()
    bus: str = ""
    rows: type[Config] | None = None
    setting: str = ""
    columns: tuple[str, ...] = ()
    title: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def wrong(self, config: type[Config], device: type[Config] | None) -> str:
        """Return what contradicts the models of the integration, "" when nothing does."""
        asked = [*self.options, *([self.bus] if self.bus else [])]
        if missing := [name for name in (*asked, *self.labels) if name not in config.model_fields]:
            return phrase(
                "finder-without-option", "the finder asks for options that there are not: {names}", names=missing
            )
        if not asked:
            return phrase("finder-without-line", "the finder names no option of a line: give `options` or `bus`")
        if (self.rows is None) != (not self.setting) or (self.rows is None) != (not self.columns):
            return phrase("finder-with-half-a-table", "`rows`, `setting` and `columns` of a finder go together")
        fields = {} if self.rows is None else self.rows.model_fields
        if missing := [name for name in self.columns if name not in fields]:
            return phrase("finder-without-column", "the finder has columns that no row has: {names}", names=missing)
        if self.setting and (device is None or self.setting not in device.model_fields):
            return phrase(
                "finder-without-setting", "the finder fills a setting that no device has: {name}", name=self.setting
            )
        return ""


def _plain(value: object) -> str:
    if isinstance(value, str):  # a phrase
        return str(value)
    raise TypeError(type(value).__name__)


def expect_found(one: object) -> None:
    """Raise PluginError unless a found device is whole and within bounds."""
    if not isinstance(one, Found):
        raise PluginError(phrase("found-of-other-type", "a device that was found is a hub.sdk.finding.Found"))
    texts = [one.address, one.title, *(text for match in one.matches for text in (match.title, str(match.why)))]
    try:
        size = len(msgspec.msgpack.encode(msgspec.to_builtins(one, str_keys=True, enc_hook=_plain)))
    except (TypeError, ValueError, msgspec.MsgspecError, OverflowError) as error:
        raise PluginError(
            phrase("found-not-data", "a device that was found at {address} holds more than data", address=one.address)
        ) from error
    if (
        not one.address
        or not DEVICE_ID.fullmatch(one.device)
        or any(len(text) > LONGEST_TEXT for text in texts)
        or len(one.matches) > MOST_MATCHES
        or size > MOST_BYTES
    ):
        raise PluginError(
            phrase(
                "found-out-of-bounds",
                "what was found at {address!r} is not within bounds: an address, an id like acme:7, short texts, at "
                "most {most} matches",
                address=one.address[:40],
                most=MOST_MATCHES,
            )
        )


def expect_tried(tried: object) -> None:
    """Raise PluginError unless what was read is whole and within bounds."""
    if not isinstance(tried, Tried):
        raise PluginError(phrase("tried-of-other-type", "what is read from a device is a hub.sdk.finding.Tried"))
    fine = len(tried.values) + len(tried.wrong) <= MOST_VALUES and all(
        isinstance(value, float | int | bool) or (isinstance(value, str) and len(value) <= LONGEST_TEXT)
        for value in tried.values.values()
    )
    if not fine:
        raise PluginError(
            phrase(
                "tried-out-of-bounds", "a device gives numbers, flags and short texts, at most {most}", most=MOST_VALUES
            )
        )
