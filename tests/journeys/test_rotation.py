"""The owner's keys are changed while a hub is cut off: true processes, the commands of the page that tells how."""

from __future__ import annotations

import shutil

import pytest

from ..faults.rig import Rig, ilot, until
from .patience import PATIENCE_S

pytestmark = [pytest.mark.real("clock, network, processes"), pytest.mark.long("starts whole hubs", of="tests/journeys")]


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def test_keys_are_changed_during_an_outage_and_the_root_goes_back_to_its_safe(rig, tmp_path):
    offline = tmp_path / "safe"
    shutil.move(rig.backend_dir / "root", offline)
    rig.start_hub(per_second=100.0)
    rig.wait_durable(3)
    rig.drain()
    before = rig.status()["trust"]["version"]
    rig.stop(rig.backend)
    rig.wait_durable(6)
    changed = ilot("backend", "rotate", str(rig.backend_dir), "--root", str(offline), "--json")
    assert changed["trust_version"] == before + 1
    assert len(list((rig.backend_dir / "recipients").glob("*.key"))) == 2
    rig.start_backend()
    until(lambda: rig.status()["trust"]["version"] == before + 1, PATIENCE_S, rig.logs)
    rig.wait_durable(3)
    rig.drain()
    status = rig.status()
    assert set(status["link"]["refused"]) <= {"stale"}, "at most an answer that a newer one overtook on the way"
    assert status["trust"] == {"version": before + 1, "refused": 0, "error": ""}
    rig.stop(rig.hub)
    rig.settle()
    kids = {bytes.fromhex(kid) for kid in changed["recipients"].values()}
    sealed = [sum(kid in raw for kid in kids) for (raw,) in rig.sql("SELECT raw FROM epochs ORDER BY id")]
    assert sealed[0] == 1, "the recovery key alone is in both"
    assert sealed[-1] == 2
    assert sealed == sorted(sealed)
    verdict = rig.verdict("keys changed during an outage", 1)
    assert verdict.durable > 9
    assert verdict.held, verdict
