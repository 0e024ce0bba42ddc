"""Metrics in Prometheus' text format, at an address of their own, with the names that the documentation lists."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from backend_kit import Desk
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.api.metric_families import Family, render
from backend.city.dispatch.lifecycle import NOBODY
from backend.hubs.silence_watcher import SilenceWatcher
from backend.maintenance import copies
from backend.owner import directory as owners
from backend.processes import ingest_metrics, metrics
from backend.processes.api_process import answering_operators
from backend.processes.compactor_metrics import CompactionMetrics
from backend.processes.compactor_process import Compacting, compacting
from backend.processes.ingest_process import Running, answering_hubs, serving
from backend.processes.metrics import read_address
from backend.storage import process_lines
from hub.core.errors import ConfigError, NotReady
from tests.journeys.patience import PATIENCE_S
from tests.strangers import assail, faults_in

DOCUMENT = Path(__file__).parents[3] / "docs/reference/backend-metrics.md"
_SAMPLE = re.compile(r'([a-z_]+)(?:\{([a-z]+)="((?:[^"\\\n]|\\[\\"n])*)"\})? (\S+)')


def parse(text: str) -> dict[str, list[tuple[str, str, float]]]:
    """Read an exposition strictly: each metric is declared before its samples, each line is one of the grammar's."""
    found: dict[str, list[tuple[str, str, float]]] = {}
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# TYPE "):
            name, kind = line.removeprefix("# TYPE ").split(" ")
            assert kind in ("gauge", "counter")
            assert (kind == "counter") == name.endswith("_total")
            found[name] = []
        elif not line.startswith("# HELP "):
            match = _SAMPLE.fullmatch(line)
            assert match is not None, line
            value = re.sub(r"\\(.)", lambda one: {"n": "\n"}.get(one[1], one[1]), match[3] or "")
            found[match[1]].append((match[2] or "", value, float(match[4])))
    return found


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.text(), st.floats(allow_nan=False)), max_size=4), st.text())
def test_whatever_a_label_or_a_help_holds_stays_one_value_on_one_line(values: list[Any], text: str) -> None:
    family = Family("a_b", "gauge", text, tuple(((("x", label),), value) for label, value in values))
    after = Family("c", "gauge", "", (((), 1.0),))
    assert parse(render([family, after])) == {
        "a_b": [("x", label, value) for label, value in values],
        "c": [("", "", 1.0)],
    }


@pytest.mark.parametrize("text", ["", "x", "70000", "example.org:9464", "1.2.3.4", ":9464", "1.2.3.4.5:1", "9464\n"])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        read_address(text)


def test_a_port_alone_is_of_this_machine() -> None:
    assert read_address("9464") == ("127.0.0.1", 9464)
    assert read_address("[::1]:9464") == ("::1", 9464)
    assert read_address("0.0.0.0:0") == ("0.0.0.0", 0)


async def scrape(url: str) -> dict[str, list[tuple[str, str, float]]]:
    async with aiohttp.ClientSession() as session, session.get(url) as reply:
        assert reply.status == 200
        assert reply.headers["Content-Type"] == metrics.CONTENT_TYPE
        return parse(await reply.text())


@pytest.mark.real("network")
async def test_a_running_backend_offers_every_documented_metric_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (metrics, ingest_metrics):  # of a busy machine too
        monkeypatch.setattr(module, "ANSWER_S", PATIENCE_S)
    desk = Desk(tmp_path / "owner")
    sender = desk.enrol()
    segment = sender.segment()
    stolen = desk.enrol()
    desk.ingest.registry.revoke(stolen.hub, 1.0)
    copies.make(desk.owner.directory, tmp_path / "copy", lambda what, share: None)
    desk.close()
    anywhere = read_address("0")
    async with (
        answering_hubs(tmp_path / "owner", port=0, metrics=anywhere) as running,
        answering_operators(tmp_path / "owner", metrics=anywhere, sftp=anywhere) as api,
        compacting(tmp_path / "owner", metrics=anywhere) as compactor,
    ):
        assert running.metrics.startswith("http://127.0.0.1:")
        await running.worker.call(lambda ingest: _raise(ingest, segment.run.hex()))
        await asyncio.to_thread(compactor.compacting.began.wait, PATIENCE_S)
        each = [await scrape(url) for url in (running.metrics, api.metrics, compactor.metrics)]
        async with aiohttp.ClientSession() as session, session.get(running.metrics + "/other") as reply:
            assert reply.status == 404
    found = {name: samples for one in each for name, samples in one.items()}
    documented = set(re.findall(r"`((?:ilot_backend|process)_[a-z_]+)`", DOCUMENT.read_text(encoding="utf-8")))
    of_postgresql = {name for name in documented if re.match("ilot_backend_database_(writable|standbys|log)", name)}
    assert documented - of_postgresql == found.keys() | {"ilot_backend_hubs_silent"}  # absent before the first look
    assert found["ilot_backend_hubs"] == [("state", "active", 1.0), ("state", "revoked", 1.0)]
    assert found["ilot_backend_alarms_open"] == [("kind", "fork", 1.0)]
    assert found["ilot_backend_ingest_up"] == found["ilot_backend_compactor_up"] == [("", "", 1.0)]
    assert not any(sender.hub in value for samples in found.values() for _, value, _ in samples)


def _raise(ingest: Any, detail: str) -> None:
    with ingest.storage.transaction():
        ingest.received.alarm("fork", "hub-a", detail)


@pytest.mark.real("network")
async def test_what_strangers_send_to_the_metrics_is_few_lines_and_no_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    owners.init(tmp_path / "owner", owner="Ville")
    async with serving(tmp_path / "owner", port=0, metrics=read_address("0")) as running:
        await assail("127.0.0.1", int(running.metrics.rpartition(":")[2].partition("/")[0]), tls=False)
        assert "ilot_backend_ingest_up" in await scrape(running.metrics)
    assert faults_in(caplog.records, 3) == []


@pytest.mark.real("network")
async def test_a_thread_that_does_not_answer_is_down_and_the_scrape_still_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_metrics, "ANSWER_S", 0.05)
    owners.init(tmp_path / "owner", owner="Ville")
    release = threading.Event()
    async with serving(tmp_path / "owner", port=0, metrics=read_address("0")) as running:
        stuck = asyncio.create_task(running.worker.call(lambda ingest: release.wait(PATIENCE_S)))
        await asyncio.sleep(0)
        found = await scrape(running.metrics)
        release.set()
        await stuck
    assert found["ilot_backend_ingest_up"] == [("", "", 0.0)]
    assert "ilot_backend_messages_total" not in found
    assert "ilot_backend_disk_free_bytes" in found


@pytest.mark.real("network")
async def test_an_address_that_is_taken_is_said_and_ends_the_start(tmp_path: Path) -> None:
    owners.init(tmp_path / "owner", owner="Ville")
    owners.init(tmp_path / "other", owner="Autre")
    async with serving(tmp_path / "owner", port=0, metrics=read_address("0")) as running:
        port = running.metrics.rpartition(":")[2].partition("/")[0]
        with pytest.raises(NotReady, match="metrics cannot be offered"):
            async with serving(tmp_path / "other", port=0, metrics=read_address(port)):
                pass


@pytest.mark.real("network")
async def test_the_watcher_of_a_running_backend_counts_silent_hubs_and_raises_their_alarm(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "owner")
    sender = desk.enrol()
    desk.state(sender, sender.state(every=30))
    desk.close()
    async with serving(tmp_path / "owner", port=0) as running:
        watcher, compactor = await watcher_of(running), Compacting(running.owner.database)
        for moment in range(1000, 1140, 10):
            await running.teller.tell()
            await watcher.look(float(moment))
        assert watcher.silent_hubs == 1
        told = CompactionMetrics(running.owner.database, compactor, watcher)
        assert ("ilot_backend_hubs_silent", 1.0) in [(one.name, one.samples[0][1]) for one in await told.collect()]
    assert [kind for kind in desk.alarms() if kind != NOBODY] == ["silent"]


@pytest.mark.real("network")
async def test_a_backend_that_hung_does_not_take_hubs_for_silent(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "owner")
    sender = desk.enrol()
    desk.state(sender, sender.state(every=30))
    desk.close()
    async with serving(tmp_path / "owner", port=0) as running:
        watcher = await watcher_of(running)
        for moment in (1000.0, 5000.0, 5010.0):
            await running.teller.tell()
            await watcher.look(moment)
        assert watcher.silent_hubs == 0
    assert desk.alarms() == []


@pytest.mark.real("network")
async def test_hubs_that_no_ingest_answers_are_not_taken_for_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_lines, "TELL_S", 3600.0)  # it tells of itself when this test says so
    desk = Desk(tmp_path / "owner")
    sender = desk.enrol()
    desk.state(sender, sender.state(every=30))
    desk.close()
    async with serving(tmp_path / "owner", port=0) as running:
        watcher = await watcher_of(running)
        for moment in range(1000, 1400, 10):  # no line of the process is told meanwhile, as if it had died
            await watcher.look(float(moment))
        assert watcher.silent_hubs is None
        for moment in range(1400, 1440, 10):
            await running.teller.tell()
            await watcher.look(float(moment))
        assert watcher.silent_hubs == 0
    assert desk.alarms() == []


async def watcher_of(running: Running) -> SilenceWatcher:
    async def call(work: Any) -> Any:
        return await running.worker.call(lambda ingest: work(ingest.storage))

    return SilenceWatcher(running.owner.database, call)
