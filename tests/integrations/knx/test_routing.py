"""Multicast routing and the search for interfaces, against knxd, in a network namespace that this test makes: nothing
of it can leave the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real("processes")


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    alone = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    probe = subprocess.run([*alone, "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"no network namespace can be made here: {probe.stderr.strip()}")
    child = Path(__file__).with_name("routing_child.py")
    done = subprocess.run(
        [*alone, sys.executable, str(child)], capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_a_search_finds_the_router_and_says_what_it_offers(told: dict[str, Any]) -> None:
    there = f"ilot-test (1.1.250) at 127.0.0.1:{told['port']}: tunnelling, routing"
    assert told["probe"] == f"1 KNX/IP device answers: {there}"


def test_what_is_routed_is_reported(told: dict[str, Any]) -> None:
    assert told["values"] == {"temperature": 21.0}


def test_a_command_goes_out_by_multicast_from_the_hubs_own_address(told: dict[str, Any]) -> None:
    assert told["heard"] == "Write from 1.1.99 to 2/0/1: 01"
    assert told["answers"] == [["c", "sent", ""], ["c", "done", "on the bus; no status address confirms it"]]


def test_the_group_monitor_begins_with_the_interfaces_that_answer_a_search(told: dict[str, Any]) -> None:
    gateway, telegram = told["lines"]
    assert gateway["gateway"] == f"127.0.0.1:{told['port']}"
    assert gateway["source"] == "1.1.250"
    assert (telegram["destination"], telegram["service"], telegram["payload"]) == ("1/2/3", "write", "0c1a")


def test_a_search_that_is_cut_short_ends_at_once_with_what_answered_until_then(told: dict[str, Any]) -> None:
    assert told["cut"] == [True, f"127.0.0.1:{told['port']}"]
