"""What the benchmarks share: one figure a line, and what a process has used."""

from __future__ import annotations

import os
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def figure(name: str, value: float, unit: str, note: str = "") -> None:
    """Print one figure."""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    print(f"{name:<64} {text:>12} {unit:<12} {note}".rstrip(), flush=True)


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
