"""What the district is asked, and what is taken of its answer."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from hub.asking.whereabouts import Whereabouts
from hub.errors import NotReady
from hub.session import Reply


class Http:
    def __init__(self, *replies: Reply) -> None:
        self.replies, self.asked = list(replies), list[bytes | None]()

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, timeout: timedelta = timedelta(seconds=1)
    ) -> Reply:
        assert (method, url) == ("POST", "https://data.example/v1/whereabouts")
        self.asked.append(body)
        return self.replies.pop(0)


def reply(status: int, **devices: object) -> Reply:
    return Reply(status, {}, json.dumps({"devices": devices}).encode())


async def test_only_what_was_asked_for_is_heeded_and_names_are_cut_to_what_can_be_printed() -> None:
    found = reply(
        200, a={"hub": "hub-2", "name": "École\u202e\nvoisine" + "x" * 80}, b={"hub": "hub-3"}, c={"hub": "h"}
    )
    http = Http(found)
    asked = await Whereabouts(http=http, url="https://data.example/", up=lambda: True).ask(["a", "b"])
    assert asked == {"a": ("Écolevoisine" + "x" * 80)[:64], "b": "hub-3"}
    assert json.loads(http.asked[0] or b"") == {"devices": ["a", "b"]}


async def test_without_a_link_or_by_an_older_backend_nothing_is_known() -> None:
    assert await Whereabouts(http=Http(), url="https://data.example", up=lambda: False).ask(["a"]) == {}
    assert await Whereabouts(http=Http(reply(404)), url="https://data.example", up=lambda: True).ask(["a"]) == {}


@pytest.mark.parametrize("answer", [Reply(200, {}, b"<html>"), Reply(200, {}, b'{"devices": {"a": 1}}'), reply(503)])
async def test_any_other_answer_is_not_ready(answer: Reply) -> None:
    with pytest.raises(NotReady):
        await Whereabouts(http=Http(answer), url="https://data.example", up=lambda: True).ask(["a"])
