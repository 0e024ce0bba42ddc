"""Run the benchmarks and write `bench/results.md`: machine, date, every figure, and which goal is met.

    python bench/results.py [NAME …] [--all-kept] [--out bench/results.md]

Without names all of them, two hours. With names only these; the figures of the others are those of their last
run on this machine, each with its own date: kept in build/bench, else those of the report as it is, when it tells of a
machine like this one. `--all-kept` runs none.
"""

from __future__ import annotations

import argparse
import calendar
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from gates import GATES, LEAST, Figure, Verdict, judge

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "build/bench"
HEADER = "ran"

RUNS: dict[str, tuple[str, ...]] = {
    "peers": (),
    "pipeline": (),
    "pipeline_seal": ("--no-seal",),
    "ingest_mqtt": (),
    "cpu": (),
    "memory": (),
    "rest": (),
    "callers": (),
    "web": (),
    "bytes": (),
    "metered": ("--window", "300"),
    "metered_5s": (),
    "flash": (),
    "drain": (),
    "start": (),
    "doctor": (),
    "commit": (),
    "decoders": (),
    "lorawan": (),
    "meters": (),
    "polling": (),
    "codecs": (),
    "backend": (),
    "ingest": (),
    "registry": (),
    "operators": (),
    "postgresql": (),
    "postgresql_reading": (),
    "workers": (),
    "district": (),
    "chunks": (),
    "compaction": (),
    "ranges": (),
    "copies": (),
    "city": ("--hubs", "200"),
    "city_pages": (),
    "city_open_api": (),
    "city_crisis": (),
    "city_alerts": (),
    "export": (),
    "restore": (),
    "package": (),
    "history": (),
    "rules": (),
    "archive": (),
    "isolation": (),
    "redteam": (),
    "city_publication": (),
    "drift": ("--systems", "40", "--public", "build/bench/public"),
}
"""Name -> arguments of its script, in the order of the report. A second run of one script has a name that begins with
the script's and goes on with an underscore."""

_PLAIN = re.compile(r"(\S+) (\d[\d.]*)$")


def script_of(name: str) -> str:
    own = f"bench/{name}.py"
    return own if (ROOT / own).exists() else f"bench/{name.partition('_')[0]}.py"


def run(name: str) -> None:
    """Run one and keep its figures. Raises SystemExit when it fails."""
    KEPT.mkdir(parents=True, exist_ok=True)
    kept, fresh = KEPT / f"{name}.jsonl", KEPT / f"{name}.new"
    load, began = os.getloadavg()[0], time.time()
    fresh.write_text(json.dumps({HEADER: began, "load": load}) + "\n")
    script = ROOT / script_of(name)
    print(f"== {name}", flush=True)
    with subprocess.Popen(
        [sys.executable, script, *RUNS[name]],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "FIGURES": str(fresh)},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            if plain := _PLAIN.match(line):  # a benchmark that only prints a name and a number
                with fresh.open("a") as out:
                    out.write(json.dumps({"name": plain[1], "value": float(plain[2]), "unit": "", "note": ""}) + "\n")
    if process.returncode:
        raise SystemExit(f"{name} failed: exit {process.returncode}")
    fresh.rename(kept)


def load(name: str, report: str = "") -> tuple[dict[str, float], list[Figure]]:
    """When and how it ran last, and its figures; what is not kept here is taken from `report`, the page as it was.
    Empty when it never ran."""
    try:
        header, *lines = (json.loads(line) for line in (KEPT / f"{name}.jsonl").read_text().splitlines())
    except (OSError, ValueError):
        return told(name, report)
    return header, [Figure(name, line["name"], line["value"], line["unit"], line["note"]) for line in lines]


def told(name: str, report: str) -> tuple[dict[str, float], list[Figure]]:
    """What `page` once told of a benchmark, as exactly. Nothing when that was on another kind of machine."""
    if not all(f"\n- {line}\n" in report for line in machine()):
        return {}, []
    _, _, section = report.partition(f"\n### `{command_of(name)}`\n\n")
    first, _, table = section.partition("\n\n### ")[0].partition("\n")
    when = re.fullmatch(r"([\d-]+ [\d:]+ UTC); load average at its start ([\d.]+)\.", first)
    if when is None:
        return {}, []
    ran = calendar.timegm(time.strptime(when[1], "%Y-%m-%d %H:%M UTC"))
    found = []
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[0] not in ("figure", "---"):
            value = None if cells[1] == "–" else float(cells[1].replace(",", ""))
            found.append(Figure(name, cells[0], value, cells[2], cells[3]))
    return {HEADER: ran, "load": float(when[2])}, found


def command_of(name: str) -> str:
    return " ".join((script_of(name), *RUNS[name]))


def machine() -> Iterator[str]:
    """What the figures were measured on, a line each."""
    cpu = next((line for line in _text("/proc/cpuinfo").splitlines() if line.startswith("model name")), "")
    memory = next((line for line in _text("/proc/meminfo").splitlines() if line.startswith("MemTotal")), ": 0 kB")
    yield f"{os.cpu_count()} cores, {cpu.partition(':')[2].strip() or platform.machine()}"
    yield f"{int(memory.split()[1]) // 1024} MiB of memory"
    yield f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}, Python {platform.python_version()}"
    if "hypervisor" in _text("/proc/cpuinfo"):
        yield "a virtual machine: what its disk calls a sync may still be in a cache below"


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def row(verdict: Verdict) -> str:
    gate = verdict.gate
    sign = "≥" if gate.kind == LEAST else "≤"
    measured = f"{number(verdict.value)} {gate.unit}" if verdict.value is not None else "–"
    return (
        f"| {gate.number} | {gate.goal} | {sign} {number(gate.limit)} {gate.unit} | {measured} | {verdict.result} "
        f"| {gate.bound} |"
    )


def page(report: str = "") -> Iterator[str]:
    ran = {name: load(name, report) for name in RUNS}
    figures = [figure for _, found in ran.values() for figure in found]
    verdicts = [judge(gate, figures) for gate in GATES]
    counts = {result: sum(verdict.result == result for verdict in verdicts) for _, _, result in verdicts}
    yield "# Results of the benchmarks\n"
    yield "Written by `make bench`. Figures depend on the machine; ratios were measured in one run, by turns.\n"
    yield from (f"- {line}" for line in machine())
    yield f"\n## Goals: {', '.join(f'{count} {result}' for result, count in sorted(counts.items()))}\n"
    yield "| # | goal | target | measured | | what bounds it |"
    yield "|--:|---|---|---|---|---|"
    yield from map(row, verdicts)
    yield "\n## Figures\n"
    for name, (header, found) in ran.items():
        command = command_of(name)
        if not header:
            yield f"### `{command}`\n\nNot run on this machine.\n"
            continue
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(header[HEADER]))
        yield f"### `{command}`\n\n{when}; load average at its start {header['load']:.2f}.\n"
        yield "| figure | | | |"
        yield "|---|--:|---|---|"
        yield from (f"| {f.name} | {number(f.value)} | {f.unit} | {f.note} |" for f in found)
        yield ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RUNS))
    parser.add_argument("--all-kept", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "bench/results.md")
    options = parser.parse_args()
    if unknown := set(options.names) - set(RUNS):
        parser.error(f"no benchmark {min(unknown)}")
    for name in [] if options.all_kept else options.names or RUNS:
        run(name)
    options.out.write_text("\n".join(page(_text(options.out))).rstrip() + "\n", encoding="utf-8")
    print(f"written: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
