"""Devices that speak JSON over HTTP: polled, or sending webhooks.

One integration is one server, a webhook endpoint, or both; its devices (`http:<name>`) are documents. Polls use the
core's HTTP client, to the one configured host. A webhook is answered 200 once its readings are durable, and one that is
sent again is kept once.
"""

from __future__ import annotations

import asyncio
from typing import Any

import hub
from hub.sdk.phrases import phrase
from integrations.http_json.intake import Intake, counted
from integrations.http_json.reasons import REASONS
from integrations.http_json.roster import Reader, Roster
from integrations.http_json.settings import Config, DeviceSettings, Listen, ValueSettings

__all__ = ["Config", "DeviceSettings", "Listen", "ValueSettings", "probe", "register_integrations", "run"]


async def run(config: Config, session: hub.Session) -> None:
    """Poll and listen until cancelled. Raises NotReady when the server cannot be reached or the port is taken,
    AuthFailed when the server refuses the credentials."""
    from integrations.http_json.polling import Poller

    roster = Roster(session)
    roster.refresh()

    async def take(reader: Reader, document: Any, scheme: str) -> None:
        said = counted(session, reader, document)
        if said.values:
            proof = hub.Proof(scheme=scheme)
            await session.emit(hub.Report(device=reader.device, values=said.values, time=said.time, proof=proof))

    try:
        async with asyncio.TaskGroup() as tasks:
            if config.url is not None:
                tasks.create_task(Poller(config, session, roster, take).run(), name=f"{session.name} pages")
            if config.listen is not None:
                tasks.create_task(_listen(config.listen, session, roster), name=f"{session.name} hooks")
    except BaseExceptionGroup as group:  # the supervisor judges one error, not a group
        raise group.exceptions[0] from group.exceptions[0].__cause__


async def _listen(given: Listen, session: hub.Session, roster: Roster) -> None:
    from integrations.http_json import door  # imports aiohttp's server: only with webhooks

    if given.plain and not given.certificate:
        session.log.warning(
            phrase(
                "http_json.webhooks-without-tls",
                "webhooks on {address} come without TLS: whoever is on that network reads the secret",
                address=given.address,
            )
        )

    def refused(reason: str) -> None:
        session.radio.report_decode_error("", hub.DecodeError(reason))

    entry = door.Door(given, roster, Intake(session, roster), refused)
    tls = await entry.context(given.certificate, given.certificate_key)
    async with entry.serving(given.address, given.port, tls) as port:
        scheme = "https" if given.certificate else "http"
        session.log.info(
            phrase(
                "http_json.messages-go-to",
                "messages go to {scheme}://{address}:{port}{prefix}<hook>",
                scheme=scheme,
                address=given.address,
                port=port,
                prefix=door.PREFIX,
            )
        )
        await asyncio.Event().wait()


async def probe(config: Config) -> str:
    """Check that the server accepts connections, without a request. Raises NotReady."""
    if config.url is None:
        return phrase("http_json.nothing-is-polled", "nothing is polled: devices send by themselves")
    host, port = config.url.host or "", config.url.port or 0
    try:
        async with asyncio.timeout(config.timeout.total_seconds()):
            _, writer = await asyncio.open_connection(host.strip("[]"), port)
    except (OSError, TimeoutError) as error:
        raise hub.NotReady(
            phrase(
                "http_json.server-accepts-no-connection",
                "{host}:{port} accepts no connection: check power, network and `url`",
                host=host,
                port=port,
            )
        ) from error
    writer.close()
    return phrase("http_json.server-accepts", "{host}:{port} accepts connections", host=host, port=port)


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("http_json", Config, run, device=DeviceSettings, probe=probe, reasons=REASONS)
