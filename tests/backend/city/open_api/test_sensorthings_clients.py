"""Independent clients read SensorThings here: frost-sta-client and aio-sensorthings, as they are published."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from backend.city.city import City
from backend.city.open_api.sensorthings import PATH

from .open_kit import NOW, Device, person, serving

pytestmark = pytest.mark.real("network")


@pytest.fixture
async def url(town: City) -> AsyncIterator[str]:
    async with serving(town, person()) as client:
        yield str(client.make_url("/")).rstrip("/")


def _times(devices: list[Device], series: int) -> list[tuple[int, Any, int]]:
    return next(each.readings for one in devices for each in one.series if each.id == series)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of its own, of furl
async def test_frost_sta_client_reads_all_of_it(url: str, devices: list[Device]) -> None:
    fsc = pytest.importorskip("frost_sta_client")

    def read() -> None:
        service = fsc.SensorThingsService(url + PATH)
        things = service.things().query().count().top(3).list()
        assert things.count == 8
        assert [one.id for one in things] == [one.id for one in devices]  # over three pages
        for name in ("locations", "historical_locations", "datastreams", "sensors", "observed_properties",
                     "features_of_interest"):  # fmt: skip
            dao = getattr(service, name)()
            listed = list(dao.query().top(5).list())
            assert dao.find(listed[0].id).id == listed[0].id, name
        stream = service.datastreams().find(1)
        assert (stream.name, stream.unit_of_measurement.symbol) == ("air 1: Temperature", "Cel")
        newest = stream.get_observations().query().orderby("phenomenonTime").top(1).list().get(0)
        assert newest.result == _times(devices, 1)[-1][1]
        condition = "phenomenonTime ge 2027-01-15T10:00:00+01:00 and result gt 20"
        chosen = list(stream.get_observations().query().filter(condition).top(4).list())
        said = [value for at, value, _ in _times(devices, 1) if at >= NOW + 3_600_000 and value > 20]
        assert [one.result for one in chosen] == said
        assert len(said) > 4
        expanded = service.things().query().filter("id eq 1").expand("Locations,Datastreams($expand=ObservedProperty)")
        thing = expanded.list().get(0)
        assert thing.locations.get(0).location["coordinates"] == [2.3, 48.8]
        assert thing.datastreams.get(0).observed_property.name == "temperature"
        assert service.observations().find(f"1-{NOW}").result == _times(devices, 1)[0][1]
        with pytest.raises(Exception, match="405"):
            service.delete(thing)

    await asyncio.to_thread(read)


async def test_aio_sensorthings_reads_what_it_copies_elsewhere(url: str, devices: list[Device]) -> None:
    """It asks for each type with the expansions of its own bootstrap, which it needs to copy a server."""
    pytest.importorskip("aio_sensorthings")
    pytest.importorskip("tenacity")
    from aio_sensorthings.adapters.source.http_source import STAHttpSource
    from aio_sensorthings.client import STAClient
    from aio_sensorthings.models.enums import STAEntityType
    from aio_sensorthings.pipeline.syncer import _BOOTSTRAP_EXPAND

    async with STAClient(f"{url}/sta") as client:
        source = STAHttpSource(client)
        for kind in (STAEntityType.LOCATION, STAEntityType.THING, STAEntityType.SENSOR,
                     STAEntityType.OBSERVED_PROPERTY, STAEntityType.DATASTREAM):  # fmt: skip
            told = await source.get_entities(kind, expand=_BOOTSTRAP_EXPAND.get(kind), top=3)
            whole = await client.get(f"{kind.value}?$count=true&$top=0")
            assert len(told) == whole["@iot.count"] > 0
            assert await source.get_entity(kind, told[0]["@iot.id"])
        streams = await source.get_entities(
            STAEntityType.DATASTREAM, expand=_BOOTSTRAP_EXPAND[STAEntityType.DATASTREAM]
        )
        assert all(set(one["Thing"]) == {"@iot.id"} for one in streams)
        some = await source.get_entities(STAEntityType.DATASTREAM, nav_path="ObservedProperties(1)/Datastreams", top=2)
        assert len(some) == sum(s.metric == "label" for one in devices for s in one.series)
