"""Alerts: findings of rules, from raised to cleared, under one id from this hub to the backend.

lifecycle    states and the transitions between them
policy       which notifier gets which change
stream_rows  an alert as a row of the `alerts` stream
table        alerts in the store
service      raises and changes alerts, stores them and appends them to the buffer; a killed process loses none
"""

from hub.automation.alerts.lifecycle import ACKNOWLEDGED, CLEARED, ESCALATED, MUTED, RAISED, Alert, NoSuchAlert
from hub.automation.alerts.service import AlertService

__all__ = ["ACKNOWLEDGED", "CLEARED", "ESCALATED", "MUTED", "RAISED", "Alert", "AlertService", "NoSuchAlert"]
