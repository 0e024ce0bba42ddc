"""What a vendor tests a notifier with: a queue that gives as the hub's does, and contract tests that find what is
wrong."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic import SecretStr

import hub
from hub.core.errors import AuthFailed, NotReady
from hub.plugin_host.notifier_queue import NotifierQueue
from hub.sdk.notification import Notifications
from hub.sdk.phrases import phrase, reason_of
from hub.sdk.testing import FakeHttp, FakeNotifications, ManualClock, Reply, notification
from hub.sdk.testing.contract import CONTRACT, NotifierWorld, examine
from hub.sdk.testing.contract.suite import check
from plugins import webhook
from tests.plugins.notify_kit import HUB, Local, alert

URL = "https://alerts.example.org/"
TAKEN = Reply(204, {}, b"")
SLOW = pytest.mark.long("waits out what a contract test allows, as the same twin of an integration does")


class Both:
    """The kit's queue, or the hub's own, which is told the same."""

    def __init__(self, real: bool) -> None:
        http = FakeHttp()
        self.told: list[str] = []
        self.queue: Any = (
            NotifierQueue("n", HUB, http, Local(), ManualClock()) if real else FakeNotifications("n", http)  # type: ignore[arg-type]
        )
        self._real = real

    def give(self, name: str, n: int = 1) -> None:
        if self._real:
            self.queue.offer(alert(name, n=n))
        else:
            self.queue.give(notification(name, n))

    async def run(self, *, fails_at: int = 99, most: int = 9) -> list[str]:
        """The keys that one run is given; the one numbered `fails_at` ends it, undone."""
        given: list[str] = []

        async def tells(notices: Notifications) -> None:
            async for notice in notices:
                given.append(notice.key)
                if len(given) == fails_at:
                    raise NotReady(phrase("none", "no"))
                notices.done(notice)

        task = asyncio.create_task(tells(self.queue.start(lambda: None) if self._real else self.queue))
        for _ in range(50):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return given


@pytest.mark.parametrize("real", [False, True], ids=["kit", "hub"])
async def test_the_kit_gives_notifications_as_the_hub_does(real: bool) -> None:
    both = Both(real)
    for name in "abc":
        both.give(name)
    both.give("b", 2)
    assert await both.run(fails_at=2) == ["a-1", "c-1"], "of one alert the latest alone, and the newest last"
    assert await both.run() == ["c-1", "b-2"], "what was not done comes again, what was done does not"
    both.queue.memory["c"] = 1
    assert await both.run() == []
    assert both.queue.memory == {"c": 1}


async def test_a_run_ends_when_all_is_told_and_says_what_is_not_when_it_hangs() -> None:
    async def hangs(config: None, notices: Notifications) -> None:
        async for _ in notices:
            await asyncio.get_running_loop().create_future()

    async def fails(config: None, notices: Notifications) -> None:
        raise AuthFailed(phrase("none", "no"))

    queue = FakeNotifications()
    queue.http.replies["POST", URL] = TAKEN
    queue.give(notification("a"))
    await queue.run(webhook.run, webhook.Config.model_validate({"url": URL}))
    assert ([one.key for one in queue.told], queue.waiting) == (["a-1"], [])
    with pytest.raises(AuthFailed):
        await queue.run(fails, None)
    queue.give(notification("b"))
    with pytest.raises(TimeoutError, match=r"1 are told, \['b-1'\] are not"):
        await queue.run(hangs, None, timeout=0.05)


class Options(hub.Config):
    """Whom it tells."""

    url: str = URL
    token: SecretStr = SecretStr("")


async def tells(config: Options, notices: Notifications) -> None:
    async for notice in notices:
        await notices.http.request("POST", config.url)
        notices.done(notice)


async def complains(config: Options, notices: Notifications) -> None:
    async for notice in notices:
        try:
            await notices.http.request("POST", config.url)
        except NotReady:
            notices.log.warning("nobody is there")
            raise
        notices.done(notice)


async def says_secrets(config: Options, notices: Notifications) -> None:
    notices.log.debug("with %s", config.token.get_secret_value())
    await tells(config, notices)


async def leaves_a_task(config: Options, notices: Notifications) -> None:
    asyncio.get_running_loop().create_task(asyncio.sleep(60))
    await tells(config, notices)


async def holds(config: Options, notices: Notifications) -> None:
    import time

    async for notice in notices:
        time.sleep(0.1)
        notices.done(notice)


async def speaks_plainly(config: Options, notices: Notifications) -> None:
    try:
        await tells(config, notices)
    except NotReady as error:
        raise NotReady(str(reason_of(error)) + "!") from error


async def gives_up(config: Options, notices: Notifications) -> None:
    async for notice in notices:
        try:
            await notices.http.request("POST", config.url)
        except NotReady:
            return
        notices.done(notice)


def world(run: Callable[..., Any]) -> NotifierWorld:
    module = types.ModuleType("acme_calls_of_a_test")
    module.register_notifiers = lambda register: register("acme_calls", Options, run, per_hour=5)  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module

    class Acme(NotifierWorld):
        secrets = ("s3cr3t-of-the-town",)
        patience = 30.0

        def options(self) -> Mapping[str, Any]:  # type: ignore[override]
            return {"token": self.secrets[0]}

        def prepare(self, session: Any) -> None:
            session.http.replies["POST", URL] = TAKEN

    Acme.module = module.__name__
    return Acme()


async def test_a_right_notifier_keeps_the_contract_and_is_exempt_from_what_says_nothing_of_it() -> None:
    outcomes = {one: (await check(world(tells), one)).outcome for one in CONTRACT if one != "texts-complete"}
    exempt = [name for name, outcome in outcomes.items() if outcome == "exempt"]
    assert exempt == ["ids-stable", "units-valid", "flood-held-back"]
    assert set(outcomes.values()) == {"passed", "exempt"}


@pytest.mark.parametrize(
    ("run", "test", "said"),
    [
        (complains, "outage-told-once", "times in one outage"),
        (says_secrets, "secrets-redacted", "the log tells the secret"),
        pytest.param(leaves_a_task, "nothing-left", "it leaves the task", marks=SLOW),
        pytest.param(holds, "loop-free", "holds the event loop", marks=SLOW),
        (speaks_plainly, "outage-told-once", "cannot be translated"),
        (gives_up, "outage-told-once", "it returns before"),
    ],
)
async def test_a_wrong_notifier_breaks_the_contract(run: Callable[..., Any], test: str, said: str) -> None:
    assert said in " / ".join((await check(world(run), test)).problems)


def test_a_module_without_a_notifier_of_that_name_is_told_so() -> None:
    made = world(tells)
    made.name = "other"
    with pytest.raises(ValueError, match="registers no notifier 'other', but"):
        examine(made, ["nothing-left"])
