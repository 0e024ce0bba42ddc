"""Encodes an alert as a row of the `alerts` stream: a report whose metrics are those below. Pure.

One row is one complete change: the receiver keeps, by hub and `alert`, the row with the greatest `alert_n`. The row's
subject is the device and place (both empty for a whole zone or integration instance), its time that of the change, its
trust class that of the reading that decided.
"""

from __future__ import annotations

from hub.automation.alerts.lifecycle import Alert
from hub.protocol.records.rows import Column, Row, Shape, Subject

TEXT_METRICS = (
    "alert", "alert_rule", "alert_key", "alert_state", "alert_severity", "alert_by", "alert_why", "alert_value",
    "alert_text", "alert_text_fr",
)  # fmt: skip
SHAPE = Shape(
    columns=(
        *(Column(metric=key, kind="text") for key in TEXT_METRICS),
        Column(metric="alert_n"),
        Column(metric="alert_raised"),
    )
)
"""`alert_raised` is in Unix seconds."""


def row(alert: Alert, subject: Subject, *, monotonic: float, sure: bool) -> Row:
    values = (
        alert.id, alert.rule, alert.key, alert.state, alert.severity, alert.by, alert.why, alert.value, alert.text,
        alert.text_fr, alert.n, int(alert.raised),
    )  # fmt: skip
    time = alert.changed if sure else monotonic
    return Row(subject, SHAPE, int(time * 1000), sure, values)


def subject_of(alert: Alert) -> Subject:
    return Subject(
        device=alert.device, place=alert.place, site=alert.site, zone=alert.zone, integration=alert.integration
    )
