"""Forms: JSON Schema and the file's data → fields, and filled-in fields → edits. Pure.

A form shows one mapping of the file: the hub's own section, one zone, one instance of a plugin. A mapping inside it has
a form of its own; other structures are left to the text. A secret is shown by its name only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from hub.config.positions import SECRET_NAME, Path, SecretRef
from hub.config.values import DURATION as DURATION_FORM
from hub.config.values import SIZE as SIZE_FORM
from hub.config.values import show_size
from hub.core.option_text import CODE, texts_of
from hub.core.option_text import KEY as FRENCH
from hub.core.text import phrase, reason_of

TEXT, NUMBER, TRUTH, CHOICE, LIST, SECRET, SECTION, MAP, OTHER, DURATION, SIZE = (
    "text", "number", "truth", "choice", "list", "secret", "section", "map", "other", "duration", "size",
)  # fmt: skip
MOST_CHOICES = 200
ABOUT: tuple[str, ...] = ("description", "default", "unit", FRENCH, CODE)


BY_TYPE: tuple[Path, ...] = (("integrations",), ("exporters",), ("notifiers",), ("link", "uplinks"))
"""Mappings whose entries are named like the types that may be there, or give their own."""


class InvalidInput(ValueError):
    """Filled-in values of the wrong kind: `found` maps options to the expected kind."""

    def __init__(self, found: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {why}" for name, why in found.items()))
        self.found = dict(found)


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """An option. `value`: the file's text, "" without one; `default`: the value then; `numbers`: its choices, or the
    items of its list, are numbers."""

    name: str
    kind: str
    value: str = ""
    default: str = ""
    about: str = ""
    french: dict[str, str] = {}
    unit: str = ""
    choices: list[str] = []
    required: bool = False
    set: bool = False
    numbers: bool = False


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """The form at a path: `fields`; for a mapping by names, its `entries` and the possible `types` of another one.
    `new`: nothing exists there yet."""

    path: list[str]
    titles: list[str] = []
    about: str = ""
    french: dict[str, str] = {}
    fields: list[Field] = []
    entries: list[str] = []
    is_map: bool = False
    types: list[str] = []
    new: bool = False


def form(schema: Mapping[str, Any], data: Any, path: Path, kind: str = "") -> Form:
    """Return the form at `path`. Where nothing exists yet, `kind` is the type of the new entry. Raises KeyError when
    nothing can be there."""
    empty = bool(path) and _at(data, path) is None
    if empty and kind and kind != path[-1] and path[0] in ("integrations", "notifiers"):
        data = _with_type(data, path, kind)
    node, here, one_of_many = dict(schema), data, False
    titles = []
    for at, part in enumerate(path):
        one_of_many = path[:at] in BY_TYPE or _entries(_resolved(schema, node, here, str(part))) is not None
        node = _inner(schema, node, str(part), here)
        titles.append(texts_of(node).get("title", ""))
        here = here.get(part) if isinstance(here, dict) else None
    new = empty and one_of_many
    node = _resolved(schema, node, here, str(path[-1]) if path else "")
    known = here if isinstance(here, dict) else {}
    about, french = str(node.get("description", "")), texts_of(node)
    steps = [str(part) for part in path]
    shown = partial(Form, path=steps, titles=titles, about=about, french=french)
    if not path:
        names = [name for name, one in node["properties"].items() if name not in ("devices",)]
        fields = [_field(schema, name, node["properties"][name], known, False) for name in names]
        return shown(fields=fields)
    properties = node.get("properties", {})
    if _entries(node) is not None or (path[-1] in ("integrations",) and len(path) == 1):
        types = list(properties) if path in (("integrations",), ("notifiers",)) else []
        return shown(entries=list(known), is_map=True, types=types)
    if path in BY_TYPE:
        return shown(entries=list(known), is_map=True, types=list(properties))
    if "properties" not in node:
        raise KeyError(".".join(steps))
    required = node.get("required", [])
    fields = [_field(schema, name, one, known, name in required) for name, one in properties.items()]
    return shown(fields=fields, new=new)


def _at(data: Any, path: Path) -> Any:
    """Return the file's value there; an empty entry such as `host:` exists too."""
    for part in path:
        if not isinstance(data, dict) or part not in data:
            return None
        data = data[part]
    return {} if data is None else data


def _with_type(data: Any, path: Path, kind: str) -> Any:
    """Return the data with an entry of that type at the path."""
    if not path:
        return {"type": kind}
    known = data if isinstance(data, dict) else {}
    return {**known, path[0]: _with_type(known.get(path[0]), path[1:], kind)}


def edits(shown: Form, filled: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the differences between a form and its filled-in fields, as `config.apply` takes them. An emptied field is
    removed; a missing one is left alone; a new entry is one edit. Raises InvalidInput."""
    found: list[dict[str, Any]] = []
    unfit: dict[str, str] = {}
    for field in shown.fields:
        said = filled.get(field.name)
        if said is None or field.kind in (SECTION, MAP, OTHER):
            continue
        said = said.replace("\r\n", "\n").strip()
        if said == field.value.strip():
            continue
        path = [*shown.path, field.name]
        try:
            found.append({"path": path, "remove": True} if not said else {"path": path, "value": _value(field, said)})
        except ValueError as error:
            unfit[field.name] = reason_of(error)
    if unfit:
        raise InvalidInput(unfit)
    if shown.new:
        values = {one.name: one.value for one in shown.fields if one.name == "type" and one.value}
        return [{"path": shown.path, "value": {**values, **{one["path"][-1]: one["value"] for one in found}}}]
    return found


def _value(field: Field, said: str) -> Any:
    if field.kind == TRUTH:
        if said not in ("true", "false"):
            raise ValueError(phrase("truth-expected", "true or false is expected"))
        return said == "true"
    if field.kind == SECRET:
        name = said.removeprefix("!secret").strip()
        if not SECRET_NAME.fullmatch(name):
            raise ValueError(
                phrase("secret-name-expected", "the name of a secret is expected, as it stands in secrets.yaml")
            )
        return {"!secret": name}
    if field.kind == CHOICE and field.choices and said not in field.choices:
        raise ValueError(phrase("choice-expected", "one of {choices} is expected", choices=list(field.choices)))
    if field.kind == LIST:
        lines = [line.strip() for line in said.split("\n") if line.strip()]
        return [_number(line) for line in lines] if field.numbers else lines
    return _number(said) if field.kind == NUMBER or field.numbers else said


def _number(said: str) -> int | float:
    try:
        value = int(said) if said.lstrip("+-").isdigit() else float(said.replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(phrase("number-expected", "a number is expected, not {given!r}", given=said[:40]))
    return value


def _resolved(schema: Mapping[str, Any], node: Mapping[str, Any], data: Any, name: str) -> dict[str, Any]:
    """Return a schema with its references followed, and without null."""
    node = dict(node)
    for _ in range(16):
        outer: dict[str, Any] = {key: node[key] for key in ABOUT if key in node}
        if "if" in node:
            kind = data.get("type") if isinstance(data, dict) else None
            node = {"$ref": f"{_noun(node)}.{kind or name}"}
        elif "$ref" in node:
            node = dict(schema["definitions"][node["$ref"].removeprefix("#/definitions/")])
        elif "allOf" in node and "properties" not in node and "$ref" in node["allOf"][0]:
            node = dict(node["allOf"][0])
        elif "allOf" in node and isinstance(data, dict) and data.get("type"):
            node = {"$ref": f"{_noun(node['allOf'][0])}.{data['type']}"}
        elif "anyOf" in node and "type" not in node:
            real = [one for one in node["anyOf"] if one.get("type") != "null"]
            if len(real) != 1:
                return _over(node, outer)
            node = dict(real[0])
        else:
            return _over(node, outer)
        node = _over(node, outer)
    raise KeyError(name)


def _over(inner: Mapping[str, Any], outer: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the schemas of an option and of its value's model; the option's own texts win. The code of a help goes with
    its English."""
    texts = {**texts_of(inner), **texts_of(outer)}
    if "description" in outer and "help" not in texts_of(outer):
        texts.pop("help", None)
    merged = {**inner, **outer, FRENCH: texts}
    merged.pop(CODE, None)
    return merged


def _entries(node: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the schema of each entry of a mapping by names; None for any other."""
    named = node.get("patternProperties") or {}
    found = next(iter(named.values())) if len(named) == 1 else node.get("additionalProperties")
    return found if isinstance(found, dict) else None


def _noun(node: Mapping[str, Any]) -> str:
    """Return the noun of a choice by type, as in `#/definitions/notifier`."""
    return str(node["then"]["$ref"]).partition(".")[0]


def _inner(schema: Mapping[str, Any], node: Mapping[str, Any], part: str, data: Any) -> dict[str, Any]:
    node = _resolved(schema, node, data, part)
    found = node.get("properties", {}).get(part)
    if found is None:
        found = _entries(node)
    if not isinstance(found, dict):
        raise KeyError(part)
    inner = data.get(part) if isinstance(data, dict) else None
    return _resolved(schema, found, inner, part)


def _field(
    schema: Mapping[str, Any], name: str, node: Mapping[str, Any], known: Mapping[str, Any], required: bool
) -> Field:
    value = known.get(name)
    seen = _resolved(schema, node, value, name) if "if" not in node else dict(node)
    kind = "const" if "const" in seen else _kind(seen)
    about, unit = str(seen.get("description", "")), str(seen.get("unit", ""))
    default = seen.get("default")
    if kind == SIZE and type(default) is int:
        default = show_size(default)
    choices = [str(one) for one in seen.get("enum", [])][:MOST_CHOICES]
    if kind == "const":
        kind, choices = OTHER, []
    if kind == CHOICE and name == "type":  # the type is fixed: another type is another entry
        kind = OTHER
    if isinstance(value, SecretRef):
        kind = SECRET
    shown = _shown(value)
    if kind == SECRET and not isinstance(value, SecretRef):
        shown = ""  # the secret itself is in the file: do not show it
    if shown is None:
        kind, shown = (kind if kind in (SECTION, MAP) else OTHER), ""
    return Field(
        name=name,
        kind=kind,
        value=shown,
        default=_shown(default) or "",
        about=about,
        french=texts_of(seen),
        unit=unit,
        choices=choices,
        required=required,
        set=name in known,
        numbers=_of_numbers(seen, kind),
    )


def _of_numbers(node: Mapping[str, Any], kind: str) -> bool:
    if kind == CHOICE:
        some = node.get("enum", [])
        return bool(some) and all(type(one) in (int, float) for one in some)
    return kind == LIST and node["items"].get("type") in ("integer", "number")


def _kind(node: Mapping[str, Any]) -> str:
    types = node.get("type", "")
    types = [one for one in types if one != "null"] if isinstance(types, list) else [types]
    if node.get("format") == "password" or node.get("writeOnly"):
        return SECRET
    if "enum" in node:
        return CHOICE
    if types == ["boolean"]:
        return TRUTH
    if types in (["integer"], ["number"]):
        return NUMBER
    if types == ["string"]:
        return {f"^{DURATION_FORM}$": DURATION, f"^{SIZE_FORM}$": SIZE}.get(node.get("pattern", ""), TEXT)
    if types == ["array"]:
        items = node.get("items")
        plain = isinstance(items, dict) and items.get("type") in ("string", "integer", "number")
        return LIST if plain else OTHER
    if types == ["object"]:
        inner = _entries(node)
        if inner is None:
            return SECTION if "properties" in node else OTHER
        return MAP if "$ref" in inner or "if" in inner or inner.get("allOf") or inner.get("type") == "object" else OTHER
    return OTHER


def _shown(value: Any) -> str | None:
    """Return a value as text for a form; None when a form cannot show it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, SecretRef):
        return value.name
    if isinstance(value, (list, tuple)) and all(isinstance(one, (str, int, float)) for one in value):
        return "\n".join(map(str, value))
    return str(value) if isinstance(value, (str, int, float)) else None
