"""Alerts: what a rule found, from raised to cleared, under one id from this hub to the backend.

lifecycle the states and who may move between them
stream_rows an alert as a row of the `alerts` stream
table     their table in the store
service   raises, moves and tells them; nothing of it is lost when the process is killed
"""

from hub.automation.alerts.lifecycle import ACKNOWLEDGED, CLEARED, ESCALATED, MUTED, RAISED, Alert, NoSuchAlert
from hub.automation.alerts.service import Book

__all__ = ["ACKNOWLEDGED", "CLEARED", "ESCALATED", "MUTED", "RAISED", "Alert", "Book", "NoSuchAlert"]
