"""Translations of what the hub and its plugins say to people: extracted from the code, checked, compiled.

    python tools/catalogues.py update     write new messages into the .po files, drop those that no code has
    python tools/catalogues.py check      what is missing, unused, not reviewed (fuzzy), or has another placeholder
    python tools/catalogues.py compile    .po into .mo, where one is older

A message is a call `phrase("code", "English", …)` with literal texts; an entry of a table of English texts whose name
is PHRASES, or REASONS in a module with a PREFIX; or the name of a metric that gives no French itself. The codes of a
table begin with the PREFIX of its module, where that has one. Titles and helps of options are those of the models,
which are imported. The context of an entry (msgctxt) is its code. Reads and writes with polib; docs/adr/0096 says why.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, NamedTuple

import polib

ROOT = Path(__file__).resolve().parent.parent
IMPORTED = ROOT
sys.path[:0] = [str(ROOT)]
LANGUAGES = ("fr",)
FUNCTIONS = {"phrase"}
TABLE, REASONS, PREFIX = "PHRASES", "REASONS", "PREFIX"
HUB = "hub"
METRICS = {"Metric", "_metric", "_flag", "_text", "_own", "_air", "_degrees", "_energy"}
"""Calls that make a metric: of its class, and of helpers of tables of metrics."""


class Message(NamedTuple):
    """A message of the code; `where` is file:line of its first place."""

    english: str
    where: str


class Wrong(Exception):
    """What is wrong in the code or in a catalogue, one line each."""


def domains() -> dict[str, Path]:
    """Return the folder of each catalogue: the hub with its command line and its backend, and each plugin here."""
    found = {HUB: ROOT / "hub"}
    for group in ("integrations", "plugins"):
        found |= {one.name: one for one in sorted((ROOT / group).iterdir()) if (one / "__init__.py").is_file()}
    return found


def sources(domain: str, folder: Path) -> Iterator[Path]:
    yield from sorted(folder.rglob("*.py"))
    if domain == "hub":
        yield from sorted((ROOT / "backend").rglob("*.py"))


def extract(domain: str, folder: Path) -> dict[str, Message]:
    """Return the messages of a domain by code. Raises Wrong."""
    found: dict[str, Message] = {}
    wrong: list[str] = []
    for path in sources(domain, folder):
        text = path.read_text(encoding="utf-8")
        if not any(name in text for name in (*FUNCTIONS, TABLE, PREFIX, *METRICS)):
            continue
        tree = ast.parse(text)
        prefix = _prefix(tree)
        for node in ast.walk(tree):
            for code, english, line in (*_messages(node, wrong, path, prefix), *_metrics(node, domain)):
                where = f"{path.relative_to(ROOT)}:{line}"
                former = found.get(code)
                if former is not None and former.english != english:
                    wrong.append(f"{where}: {code!r} has another sentence at {former.where}: each has its own code")
                elif domain != "hub" and not code.startswith(f"{domain}."):
                    wrong.append(f"{where}: {code!r} begins with the plugin's name: {domain}.{code}")
                elif domain == "hub" and "." in code:
                    wrong.append(f"{where}: {code!r} has a point: only a plugin's code has one, after its name")
                else:
                    found.setdefault(code, Message(english, where))
    for code, message in options().get(domain, {}).items() if folder.is_relative_to(IMPORTED) else ():
        found.setdefault(code, message)
    if wrong:
        raise Wrong("\n".join(wrong))
    return found


@cache
def options() -> dict[str, dict[str, Message]]:
    """Return the texts of the options of all that ships, by domain and code. Raises Wrong."""
    from hub.config.schema import schema
    from hub.plugin_host.opening import installed_nowhere
    from hub.plugin_host.registry import Registry

    registry = Registry.discover()
    try:
        whole = schema(installed_nowhere(registry))
    except Exception as error:
        raise Wrong(f"the options cannot be described: {type(error).__name__}: {error}") from error
    if broken := [str(one.error) for one in registry.plugins.values() if one.shipped and one.error]:
        raise Wrong("\n".join(broken))
    found: dict[str, dict[str, Message]] = {}
    wrong: list[str] = []
    places = _places()
    for code, english, option in _options(whole):
        domain = code.partition(".")[0] if "." in code else HUB
        message = Message(english, f"{places.get(option) or places.get(option.rpartition('-')[0], 'hub/config')}:0")
        former = found.setdefault(domain, {}).setdefault(code, message)
        if former.english != english:
            wrong.append(f"{code} has two sentences: give one of its classes a `text_code`: {english[:60]!r}")
    if wrong:
        raise Wrong("\n".join(wrong))
    return found


def _places() -> dict[str, str]:
    """Return the file of each model of options, by its code."""
    from hub.config.field_types import Section
    from hub.core.option_text import code_of
    from hub.sdk.options import Config

    found: dict[str, str] = {}
    models: list[type[Any]] = [Section, Config]
    while models:
        model = models.pop()
        models += model.__subclasses__()
        file = Path(getattr(sys.modules.get(model.__module__), "__file__", None) or ROOT)  # a test may have dropped it
        if file.is_relative_to(ROOT):
            found[code_of(model)] = str(file.relative_to(ROOT))
    return found


def _options(node: Any) -> Iterator[tuple[str, str, str]]:
    """Yield (code, English, option) of what a schema says: helps, and titles of an option or of all of a name."""
    from hub.core.option_text import CODE, OWN_TITLE, plain_title

    if isinstance(node, list):
        for one in node:
            yield from _options(one)
    if not isinstance(node, dict):
        return
    if (code := node.get(CODE)) and "description" in node:
        yield f"{code}-help", escaped(node["description"]), code
    for name, one in (node.get("properties") or {}).items():
        yield from _options(one)
        if isinstance(one, dict) and str(one.get(CODE)).endswith(f"-{name}"):
            code = one[CODE]
            yield f"{code}-title" if one.get(OWN_TITLE) else f"option-title-{name}", plain_title(name), code
    for key, one in node.items():
        if key not in ("properties", "default", "examples", "enum", "const"):
            yield from _options(one)


def escaped(text: str) -> str:
    """Return a text without placeholders as a template: what stands in braces in the help of an option is filled in by
    nobody."""
    return text.replace("{", "{{").replace("}", "}}")


def _prefix(tree: ast.Module) -> str:
    """Return how the codes of the tables of a module begin."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and [getattr(one, "id", "") for one in node.targets] == [PREFIX]:
            return _literal(node.value) or ""
    return ""


def _messages(node: ast.AST, wrong: list[str], path: Path, prefix: str) -> Iterator[tuple[str, str, int]]:
    if isinstance(node, ast.Call):
        if _called(node) not in FUNCTIONS or len(node.args) < 2:
            return
        code, english = (_literal(one) for one in node.args[:2])
        where = f"{path.relative_to(ROOT)}:{node.lineno}"
        if code is None or english is None:
            wrong.append(f"{where}: the code and the sentence of phrase() are literal texts")
            return
        given = {one.arg for one in node.keywords}
        if None not in given and given != placeholders(english):
            wrong.append(
                f"{where}: {code!r} has placeholders {sorted(placeholders(english))} and gets {sorted(map(str, given))}"
            )
        yield code, english, node.lineno
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        tables = {TABLE, REASONS} if prefix else {TABLE}
        if any(isinstance(one, ast.Name) and one.id in tables for one in targets) and isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                code, english = _literal(key) if key else None, _literal(value)
                if code is None or english is None:
                    wrong.append(
                        f"{path.relative_to(ROOT)}:{value.lineno}: {TABLE} maps literal codes to literal texts"
                    )
                else:
                    yield prefix + code, english, value.lineno


def _metrics(node: ast.AST, domain: str) -> Iterator[tuple[str, str, int]]:
    """Yield the name of a metric: of `hub.Metric(key="valve", en="Valve")`, or of a row of the catalogue."""
    if not isinstance(node, ast.Call) or _called(node) not in METRICS:
        return
    given = {one.arg: one.value for one in node.keywords}
    key, english = given.get("key") or (node.args[0] if node.args else None), given.get("en")
    key, english, code = (_literal(one) if one else None for one in (key, english, given.get("code")))
    if english and "fr" not in given and (code or key):
        yield code or f"{'' if domain == HUB else f'{domain}.'}metric-{key}", english, node.lineno


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _literal(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def catalogue(domain: str, folder: Path, lang: str) -> Path:
    return folder / "locale" / lang / "LC_MESSAGES" / f"{domain}.po"


def load(path: Path) -> polib.POFile:
    return polib.pofile(str(path), wrapwidth=120) if path.exists() else polib.POFile(wrapwidth=120)


def update(domain: str, folder: Path, lang: str) -> None:
    """Write a catalogue: every message of the code, sorted by code, translations kept. A message whose English changed
    becomes fuzzy: somebody looks whether its translation still says the same."""
    path, messages = catalogue(domain, folder, lang), extract(domain, folder)
    if not messages:
        return
    former = {entry.msgctxt: entry for entry in load(path)}
    made = polib.POFile(wrapwidth=120)
    made.metadata = {
        "Project-Id-Version": f"ilot {domain}", "Language": lang, "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8", "Content-Transfer-Encoding": "8bit",
    }  # fmt: skip
    for code, message in sorted(messages.items()):
        entry = polib.POEntry(msgctxt=code, msgid=message.english, msgstr="", comment=message.where.rpartition(":")[0])
        if (known := former.get(code)) is not None:
            entry.msgstr, entry.flags = known.msgstr, list(known.flags)
            if known.msgid != message.english and known.msgstr and "fuzzy" not in entry.flags:
                entry.flags.append("fuzzy")
        made.append(entry)
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save(str(path))


def check(domain: str, folder: Path, lang: str) -> Iterator[str]:
    """Yield what is wrong with a catalogue, one line each."""
    from hub.i18n.catalogues import problem_with

    path = catalogue(domain, folder, lang)
    shown = path.relative_to(ROOT)
    messages = extract(domain, folder)
    known = {}
    for entry in load(path):
        code = entry.msgctxt or ""
        known[code] = entry
        message = messages.get(code)
        if message is None:
            yield f"{shown}:{entry.linenum}: {code!r} is unused: python tools/catalogues.py update"
        elif message.english != entry.msgid:
            yield f"{shown}:{entry.linenum}: {code!r} is of another sentence: python tools/catalogues.py update"
        elif not entry.msgstr:
            yield f"{shown}:{entry.linenum}: {code!r} has no translation: {message.english}"
        elif "fuzzy" in entry.flags:
            yield f"{shown}:{entry.linenum}: {code!r} is to be looked at; then remove its `fuzzy`"
        elif problem := problem_with(entry.msgstr):
            yield f"{shown}:{entry.linenum}: {code!r}: {problem}"
        elif placeholders(entry.msgstr) != placeholders(entry.msgid):
            yield f"{shown}:{entry.linenum}: {code!r} has other placeholders than its English: {entry.msgid}"
    for code in messages.keys() - known.keys():
        yield f"{messages[code].where}: {code!r} is not in {shown}: python tools/catalogues.py update"


def compile_all() -> None:
    """Write each .mo that is older than its .po. Entries that are fuzzy or empty are left out: they stay English."""
    for domain, folder in domains().items():
        for lang in LANGUAGES:
            source = catalogue(domain, folder, lang)
            target = source.with_suffix(".mo")
            if source.exists() and not (target.exists() and target.stat().st_mtime >= source.stat().st_mtime):
                made = target.with_suffix(".new")
                load(source).save_as_mofile(str(made))
                made.replace(target)


def main(arguments: list[str]) -> int:
    if arguments == ["compile"]:
        compile_all()
        return 0
    if arguments not in (["update"], ["check"]):
        print(__doc__, file=sys.stderr)
        return 2
    found: list[str] = []
    for domain, folder in domains().items():
        for lang in LANGUAGES:
            try:
                if arguments == ["update"]:
                    update(domain, folder, lang)
                else:
                    found += check(domain, folder, lang)
            except Wrong as problems:
                found += str(problems).splitlines()
    print(*found, sep="\n", file=sys.stderr, end="\n" if found else "")
    if arguments == ["check"]:
        print(f"catalogues: {len(found)} things lack")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
