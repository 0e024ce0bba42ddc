"""tools/catalogues.py: what it extracts from code, and that it finds each kind of mistake in a catalogue."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import polib
import pytest

ROOT = Path(__file__).resolve().parent.parent
CODE = """
from hub.sdk.phrases import phrase

PHRASES = {"acme.late": "{device} is late"}
AWAY = phrase("acme.away", "{device} is away", device=1)
"""
TABLES = """
import hub

PREFIX = "acme.reason-"
REASONS: dict[str, str] = {"valve-*": "Valve {part}"}
OTHERS = {"valve": "Valve"}
METRICS = (hub.Metric(key="valve", en="Valve"), hub.Metric(key="flow", fr="Débit", en="Flow"))
"""


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("catalogues_tool", ROOT / "tools" / "catalogues.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    monkeypatch.setattr(made, "ROOT", tmp_path)
    (tmp_path / "hub").mkdir()
    plugin = tmp_path / "integrations" / "acme"
    plugin.mkdir(parents=True)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "backend").mkdir()
    (plugin / "__init__.py").write_text(CODE)
    return made


def catalogue(tool: ModuleType) -> Path:
    folder = tool.domains()["acme"]
    return Path(tool.catalogue("acme", folder, "fr"))


def changed(tool: ModuleType, code: str, french: str, flag: str = "") -> None:
    path = catalogue(tool)
    made = tool.load(path)
    for entry in made:
        if entry.msgctxt == code:
            entry.msgstr, entry.flags = french, [flag] if flag else []
    made.save(str(path))


def found(tool: ModuleType) -> str:
    return "\n".join(tool.check("acme", tool.domains()["acme"], "fr"))


def test_each_message_of_the_code_is_extracted_and_its_translation_is_kept(tool: ModuleType) -> None:
    assert tool.main(["update"]) == 0
    changed(tool, "acme.away", "{device} est injoignable")
    changed(tool, "acme.late", "{device} est en retard")
    assert tool.main(["update"]) == 0
    known = {entry.msgctxt: (entry.msgid, entry.msgstr, entry.comment) for entry in tool.load(catalogue(tool))}
    assert known["acme.away"] == ("{device} is away", "{device} est injoignable", "integrations/acme/__init__.py")
    assert known["acme.late"][1] == "{device} est en retard"
    assert found(tool) == ""
    assert tool.main(["check"]) == 0
    tool.compile_all()
    assert (
        polib.mofile(str(catalogue(tool).with_suffix(".mo"))).find("{device} is away").msgstr
        == "{device} est injoignable"
    )


def test_a_table_with_a_prefix_and_the_names_of_metrics_are_extracted(tool: ModuleType) -> None:
    plugin = tool.domains()["acme"]
    (plugin / "reasons.py").write_text(TABLES)
    made = {code: message.english for code, message in tool.extract("acme", plugin).items()}
    assert made == {
        "acme.late": "{device} is late", "acme.away": "{device} is away",
        "acme.reason-valve-*": "Valve {part}", "acme.metric-valve": "Valve",
    }  # fmt: skip


def test_the_texts_of_options_are_those_of_the_models() -> None:
    spec = importlib.util.spec_from_file_location("catalogues_tool", ROOT / "tools" / "catalogues.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    options = tool.options()
    assert options["hub"]["option-Web-port-help"].where == "hub/config/parts/web.py:0"
    assert options["hub"]["option-title-port"].english == "Port"
    assert options["hub"]["option-Bus-quiet-title"].english == "Quiet"
    assert options["modbus"]["modbus.option-Config-help"].where.startswith("integrations/modbus/")
    assert "{{2026-12-24" in options["hub"]["option-Schedule-exceptions-help"].english


def test_what_lacks_or_differs_is_named_with_its_line(tool: ModuleType) -> None:
    assert "is not in integrations/acme/locale/fr/LC_MESSAGES/acme.po" in found(tool)
    tool.main(["update"])
    assert "'acme.away' has no translation: {device} is away" in found(tool)
    changed(tool, "acme.away", "{appareil} est injoignable")
    assert "'acme.away' has other placeholders than its English" in found(tool)
    changed(tool, "acme.away", "{device.name} est injoignable")
    assert "'acme.away': {device.name:} is no placeholder" in found(tool)
    changed(tool, "acme.away", "{device} est injoignable", "fuzzy")
    assert "'acme.away' is to be looked at" in found(tool)
    assert tool.main(["check"]) == 1


def test_another_english_sentence_asks_for_a_look_and_a_removed_one_is_unused(tool: ModuleType) -> None:
    tool.main(["update"])
    changed(tool, "acme.away", "{device} est injoignable")
    source = tool.domains()["acme"] / "__init__.py"
    source.write_text(CODE.replace("is away", "is gone"))
    assert "'acme.away' is of another sentence" in found(tool)
    tool.main(["update"])
    assert "'acme.away' is to be looked at" in found(tool)
    source.write_text('PHRASES = {"acme.late": "{device} is late"}\n')
    assert "'acme.away' is unused" in found(tool)


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ('phrase("acme.a", f"{x}", x=1)', "literal texts"),
        ('phrase("acme.a", "{x}", y=1)', "has placeholders ['x'] and gets ['y']"),
        ('phrase("a", "b")', "begins with the plugin's name: acme.a"),
        ('phrase("acme.a", "b"); phrase("acme.a", "c")', "has another sentence at"),
        ('PHRASES = {"acme.a": 1}', "literal codes to literal texts"),
    ],
)
def test_a_mistake_in_the_code_is_named_with_its_line(tool: ModuleType, code: str, wrong: str) -> None:
    folder = tool.domains()["acme"]
    (folder / "__init__.py").write_text(f"\n{code}\n")
    with pytest.raises(tool.Wrong, match=r"integrations/acme/__init__\.py:2: ") as caught:
        tool.extract("acme", folder)
    assert wrong in str(caught.value)
    assert tool.main(["update"]) == 1
