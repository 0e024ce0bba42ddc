"""The worked example of docs/how-to/alerts.md: a lamp dims by presence, and no file of the hub holds presence.

The straight path, the rule, the desk and the store are the real ones. What the buffer is handed is looked at by row;
the store is opened with its key and searched as bytes. A twin whose zone states a purpose for it shows that the search
would find it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hub.automation.alert_engine import AlertEngine
from hub.automation.alerts import AlertService
from hub.automation.commands import CommandService
from hub.automation.rules import Rules, Surroundings, compile_rules
from hub.config.load import Models, load
from hub.core.metric_catalogue import METRICS
from hub.core.model import Device, Writable
from hub.core.store import Store
from hub.devices.registry import Devices
from hub.sdk.options import Config
from tests.hub.automation.alerts.test_service import Stream

from ..hub import path_kit
from .test_privacy import in_clear

KEY = os.urandom(32)
LAMP = Device(
    id="dali:lamp-7", integration="lamps", place="lamp", writable={"dimmer": Writable(20, 100, "technicien", 1)}
)
CONFIG = """\
sites: {ecole: {}}
zones: {classes: {site: ecole}}
places: {classe-1: {zone: classes}, lamp: {zone: classes}}
integrations: {lamps: {}, bluetooth: {}}
devices:
  "dali:lamp-7": {integration: lamps, place: lamp, writable: {dimmer: {low: 20, high: 100, role: technicien}}}
  "ble:AA:AA:AA:AA:AA:AA": {integration: bluetooth, place: classe-1}
rules:
  lamp-7:
    metric: presence
    places: [classe-1]
    equals: true
    alert: false
    set: {device: "dali:lamp-7", metric: dimmer, value: 100, otherwise: 20, clear_identity: true}
  crowded: {metric: co2, places: [classe-1], above: 700}
"""
CO2 = 713.25
"""Personal as well: who breathes is there. No other number of this test is it."""


class Lamps(Config):
    pass


async def street(
    tmp_path: Path, purposes: dict[str, dict[str, str]]
) -> tuple[list[Any], bytes, list[float], list[dict[str, Any]]]:
    """(rows of the buffer, bytes of the store, what the lamp was told, rows of the alerts stream)."""
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG)
    rules = compile_rules(load(file, Models(integrations={"lamps": (Lamps, None), "bluetooth": (Lamps, None)})).config)
    path = path_kit.Path(purposes)
    store = await Store.open(tmp_path / "store.db", KEY)
    stream = Stream()
    desk = CommandService(
        store,
        Devices([LAMP]),
        path.clock,
        path.counts,
        metric=lambda device, key: METRICS.get(key),
        last=lambda device, key: None,
        downlink=None,  # type: ignore[arg-type]
    )
    watching = AlertEngine(
        store, AlertService(store, stream, path.clock), desk, path.clock, path.counts, None, lambda: [LAMP]
    )  # type: ignore[arg-type]
    watching.rules = Rules(
        rules,
        Surroundings(place=path.planner._place, devices=lambda: [path_kit.TAG, LAMP], period=lambda device: None),
        may_keep=path.planner.may_keep,
        now=path.clock.now,
        monotonic=path.clock.monotonic,
        fired=watching.fired,
    )
    path.planner.use_rules(watching.rules)
    for somebody in (True, True, False):
        await path.emit(values={"presence": somebody, "co2": CO2, "temperature": 21.5})
        await path.clock.advance(30)
        await watching.turn()
    told = [one.value for one in (await desk.last(10))[::-1]]
    rows = list(path.buffer.rows)
    await store.close()
    return rows, in_clear(tmp_path / "store.db", KEY), told, stream.durable


def columns(rows: list[Any]) -> set[str]:
    return {column.metric for one in rows for column in one.shape.columns}


async def test_a_lamp_dims_by_presence_and_no_file_holds_who_was_there(tmp_path: Path) -> None:
    rows, store, told, alerts = await street(tmp_path, {})
    assert told == [100.0, 20.0]
    assert columns(rows) == {"temperature"}
    assert b"rule:lamp-7" in store  # the command is audited; the store is read in clear
    assert b"presence" not in store
    assert str(CO2).encode() not in store
    assert [one["alert_value"] for one in alerts] == [""]  # that the room was full is told; how full is not
    assert not any(str(CO2) in str(value) for one in alerts for value in one.values())


async def test_where_a_purpose_is_stated_the_same_search_finds_it(tmp_path: Path) -> None:
    rows, store, told, alerts = await street(tmp_path, {"classes": {"presence": "lighting", "co2": "air quality"}})
    assert told == [100.0, 20.0]
    assert columns(rows) == {"temperature", "presence", "co2"}
    assert str(CO2).encode() in store
    assert str(CO2) in alerts[0]["alert_value"]


@pytest.mark.parametrize("metric", ["presence", "co2"])
def test_what_is_looked_for_is_personal(metric: str) -> None:
    assert METRICS[metric].privacy == "personal"
