"""Reference pages written from the code: the plugin API, the command line, the layers."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import tomllib
from collections.abc import Iterator
from enum import Enum
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

import click
import msgspec

ROOT = Path(__file__).resolve().parent.parent

Page = tuple[str, str]
"""A path below docs/ and its whole text."""

_NOTE = "<!-- Written from the code by `make docs`. Edit the docstrings, not this page. -->\n"
_PLUGINS = """A plugin is a Python module named by an entry point of the group `hub.plugins`. It imports `hub` and
`hub.sdk`, and nothing else of the hub. The [tutorial](../tutorials/first-integration.md) makes one. Names of
`hub`, a session and the hooks end only with a version that a release before it named; they stand on
[one page](plugin-api.txt). Other names of `hub.sdk` may change with any release, with a line in the changelog.
"""
_HOOKS = """Mark an implementation with `@hub.hookimpl`. Hooks are called for one plugin at a time: one that raises
loses only itself.
"""


SDK = (
    "session", "hookspecs", "options", "exporter", "finding", "notification", "transport", "addresses", "http",
    "http_server", "jsonpath", "metric_names", "mqtt", "nesting", "phrases", "poll_backoff", "sampling",
    "sandboxed_process", "serial_line", "tls", "udp", "link_values", "simulation", "replaying",
    "testing", "testing.contract", "testing.peers", "pytest_plugin",
)  # fmt: skip
"""Modules of `hub.sdk` that the reference lists, in its order."""


def pages() -> list[Page]:
    return [hooks(), metrics(), configuration(), command_line(), packs(), layers(), operator_api(), city_api()]


def hooks() -> Page:
    """Every hook, every name of `hub` and of `hub.sdk`, each with its members, signatures and docstrings."""
    hub = importlib.import_module("hub")
    specs = importlib.import_module("hub.sdk.hookspecs").Hooks
    out = [
        "# Hooks and the plugin API\n",
        _NOTE,
        _PLUGINS,
        "## Hooks\n",
        _HOOKS,
    ]
    for name, hook in sorted(vars(specs).items()):
        if inspect.isfunction(hook) and not name.startswith("_") and name != "register_uplinks":
            out += [f"### `{name}`\n", _code(f"def {name}{_signature(hook)}"), _text(hook.__doc__)]
    out.append("## Names of `hub`\n")
    for name in sorted(hub.__all__):
        out += [f"### `{name}`\n", *_describe(name, getattr(hub, name))]
    out += _manifest()
    for module, names in _sdk().items():
        out += [
            f"## Names of `{module}`\n",
            _text((inspect.getdoc(importlib.import_module(module)) or "").split("\n\n")[0]),
        ]
        for name, value in names.items():
            out += [f"### `{module}.{name}`\n", *_describe(name, value, module)]
    return "reference/hooks.md", _page(out)


def _manifest() -> list[str]:
    """What a plugin's manifest may say: an example, its keys, and what each permission allows."""
    module = importlib.import_module("hub.plugin_host.manifest_file")
    structs = importlib.import_module("hub.plugin_host.manifest")
    example = (inspect.getdoc(module) or "").partition("\n\n")[2]
    text = (
        f"`{structs.FILE}`, in the package that the entry point names. What it does not allow is refused. "
        f"[Why](../explanation/plugin-threat-model.md).\n"
    )
    rows = [
        f"| `{prefix}{info.alias or name}` | {'yes' if info.is_required() else ''} |"
        for prefix, model in (
            ("", module.ManifestKeys),
            ("api.", module.ApiKeys),
            ("permissions.", module.PermissionKeys),
        )
        for name, info in model.model_fields.items()
    ]
    return [
        "## Manifest\n", text, f"```yaml\n{example}\n```\n", "| key | must be there |", "|---|---|", *rows, "",
        "### Permissions\n", _text(structs.Permissions.__doc__),
    ]  # fmt: skip


def _sdk() -> dict[str, dict[str, Any]]:
    """Module of `hub.sdk` → its public names that `hub` does not have."""
    facade = importlib.import_module("hub")
    found: dict[str, dict[str, Any]] = {}
    for module in (importlib.import_module(f"hub.sdk.{name}") for name in SDK):
        names = getattr(module, "__all__", None) or [
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
        ]
        own = {name: getattr(module, name) for name in names if name not in facade.__all__}
        found[module.__name__] = {n: v for n, v in own.items() if inspect.isclass(v) or inspect.isfunction(v)}
    return found


def undocumented() -> Iterator[str]:
    """What the reference of the plugin API lacks: a name or a member without a docstring, a field that no docstring
    names."""
    facade = importlib.import_module("hub")
    names = {f"hub.{name}": getattr(facade, name) for name in facade.__all__}
    for module, members in _sdk().items():
        names |= {f"{module}.{name}": value for name, value in members.items()}
    for name, value in names.items():
        yield from _lacks(name, value)


def _lacks(name: str, value: Any) -> Iterator[str]:
    """What is not documented of one public name of the hub's own."""
    if not getattr(value, "__module__", "").startswith("hub."):
        return
    text = value.__doc__ or ""
    if (inspect.isclass(value) or inspect.isfunction(value)) and (not text or text.startswith(f"{value.__name__}(")):
        yield f"{name} has no docstring"
    if not inspect.isclass(value):
        return
    for member, function in _methods(value):
        if not _member_doc(value, member, function):
            yield f"{name}.{member} has no docstring"
    if issubclass(value, msgspec.Struct):
        for field in value.__struct_fields__:
            if not re.search(rf"`{field}`", text):
                yield f"{name}.{field}: the docstring of the class does not name it"


def _member_doc(owner: type, name: str, member: Any) -> str:
    """The docstring of a member: its own, or of what the class says that it implements."""
    own = inspect.getdoc(getattr(owner, name, member)) if not isinstance(member, property) else inspect.getdoc(member)
    if own:
        return own
    model = re.search(r"Implements `([\w.]+)\.(\w+)`", owner.__doc__ or "")
    if model is None:
        return ""
    described = getattr(getattr(importlib.import_module(model[1]), model[2]), name, None)
    return (inspect.getdoc(described) if described is not None else None) or ""


def metrics() -> Page:
    """The catalogue of metrics as one table."""
    catalogue = importlib.import_module("hub.core.metric_catalogue")
    french = importlib.import_module("hub.i18n.catalogues").messages("hub", "fr")
    rows = [
        f"| `{m.key}` | `{m.unit}` | {m.resolution} | {m.kind} | {_bounds(m)} | {m.privacy} | "
        f"{m.en} · {french.get(f'metric-{m.key}') or ''} |"
        for m in catalogue.METRICS.values()
    ]
    head = ["| key | unit | resolution | kind | bounds | privacy | meaning |", "|---|---|---|---|---|---|---|"]
    text = (
        "One key has one meaning everywhere. Units are UCUM. The resolution is the smallest step that is kept, in "
        "that unit. A value outside the bounds is refused as implausible. What may be personal is called personal.\n"
    )
    return "reference/metrics.md", _page(["# Metrics\n", _NOTE, text, *head, *rows])


def command_line() -> Page:
    """Every command of `ilot` and the exit codes."""
    module = importlib.import_module("hub.cli.main")
    root: click.Group = module.ilot
    out = ["# Commands\n", _NOTE, _text(root.help), *_exit_codes(module.__doc__ or "")]
    for path, command in _commands(root, _top(root)):
        out += [f"## `{path}`\n", _text(command.help)]
        rows = [_parameter(p) for p in command.params if not getattr(p, "hidden", False)]
        if rows:
            out += ["| option | meaning |", "|---|---|", *rows, ""]
    return "reference/cli.md", _page(out)


def configuration() -> Page:
    """The options of the core, as `hub.config` renders them."""
    return "reference/configuration.md", importlib.import_module("hub.config.reference").render()


def packs() -> Page:
    """The packs that this distribution ships, as `hub.devices.packs` renders them."""
    return "reference/packs.md", importlib.import_module("hub.devices.packs.reference").render()


def operator_api() -> Page:
    """The operator's API of the backend, as `backend.api` describes it: an OpenAPI document."""
    document = importlib.import_module("backend.api.openapi").document(version("ilot"))
    return "reference/openapi.json", json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def city_api() -> Page:
    """The open API of the city's view, as `backend.city.open_api` describes it: an OpenAPI document."""
    document = importlib.import_module("backend.city.open_api.document").document(version("ilot"))
    return "reference/city-openapi.json", json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def layers() -> Page:
    """The layers of the hub as import-linter holds them, each module with the first sentence of its docstring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = {c["id"]: c for c in project["tool"]["importlinter"]["contracts"]}
    text = (
        "Each module imports only modules of lower layers; those of one layer are strangers. `make check` holds it. "
        "How they work together: [architecture](../explanation/architecture.md).\n"
    )
    inside = f"\n## Inside `hub/web/`\n\n{contracts['web-areas']['name']}.\n"
    return "reference/layers.md", _page([
        "# Layers of the hub\n", _NOTE, text, *_layers(contracts["layers"]), inside, *_layers(contracts["web-layers"]),
    ])  # fmt: skip


def _layers(contract: dict[str, Any]) -> list[str]:
    """A contract's table, the top layer first."""
    (container,) = contract["containers"]
    rows = [
        f"| {number} | {_module(container.replace('.', '/'), name)} |"
        for number, layer in enumerate(reversed(contract["layers"]), 1)
        for name in re.findall(r"\w+", layer)
    ]
    return ["| layer | module | what it is |", "|---|---|---|", *reversed(rows)]


def command_names() -> dict[str, set[str]]:
    """Name of each command -> names of its subcommands."""
    names: dict[str, set[str]] = {}
    root: click.Group = importlib.import_module("hub.cli.main").ilot
    for path, _ in _commands(root, _top(root)):
        first, *rest = path.split()[1:]
        names.setdefault(first, set()).update(rest[:1])
    return names


def _module(container: str, name: str) -> str:
    """Its cells in a table of layers: path, first sentence."""
    folder = ROOT / container / name
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    doc = " ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0].split())
    sentence = re.split(r"(?<=\.)\s", doc)[0].rstrip(".:")
    if not sentence:
        raise LookupError(f"{container}/{name} does not say what it is: give it a docstring")
    return f"`{container}/{name}{'/' if folder.is_dir() else '.py'}` | {_cell(sentence)}"


def _describe(name: str, value: Any, module: str = "") -> list[str]:
    if inspect.isclass(value) and issubclass(value, msgspec.Struct):
        fields = "\n".join(f"    {_field(f)}" for f in msgspec.structs.fields(value))
        return [_code(f"class {name}:\n{fields}"), _text(value.__doc__), *_member_texts(value)]
    if inspect.isclass(value) and issubclass(value, Exception):
        return [_text(value.__doc__)]
    if inspect.isclass(value) and not issubclass(value, Enum) and _members(value):
        return [_code(f"class {name}:\n" + "\n".join(_members(value))), _text(value.__doc__), *_member_texts(value)]
    if inspect.isclass(value) and issubclass(value, Enum):
        return [_text(value.__doc__), *(f"- `{_value(member)}` = {member.value}" for member in value), ""]
    if inspect.isclass(value) and value.__module__.startswith("hub."):
        return [_text(value.__doc__)]
    if name == "METRICS":
        return ["Every metric the core knows, by key: see [metrics](metrics.md).\n"]
    if name == "hookimpl":
        return [_text("Decorator of every hook a plugin implements.")]
    if inspect.isfunction(value):
        return [_code(_head(name, value)), _text(value.__doc__)]
    if get_origin(value) is Annotated:
        return [_text(f"`{_type(get_args(value)[0])}`. {_below(name)}")]
    if get_origin(value) is UnionType:
        return [_text(f"`{_type(value)}`: a reading's value. For the types of a plugin's own dictionaries.")]
    return [_text(f"`{value.__module__}.{name}`, unchanged: a URL with scheme http or https.")]


def _below(name: str) -> str:
    """The text below the assignment that makes a public name of the plugin API."""
    hub = importlib.import_module("hub")
    module = importlib.import_module(next(home for home, names in hub._HOME.items() if name in names))
    body = ast.parse(inspect.getsource(module)).body
    for made, said in pairwise(body):
        if isinstance(made, ast.Assign) and ast.unparse(made.targets[0]) == name and isinstance(said, ast.Expr):
            return str(ast.literal_eval(said.value))
    raise LookupError(f"{name} does not say what it is: put a text below it")


def _members(protocol: type) -> list[str]:
    return [
        f"    {name}: {_type(inspect.signature(member.fget).return_annotation)}"
        if isinstance(member, property)
        else f"    {_head(name, member)}"
        for name, member in _methods(protocol)
    ]


def _methods(protocol: type) -> list[tuple[str, Any]]:
    """Its own public methods and properties, those of pydantic's models left out."""
    unwrapped = (
        (
            name,
            member.__func__
            if isinstance(member, staticmethod | classmethod)
            else getattr(member, "__wrapped__", member),
        )
        for name, member in vars(protocol).items()
        if name in ("__call__", "__aiter__") or not name.startswith("_")
    )
    return [(name, member) for name, member in unwrapped if inspect.isfunction(member) or isinstance(member, property)]


def _member_texts(protocol: type) -> list[str]:
    texts = [(name, " ".join(_member_doc(protocol, name, member).split())) for name, member in _methods(protocol)]
    return [f"- `{name}`: {text}" for name, text in texts if text] + [""]


def _head(name: str, method: Any) -> str:
    return f"{'async ' if inspect.iscoroutinefunction(method) else ''}def {name}{_signature(method)}"


def _signature(function: Any) -> str:
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(function)))
    return re.sub(r"\bself, |\bself\b", "", text)


def _field(field: msgspec.structs.FieldInfo) -> str:
    text = f"{field.name}: {_type(field.type)}"
    if field.default is not msgspec.NODEFAULT:
        return f"{text} = {_value(field.default)}"
    return text if field.default_factory is msgspec.NODEFAULT else f"{text} = {_value(field.default_factory())}"


def _value(value: Any) -> str:
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _type(kind: Any) -> str:
    text = kind if isinstance(kind, str) else inspect.formatannotation(kind)
    return re.sub(r"\b(?:hub(?:\.[a-z]\w*)+|typing|collections\.abc|logging)\.", "", text)


def _bounds(metric: Any) -> str:
    low, high = (None if v is None else f"{v:,.10g}".replace(",", " ") for v in (metric.low, metric.high))
    if low is None or high is None:
        return f"≥ {low}" if low else f"≤ {high}" if high else ""
    return f"{low} … {high}"


def _top(root: click.Group) -> click.Context:
    """Its context as the command line makes it: click keeps the help option that the first context asks for."""
    return click.Context(root, info_name="ilot", **root.context_settings)


def _commands(command: click.Command, context: click.Context) -> list[tuple[str, click.Command]]:
    found = [] if context.parent is None else [(context.command_path, command)]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                found += _commands(child, click.Context(child, info_name=name, parent=context))
    return found


def _parameter(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        name = ", ".join(parameter.opts) + ("" if parameter.is_flag else f" {parameter.make_metavar(_BARE)}")
        return f"| `{_cell(name)}` | {_cell(' '.join((parameter.help or '').split()))} |"
    return f"| `{_cell(parameter.make_metavar(_BARE))}` | argument |"


_BARE = click.Context(click.Command("ilot"))


def _exit_codes(doc: str) -> list[str]:
    found = re.search(r"Exit codes: ([^.]+)\.", " ".join(doc.split()))
    if not found:
        raise LookupError("the docstring of hub.cli.main names no exit codes")
    rows = (f"| {code} | {text} |" for code, text in re.findall(r"(\d+) ([^·]+?)(?: ·|$)", found[1]))
    return ["| exit code | meaning |", "|---|---|", *rows, ""]


def _page(parts: list[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def _text(doc: str | None) -> str:
    return inspect.cleandoc((doc or "").replace("\b", "")) + "\n"
