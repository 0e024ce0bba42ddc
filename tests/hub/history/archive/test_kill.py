"""kill -9 while files are written: what was said to be written is whole. A store that writes in place is caught."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from hub.core.errors import DecodeError
from hub.history.archive.blocks import HEAD, Root, get_block, get_directory, get_head
from hub.history.archive.folder import Folder
from tests.hub.history.archive.kit import ROOT, START

pytestmark = pytest.mark.real("clock, processes")

WRITER = """
import os, random, sys, time
from pathlib import Path
from hub.history.archive import folder as module
from hub.history.archive.blocks import Root, Series, put_file
if sys.argv[2] == "in-place":
    def write(path, data, mode=0o600):
        with open(path, "wb", buffering=0) as file:
            for at in range(0, len(data), 512):
                file.write(data[at : at + 512])
                time.sleep(0.002)  # a slow card: most of the time it is writing
    module.write_atomically = write
folder = module.Folder(Path(sys.argv[1]))
folder.scan()
n = int(sys.argv[3])
draw = random.Random(n)
while True:
    said = [(1790000000 + n, draw.randrange(1 << 40)) for _ in range(3000)]  # nothing of it compresses
    id = os.urandom(16)
    folder.write(said[0][0], said[0][0], id, put_file(
        Root(b"r" * 32), "chacha20-poly1305", id, said[0][0], said[0][0], [Series(1, b"s" * 32, said)]))
    print(n, flush=True)
    n += 1
"""


def killed(directory, how, kills, seed=20260101):
    """Numbers that the writer called written, and what lies there after each kill: (whole, damaged)."""
    chance, said, next_one = random.Random(seed), set(), 0
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(directory), how, str(next_one)], stdout=subprocess.PIPE
        )
        first = process.stdout.readline()
        time.sleep(chance.random() * 0.1)
        os.kill(process.pid, signal.SIGKILL)
        told = {int(line) for line in (first + process.stdout.read()).split()}
        process.wait()
        process.stdout.close()
        said |= told
        next_one = max(said) + 2  # the next may be half there
    folder = Folder(directory)
    folder.scan()
    whole, damaged = set(), 0
    for file in folder.files:
        data = (directory / file.name).read_bytes()
        try:
            head = get_head(data)
            where = get_directory(Root(ROOT), head, data[HEAD.size : HEAD.size + head.directory]).find(1)
            points = get_block(Root(ROOT), head, 1, b"s" * 32, data[where[0] : sum(where)])
            assert len(points) == 3000
            whole.add(points[0][0] - START)
        except DecodeError:
            damaged += 1
    return said, whole, damaged


def test_after_kill_9_everything_that_was_written_is_whole_and_nothing_is_half_there(tmp_path):
    said, whole, damaged = killed(tmp_path, "atomically", 5)
    assert len(said) >= 5
    assert said <= whole
    assert damaged == 0
    assert all(path.suffix == ".raw" for path in tmp_path.iterdir()), "what was cut short is removed at the next start"


def test_a_store_that_writes_in_place_is_caught_by_the_same_look(tmp_path):
    for attempt in range(8):
        directory = tmp_path / str(attempt)
        directory.mkdir()
        _, _, damaged = killed(directory, "in-place", 4, attempt)
        if damaged:
            return
    pytest.fail("no kill met a write: the look proves nothing")
