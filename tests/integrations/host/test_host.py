"""The machine itself, and machines that have less to say."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import hub
from hub.sdk.testing import Refused
from integrations.host import DEVICE, Config, probe, register_integrations, run, sources


def _tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


async def test_this_machine_reports_what_it_really_is(session: Any) -> None:
    await session.run(run, Config(interval=timedelta(seconds=5), disk=Path("/")), turns=2)
    assert session.intervals == [timedelta(seconds=5)]
    assert len(session.reports) == 2
    assert session.drops == []
    report = session.reports[0]
    assert (report.device, report.proof) == (DEVICE, hub.Proof(scheme="host"))
    assert {"cpu_load", "memory_used", "disk_used", "disk_free", "uptime"} <= set(report.values)
    boot = float(Path("/proc/uptime").read_text().split()[0])
    assert 0 <= boot - report.values["uptime"] < 60
    for metric, value in report.values.items():
        low, high = hub.METRICS[metric].low, hub.METRICS[metric].high
        assert low is None or high is None or low <= value <= high
    assert session.declared == [(DEVICE, sources.machine(), f"Linux {platform.release()}", ())]


@pytest.mark.real("processes")
def test_the_disk_is_counted_as_df_counts_it() -> None:
    before = sources.read(Path("/"), _no_drops)
    shown = subprocess.run(
        ["df", "--output=pcent,avail", "--block-size=1M", "/"], capture_output=True, text=True, check=True
    ).stdout.split()
    used, free = float(shown[-2].rstrip("%")), float(shown[-1])
    after = sources.read(Path("/"), _no_drops)
    low, high = sorted(float(values["disk_used"]) for values in (before, after))
    assert used - 1 <= high  # df rounds up; others fill and empty the disk meanwhile
    assert low <= used
    assert after["disk_free"] == pytest.approx(free, rel=0.01)


def test_a_machine_without_any_source_gives_no_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_adjtimex", _forbidden)
    assert sources.read(tmp_path / "gone", _no_drops, proc=tmp_path, sys=tmp_path) == {}
    assert sources.machine(proc=tmp_path, sys=tmp_path) == ""


async def test_a_machine_without_any_reading_is_not_ready(
    session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "read", lambda *_: {})
    with pytest.raises(hub.NotReady, match="are /proc and /sys mounted"):
        await session.run(run, Config())
    with pytest.raises(hub.NotReady, match="are /proc and /sys mounted"):
        await probe(Config())


def test_the_hottest_zone_of_the_processor_is_read_and_a_sleeping_zone_passed_over(tmp_path: Path) -> None:
    _tree(
        tmp_path,
        {
            "class/thermal/thermal_zone0/type": "cpu0-thermal\n", "class/thermal/thermal_zone0/temp": "41000\n",
            "class/thermal/thermal_zone1/type": "cpu1-thermal\n", "class/thermal/thermal_zone1/temp": "43500\n",
            "class/thermal/thermal_zone2/type": "acpitz\n", "class/thermal/thermal_zone2/temp": "99000\n",
            "class/thermal/thermal_zone3/type": "cpu-off-thermal\n",
            "class/dmi/id/product_name": "Edge Box 3\n",
        },
    )  # fmt: skip
    assert sources.read(tmp_path, _no_drops, sys=tmp_path)["cpu_temperature"] == 43.5
    assert sources.machine(proc=tmp_path, sys=tmp_path) == "Edge Box 3"


def test_a_source_that_makes_no_sense_is_counted_and_the_others_are_read(tmp_path: Path) -> None:
    _tree(tmp_path, {"loadavg": "much\n", "uptime": "12.5 3\n"})
    (tmp_path / "meminfo").write_bytes(b"\xff\xfe")
    dropped: list[str] = []
    values = sources.read(tmp_path, lambda error: dropped.append(error.reason), proc=tmp_path, sys=tmp_path)
    assert values["uptime"] == 12.5
    assert dropped == ["bad-loadavg"]
    assert "memory_used" not in values


async def test_what_makes_no_sense_is_counted_against_the_host(
    session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _tree(tmp_path, {"loadavg": "-1 0 0\n"})
    honest = sources.read
    monkeypatch.setattr(sources, "read", lambda disk, dropped: honest(disk, dropped, proc=tmp_path))
    await session.run(run, Config())
    assert session.drops == [(DEVICE, "bad-loadavg")]


CLOCK_C = r"""
#include <stddef.h>
#include <stdio.h>
#include <sys/timex.h>
int main(void)
{
    struct timex t = {0};
    int state = adjtimex(&t);
    printf("%zu %zu %zu %d %d %ld\n", sizeof t, offsetof(struct timex, maxerror), offsetof(struct timex, status),
           state, t.status, t.maxerror);
}
"""


@pytest.mark.real("processes")
def test_the_clock_state_is_the_one_that_c_reads(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.fail("gcc is not on this machine; install it with: apt-get install -y gcc libc6-dev")
    (tmp_path / "clock.c").write_text(CLOCK_C)
    subprocess.run(["gcc", str(tmp_path / "clock.c"), "-o", str(tmp_path / "clock")], check=True)
    said = subprocess.run([str(tmp_path / "clock")], capture_output=True, text=True, check=True).stdout
    size, maxerror_at, status_at, state, status, maxerror = (int(word) for word in said.split())
    assert ctypes.sizeof(sources._Timex) >= size  # the kernel writes all of its structure
    assert sources._Timex.maxerror.offset == maxerror_at
    assert sources._Timex.status.offset == status_at
    if state < 0:
        with pytest.raises(PermissionError):
            sources._adjtimex()
    else:
        ours = sources._adjtimex()
        assert (ours.state, ours.status) == (state, status)
        assert abs(ours.maxerror - maxerror) <= 16_000_000


def test_a_clock_that_may_not_be_read_gives_no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_adjtimex", _forbidden)
    assert not {"clock_synchronised", "clock_error"} & set(sources.read(Path("/"), _no_drops))


@pytest.mark.parametrize(
    ("environment", "expected"), [("", "/"), ("/var/lib/ilot", "/var/lib/ilot"), ("/var/lib/ilot:/x", "/var/lib/ilot")]
)
async def test_the_disk_watched_is_that_of_the_state_directory(
    session: Any, monkeypatch: pytest.MonkeyPatch, environment: str, expected: str
) -> None:
    asked: list[Path] = []

    def read(disk: Path, dropped: Any) -> dict[str, float]:
        asked.append(disk)
        return {"uptime": 1.0}

    monkeypatch.setenv("STATE_DIRECTORY", environment)
    monkeypatch.setattr(sources, "read", read)
    await session.run(run, Config())
    await session.run(run, Config(disk=Path("/data")))
    assert asked == [Path(expected), Path("/data")]


async def test_the_probe_names_what_this_machine_gives() -> None:
    assert "cpu_load, memory_used, uptime" in await probe(Config())


@pytest.mark.parametrize("wrong", [{"interval": 0}, {"intervall": 60}, {"interval": "soon"}])
def test_a_wrong_configuration_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate(wrong)


def test_the_integration_registers_itself_as_host() -> None:
    names: list[str] = []
    register_integrations(lambda name, *_, **__: names.append(name))  # type: ignore[arg-type]
    assert names == ["host"]


def _no_drops(error: hub.DecodeError) -> None:
    raise AssertionError(f"dropped: {error}")


def _forbidden() -> None:
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


async def test_a_machine_that_nobody_named_reports_all_the_same_and_waits_in_quarantine(session: Any) -> None:
    machine = session.devices.get(DEVICE)
    session.devices.remove(DEVICE)
    await session.run(run, Config(disk=Path("/")), turns=1)
    assert session.refused == [Refused("not-admitted", DEVICE)]
    assert (session.reports, session.declared) == ([], [])
    session.devices.put(machine)
    await session.run(run, Config(disk=Path("/")), turns=1)
    assert [name for name, *_ in session.declared] == [DEVICE]
