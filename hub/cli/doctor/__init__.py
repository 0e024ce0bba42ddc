"""`ilot doctor`: problems of this machine and hub, with their remedies."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Awaitable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.doctor.findings import NOTE, OK, WRONG, Finding, print_findings
from hub.cli.doctor.link_check import link
from hub.cli.hub_client import ask
from hub.core.errors import ConfigError, HubError, NotReady
from hub.core.text import phrase

MIN_FREE = 256 * 1024 * 1024
PROBE_S = 10.0


@click.group(cls=output.Group, invoke_without_command=True)
@click.pass_context
@output.with_config
@output.with_state
@click.option("--probe/--no-probe", default=True, help="Also ask devices and buses whether they answer.")
@output.as_json
def doctor(ctx: click.Context, config: Path, state_dir: Path | None, probe: bool, json: bool) -> None:
    """Look at this machine, the configuration, the enrolment, the disk and the clock; say what to do."""
    if ctx.invoked_subcommand is not None:
        ctx.default_map = {ctx.invoked_subcommand: {"config": config, "state_dir": state_dir, "json": json}}
        return
    from hub.core.process_hardening import harden

    open_still = harden()  # before any key is read
    findings = [found for look in (_machine, _disk, _clock, _network) for found in look(config, state_dir)]
    findings += [
        Finding("memory", NOTE, sentence, phrase("hub-runs-all", "the hub runs all the same"))
        for sentence in open_still
    ]
    if not open_still:
        findings.append(Finding("memory", OK, phrase("no-core-dumps", "no core dumps, no tracing, no swap of keys")))
    findings += _enrolment(config, state_dir)
    findings += _configuration(config, probe, _running(config, state_dir))
    print_findings(findings, json=json)


doctor.add_command(link)


def _machine(config: Path, state_dir: Path | None) -> Iterator[Finding]:
    import ssl

    yield Finding("python", OK, sys.version.split()[0])
    hybrid = ssl.OPENSSL_VERSION_INFO >= (3, 5)
    yield Finding(
        "TLS",
        OK if hybrid else NOTE,
        ssl.OPENSSL_VERSION,
        "" if hybrid else "without OpenSSL 3.5 the link has no post-quantum key exchange; readings are sealed with one",
    )


def _disk(config: Path, state_dir: Path | None) -> Iterator[Finding]:
    from hub.config.state_dir import state_of

    state = state_of(config, state_dir)
    if not state.exists():
        yield Finding(
            phrase("state-directory", "state directory"),
            WRONG,
            phrase("does-not-exist", "{state} does not exist", state=state),
            phrase("ilot-enroll-token", "`ilot enroll TOKEN` makes it"),
        )
        return
    mode = state.stat().st_mode & 0o077
    yield Finding(
        phrase("state-directory", "state directory"),
        WRONG if mode else OK,
        str(state),
        f"others can read it: chmod 700 {state}" if mode else "",
    )
    free = shutil.disk_usage(state).free
    yield Finding(
        "disk",
        OK if free > MIN_FREE else WRONG,
        phrase("free", "{size} free", size=output.size(free)),
        "" if free > MIN_FREE else "free some room: the buffer drops the oldest readings when the disk is full",
    )
    yield _keys(state)
    yield from _raw(state)


def _keys(state: Path) -> Finding:
    """Check who can read the hub's own keys."""
    from hub.identity import keys

    try:
        by_tpm, plain = keys.held_by_tpm(state / "keys"), keys.key_files(state / "keys")
    except ConfigError as error:
        return Finding(phrase("keys-rest", "keys at rest"), WRONG, str(error), "")
    if not by_tpm:
        return Finding(
            phrase("keys-rest", "keys at rest"),
            NOTE,
            phrase("key-files-same", "key files on the same disk"),
            phrase(
                "stolen-disk-shows",
                "a stolen disk shows keys, devices and settings, never buffered readings: "
                "docs/explanation/security.md, T1",
            ),
        )
    if plain:
        return Finding(
            phrase("keys-rest", "keys at rest"),
            WRONG,
            phrase("held-tpm-key", "held by the TPM, and key files lie beside it: {plain}", plain=list(plain)),
            phrase("stop-hub-ilot", "stop the hub; `ilot keys seal` destroys them"),
        )
    from hub.identity.keys.tpm import unavailable_reason

    if not (problem := unavailable_reason()) and (apart := keys.stray_key_files(state / "keys")):
        return Finding(
            phrase("keys-rest", "keys at rest"),
            WRONG,
            phrase(
                "held-tpm-key-files",
                "held by the TPM, and key files lie in clear apart: {map}",
                map=list(map(str, apart)),
            ),
            phrase("once-they-not", "once they are not needed: shred -u {map}", map=" ".join(map(str, apart))),
        )
    return Finding(
        phrase("keys-rest", "keys at rest"),
        WRONG if problem else OK,
        phrase("held-machines-tpm", "held by this machine's TPM"),
        problem,
    )


def _raw(state: Path) -> Iterator[Finding]:
    """Check who can read raw history on the disk."""
    if os.path.lexists(state / "keys" / "raw.key"):
        yield Finding(
            phrase("raw-history", "raw history"),
            NOTE,
            phrase("disk-key-file", "on disk, its key file beside it"),
            phrase(
                "stolen-disk-shows-every",
                "a stolen disk shows every raw reading of `history.raw_days`: `raw_on_disk: tpm` holds it to this "
                "machine",
            ),
        )
    elif os.path.lexists(state / "keys" / "raw.tpm"):
        from hub.identity.keys.tpm import unavailable_reason

        problem = unavailable_reason()
        yield Finding(
            phrase("raw-history", "raw history"),
            WRONG if problem else OK,
            phrase("disk-key-held", "on disk, its key held by the TPM"),
            problem,
        )


def _clock(config: Path, state_dir: Path | None) -> Iterator[Finding]:
    import datetime

    from hub.core.clock import SystemClock

    clock = SystemClock()
    now = datetime.datetime.fromtimestamp(clock.now(), datetime.UTC)
    yield Finding(
        "clock",
        OK if clock.sure() else WRONG,
        f"{now:%Y-%m-%d %H:%M:%S} UTC",
        "" if clock.sure() else "it is before this software was built: set it, or let it reach a time server",
    )


def _network(config: Path, state_dir: Path | None, root: Path = Path("/")) -> Iterator[Finding]:
    """Check whether this machine forwards packets between networks. The hub never does, the kernel may."""
    switches = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")
    on = [name.replace("/", ".") for name in switches if _text(root / "proc/sys" / name) not in ("", "0")]
    cards = [one.name for one in sorted((root / "sys/class/net").glob("*")) if (one / "device").exists()]
    if not on:
        yield Finding(
            "network", OK, phrase("machine-passes-no", "this machine passes no packet on from one network to another")
        )
        return
    yield Finding(
        "network",
        WRONG if len(cards) > 1 else NOTE,
        phrase(
            "machine-passes-packets",
            "this machine passes packets on between its networks ({on})",
            on=", ".join(f"{name} = 1" for name in on),
        ),
        phrase(
            "between-buildings-network",
            "between the building's network and the office's nothing may pass: sysctl -w {on}=0, and in /etc/sysctl.d",
            on=on[0],
        ),
    )


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _enrolment(config: Path, state_dir: Path | None) -> list[Finding]:
    from cryptography import x509

    from hub.config.state_dir import state_of
    from hub.core.clock import SystemClock
    from hub.identity import enrolment, keys

    state = state_of(config, state_dir)
    try:
        enrolled, trust = enrolment.load(state)
        keys.load(state / "keys")
        certificate = x509.load_pem_x509_certificate((state / enrolment.CERTIFICATE).read_bytes())
    except NotReady as error:  # of the TPM: the error states its remedy, and a token does not help
        return [Finding("enrolment", WRONG, str(error), "")]
    except (HubError, OSError, ValueError) as error:
        return [
            Finding(
                "enrolment",
                WRONG,
                str(error),
                phrase("ask-backends-operator", "ask the backend's operator for a token: `ilot enroll TOKEN`"),
            )
        ]
    left = certificate.not_valid_after_utc.timestamp() - SystemClock().now()
    return [
        Finding(
            "enrolment",
            OK,
            phrase(
                "trust-version",
                "{hub} at {url}, trust version {version}",
                hub=enrolled.hub,
                url=enrolled.url,
                version=trust.version,
            ),
        ),
        Finding(
            "certificate",
            OK if left > 30 * 86400 else WRONG,
            phrase("left", "{plural} left", plural=output.plural(round(left / 86400), "day")),
            "" if left > 30 * 86400 else "a running hub renews it by itself: `ilot status` says what keeps it",
        ),
    ]


def _running(config: Path, state_dir: Path | None) -> dict[str, dict[str, Any]]:
    """Return the running hub's integrations, by name; {} without one."""
    try:
        status = ask(config, state_dir, "status")
    except HubError:
        return {}
    return {one["name"]: one for one in status["plugins"]}


def _configuration(config: Path, probe: bool, running: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Check the configuration. `running`: integrations of a running hub, which holds lines and radios that must not be
    used meanwhile, and may reach peers that this shell does not (another D-Bus, another network)."""
    from hub.config.load import load
    from hub.plugin_host.plugin_types import installed_models
    from hub.plugin_host.registry import Registry

    registry = Registry.discover()
    try:
        loaded = load(config, installed_models(registry))
    except ConfigError as error:
        return [
            Finding(
                "configuration",
                WRONG,
                phrase("problems", "problems: {count}", count=len(error.problems)),
                phrase("ilot-check-shows", "`ilot check` shows each line"),
            )
        ]
    counted = output.plural(len(loaded.integrations), "integration"), output.plural(len(loaded.devices), "device")
    found = [Finding("configuration", OK, ", ".join(counted))]
    if not loaded.uplinks:
        remedy = "name one below link.uplinks, or readings only fill the buffer"
        found.append(Finding("link", NOTE, phrase("no-uplink", "no uplink"), remedy))
    for instance in loaded.integrations if probe else ():
        plugin = registry.plugins[instance.type]
        if not instance.enabled:
            continue
        if instance.name in running:
            found.append(_reported(instance.name, running[instance.name]))
            continue
        if not plugin.shipped:
            continue
        try:
            ask = registry.integration(instance.type).probe
            if ask is not None:
                found.append(_probed(instance.name, ask(instance.config)))
        except HubError as error:
            found.append(
                Finding(
                    instance.name,
                    WRONG,
                    str(error),
                    phrase("ilot-plugins-shows", "`ilot plugins` shows what is installed"),
                )
            )
    return found


def _reported(name: str, health: Mapping[str, Any]) -> Finding:
    """Return the running hub's finding."""
    if health["state"] in ("running", "finished") and not health["error"]:
        return Finding(name, OK, phrase("hub-runs-here", "the hub that runs here has it running"))
    says = f"the hub that runs here has it {health['state']}" + (f": {health['error']}" if health["error"] else "")
    return Finding(
        name, WRONG, says, phrase("powered-wired-named", "is it powered, wired, and named right in the configuration?")
    )


def _probed(name: str, ask: Awaitable[str]) -> Finding:
    async def answer() -> str:
        return await asyncio.wait_for(ask, PROBE_S)

    try:
        return Finding(name, OK, asyncio.run(answer()))
    except HubError as error:
        return Finding(
            name,
            WRONG,
            str(error),
            phrase("powered-wired-named", "is it powered, wired, and named right in the configuration?"),
        )
    except TimeoutError:
        return Finding(
            name,
            WRONG,
            phrase("no-answer-within", "no answer within {probe_s:.0f} s", probe_s=PROBE_S),
            phrase("powered-wired", "is it powered and wired?"),
        )
