"""The seam between the backend's rules and its databases: no SQL and no cursor outside an engine."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

BACKEND = Path(__file__).parents[2] / "backend"
ENGINES = tuple(BACKEND / "storage" / name for name in ("sqlite", "postgresql", "city"))
SQL = re.compile(
    r"(?is)\b(select\s.+\sfrom\s|insert\s+(or\s+\w+\s+)?into\s|update\s+\S+\s+set\s|delete\s+from\s|pragma\s+\w"
    r"|(create|alter|drop)\s+(unique\s+)?(table|index|view|trigger)\s|begin\s+(immediate|exclusive)\b)"
)
CALLS = {"execute", "executemany", "executescript", "cursor", "fetchone", "fetchall"}


def sql_in(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of SQL in string constants, and of calls of a cursor. Docstrings may tell of it."""
    tree = ast.parse(source)
    documents = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in documents and SQL.search(node.value):
                yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(str(one.value) if isinstance(one, ast.Constant) else "x" for one in node.values)
            if SQL.search(text):
                yield node.lineno, text
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CALLS:
            yield node.lineno, node.func.attr


def test_no_sql_and_no_cursor_stands_outside_an_engine() -> None:
    files = [path for path in BACKEND.rglob("*.py") if not any(path.is_relative_to(engine) for engine in ENGINES)]
    assert len(files) > 60
    found = [
        f"{path.relative_to(BACKEND)}:{line}: {text[:60]}"
        for path in files
        for line, text in sql_in(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        'text = "select hub from hubs"',
        'text = f"SELECT {names} FROM hubs"',
        'text = "insert or ignore into meta values (1)"',
        'text = """\n  update hubs set state = 1"""',
        'text = "pragma secure_delete = on"',
        'text = "create unique index a on b (c)"',
        "storage.connection.execute(text)",
    ],
)
def test_sql_and_cursors_are_found(line: str) -> None:
    assert list(sql_in(line))


@pytest.mark.parametrize(
    "line",
    [
        '"""A sentence: select a hub from the list."""',
        'text = "delete what came from it"',
        "orders._execute(hub, order)",
    ],
)
def test_other_words_are_no_sql(line: str) -> None:
    assert not list(sql_in(line))
