"""The webhook notifier over its real queue: posted, retried, told once, alive over a restart."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from pydantic import ValidationError

import hub
from hub.automation.alerts import ACKNOWLEDGED, CLEARED, RAISED, Alert
from hub.automation.alerts.lifecycle import transition
from hub.automation.alerts.policy import Policy
from hub.plugin_host.notifier_queue import PENDING_LIMIT, NotifierQueue
from hub.plugin_host.supervisor import Health, Supervisor
from hub.sdk.session import Reply
from hub.sdk.testing import ManualClock, settle
from plugins.webhook import Config, run

WARNING = Policy(least="warning")
CONFIG = Config(url="https://alerts.example.org/ilot", token="s3cret")


class Local:
    """What a notifier's queue keeps, as the buffer's small state does."""

    def __init__(self):
        self.local = {}

    def put_local(self, key, value):
        self.local[key] = value


class Http:
    def __init__(self, *statuses):
        self.statuses, self.posts, self.headers = list(statuses), [], []

    async def request(self, method, url, *, headers, body, timeout):
        assert (method, url) == ("POST", "https://alerts.example.org/ilot")
        self.headers.append(headers)
        status = self.statuses.pop(0) if self.statuses else 200
        if status is None:
            raise hub.NotReady("nobody answers")
        said = json.loads(body)
        self.posts.append((status, headers["Idempotency-Key"], said["state"]))
        return Reply(status, {}, b"")


def alert(name="a", severity="warning"):
    return Alert(
        id=name, rule="r", key="p", severity=severity, raised=1.0, changed=1.0, by="rule:r", text="t", text_fr="u"
    )


@asynccontextmanager
async def notifying(http, local, config=CONFIG, policy=WARNING):
    clock, health = ManualClock(), Health(name="webhook", type="notifier", since=0.0)
    queue = NotifierQueue("webhook", "hub-1", http, local, clock, policy)
    supervisor = Supervisor(health, lambda: run(config, queue.start(supervisor.ready)), clock)
    work = asyncio.create_task(supervisor.run())
    try:
        yield queue, clock, health
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def test_each_change_is_posted_with_its_key_and_the_token():
    http = Http()
    async with notifying(http, Local()) as (queue, _, health):
        first = alert()
        queue.offer(first)
        await settle()
        queue.offer(transition(first, ACKNOWLEDGED, 2.0, "cli:a"))
        queue.offer(first)  # an old change says nothing
        await settle()
        assert http.posts == [(200, "a-1", RAISED), (200, "a-2", ACKNOWLEDGED)]
        assert http.headers[0]["Authorization"] == "Bearer s3cret"
        assert health.state == "running"


@pytest.mark.parametrize("trouble", [None, 503, 429, 408])
async def test_who_is_away_is_told_later_how_it_stands_then(trouble):
    http = Http(*[trouble] * 3)
    async with notifying(http, Local()) as (queue, clock, _):
        first = alert()
        queue.offer(first)
        await clock.advance(2)
        queue.offer(transition(first, CLEARED, 2.0, "rule:r"))
        await clock.advance(600)
        assert [post for post in http.posts if post[0] == 200] == [(200, "a-2", CLEARED)]


async def test_a_new_process_goes_on_where_the_former_one_ended():
    local, first, second = Local(), alert("a"), alert("b")
    async with notifying(Http(), local) as (queue, _, _):
        queue.offer(first)
        await settle()
    gone, never = transition(first, CLEARED, 2.0, "rule:r"), transition(alert("old"), CLEARED, 2.0, "rule:r")
    http = Http()
    async with notifying(http, local) as (queue, _, _):
        queue.restore([gone, second, never])  # `old` was raised and cleared before anybody was to be told
        await settle()
        assert http.posts == [(200, "a-2", CLEARED), (200, "b-1", RAISED)]
    http = Http()
    async with notifying(http, local) as (queue, _, _):
        queue.restore([gone, second])
        await settle()
        assert http.posts == []


async def test_a_refused_token_stops_this_notifier_and_keeps_what_is_owed():
    local, http = Local(), Http(401)
    async with notifying(http, local) as (queue, clock, health):
        queue.offer(alert())
        await clock.advance(1)
        assert health.state == "stopped"
        assert "renew" in health.error
    async with notifying(http, local) as (queue, _, _):
        queue.restore([alert()])
        await settle()
        assert http.posts[-1] == (200, "a-1", RAISED)


async def test_what_the_receiver_does_not_understand_is_given_up_and_said_once(caplog):
    http = Http(400, 400, 200)
    async with notifying(http, Local()) as (queue, _, _):
        for name in "abc":
            queue.offer(alert(name))
        await settle(60)
        assert [status for status, *_ in http.posts] == [400, 400, 200]
        assert len([one for one in caplog.records if "not taken" in one.message]) == 1


async def test_what_matters_less_is_not_posted():
    http = Http()
    async with notifying(http, Local()) as (queue, _, _):
        queue.offer(alert("a", "info"))
        queue.offer(alert("b", "critical"))
        await settle()
        assert [key for _, key, _ in http.posts] == ["b-1"]


async def test_a_flood_is_bounded():
    queue = NotifierQueue("webhook", "hub-1", Http(), Local(), ManualClock())
    for n in range(PENDING_LIMIT + 5):
        queue.offer(alert(f"a{n}"))
    assert queue.left_out == 5


def test_the_configuration_wants_an_address():
    with pytest.raises(ValidationError):
        Config(url="alerts.example.org")
