"""One uplink, kept running; also the `Uplink` that its plugin is handed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any, Protocol

from hub.core.backoff import Backoff
from hub.core.cancellation import cancelled
from hub.core.errors import AuthFailed, HubError, LedElsewhere, NotReady
from hub.sdk.session import Message
from hub.store_and_forward.link.model import AWAY, FAILED, REFUSED, UP, UplinkConfig, UplinkStatus


class Core(Protocol):
    """What one uplink needs of the link."""

    hub: str

    @property
    def closed(self) -> bool: ...
    def wall(self) -> float: ...
    async def next(self, via: str) -> Message | None: ...
    def answered(self, message: Message, body: bytes) -> None: ...
    def failed(self, message: Message) -> None: ...
    def connected(self, via: str) -> None: ...
    def disconnected(self, via: str, slow: Backoff | None) -> float: ...
    def connection(self, url: str) -> Any: ...
    def socket(self, address: tuple[Any, ...]) -> Any: ...
    def passed(self, up: int, down: int) -> None: ...
    def lend(self, http: Any) -> None: ...
    def take_back(self, http: Any) -> None: ...
    def led(self, via: str, error: LedElsewhere) -> None: ...
    async def until(self, monotonic: float) -> None: ...


class SupervisedUplink:
    """One uplink, kept running; also the `Uplink` that its plugin is handed."""

    def __init__(self, link: Core, carrier: UplinkConfig, slow: Backoff) -> None:
        self.name, self.hub = carrier.name, link.hub
        self.log = logging.LoggerAdapter(logging.getLogger(f"hub.uplink.{self.name}"), {"uplink": self.name})
        self.status = UplinkStatus(name=self.name, since=link.wall())
        self._link, self.carrier, self._slow = link, carrier, slow
        self._counted = False  # by its sockets
        self._lent: list[Any] = []

    async def keep(self) -> None:
        while not self._link.closed:
            self._link.connected(self.name)
            try:
                await self.carrier.run(self.carrier.config, self)
                error: Exception = NotReady("it ended by itself")
            except Exception as raised:
                if cancelled():
                    raise asyncio.CancelledError from raised
                error = _cause(raised)
            finally:
                for http in self._lent:
                    self._link.take_back(http)
                self._lent.clear()
            if self._link.closed:
                return
            if isinstance(error, LedElsewhere):
                self._link.led(self.name, error)
            refused = isinstance(error, HubError) and error.exit_code == AuthFailed.exit_code
            again = self._link.disconnected(self.name, self._slow if refused else None)
            self._down(error, REFUSED if refused else AWAY if isinstance(error, HubError) else FAILED)
            await self._link.until(again)

    def messages(self) -> AsyncIterator[Message]:
        return _Messages(self._link, self.name)

    def answered(self, message: Message, body: bytes) -> None:
        if not self._counted:
            self._link.passed(len(message.body), len(body))
        self._link.answered(message, body)
        if self.status.state != UP:
            if self.status.error:
                self.log.info("back after %.0f s", self._link.wall() - self.status.since)
            self.status.state, self.status.since = UP, self._link.wall()
            self.status.failures, self.status.error = 0, ""
            self._slow.reset()

    def failed(self, message: Message, error: Exception) -> None:
        self._link.failed(message)
        self.status.error = str(error)

    def connection(self, url: str) -> Any:
        return self._link.connection(url)

    def socket(self, address: tuple[Any, ...]) -> Any:
        self._counted = True
        return self._link.socket(address)

    def lend(self, http: Any) -> None:
        self._lent.append(http)
        self._link.lend(http)

    def _down(self, error: Exception, state: str) -> None:
        text = str(error) if isinstance(error, HubError) else f"{type(error).__name__}: {error}"
        told = self.status.state == state and (state != FAILED or self.status.error == text)
        if not told:
            self.status.state, self.status.since = state, self._link.wall()
            if state == AWAY:
                self.log.warning("away: %s; everything is kept, and it is tried again by itself", text)
            elif state == REFUSED:
                self.log.error("refused: %s; everything is kept, and it is tried again now and then", text)
            else:
                self.log.error("failed, a bug of the uplink: %s; tried again", text, exc_info=error)
        self.status.error = text
        self.status.failures += 1


class _Messages:
    def __init__(self, link: Core, via: str) -> None:
        self._link, self._via = link, via

    def __aiter__(self) -> _Messages:
        return self

    async def __anext__(self) -> Message:
        message = await self._link.next(self._via)
        if message is None:
            raise StopAsyncIteration
        return message


def _cause(error: Exception) -> Exception:
    """What a group of tasks failed of: a bug before a refusal, a refusal before mere absence."""
    if not isinstance(error, ExceptionGroup):
        return error
    return max((_cause(part) for part in error.exceptions), key=_weight)


def _weight(error: Exception) -> int:
    return 1 + isinstance(error, AuthFailed) if isinstance(error, HubError) else 3
