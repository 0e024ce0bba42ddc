"""Codes of the texts of options, under which the catalogues have their translations. Pure.

An option's help is the `description` of its field, in English, and a model's its docstring. In the JSON Schema of a
model each has a code beside it, `x-code`, so that the pages can say it in the reader's language also for a plugin that
the hub does not import:

    option-Web-port-help                the help of `port` in the hub's model Web
    modbus.option-Config-max_rate-help  that of an option of a plugin, in its own catalogue
    option-Web-help                     the docstring of a model
    option-Web-port-title               the title of an option whose field has a `title` of its own
    option-title-port                   the title of any other option of this name

`french(…)` is the form of former versions, which this one still reads from the models of plugins.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from hub.core.catalogue_domain import HUB, domain_of
from hub.core.text import Phrase

CODE, OWN_TITLE = "x-code", "x-title"
"""Keywords of the schema: the code, and whether the option has a title of its own."""
KEY = "french"
"""The keyword of the schema in former versions: {"help": …, "title": …}, each of them may be missing."""
LONGEST = {"title": 100, "help": 2000}
"""Characters that are shown of what a third-party plugin says."""
_CODE = re.compile(r"(?:[a-z][a-z0-9_]*\.)?option-[A-Za-z0-9][\w-]{0,200}")


def french(help: str = "", *, title: str = "") -> dict[str, Any]:
    """Return the French title and help of an option, for `json_schema_extra`, as former versions had it: the catalogue
    of the plugin is the place for it now."""
    return {KEY: {name: text for name, text in (("help", help), ("title", title)) if text}}


def texts_of(schema: object) -> dict[str, str]:
    """Return {"help", "title"} of the schema of an option or a model: the code of each, or its French where a plugin of
    a former version gives it."""
    if not isinstance(schema, dict):
        return {}
    said = schema.get(KEY)
    if isinstance(said, dict):
        given = {
            name: text[:most] for name, most in LONGEST.items() if isinstance(text := said.get(name), str) and text
        }
    else:
        given = {}
    code = schema.get(CODE)
    if isinstance(code, str) and is_code(code):
        if "description" in schema:
            given.setdefault("help", code)
        if "properties" not in schema:
            given.setdefault("title", code)
    return given


def plain_title(name: str) -> str:
    """Return the English title of an option: its key, `max_size` for instance, as words."""
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def is_code(text: str) -> bool:
    """Return whether a text is a code, and not French of a former version."""
    return _CODE.fullmatch(text) is not None


def put_codes(model: type[Any], made: dict[str, Any]) -> None:
    """Put codes into the JSON Schema of a model."""
    made.setdefault(CODE, code_of(model))
    properties = made.get("properties", {})
    for name, field in model.model_fields.items():
        if isinstance(part := properties.get(field.alias or name), dict):
            part.setdefault(CODE, option_code(model, name))
            if field.title:
                part[OWN_TITLE] = True


def option_code(model: type[Any], name: str) -> str:
    """Return the code of an option of a model, by the name of its field."""
    return f"{code_of(_owner(model, name))}-{model.model_fields[name].alias or name}"


def code_of(model: type[Any]) -> str:
    """Return the code of a model."""
    name = model.__dict__.get("text_code") or model.__name__
    if is_code(name):  # of a plugin that the hub does not import
        return str(name)
    domain = domain_of(model.__module__)
    return f"option-{name}" if domain == HUB else f"{domain}.option-{name}"


def help_phrase(model: type[Any], name: str) -> str:
    """Return the help of an option; "" where it has none."""
    text = model.model_fields[name].description
    return Phrase(text, f"{option_code(model, name)}-help", {}) if text else ""


def _owner(model: type[Any], name: str) -> type[Any]:
    """Return the class that has an option: the model, or the one that it inherits it from."""
    return next((one for one in model.__mro__ if name in inspect.get_annotations(one)), model)
