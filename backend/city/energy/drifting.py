"""Drift of each meter of a portfolio, found as its hub finds it. Blocking.

The reference period is the first year of days that are known well enough, or, before there is one, all but the last
weeks. A meter is judged again once a week: a fit takes a second or two of a processor.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from backend.storage.city import energy as tables
from backend.storage.city.database import CityDatabase
from hub.core.model import Meter, Place
from hub.energy.baseline import FULL_DAYS
from hub.energy.baseline_fit import LEAST_DAYS
from hub.energy.drift import evaluate
from hub.energy.drift_state import learn, state_json
from hub.energy.figures import Survey

RECENT = 21
"""Days that an unfinished reference period leaves out, as `hub.energy.drift_watch` does."""
AGAIN_S = 7 * 86_400.0
MOST_A_TURN = 20
"""Meters that are judged in one turn of the work beside."""


def due(
    database: CityDatabase, meters: list[tuple[str, Place, Meter]], now: float, most: int = MOST_A_TURN
) -> list[tuple[str, Place, Meter]]:
    """Return the meters (series, place, meter) whose state is older than AGAIN_S, the oldest first."""
    with database.snapshot() as r:
        known = tables.drift(r)
    found = [one for one in meters if now - known.get(one[0], (0.0, ""))[0] >= AGAIN_S]
    return sorted(found, key=lambda one: known.get(one[0], (0.0, ""))[0])[:most]


def judge(database: CityDatabase, survey: Survey, series: str, place: Place, meter: Meter, now: float) -> None:
    """Judge a meter, and store its state as `hub.energy.drift_watch` tells it."""
    state = asyncio.run(_judge(survey, place, meter))
    with database.transaction() as t:
        tables.put_drift(t, series, now, json.dumps(state))


async def _judge(survey: Survey, place: Place, meter: Meter) -> dict[str, Any]:
    if survey.outdoor is None:
        return {"state": "no-outdoor"}
    series = survey.rollups.views.series((place.id, meter.metric))
    if series is None or not series.device_changes:
        return {"state": "learning", "days": 0, "needed": LEAST_DAYS}
    days = await survey.days(place, meter, series.device_changes[0][0])
    whole = bool(days) and days[-1].number - days[0].number >= FULL_DAYS + RECENT
    last = days[0].number + FULL_DAYS if whole else days[-1].number - RECENT if days else 0
    reference = [day for day in days if day.number < last]
    if len(reference) < LEAST_DAYS:
        return {"state": "learning", "days": len(reference), "needed": LEAST_DAYS}
    found = learn(reference)
    if found is None:
        return {"state": "idle", "days": len(reference)}
    baseline, limit = found
    after = [day for day in days if day.number > baseline.last]
    told = state_json(evaluate(baseline, after, limit), baseline, limit, whole, after)
    return {**told, "schedule": "", "school_zone": "", "school": ""}
