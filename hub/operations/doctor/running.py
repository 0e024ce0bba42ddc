"""The running hub, by its own status: buffer, link, clock, plugins, gateways. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hub.core.text import code_of, phrase
from hub.operations.doctor.findings import BUFFER, CLOCK, HUB, LINK, NOTE, OK, PLUGINS, RADIO, WRONG, Finding
from hub.plugin_host.about import UNPROTECTED
from hub.plugin_host.stall_watch import MACHINE
from hub.plugin_host.stall_watch import TOLD_S as HELD_S

LATE_S = 3600.0
"""A reading that waits for longer has missed every ordinary retry."""
_SAID = frozenset({
    "plugin-is-stopped", "plugin-is-quarantined", "buffer-not-on-disk", "link-away", "clock-ahead", "clock-behind",
})  # fmt: skip
"""Complaints of the hub that stand as findings of their own."""
_STATUS = phrase("status-says-more", "`ilot status` shows more")


def look(status: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what the hub says of itself."""
    yield _buffer(status["buffer"])
    yield _link(status["link"])
    yield from _clock(status.get("clock") or {}, status["degraded"])
    yield from _plugins(status.get("plugins", ()), (status.get("stalls") or {}).get("by", {}))
    others = [said for said in status["degraded"] if code_of(said) not in _SAID]
    for said in others:
        yield Finding(HUB, NOTE, said, _STATUS)
    if not status["degraded"]:
        yield Finding(HUB, OK, phrase("hub-without-complaint", "it runs without a complaint"))


def radios(answer: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the gateways that the hub knows, from the answer of its call `radio`."""
    for gateway in answer.get("gateways", ()):
        if gateway["silent"]:
            yield Finding(
                RADIO,
                WRONG,
                phrase("gateway-silent-for-doctor", "{gateway} is silent", gateway=gateway["id"]),
                phrase(
                    "look-at-the-gateway", "has it power and network, and does it forward to this hub? `ilot radio`"
                ),
            )
        else:
            yield Finding(RADIO, OK, phrase("gateway-heard", "{gateway} was heard lately", gateway=gateway["id"]))


def _plugins(plugins: Iterable[Mapping[str, Any]], held: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield plugins of others that run unprotected, and whatever has held the whole hub for long."""
    for one in plugins:
        if one.get("runs") == UNPROTECTED:
            yield Finding(
                PLUGINS,
                NOTE,
                phrase(
                    "plugin-runs-unprotected",
                    "{name} ({distribution} {version}) runs with all of the hub's rights",
                    name=one["name"],
                    distribution=one["distribution"],
                    version=one["version"],
                ),
                phrase("take-isolation-none-out", "take `isolation: none` out: it then runs in a process of its own"),
            )
    for who, stalls in held.items():
        if stalls["longest_s"] >= HELD_S and who != MACHINE:
            yield Finding(
                PLUGINS,
                NOTE,
                phrase(
                    "plugin-held-the-hub",
                    "{who} held the whole hub {count} [time|times] since it started, {seconds:.1f} s at the longest",
                    who=who,
                    count=stalls["count"],
                    seconds=stalls["longest_s"],
                ),
                phrase("tell-who-ships-it", "the log names the function: tell whoever ships it, or stop it"),
            )


def _buffer(buffer: Mapping[str, Any]) -> Finding:
    if buffer["error"]:
        return Finding(
            BUFFER,
            WRONG,
            phrase("buffer-off-the-disk", "it does not reach the disk: {reason}", reason=buffer["error"]),
            phrase("see-writing", "the line of writing says why; readings wait in memory, a power cut loses them"),
        )
    age = buffer.get("oldest_age_s") or 0.0
    says = phrase(
        "buffer-waits",
        "{count} [reading waits|readings wait], the oldest for {minutes} min",
        count=buffer["readings"],
        minutes=round(age / 60),
    )
    if age > LATE_S:
        return Finding(
            BUFFER,
            NOTE,
            says,
            phrase(
                "buffer-waits-for-link", "they wait for the backend, on the disk: `ilot buffer status` says how long"
            ),
        )
    return Finding(BUFFER, OK, says)


def _link(link: Mapping[str, Any]) -> Finding:
    remedy = phrase("link-names-stage", "the lines of the link name the stage that fails: `ilot doctor link`")
    if link["error"]:
        return Finding(LINK, WRONG, link["error"], remedy)
    if link["last_ack_s"] is None:
        return Finding(LINK, NOTE, phrase("link-no-ack-yet", "nothing was acknowledged since the hub started"), remedy)
    return Finding(
        LINK, OK, phrase("link-last-ack", "last acknowledged {minutes} min ago", minutes=round(link["last_ack_s"] / 60))
    )


def _clock(clock: Mapping[str, Any], degraded: list[str]) -> Iterator[Finding]:
    for said in degraded:
        if code_of(said) in ("clock-ahead", "clock-behind"):
            yield Finding(
                CLOCK,
                WRONG,
                said,
                phrase(
                    "set-the-clock-right", "`timedatectl set-ntp true`, or `timedatectl set-time`; then restart the hub"
                ),
            )
    if clock.get("ahead_s") is not None and not any(code_of(said) in _SAID for said in degraded):
        yield Finding(
            CLOCK,
            OK,
            phrase("clock-as-backend", "within {seconds:.0f} s of the backend's", seconds=abs(clock["ahead_s"])),
        )
