"""The surface that plugins rely on, as one text in the form of a Python stub: what can be called, read and written.

It is made from the sources: hooks, the names of `hub`, a session and its parts, the keys of a manifest, the metrics of
the catalogue, and what of all that ends with which version.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

HEAD = """\
# The plugin API of Îlot {version}: what plugins rely on. Written at a release by `tools/check_api.py --write`, compared
# by `make check` since. What stands here works until the version that ENDS gives it, or without an end.
"""
PARTS = ("Bus", "Http", "Network", "Packs", "Polling", "Radio", "Turn")
"""Parts of a session that are no names of `hub`."""
KEYS = ("ManifestKeys", "ApiKeys", "PermissionKeys")


def surface(version: str) -> str:
    """Return the whole text, for a version of Îlot."""
    return "\n".join([HEAD.format(version=version), *_parts()]) + "\n"


def _parts() -> Iterator[str]:
    hub = importlib.import_module("hub")
    session = importlib.import_module("hub.sdk.session")
    yield f"ENDS = {_table(ends())}\n"
    yield _class(importlib.import_module("hub.sdk.hookspecs").Hooks, "hooks") + "\n"
    for name in sorted(hub.__all__):
        yield _name(name, getattr(hub, name), hub._MODULE_OF[name]) + "\n"
    for name in PARTS:
        yield _class(getattr(session, name), name) + "\n"
    for name in ("Answer", "Polled"):
        yield _assigned("hub.sdk.session", name) + "\n"
    manifest = importlib.import_module("hub.plugin_host.manifest_file")
    for name in KEYS:
        yield _keys(getattr(manifest, name)) + "\n"
    yield f"FORMER = {_table(former())}"


def former() -> dict[str, str]:
    """Former names, `hub.X` and `session.x`, and where each stands now."""
    hub, rules = importlib.import_module("hub"), importlib.import_module("hub.sdk.session_rules")
    names = {f"hub.{name}": new for name, new in hub._FORMER.items()}
    members = {"emit_all": "emit", **rules.FORMER}
    return names | {f"session.{name}": f"session.{new}" for name, new in members.items()}


def ends() -> dict[str, str]:
    """Member → the version with which it ends."""
    said = importlib.import_module("hub.sdk.deprecations")
    of_names = {"hub": said.FORMER_NAMES, "session": said.FORMER_MEMBERS}
    return {**said.ENDS, **{name: of_names[name.partition(".")[0]] for name in former()}}


def _table(rows: Mapping[str, str]) -> str:
    return "{\n" + "".join(f"    {name!r}: {value!r},\n" for name, value in sorted(rows.items())) + "}"


def _name(name: str, value: Any, module: str) -> str:
    if name == "METRICS":
        kept = {key: f"{metric.unit}, {metric.kind}" for key, metric in value.items()}
        return f"METRICS = {_table(kept)}"
    if inspect.isclass(value) and value.__module__.startswith("hub."):
        return _class(value, name)
    if module.startswith("hub."):
        return _assigned(module, name)
    return f"{name} = {module}.{name}"


def _assigned(module: str, name: str) -> str:
    """The line of a module that makes a name."""
    for node in ast.parse(inspect.getsource(importlib.import_module(module))).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.unparse(node)
    raise LookupError(f"{module} does not assign {name}")


def _source(value: type) -> ast.ClassDef:
    node = ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]
    if not isinstance(node, ast.ClassDef):
        raise TypeError(f"{value} is no class")
    return node


def _class(value: type, name: str) -> str:
    """A class with its public members, without what they do."""
    node = _source(value)
    node.name, node.decorator_list = name, []
    node.body = [kept for one in node.body if (kept := _member(one))] or [ast.Expr(ast.Constant(...))]
    return ast.unparse(ast.fix_missing_locations(node))


def _member(node: ast.stmt) -> ast.stmt | None:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        public = node.name in ("__init__", "__call__", "__aiter__") or not node.name.startswith("_")
        node.body = [ast.Expr(ast.Constant(...))]
        node.decorator_list = [one for one in node.decorator_list if "hookspec" not in ast.unparse(one)]
        return node if public else None
    target = getattr(node, "target", None) or getattr(node, "targets", [None])[0]
    public = isinstance(target, ast.Name) and not target.id.startswith("_") and target.id != "model_config"
    return node if public else None


def _keys(model: Any) -> str:
    """The keys of a model as they are written, those that may be left out with `...`."""
    node = _source(model)
    texts = {
        ast.unparse(one.target): ast.unparse(one.annotation) for one in node.body if isinstance(one, ast.AnnAssign)
    }
    lines = [f"class {model.__name__}:"]
    for field, info in model.model_fields.items():
        lines.append(f"    {field}: {texts[field]}" + ("" if info.is_required() else " = ..."))
    return "\n".join(lines)
