"""`ilot discover`: what is heard and not enrolled; and how a protocol is heard without a hub."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli import output
from hub.cli.hub_client import ask
from hub.core.errors import DecodeError, HubError, NotReady
from hub.core.text import phrase

if TYPE_CHECKING:
    from hub.core.model import Decoded, Frame, NeedKey
    from hub.plugin_host.registry import Integration, Plugin, Registry

UNLISTED = ("private-address", "not-a-sensor")
"""Reasons under which a running hub counts senders that it never lists."""


class Radio:
    """A kind of radio of this machine: its integration, options, and decoders."""

    def __init__(self, kind: str, config: Path, state_dir: Path | None) -> None:
        registry = everything()
        self.decoders = registry.decoders(kind)
        listening = [i for plugin in plugins_of(kind, registry) for i in plugin.integrations if i.listen is not None]
        if not self.decoders or not listening:
            raise _nothing_listens(kind, registry)
        self.integration = listening[0]
        self.options, self.keys = _configured(self.integration, registry, config, state_dir)

    async def listen_to(self, hear: Callable[[dict[str, Any]], None]) -> None:
        """Listen until cancelled. Raises NotReady, AuthFailed."""
        listen = self.integration.listen
        assert listen is not None  # noqa: S101 - it was chosen for that
        await listen(self.options, hear)

    def decode(self, line: dict[str, Any]) -> tuple[Frame, Decoded | NeedKey] | None:
        """Return the frame of a line and the result of the first decoder that recognises it; None when none does.
        Raises DecodeError."""
        to_frame = next(decoder.line for decoder in self.decoders if decoder.line)
        frame = to_frame(line)
        for decoder in self.decoders:
            if (said := decoder.decode(frame, self.keys.get)) is not None:
                return frame, said
        return None


def hear_for(
    listen: Callable[[Callable[[dict[str, Any]], None]], Awaitable[None]],
    seconds: float,
    hear: Callable[[dict[str, Any]], None],
) -> None:
    """Listen for so many seconds, or until Ctrl-C. Raises NotReady, AuthFailed, and whatever `hear` raises."""

    async def run() -> None:
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def guarded(line: dict[str, Any]) -> None:
            try:
                hear(line)
            except Exception as error:  # BrokenPipeError of `| head` must end the command
                if not failed.done():
                    failed.set_exception(error)

        listening = asyncio.ensure_future(listen(guarded))
        done, _ = await asyncio.wait({listening, failed}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        await asyncio.wait({listening})
        for one in done:
            one.result()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())


@click.command()
@click.argument("protocol")
@click.option(
    "--scan",
    type=click.FloatRange(0.1, 3600),
    metavar="SECONDS",
    help="Listen here and now, even while a hub runs. By default 10 seconds, when none runs.",
)
@output.with_hub
def discover(protocol: str, scan: float | None, config: Path, state_dir: Path | None, json: bool) -> None:
    """List the sensors of PROTOCOL (for instance "ble") that are heard and not enrolled.

    Of a running hub: what it has heard since it started. It never lists what no decoder recognises as a sensor, nor
    random private addresses: those are counted.
    """
    answer = None
    if scan is None:
        with contextlib.suppress(NotReady):
            answer = _ask(protocol, config, state_dir)
    if answer is None:
        radio = Radio(protocol, config, state_dir)
        if scan is None:
            output.say(phrase("discover-listens", "no hub runs here; listening for 10 seconds"))
        answer = _scan(radio, protocol, scan or 10.0)
    if json:
        output.data(answer)
        return
    now = time.time()
    output.table(
        ("sensor", "model", "dbm", "heard-by", "last-heard", "values", "why-not-admitted"),
        [
            (
                c["id"], c["model"], c["rssi"], " ".join(c["heard"]), output.ago(now - c["last"]),
                " ".join(f"{metric}={value}" for metric, value in list(c["values"].items())[:4]), c["reason"],
            )
            for c in answer["candidates"]
        ],
    )  # fmt: skip
    if answer["running"] and not answer["candidates"]:
        _say_whether_it_hears(protocol, answer["types"])
    left = [f"{n} {reason}" for reason, n in answer["counted"].items()]
    output.say(phrase("discover-not-listed", "not listed: {reasons}", reasons=left))


def _say_whether_it_hears(protocol: str, running: list[str]) -> None:
    """Report that nothing was heard, and whether anything listens. Raises UsageError for an unknown protocol."""
    registry = everything()
    listening = {one.name for plugin in plugins_of(protocol, registry) for one in plugin.integrations}
    if not listening:
        raise _nothing_listens(protocol, registry)
    if not listening & set(running):
        output.say(
            phrase(
                "hub-hears-no-protocol",
                "the running hub hears no {protocol}: it has none of {integrations} below `integrations:`; --scan "
                "listens here",
                protocol=protocol,
                integrations=sorted(listening),
            )
        )


def _ask(protocol: str, config: Path, state_dir: Path | None) -> dict[str, Any]:
    """Return a running hub's quarantine. Raises NotReady without one."""
    waiting = ask(config, state_dir, "devices")["quarantine"]
    status = ask(config, state_dir, "status")
    counts = status["counts"].values()
    return {
        "running": True,
        "types": sorted({plugin["type"] for plugin in status["plugins"]}),
        "candidates": [w for w in waiting if w["id"].startswith(f"{protocol}:") and not w["known"]],
        "counted": {reason: sum(events.get(reason, 0) for events in counts) for reason in UNLISTED},
    }


def _scan(radio: Radio, protocol: str, seconds: float) -> dict[str, Any]:
    import msgspec

    from hub.core.model import Candidate, Decoded
    from hub.pipeline.admission.quarantine import Quarantine

    quarantine, counts = Quarantine(), Counter(dict.fromkeys(UNLISTED, 0))
    reasons: dict[str, str] = {}

    def hear(line: dict[str, Any]) -> None:
        if line.get("private"):
            counts["private-address"] += 1
            return
        try:
            found = radio.decode(line)
        except DecodeError as error:
            counts[error.reason] += 1
            return
        if found is None:
            counts["not-a-sensor"] += 1
            return
        frame, said = found
        if said.device in radio.keys:
            counts["enrolled"] += 1
            return
        candidate = Candidate(
            id=said.device,
            integration=radio.integration.name,
            model=said.model,
            signal=frame.signal,
            values=said.values if isinstance(said, Decoded) else {},
            evidence={"name": frame.name} if frame.name else {},
        )
        reasons[said.device] = (
            phrase("not-in-configuration", "not in the configuration")
            if isinstance(said, Decoded)
            else phrase("sensor-needs-key", "needs a key")
        )
        quarantine.add(candidate, str(reasons[said.device]), time.time())

    hear_for(radio.listen_to, seconds, hear)
    return {
        "running": False,
        "scanned_s": seconds,
        "candidates": [{**msgspec.to_builtins(waiting), "reason": reasons[waiting.id]} for waiting in quarantine],
        "counted": dict(counts),
    }


def everything() -> Registry:
    """Load all shipped plugins. One that fails is left out: its own commands will report why."""
    from hub.plugin_host.registry import Registry

    registry = Registry.discover()
    for plugin in registry.plugins.values():
        if plugin.shipped:
            with contextlib.suppress(HubError):
                registry.load(plugin.name)
    return registry


def plugins_of(kind: str, registry: Registry) -> list[Plugin]:
    """Return the plugins that decode frames of this kind, or have its name."""
    plugins = registry.plugins.values()
    return [plugin for plugin in plugins if plugin.name == kind or any(d.kind == kind for d in plugin.decoders)]


def _nothing_listens(kind: str, registry: Registry) -> click.UsageError:
    return click.UsageError(
        phrase(
            "nothing-listens-to",
            "nothing here listens to {kind!r}; it can be {kinds}",
            kind=kind,
            kinds=_listening(registry) or phrase("no-kind-listens", "nothing"),
        )
    )


def _listening(registry: Registry) -> list[str]:
    """Return the kinds of frames that installed plugins both receive and decode."""
    kinds = {decoder.kind for plugin in registry.plugins.values() for decoder in plugin.decoders}
    hearing = (
        any(i.listen is not None for p in plugins_of(kind, registry) for i in p.integrations) for kind in sorted(kinds)
    )
    return [kind for kind, hears in zip(sorted(kinds), hearing, strict=True) if hears]


def _configured(
    integration: Integration, registry: Registry, config: Path, state_dir: Path | None
) -> tuple[Any, dict[str, bytes | None]]:
    """Return the options of the first enabled instance of the file, or the defaults without a file; and its devices
    with their keys."""
    if not config.exists():
        return _defaults(integration), {}
    from hub.plugin_host.opening import installed_for

    loaded = installed_for(config, state_dir, registry).open(config)
    for instance in loaded.integrations:
        if instance.type == integration.name:
            return instance.config, {d.id: d.key for d in loaded.devices if d.integration == instance.name}
    return _defaults(integration), {}


def _defaults(integration: Integration) -> Any:
    try:
        return integration.config()
    except ValueError:  # it has options without a default, a port for instance
        raise click.UsageError(
            phrase(
                "integration-needs-options",
                "{integration} needs its options: name it below `integrations:` in the configuration",
                integration=integration.name,
            )
        ) from None
