"""A vendor that builds wheels and signs them, and a hub's directory where they are installed. The disk is real."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.config.parts.vendors import Keys, PluginTrust, Vendor
from hub.core.errors import HubError
from hub.operations.plugins import index, installing
from hub.operations.plugins.offers import Here, Offer
from hub.plugin_host.installed import LIB, Placed, barred_now, current, installed_plugins, placed
from hub.plugin_host.registry import Plugin
from hub.protocol.documents.addition import MAGIC, PLUGIN, Addition, sign_addition
from hub.protocol.documents.plugin_index import PluginIndex, Revoked, sign_index
from hub.protocol.documents.release import File

NOW = 1_800_000_000.0
DAY = 86_400.0
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
DISTRICT = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
Files = dict[str, bytes]


def public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes_raw().hex()


def manifest(version: str = "1.0", permissions: str = "device_schemes: [acme], data_classes: [technical]") -> bytes:
    return f"""id: acme_probe
version: "{version}"
api: {{from: 1, to: 1}}
owner: Acme SAS
security_contact: security@acme.example
vendor_country: FR
languages: [en, fr]
end_of_support: 2031-12-31
permissions: {{{permissions}}}
""".encode()


def files(version: str = "1.0", said: bytes | None = None, **more: bytes) -> Files:
    """The files of the plugin's wheel, without its RECORD. `more`: by name with `__` for `/` and `_dot_` for `.`."""
    info = f"acme_probe-{version}.dist-info"
    found = {
        "acme_probe/__init__.py": b"raise SystemExit('imported in the core')\n",
        "acme_probe/ilot-plugin.yaml": manifest(version) if said is None else said,
        f"{info}/METADATA": f"Metadata-Version: 2.4\nName: acme-probe\nVersion: {version}\n\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": b"[hub.plugins]\nacme_probe = acme_probe\n",
    }
    return {**found, **more}


def record(contents: Files, info: str) -> bytes:
    lines = []
    for name, data in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}")
    return "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()


def zipped(contents: Files, change: Callable[[zipfile.ZipInfo], None] = lambda _: None) -> bytes:
    """A ZIP file of these; `change` may bend the header of each."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
            change(info)
            archive.writestr(info, data)
    return target.getvalue()


def wheel(contents: Files, version: str = "1.0", change: Callable[[zipfile.ZipInfo], None] = lambda _: None) -> bytes:
    info = f"acme_probe-{version}.dist-info"
    return zipped({**contents, f"{info}/RECORD": record(contents, info)}, change)


def bundle(
    wheels: Files,
    key: Ed25519PrivateKey = KEY,
    *,
    version: str = "1.0",
    counter: int = 100,
    expires: float = NOW + 100 * DAY,
    id: str = "acme_probe",
) -> bytes:
    listed = tuple(File(name, len(data), hashlib.sha256(data).digest()) for name, data in wheels.items())
    addition = Addition(
        kind=PLUGIN, id=id, version=version, counter=counter, issued=NOW - DAY, expires=expires, files=listed
    )  # fmt: skip
    document = sign_addition(addition, [key])
    return MAGIC + len(document).to_bytes(4, "big") + document + b"".join(wheels.values())


def plain(version: str = "1.0", counter: int = 100, said: bytes | None = None) -> bytes:
    """A bundle that nothing is wrong with."""
    name = f"acme_probe-{version}-py3-none-any.whl"
    return bundle({name: wheel(files(version, said), version)}, version=version, counter=counter)


class Place:
    """A hub's state directory, and the stick with the file."""

    def __init__(self, home: Path) -> None:
        self.state, self.stick = home / "state", home / "stick"
        self.state.mkdir()
        self.stick.mkdir()
        self.plugins = self.state / "plugins"
        self.names: frozenset[str] = frozenset({"modbus"})
        self.now = NOW
        self.trust = PluginTrust(
            vendors={
                "acme": Vendor(keys=(public(KEY),), ships=("acme_*",)),
                "other": Vendor(keys=(public(OTHER),), ships=("other_*",)),
            },
            index=Keys(keys=(public(DISTRICT),)),
        )

    def here(self) -> Here:
        return Here(self.plugins, self.trust, self.names, self.now)

    def file(self, data: bytes, name: str = "a.ilot-plugin") -> Path:
        path = self.stick / name
        path.write_bytes(data)
        return path

    def install(self, data: bytes, accept: Callable[[Offer], bool] = lambda offer: True) -> Placed:
        return installing.install(self.file(data), self.here(), accept, "test")

    def refused(self, data: bytes, accept: Callable[[Offer], bool] = lambda offer: True) -> str:
        """Why it was refused; "" when it was installed. Nothing may stay of it then."""
        before = self.runs()
        try:
            self.install(data, accept)
        except HubError as error:
            assert self.runs() == before
            assert not list(self.state.rglob(".new-*"))
            return str(error)
        return ""

    def runs(self) -> str:
        """The version that counts, "" without one."""
        known = placed(self.plugins / "acme_probe")
        return "" if known is None else known.version

    @property
    def lib(self) -> Path:
        directory = current(self.plugins / "acme_probe")
        assert directory is not None
        return directory / LIB

    def plugin(self) -> Plugin:
        (found,) = installed_plugins(self.plugins)
        return found

    def barred(self) -> str:
        return barred_now(self.plugin(), self.plugins, self.trust)

    def take_index(self, counter: int, *revoked: Revoked, key: Ed25519PrivateKey = DISTRICT) -> PluginIndex:
        made = PluginIndex(counter=counter, issued=NOW - DAY, expires=NOW + DAY, revoked=revoked)
        return index.take(self.file(sign_index(made, [key]), "i.ilot-index"), self.plugins, self.trust)
