"""Pictures of the simulated town's pages, for README: `python tools/district_pictures.py FOLDER`.

Runs the town (`ilot demo district`), signs in as the crew on a phone while it is at the bin, and as the operator on a
desk when its story has reached the knocking, and takes four pictures in Debian's chromium.
"""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image
from playwright.async_api import Browser, async_playwright

from backend.city.people.viewer import Role
from backend.demo.district import running

if TYPE_CHECKING:
    from backend.demo.district import Town

CHROMIUM = "/usr/bin/chromium"
PACE = 3.0
COLOURS = 96


class Picture(NamedTuple):
    """A picture: its file, whose page it is, the page, when in the story, the size of the window, and the link that is
    followed first."""

    name: str
    role: Role
    path: str
    at_s: float
    width: int = 1280
    height: int = 800
    link: str = ""


PICTURES = (
    Picture("city-crew.png", Role.CREW, "/interventions", 76, 390, 800, "bac-marche-3"),
    Picture("city-map.png", Role.OPERATOR, "/", 225),
    Picture("city-alerts.png", Role.OPERATOR, "/alerts", 225),
    Picture("city-crisis.png", Role.OPERATOR, "/crisis", 225),
)


async def main(folder: Path) -> None:
    """Take the pictures."""
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 before anything runs
    with tempfile.TemporaryDirectory(prefix="ilot-district-") as root:
        async with running(Path(root), lambda said: print(said, file=sys.stderr), PACE) as town:
            began = time.monotonic()
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=CHROMIUM)
                for one in PICTURES:
                    await asyncio.sleep(max(0.0, began + one.at_s / PACE - time.monotonic()))
                    await _take(browser, town, one, folder)
                await browser.close()


async def _take(browser: Browser, town: Town, one: Picture, folder: Path) -> None:
    account = next(found for found in town.accounts if found.role is one.role)
    context = await browser.new_context(
        ignore_https_errors=True, locale="fr-FR", viewport={"width": one.width, "height": one.height}
    )
    page = await context.new_page()
    await page.goto(f"{town.url}/signin")
    await page.fill('[name="name"]', account.name)
    await page.fill('[name="password"]', account.password)
    await page.press('[name="password"]', "Enter")
    await page.wait_for_url(lambda url: "/signin" not in url)
    await page.goto(f"{town.url}{one.path}")
    if one.link:
        await page.get_by_role("link", name=one.link).first.click()
    await page.wait_for_timeout(2500)  # marks and charts are drawn
    taken = await page.screenshot()
    await context.close()
    Image.open(io.BytesIO(taken)).quantize(COLOURS).save(folder / one.name, optimize=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
