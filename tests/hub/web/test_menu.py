"""The menu of each role, the page of settings with all the rest, and the figures beside its lines."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from hub.page_kit import menu
from hub.web.areas import MENU
from hub.web.roles import READS

from .test_alerts import LOOP
from .test_quarantine import STRANGER
from .web_kit import Pages

ROLES = sorted(READS)
HREF = re.compile(r'href="([^"]*)"')


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path) as made:
        yield made


async def reader(pages: Pages, role: str) -> Any:
    admin = await pages.claimed()
    return admin if role == "administrateur" else await pages.person(role)


def nav(text: str) -> str:
    return text.partition("<nav")[2].partition("</nav>")[0]


@pytest.mark.real("network")
@pytest.mark.parametrize("role", ROLES)
async def test_a_menu_has_nine_lines_at_most_and_the_page_of_settings_has_every_other_page(
    pages: Pages, role: str
) -> None:
    browser = await reader(pages, role)
    _, text, _ = await browser.get("/settings")
    lines = [one for one in HREF.findall(nav(text)) if not one.startswith("/static")]
    assert lines[0] == "/"
    assert lines.index("/crisis") > 0
    assert len(lines) <= menu.MOST_LINES
    main = text.partition("<main")[2]
    for one in menu.opened_by(MENU, role):
        assert (one.href in lines) != (f'<a href="{one.href}">' in main), one.key
    for one in MENU:
        if one.roles is not None and role not in one.roles:
            assert f'href="{one.href}"' not in text, f"{one.key} is not for {role}"


@pytest.mark.real("network")
@pytest.mark.parametrize("role", ROLES)
async def test_every_page_of_the_menu_and_of_the_settings_opens_and_the_menu_says_where_one_is(
    pages: Pages, role: str
) -> None:
    browser = await reader(pages, role)
    for one in menu.opened_by(MENU, role):
        status, text, _ = await browser.get(one.href)
        assert status == 200, one.key
        current = re.findall(r'href="([^"]*)" aria-current="([^"]*)"', nav(text))
        there = one.href if role in one.menu else "/settings"
        assert current == [(there, "page" if there == one.href else "true")], one.key


@pytest.mark.real("network")
async def test_each_line_of_the_settings_says_in_both_languages_what_its_page_is_for(pages: Pages) -> None:
    browser = await pages.claimed()
    for lang, title, said in (("fr", "Réglages", "retour en arrière"), ("en", "Settings", "a way back")):
        text = unescape((await browser.get(f"/settings?lang={lang}"))[1])
        main = text.partition("<main")[2]
        assert f"<h1>{title}</h1>" in main
        assert said in main
        rows = re.findall(r'<li><a href="/.*?</li>', main)
        assert len(rows) > 10
        assert all(re.search(r'<span class="help">[^<]{20,}</span>', row) for row in rows)


@pytest.mark.real("network")
async def test_the_menu_counts_what_there_is_to_do_and_the_stream_tells_every_page_of_it(pages: Pages) -> None:
    browser = await pages.claimed()
    badge = re.compile(r'<span class="count"( hidden)?><span data-sum="(\w+)">(\d+)<')
    pages.hub.degraded = []
    before = badge.findall(nav((await browser.get("/account"))[1]))
    assert before == [(" hidden", "todo", "0"), (" hidden", "todo", "0"), (" hidden", "raised", "0")]
    pages.hub.alerts = [LOOP]
    pages.hub.degraded = ["the link is down"]
    pages.hub.waiting = [STRANGER, {**STRANGER, "id": "ble:2"}, {**STRANGER, "id": "lorawan:X", "known": True}]
    pages.site._kept.clear()  # as after five seconds
    after = badge.findall(nav((await browser.get("/account"))[1]))
    # an alert, a fault, a known device's refused frames, and strangers, who are one thing to do
    assert after[0] == ("", "todo", "4")
    async with browser.session.get(f"{pages.url}/api/1/live?only=summary") as answer:
        assert answer.status == 200
        told = b""
        async for chunk in answer.content.iter_any():
            told += chunk
            if told.count(b"\n\n") >= 2:
                break
    kinds = re.findall(rb"event: (\w+)\ndata: (.*)", told)
    assert [kind for kind, _ in kinds] == [b"clock", b"summary"], "values are not sent to a page that shows none"
    assert json.loads(kinds[1][1])["todo"] == 4


def test_no_page_stands_twice_and_every_role_has_a_menu() -> None:
    assert len({one.key for one in MENU}) == len({one.href for one in MENU}) == len(MENU)
    for role in ROLES:
        assert next(iter(menu.lines(MENU, role))).key == "overview"
        assert all(one in menu.opened_by(MENU, role) for one in menu.lines(MENU, role))
    assert all(one.menu <= (one.roles or READS) for one in MENU)
