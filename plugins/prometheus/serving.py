"""The listener of the Prometheus exporter."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import exposition
from prometheus_client.core import Metric
from prometheus_client.openmetrics import exposition as openmetrics

import hub
from hub.sdk.exporter import ExporterView
from hub.sdk.http_server import RequestLog
from hub.sdk.phrases import phrase, system_error
from plugins.prometheus.families import families

if TYPE_CHECKING:
    from plugins.prometheus import Config


class _Registry:
    """The registry used by the client library's writers: the present families."""

    def __init__(self, config: Config, view: ExporterView) -> None:
        self._config, self._view = config, view

    def collect(self) -> Iterator[Metric]:
        return families(
            self._view.series(),
            self._view.values(),
            self._view.pulse(),
            now=time.time(),
            expire_s=self._config.expire.total_seconds(),
        )


@asynccontextmanager
async def serving(config: Config, view: ExporterView) -> AsyncIterator[str]:
    """Serve /metrics inside this scope; yields its URL. Raises NotReady when the address cannot be used."""
    networks = [ip_network(text) for text in config.allow]
    registry = _Registry(config, view)
    refused: set[str] = set()

    @web.middleware
    async def allowed(request: web.Request, handler: web.Handler) -> web.StreamResponse:  # type: ignore[name-defined]
        remote = request.remote or ""
        if not any(ip_address(remote) in network for network in networks):
            if remote not in refused and len(refused) < 100:
                refused.add(remote)
                view.log.warning(
                    phrase(
                        "prometheus.client-not-allowed",
                        "{client} asked for metrics and is not in `allow`: refused",
                        client=remote,
                    )
                )
            raise web.HTTPForbidden(text="this address may not scrape: see exporters.prometheus.allow\n")
        response: web.StreamResponse = await handler(request)
        return response

    async def metrics(request: web.Request) -> web.Response:
        if "application/openmetrics-text" in request.headers.get("Accept", ""):
            body, kind = openmetrics.generate_latest(registry), openmetrics.CONTENT_TYPE_LATEST  # type: ignore[no-untyped-call]
        else:
            body, kind = exposition.generate_latest(registry), exposition.CONTENT_TYPE_LATEST
        return web.Response(body=body, headers={"Content-Type": kind, "Cache-Control": "no-store"})

    app = web.Application(middlewares=[allowed], client_max_size=1024)
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(
        app, logger=RequestLog(view.log), access_log=None, handler_cancellation=True, keepalive_timeout=30
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, config.address, config.port, backlog=16)
        try:
            await site.start()
        except OSError as error:
            raise hub.NotReady(
                phrase(
                    "prometheus.address-unusable",
                    "{address}:{port} cannot be listened on: {reason}",
                    address=config.address,
                    port=config.port,
                    reason=system_error(error),
                )
            ) from error
        host = f"[{config.address}]" if ":" in config.address else config.address
        yield f"http://{host}:{runner.addresses[0][1]}/metrics"
    finally:
        await runner.cleanup()
