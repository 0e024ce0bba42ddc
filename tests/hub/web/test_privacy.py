"""The page of privacy, answered by the parts that answer it in a hub."""

from __future__ import annotations

from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from hub.config.model import Core
from hub.core.clock import SystemClock
from hub.core.counters import Counts
from hub.core.metric_catalogue import METRICS
from hub.identity.enrolment import Enrolment
from hub.privacy.rules_engine import Privacy, compile_privacy
from hub.privacy.window_publisher import WindowPublisher
from hub.rpc.privacy import PrivacyCalls

from .web_kit import Pages

pytestmark = pytest.mark.real("network")

CORE = Core.model_validate(
    {
        "sites": {"s": {}},
        "zones": {
            "hall": {"site": "s", "name": "Hall"},
            "flat": {"site": "s", "name": "Appart. 12", "use": "logement"},
        },
        "privacy": {
            "rules": {
                "pilote": {"zones": ["flat"], "metrics": ["temperature"], "purpose": "bâti sain", "consent": "climat"},
                "visites": {"zones": ["hall"], "metrics": ["count"], "purpose": "horaires", "count": {}},
            }
        },
    }
)
CONSENT = {
    "n": 1, "person": "loc-12", "purpose": "climat", "zone": "flat", "given": 1.79e9, "recorded": 1.79e9, "by": "cli",
    "ended": None, "why": "", "home": "Appart. 12",
}  # fmt: skip
SAID = (
    "bâti sain", "tant que les occupants y consentent (climat)", "Logement : presque toute mesure", "loc-12",
    "7 · sans consentement", "confirmé par le serveur, 41 relevés", "arrondi à 5, de 0 à 4 indistinct",
)  # fmt: skip
ERASURE = {"id": "e", "kind": "pseudonym", "asked": 1.79e9, "confirmed": 1.79e9, "readings": 41}


def plain(text: str) -> str:
    return unescape(text).replace("\u00a0", " ").replace("\u202f", " ")


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path) as made:
        clock, counts, privacy = SystemClock(), Counts(), Privacy(rules=compile_privacy(CORE))
        counts.add("withheld-no-consent", "ble:1", 7)
        buffer: Any = None
        protecting = WindowPublisher(privacy, buffer, clock)
        declaring = PrivacyCalls(
            CORE,
            privacy,
            protecting,
            counts,
            clock,
            METRICS,
            enrolled=Enrolment(hub="hub-x", url="https://b.example.org", root=""),
            declared=set,
        )

        async def listed(arguments: dict[str, Any]) -> Any:
            return {"consents": [CONSENT], "erasures": [ERASURE], "asked": [], "timezone": "Europe/Paris"}

        made.hub.answers = {**declaring.calls(), "consent.list": listed}
        yield made


async def test_the_page_tells_in_plain_words_what_is_kept_of_whom_and_what_is_withheld(pages: Pages) -> None:
    await pages.claimed()
    browser = await pages.person("auditeur")
    text = plain((await browser.get("/privacy"))[1])
    for said in SAID:
        assert said in text, said
    assert "Retirer" not in text, "an auditor looks"
    assert (await browser.post("/privacy/withdraw", "/account", person="loc-12", purpose="climat"))[0] == 403
    english = plain((await browser.get("/privacy?lang=en"))[1])
    assert "while the people of the home agree (climat)" in english
    assert (await (await pages.person("technicien")).get("/privacy"))[0] == 403
    assert (await (await pages.person("lecteur")).get("/api/1/privacy/documents/dpia.md"))[0] == 403


async def test_a_withdrawal_is_asked_twice_and_is_the_administrators(pages: Pages) -> None:
    browser = await pages.claimed()
    asked: list[dict[str, Any]] = []

    async def withdrawn(arguments: dict[str, Any]) -> Any:
        asked.append(arguments)
        return {}

    pages.hub.answers["consent.withdraw"] = withdrawn
    text = plain((await browser.get("/privacy"))[1])
    assert "/privacy?withdraw=loc-12&purpose=climat#sure" in text
    text = plain((await browser.get("/privacy?withdraw=loc-12&purpose=climat"))[1])
    assert "Retirer le consentement de loc-12 (climat) ?" in text
    status, _, headers = await browser.post(
        "/privacy/withdraw", "/privacy?withdraw=loc-12", person="loc-12", purpose="climat"
    )
    assert (status, headers["Location"]) == (303, "/privacy?said=consent-withdrawn")
    assert asked == [{"person": "loc-12", "purpose": "climat", "by": "web:camille", "dry_run": False}]


async def test_the_documents_come_as_files(pages: Pages) -> None:
    browser = await pages.claimed()
    for name in ("register.md", "register.csv", "dpia.md"):
        status, text, headers = await browser.get(f"/privacy/documents/{name}")
        assert status == 200
        assert "bâti sain" in text
        assert headers["Content-Disposition"].startswith("attachment")
    assert (await browser.get("/privacy/documents/keys"))[0] == 404
