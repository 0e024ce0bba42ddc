"""The bin journey in whole: a frame of a full bin reaches the right crew by e-mail, is taken on their phone's page in
an outage, is emptied, and closes; the delay stands on the page of alerts. Device, gateway and mail server are not
ours."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from lorawan_peer import LoraPacket
from playwright.async_api import Page, expect
from ruamel.yaml import YAML

from ...backend.city.people.people_kit import PASSWORD
from ...backend.city.people.test_people_in_browser import PHONE, browser, judged
from ...faults.rig import ilot, run
from ...ports import free_port
from .test_alerts import CONFIG, EMPTY, FULL, Bins

sys.path.append(str(Path(__file__).parents[2] / "backend"))

from dispatch_kit import Mailbox, mail_server

pytestmark = pytest.mark.long("starts whole hubs", of="tests/integrations")

PLAN = """
services: {waste: {name: Propreté}, heat: {name: Chauffage}, night: {name: Astreinte}}
people:
  jeanne: {name: Jeanne, service: waste, account: jeanne, email: jeanne@ville.example}
  paul: {name: Paul, service: heat, email: paul@ville.example}
  nour: {name: Nour, service: night, email: nour@ville.example}
rota:
  - {service: waste, people: [jeanne]}
  - {service: heat, people: [paul]}
  - {service: night, people: [nour]}
routes:
  - {id: heat, rules: [loop*], service: heat, chain: [{by: email}]}
  - id: bins
    rules: [full-bin]
    service: waste
    crew: true
    chain: [{by: email}, {after: 1h, by: email, service: night}]
  - {id: rest, service: night, chain: [{by: email}]}
"""


@pytest.fixture
def bins(tmp_path: Path, lora_packet: LoraPacket) -> Iterator[Bins]:
    made = Bins(tmp_path, lora_packet)
    yield made
    made.house.close()
    made.hook.shutdown()
    made.hook.server_close()


async def until(true: Callable[[], object], what: str, seconds: float = 90.0) -> None:
    """Wait for what other processes do."""
    end = asyncio.get_running_loop().time() + seconds
    while not true():
        assert asyncio.get_running_loop().time() < end, what
        await asyncio.sleep(0.1)


class Town:
    """The city's view over the rig's backend, as `ilot backend run` serves it."""

    def __init__(self, bins: Bins, box: Mailbox, port: int) -> None:
        self.bins, self.box, self.url = bins, box, f"https://localhost:{port}"
        self.directory, self._port = bins.rig.backend_dir, port

    def prepare(self) -> str:
        """Store plan and channels, make an account of the crew; return its code."""
        settings = f"email: {{host: 127.0.0.1, port: {self.box.port}, security: none, sender: ilot@ville.example}}\n"
        (self.directory / "channels.yaml").write_text(settings)
        plan = self.bins.rig.root / "plan.yaml"
        plan.write_text(PLAN)
        run("backend", "city", "routes", "import", str(self.directory), str(plan))
        made = ilot("backend", "city", "account", "add", str(self.directory), "jeanne", "--role", "crew",
                    "--service", "waste", "--json")  # fmt: skip
        return str(made["code"])

    def start(self) -> None:
        self.bins.rig.start_backend(options=("--api", str(self._port)))

    def state(self) -> str:
        return ",".join(one["state"] for one in self.bins.at_backend())


class Device(NamedTuple):
    """What a browser needs to trust the town: a place for its home, and the town's authority."""

    directory: Path
    authority: Path


async def enter(page: Page, town: Town, code: str) -> None:
    """Choose a password by a code, on the page for it."""
    await page.goto(f"{town.url}/signin/code?lang=en")
    for field, text in (("name", "jeanne"), ("code", code), ("password", PASSWORD), ("again", PASSWORD)):
        await page.locator(f"main input[name={field}]").fill(text)
    await page.locator("main form button").click()
    await page.wait_for_url(lambda url: "/signin" not in url)


async def press(page: Page, button: str, note: str = "") -> None:
    """Write a note, and press a button that a thumb can hit."""
    await page.get_by_label("Note").fill(note)
    found = page.get_by_role("button", name=button)
    box = await found.bounding_box()
    assert box is not None
    assert box["height"] >= 44
    await found.click()


def test_the_frame_is_one_that_the_maker_documents_and_says_100_percent_by_the_rule() -> None:
    """The vectors of the pack hold what its decoder makes of each documented frame; in the journey below it does so."""
    text = (Path(__file__).parents[3] / "packs" / "milesight-em400-mud" / "vectors" / "values.yaml").read_text()
    vectors = YAML(typ="safe").load(text)
    [readings] = [one["readings"] for one in vectors if one["bytes"].replace(" ", "").lower() == FULL.hex()]
    [inputs] = re.findall(r"depth: (\d+), full: (\d+)\}", CONFIG)
    depth, rim = (int(one) for one in inputs)
    assert 100 * (depth - readings["distance"]) / (depth - rim) == 100


@pytest.mark.real("clock, network, processes")
async def test_a_full_bin_reaches_its_crew_is_taken_on_a_phone_in_an_outage_is_emptied_and_closes(bins: Bins) -> None:
    async with mail_server() as box:
        town = Town(bins, box, free_port())
        bins.rig.stop(bins.rig.backend)
        code = await asyncio.to_thread(town.prepare)
        await asyncio.to_thread(town.start)
        await asyncio.to_thread(bins.house.start)
        await asyncio.to_thread(bins.join)
        device = Device(bins.rig.root, town.directory / "ca.pem")
        async with browser(device, PHONE, "en-GB") as context:  # type: ignore[arg-type]
            phone = context.pages[0]
            await enter(phone, town, code)
            await asyncio.to_thread(bins.say, EMPTY)
            await asyncio.to_thread(bins.say, FULL)
            await until(lambda: box.letters, bins.rig.logs())
            [letter] = box.letters
            assert letter["To"] == "jeanne@ville.example"
            assert "Benne rue Haute" in letter["Subject"]
            [alert] = bins.at_backend()
            assert alert["value"] == "315 mm"
            assert letter["X-Ilot-Alert"] == alert["alert"]  # one id at both ends
            link = re.search(r"https://\S+/interventions/\d+", box.text())
            assert link is not None

            bins.house.kill()  # the outage: the hub is off, and ingest is killed too; the city's page answers
            bins.rig.kill_part("ingest")
            await phone.goto(link[0])
            await judged(phone, "bin-intervention", PHONE)
            await press(phone, "I take it", "j'y vais")
            await expect(phone.get_by_text("taken, jeanne")).to_be_visible()
            await press(phone, "I am on site")
            await expect(phone.get_by_role("button", name="I am on site")).to_have_count(0)
            assert town.state() == "raised"
            await asyncio.to_thread(bins.house.start)
            await until(lambda: town.state() == "acknowledged", bins.rig.logs())
            assert bins.at_hub()["alerts"][0]["by"] == "backend:jeanne"

            await press(phone, "It is done", "vidée")
            await expect(phone.get_by_text("It closes by itself when the hub says")).to_be_visible()
            assert "closed by the hub" not in await phone.locator("main").inner_text()
            await asyncio.to_thread(bins.say, EMPTY)
            await until(lambda: town.state() == "cleared", bins.rig.logs())
            await until(lambda: len(box.letters) == 2, bins.rig.logs())
            assert box.letters[1]["References"] == letter["Message-ID"]
            await phone.reload()
            await expect(phone.get_by_text("closed by the hub")).to_be_visible()
            await expect(phone.get_by_text("vidée")).to_be_visible()
            await judged(phone, "bin-closed", PHONE)

            await phone.goto(f"{town.url}/alerts?all=1")
            await expect(phone.get_by_role("heading", name="Delays of the last 30 days")).to_be_visible()
            row = phone.get_by_role("row").filter(has=phone.get_by_role("rowheader", name="Propreté", exact=True))
            await expect(row).to_be_visible()
            cells = await row.get_by_role("cell").all_inner_texts()
            assert cells[0].split()[-1] == "1"
            taken, over = (seconds_of(one) for one in cells[1:])
            assert 0 < taken <= over
            assert taken < over or taken >= 60, "from a minute on in whole minutes"
            assert {one["To"] for one in box.letters} == {"jeanne@ville.example"}  # nobody else was told


def seconds_of(text: str) -> float:
    """Return a duration as the page writes it, below an hour."""
    found = re.search(r"(\d+)\s*(min|s)\b", text)
    assert found, text
    return int(found[1]) * {"min": 60.0, "s": 1.0}[found[2]]
