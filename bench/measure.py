"""One figure a line, and what the kernel knows of a process and of a disk.

`FIGURES` in the environment names a file that gets each figure as a line of JSON too: `bench/results.py` reads it.
"""

from __future__ import annotations

import compileall
import json
import math
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
_TICK = os.sysconf("SC_CLK_TCK")


def figure(name: str, value: float, unit: str, note: str = "") -> None:
    """Print one figure."""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    print(f"{name:<64} {text:>12} {unit:<12} {note}".rstrip(), flush=True)
    _keep({"name": name, "value": value, "unit": unit, "note": note})


def remark(name: str, text: str) -> None:
    """Print, in the place of a figure, why there is none."""
    print(f"{name:<64} {'none':>12} {'':<12} {text}".rstrip(), flush=True)
    _keep({"name": name, "value": None, "unit": "", "note": text})


def _keep(line: dict[str, object]) -> None:
    if path := os.environ.get("FIGURES"):
        with Path(path).open("a", encoding="utf-8") as out:
            out.write(json.dumps({"from": Path(sys.argv[0]).name, **line}, ensure_ascii=False) + "\n")


def as_installed() -> None:
    """Compile a checkout to bytecode, as `pip install` compiles what it installs. Without it, where Python is told to
    write none (PYTHONDONTWRITEBYTECODE), each start compiles the hub anew: half a second that no installed hub takes.
    """
    for name in ("hub", "integrations", "plugins", "backend"):
        compileall.compile_dir(ROOT / name, quiet=1)


class Spread(NamedTuple):
    """Repetitions of one measurement."""

    median: float
    factor: float  # the largest by the smallest

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Raises ValueError without any value."""
        if not values:
            raise ValueError("nothing was measured")
        low = min(values)
        return cls(statistics.median(values), max(values) / low if low > 0 else float("inf"))


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not pass."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def part_of(pid: int, name: str) -> int:
    """The process of a part of `ilot backend run`: ingest, api or compact."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if Path(f"/proc/{child}/comm").read_text() == f"ilot-{name}\n":
            return int(child)
    raise ValueError(f"{pid} has no part {name}")


def cpu_s(pid: int) -> float:
    """User and system CPU seconds a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def rss_mib(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def written_by(pid: int) -> int:
    """Bytes a process caused to be written to storage, as proc(5) counts them; not what a journal adds."""
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    return 0


def device_of(path: Path) -> Path:
    """The block device under a path, as a directory of /sys."""
    number = path.stat().st_dev
    found = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve()
    return found.parent if (found / "partition").exists() else found


def written_to(device: Path) -> tuple[int, int]:
    """Bytes written to a block device and how many requests made them (Documentation/block/stat.rst of Linux):
    everything, the file system's journal and other programs included."""
    fields = (device / "stat").read_text().split()
    return int(fields[6]) * 512, int(fields[4])
