"""Scraped over HTTP and read by the client library's own parsers of both forms."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

import hub
from hub.core.metric_catalogue import METRICS
from hub.sdk.exporter import LastValue, Series
from hub.sdk.testing import FakeView
from plugins.prometheus import Config
from plugins.prometheus.serving import serving

from ...serving import start_server

OPENMETRICS = {"Accept": "application/openmetrics-text"}


def said(view: FakeView, place: str, metric: str, value: hub.Report | float | str | bool, age: float = 1.0) -> None:
    series = Series(
        id=f"{place}/{metric}",
        place=place,
        device=f"modbus:{place}",
        integration="modbus",
        metric=METRICS[metric],
        zone="plant",
        site="school",
    )
    last = LastValue(
        series=series.id,
        device=series.device,
        metric=metric,
        value=value,
        unit=METRICS[metric].unit,  # type: ignore[arg-type]
        time=time.time() - age,
        trust="B",
        quality="good",
        rssi=None,
    )
    view.say(series, last)


@asynccontextmanager
async def scraped(view: FakeView, config: Config) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    async with serving(config, view) as url, aiohttp.ClientSession() as client:
        yield client, url


async def families(view: FakeView, config: Config | None = None, *, openmetrics: bool = True):
    headers = OPENMETRICS if openmetrics else {}
    async with scraped(view, config or Config(port=0)) as (client, url), client.get(url, headers=headers) as reply:
        assert reply.status == 200
        text = await reply.text()
    parse = parse_openmetrics if openmetrics else parse_text
    return {family.name: family for family in parse(text)}


@pytest.mark.real("network")
@pytest.mark.parametrize("openmetrics", [True, False])
async def test_a_server_reads_values_with_their_place_and_unit(openmetrics: bool) -> None:
    view = FakeView()
    said(view, "hall", "temperature", 21.5)
    said(view, "main", "energy", 1234.5)
    said(view, "main", "fault", True)
    found = await families(view, openmetrics=openmetrics)
    (sample,) = found["ilot_temperature"].samples
    assert (sample.value, sample.labels["place"], sample.labels["unit"]) == (21.5, "hall", "Cel")
    assert found["ilot_energy"].type == "counter"
    assert [s.value for s in found["ilot_energy"].samples if s.name == "ilot_energy_total"] == [1234.5]
    assert found["ilot_fault"].samples[0].value == 1.0
    assert {s.labels["device"] for s in found["ilot_age_seconds"].samples} == {"modbus:hall", "modbus:main"}
    assert found["ilot_hub_acked"].samples[0].value == 0


@pytest.mark.real("network")
async def test_an_old_value_and_a_text_are_not_shown() -> None:
    view = FakeView()
    said(view, "hall", "temperature", 21.5, age=7200.0)
    said(view, "hall", "firmware", "1.2.3")
    found = await families(view)
    assert "ilot_temperature" not in found
    assert "ilot_firmware" not in found


@pytest.mark.real("network")
async def test_hostile_names_stay_labels() -> None:
    view = FakeView()
    said(view, 'a"b\\c\n# TYPE x counter', "temperature", 1.0)
    (sample,) = (await families(view))["ilot_temperature"].samples
    assert sample.labels["place"] == 'a"b\\c\n# TYPE x counter'


@pytest.mark.real("network")
async def test_who_is_not_listed_gets_nothing() -> None:
    config = Config(port=0, allow=("192.0.2.0/24",))
    async with scraped(FakeView(), config) as (client, url), client.get(url) as reply:
        assert (reply.status, "may not scrape" in await reply.text()) == (403, True)


@pytest.mark.real("network")
async def test_nothing_but_metrics_is_served() -> None:
    async with scraped(FakeView(), Config(port=0)) as (client, url), client.get(url[:-7]) as reply:
        assert reply.status == 404


@pytest.mark.real("network")
async def test_an_address_that_is_taken_is_not_ready_and_says_which() -> None:
    server = await start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(hub.NotReady, match=str(port)):
            async with serving(Config(port=port), FakeView()):
                pass


def test_what_is_no_network_is_refused_with_an_example() -> None:
    with pytest.raises(ValueError, match=r"192\.0\.2\.0/24"):
        Config(allow=("everyone",))
