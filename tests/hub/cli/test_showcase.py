"""The building of the demo: its plan is one that the pages take, its bin speaks as its maker says."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from hub.cli.demo import DemoMonitor
from hub.cli.demo.showcase import PINS, Showcase, draw_plan, events
from hub.core.errors import NotReady
from hub.page_kit.picture_sanitizer import sanitize
from integrations.lorawan.sim import Bin


def test_the_plan_is_a_picture_that_the_pages_take() -> None:
    plan = sanitize(draw_plan())
    assert (plan.kind, plan.width, plan.height) == ("image/png", 600, 380)
    assert all(0 < x < 1 and 0 < y < 1 for x, y in PINS.values())


def test_the_bin_fills_in_a_minute_is_emptied_at_three_and_speaks_in_its_makers_bytes() -> None:
    bin_ = Bin(0, random.Random(0), 0)
    said = [bin_.says(1000.0 + at) for at in (0, 60, 179, 180, 299)]
    # 01 75: battery, %; 03 67: temperature, 0.1 °C; 04 82: distance, mm, little-endian; 05 00: not tilted
    assert all(one[:3] == bytes.fromhex("017562") and one[3:5] == b"\x03\x67" for one in said)
    assert [one[-7:].hex() for one in said] == [
        "0482d002050000", "04821e00050000", "04821e00050000", "04828004050000", "0482d402050000",
    ]  # fmt: skip


def test_what_is_announced_happens_before_the_demo_ends_and_at_the_time_that_was_asked_for() -> None:
    assert [line.split()[0] for line in events(40, 15, None).splitlines()] == ["now", "0:40", "1:10", "1:30"]
    assert [line.split()[0] for line in events(5, 5, 20).splitlines()] == ["now", "0:05"]
    assert "for 5 s" in events(5, 5, 20)
    assert "cut off" not in events(40, 0, 100)


@pytest.mark.real("network")
def test_a_count_from_before_an_outage_never_stands_beside_newer_acks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status: dict[str, Any] = {
        "up_s": 5, "reports": 9, "readings": 59, "buffer": {"readings": 0}, "link": {"acked": 20},
        "memory": {"private_mib": 80.0},
        "degraded": [], "last": [],
    }  # fmt: skip
    rows: list[int] = [20]

    def stats(scene: Showcase) -> dict[str, Any]:
        if not rows:
            raise NotReady("away")
        return {"readings": rows[0] + 3, "of_stream": {"readings": rows[0]}}

    monkeypatch.setattr(Showcase, "ask", lambda scene, name: status)
    monkeypatch.setattr(Showcase, "stats", stats)
    watch = DemoMonitor(Showcase(tmp_path, lambda text: None), None, None, quiet=True)

    def shown() -> str:
        watch.look()
        watch.show()
        return capsys.readouterr().err.strip()

    assert shown().endswith("20 acked  0.0 B/reading  20 backend rows")
    rows.clear()
    status["link"]["acked"] = 59  # acknowledged in the last moment before the backend went
    assert shown().endswith("59 acked  0.0 B/reading  backend not reachable")
    rows.append(59)
    assert shown().endswith("59 acked  0.0 B/reading  59 backend rows")
