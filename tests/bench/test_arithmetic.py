"""What the benchmarks make of what they measured."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from ..serving import start_server

Load = Callable[[str], ModuleType]


def test_a_spread_is_the_largest_by_the_smallest(bench: Load) -> None:
    measure = bench("measure")
    assert measure.Spread.of([4.0, 2.0, 3.0]) == (3.0, 2.0)
    assert measure.Spread.of([0.0, 1.0]).factor == float("inf")
    with pytest.raises(ValueError, match="nothing"):
        measure.Spread.of([])


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 1.0), (0.5, 50.0), (0.99, 99.0), (0.991, 100.0), (1.0, 100.0)]
)  # fmt: skip
def test_a_quantile_is_the_smallest_value_that_so_many_do_not_pass(bench: Load, share: float, value: float) -> None:
    assert bench("measure").quantile([float(n) for n in range(100, 0, -1)], share) == value


def test_a_ratio_is_refused_where_the_peers_own_runs_are_far_apart(
    bench: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    peers = bench("peers")
    own, steady, shaky = (
        [{"drain": 100.0}] * 3,
        [{"drain": value} for value in (10, 11, 19)],
        [{"drain": 10.0}, {"drain": 21.0}],
    )
    peers.compare(own, steady, "steady")
    peers.compare(own, shaky, "shaky")
    said = capsys.readouterr().out.splitlines()
    (ratio,) = (line for line in said if line.startswith("ours / steady"))
    assert ratio.split()[4:6] == ["9.09", "x"]
    (refused,) = (line for line in said if line.startswith("ours / shaky"))
    assert "none" in refused
    assert "factor 2.1 apart" in refused


def test_a_month_is_thirty_days_of_what_was_seen_and_thirty_of_what_a_day_costs(bench: Load) -> None:
    month = bench("metered").month
    assert month(up=1000, down=500, seconds=300, daily=0) == 1500 * 12 * 24 * 30
    assert month(up=0, down=0, seconds=300, daily=40_000) == 1_200_000


def test_a_live_delay_is_from_emit_to_the_ack_of_the_commit_that_took_it(bench: Load) -> None:
    delays = bench("drain").Delays()
    delays.emitted = [10.0, 11.0, 12.0, 13.0]  # four reports of four readings
    delays._commits = [(1, 8), (2, 16)]  # two each
    delays._acked = {1: 15.0, 2: 21.0}
    assert delays.seconds(0, 100) == [5.0, 4.0, 9.0, 8.0]
    assert delays.seconds(11, 13) == [4.0, 9.0]


def test_a_report_without_ack_is_late_by_all_the_time_since(bench: Load) -> None:
    delays = bench("drain").Delays()
    long_ago = time.monotonic() - 2000  # below 0 on a machine that has just started
    delays.emitted, delays._commits = [long_ago], [(1, 4)]
    assert delays.seconds(long_ago, long_ago + 1)[0] >= 2000


def test_a_gate_is_decided_by_the_worst_figure_it_names(bench: Load) -> None:
    gates = bench("gates")
    figures = [
        gates.Figure("bytes", f"recorded: {name}, 500 devices, one commit each 5 s", value, "B/reading")
        for name, value in (("room", 2.6), ("meter", 3.6), ("host", 1.0))
    ]
    gate = gates.Gate(5, "", "bytes", "recorded: * devices, one commit each 5 s", gates.MOST, 3.5, "B")
    assert gates.judge(gate, figures) == (gate, 3.6, gates.MISSED)
    assert gates.judge(gate._replace(limit=3.6), figures).result == gates.MET
    assert gates.judge(gate._replace(kind=gates.LEAST, limit=1.0), figures) == (
        gate._replace(kind=gates.LEAST, limit=1.0),
        1.0,
        gates.MET,
    )


def test_a_gate_without_a_figure_is_not_met(bench: Load) -> None:
    gates = bench("gates")
    gate = gates.Gate(2, "", "ingest_mqtt", "*", gates.LEAST, 5, "x")
    refused = gates.Figure("ingest_mqtt", "ours / peer", None, "", "spread")
    other = gates.Figure("peers", "ours / peer", 9.0, "x")
    assert gates.judge(gate, [refused, other]) == (gate, None, gates.OPEN)


def test_a_share_is_of_the_other_figure_and_nothing_without_it(bench: Load) -> None:
    gates = bench("gates")
    gate = gates.Gate(1, "", "pipeline", "a", gates.LEAST, 0.25, "", divided_by=("commit", "b"))
    half = [gates.Figure("pipeline", "a", 50.0, ""), gates.Figure("commit", "b", 100.0, "")]
    assert gates.judge(gate, half) == (gate, 0.5, gates.MET)
    assert gates.judge(gate, half[:1]).result == gates.OPEN


def test_every_gate_names_a_benchmark_that_there_is_or_says_why_not(bench: Load) -> None:
    gates, results = bench("gates"), bench("results")
    for gate in gates.GATES:
        if gate.source in results.RUNS:
            assert (results.ROOT / results.script_of(gate.source)).exists(), gate
        else:
            assert gate.bound.startswith("not yet"), gate


def test_figures_are_kept_for_the_report(bench: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measure, kept = bench("measure"), tmp_path / "figures"
    monkeypatch.setenv("FIGURES", str(kept))
    measure.figure("a", 1.5, "s", "note")
    measure.remark("b", "no disk")
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [(line["name"], line["value"], line["note"]) for line in lines] == [
        ("a", 1.5, "note"),
        ("b", None, "no disk"),
    ]


@pytest.mark.real("network")
async def test_a_slow_line_takes_the_time_of_its_bytes(bench: Load) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(await reader.readexactly(2000))
            await writer.drain()
        finally:
            writer.close()

    server = await start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, bench("line").Line(10_000) as line:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(line.url.rpartition(":")[2]))
        writer.write(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        began = asyncio.get_running_loop().time()
        writer.write(bytes(2000))
        assert len(await reader.read()) == 2000
        took = asyncio.get_running_loop().time() - began
        writer.close()
    assert (line.up, line.down, line.tunnels) == (2000, 2000, 1)
    assert took >= 0.4  # 2,000 bytes at 10,000 a second, there and back
