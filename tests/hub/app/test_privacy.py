"""What a hub erases of a device, while the device goes on speaking."""

from types import SimpleNamespace
from unittest.mock import AsyncMock, MagicMock

from hub.app.privacy import LocalEraser
from hub.core.metric_catalogue import METRICS
from hub.core.model import Device, Place
from hub.pipeline.recent_frames import RecentFrames


async def test_a_plan_that_is_made_while_its_history_is_erased_is_made_anew():
    """It has its seats in what is gone: nothing more of the device would be remembered until the next start."""
    done = []

    async def erase(place, metric):
        done.append(("erase", place, metric))
        return 3

    path = MagicMock(quarantine=MagicMock(), metrics=METRICS)
    path.quarantine.__iter__.return_value = iter(())
    path.places.get.return_value = Place(id="salle", site="s", zone="z")
    path.privacy.dwelling.return_value = True
    path.pipeline.recompile.side_effect = lambda name: done.append(("recompile", name))
    rollups = SimpleNamespace(series=[("salle", "motion")], erase=erase)
    frames = RecentFrames()
    frames.record("x:1", "ble", {"": b"a"}, 1.0)
    field = SimpleNamespace(holding_queue=AsyncMock(), dead_letters=AsyncMock(), recent_frames=frames)
    field.holding_queue.destroy.return_value = field.dead_letters.forget.return_value = 0
    history_services = SimpleNamespace(observer=MagicMock(), rollups=rollups, raw=None)
    told = await LocalEraser(path, field, history_services)([Device(id="x:1", integration="x", place="salle")])
    assert frames.of("x:1") == [], "nor do its frames wait for support"
    assert told["hourly and monthly figures, raw history"] == 3
    assert done == [("recompile", "x:1"), ("erase", "salle", "motion"), ("recompile", "x:1")]
