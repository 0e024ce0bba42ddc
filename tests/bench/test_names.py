"""Scripts beside the house are not type-checked, and most run only when somebody measures: their names are checked."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOUSE = ("hub", "backend", "integrations", "plugins")


def taken(script: Path) -> Iterator[tuple[str, str]]:
    """(module, name) for each name that a script imports from the house."""
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in HOUSE:
            yield from ((node.module, alias.name) for alias in node.names)


def there(module: str, name: str) -> bool:
    found = import_module(module)
    return hasattr(found, name) or (hasattr(found, "__path__") and find_spec(f"{module}.{name}") is not None)


def test_every_name_that_benchmarks_and_tools_take_from_the_house_is_there() -> None:
    scripts = [*ROOT.glob("bench/**/*.py"), *ROOT.glob("tools/*.py")]
    names = {(script, *one) for script in scripts for one in taken(script)}
    assert len(names) > 100
    missing = [
        f"{script.relative_to(ROOT)}: {module}.{name}" for script, module, name in names if not there(module, name)
    ]
    assert missing == []
