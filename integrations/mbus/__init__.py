"""M-Bus: meters on a wire, read through a level converter, and decoders of wired and wireless telegrams.

EN 13757-2, -3, -4 and -7. `ilot decode mbus` and `ilot decode wmbus` show the whole contents of
a telegram. One instance of the integration is one bus. Only requests are sent: nothing that changes a meter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

import hub
from hub.sdk import serial_line
from hub.sdk.phrases import phrase
from integrations.mbus import decode as telegrams
from integrations.mbus import radio
from integrations.mbus.decode import Message
from integrations.mbus.finder import FINDER
from integrations.mbus.layouts import LAYOUTS
from integrations.mbus.readings import present, states
from integrations.mbus.reasons import REASONS, SAMPLING
from integrations.mbus.settings import DeviceSettings, MappedRecord, RecordMap

if TYPE_CHECKING:
    from integrations.mbus.master import Master
    from integrations.mbus.search import Found, Search
    from integrations.mbus.shared import Shared

__all__ = ["Config", "DeviceSettings", "listen", "probe", "register_decoders", "register_integrations", "run"]

WIRED, WIRELESS = "mbus", "wmbus"
MAPPED: dict[str, tuple[MappedRecord, ...]] = {}
"""What people say of the records of meters that are heard by radio, by device id."""


class Config(hub.Config):
    """One bus: a level converter on a serial port, or behind a TCP port."""

    port: str = Field(
        description="The serial port, best by its name in /dev/serial/by-id, or tcp://host:port.",
        min_length=1,
    )
    baudrate: Literal[300, 600, 1200, 2400, 4800, 9600, 19200, 38400] = Field(
        default=2400,
        description="Of the bus, in bit/s; a TCP converter has its own setting.",
    )
    parity: Literal["E", "N"] = Field(
        default="E",
        description="E is even, the standard's; N is none.",
    )
    interval: timedelta = Field(
        default=timedelta(minutes=15),
        ge=timedelta(seconds=10),
        le=timedelta(days=1),
        description="Time between two readings of a meter. One on a battery answers some hundred times a day at most.",
    )
    timeout: timedelta = Field(
        default=timedelta(seconds=3),
        ge=timedelta(milliseconds=100),
        le=timedelta(seconds=30),
        description="How long a whole answer may take.",
    )
    retries: int = Field(
        default=2,
        ge=0,
        le=5,
        description="Further attempts when a meter stays silent.",
    )
    search: Literal["off", "secondary", "primary"] = Field(
        default="off",
        description="Look once for meters that are not configured, between two polls: by their own addresses (some "
        "minutes a meter), or at the primary addresses 0 to 250. They become candidates.",
        title="Search",
    )
    pace: timedelta = Field(
        default=timedelta(milliseconds=200),
        ge=timedelta(milliseconds=50),
        le=timedelta(seconds=10),
        description="The least time between two questions of a search.",
        title="Pace",
    )

    def libraries(self) -> tuple[str, ...]:
        return () if self.port.startswith("tcp://") else ("serialx",)


async def run(config: Config, session: hub.Session) -> None:
    """Read every meter of this bus at intervals, until cancelled. Raises NotReady when the line is gone or every meter
    is silent, AuthFailed where rights are missing."""
    from integrations.mbus.master import Master
    from integrations.mbus.poll import Poller
    from integrations.mbus.shared import opened

    async with opened(config, session.name) as shared:
        master = Master(shared.line, timeout=config.timeout.total_seconds(), retries=config.retries)
        meters: dict[str, DeviceSettings] = {}
        poller = Poller(master, session, meters, shared.turn)
        search = _search(config, shared.line) if config.search not in ("off", session.state.get("searched")) else None
        if config.search == "off":
            session.state.put("searched", None)  # so that the next request for a search is carried out
        changes = session.devices.changes()
        meters |= {d.id: d.settings_as(DeviceSettings) for d in session.devices.all()}
        try:
            async with asyncio.TaskGroup() as tasks:
                following = tasks.create_task(poller.follow(changes), name="new meters")
                async for _ in session.polling.poll_cycles(
                    config.interval, lambda: [d.id for d in session.devices.all()]
                ):
                    devices = session.devices.all()
                    meters |= {d.id: d.settings_as(DeviceSettings) for d in devices}
                    try:
                        await poller.poll(devices)
                    except hub.NotReady:
                        if search is not None:  # the addresses may be wrong, which a search will show
                            await _look(search, shared, config, session)
                        raise
                    if search is not None and await _look(search, shared, config, session):
                        session.state.put("searched", config.search)
                        search = None
                following.cancel()
        except BaseExceptionGroup as failures:
            away, bugs = failures.split(hub.NotReady)
            if away is None or bugs is not None:
                raise
            raise away.exceptions[0] from failures


def search_master(config: Config, line: serial_line.SerialLine) -> Master:
    """Return the master of a search. An answer begins within 330 bit times and 50 ms (EN 13757-2:2018, 5.5); its
    transmission takes its own time."""
    from integrations.mbus.master import Master

    ack = min(config.timeout.total_seconds(), 0.05 + 341 / config.baudrate + 0.25)
    return Master(line, timeout=config.timeout.total_seconds(), retries=0, ack=ack, rest=config.pace.total_seconds())


def _search(config: Config, line: serial_line.SerialLine) -> Search:
    from integrations.mbus.search import Search

    return Search(search_master(config, line), primary=config.search == "primary")


async def _look(search: Search, shared: Shared, config: Config, session: hub.Session) -> bool:
    """Continue a search for half of the time between two polls. True once it is complete."""
    import time

    end = time.monotonic() + config.interval.total_seconds() / 2
    while not search.done and time.monotonic() < end:
        async with shared.turn:
            found = await search.step()
        if found is not None:
            session.devices.discovered(_candidate(found, session.name))
    if search.done:
        for _clash in search.clashes:
            session.radio.report_decode_error("", hub.DecodeError("mbus-twins"))
        session.log.info(
            phrase(
                "mbus.search-over",
                "the search of the bus is over after {count} [question|questions]",
                count=search.questions,
            )
        )
    return search.done


def _candidate(found: Found, integration: str) -> hub.Candidate:
    who = found.message.identity
    values: dict[str, float | int | bool | str] = dict(telegrams.readings(found.message))
    return hub.Candidate(
        id=found.device,
        integration=integration,
        values=values,
        evidence=found.evidence(),
        model=f"{who.manufacturer} {telegrams.medium(who)}" if who else "",
    )


async def listen(config: Config, hear: Callable[[dict[str, Any]], None]) -> None:
    """Search the bus, without a hub: each meter's telegram is passed to `hear`. Raises NotReady, AuthFailed."""
    async with serial_line.open_serial_line(
        config.port, baudrate=config.baudrate, parity=config.parity, holder="a search"
    ) as line:
        search = _search(config, line)
        while not search.done:
            found = await search.step()
            if found is not None:
                hear({"telegram": found.raw.hex(), "address": "" if found.address is None else str(found.address)})


async def probe(config: Config) -> str:
    """Open the line without sending a request. Raises NotReady, AuthFailed."""
    async with serial_line.open_serial_line(config.port, baudrate=config.baudrate, parity=config.parity):
        return phrase(
            "mbus.port-open", "{port} is open; meters are asked only once they are configured", port=config.port
        )


def decode_wired(frame: hub.Frame, keys: object) -> hub.Decoded:
    """Decode a wired telegram. A meter that does not send its address is identified by its bus address."""
    message = telegrams.wired(frame.data["telegram"])
    device = message.identity.device if message.identity else f"mbus:{frame.address}"
    return _decoded(message, device, hub.Proof(scheme="mbus"))


def decode_wireless(frame: hub.Frame, keys: Any) -> hub.Decoded | hub.NeedKey:
    """Decode a wireless telegram; `NeedKey` when it is encrypted and the hub holds no key for that meter."""
    raw = radio.strip(frame.data["telegram"])
    device = telegrams.sender_of(raw)
    try:
        message = telegrams.stripped(raw, keys(device), LAYOUTS)
    except hub.DecodeError as error:
        if error.reason == "needs-key":
            return hub.NeedKey(device=device)
        raise
    schemes = {"none": "none", "opened": "none", "AES-CTR": "wmbus-ctr", "mode 5": "oms-5", "mode 7": "oms-7"}
    proof = hub.Proof(
        scheme=schemes[message.protected],
        counter=message.counter,
        authenticated=message.authenticated,
        sealed=schemes[message.protected] != "none",
    )
    return _decoded(message, device, proof, MAPPED.get(device, ()))


def _decoded(message: Message, device: str, proof: hub.Proof, mapped: tuple[MappedRecord, ...] = ()) -> hub.Decoded:
    who, parsed = message.identity, message.parsed
    model = f"{who.manufacturer} {telegrams.medium(who)}" if who else ""
    now = present(parsed.records, who, mapped)
    skipped = now.skipped + ((parsed.problem,) if parsed.problem else ())
    values: dict[str, float | int | bool | str] = {**now.values, **states(message.status)}
    return hub.Decoded(device=device, values=values, proof=proof, model=model, skipped=skipped)


def explain_wired(frame: hub.Frame, keys: object) -> Iterator[dict[str, Any]]:
    """Yield the header of a telegram, then one object for each record."""
    return telegrams.explain(telegrams.wired(frame.data["telegram"]))


def explain_wireless(frame: hub.Frame, keys: Any) -> Iterator[dict[str, Any]]:
    raw = radio.strip(frame.data["telegram"])
    return telegrams.explain(telegrams.stripped(raw, keys(telegrams.sender_of(raw)), LAYOUTS))


def _line(kind: str, fields: dict[str, Any]) -> hub.Frame:
    text = fields.get("raw", fields.get("telegram", ""))
    try:
        raw = bytes.fromhex(text)
    except (TypeError, ValueError):
        raise hub.DecodeError(
            "not-hex",
            phrase("mbus.telegram-not-hexadecimal", 'a telegram is hexadecimal, or {{"telegram": hexadecimal}}'),
        ) from None
    address = str(fields.get("address", ""))
    return hub.Frame(kind=kind, address=address, data={"telegram": raw}, name=address and f"primary address {address}")


def line_wired(fields: dict[str, Any]) -> hub.Frame:
    """Parse one line of `ilot decode mbus`. Raises DecodeError."""
    return _line(WIRED, fields)


def line_wireless(fields: dict[str, Any]) -> hub.Frame:
    """Parse one line of `ilot decode wmbus`. Raises DecodeError."""
    return _line(WIRELESS, fields)


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register(
        "mbus",
        Config,
        run,
        device=DeviceSettings,
        probe=probe,
        listen=listen,
        pack=RecordMap,
        reasons=REASONS,
        sampling=SAMPLING,
        finder=FINDER,
    )


@hub.hookimpl
def register_decoders(register: hub.RegisterDecoder) -> None:
    register("mbus", WIRED, decode_wired, line=line_wired, explain=explain_wired)
