"""Describes a plugin from a child process, and caches the description by the hash of its installed files."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from hub.core.disk.atomic_files import write_atomically
from hub.core.errors import PluginError
from hub.core.model import Metric
from hub.core.nesting import shallow_json
from hub.core.text import as_data, from_data, phrase, reason_of, system_error
from hub.plugin_host.registry import Plugin, Registry

TIMEOUT_S = 20.0
LIMIT = 4 * 1024 * 1024
WORDS = 4096
"""Bytes of its stderr that are kept."""
LOOK_S = 0.1
USE_S = 1.0
"""Between two looks at what it uses."""


class IntegrationText(msgspec.Struct, frozen=True):
    """An integration: JSON Schemas (draft 2020-12 as pydantic writes it) and the metrics it adds."""

    name: str
    schema: dict[str, Any]
    device_schema: dict[str, Any] | None = None
    metrics: tuple[Metric, ...] = ()


class DecoderText(msgspec.Struct, frozen=True):
    name: str
    kind: str
    metrics: tuple[Metric, ...] = ()


class UplinkText(msgspec.Struct, frozen=True):
    name: str
    schema: dict[str, Any]


class ExporterText(msgspec.Struct, frozen=True):
    name: str
    schema: dict[str, Any]


class NotifierText(msgspec.Struct, frozen=True):
    name: str
    schema: dict[str, Any]


class Description(msgspec.Struct, frozen=True):
    """All the core knows of a plugin that it did not import. `error` says why there is nothing else."""

    name: str
    distribution: str
    version: str
    shipped: bool = False
    error: str = ""
    integrations: tuple[IntegrationText, ...] = ()
    decoders: tuple[DecoderText, ...] = ()
    uplinks: tuple[UplinkText, ...] = ()
    exporters: tuple[ExporterText, ...] = ()
    notifiers: tuple[NotifierText, ...] = ()


class _Told(Description, frozen=True):
    """A description on its way from the child process: `error` with its code and parameters beside it."""

    error_text: dict[str, Any] | None = None


def packed(description: Description) -> bytes:
    """Return a description as the child process prints it."""
    told = {**msgspec.structs.asdict(description), "error": str(description.error)}
    return msgspec.json.encode(_Told(**told, error_text=as_data(description.error)))


def describe_here(registry: Registry, name: str) -> Description:
    """Import the plugin in this process and describe it. An error of the plugin is part of the result."""
    try:
        plugin = registry.load(name)
    except PluginError as error:
        known = registry.plugins.get(name)
        if known is None:
            raise
        return Description(name, known.distribution, known.version, known.shipped, error=reason_of(error))
    return Description(
        plugin.name,
        plugin.distribution,
        plugin.version,
        plugin.shipped,
        integrations=tuple(
            IntegrationText(
                i.name, i.config.model_json_schema(), i.device.model_json_schema() if i.device else None, i.metrics
            )
            for i in plugin.integrations
        ),
        decoders=tuple(DecoderText(d.name, d.kind, d.metrics) for d in plugin.decoders),
        uplinks=tuple(UplinkText(u.name, u.config.model_json_schema()) for u in plugin.uplinks),
        exporters=tuple(ExporterText(e.name, e.config.model_json_schema()) for e in plugin.exporters),
        notifiers=tuple(NotifierText(n.name, n.config.model_json_schema()) for n in plugin.notifiers),
    )


def describe(plugin: Plugin, cache: Path | None = None) -> Description:
    """Describe a plugin from a child process with an empty environment. Blocking: call it in a thread.

    `cache` is a directory owned by this user; descriptions are cached under the hash of the distribution's recorded
    files, so a changed wheel is described again. A child that hangs, dies, or prints too much or no JSON gives an
    `error`. The child sets its own limits before importing the plugin (`hub.plugin_host.isolation.__main__`), but runs
    as the hub's user: it keeps a plugin's accidents away from the hub, not a hostile plugin from the hub's files.
    """
    if plugin.barred or plugin.paths:  # one that is installed apart runs nowhere but in its own process
        said = plugin.barred or phrase("plugin-described-later", "its options are checked when it starts")
        return Description(plugin.name, plugin.distribution, plugin.version, error=said)
    kept = cache / f"{_files_hash(plugin)}.json" if cache else None  # not by its name, which may hold any characters
    if kept is not None:
        with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return msgspec.json.decode(kept.read_bytes(), type=Description)
    description = _ask_child(plugin)
    if kept is not None and not description.error:
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(kept, msgspec.json.encode(description))
    return description


def _ask_child(plugin: Plugin) -> Description:
    def failed(why: str) -> Description:
        return Description(plugin.name, plugin.distribution, plugin.version, plugin.shipped, error=why)

    try:
        code, said, complained = _run(
            [sys.executable, "-P", "-B", "-m", "hub.plugin_host.isolation", "describe", plugin.name]
        )
    except TimeoutError:
        return failed(
            phrase(
                "plugin-description-late",
                "{plugin} did not describe itself within {seconds:.0f} s",
                plugin=plugin.title,
                seconds=TIMEOUT_S,
            )
        )
    except (OSError, PluginError) as error:
        return failed(
            phrase(
                "plugin-not-described",
                "{plugin} could not be described: {reason}",
                plugin=plugin.title,
                reason=reason_of(error) if isinstance(error, PluginError) else system_error(error),
            )
        )
    if len(said) > LIMIT:
        return failed(
            phrase(
                "plugin-description-too-long",
                "{plugin} could not be described: it says more than {most} MiB",
                plugin=plugin.title,
                most=LIMIT >> 20,
            )
        )
    if code:
        last = complained.decode("utf-8", "replace").strip().splitlines()[-1:]
        return failed(
            phrase(
                "plugin-description-ended",
                "{plugin} could not be described (exit {status}): {reason}",
                plugin=plugin.title,
                status=code,
                reason=last[0][:300] if last else phrase("process-without-message", "no message"),
            )
        )
    try:
        told = msgspec.json.decode(shallow_json(said), type=_Told)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return failed(
            phrase(
                "plugin-description-malformed",
                "{plugin} printed something else than its description: {reason}",
                plugin=plugin.title,
                reason=reason_of(error),
            )
        )
    # Identity and origin come from its installation, not from the plugin itself.
    return Description(
        plugin.name,
        plugin.distribution,
        plugin.version,
        plugin.shipped,
        from_data(told.error, told.error_text),
        told.integrations,
        told.decoders,
        told.uplinks,
        told.exporters,
        told.notifiers,
    )


def _run(command: list[str]) -> tuple[int, bytes, bytes]:
    """Run a command: exit code, stdout (a little more than LIMIT bytes at most), the end of stderr.

    Its process group is killed afterwards. Raises OSError, TimeoutError, and PluginError where it will not end.
    """
    from hub.plugin_host.isolation.usage import ImportWatch, used  # late: most hubs describe nobody

    end = time.monotonic() + TIMEOUT_S
    importing, look = ImportWatch(), time.monotonic() + USE_S
    heard: dict[str, bytearray] = {"said": bytearray(), "complained": bytearray()}
    with (
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env={"PATH": os.defpath},
            start_new_session=True,
        ) as child,
        selectors.DefaultSelector() as pipes,
    ):
        try:
            pipes.register(child.stdout, selectors.EVENT_READ, "said")  # type: ignore[arg-type]
            pipes.register(child.stderr, selectors.EVENT_READ, "complained")  # type: ignore[arg-type]
            while pipes.get_map() and len(heard["said"]) <= LIMIT:
                if (now := time.monotonic()) > end:
                    raise TimeoutError
                if now > look:
                    look = now + USE_S
                    if why := importing.stuck(used(child.pid)):
                        raise PluginError(why)
                over = child.poll() is not None  # before polling the pipes, or its last output could be missed
                ready = pipes.select(LOOK_S)
                if over and not ready:  # only grandchildren still hold the pipes
                    break
                for key, _ in ready:
                    heard[key.data] += (chunk := os.read(key.fd, 1 << 16))
                    if not chunk:
                        pipes.unregister(key.fileobj)
                del heard["complained"][:-WORDS]
            if len(heard["said"]) <= LIMIT:
                child.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    return child.returncode, bytes(heard["said"]), bytes(heard["complained"])


def _files_hash(plugin: Plugin) -> str:
    """Hash the recorded hashes of the distribution's files and their modification times.

    The times cover editable installs, which record few hashes.
    """
    parts = [plugin.name, plugin.distribution, plugin.version, plugin.entry.value, sys.version]
    from importlib import metadata  # late: slow, and only for third-party plugins, see hub.plugin_host.entry_points

    try:
        files = metadata.distribution(plugin.distribution).files or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        parts.append(f"{file} {file.hash.value if file.hash else ''}")
        with contextlib.suppress(OSError):
            parts.append(str(os.stat(str(file.locate())).st_mtime_ns))
    return sha256("\n".join(parts).encode()).hexdigest()[:24]
