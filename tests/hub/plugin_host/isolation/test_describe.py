"""A plugin that is described in a child process costs that child, whatever it does."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from hub.core.text import Phrase, phrase
from hub.plugin_host.entry_points import Entry
from hub.plugin_host.isolation import describe as module
from hub.plugin_host.isolation.describe import Description, IntegrationText, _run, describe
from hub.plugin_host.plugin_types import Unread, installed_models
from hub.plugin_host.registry import Plugin, Registry

PLUGIN = Plugin("acme", "ilot-acme", "1.0", Entry("acme", "acme", "ilot-acme", "1.0"))


def child(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.real("processes")
def test_a_flood_is_read_as_far_as_its_limit_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT", 1 << 16)
    monkeypatch.setattr(module, "TIMEOUT_S", 120)
    began = time.monotonic()
    _, said, _ = _run(child("import os\nwhile True: os.write(1, bytes(65536))"))
    assert 1 << 16 < len(said) <= 1 << 18
    _, said, complained = _run(child("import os\nfor _ in range(999): os.write(2, b'x' * 9999)\nos.write(1, b'done')"))
    assert (said, len(complained)) == (b"done", module.WORDS)
    assert time.monotonic() - began < module.TIMEOUT_S / 2


@pytest.mark.real("clock, processes")
def test_one_that_hangs_is_ended_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.5)
    with pytest.raises(TimeoutError):
        _run(child("import time; time.sleep(60)"))
    with pytest.raises(TimeoutError):
        _run(child("import os, time; os.close(1); os.close(2); time.sleep(60)"))


@pytest.mark.real("processes")
def test_what_it_leaves_behind_is_killed_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 120)
    began = time.monotonic()
    code, said, _ = _run(child("import os, time\nif pid := os.fork(): print(pid)\nelse: time.sleep(600)"))
    assert code == 0
    assert time.monotonic() - began < module.TIMEOUT_S / 2
    while alive(int(said)) and time.monotonic() - began < module.TIMEOUT_S:
        time.sleep(0.01)
    assert not alive(int(said))


BOUNDS = {
    "take memory": "bytearray(600 << 20)",
    "fill the disk": "open('{folder}/x', 'w').write('x' * 99999)",
    "lift its bounds": "os.geteuid() or os.setuid(65534); resource.setrlimit(resource.RLIMIT_DATA, (-1, -1))",
}


@pytest.mark.real("processes")
@pytest.mark.parametrize("attack", BOUNDS)
@pytest.mark.parametrize("bound", [True, False])
def test_the_child_bounds_itself_before_it_imports_anything(attack: str, bound: bool, tmp_path: Path) -> None:
    code = (
        f"import os, resource\nfrom hub.plugin_host.isolation.__main__ import bound\n{'bound()' if bound else ''}\n"
        f"try: {BOUNDS[attack].format(folder=tmp_path)}\nexcept Exception as error: print(type(error).__name__)\n"
        "except MemoryError: print('MemoryError')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    refused = {"take memory": "MemoryError", "fill the disk": "OSError", "lift its bounds": "ValueError"}
    assert done.stdout.strip() == (refused[attack] if bound else "")


@pytest.mark.real("processes")
def test_a_child_dies_with_whoever_asked() -> None:
    code = (
        "import subprocess, sys, time\n"
        "inner = 'import time; from hub.plugin_host.isolation.__main__ import bound; '\n"
        "inner += 'bound(); print(flush=True); time.sleep(600)'\n"
        "with subprocess.Popen([sys.executable, '-c', inner], stdout=subprocess.PIPE) as child:\n"
        "    child.stdout.readline(); print(child.pid, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as asker:
        assert asker.stdout is not None
        pid = int(asker.stdout.readline())
        assert alive(pid)
        asker.kill()
    end = time.monotonic() + 60
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.01)
    assert not alive(pid)


@pytest.mark.parametrize("schema", [
    {"properties": {"model_dump": {}}}, {"properties": {"__base__": {}}}, {"properties": {"a": 1}}, {"properties": 7},
    {"required": 7}, {"properties": {f"a{n}": {} for n in range(1000)}},
])  # fmt: skip
def test_a_schema_that_is_none_costs_its_own_plugin_and_is_told(
    schema: dict[str, object], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told = Description("acme", "ilot-acme", "1.0", integrations=(IntegrationText("acme", schema),))
    monkeypatch.setattr("hub.plugin_host.plugin_types.describe", lambda plugin, cache: told)
    assert installed_models(Registry([PLUGIN])).integrations["acme"] == (Unread, Unread)
    assert "plugin 'acme' (ilot-acme 1.0): its options cannot be described, " in caplog.text


def test_a_name_that_is_a_path_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_run", lambda command: (0, b'{"name":"x","distribution":"ilot","version":"9"}', b""))
    plugin = Plugin("../../escaped", "ilot-acme", "1.0", Entry("../../escaped", "acme", "ilot-acme", "1.0"))
    told = describe(plugin, tmp_path / "cache")
    assert (told.name, told.distribution, told.version, told.shipped) == ("../../escaped", "ilot-acme", "1.0", False)
    assert [file.parent for file in tmp_path.rglob("*.json")] == [tmp_path / "cache"]
    monkeypatch.setattr(module, "_run", lambda command: pytest.fail("it was kept"))
    assert describe(plugin, tmp_path / "cache") == told


def test_one_that_says_it_ships_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    forged = b'{"name":"modbus","distribution":"ilot","version":"9","shipped":true}'
    monkeypatch.setattr(module, "_run", lambda command: (0, forged, b""))
    assert describe(PLUGIN) == Description("acme", "ilot-acme", "1.0")


def test_what_is_wrong_comes_from_the_child_with_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = phrase("plugin-cannot-be-loaded", "{plugin} cannot be loaded: {reason}", plugin=PLUGIN.title, reason="no")
    told = module.packed(Description("other", "other", "2", shipped=True, error=wrong))
    monkeypatch.setattr(module, "_run", lambda command: (0, told, b""))
    found = describe(PLUGIN)
    assert (found.name, found.distribution, found.shipped) == ("acme", "ilot-acme", False)
    assert isinstance(found.error, Phrase)
    assert (found.error, found.error.code) == (wrong, "plugin-cannot-be-loaded")
    assert found.error.params["plugin"].code == "plugin-of-distribution"
