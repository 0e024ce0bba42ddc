"""A connection to an MQTT broker that tells what went wrong: aiomqtt, and what it keeps to itself.

aiomqtt 2.5 does not see a broker that hangs up before CONNACK (it would wait for its time-out), and forgets a sign-in
that failed or was cancelled, with its socket open. Its own time-outs are to be off (`timeout=math.inf`), ours are
`asyncio.timeout`: before Python 3.12, `asyncio.wait_for` may swallow a cancellation.

Imported when a plugin uses this module; needs the extra `mqtt`.
"""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

import aiomqtt
import paho.mqtt.client as paho
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from hub.core.errors import AuthFailed, LedElsewhere, NotReady
from hub.core.text import phrase, reason_of
from hub.sdk.session import Network, Session
from hub.sdk.tls import Tls

ANSWER_S = 10.0
PATIENCE_S = 2.0
UNSUPPORTED = 0x84
"""CONNACK of MQTT 5, §3.2.2.2: unsupported protocol version."""
ANOTHER_SERVER = (0x9C, 0x9D)
"""Of CONNACK and DISCONNECT (MQTT 5, §4.11): use another server, for now or for good."""
PIECE = 1 << 16
"""Bytes that are taken from a socket at once: paho asks for the whole rest of a packet, and Python makes room for all
of it before the first byte comes. Not less than a record of TLS holds (RFC 8446, 5.1)."""
MOST_PROPERTIES = 1 << 13
"""Bytes of a packet's properties that are read (MQTT 5, §2.2.2). paho copies what is left of them for each, and whoever
may publish may add as many as a packet holds: half a MiB of them takes it many seconds."""
_PUBLISH = 0x30
_REFUSALS = (0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C)
"""Of CONNACK (MQTT 5, §3.2.2.2): a person has to change something."""

Version = Literal["5", "3.1.1"]
C = TypeVar("C", bound="MqttClient")


class HungUp(aiomqtt.MqttError):
    """The connection ended before the broker had answered."""


def without_many_properties(packet: bytearray, *, numbered: bool) -> None:
    """Take those of a PUBLISH out, in place, where they are longer than MOST_PROPERTIES: its topic, number and payload
    are read as ever (MQTT 5, §3.3.2). `numbered`: its quality of service is not 0."""
    at = 2 + int.from_bytes(packet[:2], "big") + 2 * numbered
    length = size = 0
    for byte in packet[at : at + 4]:
        length |= (byte & 0x7F) << 7 * size
        size += 1
        if byte < 0x80:
            break
    if length > MOST_PROPERTIES:
        packet[at : at + size + length] = b"\0"


class MqttClient(aiomqtt.Client):
    """What a plugin's client derives from; it is given aiomqtt's own arguments."""

    HungUp = HungUp
    LONGEST_PACKET = 4 << 20
    """Bytes of one packet that are kept. A packet may have 256 MiB (MQTT 5, §1.5.5), only MQTT 5 lets a client say that
    it takes less, and a broker need not listen."""

    def __init__(self, *arguments: Any, stream: socket.socket | None = None, **named: Any) -> None:
        """`stream`: a socket that is connected already, by `session.network`; it is this client's from now on, and does
        for one sign-in."""
        super().__init__(*arguments, **named)
        self._led = False
        if stream is not None:
            stream.setblocking(True)  # paho signs in on a thread; afterwards it does not block
            self._client._create_socket_connection = lambda: stream  # type: ignore[method-assign]
        self._receive_any = self._client._sock_recv
        self._client._sock_recv = self._receive_piece  # type: ignore[method-assign]
        self._client._ssl_wrap_socket = self._secured  # type: ignore[method-assign]
        self._handle_any = self._client._packet_handle
        self._client._packet_handle = self._handle_packet  # type: ignore[method-assign]

    def _secured(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        """Do the handshake, and close the socket when it fails, which paho's own does not."""
        context = self._client._ssl_context
        assert context is not None  # noqa: S101 - paho asks only where there is one
        made = context.wrap_socket(tcp_sock, server_hostname=self._hostname, do_handshake_on_connect=False)
        made.settimeout(ANSWER_S)
        try:
            made.do_handshake()
        except BaseException:
            made.close()
            raise
        return made

    def _receive_piece(self, bufsize: int) -> bytes:
        self.cut(self._client, self.LONGEST_PACKET)
        return self._receive_any(min(bufsize, PIECE))

    def _handle_packet(self) -> MQTTErrorCode:
        coming = self._client._in_packet
        if self._client.protocol == MQTTProtocolVersion.MQTTv5:
            if coming["command"] & 0xF0 == _PUBLISH:
                without_many_properties(coming["packet"], numbered=bool(coming["command"] & 0x06))
            elif len(coming["packet"]) > 2 * MOST_PROPERTIES:  # of what a broker itself says, nothing is so long
                return MQTTErrorCode.MQTT_ERR_PROTOCOL
        return self._handle_any()

    @staticmethod
    def cut(client: paho.Client, longest: int) -> None:
        """Forget what of the packet that is coming in is beyond `longest` bytes. Its beginning, topic and number, is
        read as ever, so that a message can be refused by its length and acknowledged: else it came again and again."""
        del client._in_packet["packet"][longest:]

    @staticmethod
    @asynccontextmanager
    async def connected(
        make: Callable[[Version], C], version: Version, explained: Callable[[aiomqtt.MqttError], Exception]
    ) -> AsyncIterator[C]:
        """A client that has signed in, `make`d for a version of MQTT. A broker that refuses MQTT 5, or closes without a
        word (as some that never heard of it do), is asked again as 3.1.1. Raises what `explained` makes of the error;
        one within the block comes as it is. A broker that names another server is left with LedElsewhere."""
        client = make(version)
        try:
            await client.sign_in()
        except aiomqtt.MqttError as error:
            if MqttClient.reason(error) in ANOTHER_SERVER:
                raise client.led() from error
            unsupported = isinstance(error, HungUp) or MqttClient.reason(error) == UNSUPPORTED
            if version != "5" or not unsupported:
                raise explained(error) from error
            try:
                client = await make("3.1.1").sign_in()
            except aiomqtt.MqttError as again:
                raise explained(again) from again
        try:
            yield client
        except Exception as error:
            if client._led:
                raise client.led() from error
            raise
        finally:
            with suppress(aiomqtt.MqttError, TimeoutError):  # the goodbye was not heard
                async with asyncio.timeout(PATIENCE_S):
                    await client.__aexit__(None, None, None)
            client.abandon()

    @staticmethod
    def reason(error: BaseException) -> int:
        """The CONNACK's reason code (MQTT 5 §3.2.2.2; those of 3.1.1 are translated), 0 when it is no CONNACK."""
        rc = error.rc if isinstance(error, MqttConnectError) else 0
        return rc.value if isinstance(rc, ReasonCode) else int(rc or 0)

    def led(self) -> LedElsewhere:
        """What to raise where the broker names another server. Its Server Reference is not read."""
        return LedElsewhere(
            phrase(
                "broker-names-another-server",
                "the broker {host}:{port} names another server, not followed",
                host=self._hostname,
                port=self._port,
            )
        )

    @staticmethod
    def session_name(session: Session, configured: str) -> str:
        """The name of the hub's session at a broker that keeps it: configured, or remembered in the plugin's state, or
        made from this machine's id."""
        known = configured or session.state.get("client")
        if isinstance(known, str) and known:
            return known
        try:
            machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            machine = ""
        made = f"ilot-{sha256(f'ilot/mqtt/1 {machine or token_hex(16)} {session.name}'.encode()).hexdigest()[:16]}"
        session.state.put("client", made)
        return made

    async def sign_in(self) -> Self:
        """Connect, and wait for the broker's word. Raises MqttError; leaves nothing open then."""
        entering = asyncio.ensure_future(self.__aenter__())
        try:
            async with asyncio.timeout(ANSWER_S):
                await asyncio.shield(entering)
        except BaseException as error:
            if not entering.done():  # cancelled, while a thread that nothing cancels opens a socket: wait to close it
                await asyncio.wait([entering], timeout=PATIENCE_S)
            entering.cancel()
            self.abandon()
            if isinstance(error, TimeoutError):
                raise aiomqtt.MqttError(
                    phrase("broker-says-nothing", "it says nothing for {seconds:.0f} s", seconds=ANSWER_S)
                ) from error
            raise
        return self

    def abandon(self) -> None:
        """Close what is still open; aiomqtt forgets a sign-in that failed or was cancelled."""
        self._client.disconnect()
        if self._disconnected.done() and not self._disconnected.cancelled():
            self._disconnected.exception()  # seen, though nobody may have been reading when it came

    def _on_disconnect(
        self, client: Any, userdata: Any, flags: Any, reason_code: ReasonCode, properties: Properties | None = None
    ) -> None:
        self._led = self._led or getattr(reason_code, "value", 0) in ANOTHER_SERVER
        if self._connected.done() and not self._connected.cancelled():
            super()._on_disconnect(client, userdata, flags, reason_code, properties)
        else:
            self._loop.call_soon_threadsafe(self._hung_up)  # paho may call from the thread that connects

    def _hung_up(self) -> None:
        if not self._connected.done():
            self._connected.set_exception(
                HungUp(phrase("broker-closes-unanswered", "it closes the connection before it answers"))
            )
            self._connected.exception()  # seen: nobody may be waiting any more


@asynccontextmanager
async def connect_mqtt(
    network: Network,
    url: str,
    *,
    username: str = "",
    password: str = "",
    identifier: str = "",
    ca: str = "",
    version: Version = "3.1.1",
) -> AsyncIterator[MqttClient]:
    """`async with connect_mqtt(session.network, config.broker) as client`: a client that has signed in at the broker of
    a mqtt:// or mqtts:// URL that the plugin's options name. `identifier` is the client id, "" for one that the library
    makes; `ca` as in `Network.connect`.

    Raises NotReady when the broker is not reached, its certificate is refused or the connection is lost within the
    block; AuthFailed when it refuses the sign-in, or the hub may not call it; LedElsewhere when it names another
    server."""
    parts = urlsplit(url)
    broker = f"{parts.hostname}:{parts.port or ''}".rstrip(":")
    context = await asyncio.to_thread(Tls.client, ca) if parts.scheme == "mqtts" else None
    stream = await network.open_socket(url)

    def make(_: Version) -> MqttClient:
        return MqttClient(
            parts.hostname or "",
            stream=stream,
            username=username or None,
            password=password or None,
            identifier=identifier or None,
            tls_context=context,
            timeout=math.inf,
            protocol=aiomqtt.ProtocolVersion.V5 if version == "5" else aiomqtt.ProtocolVersion.V311,
        )

    def explained(error: aiomqtt.MqttError) -> Exception:
        if MqttClient.reason(error) in _REFUSALS:
            return AuthFailed(
                phrase("mqtt-sign-in-refused", "{broker} refuses: {reason}", broker=broker, reason=reason_of(error))
            )
        why = Tls.refusal(error)
        return NotReady(
            phrase(
                "broker-does-not-answer",
                "{broker} does not answer: {reason}",
                broker=broker,
                reason=why.told() if why else reason_of(error),
            )
        )

    try:
        async with MqttClient.connected(make, "3.1.1", explained) as client:  # one socket is one try
            yield client
    except aiomqtt.MqttError as error:
        raise NotReady(
            phrase("broker-lost", "{broker} is gone: {reason}", broker=broker, reason=reason_of(error))
        ) from error
    finally:
        stream.close()
