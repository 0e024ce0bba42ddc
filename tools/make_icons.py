"""Icons of the pages as PNG, from hub/web/static/icon.svg: for phones, which take no SVG on their home screen.

    python tools/make_icons.py

Writes icon-192.png and icon-512.png, and icon-full-512.png: the mark within the safe zone of a maskable icon (W3C Web
Application Manifest: a circle of 40 % of the width), on its own colour to the edges. Needs Debian's chromium.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

STATIC = Path(__file__).resolve().parent.parent / "hub/web/static"


def main() -> None:
    svg = (STATIC / "icon.svg").read_text()
    found = re.search(r'fill="(#[0-9a-f]{6})"', svg)
    if found is None:
        raise SystemExit("icon.svg has no colour")
    wanted = (("icon-192.png", 192, ""), ("icon-512.png", 512, ""), ("icon-full-512.png", 512, found[1]))
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium") or "/usr/bin/chromium", args=["--no-sandbox"]
        )
        for name, width, paper in wanted:
            page = browser.new_page(viewport={"width": width, "height": width})
            page.set_content(
                f"<style>body {{ margin: 0; background: {paper or 'transparent'} }}"
                f" svg {{ display: block; width: 100vw; height: 100vh }}</style>{svg}"
            )
            page.screenshot(path=STATIC / name, omit_background=not paper)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
