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
from hub.cli.doctor.findings import (
    CERTIFICATE,
    CLOCK,
    CONFIGURATION,
    DISK,
    ENROLMENT,
    KEYS_AT_REST,
    LINK,
    MEMORY,
    NETWORK,
    NOTE,
    OK,
    RAW_HISTORY,
    STATE_DIRECTORY,
    WRONG,
    Finding,
    print_findings,
)
from hub.cli.doctor.link_check import link
from hub.cli.hub_client import ask
from hub.core.errors import ConfigError, HubError, NotReady
from hub.core.text import phrase, reason_of

MIN_FREE = 256 * 1024 * 1024
PROBE_S = 10.0
_WIRED = phrase("is-it-wired-and-named", "is it powered, wired, and named right in the configuration?")


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
        Finding(MEMORY, NOTE, sentence, phrase("hub-runs-anyway", "the hub runs all the same"))
        for sentence in open_still
    ]
    if not open_still:
        findings.append(Finding(MEMORY, OK, phrase("no-core-dumps", "no core dumps, no tracing, no swap of keys")))
    findings += _enrolment(config, state_dir)
    findings += _configuration(config, state_dir, probe, _running(config, state_dir))
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
        ""
        if hybrid
        else phrase(
            "openssl-too-old",
            "without OpenSSL 3.5 the link has no post-quantum key exchange; readings are sealed with one",
        ),
    )


def _disk(config: Path, state_dir: Path | None) -> Iterator[Finding]:
    from hub.config.state_dir import state_of

    state = state_of(config, state_dir)
    if not state.exists():
        yield Finding(
            STATE_DIRECTORY,
            WRONG,
            phrase("directory-missing", "{directory} does not exist", directory=state),
            phrase("enroll-makes-it", "`ilot enroll TOKEN` makes it"),
        )
        return
    mode = state.stat().st_mode & 0o077
    yield Finding(
        STATE_DIRECTORY,
        WRONG if mode else OK,
        str(state),
        phrase("others-can-read", "others can read it: chmod 700 {directory}", directory=state) if mode else "",
    )
    free = shutil.disk_usage(state).free
    yield Finding(
        DISK,
        OK if free > MIN_FREE else WRONG,
        phrase("disk-free", "{size} free", size=output.size(free)),
        ""
        if free > MIN_FREE
        else phrase(
            "disk-free-some-room", "free some room: the buffer drops the oldest readings when the disk is full"
        ),
    )
    yield _keys(state)
    yield from _raw(state)


def _keys(state: Path) -> Finding:
    """Check who can read the hub's own keys."""
    from hub.identity import keys

    try:
        by_tpm, plain = keys.held_by_tpm(state / "keys"), keys.key_files(state / "keys")
    except ConfigError as error:
        return Finding(KEYS_AT_REST, WRONG, reason_of(error), "")
    if not by_tpm:
        return Finding(
            KEYS_AT_REST,
            NOTE,
            phrase("keys-on-disk", "key files on the same disk"),
            phrase(
                "stolen-disk-shows-keys",
                "a stolen disk shows keys, devices and settings, never buffered readings: "
                "docs/explanation/security.md, T1",
            ),
        )
    if plain:
        return Finding(
            KEYS_AT_REST,
            WRONG,
            phrase("keys-beside-tpm", "held by the TPM, and key files lie beside it: {files}", files=plain),
            phrase("seal-destroys-key-files", "stop the hub; `ilot keys seal` destroys them"),
        )
    from hub.identity.keys.tpm import unavailable_reason

    if not (problem := unavailable_reason()) and (apart := keys.stray_key_files(state / "keys")):
        return Finding(
            KEYS_AT_REST,
            WRONG,
            phrase(
                "keys-apart-of-tpm",
                "held by the TPM, and key files lie in clear apart: {files}",
                files=[str(one) for one in apart],
            ),
            phrase("shred-key-files", "once they are not needed: shred -u {files}", files=" ".join(map(str, apart))),
        )
    return Finding(
        KEYS_AT_REST,
        WRONG if problem else OK,
        phrase("finding-keys-in-tpm", "held by this machine's TPM"),
        problem,
    )


def _raw(state: Path) -> Iterator[Finding]:
    """Check who can read raw history on the disk."""
    if os.path.lexists(state / "keys" / "raw.key"):
        yield Finding(
            RAW_HISTORY,
            NOTE,
            phrase("raw-key-on-disk", "on disk, its key file beside it"),
            phrase(
                "stolen-disk-shows-raw",
                "a stolen disk shows every raw reading of `history.raw_days`: `raw_on_disk: tpm` holds it to this "
                "machine",
            ),
        )
    elif os.path.lexists(state / "keys" / "raw.tpm"):
        from hub.identity.keys.tpm import unavailable_reason

        problem = unavailable_reason()
        yield Finding(
            RAW_HISTORY,
            WRONG if problem else OK,
            phrase("raw-key-in-tpm", "on disk, its key held by the TPM"),
            problem,
        )


def _clock(config: Path, state_dir: Path | None) -> Iterator[Finding]:
    import datetime

    from hub.core.clock import SystemClock

    clock = SystemClock()
    now = datetime.datetime.fromtimestamp(clock.now(), datetime.UTC)
    yield Finding(
        CLOCK,
        OK if clock.sure() else WRONG,
        f"{now:%Y-%m-%d %H:%M:%S} UTC",
        ""
        if clock.sure()
        else phrase(
            "clock-before-build", "it is before this software was built: set it, or let it reach a time server"
        ),
    )


def _network(config: Path, state_dir: Path | None, root: Path = Path("/")) -> Iterator[Finding]:
    """Check whether this machine forwards packets between networks. The hub never does, the kernel may."""
    switches = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")
    on = [name.replace("/", ".") for name in switches if _text(root / "proc/sys" / name) not in ("", "0")]
    cards = [one.name for one in sorted((root / "sys/class/net").glob("*")) if (one / "device").exists()]
    if not on:
        yield Finding(
            NETWORK, OK, phrase("packets-not-forwarded", "this machine passes no packet on from one network to another")
        )
        return
    yield Finding(
        NETWORK,
        WRONG if len(cards) > 1 else NOTE,
        phrase(
            "packets-forwarded",
            "this machine passes packets on between its networks ({switches})",
            switches=[f"{name} = 1" for name in on],
        ),
        phrase(
            "forwarding-to-switch-off",
            "between the building's network and the office's nothing may pass: sysctl -w {switch}=0, and in "
            "/etc/sysctl.d",
            switch=on[0],
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
        return [Finding(ENROLMENT, WRONG, reason_of(error), "")]
    except (HubError, OSError, ValueError) as error:
        return [
            Finding(
                ENROLMENT,
                WRONG,
                reason_of(error),
                phrase("ask-for-token", "ask the backend's operator for a token: `ilot enroll TOKEN`"),
            )
        ]
    left = certificate.not_valid_after_utc.timestamp() - SystemClock().now()
    return [
        Finding(
            ENROLMENT,
            OK,
            phrase(
                "enrolled-trust-version",
                "{hub} at {url}, trust version {version}",
                hub=enrolled.hub,
                url=enrolled.url,
                version=trust.version,
            ),
        ),
        Finding(
            CERTIFICATE,
            OK if left > 30 * 86400 else WRONG,
            phrase("days-left", "{count} [day|days] left", count=round(left / 86400)),
            ""
            if left > 30 * 86400
            else phrase(
                "certificate-renews-itself", "a running hub renews it by itself: `ilot status` says what keeps it"
            ),
        ),
    ]


def _running(config: Path, state_dir: Path | None) -> dict[str, dict[str, Any]]:
    """Return the running hub's integrations, by name; {} without one."""
    try:
        status = ask(config, state_dir, "status")
    except HubError:
        return {}
    return {one["name"]: one for one in status["plugins"]}


def _configuration(
    config: Path, state_dir: Path | None, probe: bool, running: Mapping[str, Mapping[str, Any]]
) -> list[Finding]:
    """Check the configuration. `running`: integrations of a running hub, which holds lines and radios that must not be
    used meanwhile, and may reach peers that this shell does not (another D-Bus, another network)."""
    from hub.plugin_host.opening import installed_for

    try:
        here = installed_for(config, state_dir)
        loaded = here.open(config)
    except ConfigError as error:
        return [
            Finding(
                CONFIGURATION,
                WRONG,
                phrase("problems-counted", "problems: {count}", count=len(error.problems)),
                phrase("check-shows-lines", "`ilot check` shows each line"),
            )
        ]
    counted = phrase(
        "integrations-and-devices",
        "{integrations}, {devices}",
        integrations=output.counted("integrations", len(loaded.integrations)),
        devices=output.counted("devices", len(loaded.devices)),
    )
    found = [Finding(CONFIGURATION, OK, counted)]
    if not loaded.uplinks:
        remedy = phrase("name-an-uplink", "name one below link.uplinks, or readings only fill the buffer")
        found.append(Finding(LINK, NOTE, phrase("no-uplink", "no uplink"), remedy))
    for instance in loaded.integrations if probe else ():
        plugin = here.registry.plugins[instance.type]
        if not instance.enabled:
            continue
        if instance.name in running:
            found.append(_reported(instance.name, running[instance.name]))
            continue
        if not plugin.shipped:
            continue
        try:
            ask = here.registry.integration(instance.type).probe
            if ask is not None:
                found.append(_probed(instance.name, ask(instance.config)))
        except HubError as error:
            found.append(
                Finding(
                    instance.name,
                    WRONG,
                    reason_of(error),
                    phrase("plugins-shows-installed", "`ilot plugins` shows what is installed"),
                )
            )
    return found


def _reported(name: str, health: Mapping[str, Any]) -> Finding:
    """Return the running hub's finding."""
    if health["state"] in ("running", "finished") and not health["error"]:
        return Finding(name, OK, phrase("running-in-hub", "the hub that runs here has it running"))
    state = output.word("plugin", health["state"])
    says = phrase("state-in-hub", "the hub that runs here has it {state}", state=state)
    if health["error"]:
        says = phrase(
            "state-in-hub-because",
            "the hub that runs here has it {state}: {reason}",
            state=state,
            reason=health["error"],
        )
    return Finding(name, WRONG, says, _WIRED)


def _probed(name: str, ask: Awaitable[str]) -> Finding:
    async def answer() -> str:
        return await asyncio.wait_for(ask, PROBE_S)

    try:
        return Finding(name, OK, asyncio.run(answer()))
    except HubError as error:
        return Finding(
            name,
            WRONG,
            reason_of(error),
            _WIRED,
        )
    except TimeoutError:
        return Finding(
            name,
            WRONG,
            phrase("no-answer-in-time", "no answer within {seconds:.0f} s", seconds=PROBE_S),
            phrase("is-it-wired", "is it powered and wired?"),
        )
