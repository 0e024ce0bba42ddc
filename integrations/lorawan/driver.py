"""Carries out the network's decisions: commits through the session, transmissions through the gateways, timers. Keeps
the rules of `parts`: a record is put when there is room for its report, so that one commit holds both or neither; the
network learns of a commit only once it is durable.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from pydantic import ValidationError

import hub
from hub.sdk.options import wrong_option
from hub.sdk.phrases import detail_of, phrase, reason_of
from integrations.lorawan import reading, settings
from integrations.lorawan.airspace import Airspace
from integrations.lorawan.device import MOST_LEFT_OUT, RESTORED, decode, device_id
from integrations.lorawan.network import Network
from integrations.lorawan.orders import Orders
from integrations.lorawan.parts import WORDS, Audit, Commit, Count, Decision, Found, Joined, Moved, Reception, Transmit
from integrations.lorawan.telling import Telling

MOST_COMMITS = 4096
"""Maximum reports that wait for the disk."""
MOST_DEVICES = 1600
"""Maximum records in the state of a plugin."""
PLAUSIBLE = 1_767_225_600.0
"""2026 in Unix seconds: an earlier clock has not been set, and no device is given its time."""


class Way(Protocol):
    """A connection to a gateway through which frames can be sent. Raises OSError when it is gone."""

    def transmit(self, order: Transmit) -> None: ...


class Driver:
    """Connects the network to the session and to the gateways' servers."""

    def __init__(self, config: settings.Config, session: hub.Session, tasks: asyncio.TaskGroup) -> None:
        self._session = session
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._read: dict[str, hub.Device] = {}
        self._changes = session.devices.changes()
        self._failure = ""
        jumps = session.state.get("jumps", 0)
        self._jumps = jumps if isinstance(jumps, int) else 0  # counters skipped after all restorations from a backup
        self._spoke: dict[str, float | None] = {}  # last message of each gateway; None: silent
        self._committing = 0
        self._taken: set[int] = set()  # commits that the disk may get, though they fail
        self._turns: dict[str, asyncio.Lock] = {}
        self._reader = reading.Reader(session)
        self._ways: dict[str, Way] = {}
        spaces = {gateway: Airspace() for gateway in config.gateways}
        for space in spaces.values():
            space.restarted(self._loop.time())
            space.reachable = False
        self.network = Network(spaces, draw=secrets.randbelow, plan=config.plan(), window=config.gather.total_seconds())
        self.orders = Orders(session, self.network, self._do, self._loop.time, wall)
        self._displaced: Counter[str] = Counter()
        self.telling = Telling(
            session, self.network, self._spoke, self._loop.time, wall, config.silence.total_seconds()
        )
        self.telling.displaced = self._displaced

    # devices

    async def follow(self) -> None:
        """Admit devices of this plugin as they are added or changed, and remove them as they go."""
        async for device in self._changes:
            known = self._session.devices.get(device.id)
            if known is not None:
                await self._admit(known)
            elif self._read.pop(device.id, None) is not None:
                self._do(self.network.remove(bytes.fromhex(device.id.partition(":")[2])))
                self.telling.removed(device.id)

    async def begin(self) -> None:
        """Admit all present devices. After a restoration from a backup, counters are skipped: transmissions since are
        not recorded."""
        restored, told = self._session.state.get("restored") is True, self._session.state.get("skip", RESTORED)
        skip = max(RESTORED, told if isinstance(told, int) else 0)
        if restored:
            self._jumps += skip
        for device in self._session.devices.all():
            await self._admit(device)
        if len(self._read) > MOST_DEVICES:
            self._session.log.error(
                phrase(
                    "lorawan.too-many-devices",
                    "{count} devices are more than can be remembered (about {most}): give some to another instance",
                    count=len(self._read),
                    most=MOST_DEVICES,
                )
            )
        if restored:
            for name in self._read:  # in one commit with the flag, so that counters are skipped once only
                entry = self.network.device(bytes.fromhex(name.partition(":")[2]))
                if entry is not None:
                    self._session.state.put(name, entry.record()[1])
            self._session.state.put("jumps", self._jumps)  # applies to absent devices too, once they return
            self._session.state.put("restored", False)
            self._session.state.put("skip", 0)
            self._session.log.warning(
                phrase(
                    "lorawan.counters-jump-ahead",
                    "restored from a backup: downlink counters jump ahead by {skip}",
                    skip=skip,
                )
            )
            if skip > MOST_LEFT_OUT:
                self._session.log.error(
                    phrase(
                        "lorawan.counters-too-far-ahead",
                        "devices of LoRaWAN 1.0.0 to 1.0.3 take no downlink so far ahead: have those join again, and "
                        "give those of ABP new keys",
                    )
                )

    async def _admit(self, device: hub.Device) -> None:
        if self._read.get(device.id) == device:
            return
        facts = await self._session.packs.get(device.id) if device.pack else None
        try:
            wanted = settings.device(device, facts.mac if facts else "", facts.listens if facts else "")
            record = None if device.id in self._read else self._session.state.get(device.id)
            memory = decode(record, jumps=self._jumps) if record is not None else None
        except ValueError as error:
            why = wrong_option(error) if isinstance(error, ValidationError) else reason_of(error)
            self._session.log.error(
                phrase("lorawan.device-not-heard", "{device} is not heard: {reason}", device=device.id, reason=why)
            )
            return
        except hub.DecodeError as error:  # without its record, counters already used could be used again
            self._session.log.error(
                phrase(
                    "lorawan.device-not-heard-without-record",
                    "{device} is not heard: {reason}; restore the state backup, or give it new keys",
                    device=device.id,
                    reason=detail_of(error),
                )
            )
            return
        self._read[device.id] = device
        self.network.add(wanted, memory)
        entry = self.network.device(wanted.dev_eui)
        if entry is not None:
            entry.memory.jumps = self._jumps
        self.telling.admitted(wanted.dev_eui)

    # gateways

    def allowed(self, gateway: str) -> bool:
        return gateway in self.network.gateways

    def stranger(self, gateway: str, how: str) -> None:
        """Report a gateway that is not on the list as a candidate."""
        self._session.radio.report_decode_error("", hub.DecodeError("unknown-gateway"))
        self._session.devices.discovered(
            hub.Candidate(
                id=f"lorawan-gateway:{gateway}",
                integration=self._session.name,
                model="LoRaWAN gateway",
                evidence={"by": how, "remedy": "to hear it, add it to gateways in the configuration"},
            )
        )

    def dropped(self, reason: str) -> None:
        """Count a message of a gateway that cannot be decoded."""
        self._session.radio.report_decode_error("", hub.DecodeError(reason))

    def displaced(self, gateway: str) -> None:
        """Count a connection that came while another one of the same gateway was open: a network that broke, or two
        gateways with one EUI."""
        self._displaced[gateway] += 1
        self.dropped("gateway-connected-twice")

    def reach(self, gateway: str, way: Way) -> None:
        """Set the connection through which a gateway is reached from now on."""
        self._ways[gateway] = way
        self.network.gateways[gateway].reachable = True

    def lose(self, gateway: str, way: Way | None = None) -> None:
        """Forget that a gateway is reached by `way`, or by any."""
        if way is None or self._ways.get(gateway) is way:
            self._ways.pop(gateway, None)
            self.network.gateways[gateway].reachable = False

    def alive(self, gateway: str) -> None:
        """Note that a gateway sent a message of any kind."""
        came = self._spoke.get(gateway) is None
        self._spoke[gateway] = self._loop.time()
        if came:
            self._session.log.info(phrase("lorawan.gateway-here", "gateway {gateway} is here", gateway=gateway))
            self.telling.tell_gateways()

    async def watch(self, silence: timedelta) -> None:
        """Log once when a gateway falls silent."""
        async for _ in self._session.every(silence / 2):
            for gateway, at in self._spoke.items():
                if at is not None and self._loop.time() - at > silence.total_seconds():
                    self._spoke[gateway] = None
                    self.lose(gateway)
                    self._session.radio.report_decode_error("", hub.DecodeError("gateway-silent"))
                    self._session.log.warning(
                        phrase(
                            "lorawan.gateway-silent",
                            "gateway {gateway} is silent: its power, its network, its settings?",
                            gateway=gateway,
                        )
                    )

    def hear(self, reception: Reception) -> None:
        """Pass a received frame to the network. Never waits."""
        self._do(self.network.heard(reception, self._loop.time()))
        self._wake.set()

    def transmitted(self, number: int, gateway: str) -> None:
        self._do(self.network.transmitted(number, gateway, self._loop.time()))

    def refused(self, number: int, why: str, gateway: str) -> None:
        self._do(self.network.refused(number, gateway, why, self._loop.time()))

    # time

    async def run(self) -> None:
        """Call the network's `tick` whenever it is due."""
        while True:
            self._wake.clear()
            due = self.network.wake()
            try:
                async with asyncio.timeout_at(due):
                    await self._wake.wait()
            except TimeoutError:
                self.orders.sift()
                self._do(self.network.tick(self._loop.time()))

    # decisions

    def _do(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            match decision:
                case Commit():
                    if decision.report is not None:
                        self.telling.uplink(decision.report)
                    self._begin_commit(decision)
                case Transmit():
                    self._transmit(decision)
                case Count(reason=reason, dev_eui=dev_eui):
                    proof = None
                    if decision.stale is not None:
                        counter, content = decision.stale
                        proof = hub.Proof("lorawan-1.0", counter, True, content=content)
                    self._session.radio.report_decode_error(
                        device_id(dev_eui) if dev_eui else "", hub.DecodeError(reason), proof=proof
                    )
                    self.orders.refused(reason, device_id(dev_eui) if dev_eui else "")
                case Found():
                    self._found(decision)
                case Joined(dev_eui=dev_eui, proven=proven):
                    name = device_id(dev_eui)
                    self._session.log.info(
                        phrase("lorawan.device-joined", "{device} has joined", device=name)
                        if proven
                        else phrase("lorawan.device-let-in", "{device} is let in", device=name)
                    )
                    self.telling.joined(decision)
                case Audit(dev_eui=dev_eui, what=what, who=who):
                    self._session.log.warning(
                        phrase(
                            "lorawan.device-audit",
                            "{device}: {what} ({who})",
                            device=device_id(dev_eui),
                            what=what,
                            who=who or phrase("lorawan.the-network", "network"),
                        )
                    )
                    self.orders.audited(decision)
                case Moved(id=name, dev_eui=dev_eui, state=state, why=why):
                    self._session.log.info(
                        phrase(
                            "lorawan.downlink-moved",
                            "downlink {id} of {device}: {state} {reason}",
                            id=name,
                            device=device_id(dev_eui),
                            state=WORDS[state],
                            reason=why,
                        )
                    )
                    self.orders.moved(decision)
        self._wake.set()

    def _transmit(self, order: Transmit) -> None:
        way = self._ways.get(order.gateway)
        if way is None:
            self.refused(order.id, "gateway-away", order.gateway)
            return
        try:
            way.transmit(order)
        except OSError:
            self.refused(order.id, "gateway-away", order.gateway)

    def _found(self, found: Found) -> None:
        if found.kind == "gateway":
            self.stranger(found.eui.hex(), "a frame it heard")
            return
        signal = reading.signal_of(found.reception) if found.reception is not None else None
        self._session.devices.discovered(
            hub.Candidate(
                id=device_id(found.eui),
                integration=self._session.name,
                model="LoRaWAN",
                signal=signal,
                evidence={"JoinEUI": found.join_eui.hex(), "remedy": "it wants to join: its AppKey is needed"},
            )
        )

    def _begin_commit(self, commit: Commit) -> None:
        """Start the task of a commit.

        Tasks begin in the order in which they are made, so the reports of a device stay in order. While the disk
        accepts nothing they wait, up to a limit: beyond it a reading is lost and counted, a confirmed one not
        acknowledged."""
        if self._committing >= MOST_COMMITS:
            self.network.aborted(commit.ticket, taken=False)
            self._session.radio.report_decode_error(device_id(commit.memory[0]), hub.DecodeError("commit-backlog"))
            return
        self._committing += 1
        self._tasks.create_task(self._commit(commit), name=f"{self._session.name} commit")

    async def _commit(self, commit: Commit) -> None:
        name = device_id(commit.memory[0])
        try:
            await self._keep(name, commit)
        except Exception as error:
            self.network.aborted(commit.ticket, taken=commit.ticket in self._taken)
            self._session.radio.report_decode_error(name, hub.DecodeError("commit-failed"))
            if str(error) != self._failure:  # a full disk fails every commit: log it once
                self._failure = str(error)
                self._session.log.exception(
                    phrase(
                        "lorawan.frame-cannot-be-kept",
                        "what {device} said or needs cannot be kept; nothing is acknowledged",
                        device=name,
                    )
                )
            return
        finally:
            self._committing -= 1
            self._taken.discard(commit.ticket)
        self._failure = ""
        if commit.durable:
            self.orders.sift()
            self._do(self.network.committed(commit.ticket, self._loop.time()))

    async def _keep(self, name: str, commit: Commit) -> None:
        async with self._turns.setdefault(name, asyncio.Lock()):  # a codec may be slow: keep the reports in order
            await self._keep_in_turn(name, commit)

    async def _keep_in_turn(self, name: str, commit: Commit) -> None:
        reports = await self._reader.reports(commit.report) if commit.report is not None else []
        if commit.durable and (commit.report is None or commit.report.again):
            # A report that may be a duplicate appends nothing, and a join has none: this one row is the commit.
            if commit.reception is None:
                raise ValueError(
                    phrase("lorawan.commit-without-frame", "a commit without a frame cannot be made durable")
                )
            reports.append(reading.heard(name, commit.reception))
        failed: Exception | None = None

        def note() -> None:
            nonlocal failed
            self._taken.add(commit.ticket)
            try:
                self._session.state.put(name, commit.memory[1])
            except Exception as error:
                failed = error  # the reading itself is not lost

        await self._session.emit(*reports, note=note, durable=commit.durable)
        if failed is not None:
            raise failed


def wall(now: Callable[[], float] = time.time) -> float | None:
    """Return Unix time, or None while the clock is not trusted."""
    seconds = now()
    return seconds if seconds >= PLAUSIBLE else None
