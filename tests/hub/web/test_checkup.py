"""The check of `ilot doctor` on the page of diagnostics: its words, what is wrong first, who may ask for it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import HubError
from hub.core.text import phrase
from hub.i18n.catalogues import translate
from hub.operations.doctor.findings import DISK, TIME_ZONE, WRITING

from .web_kit import Pages

pytestmark = pytest.mark.real("network")

NOTHING = {"state": "never", "at": None, "by": "", "took_s": 0.0, "error": "", "found": []}
NO_UPLINK = phrase("no-uplink", "no uplink")
FOUND = [
    {"what": DISK, "state": "ok", "says": "<b>much</b>", "remedy": ""},
    {"what": TIME_ZONE, "state": "note", "says": NO_UPLINK, "remedy": "`timedatectl`"},
    {"what": WRITING, "state": "wrong", "says": "refused", "remedy": phrase("call-as-root", "`sudo ilot doctor`")},
]


class Machine:
    """What the hub answers; `refuses` is what a start is refused with."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = dict(NOTHING)
        self.by: list[str] = []
        self.refuses = ""

    async def start(self, arguments: dict[str, Any]) -> Any:
        if self.refuses:
            raise HubError(self.refuses)
        self.by.append(arguments["by"])
        self.state |= {"state": "running", "at": 1_790_000_000.0, "by": arguments["by"]}
        return self.state

    async def tell(self, arguments: dict[str, Any]) -> Any:
        return self.state


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[Pages, Machine]]:
    async with Pages(tmp_path) as pages:
        machine = Machine()
        pages.site.calls = {**pages.site.calls, "doctor.start": machine.start, "doctor.state": machine.tell}
        yield pages, machine


async def test_a_check_is_begun_by_a_button_shows_how_far_it_is_and_then_what_it_found(
    served: tuple[Pages, Machine],
) -> None:
    pages, machine = served
    browser = await pages.claimed()
    _, body, _ = await browser.get("/diagnostics?lang=en")
    assert "Check now" in body
    assert "“sudo ilot doctor”" in body
    assert "finding.js" not in body, "a page at rest loads no script for it"
    status, _, headers = await browser.post("/diagnostics/check", "/diagnostics")
    assert (status, headers["Location"], machine.by) == (303, "/diagnostics", ["web:camille"])
    machine.state["found"] = FOUND[:1]
    _, body, _ = await browser.get("/diagnostics?lang=en")
    assert "1 point looked at" in body
    assert 'data-again="1000"' in body
    assert "/static/finding.js" in body
    assert '<a class="button second" href="/diagnostics">' in body, "without scripts there is a link"
    machine.state |= {"state": "done", "found": FOUND}
    _, body, _ = await browser.get("/diagnostics?lang=en")
    assert "1 wrong, 1 to be seen to." in body
    assert "1 point is right" in body
    assert "Check again" in body
    assert 'data-again="0"' in body


async def test_each_finding_has_the_words_and_the_remedy_of_the_command_the_worst_first_and_nothing_is_markup(
    served: tuple[Pages, Machine],
) -> None:
    pages, machine = served
    machine.state |= {"state": "done", "at": 1_790_000_000.0, "by": "web:camille", "found": FOUND}
    browser = await pages.claimed()
    _, body, _ = await browser.get("/diagnostics?lang=fr")
    heads = re.findall(r'<th scope="row" role="rowheader">([^<]+)</th>', body)
    assert heads == ["écriture", "fuseau horaire", "disque"]
    assert translate(NO_UPLINK, "fr") in body
    assert "no uplink" not in body
    assert "<code>sudo ilot doctor</code>" in body
    assert "<code>timedatectl</code>" in body
    assert "&lt;b&gt;much&lt;/b&gt;" in body
    words = re.findall(r'<span class="word">(En défaut|À voir|En ordre)</span>', body)
    assert words == ["En défaut", "À voir", "En ordre"]


async def test_a_check_that_failed_or_is_refused_says_why_in_the_readers_language(
    served: tuple[Pages, Machine],
) -> None:
    pages, machine = served
    browser = await pages.claimed()
    slow = phrase("doctor-too-slow", "the check was not done within {seconds:.0f} s", seconds=30.0)
    machine.state |= {"state": "failed", "at": 1_790_000_000.0, "error": slow}
    _, body, _ = await browser.get("/diagnostics?lang=fr")
    assert "le bilan n'était pas terminé" in body.replace("&#39;", "'")
    machine.refuses = "isolated <b>"
    status, body, _ = await browser.post("/diagnostics/check", "/diagnostics")
    assert (status, "isolated &lt;b&gt;" in body) == (422, True)


async def test_who_works_may_begin_it_who_audits_sees_it_and_a_lecteur_neither(served: tuple[Pages, Machine]) -> None:
    pages, machine = served
    await pages.claimed()
    for role, sees, begins in (("technicien", 200, 303), ("auditeur", 200, 403), ("lecteur", 403, 403)):
        machine.state = dict(NOTHING)
        person = await pages.person(role)
        status, body, _ = await person.get("/diagnostics")
        assert status == sees
        assert ("/diagnostics/check" in body) == (begins == 303)
        assert (await person.post("/diagnostics/check", "/account"))[0] == begins
    assert machine.by == ["web:p-technicien"]
