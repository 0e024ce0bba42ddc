"""The examination that the pages ask for: one at a time, and what becomes of a command that hangs or says what it
should not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from hub.core.clock import SystemClock
from hub.core.errors import HubError
from hub.core.text import Phrase
from hub.operations.doctor import examination
from hub.operations.doctor.examination import Examination


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole examination takes seconds of processor, which a busy machine may not have in half a minute."""
    monkeypatch.setattr(examination, "MOST_S", 300.0)


LINE = {"what": "disk", "state": "ok", "says": "free", "remedy": ""}


@contextlib.asynccontextmanager
async def examined(
    folder: Path, program: str = "", *, command: Sequence[str] = (), isolated: bool = False
) -> AsyncIterator[dict[str, Any]]:
    one = Examination(folder / "config.yaml", folder / "state", lambda: isolated, SystemClock())
    if program or command:
        one._command = command or (sys.executable, "-c", program)
    task = asyncio.create_task(one.run())
    try:
        yield one.calls()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def ended(calls: dict[str, Any]) -> dict[str, Any]:
    async with asyncio.timeout(300):
        while (state := await calls["doctor.state"]({}))["state"] == "running":
            await asyncio.sleep(0.01)
    found: dict[str, Any] = state
    return found


@pytest.mark.real("processes")
async def test_the_command_itself_is_run_on_this_hubs_files_and_its_sentences_keep_their_codes(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("hub: {state_dir: state}\nsites: {s: {timezone: Europe/Paris}}\n")
    async with examined(tmp_path) as calls:
        assert (await calls["doctor.state"]({}))["state"] == "never"
        begun = await calls["doctor.start"]({"by": "web:camille"})
        assert (begun["state"], begun["by"]) == ("running", "web:camille")
        found = await ended(calls)
    assert (found["state"], found["error"]) == ("done", "")
    named = {str(one["what"]): one for one in found["found"]}
    assert {"service", "clock", "writing", "enrolment", "configuration", "running hub"} <= named.keys()
    assert named["running hub"]["state"] == "wrong"
    assert str(tmp_path / "config.yaml") in named["configuration"]["says"]
    assert isinstance(named["service"]["says"], Phrase)
    assert isinstance(named["service"]["what"], Phrase)


@pytest.mark.real("processes")
async def test_what_is_found_is_seen_while_it_runs_and_a_second_call_begins_no_second_one(tmp_path: Path) -> None:
    go, began = tmp_path / "go", tmp_path / "began"
    program = f"""
import pathlib, time
with open({str(began)!r}, "a") as file: file.write("x")
print({json.dumps(LINE)!r}, flush=True)
while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)
print({json.dumps({**LINE, "state": "wrong"})!r})
raise SystemExit(6)
"""
    async with examined(tmp_path, program) as calls:
        await calls["doctor.start"]({})
        async with asyncio.timeout(60):
            while not (await calls["doctor.state"]({}))["found"]:
                await asyncio.sleep(0.01)
        second = await calls["doctor.start"]({"by": "web:other"})
        assert (second["state"], second["by"], len(second["found"])) == ("running", "cli", 1)
        go.touch()
        found = await ended(calls)
        assert [one["state"] for one in found["found"]] == ["ok", "wrong"]
        assert began.read_text() == "x"
        await calls["doctor.start"]({})
        assert [one["state"] for one in (await ended(calls))["found"]] == ["ok", "wrong"], "the former is forgotten"


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("raise SystemExit(1)", "ended with 1"),
        ("import os; os.kill(os.getpid(), 9)", "ended with -9"),
        ("print('no json')", "cannot be read"),
        ("print('{}')", "cannot be read"),
        ("print('x' * 200_000)", "cannot be read"),
        ("print('[' * 100_000)", "cannot be read"),
        ("""print('{"what": "a", "state": "<b>", "says": "", "remedy": ""}')""", "cannot be read"),
    ],
)
async def test_a_command_that_dies_or_says_what_it_should_not_is_a_failed_check(
    tmp_path: Path, program: str, says: str
) -> None:
    async with examined(tmp_path, program) as calls:
        await calls["doctor.start"]({})
        found = await ended(calls)
        assert found["state"] == "failed"
        assert says in found["error"]
        assert (await calls["doctor.start"]({}))["state"] == "running", "it may be asked again"


@pytest.mark.real("processes")
async def test_more_findings_than_a_page_holds_are_left_out(tmp_path: Path) -> None:
    async with examined(tmp_path, f"for _ in range(700): print({json.dumps(LINE)!r})") as calls:
        await calls["doctor.start"]({})
        found = await ended(calls)
    assert (found["state"], len(found["found"])) == ("done", examination.MOST_FOUND)


@pytest.mark.real("processes")
async def test_a_command_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "MOST_S", 2.0)
    pid = tmp_path / "pid"
    hangs = f"echo $$ >{shlex.quote(str(pid))}; exec sleep 600"  # Python may need longer to start than it is given
    async with examined(tmp_path, command=("sh", "-c", hangs)) as calls:
        await calls["doctor.start"]({})
        found = await ended(calls)
    assert (found["state"], found["error"]) == ("failed", "the check was not done within 2 s")
    assert not Path(f"/proc/{int(pid.read_text())}").exists()


async def test_an_isolated_hub_calls_nobody_for_a_check(tmp_path: Path) -> None:
    async with examined(tmp_path, "raise SystemExit(0)", isolated=True) as calls:
        with pytest.raises(HubError, match="isolated"):
            await calls["doctor.start"]({})
        assert (await calls["doctor.state"]({}))["state"] == "never"
