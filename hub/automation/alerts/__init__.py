"""Alerts: what a rule found, from raised to cleared, under one id from this hub to the backend.

life      the states and who may move between them
rows      an alert as a row of the `alerts` stream
memory    their table in the store
book      raises, moves and tells them; nothing of it is lost when the process is killed
"""

from hub.alerts.book import Book
from hub.alerts.life import ACKNOWLEDGED, CLEARED, ESCALATED, MUTED, RAISED, Alert, NoSuchAlert

__all__ = ["ACKNOWLEDGED", "CLEARED", "ESCALATED", "MUTED", "RAISED", "Alert", "Book", "NoSuchAlert"]
