"""kill -9 of the hub at each system call in turn that changes a file.

strace delivers the signal when a thread of the hub enters its nth write, sync, rename or unlink: before it happens,
and after everything that came before. Lives follow one another on the same directory, so that each also recovers
from the one before. The counting life says which n there are.
"""

from __future__ import annotations

import itertools
import random
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import needs
from rig import Rig, Verdict

CALLS = ("write", "pwrite64", "fdatasync", "fsync", "rename", "unlink", "ftruncate")
_LIFE = 10  # durable reports of the counting life
LIFE_S = 120.0
"""Of a life that was to end or to come to its goal: beyond, it hangs. No measure of speed, a busy machine may take its
time."""
_LINE = re.compile(r"^(\d+) +(\w+)\(")


def inject(log: Path, call: str, what: str, when: str) -> list[str]:
    """The command that runs another one with a fault in it. Without --seccomp-bpf: it takes away the stop at the
    entry of a call, where a signal is delivered."""
    return [
        needs.strace(), "-f", "-qq", "-o", str(log), "-e", f"trace={call}", "-e", "signal=none",
        "-e", f"inject={call}:{what}:when={when}",
    ]  # fmt: skip


def count_calls(rig: Rig, calls: Sequence[str] = CALLS) -> list[tuple[str, int]]:
    """The places of one life: (call, n) when some thread's nth such call is about a file of the state directory, and
    no thread's is about anything else. strace counts per thread, so that each thread that comes that far meets it."""
    log = rig.root / "strace.count"
    trace = ",".join(calls)
    rig.start_hub()
    rig.wait_durable(3)
    rig.kill(rig.hub)  # the first life makes files that later ones find
    rig.start_hub(prefix=[needs.strace(), "-f", "-qq", "-y", "--seccomp-bpf", "-o", str(log), "-e", f"trace={trace}"])
    rig.wait_durable(_LIFE)
    time.sleep(0.3)
    rig.kill(rig.hub)
    made: Counter[tuple[str, str]] = Counter()
    places, elsewhere = set(), set()
    for line in log.read_text().splitlines():
        if match := _LINE.match(line):
            thread, call = match.groups()
            made[thread, call] += 1
            (places if str(rig.state) in line else elsewhere).add((call, made[thread, call]))
    places -= elsewhere
    missing = {"write", "fdatasync", "fsync"} - {call for call, _ in places}
    if missing & set(calls):
        raise RuntimeError(f"the counting life made no {', '.join(sorted(missing))}: {sorted(places)}")
    return sorted(places)


def chances(
    places: Sequence[tuple[str, int]], runs: int, seed: int, happened: Sequence[object]
) -> Iterator[tuple[str, int]]:
    """So many places, spread over all there are, or all of them again and again. Threads share their work as they come
    to it, so that a life may not reach its place: while fewer than half of the faults are in `happened`, there are as
    many lives more at most, and a few."""
    order = random.Random(seed).sample(places, len(places))
    for n, place in enumerate(itertools.islice(itertools.cycle(order), 2 * runs + 4)):
        if n >= runs and len(happened) >= max(1, runs // 2):
            return
        yield place


def kill_at_each_call(root: Path, runs: int, seed: int) -> Verdict:
    """One life per place, spread over all places when there are more of them than `runs`."""
    rig = Rig(root)
    try:
        places = count_calls(rig)
        lives, killed = 0, list[tuple[str, int]]()
        for call, n in chances(places, runs, seed, killed):
            lives += 1
            process = rig.start_hub(wait=False, prefix=inject(rig.root / "strace.log", call, "signal=KILL", str(n)))
            goal, end = len(rig.numbers(b"durable")) + 2 * _LIFE, time.monotonic() + LIFE_S
            while process.poll() is None and len(rig.numbers(b"durable")) < goal:
                if time.monotonic() > end:
                    raise RuntimeError(f"{call} {n}: the hub hangs: {rig.logs()}")
                time.sleep(0.02)
            if process.poll() is not None:
                killed.append((call, n))
            rig.kill(process)
        rig.settle()
        verdict = rig.verdict(f"kill -9 at each of {len(places)} calls ({len(killed)} hit)", lives)
        if len(killed) < max(1, runs // 2):
            raise RuntimeError(f"the fault did not happen: {verdict}")
        return verdict
    finally:
        rig.close()
