"""Commands → downlinks of the network, with the outcome of each.

    queued ─▶ sent ─▶ done        unconfirmed: a gateway has sent it; confirmed: the device acknowledged it
       ▲        └──▶ queued again, where a gateway refused it or the device did not acknowledge it

Only downlinks that the device's pack knows: its codec makes the bytes. And `rejoin`: the device may join once, whatever
its DevNonce. That one stays queued until the device has spoken in its new session, or the command expires; after a
restart it comes again, and counts once (`Memory.word`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, cast

import hub
from hub.sdk.phrases import detail_of, phrase
from hub.sdk.session import Answer
from integrations.lorawan import settings
from integrations.lorawan.device import REJOIN_S, device_id
from integrations.lorawan.downlink import Downlink
from integrations.lorawan.parts import Audit, Decision, Moved, State
from integrations.lorawan.uplinks import REJOINED

REJOIN = "rejoin"
DONE = {
    True: phrase("lorawan.device-acknowledged", "the device acknowledged it"),
    False: phrase("lorawan.gateway-has-sent", "a gateway has sent it; the device does not say whether it heard"),
}


class Network(Protocol):
    """The part of `network.Network` that is used here."""

    def submit(self, dev_eui: bytes, item: Downlink, now: float) -> list[Decision]: ...
    def withdraw(self, dev_eui: bytes, name: str) -> None: ...
    def authorise_rejoin(self, dev_eui: bytes, who: str, until: float, now: float) -> list[Decision]: ...
    def revoke_rejoin(self, dev_eui: bytes, who: str, now: float) -> list[Decision]: ...


class Orders:
    """Commands of all devices of one instance. `do` carries decisions out; `now` is monotonic seconds, `wall` Unix
    seconds, None while the clock is not trusted."""

    def __init__(
        self,
        session: hub.Session,
        network: Network,
        do: Callable[[list[Decision]], None],
        now: Callable[[], float],
        wall: Callable[[], float | None],
    ) -> None:
        self._session, self._network, self._do = session, network, do
        self._now, self._wall = now, wall
        self._open: dict[str, hub.Command] = {}
        self._confirmed: set[str] = set()
        self._rejoins: dict[str, str] = {}  # device → id of the command that authorises it to join

    async def run(self) -> None:
        """Take commands until cancelled."""
        self._session.commands.offer(REJOIN)
        async for command in self._session.commands:
            await self._take(command)

    async def _take(self, command: hub.Command) -> None:
        if command.values is None:
            self._fail(
                command,
                phrase(
                    "lorawan.only-downlinks-of-pack",
                    "a LoRaWAN device is told what its pack knows as downlinks, nothing else",
                ),
            )
        elif command.metric == REJOIN and not command.values:
            self._rejoin(command)
        else:
            await self._downlink(command, command.values)

    async def _downlink(self, command: hub.Command, values: dict[str, float]) -> None:
        try:
            port, payload = await self._session.packs.encode(command.device, command.metric, values)
            known = self._session.devices.get(command.device)
            confirmed = settings.DeviceSettings.model_validate(known.settings if known else {}).confirmed
        except (hub.DecodeError, hub.NotReady, ValueError) as error:
            self._fail(command, detail_of(error))
            return
        if not self._session.commands.wanted(command):  # all writes may have been stopped while its codec ran
            return
        left = command.expires - time.time()  # same rule as the core, whether the clock is trusted or not
        self._open[command.id] = command
        if confirmed:
            self._confirmed.add(command.id)
        item = Downlink(command.id, port, payload, confirmed, self._now() + left)
        self._do(self._network.submit(_eui(command.device), item, self._now()))

    def _rejoin(self, command: hub.Command) -> None:
        known, wall = self._session.devices.get(command.device), self._wall()
        if known is None or known.settings.get("address"):
            self._fail(
                command, phrase("lorawan.abp-does-not-join", "it does not join: its address makes it an ABP device")
            )
            return
        if wall is None:
            self._fail(
                command,
                phrase("lorawan.clock-not-set", "the hub's clock is not set yet: 24 hours from now mean nothing to it"),
            )
            return
        former = self._open.pop(self._rejoins.get(command.device, ""), None)
        if former is not None:
            self._fail(former, phrase("lorawan.another-given-after", "another one was given after it"))
        self._open[command.id], self._rejoins[command.device] = command, command.id
        until = min(command.expires, wall + REJOIN_S)
        self._session.commands.answer(
            command, "queued", phrase("lorawan.it-may-join-once", "it may join once, whatever its DevNonce")
        )
        self._do(self._network.authorise_rejoin(_eui(command.device), command.id, until, self._now()))

    # what the network says

    def moved(self, moved: Moved) -> None:
        """Report that a downlink changed its state."""
        command = self._open.get(moved.id)
        if command is None or moved.state is State.ACCEPTED:
            return
        detail = moved.why
        if moved.state is State.QUEUED:
            detail = detail or phrase(
                "lorawan.leaves-after-uplink",
                "it leaves after the device's next uplink, or at once when it always listens",
            )
        elif moved.state is State.DONE:
            detail = DONE[moved.id in self._confirmed]
        self._session.commands.answer(command, cast("Answer", moved.state.value), detail)
        if moved.state in (State.DONE, State.FAILED, State.EXPIRED):
            self._forget(command)

    def audited(self, audit: Audit) -> None:
        """Report that an authorisation to rejoin was used."""
        if audit.what == REJOINED and (command := self._open.get(audit.who)) is not None:
            self._session.commands.answer(
                command,
                "done",
                phrase("lorawan.has-joined-and-spoken", "it has joined and spoken; its next join is judged as ever"),
            )
            self._forget(command)
        elif audit.what == REJOINED:
            self._session.log.info(
                phrase(
                    "lorawan.joined-as-authorised",
                    "{device} has joined on the word {command}",
                    device=device_id(audit.dev_eui),
                    command=audit.who,
                )
            )

    def refused(self, reason: str, device: str) -> None:
        """Log an authorisation for a device that the network does not know."""
        command = self._open.get(self._rejoins.get(device, "")) if reason == "no-such-otaa-device" else None
        if command is not None:
            self._fail(
                command,
                phrase(
                    "lorawan.network-knows-no-device",
                    "the network does not know this device: the log says why it is not heard",
                ),
            )
            self._forget(command)

    def sift(self) -> None:
        """Withdraw commands that expired or were stopped. Call this before anything may be sent."""
        for command in [one for one in self._open.values() if not self._session.commands.wanted(one)]:
            if command.metric == REJOIN and not command.values:
                self._do(self._network.revoke_rejoin(_eui(command.device), command.id, self._now()))
            else:
                self._network.withdraw(_eui(command.device), command.id)
            self._forget(command)

    def _fail(self, command: hub.Command, why: str) -> None:
        self._session.commands.answer(command, "failed", why)

    def _forget(self, command: hub.Command) -> None:
        self._open.pop(command.id, None)
        self._confirmed.discard(command.id)
        if self._rejoins.get(command.device) == command.id:
            del self._rejoins[command.device]


def _eui(device: str) -> bytes:
    return bytes.fromhex(device.partition(":")[2])
