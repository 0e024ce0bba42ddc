"""Connection to the bus: xknx's tunnels and routing, without its devices, queues and logs. All I/O is here.

KNX Standard v2.1, 03_08_04 Tunnelling and 03_08_05 Routing; AN159 KNX IP Secure. A lost connection is not restored
here: `lost` is set, the plugin ends with NotReady, and the supervisor starts it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple

from xknx import XKNX
from xknx.cemi.cemi_frame import CEMILData
from xknx.cemi.cemi_handler import CEMIHandler
from xknx.core.connection_state import XknxConnectionState
from xknx.dpt.payload import DPTArray, DPTBinary
from xknx.exceptions import CommunicationError, InvalidSecureConfiguration, IPSecureError, XKNXException
from xknx.io import ConnectionConfig, ConnectionType
from xknx.io.connection import SecureConfig
from xknx.io.tunnel import UDPTunnel
from xknx.secure import Keyring
from xknx.telegram import Telegram as KnxTelegram
from xknx.telegram.address import GroupAddress
from xknx.telegram.apci import GroupValueRead, GroupValueResponse, GroupValueWrite
from xknx.telegram.tpci import TDataGroup

import hub
from hub.sdk.phrases import phrase, reason_of
from integrations.knx import addresses, decode, guard  # noqa: F401 - importing the guard puts it there
from integrations.knx.settings import Config

logging.getLogger("xknx").setLevel(logging.CRITICAL)  # no log from bus traffic; fatal errors are raised

TYPES = {
    "tunnelling": ConnectionType.TUNNELING,
    "tunnelling-tcp": ConnectionType.TUNNELING_TCP,
    "tunnelling-secure": ConnectionType.TUNNELING_TCP_SECURE,
    "routing": ConnectionType.ROUTING,
    "routing-secure": ConnectionType.ROUTING_SECURE,
}
_REFUSED = ("AUTHENTICATION_FAILED", "UNAUTHENTICATED", "MAC verification")
"""Messages of xknx for a gateway that refuses our key, or whose key does not match the configured one."""
START_S = 20.0
STOP_S = 3.0


class Said(NamedTuple):
    """A value or a read request on the bus. `secure`: under KNX Data Secure, decrypted and fresh; `sequence` is then
    its sequence number."""

    source: int
    address: int
    service: str
    payload: int | bytes | None
    secure: bool
    raw: bytes
    sequence: int | None = None


Hear = Callable[[Said], None]
Refuse = Callable[[int | None, hub.DecodeError], None]
"""Called for a frame that cannot be read, with its group address, if known, and the reason."""


class _Handler(CEMIHandler):
    """Handles each frame before and after xknx has undone KNX Data Secure."""

    __slots__ = ("_hear", "_now", "_raw", "_refuse", "confirmed", "sequences")

    def __init__(self, xknx: XKNX, hear: Hear, refuse: Refuse) -> None:
        super().__init__(xknx)
        self._hear = hear
        self._refuse = refuse
        self._now: decode.Telegram | None = None
        self._raw = b""
        self.confirmed = True
        self.sequences: dict[str, int] = {}

    def handle_raw_cemi(self, raw_cemi: bytes) -> None:
        try:
            telegram = decode.cemi(raw_cemi)
        except hub.DecodeError as error:
            self._refuse(None, error)
            return
        if telegram.message == "con":
            self.confirmed = telegram.confirmed
        self._now, self._raw = telegram, raw_cemi
        super().handle_raw_cemi(raw_cemi)

    def telegram_received(self, telegram: KnxTelegram) -> None:
        """Pass on group telegrams; device management on the same bus is ignored."""
        if not isinstance(telegram.tpci, TDataGroup) or self._now is None:
            return
        now, secure = self._now, bool(telegram.data_secure)
        source = addresses.show_individual(now.source)
        if secure and now.sequence is not None:
            self.sequences[source] = now.sequence
        match telegram.payload:
            case GroupValueRead():
                service, payload = "read", None
            case GroupValueWrite(value=value):
                service, payload = "write", _payload(value)
            case GroupValueResponse(value=value):
                service, payload = "response", _payload(value)
            case _:
                return
        sequence = now.sequence if secure else None
        self._hear(Said(now.source, now.destination, service, payload, secure, self._raw, sequence))

    def handle_data_secure_key_issue(self, cemi_data: CEMILData, received_data_secure: bool) -> None:
        """Refuse a secured telegram that cannot be decrypted, or an unsecured one where secured ones are required."""
        if self._now is None:
            return
        detail = (
            phrase(
                "knx.secured-telegram-stays-closed",
                "a secured telegram does not open: no key for it in the keyring, or a replay",
            )
            if received_data_secure
            else phrase(
                "knx.clear-where-secured",
                "in clear, at an address that KNX Data Secure protects: a forgery, or a device to be configured",
            )
        )
        self._refuse(self._now.destination, hub.DecodeError("knx-data-secure", detail))


def _payload(value: DPTArray | DPTBinary) -> int | bytes:
    return value.value if isinstance(value, DPTBinary) else bytes(value.value)


class Link:
    """One connection to the bus: `async with Link(…) as link`. Raises NotReady when there is no answer, AuthFailed when
    the keys are wrong. `hear` and `refuse` are called from the event loop and must not wait."""

    def __init__(self, config: Config, hear: Hear, refuse: Refuse, keyring: Keyring | None = None) -> None:
        self._config = config
        self.lost = asyncio.Event()
        self._pace = 1.0 / config.max_rate
        self._next = 0.0
        self._sending = asyncio.Lock()
        self._xknx = XKNX(connection_config=_connection(config, keyring))
        self._xknx.multicast_group, self._xknx.multicast_port = config.multicast_group, config.port
        self.listeners: list[Hear] = []
        """Who else is told of every telegram."""

        def told(said: Said) -> None:
            for one in (hear, *self.listeners):
                one(said)

        self._handler = _Handler(self._xknx, told, refuse)
        self._xknx.cemi_handler = self._handler
        self._xknx.connection_manager.register_connection_state_changed_cb(self._changed)

    @property
    def individual_address(self) -> str:
        """Return the individual address that the gateway assigned."""
        return str(self._xknx.current_address)

    @property
    def sequences(self) -> dict[str, int]:
        """Return the last valid sequence number of each sender of KNX Data Secure in this connection."""
        return self._handler.sequences

    def _changed(self, state: XknxConnectionState) -> None:
        if state is XknxConnectionState.DISCONNECTED:
            self.lost.set()

    async def __aenter__(self) -> Link:
        try:
            async with asyncio.timeout(START_S):
                await self._xknx.knxip_interface.start()
        except BaseException as error:
            await self._close()
            if isinstance(error, Exception):
                raise _meaning(self._config, error) from error
            raise
        try:
            self._stay()
        except hub.LedElsewhere:
            await self._close()
            raise
        return self

    def _stay(self) -> None:
        """Keep the data endpoint on the configured interface.

        The connection response names the address for its telegrams (03_08_02, 7.8.2). It must be the interface that was
        addressed, on any port; nothing has been sent yet. Raises LedElsewhere."""
        tunnel = self._xknx.knxip_interface._interface
        if not isinstance(tunnel, UDPTunnel) or tunnel._data_endpoint_addr is None:
            return
        host, port = tunnel._data_endpoint_addr
        if self._config.route_back:  # the address it gives is valid behind its NAT only
            tunnel._data_endpoint_addr = None
        elif host != tunnel.gateway_ip:
            raise hub.LedElsewhere(
                phrase(
                    "knx.tunnel-elsewhere",
                    "{bus} names {host}:{port} for its tunnel, not followed: set `route_back` if it is behind a NAT",
                    bus=self._config.where,
                    host=host,
                    port=port,
                )
            )

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def _close(self) -> None:
        """Disconnect, with a short time-out: the gateway may be gone."""
        try:
            async with asyncio.timeout(STOP_S):
                await self._xknx.knxip_interface.stop()
        except (XKNXException, OSError, TimeoutError, AttributeError):
            return

    async def ask(self, address: int) -> None:
        """Send GroupValueRead, within the rate limit. Raises NotReady (the connection is lost), DecodeError
        `knx-not-sent`."""
        await self._send(address, GroupValueRead())

    async def write(self, address: int, payload: int | bytes) -> None:
        """Send GroupValueWrite. Raises as `ask` does, and DecodeError `knx-not-acknowledged` when no device
        acknowledged it."""
        value = DPTBinary(payload) if isinstance(payload, int) else DPTArray(payload)
        await self._send(address, GroupValueWrite(value))
        if not self._handler.confirmed:
            raise hub.DecodeError(
                "knx-not-acknowledged",
                phrase("knx.not-acknowledged", "nobody on the bus acknowledged it: check the address"),
            )

    async def _send(self, address: int, service: GroupValueRead | GroupValueWrite) -> None:
        async with self._sending:
            loop = asyncio.get_running_loop()
            if (wait := self._next - loop.time()) > 0:
                await asyncio.sleep(wait)
            self._next = loop.time() + self._pace
            if self.lost.is_set():
                raise hub.NotReady(phrase("knx.bus-away", "{bus} is away", bus=self._config.where))
            self._handler.confirmed = True
            try:
                await self._handler.send_telegram(
                    KnxTelegram(destination_address=GroupAddress(address), payload=service)
                )
            except (XKNXException, OSError) as error:
                if self.lost.is_set():
                    raise hub.NotReady(
                        phrase(
                            "knx.bus-away-because",
                            "{bus} is away: {reason}",
                            bus=self._config.where,
                            reason=reason_of(error),
                        )
                    ) from error
                raise hub.DecodeError(
                    "knx-not-sent",
                    phrase(
                        "knx.gateway-did-not-confirm",
                        "the gateway did not confirm it: {reason}",
                        reason=reason_of(error),
                    ),
                ) from error


def _connection(config: Config, keyring: Keyring | None) -> ConnectionConfig:
    return ConnectionConfig(
        connection_type=TYPES[config.connection],
        individual_address=config.individual_address or None,
        local_ip=config.local_ip or None,
        gateway_ip=config.host or None,
        gateway_port=config.port,
        route_back=config.route_back,
        multicast_group=config.multicast_group,
        multicast_port=config.port,
        auto_reconnect=False,
        secure_config=SecureConfig(keyring=keyring) if keyring is not None else None,
    )


def _meaning(config: Config, error: Exception) -> hub.NotReady | hub.AuthFailed:
    """Convert an error of xknx to the error of whoever must act."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    for one in chain:
        if isinstance(one, InvalidSecureConfiguration) and "No free tunnelling slots" in str(one):
            return hub.NotReady(phrase("knx.no-free-tunnel", "{bus} has no free tunnel", bus=config.where))
        if isinstance(one, InvalidSecureConfiguration):
            return hub.AuthFailed(
                phrase(
                    "knx.keyring-does-not-fit",
                    "{bus}: the keyring does not fit: {reason}",
                    bus=config.where,
                    reason=reason_of(one),
                )
            )
        if isinstance(one, IPSecureError) and any(word in str(one) for word in _REFUSED):
            return hub.AuthFailed(
                phrase(
                    "knx.keyring-password-refused",
                    "{bus} refuses the keyring's password: export the keyring from ETS again",
                    bus=config.where,
                )
            )
    if isinstance(error, TimeoutError):
        return hub.NotReady(phrase("knx.bus-silent", "{bus} does not answer", bus=config.where))
    if isinstance(error, (CommunicationError, XKNXException, OSError)):
        reason = next((reason_of(e) for e in reversed(chain) if str(e)), phrase("knx.no-reason", "no reason given"))
        return hub.NotReady(phrase("knx.bus-away-because", "{bus} is away: {reason}", bus=config.where, reason=reason))
    return hub.NotReady(
        phrase(
            "knx.answer-unreadable",
            "{bus} answers what cannot be read: {reason}",
            bus=config.where,
            reason=type(error).__name__,
        )
    )
