"""The watch centre of Nordet: what it is told, and what comes of each answer."""

from __future__ import annotations

import asyncio
from typing import Any

import hub
import pytest
from hub.sdk.testing import FakeNotifications, Reply, notification
from hub.sdk.testing.contract import ContractTests, NotifierWorld

from nordet_call import Centre, run

URL = "https://veille.nordet.example/v2/alertes"
OPTIONS = {"url": URL, "token": "jeton-de-la-ville", "duty": "chauffage"}
CONFIG = Centre.model_validate(OPTIONS)
TAKEN = Reply(202, {}, b"")


def given(answer: Reply | hub.NotReady) -> FakeNotifications:
    queue = FakeNotifications("nordet_call")
    queue.http.replies["POST", URL] = answer
    queue.give(notification("a", text_fr="Cave : fuite d'eau"))
    return queue


def test_the_duty_list_is_called_in_french_with_the_token() -> None:
    queue = given(TAKEN)
    asyncio.run(queue.run(run, CONFIG))
    (request,) = queue.http.requests
    assert request.headers["Authorization"] == "Bearer jeton-de-la-ville"
    assert request.json()["duty"] == "chauffage"
    assert "fuite d'eau" in request.json()["text"]
    assert [one.alert for one in queue.told] == ["a"]


@pytest.mark.parametrize(("status", "error"), [(401, hub.AuthFailed), (503, hub.NotReady)])
def test_what_the_centre_does_not_take_is_given_again(status: int, error: type[Exception]) -> None:
    queue = given(Reply(status, {}, b""))
    with pytest.raises(error):
        asyncio.run(queue.run(run, CONFIG))
    queue.http.replies["POST", URL] = TAKEN
    asyncio.run(queue.run(run, CONFIG))
    assert [one.alert for one in queue.told] == ["a"]
    assert queue.waiting == []


class WatchCentre(NotifierWorld):
    """A centre that answers, goes away and comes back."""

    module = "nordet_call"
    secrets = ("jeton-de-la-ville",)

    def options(self) -> dict[str, Any]:
        return OPTIONS

    def prepare(self, session: Any) -> None:
        session.http.replies["POST", URL] = TAKEN


class TestNordet(ContractTests):
    world = WatchCentre
