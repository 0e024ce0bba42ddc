"""A district's registry: the list of hubs in pages, and admission by the table.

    python bench/registry.py [--hubs 10000] [--tokens 300] [--runs 5]

The hubs are enrolled, each with a state that it signed and two streams. Their list is asked for over TLS from a server
that has just started, as a caller does: one page, then all of them; then again, when the server knows the signatures.
Tokens are made, and hubs enrolled by their request files, of a table by the commands that an operator uses, from the
shell to their end.
"""

from __future__ import annotations

import argparse
import json
import secrets
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where `backend` is a script
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from measure import cpu_s, figure, part_of

from backend.hubs.registry import Newcomer, Registry
from backend.storage.opening import open_storage
from hub.identity import keys, offline_enrolment
from hub.protocol.hub_id import hub_id
from hub.protocol.link_messages import State, sign_state

COMMAND = (sys.executable, "-m", "hub", "backend")


def enrol(directory: Path, count: int) -> None:
    """Fill the registry with hubs that have spoken."""
    keys = [Ed25519PrivateKey.generate() for _ in range(count)]
    public = [key.public_key().public_bytes_raw() for key in keys]
    now = time.time()
    with closing(open_storage(directory / "backend.db")) as storage:
        Registry(storage).enlist_many(
            [(one, Newcomer(f"school {n}", ("carrier:a", f"district-{n % 20}"))) for n, one in enumerate(public)], now
        )
        with storage.transaction():
            for key, identity in zip(keys, public, strict=True):
                hub, run = hub_id(identity), secrets.token_bytes(16)
                streams = {name: (run, 1, bytes(32)) for name in ("readings", "alerts")}
                state = State(hub=hub, boot=bytes(16), nonce=b"n" * 16, n=1, streams=streams)
                storage.states.put(hub, sign_state(state, key), now)
                for name in streams:
                    storage.streams.begin(hub, run, name, now)


@contextmanager
def serving(directory: Path) -> Iterator[tuple[str, int]]:
    arguments = ["run", str(directory), "--port", "0", "--json"]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            assert server.stdout is not None
            yield json.loads(server.stdout.readline())["url"], part_of(server.pid, "api")
        finally:
            server.send_signal(signal.SIGTERM)


class Caller:
    """The operator's program: it asks for pages and times each."""

    def __init__(self, directory: Path, url: str) -> None:
        self._url = url
        self._tls = ssl.create_default_context(cafile=str(directory / "ca.pem"))
        self._bearer = {"Authorization": f"Bearer {(directory / 'api.token').read_text().strip()}"}

    def page(self, after: str = "") -> tuple[Any, float]:
        """Return a page, and the ms that it took."""
        request = urllib.request.Request(f"{self._url}/v1/hubs?after={after}", headers=self._bearer)
        began = time.perf_counter()
        with urllib.request.urlopen(request, context=self._tls) as answer:
            body = answer.read()
        return json.loads(body), (time.perf_counter() - began) * 1000

    def all(self) -> tuple[int, list[float]]:
        """Return how many hubs all pages name, and the ms of each page."""
        count, times, after = 0, [], ""
        while after is not None:
            page, took = self.page(after)
            count, after = count + len(page["hubs"]), page["next"]
            times.append(took)
        return count, times


def listed(directory: Path, hubs: int, runs: int) -> None:
    first, slowest, again, costs = [], [], [], []
    for _ in range(runs):
        with serving(directory) as (url, server):
            caller, before = Caller(directory, url), cpu_s(server)
            count, times = caller.all()
            costs.append((cpu_s(server) - before) * 1000 / len(times))
            if count != hubs:
                raise SystemExit(f"{count} hubs in the list, {hubs} are enrolled")
            first.append(times[0])
            slowest.append(max(times))
            again.append(max(caller.all()[1]))
    figure(f"list of {hubs:,} hubs, the first page, a server just started", statistics.median(first), "ms")
    figure(f"list of {hubs:,} hubs, its slowest page", statistics.median(slowest), "ms")
    figure(f"list of {hubs:,} hubs, its slowest page when asked again", statistics.median(again), "ms")
    figure(f"list of {hubs:,} hubs, CPU a page, of {len(times)}", statistics.median(costs), "ms")


def admitted(directory: Path, root: Path, tokens: int, runs: int) -> None:
    table, times = root / "hubs.csv", []
    table.write_text("name,tags\n" + "".join(f"school {n},carrier:a district-{n % 20}\n" for n in range(tokens)))
    for n in range(runs):
        began = time.perf_counter()
        out = ("--out", str(root / f"{n}.csv"))
        subprocess.run([*COMMAND, "tokens", "make", str(directory), str(table), *out], check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    figure(f"tokens of a table of {tokens} hubs", statistics.median(times), "s")


def enrolled(directory: Path, root: Path, hubs: int, runs: int) -> None:
    """Enrol hubs by their request files; again in each run, which is allowed, since they signed their requests."""
    for n in range(hubs):
        request = offline_enrolment.request(keys.create(root / f"hub-{n}"), f"school {n}")
        (root / f"{n}.json").write_bytes(request)
    table, times = root / "requests.csv", []
    table.write_text("request,tags\n" + "".join(f"{n}.json,carrier:a district-{n % 20}\n" for n in range(hubs)))
    for _ in range(runs):
        began = time.perf_counter()
        out = ("--out", str(root / "answers"))
        subprocess.run([*COMMAND, "enroll-table", str(directory), str(table), *out], check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    figure(f"enrolment of a table of {hubs} request files", statistics.median(times), "s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hubs", type=int, default=10_000)
    parser.add_argument("--tokens", type=int, default=300)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ilot-bench-") as scratch:
        directory = Path(scratch) / "owner"
        subprocess.run([*COMMAND, "init", str(directory)], check=True, capture_output=True)
        enrol(directory, options.hubs)
        listed(directory, options.hubs, options.runs)
        admitted(directory, Path(scratch), options.tokens, options.runs)
        enrolled(directory, Path(scratch), options.tokens, options.runs)


if __name__ == "__main__":
    main()
