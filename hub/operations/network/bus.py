"""Connection to the system's D-Bus, for the services that own this machine's network.

Its library is an extra, `network`, and is imported with the first question.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from hub.core.errors import AuthFailed, HubError, NotReady
from hub.core.text import phrase, reason_of
from hub.operations.network.profiles import plain_value

if TYPE_CHECKING:
    from dbus_fast.aio import MessageBus

ANSWER_S = 25.0
PROPERTIES = "org.freedesktop.DBus.Properties"

_DENIED = ("AccessDenied", "AuthFailed", "PermissionDenied", "NotAuthorized", "Unauthorized")
_ABSENT = ("ServiceUnknown", "NameHasNoOwner", "Disconnected")
_GONE = ("UnknownObject", "UnknownMethod", "UnknownInterface", "UnknownConnection", "UnknownDevice")


class Refused(HubError):
    """A service on the bus refused; `name` is that of its D-Bus error."""

    def __init__(self, name: str, said: str) -> None:
        self.name = name
        super().__init__(said)

    @property
    def gone(self) -> bool:
        """Whether the object is not, or no longer, there."""
        return self.name.endswith(_GONE)


class Bus:
    """An open connection. Every method raises NotReady without the service, AuthFailed without the right, Refused for
    everything else that it refuses."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus

    async def call(
        self, service: str, path: str, interface: str, member: str, signature: str = "", *body: Any
    ) -> list[Any]:
        """Call a method and return its answer, without variants."""
        from dbus_fast import Message, MessageFlag, MessageType

        message = Message(
            destination=service,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
            flags=MessageFlag.NO_AUTOSTART,  # a service that is switched off here is not started for a question
        )
        try:
            async with asyncio.timeout(ANSWER_S):
                reply = await self._bus.call(message)
        except (TimeoutError, OSError, EOFError) as error:
            raise NotReady(
                phrase(
                    "network-service-silent",
                    "{service} does not answer: {reason}",
                    service=_short(service),
                    reason=reason_of(error),
                )
            ) from error
        if reply.message_type is MessageType.ERROR:
            raise refusal(service, reply.error_name or "", str(reply.body[0]) if reply.body else "")
        return [plain_value(one) for one in reply.body]

    async def properties(self, service: str, path: str, interface: str) -> dict[str, Any]:
        """Return all properties of an object's interface."""
        (found,) = await self.call(service, path, PROPERTIES, "GetAll", "s", interface)
        return dict(found)


@asynccontextmanager
async def system_bus() -> AsyncIterator[Bus]:
    """Connect to the system's bus, at `DBUS_SYSTEM_BUS_ADDRESS` when the environment names it. Raises NotReady."""
    try:
        from dbus_fast import BusType
        from dbus_fast.aio import MessageBus
        from dbus_fast.errors import AuthError, InvalidAddressError
    except ImportError:
        raise NotReady(
            phrase("network-extra-missing", "this hub lacks its part for the network: install ilot with [network]")
        ) from None
    bus = None
    try:
        try:
            bus = MessageBus(bus_type=BusType.SYSTEM)
            async with asyncio.timeout(ANSWER_S):
                await bus.connect()
        except (OSError, EOFError, TimeoutError, AuthError, InvalidAddressError) as error:
            raise NotReady(
                phrase(
                    "system-bus-silent",
                    "the system's D-Bus does not answer ({reason}): is it running here?",
                    reason=reason_of(error),
                )
            ) from error
        yield Bus(bus)
    finally:
        if bus is not None:
            bus.disconnect()


def refusal(service: str, name: str, details: str) -> HubError:
    """Return the error for one of D-Bus."""
    if name.endswith(_DENIED) or name.endswith("InteractiveAuthorizationRequired"):
        return AuthFailed(
            phrase(
                "network-not-allowed",
                "the user this hub runs as may not change this: the rule 50-ilot-network.rules is missing in "
                "/usr/share/polkit-1/rules.d, or polkitd does not run",
            )
        )
    if name.endswith(_ABSENT):
        return _away(service)
    return Refused(
        name,
        phrase(
            "network-service-refuses",
            "{service} refuses: {reason}",
            service=_short(service),
            reason=details[:300] or name,
        ),
    )


def _away(service: str) -> NotReady:
    return NotReady(
        phrase(
            "network-service-away",
            "{service} does not run on this machine: its settings are changed by other means here",
            service=_short(service),
        )
    )


def _short(service: str) -> str:
    name = service.rpartition(".")[2].removesuffix("1")
    return "systemd-timesyncd" if name == "timesync" else name
