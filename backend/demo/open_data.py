"""Data sets of the simulated town: two persons propose and allow them on the desk's pages, as soon as the things are in
the register."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import aiohttp

from backend.city.publication.calendar import DAY_S, HOUR_S
from backend.demo.phone import Fields, Phone
from hub.core.errors import HubError

AGAIN_S = 5.0
DESK = "/publication/new"
_OF_ALL = {
    "family": "ambient", "delay_days": "0", "licence": "etalab-2.0", "contact": "Déléguée à la protection des données",
    "mail": "dpd@rive.example", "summary_en": "", "total": "",
}  # fmt: skip


def data_sets(now: datetime) -> dict[str, Fields]:
    """Return the forms of the town's data sets by their names, each from the day before `now` on."""
    since = (now - timedelta(seconds=DAY_S)).strftime("%Y-%m-%d")

    def form(id: str, fr: str, en: str, summary: str, kind: str, metric: str, space: str, cell_s: int) -> Fields:
        return {
            **_OF_ALL, "id": id, "title_fr": fr, "title_en": en, "summary_fr": summary, "kinds": kind,
            "metrics": metric, "space": space, "cell_s": str(cell_s), "since": since, "theme": "ENVI",
        }  # fmt: skip

    forms = (
        form("bacs", "Remplissage des bacs", "Filling of bins", "Moyenne des bacs de chaque secteur, par heure.",
             "waste-container", "fill_level", "sector", HOUR_S),
        form("parkings", "Occupation des parkings", "Occupancy of car parks", "Part des places occupées, par parking.",
             "parking-spot", "occupancy", "site", 900),
        form("riviere", "Niveau de la rivière", "Level of the river", "Hauteur d'eau à l'échelle du Pont-Vieux.",
             "water-level", "water_level", "thing", 900),
    )  # fmt: skip
    return {str(one["id"]): one for one in forms}


async def publish(officer: Phone, head: Phone) -> int:
    """Have the officer propose each data set and the other person allow it; return how many are published then. What is
    refused, since its things are not in the register yet, is tried again until cancelled."""
    left = data_sets(datetime.now(UTC))
    count = len(left)
    while left:
        for id, form in list(left.items()):
            try:
                await officer.press(DESK, "propose", form)
                await head.send(f"/publication/{id}", {}, to=f"/publication/{id}/allow")
            except (HubError, aiohttp.ClientError, TimeoutError):
                continue
            del left[id]
        await asyncio.sleep(AGAIN_S if left else 0)
    return count
