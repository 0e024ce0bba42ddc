"""The loop of `ilot sim --pack`: devices say the messages of a pack, and what the hub shows is compared with them."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.cli import output
from hub.cli.sim import expecting
from hub.cli.sim.lines import Lines, lines_of
from hub.cli.sim.script import messages_of, opened, personal
from hub.cli.sim.stage import options_of, player_of
from hub.core.errors import HubError
from hub.core.metric_catalogue import METRICS
from hub.core.text import phrase
from hub.sdk.simulation import Fault, Message, Player, Script

if TYPE_CHECKING:
    from hub.devices.packs.loader import Pack

AT_ONCE = 50
"""Devices that speak at the same time."""
PERIOD_S = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for; see `ilot sim`."""

    pack: str
    demo: bool = False
    expect: bool = False
    devices: int = 1
    rounds: int | None = None
    interval_s: float | None = None
    speed: float = 1.0
    faults: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    port: int = 0
    within_s: float = 60.0
    json: bool = False


def run(plan: Plan, config: Path, state_dir: Path | None) -> bool:
    """Play until the rounds are over, Ctrl-C or SIGTERM; return whether the hub showed all that was expected. Raises
    HubError."""
    from hub.cli.hub_client import ask
    from hub.cli.pack import library_of
    from hub.cli.radio import everything

    library, registry = library_of(config, state_dir), everything()
    pack, folder = opened(library, plan.pack)
    messages = messages_of(pack)
    keys = pack.keys
    script = Script(
        protocol=keys.protocol,
        pack=pack.name,
        messages=messages,
        devices=plan.devices,
        seed=plan.seed,
        options=None if plan.demo else options_of(keys.protocol, registry, config, state_dir),
        part=pack.part,
        port=plan.port,
        mac=keys.lorawan.mac if keys.lorawan is not None else "",
    )
    play = player_of(keys.protocol, registry)
    performance = Performance(plan, pack, script, personal(pack, messages, METRICS))

    async def whole() -> bool:
        async with play(script) as player:
            performance.check(player)
            if not plan.demo:
                performance.tell_lines(lines_of(player, keys.protocol, pack.name, "ZONE"))
                return await performance.perform(player, lambda: ask(config, state_dir, "status"))
            from hub.cli.sim.scratch import PackScene

            lines = lines_of(player, keys.protocol, pack.name, PackScene.zone)
            async with _scratch(PackScene(lines, performance.personal, folder, player.environment)) as scene:
                return await performance.perform(player, lambda: scene.ask("status"))

    return asyncio.run(_until_told(whole()))


@asynccontextmanager
async def _scratch(scene: Any) -> AsyncIterator[Any]:
    begun = asyncio.ensure_future(asyncio.to_thread(scene.begin))
    try:
        await asyncio.shield(begun)
        yield scene
    finally:
        await asyncio.wait({begun})  # a thread cannot be stopped: what it starts is ended afterwards
        await asyncio.shield(asyncio.to_thread(scene.end))


async def _until_told(work: Any) -> bool:
    """Run until it ends, or a signal cancels it: what was shown until then counts."""
    task = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        return bool(await task)
    return True


class Performance:
    """One run: what was said and shown so far."""

    def __init__(self, plan: Plan, pack: Pack, script: Script, personal: set[str]) -> None:
        self.personal = personal
        self._plan, self._pack, self._script = plan, pack, script
        self._rng = random.Random(plan.seed)  # noqa: S311 - which message a fault meets
        self._counts: Counter[str] = Counter()
        self._before: Mapping[str, Any] = {}

    def check(self, player: Player) -> None:
        """Raise HubError for a fault that this protocol does not know."""
        for fault in self._plan.faults:
            if fault not in player.faults:
                raise HubError(
                    phrase(
                        "fault-not-of-protocol",
                        "a device of {protocol} has no fault {fault}; it has {known}",
                        protocol=self._script.protocol,
                        fault=fault,
                        known=sorted(player.faults),
                    )
                )

    def tell_lines(self, lines: Lines) -> None:
        """Print what the hub's configuration needs."""
        if self._plan.json:
            self._event("lines", **lines._asdict())
            return
        output.say(
            phrase(
                "sim-lines-needed",
                "The hub hears these devices once its configuration has these lines (those that it has already stay "
                "as they are; ZONE is a zone of yours):",
            )
        )
        output.echo(lines.text())
        if lines.secrets:
            output.say(phrase("sim-secrets-needed", "and secrets.yaml beside it these:"))
            output.echo(lines.kept_secrets())

    async def perform(self, player: Player, status: Callable[[], Mapping[str, Any]]) -> bool:
        """Play all rounds; return whether the hub showed what it must."""
        if self._plan.expect:
            self._before = (await asyncio.to_thread(status))["counts"]
        self._tell_expected()
        await asyncio.gather(*(player.joined(number) for number in range(len(player.devices))))
        self._event("joined", devices=[one.id for one in player.devices])
        fine = True
        try:
            for number in count() if self._plan.rounds is None else range(self._plan.rounds):
                for message in self._script.messages:
                    fine &= await self._message(player, message, number, status)
        finally:
            await self._end(status)
        return fine

    async def _message(
        self, player: Player, message: Message, number: int, status: Callable[[], Mapping[str, Any]]
    ) -> bool:
        """Let all devices say one message; return whether the hub showed it, where that is asked."""
        began, gate = time.monotonic(), asyncio.Semaphore(AT_ONCE)
        said: dict[str, tuple[Message, float]] = {}

        async def one(device: int) -> None:
            async with gate:
                fault, name = self._fault(), player.devices[device].id
                at = time.time()
                await player.say(device, message, fault)
                self._counts[fault or "said"] += 1
                if fault in (None, "repeat"):
                    said[name] = message, at
                self._event("said", round=number, device=name, vector=message.where, fault=fault)

        await asyncio.gather(*(one(n) for n in range(len(player.devices)) if player.speaks(n, message)))
        fine = True
        if self._plan.expect:
            for result in await expecting.shown(
                said, lambda: expecting.latest(status()), self.personal, self._plan.within_s
            ):
                self._tell_result(result)
                fine &= result.ok
        await asyncio.sleep(max(0.0, self._interval_s() / self._plan.speed - (time.monotonic() - began)))
        return fine

    def _interval_s(self) -> float:
        if self._plan.interval_s is not None:
            return self._plan.interval_s
        if self._plan.expect:
            return 0.0
        period = self._pack.keys.period
        return PERIOD_S if period is None else period.total_seconds()

    def _fault(self) -> Fault | None:
        """Return what goes wrong with the next message."""
        at = self._rng.random()
        for fault, share in self._plan.faults.items():
            if at < share:
                return fault  # type: ignore[return-value]  # checked by the command
            at -= share
        return None

    def _tell_expected(self) -> None:
        if self._plan.json:
            self._event(
                "expected",
                pack=self._pack.name,
                vectors=[{"vector": one.where, "readings": dict(one.readings)} for one in self._script.messages],
            )
            return
        output.say(phrase("sim-expected", "What the hub must show after each message:"))
        rows = [(one.where, [f"{key}={value}" for key, value in one.readings.items()]) for one in self._script.messages]
        output.table(("vector", "values"), [(where, " ".join(values)) for where, values in rows])

    def _tell_result(self, result: expecting.Result) -> None:
        self._counts["right" if result.ok else "wrong"] += 1
        self._counts["withheld"] += bool(result.withheld)
        if self._plan.json:
            wrong = {metric: {"expected": want, "shown": got} for metric, (want, got) in result.wrong.items()}
            self._event(
                "shown",
                device=result.device,
                vector=result.message.where,
                ok=result.ok,
                wrong=wrong,
                withheld=list(result.withheld),
            )
            return
        where = f"{result.device} {result.message.where}"
        for metric, (want, got) in result.wrong.items():
            if got is None:
                said = phrase(
                    "sim-not-shown", "{where}: {metric} is not shown; expected {wanted}",
                    where=where, metric=metric, wanted=repr(want),
                )  # fmt: skip
            else:
                said = phrase(
                    "sim-shown-otherwise", "{where}: {metric} is {found}, not {wanted} of this message",
                    where=where, metric=metric, found=repr(got), wanted=repr(want),
                )  # fmt: skip
            output.say(said)
        if result.withheld:
            output.say(
                phrase(
                    "sim-withheld",
                    "{where}: {metrics} may say something of people; the hub's privacy rules keep none of it",
                    where=where,
                    metrics=list(result.withheld),
                )
            )

    async def _end(self, status: Callable[[], Mapping[str, Any]]) -> None:
        """Print what came of it, and what the hub counted of these devices meanwhile."""
        refused: dict[str, int] = {}
        if self._plan.expect:
            with contextlib.suppress(HubError):
                now = (await asyncio.to_thread(status))["counts"]
                refused = _more(self._before, now)
        facts = dict(self._counts)
        if self._plan.json:
            self._event("end", counts=facts, refused=refused)
            return
        output.echo(
            phrase(
                "sim-end",
                "{count} [message|messages] said, {faulty} with a fault",
                count=self._counts.total() - sum(self._counts[key] for key in ("right", "wrong", "withheld")),
                faulty=sum(self._counts[fault] for fault in self._plan.faults),
            )
        )
        if self._plan.expect:
            output.echo(
                phrase(
                    "sim-end-shown",
                    "the hub showed {right} as expected, {wrong} not",
                    right=self._counts["right"],
                    wrong=self._counts["wrong"],
                )
            )
        for reason, number in sorted(refused.items()):
            output.echo(phrase("sim-hub-counted", "the hub counted {reason}: {count}", reason=reason, count=number))

    def _event(self, event: str, **facts: Any) -> None:
        if self._plan.json:
            output.data({"event": event, **facts})


def _more(before: Mapping[str, Mapping[str, int]], now: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Return what was counted meanwhile, by reason."""
    found: Counter[str] = Counter()
    for device, counted in now.items():
        for reason, number in counted.items():
            found[reason] += number - before.get(device, {}).get(reason, 0)
    return {reason: number for reason, number in found.items() if number > 0}
