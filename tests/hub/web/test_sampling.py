"""The page Crise: what raising the sampling would cost, raising it, how far it is, giving it back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.core.text import phrase
from hub.operations.crisis import Verdict, isolation_verdict

from .web_kit import Pages


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path) as pages:
        yield pages


HELD = {
    "phase": "raised", "since": 1_790_000_000.0, "left_s": 7200, "by": "web:camille", "reason": "crue", "plan": "3f9c",
    "counts": {"entries": 2, "told": 1, "confirmed": 1, "not_confirmed": 0, "waiting": 1, "failed": 0},
    "entries": [
        {"name": "lorawan:1", "was_s": 900.0, "to_s": 60.0, "step": "told", "confirmed": True, "why": "", "why_fr": ""},
        {"name": "lorawan:2", "was_s": 900.0, "to_s": 60.0, "step": "waiting", "confirmed": False,
         "why": "waits: all writes are stopped", "why_fr": "attend : toutes les commandes sont arrêtées"},
    ],
    "unconfirmed": [],
}  # fmt: skip


@pytest.mark.real("network")
async def test_the_plan_is_shown_before_anything_is_done_with_all_it_costs(pages: Pages) -> None:
    browser = await pages.claimed()
    status, text, _ = await browser.get("/crisis?period=5min&for=24h&zone=rooms")
    assert status == 200
    for said in (
        "900 → 897 j", "360 j si elle n&#39;est jamais rendue", "1,50 → 3,75 s", "sur 36 s, bande M", "1 %", "6 %",
        "limité par le temps d&#39;antenne légal", "3,9 % des trames se heurtent",
        "la ligne en supporte 25 par seconde", "Tous peuvent l&#39;être en 15 min", "il émet de lui-même",
        "3f9c2b8a71d04e55", "&lt;b&gt;modbus",
    ):  # fmt: skip
        assert said in re.sub("&#8239;|\u202f|\u00a0", " ", text), said
    ((_, asked),) = [one for one in pages.hub.asked if one[0] == "crisis.sampling.plan"]
    assert asked == {
        "period_s": 300.0, "for_s": 86_400.0, "zones": ["rooms"], "devices": [], "by": "web:camille",
    }  # fmt: skip
    assert not [one for one in pages.hub.asked if one[0] == "crisis.sampling.raise"]


@pytest.mark.real("network")
async def test_raising_names_the_plan_the_person_and_the_role_and_only_who_rules_may(pages: Pages) -> None:
    browser = await pages.claimed()
    sent = {"plan": "3f9c2b8a71d04e55", "why": "crue"}
    status, _, headers = await browser.post("/crisis/sampling/raise", "/crisis?period=5min", **sent)
    assert (status, headers["Location"]) == (303, "/crisis?said=sampling-raised")
    ((_, asked),) = [one for one in pages.hub.asked if one[0] == "crisis.sampling.raise"]
    assert asked == {**sent, "by": "web:camille", "role": "administrateur"}
    worker = await pages.person("technicien")
    assert (await worker.post("/crisis/sampling/raise", "/account", **sent))[0] == 403
    assert "/crisis/sampling/raise" not in (await worker.get("/crisis?period=5min"))[1]


@pytest.mark.real("network")
async def test_why_the_hub_refuses_stands_in_the_language_of_the_page(pages: Pages) -> None:
    browser = await pages.claimed()
    pages.hub.sampling.refuses = phrase(
        "sampling-plan-not-known", "this plan is not known any more: `ilot crisis sampling plan` makes a new one"
    )
    status, text, _ = await browser.post("/crisis/sampling/raise", "/crisis", plan="0", why="x")
    assert status == 422
    assert "Ce plan n&#39;est plus connu" in text
    assert "not known" not in text
    status, text, _ = await browser.get("/crisis?period=5")
    assert (status, "une durée avec son unité" in text) == (422, True)
    assert "elle ne nomme aucune autre machine" in text
    assert "it names no other machine" in (await browser.get("/crisis?lang=en"))[1]


@pytest.mark.real("network")
async def test_while_it_is_raised_the_page_counts_who_was_told_and_the_time_that_is_left(pages: Pages) -> None:
    browser = await pages.claimed()
    pages.hub.sampling.held = HELD
    text = (await browser.get("/crisis"))[1]
    assert 'data-sampling="confirmed">1<' in text
    assert "2\u202fh" in text
    assert "attend : toutes les commandes sont arrêtées" in text
    assert 'action="/crisis/sampling/restore"' in text
    assert "Voir le coût" not in text, "it cannot be raised twice"
    board = (await browser.get("/board"))[1]
    assert "Appareils relevés plus souvent" in board
    assert '<noscript><meta http-equiv="refresh" content="20"></noscript>' in board
    status, _, headers = await browser.post("/crisis/sampling/restore", "/crisis", why="décrue")
    assert (status, headers["Location"]) == (303, "/crisis?said=sampling-restored")
    pages.hub.sampling.held = {**HELD, "phase": "over", "entries": [], "unconfirmed": ["lorawan:1"]}
    assert "pas observés à leur période d&#39;avant" in (await browser.get("/crisis"))[1]


@pytest.mark.real("network")
async def test_an_open_page_is_told_when_the_crisis_changes(pages: Pages) -> None:
    browser = await pages.claimed()
    pages.hub.sampling.held = HELD
    text = ""
    async with browser.session.get(f"{pages.url}/api/1/live") as answer:
        async with asyncio.timeout(60):
            while '"confirmed":1' not in text:
                text += (await answer.content.readany()).decode()
    assert "event: crisis" in text
    assert '"key":"10-raised-3f9c"' in text


@pytest.mark.real("network")
async def test_while_the_disk_does_not_remember_the_crisis_page_and_board_warn_of_a_restart(pages: Pages) -> None:
    browser = await pages.claimed()
    warning = "un redémarrage l&#39;annulerait"
    assert warning not in (await browser.get("/crisis"))[1]
    pages.hub.remembered = False
    assert [warning in (await browser.get(page))[1] for page in ("/crisis", "/board")] == [True, True]
    assert "a restart would undo it" in (await browser.get("/crisis?lang=en"))[1]


@pytest.mark.parametrize(
    "verdict",
    [
        isolation_verdict("x", {}, perimeter=False, kept=("x",)), isolation_verdict("x", {}, perimeter=True, kept=()),
        isolation_verdict("x", {"host": "10.0.0.1"}, perimeter=False, kept=()),
        isolation_verdict("x", {}, perimeter=False, kept=()),
    ],
)  # fmt: skip
def test_every_verdict_says_why_in_both_languages(verdict: Verdict) -> None:
    assert verdict.why
    assert verdict.why_fr
    assert verdict.why != verdict.why_fr
