"""What a running hub has imported: the demo's, seen by a finder that stands before all others in that process."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.cli.demo.scene import Scene

from ..faults.rig import until
from .patience import PATIENCE_S

pytestmark = pytest.mark.real("clock, network, processes")

ABSENT = (
    "click", "rich", "ruamel", "jinja2", "argparse", "cryptography.x509", "aiohttp", "paho", "aiomqtt", "xknx",
    "xknxproject", "pymodbus.client", "bacpypes3", "asyncua", "segno", "pypdfium2", "icalendar", "prometheus_client",
    "http.server", "http.client", "multiprocessing", "unittest", "sqlite3", "numpy", "email.feedparser",
    "html", "difflib", "statistics", "encodings.idna", "_strptime",
    "hub.devices.packs.format", "hub.operations.crisis.runbook", "hub.operations.crisis.sampling.inventory",
    "importlib.metadata", "importlib.resources", "email", "zipfile", "tempfile", "shutil", "csv", "unicodedata",
    "cryptography.hazmat.primitives.serialization", "hub.privacy.rules_engine.register",
    "hub.energy.baseline_fit", "hub.energy.html", "integrations.modbus.sunspec",
    "hub.cli", "hub.testing", "hub.sdk.testing", "hub.config.document",
    "hub.web.server", "hub.web.site", "hub.web.areas", "hub.web.words", "backend",
)  # fmt: skip
"""Not needed to run; each is imported when something asks for it."""
CONFIGURED = {"integrations.host", "integrations.modbus", "integrations.bluetooth", "plugins.https"}


WRITES_DOWN = """
import sys
if "run" in sys.orig_argv and "backend" not in sys.orig_argv:
    class Finder:
        def find_spec(self, name, path=None, target=None):
            with open({path!r}, "a") as file:
                file.write(name + "\\n")
    sys.meta_path.insert(0, Finder())
"""


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    made = Scene(tmp_path, lambda text: None)
    try:
        made.prepare()
        made.start_hub()
        made.label()  # its first life makes the certificate of its pages
        made.stop("hub")
        site = tmp_path / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(WRITES_DOWN.format(path=str(tmp_path / "imported")))
        monkeypatch.setenv("PYTHONPATH", str(site))
        made.start_hub()
        yield made
    finally:
        made.close()


def imported(scene: Scene) -> set[str]:
    return set((scene.root / "imported").read_text().split())


def plugins(names: set[str]) -> set[str]:
    return {".".join(name.split(".")[:2]) for name in names if name.startswith(("integrations.", "plugins."))}


def test_a_hub_imports_what_its_configuration_names_and_no_pages_before_somebody_calls(scene: Scene) -> None:
    port = int(scene.label()["url"].rstrip("/").rpartition(":")[2])
    until(lambda: plugins(imported(scene)) >= CONFIGURED, PATIENCE_S, lambda: str(plugins(imported(scene))))
    until(lambda: bool(scene.ask("status")["link"]["acked"]), PATIENCE_S, lambda: "nothing is delivered")
    found = imported(scene)
    assert "hub.app.hub" in found
    assert not {name for name in found for absent in ABSENT if name == absent or name.startswith(f"{absent}.")}
    assert plugins(found) == CONFIGURED

    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(f"https://127.0.0.1:{port}/claim", timeout=PATIENCE_S, context=anybody) as page:
        assert page.status == 200
    assert {"jinja2", "aiohttp.web", "hub.web.server"} <= imported(scene), "else the look above sees nothing"
