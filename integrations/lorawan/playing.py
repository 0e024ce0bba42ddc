"""Plays devices of a LoRaWAN pack for `ilot sim --pack`: they join over the air behind a simulated gateway, and send
the payloads of the pack's vectors, signed and encrypted."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import hub
from hub.sdk.phrases import phrase
from hub.sdk.simulation import Fault, Message, Play, Played, Script
from integrations.lorawan.airtime import airtime
from integrations.lorawan.playing_station import StationGateway
from integrations.lorawan.region import RATES
from integrations.lorawan.sim import KEEPALIVE_S, RATE, Gateway, Sensor

JOIN_S, JOINS = 8.0, 12
"""Seconds to wait for a join accept (both windows are over after 6), and attempts without any success around."""
AT_ONCE = 6
"""Devices that join at a time: the law leaves one gateway room for about one answer a second."""


class Speaker(Sensor):
    """A device that says what it is told to."""

    def __init__(self, number: int, rng: random.Random, nonce: int) -> None:
        super().__init__(number, rng, nonce)
        self.saying = b""
        self.let_in = asyncio.Event()

    def says(self, seconds: float) -> bytes:
        return self.saying

    def hears(self, raw: bytes) -> bool:
        heard = super().hears(raw)
        if self.session is not None:
            self.let_in.set()
        return heard


class LorawanPlayer:
    """Devices behind one packet forwarder."""

    faults: frozenset[Fault] = frozenset({"silence", "repeat", "bad-mic", "drop", "wrong-payload"})
    environment: dict[str, str] = {}  # noqa: RUF012 - nothing to add to
    secrets: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, script: Script, gateway: Gateway, sensors: list[Speaker], options: dict[str, Any]) -> None:
        self._gateway = gateway
        self._sensors = sensors
        self._joining = asyncio.Semaphore(AT_ONCE)
        self._in_vain = 0
        settings = {"version": script.mac} if script.mac else {}
        self.devices = [Played(f"lorawan:{one.dev_eui.hex()}", settings, one.app_key.hex()) for one in sensors]
        self.options = options

    def speaks(self, device: int, message: Message) -> bool:
        return True

    async def joined(self, device: int) -> None:
        sensor = self._sensors[device]
        if isinstance(self._gateway, StationGateway):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(JOIN_S * JOINS):
                    await self._gateway.let_in.wait()
        async with self._joining:
            while self._in_vain < JOINS * min(AT_ONCE, len(self._sensors)):
                self._gateway.send(2)
                self._gateway.forward(sensor, sensor.join_request())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(JOIN_S * random.uniform(1.0, 1.3)):  # noqa: S311 - not all at once again
                        await sensor.let_in.wait()
                        self._in_vain = 0
                        return
                self._in_vain += 1
        raise hub.NotReady(
            phrase(
                "lorawan.simulated-device-not-let-in",
                "{device} asked {count} times to join and had no answer: are the device, its key and the gateway in "
                "the configuration of the hub, and does the hub listen at this port?",
                device=self.devices[device].id,
                count=JOINS,
            )
        )

    async def say(self, device: int, message: Message, fault: Fault | None) -> None:
        if fault == "silence":
            return
        sensor = self._sensors[device]
        sensor.port = message.port or 1
        sensor.saying = message.payload
        if fault == "wrong-payload":
            sensor.saying = spoilt(message.payload)
        frame = sensor.uplink(time.monotonic(), confirmed=False)
        if fault == "bad-mic":
            frame = frame[:-1] + bytes((frame[-1] ^ 0xFF,))
            sensor.fcnt_up -= 1  # what it says next takes this counter: nobody has heard it
        await asyncio.sleep(airtime(RATES[RATE], len(frame), uplink=True))
        if fault == "drop":
            return
        self._gateway.forward(sensor, frame)
        if fault == "repeat":
            await asyncio.sleep(1.0)  # longer than the hub gathers the copies of several gateways
            self._gateway.forward(sensor, frame)


def spoilt(payload: bytes) -> bytes:
    """Return a payload as a device with a fault might send it: cut in half, and its last byte turned over."""
    half = payload[: max(1, len(payload) // 2)]
    return half[:-1] + bytes((half[-1] ^ 0xFF,)) if half else b"\xff"


def destination(options: Any) -> tuple[str, int]:
    """Return where the hub listens for packet forwarders, by its options; a free port where there are none."""
    if options is not None:
        if options.udp is None:
            raise hub.NotReady(
                phrase(
                    "lorawan.simulated-gateway-needs-udp",
                    "the simulated gateway is a UDP packet forwarder, and the configuration of the hub has no `udp`",
                )
            )
        return options.udp.address, options.udp.port
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1", int(probe.getsockname()[1])


@asynccontextmanager
async def play(script: Script) -> AsyncIterator[LorawanPlayer]:
    rng = random.Random(f"{script.pack} {script.seed}")  # noqa: S311 - a simulation
    eui = bytes.fromhex(f"0016c001{rng.randrange(1 << 32):08x}")
    minutes = int(time.time() / 60) & 0xFFFF  # a device never uses a DevNonce twice, and this one forgets
    sensors = [Speaker(number, rng, minutes) for number in range(script.devices)]
    options: dict[str, Any] = {"gateways": {eui.hex(): {}}}
    if script.options is not None and script.options.udp is None:
        station = _station(script.options.station, eui, sensors)
        serving = asyncio.create_task(station.serve(), name="station")
        gateway: Gateway = station
    else:
        host, port = destination(script.options)
        gateway, options["udp"] = Gateway(eui, list(sensors)), {"port": port}
        serving = asyncio.create_task(_forward(gateway, host, port), name="gateway")
    try:
        yield LorawanPlayer(script, gateway, sensors, options)
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


async def _forward(gateway: Gateway, host: str, port: int) -> None:
    """Forward by UDP until cancelled."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: gateway, remote_addr=(host, port))
    try:
        while True:
            gateway.send(2)
            await asyncio.sleep(KEEPALIVE_S)
    finally:
        transport.close()


def _station(given: Any, eui: bytes, sensors: list[Speaker]) -> StationGateway:
    """Return a Basics Station that goes where the hub listens for them. Raises NotReady where that needs TLS."""
    if given.certificate:
        raise hub.NotReady(
            phrase(
                "lorawan.simulated-station-without-tls",
                "the simulated Basics Station speaks no TLS, and the hub's `station` has a certificate: give the hub "
                "`udp` on 127.0.0.1 for this",
            )
        )
    token = "" if given.token is None else given.token.get_secret_value()
    return StationGateway(eui, list(sensors), f"ws://{given.address}:{given.port}", token)


PLAYERS: dict[str, Play] = {"lorawan": play}
