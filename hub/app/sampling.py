"""Builds raised sampling on the parts of one hub."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hub.app.automation import AutomationServices
from hub.app.base_services import BaseServices
from hub.app.plugins import FieldServices
from hub.app.reading_path import ReadingPath
from hub.automation.commands import CommandService, Order, Record
from hub.automation.commands.service import OPEN_LIMIT
from hub.core.errors import DecodeError, PluginError
from hub.core.text import phrase
from hub.operations.crisis.sampling.model import Budgets, Gateway, Item, SamplingRequest
from hub.operations.crisis.sampling.service import Sampling
from hub.operations.crisis.sampling.state import Raised
from hub.plugin_host.supervisor import RUNNING
from hub.sdk.sampling import DEFAULT
from hub.sdk.sampling import Sampling as PluginSampling

if TYPE_CHECKING:
    from hub.devices.packs.format import PackKeys

TTL_S = 86_400.0
"""Lifetime of a downlink command: a class A device listens only after its own uplinks."""
LAST = 1000


class HubSamplingActions:
    """Implements `hub.operations.crisis.sampling.actions.SamplingActions` for one hub."""

    def __init__(self, base: BaseServices, path: ReadingPath, field: FieldServices) -> None:
        self._base, self._path, self._field = base, path, field
        self._records: dict[str, Record] = {}

    def refusal(self) -> str:
        if self._commands.frozen:
            return "read-only"
        if self._commands.stopped is not None:
            return "stopped"
        return "too-many" if self._commands.under_way >= OPEN_LIMIT else ""

    async def order(self, one: Raised, period_s: float, by: str, why: str) -> str:
        record = await self._commands.order(
            Order(
                device=one.devices[0],
                metric=one.downlink,
                values=_values(one, period_s),
                by=by,
                role="administrateur",
                why=why,
                ttl_s=TTL_S,
            )
        )
        self._records[record.id] = record
        return record.id

    async def command_state(self, command: str) -> str:
        record = self._records.get(command) or self._commands.find(command)
        if record is None:
            record = next((one for one in await self._commands.last(LAST) if one.id == command), None)
        if record is None:
            return ""
        self._records[command] = record
        if record.final:
            del self._records[command]
        return record.state

    def pending_command(self, one: Raised, period_s: float) -> str:
        values = _values(one, period_s)
        found = [r for r in self._commands.pending_for(one.devices[0], one.downlink) if r.values == values]
        if not found:
            return ""
        self._records[found[-1].id] = found[-1]
        return found[-1].id

    def withdraw(self, command: str) -> bool:
        return self._commands.withdraw(
            command, phrase("sampling-not-raised-any-more", "the sampling is no longer to be raised")
        )

    def set_poll_periods(self, periods: dict[str, float]) -> None:
        self._field.poll_scheduler.shorten(periods)

    def last_report(self, device: str) -> float | None:
        return self._path.live.last_seen(device)

    def changed(self, devices: Sequence[str]) -> None:
        self._path.guard.retime(devices)

    def digest(self) -> str:
        return self._base.loaded.digest

    @property
    def _commands(self) -> CommandService:
        return self._field.commands


def _values(one: Raised, period_s: float) -> dict[str, float]:
    return {one.field: period_s / one.unit_s}


def _line(config: Any) -> str:
    """Return the serial line that an integration shares, "" if it has its own."""
    named = getattr(config, "bus", "") or getattr(config, "port", "")
    return named if isinstance(named, str) else ""


def build_sampling(
    base: BaseServices, path: ReadingPath, field: FieldServices, automation: AutomationServices
) -> Sampling:
    """Build and wire raised sampling; nothing is loaded yet."""
    hands = HubSamplingActions(base, path, field)

    async def gather(wish: SamplingRequest) -> tuple[list[Item], list[Gateway]]:
        from hub.operations.crisis.sampling import inventory  # late: needed only once somebody asks for a plan

        sources = inventory.Sources(
            devices=lambda: path.devices,
            zone=zone,
            sampling=sampling_of,
            lines=lambda: {one.name: line for one in base.loaded.integrations if (line := _line(one.config))},
            cut=lambda name: bool(field.plugins.pauses.why(("integration", name))),
            running=running,
            paces=field.poll_scheduler,
            facts=field.plugin_facts.of,
            all_facts=lambda: field.plugin_facts,
            battery_days=field.radio.battery_days,
            value=path.live.value,
            keys=keys,
            mains=lambda: said().mains,
            former=sampling.expecting.former,
        )
        return await inventory.items(sources, wish), inventory.gateways(sources)

    def sampling_of(integration: str) -> PluginSampling:
        kind = next((one.type for one in base.loaded.integrations if one.name == integration), "")
        try:
            return base.registry.integration(kind).sampling
        except PluginError:
            return DEFAULT

    def said() -> Any:
        return base.loaded.config.crisis.sampling

    def budgets() -> Budgets:
        one = said()
        return Budgets(
            battery_days=one.battery_days,
            battery_days_raised=one.battery_days_raised,
            duty=one.duty_share,
            channel=one.channel_share,
            line=one.line_share,
            meter_reads=one.meter_reads,
            unknown_battery=one.unknown_battery,
        )

    def longest_s() -> float:
        return float(said().longest.total_seconds())

    async def keys(pack: str) -> PackKeys | None:
        try:
            return (await field.packs.get(pack)).keys
        except DecodeError:
            return None

    def zone(place: str) -> str:
        found = path.places.get(place)
        return found.zone if found else ""

    def running(name: str) -> bool:
        return any(one.name == name and one.state == RUNNING for one in field.plugins.health)

    sampling = Sampling(
        base.store,
        hands,
        base.clock,
        gather=gather,
        budgets=budgets,
        longest_s=longest_s,
    )
    expecting = sampling.expecting
    automation.alert_engine.expected_period, automation.alert_engine.validity_s = expecting.silence, expecting.coverage
    field.radio.expected = expecting.silence
    path.guard.use_raised_rates(expecting.burst)
    return sampling
