"""Weak signals: what each is nothing and together are an attack, or a fault that looks like one.

    noticers ──▶ hub.events ──▶ incidents (pure: count, correlate, explain) ──▶ one alert for each family, told at once
                                                                          └──▶ witness: head of the audit chain, counts

An incident is an alert like any other: it goes up the `alerts` stream, reaches people, is acknowledged at either end.
"""

from hub.vigil.desk import Vigil
from hub.vigil.incidents import Incidents, Limits
from hub.vigil.witness import Witness

__all__ = ["Incidents", "Limits", "Vigil", "Witness"]
