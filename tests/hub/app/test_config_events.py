"""What is audited of a configuration is audited once."""

from types import SimpleNamespace

from hub.app.config_events import ConfigEvents
from hub.config.history import APPLIED
from hub.core.clock import SystemClock
from hub.core.errors import StorageError
from hub.core.security_events import Events
from hub.core.store import Store


async def test_a_change_that_is_audited_is_known_at_the_next_start_though_the_hub_was_killed_right_after(
    tmp_path, monkeypatch
):
    store = await Store.open(tmp_path / "store.db", bytes(32))
    loaded = SimpleNamespace(digest="a" * 12)
    clock = SystemClock()
    events = Events(clock.now, clock.monotonic)
    base = SimpleNamespace(store=store, clock=clock, loaded=loaded, problems=[], events=events)
    configured = ConfigEvents(base)
    try:
        await configured.begin()

        async def killed(key, value):
            raise StorageError("killed")

        monkeypatch.setattr(store, "put", killed)
        await configured.audit("cli:anne", {"config": APPLIED, "version": "b" * 12})
        loaded.digest = "b" * 12
        await configured.begin()
        assert [(entry.who, entry.what["config"]) for entry in await store.audited()] == [("cli:anne", APPLIED)]
    finally:
        await store.close()
