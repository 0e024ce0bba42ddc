"""What a hub that starts takes, and what it leaves alone: seen in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hub.config.model import Core
from hub.config.sections import core_data, validate_core

ROOT = Path(__file__).resolve().parents[2]

STARTED = """
import gc, json, sys
from hub.app.run import plain
assert plain(["run", "--config", "x"], {}) is not None
from hub.core.memory_tuning import settle, spare
usual = gc.get_threshold()
spare()
from hub.app.hub import Settings; from hub.app.hub import serve
from hub.config.instances import Models
from hub.config.last_good import start
from hub.plugin_host.plugin_types import installed_models
from hub.plugin_host.registry import Registry
from pathlib import Path
models = installed_models(Registry.discover())
loaded = start(Path(sys.argv[1]), models).loaded
from hub.config.field_types import Section
from hub.i18n.catalogues import messages
collected = [one["collections"] for one in gc.get_stats()]
settle()
print(json.dumps({
    "modules": sorted(sys.modules), "name": loaded.config.hub.name,
    "read": sorted(one.__name__ for one in Section.__subclasses__() if one.__dict__["__pydantic_complete__"]),
    "catalogues": messages.cache_info().currsize,
    "collected": collected, "frozen": gc.get_freeze_count(), "thresholds": [usual, gc.get_threshold()],
}))
"""
FILE: dict[str, Any] = {
    "hub": {"name": "Lean", "site": "s"},
    "sites": {"s": {"name": "S"}},
    "zones": {"z": {"site": "s"}},
    "places": {"p": {"zone": "z", "name": "P"}},
    "integrations": {"host": {}, "modbus": {"host": "127.0.0.1"}, "bluetooth": {}},
    "devices": {"host:local": {"integration": "host", "place": "p"}},
    "link": {"uplinks": {"https": {"url": "https://backend.example"}}},
    "buffer": {"window": "1s"},
    "web": {"port": 8443},
}

LATE = {"bleak", "dbus_fast", "pymodbus", "xml.etree"}
"""What integrations drive is imported when they run, and not on the way to ready. What a hub never imports by itself:
tests/journeys/test_lean.py."""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("lean") / "config.yaml"
    path.write_text(json.dumps(FILE))
    done = subprocess.run(
        [sys.executable, "-c", STARTED, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.real("processes")
def test_a_start_imports_nothing_that_integrations_drive(started: dict[str, Any]) -> None:
    assert started["name"] == "Lean"
    assert {"integrations.bluetooth", "integrations.modbus", "plugins.https"} <= set(started["modules"])
    assert not LATE & set(started["modules"])


@pytest.mark.real("processes")
def test_a_start_reads_no_catalogue_of_translations(started: dict[str, Any]) -> None:
    assert started["catalogues"] == 0


@pytest.mark.real("processes")
def test_a_start_makes_no_reader_for_sections_that_the_file_does_not_have(started: dict[str, Any]) -> None:
    assert "Core" not in started["read"]
    assert not {"Energy", "PrivacySection", "Crisis", "Link", "Buffer", "Place"} & set(started["read"])


@pytest.mark.real("processes")
def test_a_start_looks_for_no_cycles_and_what_it_made_is_never_looked_through_again(started: dict[str, Any]) -> None:
    assert started["collected"][2] == 0
    assert started["frozen"] > 50_000, "looked through once, by then"
    usual, after = started["thresholds"]
    assert after == usual


@pytest.mark.parametrize(
    "data",
    [
        FILE,
        {},
        {"places": None, "web": None, "hub": {}, "link": None},
        {"energy": None, "security": {}, "crisis": {}, "buffer": {"window": "30s", "max_size": "2GB"}},
    ],
    ids=["usual", "empty", "nothing below", "others"],
)
def test_sections_read_one_by_one_are_what_the_whole_is(data: dict[str, Any]) -> None:
    whole, parts = Core.model_validate(core_data(data)), validate_core(core_data(data))
    assert parts == whole
    assert parts.model_fields_set == whole.model_fields_set
    assert parts.model_dump() == whole.model_dump()


@pytest.mark.parametrize("data", [{"hub": {"nmae": "x"}}, {"sides": {}}, {"web": {"port": "x"}, "hub": 3}])
def test_what_is_wrong_is_told_as_the_whole_sees_it(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error") as whole:
        Core.model_validate(core_data(data))
    with pytest.raises(ValueError, match="validation error") as parts:
        validate_core(core_data(data))
    assert str(parts.value) == str(whole.value)
