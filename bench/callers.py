"""A thousand slow callers at the hub's pages: the memory they cost, how long somebody new waits, and what is lost.

    python bench/callers.py [--callers 1000] [--seconds 15]

The demo's building and its hub, each a process of its own. Every caller stops at one of four points and waits there:
before its first byte; within its first record; after a whole ClientHello; within a request, its TLS done. Whoever is
cut calls again at once. They call from --machines addresses, somebody new from another, each second. The hub is looked
at after a first page: its web server is loaded then.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import ssl
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from measure import as_installed, figure, rss_mib  # a script: its own folder first

from hub.cli.demo.scene import Scene

STAGES = ("silent", "within its first record", "after its hello", "within a request")
ANYBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ANYBODY.check_hostname, ANYBODY.verify_mode = False, ssl.CERT_NONE


def hello() -> bytes:
    """A whole ClientHello."""
    out = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ANYBODY.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    return out.read()


async def call_slowly(port: int, stage: str, own: str, calls: list[int]) -> None:
    """Call, stop at `stage`, and call again when cut. For ever."""
    while True:
        writer = None
        try:
            tls = ANYBODY if stage == STAGES[3] else None
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, local_addr=(own, 0))
            calls[0] += 1
            if stage == STAGES[1]:
                writer.write(b"\x16\x03\x01\x02")
            elif stage == STAGES[2]:
                writer.write(hello())
            elif stage == STAGES[3]:
                writer.write(b"POST /signin HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\na")
            while await reader.read(65536):
                pass
        except (OSError, ssl.SSLError):
            await asyncio.sleep(0.1)
        finally:
            if writer is not None:
                writer.transport.abort()


async def ask(port: int) -> float:
    """Seconds until somebody new has the first page; 60 when there was none."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(60):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=ANYBODY)
            writer.write(b"GET /claim HTTP/1.1\r\nHost: localhost:%d\r\nConnection: close\r\n\r\n" % port)
            answer = await reader.read()
            writer.close()
            if answer.startswith(b"HTTP/1.1 200"):
                return time.monotonic() - began
            print(f"no page after {time.monotonic() - began:.1f} s: {answer[:60]!r}", flush=True)
    except (OSError, ssl.SSLError, TimeoutError) as error:
        print(f"no page after {time.monotonic() - began:.1f} s: {error!r}", flush=True)
    return 60.0


async def knock(scene: Scene, port: int, options: argparse.Namespace) -> None:
    pid, calls, waits = scene.processes["hub"].pid, [0], []
    first = await ask(port)
    await asyncio.sleep(3)
    before = peak = rss_mib(pid)
    callers = [
        asyncio.create_task(call_slowly(port, STAGES[at % 4], f"127.0.1.{at // 4 % options.machines + 1}", calls))
        for at in range(options.callers)
    ]
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        waits.append(await ask(port))
        peak = max(peak, rss_mib(pid))
        await asyncio.sleep(1)
    for task in callers:
        task.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    name = f"{options.callers} slow callers on {options.machines} machines"
    figure("the first page after a start, the web server's loading included", first, "s")
    figure(f"RSS gained, at most, {name}", peak - before, "MiB", f"from {before:.1f}; {calls[0]} calls")
    figure(f"somebody new waits for a page, at most, {name}", max(waits), "s", "goal 2")
    figure(f"somebody new waits for a page, median, {name}", sorted(waits)[len(waits) // 2], "s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callers", type=int, default=1000)
    parser.add_argument("--machines", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=15.0)
    options = parser.parse_args()
    as_installed()
    root = Path(tempfile.mkdtemp(prefix="ilot-bench-"))
    scene = Scene(root, lambda text: None)
    try:
        scene.prepare()
        scene.start_hub()
        url = scene.label()["url"]
        asyncio.run(knock(scene, int(url.rstrip("/").rpartition(":")[2]), options))
        last = scene.stop("hub")
        figure("readings taken meanwhile", last["readings"], "readings")
        lost = last["readings"] - scene.stats()["of_stream"]["readings"]
        figure("readings of them not at the backend", lost, "readings", "goal 0")
    finally:
        scene.close()
        shutil.rmtree(root, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
