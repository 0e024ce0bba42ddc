"""Whatever the hub refuses, leaves out or notes is counted under a slug, and a person reads it in words, for every slug
that stands in the code. Here a new one without words is found.

A slug is written as nothing else is, `small-letters-with-hyphens`. So every text of that form is taken, in the folders
of the integrations and in the parts of the hub that count; what is no reason is named in `OTHERWISE`. Of one word alone
(`twice`) it is what is handed to an error or a count, or called `reason`. `f"tx-refused-{why}"` stands for a family.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import NamedTuple

import pytest

import hub
from hub.automation.commands.service import STATES
from hub.core.errors import PluginError
from hub.core.text import Phrase
from hub.i18n.catalogues import is_translated, translate
from hub.i18n.reasons import Words, meaning, problem_with, words_of
from hub.i18n.reasons.table import PREFIX, REASONS
from hub.i18n.typography import ascii_spaces
from hub.pipeline.admission.quarantine import REFUSALS as DOUBTS
from hub.pipeline.admission.replay import Freshness
from hub.plugin_host.registry import Plugin, Registry
from hub.sdk.options import Config
from hub.sdk.sigfox.callback import ANSWERS
from hub.sdk.testing import FakeSession
from hub.web.presentation.waiting_reasons import waiting_reason
from integrations.bacnet.names import ABORTS, ERRORS, REJECTS, Refused
from integrations.bluetooth.strangers.messages import FAULTS
from integrations.lorawan.gwmp import REFUSALS
from integrations.lorawan_servers.chirpstack_events import _CODES

ROOT = Path(hub.__file__).parents[1]
FOLDERS = sorted(path.parent.name for path in (ROOT / "integrations").glob("*/__init__.py"))
KIT = (
    "addresses", "connections", "http_handler", "http_server", "jsonpath", "mqtt", "options", "poll_backoff",
    "sandboxed_process", "serial_line",
)  # fmt: skip
PARTS = (
    "app/plugins.py", "automation/alert_engine.py", "automation/commands", "automation/rule_commands.py",
    "devices/codecs", "devices/packs", "pipeline", "plugin_host", "privacy/rules_engine",
    *(f"sdk/{name}.py" for name in KIT),
)  # fmt: skip
"""Of the hub, those that count or hand over an error that is counted; `sdk/sigfox` is its integration's."""
ELSEWHERE = {
    "bacnet": ("names.py", "explain.py"),  # words of the standard: those that are reasons are counted out below
    "bluetooth": ("sim", "strangers/parsers.py", "strangers/mapping.py", "strangers/child.py"),
    "knx": (
        "sim",
        "project",
        "importer.py",
        "settings.py",
        "link.py",
        "monitor.py",
    ),  # what an import refuses is a sentence
    "opcua": ("settings.py", "importer.py", "messages.py", "sim"),
}
"""Files in which other things are written so."""
OF_COMMANDS = ("sim.py", "playing.py", "playing_station.py", "recording.py", "replaying.py")
"""What `ilot sim`, `capture` and `replay` do: no hub counts it, and they tell the sentence."""
OTHERWISE = {
    # schemes of proofs
    "bthome-ccm", "eddystone-tlm", "enocean-sec", "enocean-sec-weak", "lorawan-join", "lorawan-server",
    "oms-5", "oms-7", "wmbus-ctr",
    # what a family of reasons is made of
    "collision-beacon", "collision-packet", "duty-cycle", "gateway-away", "gateway-busy", "gps-unlocked", "no-clock",
    "out-of-memory", "too-early", "too-much", "tx-freq", "tx-power",
    # qualities of BACnet
    "out-of-service",
    # encodings, headers, files, requests, forms
    "big-endian", "content-length", "iso-8859-1", "key-file", "last-modified", "latin-1", "little-endian",
    "retry-after", "utf-16-be", "utf-32-be", "utf-8", "utf-8-sig", "who-is",
    # kinds of events, names of processes and of trials, schemes and qualities with their number
    "ilot-*", "reliability-*", "ruuvi-*", "test-*", "writes-stopped",
}  # fmt: skip
SINKS = {"DecodeError", "WriteRefused", "Fault", "Unfit"}
FAMILIES = {
    "downlink-": {f"downlink-{code}" for code in ANSWERS},
    "operator-": {"operator-silent", "operator-warns"},
    "others-": {f"others-{why}" for why in FAULTS},
    "tx-refused-": {f"tx-refused-{why}" for why in REFUSALS},
}
"""Families whose members are known; of any other, one member stands for all."""
MADE = {
    "bacnet": {
        Refused(kind, code).reason
        for kind, table in (("error", ERRORS), ("reject", REJECTS), ("abort", ABORTS))
        for code in (*table, 255)
    },
    "lorawan_servers": {f"server-{code.lower().replace('_', '-')}" for code in _CODES},
}
"""Reasons that are put together from a table of the standard, or of the server."""

_KEBAB = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+")
_BEGUN = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*-")
_WORD = re.compile(r"[a-z][a-z0-9]*")


class Found(NamedTuple):
    """One reason, `*` at the end of a family; `where` it stands."""

    slug: str
    where: str


def _name(call: ast.Call) -> str:
    return getattr(call.func, "id", "") or getattr(call.func, "attr", "")


def _counted(call: ast.Call) -> bool:
    """Is its first argument a reason?"""
    if _name(call) in (*SINKS, "_count", "tally") or getattr(call.func, "id", "") == "count":
        return True
    to = getattr(call.func, "value", None)
    held = getattr(to, "id", "") or getattr(to, "attr", "")
    return (_name(call), held.lstrip("_")) in (("add", "counts"), ("append", "skipped"))


def _called_reason(node: ast.AST) -> ast.expr | None:
    """What a variable or an argument of that name is."""
    if isinstance(node, ast.Assign) and any(getattr(one, "id", "") == "reason" for one in node.targets):
        return node.value
    return node.value if isinstance(node, ast.keyword) and node.arg == "reason" else None


def _texts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*_texts(node.body), *_texts(node.orelse))


def _codes(tree: ast.Module) -> set[int]:
    """Return the nodes that are codes of sentences: of `phrase("code", …)`, and keys of a table of such."""
    calls = [node.args[0] for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args and _coded(node)]
    tables = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and any(
            getattr(one, "id", "") == "PHRASES"
            for one in (node.targets if isinstance(node, ast.Assign) else [node.target])
        )
    ]
    return {id(one) for one in [*calls, *(key for table in tables for key in getattr(table, "keys", ()))]}


def _coded(call: ast.Call) -> bool:
    return _name(call) in ("phrase", "of_table")


def reasons_of(path: Path) -> Iterator[Found]:
    tree = ast.parse(path.read_text())
    codes = _codes(tree)
    for node in ast.walk(tree):
        if id(node) in codes:
            continue
        where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Call) and node.args and _counted(node):
            yield from (Found(text, where) for text in _texts(node.args[0]) if _WORD.fullmatch(text))
        elif (called := _called_reason(node)) is not None:
            yield from (Found(text, where) for text in _texts(called) if _WORD.fullmatch(text))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _KEBAB.fullmatch(node.value):
            if node.value not in OTHERWISE and not node.value.startswith("metric-"):  # code of a metric's name
                yield Found(node.value, where)
        elif isinstance(node, ast.JoinedStr) and len(node.values) == 2 and isinstance(node.values[0], ast.Constant):
            begun = str(node.values[0].value)
            if _BEGUN.fullmatch(begun) and f"{begun}*" not in OTHERWISE:
                yield Found(f"{begun}*", where)


def files(folder: str) -> list[Path]:
    root = ROOT / "integrations" / folder
    left = [root / name for name in (*ELSEWHERE.get(folder, ()), "reasons.py", *OF_COMMANDS)]
    found = [path for path in root.rglob("*.py") if not any(path == one or one in path.parents for one in left)]
    return [*found, *(ROOT / "hub" / "sdk" / "sigfox").glob("*.py")] if folder == "sigfox" else found


def own(folder: str) -> Mapping[str, Words]:
    return words_of(import_module(f"integrations.{folder}.reasons").REASONS, folder)


@cache
def integration(folder: str) -> tuple[Found, ...]:
    """All reasons of one integration."""
    found = [one for path in files(folder) for one in reasons_of(path)]
    found += [Found(slug, f"integrations/{folder}, of a table") for slug in MADE.get(folder, ())]
    return tuple(found)


@cache
def core() -> tuple[Found, ...]:
    """All reasons of the hub itself."""
    roots = [ROOT / "hub" / part for part in PARTS]
    paths = [path for root in roots for path in (root.rglob("*.py") if root.is_dir() else (root,))]
    found = [one for path in paths for one in reasons_of(path)]
    found += [Found(one.value, "hub/pipeline/admission/replay.py") for one in Freshness if one is not Freshness.FRESH]
    return tuple(found)


def shown(slug: str, table: Mapping[str, Words]) -> Phrase | None:
    """As people read it; of a family some member of it."""
    if not slug.endswith("*"):
        return meaning(slug, table) or meaning(f"write-{slug}")
    members = FAMILIES.get(slug[:-1]) or {f"{slug[:-1]}0f"}
    said = [meaning(one, table) for one in members]
    return said[0] if all(said) else None


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_reason_of_an_integration_has_words(folder: str) -> None:
    assert {(one.slug, one.where) for one in integration(folder) if shown(one.slug, own(folder)) is None} == set(), (
        f"say in integrations/{folder}/reasons.py what these mean and what to do, or in OTHERWISE that they are none"
    )


def test_every_reason_of_the_hub_itself_has_words() -> None:
    left = {"command-*": {f"command-{state}" for state in STATES}, "write-*": {"write-too-soon"}}
    asked = {slug for slug in core() if slug.slug not in left}
    assert {(one.slug, one.where) for one in asked if shown(one.slug, {}) is None} == set(), (
        "say in hub/i18n/reasons/table.py what these mean and what to do, or in OTHERWISE that they are no reasons"
    )
    assert [slug for slugs in left.values() for slug in slugs if meaning(slug) is None] == []


def test_no_part_of_the_hub_counts_without_being_looked_at_here() -> None:
    roots = [ROOT / "hub" / part for part in PARTS]
    left = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "hub").rglob("*.py")
        if not any(path == root or root in path.parents for root in roots)
        and any(
            isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add" and node.args and _counted(node)
            for node in ast.walk(ast.parse(path.read_text()))
        )
    ]
    assert left == [], "name these in PARTS"


def test_the_collection_sees_the_reasons_that_people_meet() -> None:
    lorawan = {one.slug for one in integration("lorawan")}
    assert {"used-devnonce", "gateway-silent", "late-copy", "truncated", "mac-refused-*", "no-slot-*"} <= lorawan
    assert {"twice", "unit", "cov-silent", "other-device", "busy"} <= {one.slug for one in integration("bacnet")}
    assert {"not-admitted", "implausible", "undated", "withheld-by-rule", "codec-time"} <= {one.slug for one in core()}


def test_a_new_reason_without_words_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    new = tmp_path / "decode.py"
    new.write_text(
        'raise hub.DecodeError("burst", "x")\nskipped.append("frozen-pipe")\ncount(f"valve-{state}")\n'
        'reason = "limp" if late else "numb"\nevent = Noted(reason="deaf")\n'
    )
    found = {one.slug for one in reasons_of(new)}
    assert found == {"burst", "frozen-pipe", "valve-*", "limp", "numb", "deaf"}
    assert [slug for slug in found if shown(slug, {}) is not None] == []


def test_no_words_are_left_of_a_reason_that_nothing_counts() -> None:
    everywhere = "".join(
        path.read_text()
        for part in ("hub", "integrations")
        for path in (ROOT / part).rglob("*.py")
        if path.name not in ("reasons.py", "table.py")
    )
    made = {f"command-{state}" for state in STATES}.union(*FAMILIES.values())
    made |= {one.slug for folder in FOLDERS for one in integration(folder)}
    made |= {f"{kind}-*" for kind in ("error", "reject", "abort", "server")}
    tables = {"hub": REASONS, **{folder: own(folder) for folder in FOLDERS}}
    left = [
        f"{name}: {slug}"
        for name, table in tables.items()
        for slug in table
        if slug not in made and f'"{slug}"' not in everywhere and not _made(slug, everywhere)
    ]
    assert left == []


def _made(slug: str, text: str) -> bool:
    """Is it put together: a family, or one of a family, or a refused command?"""
    parts = slug.removesuffix("*").split("-")
    return any(
        f'f"{"-".join(parts[:n])}-{{' in text and (slug.endswith("*") or f'"{"-".join(parts[n:])}"' in text)
        for n in range(1, len(parts) + 1)
    )


@pytest.mark.parametrize("folder", ["", *FOLDERS])
def test_words_are_written_as_french_and_english_are(folder: str) -> None:
    module = import_module(f"integrations.{folder}.reasons" if folder else "hub.i18n.reasons.table")
    assert f"{folder}.{PREFIX}".lstrip(".") == module.PREFIX
    assert problem_with(module.REASONS) == ""
    for slug in module.REASONS:
        english = meaning(slug.replace("*", "0f"), own(folder) if folder else {}) or Phrase("", "", {})
        french = translate(english, "fr")
        assert is_translated(english, "fr"), slug
        assert (french[0] + english[0]).isupper(), slug
        assert "." not in (french[-1], english[-1]), slug
        assert max(len(french), len(english)) <= 125, slug
        assert not re.search(r"[^ ][;?!»]|«[^ ]|\w:(?= |$)", ascii_spaces(french)), (
            f"{slug}: a space stands before the sign"
        )
        assert not re.search(r" [;:?!»]|« ", french), f"{slug}: printed so that a sign may begin a line"
        assert ascii_spaces(french) != english, slug


def test_two_integrations_mean_the_same_by_one_family_or_say_it_for_themselves() -> None:
    bluetooth, host = own("bluetooth"), own("host")
    assert both("bad-temperature", bluetooth) == (
        "Valeur impossible (température), écartée",
        "An impossible value (temperature), left out",
    )
    assert both("bad-co2", bluetooth)[1] == "An impossible value (CO2), left out"
    assert both("bad-loadavg", host) == ("Le système ne donne pas loadavg", "The system does not give loadavg")
    assert both("write-out-of-hours", words_of({"out-of-hours": "Outside its hours"}, "acme"))[1] == (
        "Command refused: outside its hours"
    )
    assert meaning("bad-loadavg", None, {**bluetooth, **host}) is None


def both(slug: str, table: Mapping[str, Words]) -> tuple[str, str]:
    said = meaning(slug, table)
    assert said is not None
    return translate(said, "fr"), str(said)


def test_each_shipped_integration_brings_its_words_with_its_registration() -> None:
    registry = Registry.discover()
    brought = set[int]()
    for plugin in [one for one in registry.plugins.values() if one.entry.value.startswith("integrations.")]:
        loaded = registry.load(plugin.name)
        folder = plugin.entry.value.split(".")[1]
        assert loaded.reasons == own(folder)
        assert loaded.domain == folder
        brought.add(FOLDERS.index(folder))
    assert len(brought) == len(FOLDERS)
    assert registry.meaning("mbus-silent", "mbus") == meaning("mbus-silent", own("mbus"))
    assert registry.meaning("tic-label", "mbus") == meaning("tic-label", own("linky")), (
        "a decoder of another plugin said it"
    )


def test_words_that_a_plugin_brings_wrongly_are_refused_with_what_is_wrong() -> None:
    class Entry:
        value = "acme"

        def __init__(self, reasons: object) -> None:
            self.reasons = reasons

        def load(self) -> object:
            reasons = self.reasons

            class Module:
                @hub.hookimpl
                def register_integrations(self, register: hub.Register) -> None:
                    register("acme", Config, None, reasons=reasons)  # type: ignore[arg-type]

            return Module()

    for reasons, complaint in (
        ({"Valve stuck": "b"}, "is no reason"), ({"valve-stuck": 7}, "an English sentence"),
        ({"valve-stuck": ("Vanne bloquée", "")}, "an English sentence"),
        ({"valve-stuck": "The valve {number}"}, "other braces"), ({"valve-stuck": "The valve {"}, "other braces"),
        ({"valve-stuck": "{part.__class__}"}, "other braces"), ({"valve-stuck": "{part:99999999}"}, "other braces"),
        ([("valve-stuck", "Stuck")], "maps each reason to its English"),
        ({"valve-stuck": ("Vanne " * 100, "Stuck")}, "at most 250 characters"),
        ({"valve-stuck": ("Vanne\nbloquée", "Stuck")}, "one line"),
        ({"valve-stuck": ("Vanne bloquée", "Stuck \x1b[2J")}, "without control characters"),
        ({"valve-stuck": ("Vanne \u202ebloquée", "Stuck")}, "without control characters"),
        ({f"valve-{n}": ("Vanne", "Valve") for n in range(1001)}, "more than the 1000"),
    ):  # fmt: skip
        registry = Registry([Plugin("acme", "acme", "1", Entry(reasons))])
        with pytest.raises(PluginError, match=complaint):
            registry.load("acme")
        assert registry.meaning("valve-stuck", "acme") is None
    said = {"valve-stuck": "The valve is stuck: free it", "truncated": "Cut"}
    registry = Registry([Plugin("acme", "acme", "1", Entry(said))])
    registry.load("acme")
    assert registry.meaning("valve-stuck", "acme") == "The valve is stuck: free it"
    assert registry.meaning("truncated", "acme") == "Cut", "of its own devices it may say more"
    assert registry.meaning("truncated", "modbus") == meaning("truncated")
    assert registry.meaning("ValueError", "acme") == meaning("ValueError")
    assert registry.meaning("something-else", "acme") is None


def test_the_pairs_of_former_versions_are_still_read() -> None:
    class Entry:
        value = "acme"

        def load(self) -> object:
            class Module:
                @hub.hookimpl
                def register_integrations(self, register: hub.Register) -> None:
                    pair = ("Vanne bloquée : {part} {x}", "The valve is stuck: {part} {x}")
                    register("acme", Config, None, reasons={"valve-*": pair})  # type: ignore[arg-type]

            return Module()

    registry = Registry([Plugin("acme", "acme", "1", Entry())])
    registry.load("acme")
    said = registry.meaning("valve-7", "acme")
    assert said == "The valve is stuck: 7 {x}"
    assert translate(said, "fr") == "Vanne bloquée\u00a0: 7 {x}"


def test_the_example_of_the_documentation_brings_words_for_all_that_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    vendor = ROOT / "tests" / "vendor"
    for name in ("acme_thermo", "acme_words"):
        monkeypatch.syspath_prepend(vendor / name)
    registry = Registry([Plugin("acme_words", "acme", "1", EntryPoint("acme_words", "acme_words", "hub.plugins"))])
    registry.load("acme_words")
    said = [one.slug for one in reasons_of(vendor / "acme_words" / "acme_words.py")]
    assert set(said) == {"acme-no-probe", "acme-fault-*"}
    assert [slug for slug in said if registry.meaning(slug.replace("*", "7"), "acme_words") is None] == []
    assert registry.meaning("acme-fault-7", "acme_words") == "Fault 7 of the device: see its manual"


def test_a_vendor_s_test_names_what_its_plugin_refuses_without_words() -> None:
    session = FakeSession("acme")
    for reason in ("truncated", "valve-stuck", "valve-7", "hum"):
        session.radio.report_decode_error("acme:1", hub.DecodeError(reason))
    assert session.unworded({}) == ["hum", "valve-7", "valve-stuck"]
    assert session.unworded({"valve-*": "Valve {part}"}) == ["hum"]


def test_why_a_device_waits_or_is_doubted_is_said_in_both_languages() -> None:
    """On the pages « À traiter » and « Quarantaine »: a stranger as `heard` was told, a known device by its doubt."""
    told = set[str]()
    for path in (ROOT / "hub").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _name(node) == "heard" and len(node.args) > 1:
                told |= {text for text in _texts(node.args[1]) if " " in text or text == "found"}
    assert "not in the configuration" in told
    reasons = told | {refusal.meaning for refusal in DOUBTS.values()}
    french, english = waiting_reason("fr"), waiting_reason("en")
    assert [reason for reason in sorted(reasons) if french(reason) in (reason, english(reason))] == []
