"""Reports passed on to another's Open311 server, which answers as the examples of GeoReport v2 do."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from backend.city.city import City
from backend.city.open_api import open311_out, reports
from backend.city.open_api.open311_out import Passing, read_settings
from backend.storage.city import open_api as tables
from hub.core.errors import ConfigError

from ..people.people_kit import certificates


@dataclass
class Other:
    """Another's server; `answers` says how it takes the next requests: a status, or how it breaks."""

    url: str = ""
    posted: list[dict[str, Any]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    closed: dict[str, str] = field(default_factory=dict)

    async def post(self, request: web.Request) -> web.StreamResponse:
        form = dict(await request.post())
        status = self.answers.pop(0) if self.answers else 201
        if status != 201:
            return web.json_response([{"code": status, "description": "no"}], status=status)
        self.posted.append(form)
        number = f"29308{len(self.posted)}"
        told = [{"service_request_id": number, "service_notice": "The City will inspect.", "account_id": None}]
        return web.json_response(told, status=201)

    async def one(self, request: web.Request) -> web.StreamResponse:
        number = request.match_info["number"]
        notes = self.closed.get(number)
        told = {"service_request_id": number, "status": "open" if notes is None else "closed", "status_notes": notes}
        return web.json_response([told])


@pytest.fixture
async def other(city: City, tmp_path: Path) -> AsyncIterator[Other]:
    authority = certificates.made("Other", ca=True, may_sign=True)
    leaf = certificates.made("other", authority, names=("localhost",))
    (tmp_path / "tls").mkdir()
    shown, key = certificates.files(leaf, tmp_path / "tls")
    (city.directory / "other.pem").write_text(authority.pem)
    (city.directory / "open311.key").write_text("xyz\n")
    made = Other()
    app = web.Application()
    app.router.add_post("/v2/requests.json", made.post)
    app.router.add_get("/v2/requests/{number}.json", made.one)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(shown, key)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "localhost", 0, ssl_context=context).start()
    made.url = f"https://localhost:{runner.addresses[0][1]}/v2"
    settings(city, made.url)
    yield made
    await runner.cleanup()


def settings(city: City, url: str, **more: str) -> None:
    fields = {"url": url, "jurisdiction": "city.example", "key_file": "open311.key", "ca_file": "other.pem", **more}
    lines = [f"{name} = {json.dumps(value)}" for name, value in fields.items()]
    text = "\n".join(["[[outside]]", *lines, 'categories = { lighting = "033" }', ""])
    (city.directory / open311_out.FILE).write_text(text)


async def take(city: City, text: str = "The lamp is out.", lat: float = 48.85, category: str = "lighting") -> str:
    draft = reports.Draft(category, text, lat, 2.35)
    taken = await city.store.write(lambda t: reports.take(t, draft, "page", city.clock(), picture=None))
    return taken.report.number


async def accept(city: City, number: str) -> None:
    await city.store.write(lambda t: reports.answer(t, "anne", number, "accepted", "", city.clock()))


async def state(city: City, number: str) -> tuple[str, str]:
    found = await city.store.read(lambda r: tables.report(r, number))
    assert found is not None
    return found.state, found.answer


@pytest.mark.real("network")
async def test_an_accepted_report_is_passed_on_once_and_its_answer_comes_back(city: City, other: Other) -> None:
    now = [1_800_000_000.0]
    city.clock = lambda: now[0]
    number, waste = await take(city), await take(city, category="waste")
    again = await take(city, "It is still dark here.")
    passing = Passing(city)
    await passing.round()
    assert other.posted == []  # nobody has accepted it
    await accept(city, number)
    await accept(city, waste)
    for _ in range(3):
        await passing.round()
        now[0] += 10_000
    assert other.posted == [
        {
            "service_code": "033", "description": "The lamp is out.", "lat": "48.850000", "long": "2.350000",
            "jurisdiction_id": "city.example", "api_key": "xyz",
        }
    ]  # fmt: skip
    assert await state(city, number) == ("accepted", "")
    other.closed["293081"] = "Lamp <b>replaced</b>."
    await passing.round()
    assert await state(city, number) == await state(city, again) == ("done", "Lamp <b>replaced</b>.")
    assert (await state(city, waste))[0] == "accepted"


@pytest.mark.real("network")
async def test_a_server_that_is_away_is_asked_again_later(city: City, other: Other) -> None:
    now = [1_800_000_000.0]
    city.clock = lambda: now[0]
    number = await take(city)
    await accept(city, number)
    other.answers = [500, 403]
    passing = Passing(city)
    await passing.round()
    await passing.round()
    assert other.answers == [403]  # not again at once
    now[0] += open311_out.AGAIN_S
    await passing.round()
    settings(city, "https://localhost:1/v2")
    now[0] += open311_out.AGAIN_S
    await passing.round()
    settings(city, other.url)
    now[0] += open311_out.AGAIN_S
    await passing.round()
    assert len(other.posted) == 1


@pytest.mark.real("network")
async def test_a_server_whose_certificate_nobody_trusts_is_told_nothing(city: City, other: Other) -> None:
    settings(city, other.url, ca_file="")
    number = await take(city)
    await accept(city, number)
    await Passing(city).round()
    assert other.posted == []


@pytest.mark.parametrize(
    "text",
    [
        "[[outside]]\nurl = 1",
        "x",
        "[[outside]]\nurl = 'http://x/'\ncategories = {}",
        "[[outside]]\nurl = 'https:///'\ncategories = {}",
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, text: str) -> None:
    assert read_settings(tmp_path) == ()
    (tmp_path / open311_out.FILE).write_text(text)
    with pytest.raises(ConfigError, match=r"open311\.toml"):
        read_settings(tmp_path)
