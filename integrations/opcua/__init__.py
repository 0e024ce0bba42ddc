"""OPC UA: the variables of one server, subscribed to, polled, and written by command only.

One integration is one server; its devices (`opcua:<name>`) are groups of its nodes. OPC 10000-3, -4, -6 and -8, the
client's side over UA TCP binary. asyncua runs in a process of its own (see `worker`), so that the hub's memory does not
grow by it. Methods are never called.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import hub
from hub.sdk.phrases import phrase
from integrations.opcua.messages import Certificate
from integrations.opcua.reasons import REASONS, SAMPLING
from integrations.opcua.settings import Config, DeviceSettings, NodeSettings

if TYPE_CHECKING:
    from integrations.opcua.entering import Entered

__all__ = ["Config", "DeviceSettings", "NodeSettings", "probe", "register_integrations", "run"]


async def run(config: Config, session: hub.Session) -> None:
    """Follow the nodes of this plugin's devices until cancelled. Raises NotReady when the server cannot be reached,
    AuthFailed when it is not the trusted one or refuses the user."""
    from integrations.opcua.child import Lost
    from integrations.opcua.entering import entered
    from integrations.opcua.following import Follower
    from integrations.opcua.link import Nonsense
    from integrations.opcua.trust import Untrusted, expired

    try:
        async with entered(config, session.name) as inside:
            if inside.identity is not None:
                session.log.info(
                    phrase(
                        "opcua.connected",
                        "connected by {security}; this hub's certificate: {thumbprints}",
                        security=inside.door.security,
                        thumbprints=inside.identity,
                    )
                )
            if inside.door.certificate is None:
                session.log.warning(_unsecured(config, inside))
            elif why := expired(inside.door.certificate, time.time()):
                session.log.warning(
                    phrase(
                        "opcua.certificate-out-of-date",
                        "the certificate of {url} is out of date, have it renewed: {reason}",
                        url=config.url,
                        reason=why,
                    )
                )
            await Follower(config, session, inside).run()
    except Untrusted as error:
        session.radio.report_decode_error("", hub.DecodeError("opcua-untrusted"))
        await _quarantine(config, session, error.certificate)
        raise
    except Nonsense:
        session.radio.report_decode_error("", hub.DecodeError("opcua-nonsense"))
        raise
    except Lost:
        session.radio.report_decode_error("", hub.DecodeError("opcua-worker"))
        raise


def _unsecured(config: Config, inside: Entered) -> str:
    if inside.unused:
        return phrase(
            "opcua.needlessly-unsecured",
            "security is none: whoever is on this network can read and forge what {url} says; "
            "the server offers {offers}",
            url=config.url,
            offers=inside.unused,
        )
    return phrase(
        "opcua.unsecured",
        "security is none: whoever is on this network can read and forge what {url} says",
        url=config.url,
    )


async def _quarantine(config: Config, session: hub.Session, shown: Certificate) -> None:
    """Store the certificate of an unknown server, and report it."""
    from integrations.opcua import identity
    from integrations.opcua.trust import keep

    directory = config.directory or identity.default_directory()
    kept = await asyncio.to_thread(keep, directory, shown)
    evidence = {
        "subject": shown.subject, "uri": shown.uri, "sha256": identity.sha256(shown.der),
        "sha1": identity.sha1(shown.der), "certificate": str(kept or "could not be kept"),
    }  # fmt: skip
    session.devices.discovered(
        hub.Candidate(
            id=f"opcua:server-{config.host}:{config.port}",
            integration=session.name,
            model="OPC UA server",
            evidence={key: _printable(said) for key, said in evidence.items() if said},
        )
    )


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:200]


async def probe(config: Config) -> str:
    """Open a session and close it. Raises NotReady or AuthFailed with what to do."""
    from integrations.opcua.entering import entered

    async with entered(config, "probe") as inside:
        server = _printable(f"{inside.server.product} {inside.server.version}".strip())
        named = server or phrase("opcua.unnamed-server", "an OPC UA server")
        if inside.identity:
            return phrase(
                "opcua.probe-secured",
                "{server} at {url} lets this hub in by {security}; this hub's certificate: {thumbprints}",
                server=named,
                url=config.url,
                security=inside.door.security,
                thumbprints=inside.identity,
            )
        if inside.unused:
            return phrase(
                "opcua.probe-needlessly-unsecured",
                "{server} at {url} lets this hub in by no security at all, though it offers {offers}",
                server=named,
                url=config.url,
                offers=inside.unused,
            )
        return phrase(
            "opcua.probe-unsecured",
            "{server} at {url} lets this hub in by no security at all",
            server=named,
            url=config.url,
        )


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("opcua", Config, run, device=DeviceSettings, probe=probe, reasons=REASONS, sampling=SAMPLING)
