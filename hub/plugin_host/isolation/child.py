"""The process of one plugin: shuts itself in, then imports the plugin and runs it with a session over the socket pair.

Started by `launch`, with nothing but the two descriptors. It says Loaded, then Ended, and is killed when it does not
answer a Ping, or when its session ends. Its log goes to the hub; what it prints on stderr is logged there too.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import socket
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hub.config.positions import Finding
from hub.config.validate import validate
from hub.core.errors import DecodeError
from hub.core.logs import sentence
from hub.core.model import Device, NeedKey
from hub.core.text import as_data
from hub.plugin_host.entry_points import Entry
from hub.plugin_host.error_text import wrong_options
from hub.plugin_host.isolation import wire
from hub.plugin_host.isolation.child_link import HubLink, framed
from hub.plugin_host.isolation.child_notices import ChildNotices
from hub.plugin_host.isolation.child_session import ChildSession
from hub.plugin_host.isolation.confine import confine, given_here
from hub.plugin_host.isolation.failures import told
from hub.plugin_host.isolation.wire_roles import DecodedFrame, DecodeFrame, DecoderText, KeyOf
from hub.plugin_host.registry import Plugin, Registry
from hub.sdk.hookspecs import Decoder

STACK_S = 3.0
"""A plugin that lets its loop wait for so long has its stack written to stderr, for the log of the hub."""
_LAST_S = 2.0


def main() -> int:
    descriptor, limits = given_here()
    confine(limits)
    faulthandler.enable()
    sock = socket.socket(fileno=descriptor)
    os.set_inheritable(descriptor, False)
    return asyncio.run(_run(sock))


async def _run(sock: socket.socket) -> int:
    child = Child(HubLink(sock))
    await child.run()
    return 0


class Child:
    """One plugin, from Start to Ended."""

    def __init__(self, link: HubLink) -> None:
        self.link = link
        self._begun: asyncio.Future[wire.Start] = asyncio.get_running_loop().create_future()
        self._running: asyncio.Task[wire.Ended] | None = None
        self._hears: Callable[[wire.Down], None] = _nobody
        self._early: list[wire.Down] = []
        self._decoders: dict[str, Decoder] = {}
        link.hears = self._hear

    async def run(self) -> None:
        """Run what the hub names; its end is told to the hub."""
        start = await self._begun
        self._log(start)
        self._watch()
        self._running = asyncio.create_task(self._plugin(start), name=start.name)
        self.link.last_words(await self._running, _LAST_S)

    async def _plugin(self, start: wire.Start) -> wire.Ended:
        try:
            said = await _WORK[start.kind](self, load(start), start)
        except asyncio.CancelledError:
            return wire.Ended()
        except (Exception, SystemExit) as error:  # all that a stranger's code may raise ends here
            return wire.Ended(told(error, trace=True))
        return wire.Ended(said=said[:4000])

    async def tell_loaded(self, plugin: Plugin) -> None:
        """Say so before the plugin has its first turn, which it may never give back: who is loaded answers a Ping."""
        self._decoders = {one.name: one for one in plugin.decoders}
        self.link.tell(loaded(plugin))
        await asyncio.sleep(0)

    def hear_with(self, hears: Callable[[wire.Down], None]) -> None:
        """Give what the hub says from now on, and said before, to this function."""
        self._hears = hears
        for message in self._early:
            hears(message)
        self._early.clear()

    def _hear(self, message: wire.Down) -> None:
        match message:
            case wire.Start():
                if not self._begun.done():
                    self._begun.set_result(message)
                return
            case wire.Stop():
                if self._running is None:
                    os._exit(0)  # nothing has begun that could clean up
                self._running.cancel()
                return
            case DecodeFrame():
                self.link.tell(decoded(self._decoders, message, self.link))
                return
            case wire.Ping(n, level):
                logging.getLogger().setLevel(level)
                self.link.tell(wire.Pong(n))
        if self._hears is _nobody:
            self._early.append(message)
        self._hears(message)

    def _log(self, start: wire.Start) -> None:
        root = logging.getLogger()
        root.setLevel(start.level)
        root.handlers[:] = [_LogToHub(self.link)]
        asyncio.get_running_loop().set_exception_handler(_exceptions(start.name))

    def _watch(self) -> None:
        """Arm what writes the stack of a plugin that holds the loop, again and again."""
        faulthandler.dump_traceback_later(STACK_S)
        asyncio.get_running_loop().call_later(STACK_S / 3, self._watch)


def _nobody(message: wire.Down) -> None:
    pass


def load(start: wire.Start) -> Plugin:
    """Import the plugin and return what it registers. Raises PluginError."""
    entry = Entry(start.plugin, start.entry, start.distribution, start.version)
    plugin = Plugin(start.plugin, start.distribution, start.version, entry, manifest=start.manifest)
    return Registry([plugin]).load(start.plugin)


def options(model: type[Any], given: Any, where: tuple[str, ...], what: str) -> Any:
    """Return options as an instance of a model. Raises ConfigError that names each one that is wrong."""
    found: list[Finding] = []
    config = validate(model, given, where, what, found)
    if found or config is None:
        raise wrong_options(found)
    return config


def _settings(model: type[Any] | None, devices: tuple[Device, ...], what: str) -> None:
    found: list[Finding] = []
    if model is None:
        return
    for device in devices:
        validate(model, device.settings, ("devices", device.id, "settings"), what, found)
    if found:
        raise wrong_options(found)


async def _integration(child: Child, plugin: Plugin, start: wire.Start) -> str:
    integration = Registry([plugin]).integration(start.registered)
    what = f"integration {start.registered!r}"
    config = options(integration.config, start.given, ("integrations", start.name), what)
    _settings(integration.device, start.devices, what)
    session = ChildSession(child.link, start)
    child.hear_with(session.hear)
    await child.tell_loaded(plugin)
    await integration.run(config, session)
    return ""


def loaded(plugin: Plugin) -> wire.Loaded:
    """Return what a plugin registered as far as the hub has to know it."""
    reasons: dict[str, tuple[str, ...]] = {
        name: (words.french, str(words.english)) if words.french else (str(words.english),)
        for name, words in plugin.reasons.items()
    }
    decoders = tuple(DecoderText(one.name, one.kind) for one in plugin.decoders)
    return wire.Loaded(tuple(plugin.metrics.values()), reasons, decoders)


def decoded(decoders: Mapping[str, Decoder], asked: DecodeFrame, link: HubLink) -> DecodedFrame:
    """Return what a decoder makes of a frame."""
    own = f"{asked.frame.kind}:{asked.frame.address}"

    def keys(device: str) -> bytes | None:
        if device == own:
            return asked.key
        key: bytes | None = link.ask(KeyOf, device)
        return key

    try:
        answer = decoders[asked.decoder].decode(asked.frame, keys)
        if isinstance(answer, NeedKey):
            return DecodedFrame(asked.n, needs=answer)
        said = DecodedFrame(asked.n, answer)
        framed(said)  # raises where it cannot be passed
    except Exception as error:  # a decoder's own mistake costs this frame
        if not isinstance(error, DecodeError):
            logging.getLogger("hub").debug("decoder %s: %r", asked.decoder, error)
        return DecodedFrame(asked.n, failure=told(error))
    return said


async def _notifier(child: Child, plugin: Plugin, start: wire.Start) -> str:
    notifier = Registry([plugin]).notifier(start.registered)
    config = options(notifier.config, start.given, ("notifiers", start.name), f"notifier {start.registered!r}")
    notices = ChildNotices(child.link, start)
    child.hear_with(notices.hear)
    await child.tell_loaded(plugin)
    try:
        await notifier.run(config, notices)
    finally:
        notices.remember()
    return ""


async def _exporter(child: Child, plugin: Plugin, start: wire.Start) -> str:
    from hub.plugin_host.isolation.child_exporter import ChildView  # late: an integration pays nothing for it

    exporter = Registry([plugin]).exporter(start.registered)
    config = options(exporter.config, start.given, ("exporters", start.name), f"exporter {start.registered!r}")
    view = ChildView(child.link, start)
    child.hear_with(view.hear)
    await child.tell_loaded(plugin)
    await exporter.run(config, view)
    return ""


async def _errand(child: Child, plugin: Plugin, start: wire.Start) -> str:
    from hub.plugin_host.isolation.child_errands import ERRANDS, ChildLent  # late: a run pays nothing for them

    integration = Registry([plugin]).integration(start.registered)
    what = f"integration {start.registered!r}"
    lent = ChildLent(child.link, start)
    child.hear_with(lent.hear)
    await child.tell_loaded(plugin)

    def config() -> Any:
        return options(integration.config, start.given, ("integrations", start.name), what)

    child.link.tell(await ERRANDS[start.kind](integration, start, lent, config))
    return ""


_WORK: dict[str, Callable[[Child, Plugin, wire.Start], Awaitable[str]]] = {
    "integration": _integration,
    "notifier": _notifier,
    "exporter": _exporter,
    **dict.fromkeys(("probe", "search", "read", "look"), _errand),
}


class _LogToHub(logging.Handler):
    """Sends each log record to the hub."""

    def __init__(self, link: HubLink) -> None:
        super().__init__()
        self.link = link

    def emit(self, record: logging.LogRecord) -> None:
        try:
            said = sentence(record)
            trace = ""
            if record.exc_info and record.exc_info[1] is not None:
                trace = "".join(traceback.format_exception(record.exc_info[1]))[-7000:]
            self.link.tell(
                wire.Log(min(max(record.levelno, 0), 50), _clean(str(said)[:4000]), as_data(said), _clean(trace))
            )
        except Exception:  # a line that cannot be put together is no reason to fail
            self.handleError(record)


def _clean(text: str) -> str:
    return text.encode(errors="replace").decode()


def _exceptions(name: str) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    log = logging.getLogger(f"hub.{name}")

    def tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        log.error("%s", context.get("message"), exc_info=context.get("exception"))

    return tell
