"""A notifier that comes while alerts change is told how they stand."""

from types import SimpleNamespace
from unittest.mock import MagicMock

import msgspec

from hub.app import automation as module
from hub.app.automation import AutomationServices, ExpectedPresence
from hub.automation.alerts import CLEARED, RAISED
from hub.automation.alerts.policy import EVERYTHING
from hub.automation.alerts.table import AlertTable
from hub.config.model import Core
from hub.core.model import Device
from hub.devices.registry import Devices
from hub.plugin_host.notifier_queue import Notifiers
from tests.hub.automation.alerts.test_service import NEW, Stream, life
from tests.plugins.notify_kit import Local

LOADED = SimpleNamespace(config=Core())


async def test_an_alert_that_ends_while_a_new_notifier_asks_for_the_last_ones_is_not_told_as_open(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "_policy", lambda notifier, base: EVERYTHING)
    async with life(tmp_path, Stream()) as (book, clock, _):
        alert = await book.raise_(NEW)
        find_all = book.find_all

        async def slow(names):
            found = await find_all([alert.id])
            await book.clear(NEW.rule, NEW.key, "rule:bins")
            return found

        monkeypatch.setattr(book, "find_all", slow)
        automation = AutomationServices(SimpleNamespace(book=book), MagicMock(), Notifiers([], []), MagicMock())
        base = SimpleNamespace(enrolled=SimpleNamespace(hub="hub-1"), buffer=Local(), clock=clock, loaded=LOADED)
        await automation.notify(SimpleNamespace(name="sms"), base, MagicMock())
        queue = automation.notifiers.pop("sms")
        notice = await anext(aiter(queue))
        assert (notice.alert, notice.state) == (alert.id, CLEARED)
        assert (alert.state, len(book.listeners)) == (RAISED, 1)


async def test_the_end_of_an_alert_that_was_told_is_told_after_a_restart_however_many_came_since(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_policy", lambda notifier, base: EVERYTHING)
    async with life(tmp_path, Stream()) as (book, clock, store):
        local = Local()
        local.put_local("state/notifier.sms/done", {"old": 1})
        old = msgspec.structs.replace(NEW, id="old", raised=1.0, n=2, state=CLEARED)
        newer = [msgspec.structs.replace(NEW, id=f"{n:016x}", raised=float(n), state=CLEARED) for n in range(2, 300)]
        await AlertTable(store).put([old, *newer])
        automation = AutomationServices(SimpleNamespace(book=book), MagicMock(), Notifiers([], []), MagicMock())
        base = SimpleNamespace(enrolled=SimpleNamespace(hub="hub-1"), buffer=local, clock=clock, loaded=LOADED)
        await automation.notify(SimpleNamespace(name="sms"), base, MagicMock())
        queue = automation.notifiers.pop("sms")
        notice = await anext(aiter(queue))
        assert (notice.alert, notice.state, queue.status()["waiting"]) == ("old", CLEARED, 1)


def test_a_device_that_replaced_another_has_its_hours():
    devices = Devices([Device(id="a:1", integration="x", place="p"), Device(id="a:9", integration="x", place="q")])
    devices.replace("a:1", "a:2")
    presence = ExpectedPresence(devices.succession)
    assert presence.of(devices.get("a:2"), 0.0)
    presence.programmes = {"a:1": SimpleNamespace(active=lambda now: now > 5.0)}
    assert [presence.of(devices.get("a:2"), now) for now in (0.0, 9.0)] == [False, True]
    assert presence.of(devices.get("a:9"), 0.0)
