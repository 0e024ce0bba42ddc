"""`ilot sovereignty`: the parties on which this hub depends, and who declared them."""

from __future__ import annotations

import hashlib
import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.cli import output
from hub.core.errors import HubError
from hub.core.text import phrase, reason_of

if TYPE_CHECKING:
    from hub.config.load import Loaded
    from hub.operations.sovereignty.observed import Peer
    from hub.operations.sovereignty.policy import Dependency
    from hub.protocol.documents.trust import Trust


OWNERS_DOCUMENT = phrase("owners-trust-document", "the owner's trust document")


@click.command()
@click.option("--root", type=click.Path(path_type=Path, file_okay=False), default=Path("/"), hidden=True)
@output.with_hub
def sovereignty(root: Path, config: Path, state_dir: Path | None, json: bool) -> None:
    """List every endpoint, certificate issuer, time source, mirror, name server and key holder of this hub.

    Works with no network. Exit code 6 when one of them was declared by nobody: neither by the owner's trust document
    nor in the configuration. With a running hub its live connections are looked at too.
    """
    lines = list(_lines(root, config, state_dir))
    if json:
        output.data([line._asdict() for line in lines])
    else:
        output.table(
            ("", "kind", "what", "declared-by", "detail"),
            [
                (
                    "" if line.by else phrase("mark-wrong", "WRONG"),
                    output.word("party", line.kind),
                    line.what,
                    line.by or phrase("declared-by-nobody", "nobody"),
                    line.detail,
                )
                for line in lines
            ],
        )
        for line in lines:
            if line.remedy:
                output.say(phrase("remedy-for", "{what}: {remedy}", what=line.what, remedy=line.remedy))
    if not all(line.by for line in lines):
        raise click.exceptions.Exit(6)


def _lines(root: Path, config: Path, state_dir: Path | None) -> Iterator[Dependency]:
    from hub.identity import enrolment
    from hub.operations.sovereignty import policy, sources
    from hub.plugin_host.opening import installed_for

    here = installed_for(config, state_dir)
    loaded, state = here.open(config), here.state.path
    enrolled, trust = enrolment.load(state)
    declared = _declared(loaded, trust)
    yield from policy.endpoints(declared, _seen(state / "hub.sock"), _addresses)
    yield from _issuers(trust, state / enrolment.CERTIFICATE)
    options = loaded.config.sovereignty
    for kind, patterns, parse, names, option in (
        (policy.TIME, sources.TIME, sources.time_servers, options.time, "time"),
        (policy.MIRROR, sources.MIRRORS, sources.mirrors, options.mirrors, "mirrors"),
        (policy.RESOLVER, sources.RESOLVERS, sources.resolvers, options.resolvers, "resolvers"),
    ):
        yield from policy.sources(kind, parse(sources.read(root, patterns)), names, option)
    yield from _keys(trust, enrolled.root)


def _declared(loaded: Loaded, trust: Trust) -> dict[str, str]:
    """Return host → who declared it."""
    from hub.operations.crisis.isolation import addresses

    found: dict[str, str] = {}
    parts = [(f"integrations.{one.name}", one.config) for one in loaded.integrations]
    parts += [(f"exporters.{one.name}", one.config) for one in loaded.exporters]
    parts += [(f"notifiers.{one.name}", one.config) for one in loaded.notifiers]
    for name, options in parts:
        for host in addresses(options.model_dump()):
            found.setdefault(host, name)
    if loaded.config.link.proxy is not None:
        for host in addresses({"url": loaded.config.link.proxy}):
            found.setdefault(host, "link.proxy")
    return found | {entry.host: OWNERS_DOCUMENT for entry in trust.egress}


def _addresses(host: str) -> Iterable[str]:
    """Return the addresses of a name on this machine now; [] without an answer."""
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host, None)}
    except OSError:
        return ()


def _seen(control: Path) -> list[Peer]:
    """Return the remote ends of the running hub's connections; [] without a hub."""
    from hub.operations.sovereignty.observed import family, peers

    with socket.socket(socket.AF_UNIX) as link:
        try:
            link.settimeout(5)
            link.connect(str(control))
            told = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError:
            return []
    return peers(family(struct.unpack("3i", told)[0]))


def _issuers(trust: Trust, certificate: Path) -> Iterator[Dependency]:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from hub.operations.sovereignty.policy import ISSUER, Dependency

    known = {}
    for entry in trust.egress:
        for ca in x509.load_pem_x509_certificates(entry.ca_pem.encode()):
            known[ca.subject] = ca
            mark = hashlib.sha256(ca.public_bytes(Encoding.DER)).hexdigest()[:16]
            yield Dependency(ISSUER, ca.subject.rfc4514_string(), OWNERS_DOCUMENT, f"{entry.host}, SHA-256 {mark}…")
    try:
        own = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise HubError(
            phrase(
                "own-certificate-unreadable", "this hub's certificate cannot be read: {reason}", reason=reason_of(error)
            )
        ) from error
    issuer = own.issuer.rfc4514_string()
    by = OWNERS_DOCUMENT if own.issuer in known else ""
    remedy = "" if by else phrase("enrol-again", "enrol this hub at its owner again")
    yield Dependency(ISSUER, issuer, by, phrase("issuer-of-own", "of this hub's own certificate"), remedy)


def _keys(trust: Trust, root: str) -> Iterator[Dependency]:
    from hub.operations.sovereignty.policy import KEY, Dependency

    owner = phrase("owners-root", "the owner's root {root}", root=f"{root[:16]}…")
    for one in trust.recipients:
        yield Dependency(
            KEY, f"{one.role} {one.kid.hex()[:16]}…", owner, phrase("key-opens-readings", "can open readings")
        )
    for ack in trust.ack_keys:
        yield Dependency(
            KEY, f"ack {ack.kid.hex()[:16]}…", owner, phrase("key-acknowledges", "can acknowledge readings")
        )
    for badge in trust.badge_publics:
        mark = hashlib.sha256(badge).hexdigest()[:16]
        yield Dependency(KEY, f"badge {mark}…", owner, phrase("key-lets-in", "can let technicians in"))
    for key in trust.command_keys:
        kid = str(key.get("kid", ""))[:16]
        yield Dependency(KEY, f"command {kid}", owner, phrase("key-commands", "can command devices"))
    for key in trust.config_keys:
        kid = str(key.get("kid", ""))[:16]
        changes = phrase("key-changes-configuration", "can change the configuration")
        yield Dependency(KEY, f"configuration {kid}", owner, changes)
