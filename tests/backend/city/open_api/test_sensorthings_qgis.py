"""QGIS of Debian, without a screen, opens each entity set as a layer; what it asks is recorded, all of it answered."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from backend.api.requests import Handler
from backend.city.city import City
from backend.city.open_api import routes
from backend.city.open_api.sensorthings import PATH
from backend.city.people.viewer import VIEWER

from .open_kit import Device, person

PYTHON = "/usr/bin/python3"


def qgis_there() -> bool:
    found = subprocess.run([PYTHON, "-c", "import qgis.core"], capture_output=True, check=False)
    return found.returncode == 0


@pytest.mark.long("starts QGIS")
async def test_qgis_reads_each_entity_set_as_a_layer(town: City, devices: list[Device], tmp_path: Path) -> None:
    if not await asyncio.to_thread(qgis_there):
        pytest.skip("QGIS is not installed: apt install python3-qgis")
    asked: list[tuple[str, int]] = []

    @web.middleware
    async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[VIEWER] = person()
        response = await handler(request)
        asked.append((request.path_qs, response.status))
        return response

    app = web.Application(middlewares=[record])
    routes.route(app.router, town)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}{PATH}"
    running = await asyncio.create_subprocess_exec(
        PYTHON, str(Path(__file__).with_name("qgis_reads.py")), url, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "QT_QPA_PLATFORM": "offscreen"},
    )  # fmt: skip
    out, errors = await asyncio.wait_for(running.communicate(), 240)
    await runner.cleanup()
    assert running.returncode == 0, errors.decode()
    told: dict[str, Any] = json.loads(out.decode().splitlines()[-1])
    assert asked, told
    assert [one for one in asked if one[1] != 200] == []
    assert all(one["valid"] for one in told.values()), told
    placed = [one for one in devices if one.at]
    assert len(told["things"]["rows"]) == len(devices)
    assert len(told["locations"]["rows"]) == len(told["small pages"]["rows"]) == len(placed)
    assert len(told["datastreams"]["rows"]) == sum(len(one.series) for one in devices)
    assert len(told["properties"]["rows"]) == 3
    assert len(told["observations"]["rows"]) == 50
    assert len(told["filtered"]["rows"]) == sum(one.kind == "air" for one in placed) - 1
    assert len(told["expanded"]["rows"]) == sum(len(one.series) for one in placed)
    assert len(told["box"]["rows"]) == 3
