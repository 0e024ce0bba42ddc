"""Incidents: weak signals, each harmless alone, that together are an attack, or a fault that looks like one.

    sources ──▶ hub.core.security_events ──▶ incidents (pure: count, correlate, explain) ──▶ one alert for each family,
    sent at once
                                                                          └──▶ audit anchor: head of the audit chain

An incident is an alert like any other: it goes up the `alerts` stream, reaches people, is acknowledged at either end.
"""

from hub.operations.incidents.audit_anchor import AuditAnchor
from hub.operations.incidents.correlation import Incidents, Limits
from hub.operations.incidents.service import IncidentMonitor

__all__ = ["AuditAnchor", "IncidentMonitor", "Incidents", "Limits"]
