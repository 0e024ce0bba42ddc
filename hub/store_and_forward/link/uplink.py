"""Supervision of one uplink, which is also the `Transport` that its plugin is given."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import AsyncIterator
from typing import Any, Protocol

from hub.core.backoff import Backoff
from hub.core.cancellation import cancelled
from hub.core.clock import Clock
from hub.core.errors import AuthFailed, DecodeError, HubError, LedElsewhere, NotReady, cause
from hub.core.text import phrase, reason_of
from hub.sdk.transport import Message
from hub.store_and_forward.delivery import Answer, Delivery
from hub.store_and_forward.link.model import AWAY, FAILED, REFUSED, UP, Egress, UplinkConfig, UplinkStatus
from hub.store_and_forward.link.traffic import Traffic


class LinkParts(Protocol):
    """The parts of the link that its uplinks share, and what they ask of it."""

    hub: str
    delivery: Delivery
    egress: Egress
    traffic: Traffic
    clock: Clock

    @property
    def closed(self) -> bool: ...
    def is_outdated(self, via: str) -> bool: ...
    def wake(self) -> None: ...
    async def make_message(self, via: str) -> Message | None: ...
    def wait_s(self, via: str) -> float: ...
    def apply_answer(self, answer: Answer) -> None: ...
    def connected(self, via: str) -> None: ...
    def disconnected(self, via: str, slow: Backoff | None) -> float: ...
    async def until(self, monotonic: float) -> None: ...
    async def pause(self, seconds: float) -> None: ...


class SupervisedUplink:
    """Runs the plugin of one uplink again and again, and is the `Transport` that it is given."""

    def __init__(self, link: LinkParts, carrier: UplinkConfig, slow: Backoff) -> None:
        self.name, self.hub, self.backend = carrier.name, link.hub, carrier.backend
        self.log = logging.LoggerAdapter(logging.getLogger(f"hub.uplink.{self.name}"), {"uplink": self.name})
        self.status = UplinkStatus(name=self.name, since=link.clock.now())
        self._link, self.carrier, self._slow = link, carrier, slow
        self._counted = False  # by its sockets
        self._lent: list[Any] = []

    async def keep(self) -> None:
        while not self._link.closed:
            self._link.connected(self.name)
            try:
                await self.carrier.run(self.carrier.config, self)
                error: Exception = NotReady(phrase("transport-ended-by-itself", "it ended by itself"))
            except Exception as raised:
                if cancelled():
                    raise asyncio.CancelledError from raised
                error = cause(raised)
            finally:
                for http in self._lent:
                    self._link.egress.take_back(http)
                self._lent.clear()
            if self._link.closed:
                return
            if isinstance(error, LedElsewhere):
                self._link.egress.note(f"uplink.{self.name}", error)
            refused = isinstance(error, HubError) and error.exit_code == AuthFailed.exit_code
            again = self._link.disconnected(self.name, self._slow if refused else None)
            self._down(error, REFUSED if refused else AWAY if isinstance(error, HubError) else FAILED)
            await self._link.until(again)

    def messages(self) -> AsyncIterator[Message]:
        return _Messages(self._link, self.name)

    def answered(self, message: Message, body: bytes) -> None:
        """Act on a reply. Raises NotReady when it is none, AuthFailed when it holds what no honest backend says."""
        link, now = self._link, self._link.clock.monotonic()
        if not self._counted:
            link.traffic.add(len(message.body), len(body))
        try:
            answer = link.delivery.apply_reply(message.id, body, now)
        except DecodeError as error:
            link.delivery.give_up(message.id, now)
            link.wake()
            raise NotReady(
                phrase(
                    "reply-unreadable",
                    "the reply to a message cannot be read ({reason}): is this the backend?",
                    reason=reason_of(error),
                )
            ) from error
        link.apply_answer(answer)
        hostile = next((refused for refused in answer.refused if refused.hostile), None)
        if hostile is not None:
            raise AuthFailed(
                phrase("ack-refused", "an ack was refused, nothing was deleted: {reason}", reason=hostile.detail)
            )
        if self.status.state != UP:
            if self.status.error:
                self.log.info(
                    phrase(
                        "transport-is-back", "back after {seconds:.0f} s", seconds=link.clock.now() - self.status.since
                    )
                )
            self.status.state, self.status.since = UP, link.clock.now()
            self.status.failures, self.status.error = 0, ""
            self._slow.reset()

    def failed(self, message: Message, error: Exception) -> None:
        self._link.delivery.give_up(message.id, self._link.clock.monotonic())
        self._link.wake()
        self.status.error = reason_of(error)

    def connection(self, url: str) -> Any:
        return self._link.egress.connection(url)

    def socket(self, address: tuple[Any, ...]) -> Any:
        self._counted = True
        return self._link.traffic.socket(address)

    def lend(self, http: Any) -> None:
        """Former name of `share_connection`."""
        text = "transport.lend is now transport.share_connection; the old name ends with the next release"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        self.share_connection(http)

    def share_connection(self, http: Any) -> None:
        self._lent.append(http)
        self._link.egress.lend(http)

    def _down(self, error: Exception, state: str) -> None:
        text = reason_of(error)
        if not isinstance(error, HubError):
            text = phrase("unexpected-error", "{kind}: {reason}", kind=type(error).__name__, reason=text)
        told = self.status.state == state and (state != FAILED or self.status.error == text)
        if not told:
            self.status.state, self.status.since = state, self._link.clock.now()
            if state == AWAY:
                self.log.warning(
                    phrase(
                        "transport-away",
                        "away; everything is kept, and it is tried again automatically: {reason}",
                        reason=text,
                    )
                )
            elif state == REFUSED:
                self.log.error(
                    phrase(
                        "transport-refused",
                        "refused; everything is kept, and it is tried again now and then: {reason}",
                        reason=text,
                    )
                )
            else:
                self.log.error(
                    phrase(
                        "transport-failed", "failed, a bug of the transport; it is tried again: {reason}", reason=text
                    ),
                    exc_info=error,
                )
        self.status.error = text
        self.status.failures += 1


class _Messages:
    """The messages for one uplink, as its plugin iterates over them."""

    def __init__(self, link: LinkParts, via: str) -> None:
        self._link, self._via = link, via

    def __aiter__(self) -> _Messages:
        return self

    async def __anext__(self) -> Message:
        """Wait until a message may be sent. Ends with the link; raises NotReady when its connection is no longer the
        one that the owner allows."""
        link = self._link
        while not link.closed:
            if link.is_outdated(self._via):
                raise NotReady(
                    phrase("connection-changed", "the hosts that it may connect to have changed: it connects again")
                )
            message = await link.make_message(self._via)
            if message is not None:
                return message
            await link.pause(link.wait_s(self._via))
        raise StopAsyncIteration
