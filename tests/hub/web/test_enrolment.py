"""The page of a hub that waits for its owner, without scripts: what it takes, who may, and what an enrolled hub has."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import AuthFailed
from hub.core.text import phrase
from hub.protocol.enrolment_files import MAX_ANSWER

from .web_kit import Pages

pytestmark = pytest.mark.real("network")

REFUSED = phrase(
    "token-expired",
    "this token has expired: ask the backend's operator for a new one, or set this machine's clock, which says {today}",
    today="2026-01-01",
)


class Owner:
    """What the calls of an enrolment answer, and were asked."""

    def __init__(self, pages: Pages) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.refuses: AuthFailed | None = None
        for name in ("enrolment", "enrolment.token", "enrolment.answer", "enrolment.request"):
            pages.hub.answers[name] = self._call(name)

    def _call(self, name: str) -> Any:
        async def answer(arguments: dict[str, Any]) -> Any:
            self.asked.append((name, arguments))
            if name == "enrolment":
                return {"hub": "hub-test", "enrolled": False, "under_way": False, "error": "", "now": 1_790_000_000.0}
            if name == "enrolment.request":
                return {"file": '{"kind": "x"}', "name": "hub-test.request.json"}
            if self.refuses is not None:
                raise self.refuses
            return {"hub": "hub-test", "url": "https://b:1", "root": "00" * 32}

        return answer

    def of(self, name: str) -> list[dict[str, Any]]:
        return [arguments for one, arguments in self.asked if one == name]


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path, enrolled=False) as pages:
        yield pages


async def test_a_token_is_taken_and_what_is_refused_is_said_and_can_be_tried_again(pages: Pages) -> None:
    owner, browser = Owner(pages), await pages.claimed()
    for path in ("/", "/enrolment", "/commissioning"):
        status, text, _ = await browser.get(path)
        assert status == 200
        assert "Étape suivante" in text
    owner.refuses = AuthFailed(REFUSED)
    status, text, _ = await browser.post("/enrolment/token", "/", token="ilot1.x")
    assert status == 422
    assert "2026-01-01" in text
    assert "horloge" in text
    assert ">ilot1.x</textarea>" in text
    owner.refuses = None
    status, text, _ = await browser.post("/enrolment/token", "/", token=" ilot1.y\n")
    assert status == 200
    assert "est enrôlé" in text
    assert '<noscript><meta http-equiv="refresh"' in text
    assert owner.of("enrolment.token")[-1] == {"token": "ilot1.y", "by": "web:camille"}


async def test_the_request_is_a_file_and_its_answer_is_taken_with_the_digits(pages: Pages) -> None:
    owner, browser = Owner(pages), await pages.claimed()
    status, text, headers = await browser.get("/enrolment/request")
    assert (status, json.loads(text)) == (200, {"kind": "x"})
    assert headers["Content-Disposition"] == 'attachment; filename="hub-test.request.json"'
    owner.refuses = AuthFailed(phrase("root-digits-differ", "another owner {root}", root="00"))
    status, text, _ = await browser.upload("/enrolment/answer", "/", b"{}", field="answer", root="0123")
    assert status == 422
    assert '<details class="card" open>' in text
    assert 'value="0123"' in text
    owner.refuses = None
    assert (await browser.upload("/enrolment/answer", "/", b"\xff{}", field="answer", root="0123"))[0] == 200
    assert owner.of("enrolment.answer")[-1] == {"answer": "\ufffd{}", "root": "0123", "by": "web:camille"}
    assert (await browser.post("/enrolment/answer", "/", root="0123"))[0] == 422
    large = bytes(MAX_ANSWER + 200_000)
    assert (await browser.upload("/enrolment/answer", "/", large, field="answer", root="0123"))[0] == 413
    assert len(owner.of("enrolment.answer")) == 2


async def test_only_an_administrateur_enrols_and_nothing_else_of_a_hub_is_there(pages: Pages) -> None:
    owner, admin = Owner(pages), await pages.claimed()
    worker = await pages.person("technicien")
    text = (await worker.get("/"))[1]
    assert "<textarea" not in text
    assert "administrateur" in text
    token = await worker.token("/account")
    head = {"Origin": pages.url}
    data = {"csrf": token, "token": "ilot1.x"}
    assert (await worker.ask("POST", "/enrolment/token", data=data, headers=head))[0] == 403
    assert (await worker.get("/enrolment/request"))[0] == 403
    assert (await pages.browser().get("/api/1/enrolment"))[0] == 401
    assert not owner.of("enrolment.token")
    for path in ("/devices", "/configuration", "/api/1/devices", "/api/1/live"):
        assert (await admin.get(path))[0] == 404, path
    _, text, _ = await admin.get("/api/1/enrolment")
    assert json.loads(text)["in_service"] is False


async def test_an_enrolled_hub_leads_on_and_takes_no_token(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages:
        browser = await pages.claimed()
        status, _, headers = await browser.get("/enrolment")
        assert (status, headers["Location"]) == (303, "/")
        assert json.loads((await browser.get("/api/1/enrolment"))[1])["in_service"] is True
        assert (await browser.post("/enrolment/token", "/account", token="ilot1.x"))[0] == 404
