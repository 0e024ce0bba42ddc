"""`ilot doctor link`: finds the stage at which the link to the backend fails."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from hub.cli import output
from hub.cli.doctor.link_route import TIMEOUT_S
from hub.cli.doctor.parallel import together
from hub.cli.doctor.printing import print_findings
from hub.core.errors import HubError, NotReady
from hub.core.text import phrase, reason_of
from hub.operations.doctor.findings import (
    CERTIFICATE,
    CONFIGURATION,
    ENROLMENT,
    NOTE,
    OK,
    TRUST,
    WRONG,
    Finding,
)

if TYPE_CHECKING:
    from hub.config.load import Loaded
    from hub.store_and_forward.egress import Egress

_PORTS = {"https": 443, "mqtts": 8883, "wss": 443}


@click.command()
@output.with_hub
def link(config: Path, state_dir: Path | None, json: bool) -> None:
    """Walk the way to the backend and name the stage that fails: DNS, proxy, TCP, TLS interception, certificate, clock
    or refusal. Sends no reading."""
    from hub.core.process_hardening import harden

    harden()
    print_findings(list(look(config, state_dir)), json=json)


def look(
    config: Path, state_dir: Path | None, timeout_s: float = TIMEOUT_S, loaded: Loaded | None = None
) -> Iterator[Finding]:
    """Yield the stages of each way to the backend, until one fails. `timeout_s`: for each answer that is awaited;
    `loaded`: the configuration, where it was opened already."""
    from hub.config.state_dir import state_of
    from hub.core.clock import SystemClock
    from hub.core.state_dir import StateDir
    from hub.identity import enrolment, keys
    from hub.plugin_host.opening import installed_in
    from hub.store_and_forward.egress import Egress

    state = StateDir(state_of(config, state_dir))
    try:
        enrolled, trust = enrolment.load(state.path)
        tls_key = keys.load(state.keys).tls_key
    except NotReady as error:  # of the TPM: the error states its remedy, and a token does not help
        yield Finding(ENROLMENT, WRONG, reason_of(error), "")
        return
    except HubError as error:
        yield Finding(
            ENROLMENT,
            WRONG,
            reason_of(error),
            phrase("ask-for-token", "ask the backend's operator for a token: `ilot enroll TOKEN`"),
        )
        return
    try:
        loaded = loaded or installed_in(state).open(config)
    except HubError:
        yield Finding(
            CONFIGURATION,
            WRONG,
            phrase("configuration-wrong", "it is not right"),
            phrase("check-shows-lines", "`ilot check` shows each line"),
        )
        return
    clock = SystemClock()
    yield from _certificate(state.path / enrolment.CERTIFICATE, clock.now())
    egress = Egress(
        trust, clock, certificate=state.path / enrolment.CERTIFICATE, key=tls_key, proxy=loaded.config.link.proxy_url()
    )
    addresses = [str(one.config.url or enrolled.url) for one in loaded.uplinks if hasattr(one.config, "url")]
    yield from together(
        {
            address: partial(_check_route, address, egress, enrolled.hub, clock.now(), timeout_s)
            for address in addresses or [enrolled.url]
        },
        3 * timeout_s,
    )


def _certificate(path: Path, now: float) -> Iterator[Finding]:
    """Check the dates of the client certificate."""
    import datetime as dt

    from hub.identity.certificate_renewal import read_validity

    life = read_validity(path)
    if life is None:
        remedy = phrase("restore-or-enrol", "restore it from the state backup, or enrol again")
        yield Finding(CERTIFICATE, WRONG, phrase("certificate-not-read", "{file} cannot be read", file=path), remedy)
        return
    ends = f"{dt.datetime.fromtimestamp(life.end, dt.UTC):%Y-%m-%d %H:%M} UTC"
    remedy = phrase(
        "certificate-renewed-by-identity",
        "a running hub renews it with its identity key, if its clock is right: `ilot status` says what keeps it",
    )
    if now >= life.end:
        yield Finding(
            CERTIFICATE, WRONG, phrase("own-certificate-lapsed", "the hub's own lapsed on {ends}", ends=ends), remedy
        )
    elif now < life.begin:
        yield Finding(
            CERTIFICATE,
            WRONG,
            phrase("own-certificate-early", "the hub's own is not good yet, by this machine's clock"),
            remedy,
        )
    elif life.due(now):
        yield Finding(
            CERTIFICATE,
            NOTE,
            phrase("own-certificate-due", "the hub's own ends {ends}, and is due for renewal", ends=ends),
            remedy,
        )
    else:
        yield Finding(CERTIFICATE, OK, phrase("own-certificate-good", "the hub's own is good until {ends}", ends=ends))


def _check_route(address: str, egress: Egress, hub: str, now: float, timeout_s: float) -> Iterator[Finding]:
    from hub.cli.doctor.link_route import Route
    from hub.cli.doctor.link_stages import run_stages
    from hub.operations.doctor.machine import Machine
    from hub.operations.doctor.timekeeping import synchronised

    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    try:
        named = f"[{host}]" if ":" in host else host
        context, proxy = egress.connection(f"https://{named}:{port}")
    except HubError as error:
        yield Finding(
            TRUST,
            WRONG,
            reason_of(error),
            phrase("trust-document-decides", "the owner's trust document says whom this hub may call"),
        )
        return
    if context is not None:
        http = parts.scheme == "https"
        yield from run_stages(Route(host, port, context, proxy, hub, now, http, synchronised(Machine()), timeout_s))
