"""Metrics of one process of the backend, in Prometheus' text format 0.0.4, at an address of its own.

    GET /metrics    text/plain; version=0.0.4

There is no password: the address is this machine's own unless another one is named. Nothing here names a hub, a device
or a person; what is counted by hub is in the operator's API.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import re
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

from backend.api.metric_families import Family, counter, gauge, render
from backend.api.requests import strip_headers
from hub.core.errors import ConfigError, NotReady
from hub.core.request_log import RequestLog
from hub.core.text import phrase, system_error

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_REQUEST = 4096
ANSWER_S = 5.0
"""Seconds that collecting may take; then the scrape fails, which Prometheus shows as a target that is down."""
_ADDRESS = re.compile(r"(?:(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):)?(\d{1,5})")
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class MetricsAddress(NamedTuple):
    """Address on which metrics are read. Port 0 is any free one."""

    host: str
    port: int


Collect = Callable[[], Awaitable[Iterable[Family]]]


def read_address(text: str) -> MetricsAddress:
    """Parse PORT or ADDRESS:PORT, an IPv6 address in brackets; the default is this machine alone. Raises
    ConfigError."""
    match = _ADDRESS.fullmatch(text)
    try:
        if match is None or int(match[3]) > 65535:
            raise ValueError(text)
        host = match[1] or match[2] or HOST
        ipaddress.ip_address(host)
    except ValueError:
        raise ConfigError(
            phrase("metrics-address-wrong", "{text!r} is no PORT or ADDRESS:PORT for metrics", text=text[:80])
        ) from None
    return MetricsAddress(host, int(match[3]))


def of_process(now: float | None = None) -> list[Family]:
    """Return what the kernel counts of this process, by the names that all of Prometheus' libraries use."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    families = [
        counter("process_cpu_seconds_total", "Processor time of this process.", usage.ru_utime + usage.ru_stime),
        gauge("process_max_fds", "Limit of open files.", float(resource.getrlimit(resource.RLIMIT_NOFILE)[0])),
    ]
    with contextlib.suppress(OSError, ValueError, IndexError):
        resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
        families.append(gauge("process_resident_memory_bytes", "Memory that is resident.", float(resident)))
        families.append(gauge("process_open_fds", "Open files.", float(len(os.listdir("/proc/self/fd")))))
        ticks = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / _TICK
        began = (time.time() if now is None else now) - age
        families.append(gauge("process_start_time_seconds", "When this process began, Unix seconds.", began))
    return families


@contextlib.asynccontextmanager
async def serving(address: MetricsAddress, collect: Collect) -> AsyncIterator[int]:
    """Answer scrapes until the block is left; yields the port. Raises NotReady when the address is not available."""
    application = web.Application(client_max_size=MAX_REQUEST)
    application.on_response_prepare.append(strip_headers)

    async def scrape(request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(ANSWER_S):
                text = render([*of_process(), *await collect()])
        except TimeoutError:
            return web.Response(status=503, text="the values could not be collected in time\n")
        return web.Response(text=text, headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})

    application.router.add_get("/metrics", scrape)
    runner = web.AppRunner(application, logger=RequestLog(log), access_log=None, shutdown_timeout=1.0)
    try:
        await runner.setup()
        site = web.TCPSite(runner, address.host, address.port, backlog=8)
        try:
            await site.start()
        except OSError as error:
            raise NotReady(
                phrase(
                    "metrics-address-not-free",
                    "metrics cannot be offered at {host} port {port}: {reason}",
                    host=address.host,
                    port=address.port,
                    reason=system_error(error),
                )
            ) from error
        if not ipaddress.ip_address(address.host).is_loopback:
            log.warning(
                phrase(
                    "metrics-open",
                    "metrics are open to whoever reaches {host}: they need no password",
                    host=address.host,
                )
            )
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
