"""What the operator's requests cost the process that answers hubs, and what three processes take of memory.

    python bench/operators.py [--hubs 500] [--requests 200] [--runs 3]

A page of the list of hubs is asked for again and again over one connection: by turns at the port of the hubs, from
where it is passed on, and at the API's own. CPU is of the processes themselves; memory is their proportional share
(PSS).
"""

from __future__ import annotations

import argparse
import http.client
import json
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parent))
from measure import cpu_s, figure, part_of
from registry import enrol

COMMAND = (sys.executable, "-m", "hub", "backend")
PARTS = ("ingest", "api", "compact")


@contextmanager
def serving(directory: Path) -> Iterator[tuple[dict[str, str], int]]:
    arguments = ["run", str(directory), "--port", "0", "--api", "0", "--json"]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            assert server.stdout is not None
            yield json.loads(server.stdout.readline()), server.pid
        finally:
            server.send_signal(signal.SIGTERM)


def ask(directory: Path, url: str, requests: int) -> int:
    """Ask for a page again and again; return its bytes."""
    context = ssl.create_default_context(cafile=str(directory / "ca.pem"))
    bearer = {"Authorization": f"Bearer {(directory / 'api.token').read_text().strip()}"}
    at = urlsplit(url)
    size = 0
    with closing(http.client.HTTPSConnection(at.hostname or "", at.port, context=context)) as connection:
        for _ in range(requests):
            connection.request("GET", "/v1/hubs", headers=bearer)
            answer = connection.getresponse()
            size = len(answer.read())
            if answer.status != 200:
                raise SystemExit(f"answered with {answer.status}")
    return size


def pss_mib(pid: int) -> float:
    """A process's share of the memory that is resident."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hubs", type=int, default=500)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    used: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="ilot-bench-") as scratch:
        directory = Path(scratch) / "owner"
        subprocess.run([*COMMAND, "init", str(directory)], check=True, capture_output=True)
        enrol(directory, options.hubs)
        with serving(directory) as (facts, server):
            parts = {name: part_of(server, name) for name in PARTS}
            size = ask(directory, facts["url"], 5)
            for _ in range(options.runs):
                for way, url in (("passed on", facts["url"]), ("own port", facts["api"])):
                    before = {name: cpu_s(pid) for name, pid in parts.items()}
                    ask(directory, url, options.requests)
                    for name, pid in parts.items():
                        spent = (cpu_s(pid) - before[name]) * 1000 / options.requests
                        used.setdefault((way, name), []).append(spent)
            memory = {name: pss_mib(pid) for name, pid in {"run": server, **parts}.items()}
    figure(f"a page of {options.hubs} hubs", size / 1024, "KiB")
    for (way, name), spent in used.items():
        if name != "compact":
            figure(f"CPU of {name}, a page, {way}", statistics.median(spent), "ms")
    for name, held in memory.items():
        figure(f"memory, {name}", held, "MiB")
    figure("memory, all", sum(memory.values()), "MiB")


if __name__ == "__main__":
    main()
