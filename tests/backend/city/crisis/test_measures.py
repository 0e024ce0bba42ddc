"""Measures expire by themselves; drills change nothing real."""

from __future__ import annotations

import pytest

from backend.city.city import City
from backend.city.crisis import drills, log, measures
from backend.storage.city import crisis as tables
from backend.storage.city.database import Transaction
from hub.core.errors import HubError

NOW = 1_800_000_000.0


def taken(t: Transaction, text: str = "Gymnase ouvert", *, hours: float = 2.0, drill: int = 0) -> tables.Measure:
    return measures.take(t, measures.MEASURE, text, {}, who="Camille", now=NOW, expires=NOW + hours * 3600, drill=drill)


async def test_a_measure_does_not_hold_any_more_when_its_time_is_over_though_nothing_ran(city: City) -> None:
    await city.store.write(taken)
    held = [
        len(await city.store.read(lambda r, at=at: tables.measures(r, 0, at)))
        for at in (NOW, NOW + 7199, NOW + 7200)
    ]  # fmt: skip
    assert held == [1, 1, 0]


async def test_the_log_says_once_that_a_measure_is_over(city: City) -> None:
    await city.store.write(taken)
    assert await city.store.write(lambda t: measures.note_expired(t, NOW + 7100)) == 0
    assert await city.store.write(lambda t: measures.note_expired(t, NOW + 7300)) == 1
    assert await city.store.write(lambda t: measures.note_expired(t, NOW + 9000)) == 0
    kinds = [line.kind for line in await city.store.read(lambda r: tables.newest_lines(r, 0, 10))]
    assert kinds == ["end", "measure"]


async def test_a_measure_that_somebody_ended_is_not_said_to_expire(city: City) -> None:
    one = await city.store.write(taken)
    await city.store.write(lambda t: measures.end(t, one.id, who="Alix", now=NOW + 10, drill=0))
    assert await city.store.read(lambda r: tables.measures(r, 0, NOW + 11)) == []
    assert await city.store.write(lambda t: measures.note_expired(t, NOW + 9000)) == 0
    with pytest.raises(HubError):
        await city.store.write(lambda t: measures.end(t, one.id, who="Alix", now=NOW + 12, drill=0))


@pytest.mark.parametrize("hours", [0.0, -1.0, 24 * 32.0, float("nan"), float("inf")])
async def test_a_measure_without_an_end_is_refused(city: City, hours: float) -> None:
    with pytest.raises(HubError) as refused:
        await city.store.write(lambda t: taken(t, hours=hours))
    assert refused.value.args[0].code == "crisis-expiry-wrong"


async def test_what_is_done_in_a_drill_is_not_there_in_earnest_and_the_other_way_round(city: City) -> None:
    await city.store.write(lambda t: taken(t, "vraie mesure", hours=48))
    drill = await city.store.write(lambda t: drills.begin(t, "Crue", who="Alix", now=NOW, seconds=3600))
    real = await city.store.read(lambda r: log.verify(r, 0))
    played = await city.store.write(lambda t: taken(t, "mesure jouée", hours=48, drill=drill.id))
    await city.store.write(lambda t: measures.declare_isolated(t, "hub-1", "joué", who="Alix", now=NOW, drill=drill.id))
    assert await city.store.read(lambda r: log.verify(r, 0)) == real
    assert [one.text for one in await city.store.read(lambda r: tables.measures(r, 0, NOW))] == ["vraie mesure"]
    assert await city.store.read(lambda r: tables.isolated(r, 0)) == []
    (real_one,) = await city.store.read(lambda r: tables.measures(r, 0, NOW))
    with pytest.raises(HubError):  # from within the drill, a real measure cannot be ended
        await city.store.write(lambda t: measures.end(t, real_one.id, who="Alix", now=NOW + 1, drill=drill.id))
    await city.store.write(lambda t: drills.end(t, who="Alix", now=NOW + 60))
    with pytest.raises(HubError):
        await city.store.write(lambda t: measures.end(t, played.id, who="Alix", now=NOW + 61, drill=0))
    assert [one.text for one in await city.store.read(lambda r: tables.measures(r, 0, NOW + 61))] == ["vraie mesure"]


async def test_a_drill_ends_by_itself_and_a_second_one_is_refused_meanwhile(city: City) -> None:
    await city.store.write(lambda t: drills.begin(t, "Crue", who="Alix", now=NOW, seconds=3600))
    with pytest.raises(HubError):
        await city.store.write(lambda t: drills.begin(t, "Autre", who="Alix", now=NOW + 1, seconds=3600))
    assert await city.store.read(lambda r: drills.number_of(r, NOW + 3599)) == 1
    assert await city.store.read(lambda r: drills.number_of(r, NOW + 3600)) == 0
    await city.store.write(lambda t: drills.begin(t, "Autre", who="Alix", now=NOW + 3601, seconds=3600))


async def test_a_declaration_ends_once_its_hub_speaks_again_and_not_by_an_older_state(city: City) -> None:
    await city.store.write(lambda t: measures.declare_isolated(t, "hub-1", "gardien", who="Alix", now=NOW, drill=0))
    assert await city.store.write(lambda t: measures.heard_again(t, {"hub-1": NOW - 1}, NOW + 60)) == []
    assert await city.store.write(lambda t: measures.heard_again(t, {"hub-1": NOW + 30}, NOW + 60)) == ["hub-1"]
    assert await city.store.read(lambda r: tables.isolated(r, 0)) == []
