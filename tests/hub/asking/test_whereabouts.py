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
        200,
        **{
            "lorawan:a": {"hub": "", "name": "École\u202e\nvoisine" + "x" * 80},
            "lorawan:b": {"hub": "hub-3", "last": 1}, "lorawan:c": {"hub": "h"}, "lorawan:d": {},
        },
    )  # fmt: skip
    http = Http(found)
    devices = ["ble:1", "lorawan:a", "lorawan:b", "lorawan:d"]
    asked = await Whereabouts(http=http, url="https://data.example/", up=lambda: True).ask(devices)
    assert asked == {"lorawan:a": ("Écolevoisine" + "x" * 80)[:64], "lorawan:b": "hub-3"}, (
        "an older backend names a hub"
    )
    assert json.loads(http.asked[0] or b"") == {"devices": devices[1:]}, "what whoever is near hears is not asked for"


async def test_by_a_backend_that_does_not_know_this_way_nothing_is_known() -> None:
    here = Whereabouts(http=Http(reply(404)), url="https://data.example", up=lambda: True)
    assert await here.ask(["lorawan:a"]) == {}
    assert await here.ask(["ble:a"]) == {}, "nothing is asked"


async def test_at_most_a_hundred_are_asked_for_at_once() -> None:
    http = Http(reply(200))
    await Whereabouts(http=http, url="https://data.example", up=lambda: True).ask([f"lorawan:{n}" for n in range(150)])
    assert len(json.loads(http.asked[0] or b"")["devices"]) == 100


async def test_without_a_link_what_was_known_stands() -> None:
    with pytest.raises(NotReady, match="no link"):
        await Whereabouts(http=Http(), url="https://data.example", up=lambda: False).ask(["lorawan:a"])


@pytest.mark.parametrize("answer", [Reply(200, {}, b"<html>"), Reply(200, {}, b'{"devices": {"a": 1}}'), reply(503)])
async def test_any_other_answer_is_not_ready(answer: Reply) -> None:
    with pytest.raises(NotReady):
        await Whereabouts(http=Http(answer), url="https://data.example", up=lambda: True).ask(["lorawan:a"])
