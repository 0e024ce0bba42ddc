"""The hub's UDP socket on one BACnet/IP network: sends requests at a limited rate, receives answers and notifications.

ANSI/ASHRAE 135-2020, Clause 5.4 (transactions) and Annex J. The hub is a client: it answers no requests, and accepts
answers only to its own requests, notifications only from devices that it subscribed to, and I-Am only after a Who-Is.
Each device gets one request at a time, so that a silent one delays only itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from types import TracebackType
from typing import Self

import hub
from hub.sdk import udp
from hub.sdk.phrases import phrase
from integrations.bacnet import decode, encode, names
from integrations.bacnet.assembly import Assembly
from integrations.bacnet.bbmd import Registration
from integrations.bacnet.decode import Answer, IAm, Notification, Refusal, Request, Result, Station
from integrations.bacnet.names import Refused
from integrations.bacnet.settings import PORT, Config, split_port

LISTENING_S = 10.0
"""Seconds for which I-Am is accepted after a Who-Is."""

REPEATED_S = 20.0
"""Seconds within which a confirmed notification with the invoke ID and the content of another is its repetition: a
device repeats three times, usually after 3 s each (Clause 5.4, APDU_Timeout and Number_Of_APDU_Retries)."""

Dropped = Callable[[Station | None, Exception], None]
"""Called for an invalid datagram: with the station that is read, or None for an unknown sender."""
Notify = Callable[[Notification], bool]
"""Called with a change of value; returns False when the queue is full: a confirming device sends it again."""


Heard = Callable[[IAm, Station, bytes], None]
"""Called with an I-Am, its station and the datagram."""


class Silent(hub.NotReady):
    """The device did not answer in time."""


def _silent(station: Station) -> Silent:
    return Silent(phrase("bacnet.device-silent", "{station} does not answer", station=station.place))


class Unsent(Exception):
    """A request that was no longer wanted when its turn came: nothing was sent."""


@dataclass(slots=True)
class _Pending:
    """A request under way."""

    answer: asyncio.Future[bytes]
    service: int
    timer: asyncio.Timeout | None = None
    assembly: Assembly | None = None


@dataclass(slots=True)
class _Peer:
    """A station that the hub talks to."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    notify: Notify | None = None
    acknowledged: dict[int, tuple[bytes, float]] = field(default_factory=dict)
    """By invoke ID: content and time of the last notification that was acknowledged under it."""

    def repeats(self, request: Request, now: float) -> bool:
        """Return whether it is a notification that was taken: its acknowledgement was lost."""
        content, at = self.acknowledged.get(-1 if request.invoke is None else request.invoke, (b"", 0.0))
        return content == request.data and now - at < REPEATED_S


class Link:
    """The socket: `async with Link(config) as link`. Raises NotReady when the address cannot be used."""

    def __init__(
        self,
        config: Config,
        *,
        dropped: Dropped = lambda _station, _error: None,
        heard: Heard = lambda _i_am, _station, _data: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.requests = 0
        self.answered_s: dict[Station, float] = {}
        """Station → duration of its last answer in seconds."""
        self._config = config
        self._dropped, self._heard, self._sleep = dropped, heard, sleep
        self.listeners: list[Heard] = []
        """Who else is told of every I-Am."""
        self._timeout = config.timeout.total_seconds()
        self._free_at = 0.0
        self._listening_until = 0.0
        self._invoke = 0  # one sequence for all stations: one that returns must not match a late answer
        self._peers: dict[Station, _Peer] = {}
        self._pending: dict[tuple[Station, int], _Pending] = {}
        self._transports: list[asyncio.DatagramTransport] = []
        bbmd = None if config.bbmd is None else split_port(config.bbmd)
        self._foreign = None if bbmd is None else Registration(bbmd, config.bbmd_lifetime, self._send)

    async def __aenter__(self) -> Self:
        discover = self._config.discover
        try:
            await self._open(self._config.address)
            if discover is not None and discover.broadcast and self._config.address != "0.0.0.0":  # noqa: S104
                # Linux delivers broadcasts only to a socket of that address
                await self._open(split_port(discover.broadcast)[0], shared=True)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        self._loop = asyncio.get_running_loop()
        return self

    async def _open(self, address: str, *, shared: bool = False) -> None:
        port = self._config.port or (self.address[1] if self._transports else 0)
        sock = udp.bound(address, port, shared=shared, broadcasts=self._config.discover is not None)
        try:
            opened, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _DatagramProtocol(self), sock=sock
            )
        except BaseException:
            sock.close()
            raise
        self._transports.append(opened)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for transport in self._transports:
            transport.close()
        for pending in self._pending.values():
            pending.answer.cancel()
        self._transports = []

    @property
    def address(self) -> tuple[str, int]:
        """Return the hub's own host and port."""
        host, port = self._transports[0].get_extra_info("sockname")
        return str(host), int(port)

    def join(self, station: Station, notify: Notify | None = None) -> None:
        """Start talking to this station; `notify` gets its changes of value."""
        self._peers.setdefault(station, _Peer()).notify = notify

    def knows(self, station: Station) -> bool:
        """Return whether somebody talks to this station."""
        return station in self._peers

    def leave(self, station: Station) -> None:
        self._peers.pop(station, None)
        self.answered_s.pop(station, None)

    async def request(
        self,
        station: Station,
        service: int,
        body: bytes,
        *,
        attempts: int = 1,
        wanted: Callable[[], bool] = lambda: True,
    ) -> bytes:
        """Send a request and return the octets of the answer, none for a simple acknowledgement.

        `wanted` is called right before each attempt, since others may have been served for long. Raises Silent (no
        answer after `attempts`), Unsent (not `wanted` before the first was sent), Refused (an error, a reject or an
        abort) or DecodeError."""
        peer = self._peers.setdefault(station, _Peer())
        async with peer.turn:
            invoke, self._invoke = self._invoke, (self._invoke + 1) % 256
            pending = _Pending(self._loop.create_future(), service)
            self._pending[station, invoke] = pending
            message = encode.unicast(encode.npdu(encode.confirmed(service, invoke, body), station, reply=True))
            try:
                for attempt in range(attempts):
                    await self._pace()
                    if not pending.answer.done():  # answered while the next attempt waited for its slot
                        if not wanted():
                            raise Unsent(station) if attempt == 0 else _silent(station)
                        pending.assembly = None
                        self._send(message, (station.host, station.port))
                        self.requests += 1
                    sent = self._loop.time()
                    if await self._answer_in_time(pending):
                        self.answered_s[station] = self._loop.time() - sent
                        return pending.answer.result()
                raise _silent(station)
            finally:
                del self._pending[station, invoke]
                if not pending.answer.cancel() and not pending.answer.cancelled():
                    pending.answer.exception()  # retrieved, even when nobody waits for it any more

    async def _answer_in_time(self, pending: _Pending) -> bool:
        try:
            async with asyncio.timeout(self._timeout) as pending.timer:
                await asyncio.wait({pending.answer})
        except TimeoutError:
            return pending.answer.done()
        finally:
            pending.timer = None
        return True

    async def ask_who_is(self, low: int, high: int) -> None:
        """Broadcast one Who-Is, as configured; I-Am is passed to `heard` for a while."""
        discover = self._config.discover
        if discover is None:
            raise hub.NotReady(
                phrase("bacnet.broadcast-not-configured", "nothing is broadcast unless `discover` is configured")
            )
        await self._pace()
        whole = (low, high) == (0, names.LAST_INSTANCE)
        apdu = encode.unconfirmed(names.WHO_IS, b"" if whole else encode.who_is(low, high))
        self._listening_until = self._loop.time() + LISTENING_S
        if discover.broadcast is not None:
            host, port = split_port(discover.broadcast)
            self._send(encode.broadcast(encode.npdu(apdu, None, reply=False)), (host, port))
        elif self._foreign is not None:
            self._send(encode.distribute(encode.npdu(apdu, None, reply=False)), self._foreign.bbmd)

    async def ask_one(self, station: Station) -> None:
        """Send Who-Is to one address only; I-Am is passed to `heard` for a while."""
        await self._pace()
        self._listening_until = self._loop.time() + LISTENING_S
        apdu = encode.unconfirmed(names.WHO_IS, b"")
        self._send(encode.unicast(encode.npdu(apdu, station, reply=False)), (station.host, station.port))

    async def register(self) -> None:
        """Register with the BBMD once, if one is configured. Raises NotReady, AuthFailed."""
        if self._foreign is not None:
            await self._foreign.register()

    async def stay_registered(self) -> None:
        """Renew the registration until cancelled. Raises as `register`."""
        while self._foreign is not None:
            await self._sleep(self._config.bbmd_lifetime.total_seconds() / 2)
            await self._foreign.register()

    async def _pace(self) -> None:
        """Wait for the next slot; slots are assigned in the order of asking."""
        now = self._loop.time()
        slot = max(now, self._free_at)
        self._free_at = slot + 1 / self._config.max_rate
        if slot > now:
            await self._sleep(slot - now)

    def _send(self, message: bytes, to: tuple[str, int]) -> None:
        self._transports[0].sendto(message, to)

    def received(self, data: bytes, source: tuple[str, int]) -> None:
        """Process a datagram. Never raises for its contents."""
        try:
            message = decode.datagram(data, *source)
            if isinstance(message, (Answer, Refusal)) and data[1] != 0x04:
                self._answered(message)
            elif isinstance(message, Request):
                self._asked(message, data, source)
            elif isinstance(message, Result) and self._foreign is not None and source == self._foreign.bbmd:
                self._foreign.answered(message.code)
        except (hub.DecodeError, hub.LedElsewhere) as error:
            self._dropped(self._known(*source), error)

    def _known(self, host: str, port: int) -> Station | None:
        return next((station for station in self._peers if station[:2] == (host, port)), None)

    def _answered(self, message: Answer | Refusal) -> None:
        pending = self._pending.get((message.station, message.invoke))
        if pending is None or pending.answer.done():
            known = message.station if message.station in self._peers else None
            self._dropped(
                known,
                hub.DecodeError(
                    "unasked", phrase("bacnet.unasked-answer", "an answer to nothing that was asked, or too late")
                ),
            )
            return
        if isinstance(message, Refusal):
            pending.answer.set_exception(message.error)
        elif message.service != pending.service:
            pending.answer.set_exception(
                hub.DecodeError(
                    "bad-answer",
                    phrase("bacnet.answer-of-another-service", "an answer to another service than was asked"),
                )
            )
        elif message.sequence is None:
            pending.answer.set_result(message.data)
        else:
            self._segment(message, pending)

    def _segment(self, message: Answer, pending: _Pending) -> None:
        """Add a segment of an answer: restart the time-out, and acknowledge."""
        station = message.station
        pending.assembly = pending.assembly or Assembly(message.invoke)
        try:
            back = pending.assembly.feed(message)
        except hub.DecodeError as error:
            back = encode.abort(message.invoke, 1)
            pending.answer.set_exception(error)
        if back is not None:
            self._send(encode.unicast(encode.npdu(back, station, reply=False)), (station.host, station.port))
        if pending.timer is not None and not pending.timer.expired():
            pending.timer.reschedule(self._loop.time() + self._timeout)
        if pending.assembly.done and not pending.answer.done():
            pending.answer.set_result(pending.assembly.whole)

    def _asked(self, request: Request, data: bytes, source: tuple[str, int]) -> None:
        forwarded = data[1] == 0x04
        if request.invoke is None and request.service == names.I_AM:
            # a forwarded broadcast is accepted from our BBMD only, and after a Who-Is
            passed_on = not forwarded or self._foreign is None or source == self._foreign.bbmd
            if self._loop.time() < self._listening_until and passed_on:
                if forwarded:
                    self._stay(request.station, source)
                for heard in (self._heard, *self.listeners):
                    heard(decode.i_am(request.data), request.station, data)
            return
        peer = None if forwarded else self._peers.get(request.station)
        if peer is None:
            return  # Who-Is, time and alarms of others are normal traffic: not counted
        notice = (names.COV_UNCONFIRMED if request.invoke is None else names.COV_CONFIRMED) == request.service
        if not notice or request.segmented or peer.notify is None:
            if request.invoke is not None:
                self._reply(request, encode.reject(request.invoke, 9))
            return
        try:
            again = peer.repeats(request, self._loop.time())
            accepted = again or peer.notify(decode.notification(request.data))
        except Refused as refused:
            if request.invoke is not None:
                self._reply(request, encode.error(request.service, request.invoke, 5, refused.code))
            raise
        except hub.DecodeError:
            if request.invoke is not None:
                self._reply(request, encode.reject(request.invoke, 4))
            raise
        if accepted and request.invoke is not None:
            if not again:
                peer.acknowledged[request.invoke] = request.data, self._loop.time()
            self._reply(request, encode.simple_ack(request.service, request.invoke))

    def _stay(self, station: Station, source: tuple[str, int]) -> None:
        """Check the address in a forwarded I-Am.

        The forwarder itself names the device's address, which the hub will use. A BBMD named in the configuration may
        give any address; any other sender, one of a private network at a port of BACnet (Annex J.1.2) or the hub's own.
        Raises LedElsewhere."""
        host, ours = IPv4Address(station.host), IPv4Address(self.address[0])
        trusted = self._foreign is not None and source == self._foreign.bbmd
        usual = range(PORT, PORT + 16), (self._config.port,)
        discover = self._config.discover
        all_of_them = discover is not None and (discover.broadcast or "").partition(":")[0] == station.host
        no_machine = host.is_multicast or host.is_unspecified or host.is_reserved or station.port == 0 or all_of_them
        here = host.is_loopback and not ours.is_loopback
        anywhere = not host.is_private or not any(station.port in ports for ports in usual)
        if no_machine or here or (anywhere and not trusted):
            raise hub.LedElsewhere(
                phrase(
                    "bacnet.device-elsewhere",
                    "{source} passes on a device at {station}, not asked there: give its `address`",
                    source=source[0],
                    station=station.place,
                )
            )

    def _reply(self, request: Request, apdu: bytes) -> None:
        station = request.station
        self._send(encode.unicast(encode.npdu(apdu, station, reply=False)), (station.host, station.port))


class _DatagramProtocol(asyncio.DatagramProtocol):
    """The datagram protocol of asyncio for the link."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._link.received(data, addr)
