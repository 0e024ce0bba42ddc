"""The rooms' tables, in the order in which they are made. Each room adds its own line."""

from __future__ import annotations

from backend.storage.city import (
    crisis,
    dispatch,
    energy,
    incidents,
    journal,
    open_api,
    people,
    plans,
    publication,
    register,
    spaces,
)
from backend.storage.city.sql import Tables

ALL: tuple[Tables, ...] = (
    register.TABLES,
    people.TABLES,
    journal.TABLES,
    dispatch.TABLES,
    incidents.TABLES,
    plans.TABLES,
    publication.TABLES,
    crisis.TABLES,
    energy.TABLES,
    open_api.TABLES,
    spaces.TABLES,
)

__all__ = ["ALL", "Tables"]
