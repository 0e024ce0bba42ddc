"""The API of transports: plugins that carry sealed records to the owner's backend. Protocols and messages only. Pure.

from hub.sdk.transport import Message, RegisterTransport, Transport
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from hub.sdk.options import Config

C = TypeVar("C", bound=Config)

MessageKind = Literal["records", "state"]
LaneName = Literal["alerts", "live", "backlog", ""]


class Message(msgspec.Struct, frozen=True):
    """One link message, whose `body` is sent byte for byte, of a `kind`. `id` names it in this process; `lane` is
    its priority, "" for a message of kind "state"; `readings` is how many it holds, for counters."""

    id: int
    kind: MessageKind
    lane: LaneName
    body: bytes
    readings: int = 0


class Transport(Protocol):
    """Messages to carry and replies to give back. Given to a transport beside its configuration. The bodies are opaque
    to it. Several transports share one delivery and one set of acknowledgements."""

    @property
    def name(self) -> str:
        """Name of this transport in the configuration."""
        ...

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """Log of this transport: each line carries its name."""
        ...

    @property
    def hub(self) -> str:
        """The hub's id, `hub-…`, as the backend knows it."""
        ...

    @property
    def backend(self) -> str:
        """The address at which this hub was enrolled, https://host:port; "" where it is not known."""
        ...

    def messages(self) -> AsyncIterator[Message]:
        """Yield the next message as soon as it may be sent. Windows and lanes are the delivery's business."""
        ...

    def answered(self, message: Message, body: bytes) -> None:
        """Give back the backend's reply to a message. Raises AuthFailed when its signature is wrong."""
        ...

    def failed(self, message: Message, error: Exception) -> None:
        """Report that a message had no reply. It will be offered again, here or on another transport."""
        ...

    def connection(self, url: str) -> Any:
        """(ssl.SSLContext, proxy or None) for a host that the configuration declares, from the core's egress. Raises
        AuthFailed for another host."""
        ...

    def socket(self, address: tuple[Any, ...]) -> Any:
        """A new socket, not connected, for one entry of `getaddrinfo`. Its bytes are counted in the month's traffic;
        without it, messages and replies are."""
        ...

    def share_connection(self, http: Any) -> None:
        """Let the hub send its own requests to the owner's hosts over the idle connections of this `HttpClient`, as
        long as this transport runs."""
        ...


RunTransport = Callable[[C, Transport], Awaitable[None]]


class RegisterTransport(Protocol):
    """`register(name, Config, run)` adds a transport to the owner's backend."""

    def __call__(self, name: str, config: type[C], run: RunTransport[C]) -> None:
        """Raises PluginError when `config` is no subclass of `hub.Config`."""
        ...
