"""Builds the incident monitor: watches the hub's counters for signs of an attack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from hub.app.automation import AutomationServices
from hub.app.backend_link import BackendServices
from hub.app.base_services import BaseServices
from hub.app.plugins import FieldServices
from hub.app.service import Service
from hub.config.load import Loaded
from hub.core.security_events import CLONES
from hub.operations.incidents import AuditAnchor, IncidentMonitor, Incidents, Limits
from hub.operations.incidents.correlation import ACK, EGRESS, ELSEWHERE, GAP, HOST, PLUGIN, SIGN_IN, STALL
from hub.operations.incidents.service import CounterSource
from hub.plugin_host.stall_watch import StallWatch
from hub.web.web_part import Web

REFUSALS_BY_KIND = {
    SIGN_IN: ("sign-in-wrong", "claim-wrong", "password-wrong", "badge-wrong", "token-wrong", "throttled"),
    HOST: ("host",), ELSEWHERE: ("elsewhere", "form-token"),
}  # fmt: skip
"""Kind of incident → refusals counted by the pages."""
FORGED_ACKS = ("signature", "unreadable", "other-hub", "ahead")


@dataclass
class IncidentServices:
    monitor: IncidentMonitor
    witness: AuditAnchor

    @property
    def services(self) -> list[Service]:
        return [Service(self.monitor, "security")]

    def reconfigure(self, loaded: Loaded) -> None:
        self.monitor.reconfigure(limits_of(loaded), loaded.config.hub.site or "")


def limits_of(loaded: Loaded) -> Limits:
    """Return the numbers of signals per kind from which there is an incident."""
    said = loaded.config.security
    counts = said.thresholds.model_dump()
    clone = counts.pop("clone")
    thresholds = {name.replace("_", "-"): count for name, count in counts.items()} | dict.fromkeys(CLONES, clone)
    return Limits(thresholds, said.window.total_seconds(), said.quiet.total_seconds())


def build_incident_services(
    base: BaseServices,
    field: FieldServices,
    automation: AutomationServices,
    backend: BackendServices,
    web: Web,
    stalls: StallWatch,
) -> IncidentServices:
    def doors(kind: str) -> Mapping[str, int]:
        found = Counter[str]()
        for (why, address), count in web.refused().items():
            if why in REFUSALS_BY_KIND[kind]:
                found[address] += count
        return found

    def acks() -> Mapping[str, int]:
        refused = backend.link.delivery.refusals
        return {why: refused[why] for why in FORGED_ACKS if why in refused}

    incidents = Incidents(limits_of(base.loaded))
    counters = [
        *(CounterSource(kind, lambda kind=kind: doors(kind)) for kind in REFUSALS_BY_KIND),  # type: ignore[misc]
        CounterSource(EGRESS, lambda: field.egress.refused), CounterSource(ACK, acks),
        CounterSource(GAP, lambda: base.buffer.status().losses),
        CounterSource(PLUGIN, lambda: {health.name: health.crashes for health in field.plugins.health}),
        CounterSource(STALL, lambda: dict(stalls.told)),
    ]  # fmt: skip
    witness = AuditAnchor(base.store, base.buffer, base.clock, lambda: incidents.counts)
    site = base.loaded.config.hub.site or ""
    monitor = IncidentMonitor(base.events, automation.alert_engine.book, witness, base.clock, incidents, counters, site)
    return IncidentServices(monitor, witness)
