"""tools/check_api.py: what of the plugin API may change from one release to the next, and what a plugin would miss."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_api_tool", ROOT / "tools/check_api.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


def test_the_plugin_api_has_all_that_the_last_release_promised(tool: ModuleType) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    released = tool.FILE.read_text()
    found = list(tool.changes(released, tool.api_surface.surface(version)))
    assert list(tool.problems(found, released, version)) == []


def test_the_file_says_every_part_of_the_surface(tool: ModuleType) -> None:
    released = tool.FILE.read_text()
    for line in (
        "class hooks:",
        "    def register_integrations(self, register: Register) -> None:",
        "class Report(msgspec.Struct, frozen=True, kw_only=True):",
        "class Session(Protocol):",
        "class Polling(Protocol):",
        "    asserts_authenticity: bool = ...",
        "    'temperature': 'Cel, number',",
        "    'hub.Bus': '0.2',",
        "    'session.rounds': 'session.polling.poll_cycles',",
    ):
        assert f"\n{line}\n" in released


STRUCT = "class Report(msgspec.Struct, frozen=True):\n    device: str\n    time: float | None = None\n"
CALL = "class Session(Protocol):\n    async def emit(self, report: Report, *, durable: bool = False) -> None: ...\n"
HOOK = "class hooks:\n    def register_integrations(self, register: Register) -> None: ...\n"
WORDS = "Answer = Literal['done', 'failed']\n"
TABLE = "METRICS = {'temperature': 'Cel, number'}\n"


@pytest.mark.parametrize(
    ("before", "old", "new", "missed"),
    [
        (STRUCT, STRUCT, "", "Report is gone"),
        (STRUCT, "    device: str\n", "", "Report.device is gone"),
        (STRUCT, "device: str", "device: bytes", "Report.device is bytes, and was str"),
        (STRUCT, " = None", "", "Report.time must be given"),
        (STRUCT, "None\n", "None\n    place: str\n", "Report.place is a new field that must be given"),
        (STRUCT, "str\n", "str\n    place: str = ''\n", "Report.place is a new field before others"),
        (
            STRUCT,
            "frozen=True",
            "frozen=True, kw_only=True",
            "Report is made as Report(msgspec.Struct, frozen=True, kw_",
        ),
        (CALL, ", *, durable: bool = False", "", "Session.emit.durable is no parameter any more"),
        (CALL, " = False", "", "Session.emit.durable must be given"),
        (CALL, "*, durable", "*, place: str, durable", "Session.emit.place is a new parameter that must be given"),
        (CALL, "report: Report", "place: str = '', report: Report = ...", "Session.emit.report has another place"),
        (CALL, "report: Report, *, ", "*, report: Report, ", "Session.emit.report has another place"),
        (CALL, "report: Report", "report: Sample", "Session.emit.report takes no Report any more"),
        (CALL, "-> None", "-> bool | None", "Session.emit returns bool too"),
        (CALL, "async def", "def", "Session.emit is awaited otherwise"),
        (CALL, "    async", "    @property\n    async", "Session.emit is read otherwise"),
        (HOOK, "register: Register", "", "hooks.register_integrations.register is no parameter any more"),
        (WORDS, "'done', ", "", "Answer is not 'done' any more"),
        (TABLE, "Cel", "K", "METRICS.temperature is K, number, and was Cel, number"),
        (TABLE, "'temperature': 'Cel, number'", "", "METRICS.temperature is gone"),
    ],
)
def test_what_a_plugin_would_miss_fails_until_the_version_that_was_said(
    tool: ModuleType, before: str, old: str, new: str, missed: str
) -> None:
    assert old in before
    after = before.replace(old, new) or "\n"
    if after.endswith("frozen=True):\n"):
        after += "    pass\n"
    found = list(tool.changes(before, after))
    (line,) = tool.problems(found, before, "0.1.0")
    assert line.startswith(f"plugin API: {missed}")
    member = missed.split()[0]
    announced = f"ENDS = {{'{member}': '0.3'}}\n{before}"
    found = list(tool.changes(announced, f"ENDS = {{}}\n{after}"))
    (line,) = tool.problems(found, announced, "0.2.9")
    assert "which was announced for 0.3" in line
    for version in ("0.3.0", "1.0.0"):
        assert list(tool.problems(found, announced, version)) == []


@pytest.mark.parametrize(
    ("before", "old", "new", "told"),
    [
        (STRUCT, "None\n", "None\n    place: str = ''\n", "Report.place is new"),
        (CALL, "durable: bool = False", "durable: bool = False, place: str = ''", "Session.emit.place is new"),
        (CALL, "report: Report", "report: Report | Sample", "Session.emit.report takes Sample too"),
        (CALL, "= False", "= True", "Session.emit.durable is True where it is not given, and was False"),
        (HOOK, "register: Register", "register: Register, more: More", "hooks.register_integrations.more is new"),
        (WORDS, "'done'", "'sent', 'done'", "Answer may be 'sent'"),
        (TABLE, "{", "{'co2': 'ppm, number', ", "METRICS.co2 is new"),
        (TABLE, "METRICS", "MORE = {}\nMETRICS", "MORE is new"),
        ("ENDS = {}\n", "{}", "{'hub.Bus': '0.2'}", "hub.Bus ends with 0.2"),
        ("FORMER = {'hub.Bus': 'hub.a'}\n", "hub.a", "hub.b", "hub.Bus is hub.b, and was hub.a"),
    ],
)
def test_what_is_added_or_widened_is_told_and_passes(
    tool: ModuleType, before: str, old: str, new: str, told: str
) -> None:
    assert old in before
    found = list(tool.changes(before, before.replace(old, new)))
    assert [f"{one.member} {one.what}" for one in found] == [told]
    assert list(tool.problems(found, before, "0.1.0")) == []


def test_a_former_name_goes_with_its_version_and_not_before(tool: ModuleType) -> None:
    before = "ENDS = {'hub.Bus': '0.2'}\nFORMER = {'hub.Bus': 'hub.sdk.session.Bus'}\n"
    found = list(tool.changes(before, "ENDS = {}\nFORMER = {}\n"))
    (line,) = tool.problems(found, before, "0.1.9")
    assert line == "plugin API: hub.Bus is gone, which was announced for 0.2, and this is 0.1.9"
    assert list(tool.problems(found, before, "0.2.0")) == []


def test_an_end_that_was_said_does_not_come_earlier(tool: ModuleType) -> None:
    before, after = "ENDS = {'hub.Bus': '0.4'}\n", "ENDS = {'hub.Bus': '0.3'}\n"
    (line,) = tool.problems(list(tool.changes(before, after)), before, "0.1.0")
    assert "ENDS.hub.Bus ends with 0.3, and 0.4 was said" in line


def test_a_class_that_became_a_function_is_told(tool: ModuleType) -> None:
    (line,) = tool.problems(list(tool.changes(STRUCT, "def Report() -> None: ...\n")), STRUCT, "0.1.0")
    assert line.startswith("plugin API: Report is something else")
