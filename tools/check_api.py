"""Compare the plugin API with that of the last release. Fails with one line for each thing that a plugin would miss.

    python tools/check_api.py            compare with docs/reference/plugin-api.txt
    python tools/check_api.py --write    a release: write that file anew, where the comparison passes

What was removed or narrowed is right only where the file names it in ENDS, and the version of pyproject.toml has come
to it. What is new is told.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

import api_surface  # noqa: E402 - found through the line above

FILE = ROOT / "docs/reference/plugin-api.txt"
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Change(NamedTuple):
    """A difference: of which member, what it is, and whether a plugin may miss something."""

    member: str
    what: str
    breaks: bool = True


def main(arguments: list[str]) -> int:
    write = arguments == ["--write"]
    if arguments and not write:
        print(__doc__, file=sys.stderr)
        return 2
    version: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    now = api_surface.surface(version)
    released = FILE.read_text() if FILE.exists() else now
    found = list(changes(released, now))
    wrong = list(problems(found, released, version))
    for change in found:
        if not change.breaks:
            print(f"plugin API: {change.member} {change.what}")
    for line in wrong:
        print(line, file=sys.stderr)
    if write and not wrong:
        FILE.write_text(now)
    print(f"plugin API: {len(found)} differences from the last release, {len(wrong)} that a plugin would miss")
    return 1 if wrong else 0


def problems(found: list[Change], released: str, version: str) -> Iterator[str]:
    """A line for each change that breaks and was not announced for this version."""
    ends = _ends(ast.parse(released))
    for change in found:
        if not change.breaks:
            continue
        end = next((ends[name] for name in _above(change.member) if name in ends), "")
        if not end:
            yield (
                f"plugin API: {change.member} {change.what}. Keep it as it was; to end it, name it in "
                "hub/sdk/deprecations.py with the version of its end, and keep it working until then"
            )
        elif _numbers(version) < _numbers(end):
            yield f"plugin API: {change.member} {change.what}, which was announced for {end}, and this is {version}"


def changes(old: str, new: str) -> Iterator[Change]:
    """Yield each difference between two surfaces."""
    before, after = ({_called(node): node for node in ast.parse(text).body} for text in (old, new))
    yield from _announced(_ends(ast.parse(old)), _ends(ast.parse(new)))
    for name, node in before.items():
        if name not in after:
            yield Change(name, "is gone")
        elif name != "ENDS":
            yield from _compared(name, node, after[name])
    yield from (Change(name, "is new", False) for name in after if name not in before)


def _announced(before: dict[str, str], after: dict[str, str]) -> Iterator[Change]:
    for name, version in after.items():
        if name not in before:
            yield Change(name, f"ends with {version}", False)
        elif _numbers(version) < _numbers(before[name]):
            yield Change(f"ENDS.{name}", f"ends with {version}, and {before[name]} was said")


def _compared(name: str, old: ast.stmt, new: ast.stmt) -> Iterator[Change]:
    if isinstance(old, ast.ClassDef) and isinstance(new, ast.ClassDef):
        yield from _classes(name, old, new)
    elif isinstance(old, Function) and isinstance(new, Function):
        yield from _functions(name, old, new)
    elif isinstance(old, ast.AnnAssign) and isinstance(new, ast.AnnAssign):
        yield from _fields(name, old, new)
    elif isinstance(old, ast.Assign) and isinstance(new, ast.Assign):
        yield from _values(name, old.value, new.value)
    else:
        yield Change(name, "is something else")


def _classes(name: str, old: ast.ClassDef, new: ast.ClassDef) -> Iterator[Change]:
    heads = [ast.unparse(ast.Call(ast.Name(name), one.bases, one.keywords)) for one in (old, new)]
    if heads[0] != heads[1]:
        yield Change(name, f"is made as {heads[1]}, and was as {heads[0]}")
    before, after = ({_called(node): node for node in one.body} for one in (old, new))
    for member, node in before.items():
        if member not in after:
            yield Change(f"{name}.{member}", "is gone")
        elif member:
            yield from _compared(f"{name}.{member}", node, after[member])
    kept = [member for member in after if member in before]
    by_position = _is_struct(new) and "kw_only" not in {key.arg for key in new.keywords}
    if by_position and kept != [member for member in before if member in after]:
        yield Change(name, "has its fields in another order")
    for member, node in after.items():
        if member in before:
            continue
        field = isinstance(node, ast.AnnAssign)
        if field and isinstance(node, ast.AnnAssign) and node.value is None:
            yield Change(f"{name}.{member}", "is a new field that must be given")
        elif field and by_position and list(after).index(member) < len(kept):
            yield Change(f"{name}.{member}", "is a new field before others")
        else:
            yield Change(f"{name}.{member}", "is new", False)


def _is_struct(node: ast.ClassDef) -> bool:
    return any("Struct" in ast.unparse(base) for base in node.bases)


def _fields(name: str, old: ast.AnnAssign, new: ast.AnnAssign) -> Iterator[Change]:
    if ast.unparse(old.annotation) != ast.unparse(new.annotation):
        yield Change(name, f"is {ast.unparse(new.annotation)}, and was {ast.unparse(old.annotation)}")
    yield from _default(name, old.value, new.value)


def _default(name: str, old: ast.expr | None, new: ast.expr | None) -> Iterator[Change]:
    if old is not None and new is None:
        yield Change(name, "must be given")
    elif old is not None and new is not None and ast.unparse(old) != ast.unparse(new):
        yield Change(name, f"is {ast.unparse(new)} where it is not given, and was {ast.unparse(old)}", False)


def _values(name: str, old: ast.expr, new: ast.expr) -> Iterator[Change]:
    """Tables have the same rows, sets of words no fewer words, anything else is the same."""
    if isinstance(old, ast.Dict) and isinstance(new, ast.Dict):
        before, after = (dict(zip(map(_text, one.keys), map(_text, one.values), strict=True)) for one in (old, new))
        names = {key: key if name == "FORMER" else f"{name}.{key}" for key in {**before, **after}}
        for key, value in before.items():
            if key not in after:
                yield Change(names[key], "is gone")
            elif after[key] != value:
                yield Change(names[key], f"is {after[key]}, and was {value}", name != "FORMER")
        yield from (Change(names[key], "is new", False) for key in after if key not in before)
    elif missing := _alternatives(old) - _alternatives(new):
        yield Change(name, f"is not {' or '.join(sorted(missing))} any more")
    elif more := _alternatives(new) - _alternatives(old):
        yield Change(name, f"may be {' or '.join(sorted(more))}", False)


class _Parameter(NamedTuple):
    name: str
    annotation: ast.expr | None
    default: ast.expr | None
    positional: bool


def _parameters(node: Function) -> list[_Parameter]:
    said = node.args
    positional = [*said.posonlyargs, *said.args]
    defaults = [None] * (len(positional) - len(said.defaults)) + said.defaults
    found = [
        _Parameter(one.arg, one.annotation, default, True) for one, default in zip(positional, defaults, strict=True)
    ]
    found += [
        _Parameter(one.arg, one.annotation, default, False)
        for one, default in zip(said.kwonlyargs, said.kw_defaults, strict=True)
    ]
    found += [_Parameter(f"*{one.arg}", one.annotation, ast.Constant(()), False) for one in (said.vararg,) if one]
    return [
        *found,
        *(_Parameter(f"**{one.arg}", one.annotation, ast.Constant({}), False) for one in (said.kwarg,) if one),
    ]


def _functions(name: str, old: Function, new: Function) -> Iterator[Change]:
    """Each call that was right is right; of a hook, each implementation."""
    for what, forms in (
        ("is awaited otherwise", [type(one) for one in (old, new)]),
        ("is read otherwise", [[ast.unparse(mark) for mark in one.decorator_list] for one in (old, new)]),
    ):
        if forms[0] != forms[1]:
            yield Change(name, what)
    before, after = _parameters(old), {one.name: one for one in _parameters(new)}
    places = [one.name for one in _parameters(new) if one.positional]
    for place, one in enumerate(before):
        other = after.get(one.name)
        if other is None:
            yield Change(f"{name}.{one.name}", "is no parameter any more")
            continue
        if one.positional and (not other.positional or places.index(one.name) != place):
            yield Change(f"{name}.{one.name}", "has another place")
        if missing := _alternatives(one.annotation) - _alternatives(other.annotation):
            yield Change(f"{name}.{one.name}", f"takes no {' or '.join(sorted(missing))} any more")
        elif more := _alternatives(other.annotation) - _alternatives(one.annotation):
            yield Change(f"{name}.{one.name}", f"takes {' or '.join(sorted(more))} too", False)
        yield from _default(f"{name}.{one.name}", one.default, other.default)
    for parameter in after.values():
        if parameter.name not in {one.name for one in before}:
            free = parameter.default is not None or name.startswith("hooks.")  # pluggy gives what a hook asks for
            yield Change(
                f"{name}.{parameter.name}", "is new" if free else "is a new parameter that must be given", not free
            )
    if more := _alternatives(new.returns) - _alternatives(old.returns):
        yield Change(name, f"returns {' or '.join(sorted(more))} too")


def _alternatives(annotation: ast.expr | None) -> set[str]:
    """The members of a union and of a `Literal`; of anything else itself."""
    if annotation is None:
        return set()
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return _alternatives(annotation.left) | _alternatives(annotation.right)
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Literal":
        words = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        return set(map(ast.unparse, words))
    return {ast.unparse(annotation)}


def _called(node: ast.stmt) -> str:
    """The name that a statement makes, "" for none."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name
    target = (
        node.target if isinstance(node, ast.AnnAssign) else node.targets[0] if isinstance(node, ast.Assign) else None
    )
    return ast.unparse(target) if target is not None else ""


def _ends(tree: ast.Module) -> dict[str, str]:
    """Member → version of its end."""
    for node in tree.body:
        if _called(node) == "ENDS" and isinstance(node, ast.Assign):
            found: dict[str, str] = ast.literal_eval(node.value)
            return found
    return {}


def _above(member: str) -> list[str]:
    """A member and what it is part of: what ends takes its parts with it."""
    parts = member.split(".")
    return [".".join(parts[:length]) for length in range(len(parts), 0, -1)]


def _numbers(version: str) -> tuple[int, ...]:
    """A version for comparison: 1.0 is 1.0.0."""
    numbers = [int(part) for part in version.split(".")]
    return (*numbers, *[0] * (3 - len(numbers)))


def _text(node: ast.expr | None) -> str:
    return str(ast.literal_eval(node)) if node is not None else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
