"""kill -9 at any moment: what a flush returned for is there, once, for the owner's key in another process."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from buffer_kit import Party

from hub.store_and_forward.buffer.inspect import export

pytestmark = pytest.mark.real("clock, processes")

KILLS = 20
HERE = Path(__file__).parent


def test_nothing_durable_is_lost_or_doubled_by_twenty_kills(party: Party, tmp_path: Path) -> None:
    directory, rng = tmp_path / "buffer", random.Random(20_26)
    told = {
        "identity": party.identity.private_bytes_raw().hex(), "hub": party.public.hex(),
        "public": party.ingest.public.hex(), "private": party.ingest_private.hex(),
    }  # fmt: skip
    keys = json.dumps(told) + "\n"
    durable: set[int] = set()
    number = 0
    for _ in range(KILLS):
        command = [sys.executable, str(HERE / "kill_writer.py"), str(directory), str(number)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(keys)
            child.stdin.flush()
            lines, rows = list[str](), 0
            while rows <= 100 and (line := child.stdout.readline()):  # a busy machine writes few in a given time
                lines.append(line)
                rows += int(line.split()[1]) - int(line.split()[0])
            time.sleep(rng.uniform(0, 0.06))
            child.kill()
            lines += child.stdout.read().splitlines()
        whole = [line.split() for line in lines if len(line.split()) == 3]
        assert whole, "the writer did not live to its first commit"
        for start, end, _ in whole:
            durable |= set(range(int(start), int(end)))
        number = int(whole[-1][1]) + 1000  # what was in flight may or may not be there
    party.journal(directory)  # cuts the last tail, as the next start would
    export(directory, tmp_path / "all")
    reader = subprocess.run(
        [sys.executable, str(HERE / "kill_reader.py"), str(tmp_path / "all")],
        input=keys,
        capture_output=True,
        text=True,
        check=False,
    )
    assert reader.returncode == 0, reader.stderr
    found = [int(line) for line in reader.stdout.split()]
    assert len(durable) > 100 * KILLS
    assert durable <= set(found)
    assert len(found) == len(set(found))
