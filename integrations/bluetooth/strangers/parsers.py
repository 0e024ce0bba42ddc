"""Finds and runs the installed parsers. Runs in the worker only: it imports third-party code."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import re
import signal
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from mmap import mmap
from typing import Any, NamedTuple

from integrations.bluetooth.strangers.messages import LABEL, Answer, Ask, Said, clean, label

OWN = frozenset(("bthome-ble", "ruuvitag-ble", "atc-ble"))
"""Parsers of sensors that this hub decodes itself: not used."""

PATIENCE_S = 0.05
"""Processor time one advertisement may take."""

REMEMBERED = 1024
"""Senders whose last manufacturer data is remembered."""

_BUILT_ON = re.compile(r"(bluetooth-)?sensor-state-data\b", re.IGNORECASE)
_KEYS = {"bindkey": lambda key: key, "advertisement_key": lambda key: key.hex()}
"""Names of the key argument of parsers, and the conversion of the key."""


class TooSlow(BaseException):
    """Raised when a parser takes too long. Not an Exception, so that a parser that swallows those cannot swallow
    this."""


class Parser(NamedTuple):
    """A class of a distribution, and the name of its key argument, if any."""

    distribution: str
    version: str
    make: Callable[..., Any]
    key: str


def find(page: mmap | bytearray, left_out: Collection[str] = ()) -> tuple[list[Parser], list[tuple[str, str]]]:
    """Return the installed parsers by name of their distribution, and the failed ones: (distribution, error). `page`
    names the module that is being imported."""
    found: list[Parser] = []
    broken: list[tuple[str, str]] = []
    modules = importlib.metadata.packages_distributions()
    for distribution in sorted(_distributions(modules) - OWN - set(left_out)):
        page[:LABEL] = label(distribution)
        names = [module for module, homes in modules.items() if distribution in map(_canonical, homes)]
        try:
            classes = [made for name in sorted(names) for made in _classes(importlib.import_module(name))]
        except Exception as error:  # third-party modules may raise anything at import
            broken.append((distribution, _short(error)))
            continue
        version = importlib.metadata.version(distribution)
        found += [Parser(distribution, version, made, _key_argument(made)) for made in classes]
    page[:LABEL] = label("")
    return found, broken


def _distributions(modules: Mapping[str, list[str]]) -> set[str]:
    """Return every distribution that requires sensor-state-data."""
    homes = {home for homes in modules.values() for home in homes}
    built = {_canonical(home) for home in homes if any(map(_BUILT_ON.match, importlib.metadata.requires(home) or ()))}
    return built - {"bluetooth-sensor-state-data"}


def _canonical(name: str) -> str:
    """Return PyPA's canonical name of a distribution."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _classes(module: Any) -> Iterator[Callable[..., Any]]:
    from bluetooth_sensor_state_data import BluetoothData

    classes = {value: None for value in vars(module).values() if inspect.isclass(value)}
    for value in classes:
        if issubclass(value, BluetoothData) and value is not BluetoothData and not inspect.isabstract(value):
            yield value


def _key_argument(made: Callable[..., Any]) -> str:
    return next((name for name in inspect.signature(made).parameters if name in _KEYS), "")


class Reader:
    """Runs every parser. `page` names the one at work."""

    def __init__(self, parsers: list[Parser], page: mmap | bytearray, patience: float = PATIENCE_S) -> None:
        self._parsers = [(parser, label(parser.distribution)) for parser in parsers]
        self._page = page
        self._alarm = Alarm(patience)
        self._last: OrderedDict[str, dict[int, bytes]] = OrderedDict()

    def read(self, ask: Ask) -> Answer:
        """Return the parsers' result for one advertisement. Never raises what a parser raises."""
        info = _info(ask, self._news(ask))
        failed: list[tuple[str, str]] = []
        answers: list[tuple[Parser, Any, Any]] = []
        for parser, at_work in self._parsers:
            self._page[:LABEL] = at_work
            try:
                with self._alarm:
                    # A parser object repeats every value it ever saw: a new one for each frame returns the values of
                    # that frame only, and a flood of senders uses no memory.
                    made = parser.make(**_key(parser, ask.key))
                    update = made.update(info)
                    recognised = any(device.model for device in update.devices.values())
            except TooSlow:
                self._alarm.off()  # it may have fired just as it was switched off
                failed.append((parser.distribution, "too-slow"))
            except MemoryError:
                failed.append((parser.distribution, "out-of-memory"))
            except Exception as error:  # hostile bytes may make third-party code raise anything
                failed.append((parser.distribution, f"raised {type(error).__name__}"))
            else:
                if recognised:
                    answers.append((parser, made, update))
        self._page[:LABEL] = label("")
        if not answers:
            return Answer(ask.number, failed=failed)
        (parser, made, update), *others = answers
        opened = bool(getattr(made, "bindkey_verified", False)) and ask.key is not None
        scheme = getattr(getattr(made, "encryption_scheme", None), "name", "NONE")
        return Answer(
            ask.number,
            parser=parser.distribution,
            model=_model(update),
            sealed=scheme != "NONE" and not opened,
            opened=opened,
            said=list(_said(update))[:128],
            others=[other.distribution for other, _, _ in others],
            failed=failed,
        )

    def _news(self, ask: Ask) -> dict[int, bytes]:
        """Return the manufacturer data that is new.

        BlueZ reports earlier data of a device beside the present ones, and some makers encode measurements in the
        company id: only the difference shows which is the latest."""
        last = self._last.pop(ask.address, {})
        self._last[ask.address] = ask.manufacturer
        if len(self._last) > REMEMBERED:
            self._last.popitem(last=False)
        if len(ask.manufacturer) < 2:
            return ask.manufacturer
        news = {company: data for company, data in ask.manufacturer.items() if last.get(company) != data}
        return news or ask.manufacturer


class Alarm:
    """Raises TooSlow in the code inside `with alarm:` after `seconds` of processor time. Use only one in a process."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._armed = False
        signal.signal(signal.SIGPROF, self._ring)

    def __enter__(self) -> None:
        self._armed = True
        signal.setitimer(signal.ITIMER_PROF, self._seconds, self._seconds)  # repeatedly, in case it is swallowed

    def __exit__(self, *error: object) -> None:
        self.off()

    def off(self) -> None:
        self._armed = False
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _ring(self, number: int, stack: object) -> None:
        if self._armed:
            raise TooSlow


def _key(parser: Parser, key: bytes | None) -> dict[str, Any]:
    return {parser.key: _KEYS[parser.key](key)} if parser.key and key else {}


def _info(ask: Ask, manufacturer: dict[int, bytes]) -> Any:
    from habluetooth import BluetoothServiceInfoBleak

    return BluetoothServiceInfoBleak(
        name=ask.name or ask.address,
        address=ask.address,
        rssi=ask.rssi if ask.rssi is not None else -127,
        manufacturer_data=manufacturer,
        service_data=ask.service,
        service_uuids=[*ask.uuids, *ask.service],
        source="",
        device=None,  # type: ignore[arg-type]  # no parser has any use for these two
        advertisement=None,
        connectable=False,
        time=0.0,
        tx_power=None,
    )


def _model(update: Any) -> str:
    for device in update.devices.values():
        if device.model:
            return _text(f"{device.manufacturer or ''} {device.model}".strip()[:64])
    return ""


def _said(update: Any) -> Iterator[Said]:
    for kind, values, descriptions in (
        ("sensor", update.entity_values, update.entity_descriptions),
        ("flag", update.binary_entity_values, update.binary_entity_descriptions),
    ):
        for at, value in values.items():
            described = descriptions.get(at)
            cls = getattr(getattr(described, "device_class", None), "value", "") or ""
            unit = getattr(described, "native_unit_of_measurement", None)
            yield Said(
                kind,
                _text(at.key),
                _value(value.native_value),
                _text(at.device_id),
                _text(cls),
                _text(getattr(unit, "value", unit)),
            )
    for at, event in update.events.items():
        yield Said("event", _text(at.key), _text(event.event_type), _text(at.device_id))


def _value(value: object) -> float | int | bool | str | None:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else None
    return _text(value)


def _text(value: object) -> str:
    return "" if value is None else clean(str(value)[:200])


def _short(error: BaseException) -> str:
    return clean(f"{type(error).__name__}: {error}"[:160])
