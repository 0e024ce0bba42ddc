"""ESPHome Bluetooth proxies: microcontrollers on the network that forward raw advertisements (extra `ble-proxy`).

The API of ESPHome (esphome.io/components/api, esphome.io/components/bluetooth_proxy), spoken by aioesphomeapi: over
TCP, encrypted by Noise_NNpsk0 where the proxy has a key. The hub connects to the proxy, never the reverse. A lost proxy
is tried again at growing intervals of five minutes at most.
"""

from __future__ import annotations

import asyncio
import binascii
import random
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

import hub
from hub.sdk.phrases import phrase, reason_of
from integrations.bluetooth.intake import Heard
from integrations.bluetooth.sources import Hearing, Sources

if TYPE_CHECKING:
    from logging import Logger, LoggerAdapter

    from aioesphomeapi.api_pb2 import BluetoothLERawAdvertisementsResponse  # type: ignore[attr-defined]
    from aioesphomeapi.client import APIClient

PORT = 6053
LONGEST_S = 300.0
CONNECT_S = 60.0
RANDOM = 1
"""Value of `address_type` for a random address."""


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        whole = parts.scheme == "esphome" and parts.hostname and not (parts.path.strip("/") or parts.query)
        alone = parts.username is None and (parts.port or PORT)
    except ValueError:
        whole = alone = None
    if not whole or not alone:
        raise ValueError(
            phrase(
                "bluetooth.not-a-proxy-address",
                "expected the address of a proxy, like esphome://proxy-hall.example.org:6053",
            )
        )
    return text


def _key(key: SecretStr) -> SecretStr:
    try:
        size = len(binascii.a2b_base64(key.get_secret_value(), strict_mode=True))
    except (ValueError, binascii.Error):
        size = 0
    if size != 32:
        raise ValueError(
            phrase(
                "bluetooth.not-a-proxy-key",
                "expected the key of its api: encryption: 32 bytes in base64, 44 characters",
            )
        )
    return key


class Proxy(hub.Config):
    """One ESPHome Bluetooth proxy."""

    url: Annotated[str, AfterValidator(_address)] = Field(
        description="Its address: esphome://host or esphome://host:port.",
    )
    key: Annotated[SecretStr, AfterValidator(_key)] | None = Field(
        default=None,
        description="The key of its `api: encryption:`, base64. Without it, it must speak in clear.",
    )


class ProxySource:
    """A proxy as a source: call `run` until cancelled."""

    def __init__(
        self,
        name: str,
        config: Proxy,
        *,
        hear: Callable[[Heard], None],
        sources: Sources,
        hearing: Hearing,
        clock: Callable[[], float],
        log: LoggerAdapter[Logger],
    ) -> None:
        self.name = name
        self._config = config
        self._hear = hear
        self._sources = sources
        self._hearing = hearing
        self._clock = clock
        self._log = log
        self.client: APIClient | None = None
        """The connection, while there is one."""
        self.version = ""
        self.slots = self.features = 0
        """Number of simultaneous connections to devices, and feature flags, as reported by the proxy."""

    async def run(self) -> None:
        """Listen until cancelled. Raises NotReady or AuthFailed when it does not answer and no other source listens."""
        tries = 0
        while True:
            try:
                async with self._connected() as gone:
                    tries = 0
                    await gone.wait()
                self._log.warning(
                    phrase("bluetooth.proxy-lost", "the proxy {proxy} went away; calling it again", proxy=self.name)
                )
            except (hub.NotReady, hub.AuthFailed) as error:
                if self._sources.failed(self.name, error):
                    self._log.warning(
                        phrase(
                            "bluetooth.proxy-called-again",
                            "the proxy {proxy} is called again by itself: {reason}",
                            proxy=self.name,
                            reason=reason_of(error),
                        )
                    )
            tries += 1
            await asyncio.sleep(min(LONGEST_S, 2.0 ** min(tries, 16)) * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    async def probe(self) -> str:
        """Connect once and describe what answered. Raises NotReady, AuthFailed."""
        async with self._connected():
            return f"{self.name} (ESPHome {self.version})"

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncio.Event]:
        """Open a connection that listens. The event is set when it is lost."""
        try:
            from aioesphomeapi.client import APIClient
            from aioesphomeapi.core import APIConnectionError
            from aioesphomeapi.model import APIVersion, BluetoothProxyFeature
        except ImportError as error:
            raise hub.NotReady(
                phrase(
                    "bluetooth.proxy-extra-missing", "proxies need the extra ble-proxy: pip install 'ilot[ble-proxy]'"
                )
            ) from error

        gone = asyncio.Event()
        parts = urlsplit(self._config.url)
        key = self._config.key.get_secret_value() if self._config.key else None
        client = APIClient(
            parts.hostname or "", parts.port or PORT, None, client_info="ilot", noise_psk=key, timezone="UTC"
        )

        async def stopped(expected: bool) -> None:
            gone.set()

        try:
            try:
                async with asyncio.timeout(CONNECT_S):
                    await client.connect(on_stop=stopped, log_errors=False)
                    about = await client.device_info()
                features = about.bluetooth_proxy_feature_flags_compat(client.api_version or APIVersion())
                if not features & BluetoothProxyFeature.RAW_ADVERTISEMENTS:
                    raise hub.NotReady(
                        phrase(
                            "bluetooth.not-a-bluetooth-proxy",
                            "{proxy} is no Bluetooth proxy, or its ESPHome is older than 2023.6",
                            proxy=self.name,
                        )
                    )
                client.subscribe_bluetooth_le_raw_advertisements(self._heard)
                if features & BluetoothProxyFeature.ACTIVE_CONNECTIONS:
                    client.subscribe_bluetooth_connections_free(self._counted)
            except (APIConnectionError, OSError) as error:
                raise self._explained(error) from error
            self.client, self.features, self.version = client, features, about.esphome_version
            self._hearing.began(self.name, self._clock())
            self._sources.began(self.name, self.name)
            self._log.info(
                phrase(
                    "bluetooth.proxy-listens",
                    "the proxy {proxy} listens (ESPHome {version})",
                    proxy=self.name,
                    version=self.version,
                )
            )
            yield gone
        finally:
            self.client, self.slots, self.features = None, 0, 0
            self._hearing.ended(self.name)
            self._sources.ended(self.name)
            client.force_disconnect()

    def _counted(self, free: int, limit: int, allocated: list[int]) -> None:
        self.slots = limit

    def _heard(self, message: BluetoothLERawAdvertisementsResponse) -> None:
        self._hearing.heard(self.name, self._clock())
        for one in message.advertisements:
            address = re.sub(r"..\B", r"\g<0>:", f"{one.address & 0xFFFF_FFFF_FFFF:012X}")
            self._hear(
                Heard(address, rssi=one.rssi or None, source=self.name, random=one.address_type == RANDOM, raw=one.data)
            )

    def _explained(self, error: Exception) -> Exception:
        from aioesphomeapi.core import (
            EncryptionPlaintextAPIError,
            InvalidAuthAPIError,
            InvalidEncryptionKeyAPIError,
            RequiresEncryptionAPIError,
        )

        if isinstance(error, RequiresEncryptionAPIError):
            return hub.AuthFailed(
                phrase(
                    "bluetooth.proxy-wants-key", "the proxy {proxy} wants a key: proxies.{proxy}.key", proxy=self.name
                )
            )
        if isinstance(error, InvalidEncryptionKeyAPIError | InvalidAuthAPIError):
            return hub.AuthFailed(
                phrase(
                    "bluetooth.proxy-refuses-key",
                    "the proxy {proxy} refuses the key: proxies.{proxy}.key is another's",
                    proxy=self.name,
                )
            )
        if isinstance(error, EncryptionPlaintextAPIError):
            return hub.AuthFailed(
                phrase(
                    "bluetooth.proxy-in-clear",
                    "the proxy {proxy} speaks in clear though it has a key here: it is refused",
                    proxy=self.name,
                )
            )
        if isinstance(error, TimeoutError):
            return hub.NotReady(phrase("bluetooth.proxy-silent", "the proxy {proxy} does not answer", proxy=self.name))
        return hub.NotReady(
            phrase(
                "bluetooth.proxy-does-not-answer",
                "the proxy {proxy} does not answer: {reason}",
                proxy=self.name,
                reason=reason_of(error),
            )
        )
