"""What a plugin that is not shipped may do: its manifest, and the judgement of what it says beyond that. Light: the
file itself is read by `hub.plugin_host.manifest_file`.

A plugin of this distribution has no manifest and no `Grants`. One of somebody else without a manifest has NOTHING:
devices that the operator configured, and no claim of trust or privacy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import msgspec

from hub.core.errors import PluginError
from hub.core.metric_catalogue import METRICS
from hub.core.metric_rules import PRIVACY
from hub.core.model import Decoded, Frame, Metric, NeedKey, PrivacyClass, Report
from hub.core.text import Phrase, phrase

if TYPE_CHECKING:
    from hub.plugin_host.registry import Plugin
    from hub.sdk.hookspecs import Decode, Keys

FILE = "ilot-plugin.yaml"
"""The manifest's name, in the package that the plugin's entry point names."""
API, OLDEST_API = 1, 1
"""The plugin API of this release, and the oldest that it still serves."""
CONFIGURED = "configured"
"""Among hosts, buses, device files and ports: those that the operator names in the plugin's own options."""


class Permissions(msgspec.Struct, frozen=True, kw_only=True):
    """What a plugin may do. `hosts`: `name:port`, `*.name:port`, CONFIGURED; `buses`: names of the configuration's;
    `device_files`: below /dev, `*` for a part; `listens`: `tcp:port`, `udp:port`; each of the three may be CONFIGURED.
    `device_schemes`: the part before the colon of the ids of its devices. `data_classes`: of all its readings, and of
    the values that an exporter is shown. `asserts_authenticity`: its word counts that a report came under a device's
    own key. `lowers_privacy`: its own metrics have the class that it says, else the strictest of `data_classes`."""

    hosts: tuple[str, ...] = ()
    buses: tuple[str, ...] = ()
    device_files: tuple[str, ...] = ()
    listens: tuple[str, ...] = ()
    device_schemes: tuple[str, ...] = ()
    data_classes: tuple[PrivacyClass, ...] = ("technical",)
    asserts_authenticity: bool = False
    lowers_privacy: bool = False


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest. `id` is the name of its type, or what its types' names begin with; `api` the first and the last
    plugin API that it knows; `remote_endpoints` what it reaches outside the building; `end_of_support` an ISO date."""

    id: str
    version: str
    api: tuple[int, int]
    languages: tuple[str, ...]
    owner: str
    security_contact: str
    vendor_country: str
    end_of_support: str
    remote_endpoints: tuple[str, ...] = ()
    permissions: Permissions = Permissions()

    @property
    def serves(self) -> bool:
        """Whether this release has a plugin API that it knows."""
        return self.api[0] <= API and self.api[1] >= OLDEST_API


NOTHING = Permissions(data_classes=("technical", "environment", "personal"))
"""Of a plugin of somebody else without a manifest: no host and no bus but those of its options, no claim; its own
metrics count as personal, whatever it says of them."""


def permissions_of(plugin: Plugin) -> Permissions | None:
    """Return what a plugin may do; None for one of this distribution, which has no limit of this kind."""
    if plugin.shipped:
        return None
    return plugin.manifest.permissions if plugin.manifest is not None else NOTHING


def may_reach(permissions: Permissions, host: str, port: int, *, configured: bool) -> bool:
    """Return whether it may call a host. `configured`: the operator names it in the plugin's options."""
    if configured and (CONFIGURED in permissions.hosts or permissions is NOTHING):
        return True
    return any(fnmatchcase(f"{host.lower()}:{port}", one) for one in permissions.hosts if one != CONFIGURED)


def fixed_hosts(permissions: Permissions | None) -> list[tuple[str, int]]:
    """Return the hosts that a manifest names in full: whoever installed the plugin has accepted them."""
    named = () if permissions is None else permissions.hosts
    parts = [one.rpartition(":") for one in named if one != CONFIGURED and not one.startswith("*.")]
    return [(host, int(port)) for host, _, port in parts]


def fixed_ports(permissions: Permissions | None) -> list[tuple[str, int]]:
    """Return the ports that a manifest names to listen on, with their protocol, "tcp" or "udp"."""
    named = () if permissions is None else permissions.listens
    parts = [one.partition(":") for one in named if one != CONFIGURED]
    return [(protocol, int(port)) for protocol, _, port in parts]


def fixed_files(permissions: Permissions | None) -> list[str]:
    """Return the device files that a manifest names in full."""
    named = () if permissions is None else permissions.device_files
    return [one for one in named if one != CONFIGURED and "*" not in one]


def may_use_bus(permissions: Permissions, bus: str, *, configured: bool) -> bool:
    if configured and (CONFIGURED in permissions.buses or permissions is NOTHING):
        return True
    return bus in permissions.buses


def expect_bus(name: str, permissions: Permissions, bus: str, *, configured: bool) -> None:
    """Raise PluginError for a bus that `name` may not use."""
    if not may_use_bus(permissions, bus, configured=configured):
        raise PluginError(
            phrase(
                "bus-not-granted",
                "{integration!r} asked for the bus {bus!r}, which its manifest does not grant",
                integration=name,
                bus=bus[:64],
            )
        )


def may_open(permissions: Permissions, path: str, *, configured: bool) -> bool:
    """Return whether it may have a device file, by its path below /dev as it is written (`..` is none)."""
    if not path.startswith("/dev/") or ".." in path.split("/"):
        return False
    if configured and CONFIGURED in permissions.device_files:
        return True
    return any(_same_depth(path, one) and fnmatchcase(path, one) for one in permissions.device_files)


def may_listen(permissions: Permissions, protocol: str, port: int, *, configured: bool) -> bool:
    """Return whether it may have a listening socket; `protocol` is "tcp" or "udp"."""
    return f"{protocol}:{port}" in permissions.listens or (configured and CONFIGURED in permissions.listens)


def _same_depth(path: str, pattern: str) -> bool:
    """`*` stands for a part of a path, not for a directory and what is in it."""
    return path.count("/") == pattern.count("/")


class Grants:
    """Judges what one instance of a plugin says, by its permissions. `count` takes a reason and what it is counted for.

    Each method returns what counts of it, or raises PluginError where nothing does.
    """

    __slots__ = ("_configured", "_count", "_known", "_name", "_named", "may")

    def __init__(
        self,
        name: str,
        permissions: Permissions,
        configured: Callable[[str], bool],
        count: Callable[[str, str], None],
        named: Collection[str] = (),
    ) -> None:
        """`configured` says whether a device id is one of this instance in the configuration; `named` are the texts of
        its options: what the operator named there is CONFIGURED."""
        self._name, self.may, self._configured, self._count = name, permissions, configured, count
        self._named = named
        self._known: dict[str, bool] = {}  # metric → whether its class is declared

    def report(self, report: Report, *, proven: bool = False) -> Report:
        """Return a report without claims and values that it may not make. `proven`: the hub read it itself, out of a
        frame that the plugin brought."""
        self.device(report.device)
        proof = None if proven else report.proof
        if proof is not None and not self.may.asserts_authenticity and (proof.authenticated or proof.sealed):
            self._count("authenticity-not-granted", report.device)
            proof = msgspec.structs.replace(proof, authenticated=False, sealed=False)
            report = msgspec.structs.replace(report, proof=proof)
        if len(set(self.may.data_classes)) < len(PRIVACY):
            kept = {key: value for key, value in report.values.items() if self._may_say(key)}
            if len(kept) < len(report.values):
                self._count("data-class-not-granted", report.device)
                report = msgspec.structs.replace(report, values=kept)
        return report

    def frame(self, frame: Frame) -> None:
        """Raise PluginError for a frame of a radio whose devices it may not speak for."""
        self.device(f"{frame.kind}:{frame.address}")

    def bus(self, bus: str) -> None:
        """Raise PluginError for a bus that it may not use."""
        expect_bus(self._name, self.may, bus, configured=bus in self._named)

    def device(self, device: str) -> None:
        """Raise PluginError for an id of a scheme that it has not; a device that the operator gave to a plugin without
        a manifest is its own."""
        if device.partition(":")[0] in self.may.device_schemes:
            return
        if self.may is NOTHING and self._configured(device):
            return
        raise scheme_not_granted(self._name, device, self.may)

    def metrics(self, metrics: Iterable[Metric]) -> tuple[Metric, ...]:
        """Return its own metrics with the classes that count. What is no metric is left for `expect_metrics`."""
        judged = tuple(classed(one, self.may) if isinstance(one, Metric) else one for one in metrics)
        self._known.update((one.key, True) for one in judged if isinstance(one, Metric))
        return judged

    def _may_say(self, key: str) -> bool:
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= 4096:  # a plugin may invent names without an end
                self._known.clear()
            metric = METRICS.get(key)
            known = self._known[key] = metric is None or metric.privacy in self.may.data_classes
        return known


def classed(metric: Metric, permissions: Permissions) -> Metric:
    """Return a metric with the privacy class that counts. Raises PluginError for a class that is not declared."""
    if metric.privacy not in permissions.data_classes:
        raise PluginError(
            phrase(
                "metric-class-not-granted",
                "metric {metric} is of class {privacy}, and the manifest grants {classes}",
                metric=str(metric.key)[:64],
                privacy=str(metric.privacy)[:20],
                classes=list(permissions.data_classes),
            )
        )
    if permissions.lowers_privacy or metric.key in METRICS:  # nobody weakens the catalogue: `expect_metrics`
        return metric
    return msgspec.structs.replace(metric, privacy=max(permissions.data_classes, key=PRIVACY.index))


def judged_decoder(decode: Decode, plugin: str, permissions: Permissions) -> Decode:
    """Return a decoder of somebody else whose answers are judged: it runs for the frames of every plugin."""

    def decode_judged(frame: Frame, keys: Keys) -> Decoded | NeedKey | None:
        return judged_answer(decode(frame, keys), plugin, permissions)

    return decode_judged


def judged_answer(found: Decoded | NeedKey | None, plugin: str, permissions: Permissions) -> Decoded | NeedKey | None:
    """Return what counts of a decoder's answer. Raises PluginError for a device of a scheme that it has not."""
    if found is None:
        return None
    if found.device.partition(":")[0] not in permissions.device_schemes:
        raise scheme_not_granted(plugin, found.device, permissions)
    if isinstance(found, NeedKey):
        return found
    proof, values = found.proof, found.values
    if proof is not None and not permissions.asserts_authenticity:
        proof = msgspec.structs.replace(proof, authenticated=False, sealed=False)
    may = permissions.data_classes
    kept = {key: value for key, value in values.items() if key not in METRICS or METRICS[key].privacy in may}
    skipped = found.skipped if len(kept) == len(values) else (*found.skipped, "data-class-not-granted")
    return msgspec.structs.replace(found, proof=proof, values=kept, skipped=skipped)


def scheme_not_granted(name: str, device: str, permissions: Permissions) -> PluginError:
    return PluginError(
        phrase(
            "scheme-not-granted",
            "{integration!r} spoke for {device!r}, and its manifest grants no device ids of that scheme: it says "
            "{schemes}",
            integration=name,
            device=device[:160],
            schemes=list(permissions.device_schemes),
        )
    )


def widened(old: Permissions, new: Permissions) -> tuple[Phrase, ...]:
    """Return what `new` allows beyond `old`, a sentence for each: a person accepts these, or it stays the old one."""
    said = []
    for name in ("hosts", "buses", "device_files", "listens", "device_schemes", "data_classes"):
        more = [one for one in getattr(new, name) if one not in getattr(old, name)]
        if more:
            said.append(phrase("permission-more", "{permission}: {more}", permission=TITLES[name], more=more))
    claims = ("asserts_authenticity", "lowers_privacy")
    return (*said, *(TITLES[name] for name in claims if getattr(new, name) and not getattr(old, name)))


TITLES: dict[str, Phrase] = {
    "hosts": phrase("permission-hosts", "calls hosts"),
    "buses": phrase("permission-buses", "uses buses"),
    "device_files": phrase("permission-device-files", "opens device files"),
    "listens": phrase("permission-listens", "listens on ports"),
    "device_schemes": phrase("permission-device-schemes", "speaks for devices whose ids begin with"),
    "data_classes": phrase("permission-data-classes", "brings (an exporter: is shown) data of the classes"),
    "asserts_authenticity": phrase("permission-authenticity", "its word counts that a report is authentic"),
    "lowers_privacy": phrase("permission-lowers-privacy", "its word counts how personal its own metrics are"),
}
