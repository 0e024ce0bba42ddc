"""A hub's state is backed up, the machine is lost, and another one takes its place."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.backup import read
from hub.errors import AuthFailed, DecodeError

from ..faults.rig import Rig, ilot


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def test_a_lost_hub_goes_on_on_another_path_as_the_same_hub_in_a_new_run(rig, tmp_path):
    rig.start_hub(per_second=50)
    rig.wait_durable(3)
    made = ilot("backup", "--config", str(rig.config), "--json")
    assert made["sent"], made
    rig.drain()
    rig.stop(rig.hub)
    ((hub,),) = rig.sql("SELECT hub FROM hubs")
    out = tmp_path / "fetched.ilot-backup"
    assert ilot("backend", "backups", str(rig.backend_dir), hub, "--out", str(out), "--json")["hub"] == hub
    base = [sys.executable, "-m", "hub", "restore", str(out), "--config-dir", str(tmp_path)]
    (ingest,) = (rig.backend_dir / "recipients").glob("*.key")
    refused = subprocess.run([*base, "--recovery-key-file", str(ingest)], capture_output=True, check=False)
    assert refused.returncode == 3
    assert b"recovery key alone" in refused.stderr
    key = ("--recovery-key-file", str(rig.backend_dir / "recovery.key"))
    taken = subprocess.run([*base, *key], capture_output=True, check=False)
    assert taken.returncode == 3
    assert b"never overwritten" in taken.stderr
    shutil.rmtree(rig.state)
    assert ilot(*base[3:], *key, "--json")["hub"] == hub
    rig.settle()
    verdict = rig.verdict("restored", 1)
    assert verdict.held, verdict
    assert rig.sql("SELECT count(DISTINCT run) FROM streams WHERE stream = 'readings'") == [(2,)]
    assert rig.sql("SELECT count(*) - count(DISTINCT eid) FROM epochs") == [(0,)]
    assert rig.sql("SELECT kind FROM alarms WHERE kind IN ('restored', 'set-back')") == [("restored",)]


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda tail: b"\0\0\0\x0eilot/backup/1\0" + tail))
def test_what_is_no_backup_is_refused_with_a_clear_error(data):
    with pytest.raises((AuthFailed, DecodeError)):
        read(data)
