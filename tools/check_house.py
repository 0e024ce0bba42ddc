"""What a new page, option, metric, error or plugin still lacks: one line for each, with its file and what to do.

    python tools/check_house.py            check
    python tools/check_house.py --write    first write what can be derived: lines of config.example.yaml

The generated pages and READMEs are looked at by tools/check_docs.py.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

GENERAL = {"host", "https", "mqtt", "email", "webhook"}
"""Entry points whose names are words of everybody."""


class Allowed(NamedTuple):
    """Names that a file or folder of the hub may say, and why."""

    names: frozenset[str]
    why: str


def _may(names: str, why: str) -> Allowed:
    return Allowed(frozenset(names.split()), why)


NAMED = {
    "hub/cli/demo": _may("*", "a showcase of what ships"),
    "hub/cli/config/values.py": _may("modbus", "an example in a help text"),
    "hub/cli/decode.py": _may("lorawan", "an example in a help text"),
    "hub/cli/pack.py": _may("lorawan", "the device repositories that are imported are LoRaWAN's"),
    "hub/cli/sim/play.py": _may("lorawan", "pack.yaml says the version of LoRaWAN that its device speaks"),
    "hub/config/parts": _may("lorawan modbus sms", "sentences about airtime, RS-485 and costs, for people"),
    "hub/devices/packs": _may(
        "lorawan sigfox mbus wmbus modbus bacnet knx bluetooth http_json mqtt_devices opcua chirpstack",
        "the format of pack.yaml, which lies on disks, has a section for each protocol",
    ),
    "hub/onboarding": _may("mbus lorawan", "labels of devices, see hub/protocol/device_labels"),
    "hub/operations/doctor": _may(
        "bluetooth", "names of the kernel's folders and of BlueZ's unit, and the word for people"
    ),
    "hub/operations/concentrator": _may(
        "lorawan bluetooth enocean chirpstack",
        "hardware of this machine and its forwarder, docs/adr/0120-a-forwarder-that-nobody-packages.md; makers' names",
    ),
    "hub/operations/crisis/sampling": _may("lorawan", "airtime is the law of a band; a pack says its class"),
    "hub/pipeline/admission/trust.py": _may("lorawan enocean", "no plugin decides how far its own proof is believed"),
    "hub/plugin_host/plugin_types.py": _may(
        "bacnet_server homeassistant modbus_server prometheus mqtt_notifier sms",
        "kinds of our outward plugins, known without importing them; a test compares them",
    ),
    "hub/privacy/rules_engine/policy.py": _may("linky", "no plugin decides which of its ids are personal"),
    "hub/protocol/device_labels": _may(
        "lorawan enocean mbus bluetooth wmbus", "formats of printed labels, which the backend reads too"
    ),
    "hub/sdk/pytest_plugin.py": _may("lorawan modbus mbus bacnet knx", "fixtures of peers for tests of vendors"),
    "hub/sdk/testing/peers": _may("bacnet knx", "peers for tests of vendors, by their protocol"),
    "hub/sdk/sigfox": _may("sigfox", "callbacks that hub and backend read, docs/adr/0015-sigfox-callbacks.md"),
    "hub/web/presentation": _may("lorawan", "what a good signal is"),
    "hub/web/words/packs.py": _may("lorawan chirpstack", "the layouts of codecs that a person may send"),
    "hub/web/words/evidence.py": _may("sigfox", "evidence in words"),
    "hub/web/words": _may("lorawan", "sentences of pages about radio and labels"),
}
"""Where the hub names an integration or another plugin of its own, and why. Nowhere else: its words, its polling and
its sampling come with its registration."""


def main(arguments: list[str]) -> int:
    write = arguments == ["--write"]
    if arguments and not write:
        print(__doc__, file=sys.stderr)
        return 2
    found = [*plugins(), *named(), *example(write), *metrics(), *pages(), *errors(), *opening()]
    for problem in found:
        print(problem, file=sys.stderr)
    print(f"house: {len(found)} things lack")
    return 1 if found else 0


# -- plugins -----------------------------------------------------------------------------------------------------


def entry_points() -> dict[str, str]:
    """Plugins of this distribution: name → module."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return dict(project["entry-points"]["hub.plugins"])


def plugins() -> Iterator[str]:
    """A plugin is installed here, and has tests and, of an integration, its words and an example."""
    from hub.plugin_host.registry import Registry

    installed = {one.name for one in Registry.discover().plugins.values() if one.shipped}
    tests = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    for name, module in entry_points().items():
        folder = Path(*module.split(".")[:2])
        if not (ROOT / folder / "__init__.py").exists():
            yield f"pyproject.toml: plugin {name!r} is {module}, and {folder}/__init__.py is missing: write it"
            continue
        if name not in installed:
            yield f"pyproject.toml: plugin {name!r} is not installed in this environment: run `make setup`"
        if not any(".".join(folder.parts) in text for text in tests):
            yield f"tests/{folder}: no test imports {folder}: add tests/{folder}/test_{folder.name}.py"
        if folder.parts[0] == "integrations" and not (ROOT / folder / "reasons.py").exists():
            yield f"{folder}/reasons.py: missing: it has REASONS, the words for what is refused, and may be empty"
    for root in ("integrations", "plugins"):
        known = {module.split(".")[1] for module in entry_points().values() if module.startswith(root)}
        for package in sorted((ROOT / root).glob("*/__init__.py")):
            if package.parent.name not in known:
                yield f"pyproject.toml: nothing leads to {root}/{package.parent.name}: name it under hub.plugins"


def named() -> Iterator[str]:
    """The hub names no plugin of its own but where NAMED says why, and says so nowhere that needs no exception."""
    names = {part for name, module in entry_points().items() for part in (name, module.split(".")[1])} - GENERAL
    word = re.compile(
        rf"(?<![A-Za-z0-9])({'|'.join(sorted(names, key=len, reverse=True))})(?![A-Za-z0-9])", re.IGNORECASE
    )
    used: dict[str, set[str]] = {place: set() for place in NAMED}
    for path in sorted((ROOT / "hub").rglob("*.py")):
        file = _name(path)
        if not word.search(path.read_text()):
            continue  # most files: none of them is parsed
        place = next((one for one in NAMED if file == one or file.startswith(f"{one}/")), "")
        for line, text in _said(path):
            for found in {one.lower() for one in word.findall(text)}:
                if place:
                    used[place].add(found)
                if not place or not {found, "*"} & NAMED[place].names:
                    yield f"{file}:{line}: names {found!r}: let its registration say it, or say why not in NAMED here"
    for place, exception in NAMED.items():
        for left in sorted(exception.names - used[place] - {"*"}):
            yield f"tools/check_house.py: {place} no longer names {left!r}: take it out of NAMED"


def _said(path: Path) -> Iterator[tuple[int, str]]:
    """What a file says but for docstrings and comments: its texts and its names."""
    tree = ast.parse(path.read_text())
    documents = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node.lineno, node.value
        for attribute in ("id", "attr", "name", "arg"):
            if isinstance(text := getattr(node, attribute, None), str):
                yield getattr(node, "lineno", 0), text


# -- options -----------------------------------------------------------------------------------------------------


def example(write: bool) -> Iterator[str]:
    """config.example.yaml shows each option. `write` puts one that is missing there with its default, as a comment."""
    import example_config

    missing = list(example_config.missing())
    if write and missing:
        example_config.add(missing)
        missing = list(example_config.missing())
    for one in missing:
        yield f"config.example.yaml: option {one.path} is not shown: `make docs` writes it, or write it by hand"


# -- metrics -----------------------------------------------------------------------------------------------------


def metrics() -> Iterator[str]:
    """A metric of the catalogue stands there once, with its name, its unit and its class."""
    from hub.core.metric_catalogue import METRICS

    file = "hub/core/metric_catalogue.py"
    rows = re.findall(r"""^    _(?:metric|flag|text)\w*\("([a-z0-9_]+)\"""", (ROOT / file).read_text(), re.MULTILINE)
    for key in {one for one in rows if rows.count(one) > 1}:
        yield f"{file}: metric {key!r} stands there twice"
    for metric in METRICS.values():
        for what, text in (("name", metric.en), ("unit", metric.unit)):
            if not text:
                yield f"{file}: metric {metric.key!r} has no {what}"
        if metric.privacy not in ("technical", "environment", "personal"):
            yield f"{file}: metric {metric.key!r} has no privacy class: technical, environment or personal"


# -- pages -------------------------------------------------------------------------------------------------------


def pages() -> Iterator[str]:
    """A page has its template, its words and a test that opens it; `tools/catalogues.py` looks after their French."""
    from hub.web.words import WORDS

    web, kit = ROOT / "hub/web", ROOT / "hub/page_kit"
    files = [path for room in (web, kit) for path in (*room.rglob("*.py"), *room.glob("templates/*.html"))]
    sources = {path: path.read_text() for path in files}
    sources = {path: text for path, text in sources.items() if web / "words" not in path.parents}
    for path, text in sources.items():
        for key in sorted(set(re.findall(r"""\b_\(["']([a-z0-9-]+)["']""", text))):
            if not key.endswith("-") and key not in WORDS:
                yield f"{_name(path)}: says {key!r}, which no file of hub/web/words has: add it"
        for template in re.findall(r"""\.page\(\s*["']([a-z_-]+)["']""", text):
            if not any((room / "templates" / f"{template}.html").exists() for room in (web, kit)):
                yield f"{_name(path)}: shows the template {template!r}: write hub/web/templates/{template}.html"
    for path in (*web.glob("words/*.py"), *kit.glob("words.py")):
        if "\nPHRASES" in (text := path.read_text()) and 'PREFIX = "page-"' not in text:
            yield f'{_name(path)}: codes of the words of pages begin with `page-`: PREFIX = "page-"'
    yield from _menu(WORDS)


def _menu(words: Iterable[str]) -> Iterator[str]:
    from hub.web.areas import MENU

    tests = "\n".join(path.read_text() for path in (ROOT / "tests/hub/web").rglob("test_*.py"))
    for entry in MENU:
        if entry.key not in words:
            yield f"hub/web/words: the menu says {entry.key!r}, which is no word: add it"
        if f"about-{entry.key}" not in words:
            yield f"hub/web/words: nothing says what the page {entry.key!r} is for: add 'about-{entry.key}'"
        if entry.href != "/" and not re.search(rf"""["']{re.escape(entry.href)}["'?/]""", tests):
            yield f"tests/hub/web: no test opens {entry.href}: add one, see tests/hub/web/test_areas.py"


# -- errors ------------------------------------------------------------------------------------------------------


def errors() -> Iterator[str]:
    """What is counted or raised has its words; see tests/contracts for what is looked at."""
    from tests.contracts import test_reasons, test_troubles

    for folder in test_reasons.FOLDERS:
        if not (ROOT / "integrations" / folder / "reasons.py").exists():
            continue  # said above
        for one in test_reasons.integration(folder):
            if test_reasons.shown(one.slug, test_reasons.own(folder)) is None:
                yield f"{one.where}: reason {one.slug!r} has no words: add it to integrations/{folder}/reasons.py"
    for one in test_reasons.core():
        if one.slug not in ("command-*", "write-*") and test_reasons.shown(one.slug, {}) is None:
            yield f"{one.where}: reason {one.slug!r} has no words: add it to hub/i18n/reasons/table.py"
    for place, said in (*test_troubles.sentences(), *test_troubles.outcomes()):
        yield f'{place}: {said[:60]!r} has no code: phrase("code", "English"), see docs/how-to/translate.md'


OPENERS = ("hub/config/", "hub/plugin_host/opening.py", "hub/plugin_host/plugin_types.py")
"""Where a configuration is read and its models are made."""
OTHERS = {
    "hub/cli/import_config.py": {"load"},  # a proposal, before it is written
    "hub/operations/config_changes/inspection.py": {"Models"},  # a part of the running hub's, for the schema of a form
}
_MAKERS = {"hub.config.load": {"load"}, "hub.plugin_host.plugin_types": {"installed_models"}}


def opening() -> Iterator[str]:
    """Modules that read a configuration by themselves: they would forget the packs that are installed here."""
    for path in sorted((ROOT / "hub").rglob("*.py")):
        name = _name(path)
        if name.startswith(OPENERS):
            continue
        tree = ast.parse(path.read_text())
        taken = {
            alias.name: node.lineno
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
            if alias.name in _MAKERS.get(node.module or "", ())
        }
        taken |= {
            node.func.id: node.lineno
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Models"
        }
        for said, line in taken.items():
            if said not in OTHERS.get(name, ()):
                yield f"{name}:{line}: {said}: hub/plugin_host/opening.py opens a configuration, nobody else"


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
