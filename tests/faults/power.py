"""Power cuts: the hub's state on ext4 on a loop device; the image is copied while the hub is stopped, the copy mounted.

What the page cache held is not in the image: only what was synced survives, as when the power goes. The generator's
journal stays outside, so it remembers what was promised. Twins: a hub whose fsync and fdatasync do nothing; one that
keeps what is intact of a commit that the cut tore.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import needs
from rig import Rig, Verdict, until
from syscalls import inject

SIZE = 48 << 20
SECTOR = 512
NO_SYNC = """\
int fsync(int fd) { (void)fd; return 0; }
int fdatasync(int fd) { (void)fd; return 0; }
"""


class Card:
    """An ext4 image, mounted at `where`. Raises needs.Missing where that cannot be done."""

    def __init__(self, root: Path) -> None:
        needs.root()
        self.root, self.where, self.image = root, root / "card", root / "card.img"
        self.where.mkdir()
        with self.image.open("wb") as file:
            file.truncate(SIZE)
        subprocess.run([needs.tool("mkfs.ext4", "e2fsprogs"), "-q", "-F", str(self.image)], check=True)
        self.mounted = False
        self.insert()

    def insert(self) -> None:
        needs.mount("-o", "loop,commit=600", str(self.image), str(self.where))
        self.mounted = True

    def copy(self) -> Path:
        copy = self.root / "copy.img"
        subprocess.run(["cp", "--sparse=always", str(self.image), str(copy)], check=True)
        return copy

    def eject(self) -> None:
        if self.mounted:
            needs.unmount(self.where)
            self.mounted = False

    def become(self, copy: Path) -> None:
        """The card is what it was when `copy` was made. A new file: the old one may still be in use by its device."""
        self.eject()
        self.image.unlink()
        copy.rename(self.image)
        self.insert()


def freeze(group: int) -> None:
    """Stop all of a hub or a backend, and wait until no thread of it is inside a system call. Whoever traces it is
    stopped last: threads learn through the tracer that they are to stop."""
    traced = [process for process, name, _ in _threads(group) if name != "strace"]
    for process in set(traced):
        os.kill(process, signal.SIGSTOP)
    _await_stop(lambda: {state for _, name, state in _threads(group) if name != "strace"})
    os.killpg(group, signal.SIGSTOP)
    _await_stop(lambda: {state for _, _, state in _threads(group)})


def _await_stop(states: Callable[[], set[str]]) -> None:
    until(lambda: states() <= {"T", "t"}, 30.0, lambda: f"it does not stop: {sorted(states())}")


def _threads(group: int) -> Iterator[tuple[int, str, str]]:
    """Yield process, name and state of each thread of a process group (proc(5))."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getpgid(int(process.name)) == group:
                for task in (process / "task").iterdir():
                    name, _, rest = (task / "stat").read_text().partition("(")[2].rpartition(")")
                    yield int(process.name), name, rest.split()[0]


def cut_power(
    root: Path,
    runs: int,
    seed: int,
    fault: str,
    *,
    prefix: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    per_second: float = 500.0,
) -> Verdict:
    """So many lives, each ended by a power cut; then count."""
    rng = random.Random(seed)
    card = Card(root)
    rig = None
    try:
        rig = Rig(root, state=card.where / "state")
        for n in range(runs):
            hub = rig.start_hub(per_second, prefix=prefix, environment=environment)
            if n % 4 != 1:  # every fourth life is cut wherever it is, be it before its first commit
                rig.wait_durable(rng.randint(5, 20))
            time.sleep(rng.uniform(0.0, 0.7))
            if n % 4 == 3:  # the backend is away: the records are on the card alone
                rig.kill(rig.backend)
                rig.wait_durable(rng.randint(1, 20))
            freeze(hub.pid)
            copy = card.copy()
            rig.kill(hub)
            card.become(copy)
            if n % 4 == 3:
                rig.start_backend()
        rig.settle()
        return rig.verdict(fault, runs)
    finally:
        if rig is not None:
            rig.close()
        card.eject()


def without_sync(root: Path) -> dict[str, str]:
    """The environment of a process whose syncs do nothing."""
    source, library = root / "nosync.c", root / "nosync.so"
    source.write_text(NO_SYNC)
    subprocess.run([needs.tool("gcc", "gcc"), "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return {"LD_PRELOAD": str(library)}


def tear(durable: bytes, written: bytes, rng: random.Random, *, late: bool) -> bytes:
    """What a power cut may leave of a write whose sync had not begun: any length of it, or its first sectors, and zeros
    where the others should be. `late`: all of it but an end that is shorter than any record."""
    least, most = len(durable), len(written)
    if late:
        return written[: most - rng.randint(1, 100)]
    cut = rng.randint(least, most - 1)
    if rng.random() < 0.5:
        return written[:cut]
    cut = cut // SECTOR * SECTOR if cut // SECTOR * SECTOR > least else least
    return written[:cut] + bytes(most - cut)


def freeze_in_a_write(group: int, writing: Path) -> None:
    """Stop a hub between a write of its readings and the sync of it: while `writing` is there."""
    while True:
        until(writing.exists, 60.0, lambda: "nothing is written")
        freeze(group)
        if writing.exists():
            return
        os.killpg(group, signal.SIGCONT)


def cut_in_a_write(root: Path, runs: int, seed: int, fault: str, options: Sequence[str] = ()) -> Verdict:
    """So many lives, each ended by a power cut between a write of the buffer and its sync, which tears what was
    written. The frames of each report's device are counted, and the device says the last of them again."""
    rng = random.Random(seed)
    card, writing = Card(root), root / "writing"
    rig = None
    try:
        generator = ["--counted", "--slow-sync", str(writing), *options]
        rig = Rig(root, state=card.where / "state", generator=generator)
        folder = card.where / "state" / "buffer" / "readings"
        for n in range(runs):
            writing.unlink(missing_ok=True)
            hub = rig.start_hub(200.0)
            rig.wait_durable(rng.randint(2, 5))  # a first commit is not only torn, its file has no name yet
            time.sleep(rng.uniform(0.0, 0.2))
            freeze_in_a_write(hub.pid, writing)
            written = {path.name: path.read_bytes() for path in folder.glob("*.seg")}
            copy = card.copy()
            rig.kill(hub)
            card.become(copy)
            for path in folder.glob("*.seg"):
                durable = path.read_bytes()
                if len(durable) < len(written[path.name]):
                    path.write_bytes(tear(durable, written[path.name], rng, late=n % 2 == 0))
        rig.settle()
        return rig.verdict(fault, runs)
    finally:
        if rig is not None:
            rig.close()
        card.eject()


def power_cut_in_a_write(root: Path, runs: int, seed: int) -> Verdict:
    return cut_in_a_write(root, runs, seed, "power cut in a write, frames with counters said again")


def twin_without_marks(root: Path, runs: int, seed: int) -> Verdict:
    """The same with a hub that keeps a block whose counters were torn off: it must be seen to take frames again."""
    return cut_in_a_write(root, runs, seed, "twin: power cut in a write, commits unmarked", ["--unmarked"])


def power_cut(root: Path, runs: int, seed: int) -> Verdict:
    return cut_power(root, runs, seed, "power cut, ext4 on a loop device")


def power_cut_and_failing_syncs(root: Path, runs: int, seed: int) -> Verdict:
    """Every third fdatasync of a thread fails, and is not done: what was acknowledged all the same would be lost."""
    prefix = inject(root / "strace.log", "fdatasync", "error=EIO", "5+3")
    return cut_power(root, runs, seed, "power cut, every third fdatasync fails", prefix=prefix)


def twin_without_sync(root: Path, runs: int, seed: int) -> Verdict:
    """The same with a hub whose syncs do nothing: the rig must see it lose."""
    return cut_power(root, runs, seed, "twin: power cut without fsync", environment=without_sync(root))
