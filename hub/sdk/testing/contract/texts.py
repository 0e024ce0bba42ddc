"""Contract test: whatever people read of an integration is there in English and in French."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

from hub.core.catalogue_domain import HUB, domain_of
from hub.core.option_text import CODE, OWN_TITLE, texts_of
from hub.i18n import catalogues
from hub.i18n.catalogue_file import CatalogueFile
from hub.i18n.reasons.table import PREFIX
from hub.sdk.options import Config
from hub.sdk.testing.contract.world import World, decoders

FRENCH = "fr"


def complete(world: World) -> list[str]:
    """Options, reasons, metrics and sentences that have no English text, or no French one."""
    one, module = world.registered(), world.imported()
    domain = domain_of(module.__name__)
    known = _French(module.__name__, domain)
    problems = [*_options(one.config, known)]
    problems += _options(one.device, known) if one.device is not None else []
    for reason, said in one.reasons.items():
        code = getattr(said, "code", f"{domain}.{PREFIX}{reason}")
        if isinstance(said, str) and code not in known:
            problems.append(f"the reason {reason!r} has no French: {code} in the catalogue")
    read = [metric for decoder in decoders(module) for metric in decoder.metrics]
    for metric in dict.fromkeys([*one.metrics, *read]):
        code = metric.code or f"{domain}.metric-{metric.key}"
        if not metric.en:
            problems.append(f"the metric {metric.key!r} has no English name: en=…")
        if not metric.fr and code not in known and f"metric-{metric.key}" not in known:
            problems.append(f"the metric {metric.key!r} has no French name: {code} in the catalogue")
    return list(dict.fromkeys([*problems, *_sentences(module.__name__, domain, known)]))


class _French:
    """French by code: of the hub and of the plugin, whose catalogue is found beside its code where it is not
    installed."""

    def __init__(self, module: str, domain: str) -> None:
        self._known = [catalogues.messages(HUB, FRENCH), catalogues.messages(domain, FRENCH)]
        paths = [folder / "locale" / FRENCH / "LC_MESSAGES" / f"{domain}.mo" for folder in _packages(module)]
        self._known += [catalogues.Messages(CatalogueFile(path)) for path in paths if path.is_file()]

    def __contains__(self, code: str) -> bool:
        return bool(self[code])

    def __getitem__(self, code: str) -> str:
        return next((said for known in self._known if (said := known.get(code))), "")


def _packages(module: str) -> Iterator[Path]:
    """The folders around a module, the innermost first, up to its outermost package."""
    import sys

    names = module.split(".")
    for depth in range(len(names), 0, -1):
        for place in getattr(sys.modules.get(".".join(names[:depth])), "__path__", ()):
            yield Path(place)


def _options(model: type[Config], known: _French) -> Iterator[str]:
    schema = model.model_json_schema()
    for name, one in {model.__name__: schema, **schema.get("$defs", {})}.items():
        if "properties" not in one or CODE not in one:
            continue
        if not one.get("description"):
            yield f"the model {name} has no docstring: it is the help of its section"
        elif not _in_french(one, "help", known):
            yield f"the help of the model {name} has no French: {one[CODE]}-help in the catalogue"
        for key, option in one["properties"].items():
            if not isinstance(option, dict) or CODE not in option:
                continue
            if "description" not in option and "$ref" not in option and "allOf" not in option:
                yield f"the option {name}.{key} has no help: description=… of its field"
            elif "description" in option and not _in_french(option, "help", known):
                yield f"the help of {name}.{key} has no French: {option[CODE]}-help in the catalogue"
            if not _titled(option, key, known):
                yield f"the title of {name}.{key} has no French: title=… of the field, and {option[CODE]}-title"


def _in_french(schema: Any, part: str, known: _French) -> bool:
    said = texts_of(schema).get(part, "")
    return bool(said) and (said != schema.get(CODE) or f"{said}-{part}" in known)


def _titled(option: Any, key: str, known: _French) -> bool:
    if _in_french(option, "title", known):
        return True
    return not option.get(OWN_TITLE) and f"option-title-{key}" in known


def _sentences(module: str, domain: str, known: _French) -> Iterator[str]:
    """Yield what is wrong with each `phrase("code", "English", …)` in the source of a plugin."""
    if domain == HUB:
        return
    for path in sorted(_sources(module)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and len(node.args) >= 2 and getattr(node.func, "id", "") == "phrase"):
                continue
            code, english = (one.value if isinstance(one, ast.Constant) else None for one in node.args[:2])
            where = f"{path.name}:{node.lineno}"
            if not isinstance(code, str) or not isinstance(english, str):
                yield f"{where}: the code and the sentence of phrase() are literal texts"
            elif code not in known:
                yield f"{where}: the sentence {code!r} has no French: {english}"
            elif _names(known[code]) - _names(english):
                yield f"{where}: the French of {code!r} names what its English does not: {known[code]}"


def _names(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def _sources(module: str) -> set[Path]:
    import sys

    folders = list(_packages(module))
    if folders:
        own = next((one for one in folders if (one / "locale").is_dir()), folders[0])
        return {path for path in own.rglob("*.py") if "sim" not in (path.stem, path.parent.name)}
    file = getattr(sys.modules.get(module), "__file__", None)
    return {Path(file)} if file else set()
