"""What the district is asked, and what is taken of its answer."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta

import pytest

from hub.core.backoff import Backoff
from hub.core.errors import NotReady
from hub.onboarding.other_hubs import AGAIN_S, DEVICES_A_DAY, LONGEST_S, OtherHubs
from hub.sdk.session import Reply
from hub.sdk.testing import ManualClock


class Http:
    def __init__(self, *replies: Reply) -> None:
        self.replies, self.asked = list(replies), list[bytes | None]()

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, timeout: timedelta = timedelta(seconds=1)
    ) -> Reply:
        assert (method, url) == ("POST", "https://data.example/v1/whereabouts")
        self.asked.append(body)
        return self.replies.pop(0)

    def devices(self, number: int) -> list[str]:
        return list(json.loads(self.asked[number] or b"")["devices"])


class Always(Http):
    """Gives one answer, whatever is asked."""

    def __init__(self, answer: Reply) -> None:
        super().__init__()
        self.answer = answer

    async def request(self, *where: str, body: bytes | None = None, timeout: timedelta = timedelta(0)) -> Reply:
        self.asked.append(body)
        return self.answer


class Whole:
    """Draws the whole step, always."""

    def uniform(self, low: float, high: float) -> float:
        return high


def asking(http: Http, *, url: str = "https://data.example", up: bool = True, clock: ManualClock) -> OtherHubs:
    backoff = Backoff(20.0, LONGEST_S, Whole())  # type: ignore[arg-type]
    return OtherHubs(http=http, url=url, up=lambda: up, clock=clock, backoff=backoff)


def reply(status: int, **devices: object) -> Reply:
    return Reply(status, {}, json.dumps({"devices": devices}).encode())


async def test_only_what_was_asked_for_is_heeded_and_names_are_cut_to_what_can_be_printed() -> None:
    found = reply(
        200,
        **{
            "lorawan:a": {"hub": "", "name": "École\u202e\nvoisine" + "x" * 80},
            "lorawan:b": {"hub": "hub-3", "last": 1},
            "lorawan:c": {"hub": "h"},
            "lorawan:d": {},
        },
    )
    http = Http(found)
    devices = ["ble:1", "lorawan:a", "lorawan:b", "lorawan:d"]
    asked = await asking(http, url="https://data.example/", clock=ManualClock()).ask(devices)
    assert asked == {"lorawan:a": ("Écolevoisine" + "x" * 80)[:64], "lorawan:b": "hub-3"}, (
        "an older backend names a hub"
    )
    assert json.loads(http.asked[0] or b"") == {"devices": devices[1:]}, "what whoever is near hears is not asked for"


async def test_by_a_backend_that_does_not_know_this_way_nothing_is_known() -> None:
    here = asking(Http(reply(404)), clock=ManualClock())
    assert await here.ask(["lorawan:a"]) == {}
    assert await here.ask(["ble:a"]) == {}, "nothing is asked"


async def test_more_devices_than_one_question_names_are_asked_for_in_turn_and_again_after_minutes() -> None:
    clock, http = ManualClock(), Always(reply(200))
    here = asking(http, clock=clock)
    devices = [f"lorawan:{n}" for n in range(250)]
    for _ in range(10):
        await here.ask(devices)
        await clock.advance(10)
    assert [len(http.devices(n)) for n in range(len(http.asked))] == [100, 100, 100]
    assert {one for n in range(3) for one in http.devices(n)} == set(devices)
    await clock.advance(AGAIN_S)
    for _ in range(10):
        await here.ask(devices)
        await clock.advance(10)
    assert len(http.asked) == 6
    assert {one for n in range(3, 6) for one in http.devices(n)} == set(devices)


async def test_what_is_known_of_all_stands_while_others_are_asked_for_and_goes_with_its_device() -> None:
    clock, devices = ManualClock(), [f"lorawan:{n}" for n in range(150)]
    first, last = devices[60], devices[-1]
    http = Http(reply(200, **{first: {"name": "École"}}), reply(200, **{last: {"name": "Mairie"}}))
    here = asking(http, clock=clock)
    assert await here.ask(devices) == {first: "École"}
    await clock.advance(10)
    assert await here.ask(devices) == {first: "École", last: "Mairie"}
    assert await here.ask([one for one in devices if one != first]) == {last: "Mairie"}, (
        "what reports here by now is not sought any more"
    )
    assert len(http.asked) == 2


async def test_a_device_that_is_expected_since_is_asked_for_at_once() -> None:
    clock, http = ManualClock(), Always(reply(200))
    here = asking(http, clock=clock)
    await here.ask(["lorawan:a"])
    await here.ask(["lorawan:a", "lorawan:b"])
    await here.ask(["lorawan:a", "lorawan:b"])
    assert [http.devices(n) for n in range(len(http.asked))] == [["lorawan:a"], ["lorawan:b", "lorawan:a"]]


async def test_a_backend_that_errs_is_asked_after_growing_pauses_up_to_a_longest() -> None:
    clock, http = ManualClock(), Always(reply(500))
    here, tried = asking(http, clock=clock), list[float]()
    begin = clock.monotonic()
    for _ in range(400):
        before = len(http.asked)
        with suppress(NotReady):
            await here.ask(["lorawan:a"])
        if len(http.asked) > before:
            tried.append(clock.monotonic() - begin)
        await clock.advance(10)
    assert tried == [0, 20, 60, 140, 300, 620, 1220, 1820, 2420, 3020, 3620]
    http.answer = reply(200)
    await clock.advance(LONGEST_S)
    await here.ask(["lorawan:a"])
    http.answer = reply(500)
    await clock.advance(AGAIN_S)
    asked = len(http.asked)
    for _ in range(3):
        with suppress(NotReady):
            await here.ask(["lorawan:a"])
        await clock.advance(10)
    assert len(http.asked) == asked + 2, "after an answer the pauses are short again"


async def test_those_of_a_question_that_fails_let_the_others_go_first() -> None:
    clock, http = ManualClock(), Http(reply(400), reply(200))
    here, devices = asking(http, clock=clock), [f"lorawan:{n}" for n in range(200)]
    with pytest.raises(NotReady):
        await here.ask(devices)
    await clock.advance(20)
    await here.ask(devices)
    assert not set(http.devices(0)) & set(http.devices(1))


async def test_no_more_devices_are_named_in_a_day_than_a_backend_answers_for() -> None:
    clock, http = ManualClock(), Always(reply(200))
    here, devices = asking(http, clock=clock), [f"lorawan:{n}" for n in range(1500)]
    for _ in range(100):
        await here.ask(devices)
        await clock.advance(60)
    named = {one for n in range(len(http.asked)) for one in http.devices(n)}
    assert len(named) == DEVICES_A_DAY
    await clock.advance(86_400)
    asked = len(http.asked)
    await here.ask(devices[1000:])
    assert http.devices(asked) == devices[1000:1100]


async def test_without_a_link_what_was_known_stands() -> None:
    with pytest.raises(NotReady, match="no link"):
        await asking(Http(), up=False, clock=ManualClock()).ask(["lorawan:a"])


@pytest.mark.parametrize("answer", [Reply(200, {}, b"<html>"), Reply(200, {}, b'{"devices": {"a": 1}}'), reply(503)])
async def test_any_other_answer_is_not_ready(answer: Reply) -> None:
    with pytest.raises(NotReady):
        await asking(Http(answer), clock=ManualClock()).ask(["lorawan:a"])
