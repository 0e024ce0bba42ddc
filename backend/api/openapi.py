"""The operator's API as an OpenAPI 3.1 document, made of its operations. Pure."""

from __future__ import annotations

import inspect
import re
from typing import Any

import msgspec

from backend.api import answers
from backend.api.operations import CSV, EVENTS, JSON, JSON_LINES, LONGEST_SERIES, OPERATIONS, PARQUET, Operation
from backend.api.parameters import Parameter
from backend.api.problems import PROBLEM

_REF = "#/components/schemas/{name}"
_PATH = {
    "id": ("id of a series, <hub>/<place>/<metric>; its slashes may stand as %2F", LONGEST_SERIES),
    "alert": ("id of an alert", 128),
}
_REFUSALS = {
    "400": "The query or the body is wrong; `detail` says what would be right",
    "401": "The token is missing or wrong",
    "404": "There is no such thing",
    "405": "This is not asked by this method",
    "406": "None of the formats that the Accept header names is offered",
    "413": "The body is too long",
    "503": "The database or a turn is not to be had now; Retry-After says when to ask again",
}
_ROWS = {
    JSON_LINES: "a row of `rows` in each line",
    CSV: "a header line, then a row in each line; times are dates, UTC",
    PARQUET: "columns as in CSV; texts stand in columns of their own, `value_text`",
}


def document(release: str) -> dict[str, Any]:
    """Return the document."""
    types = [answers.Problem]
    types += [found for one in OPERATIONS for found in (*_answers(one), one.body) if found is not None]
    _, schemas = msgspec.json.schema_components(types, ref_template=_REF)
    for schema in schemas.values():
        if "description" in schema:  # a docstring, whose indentation Python removes itself only since 3.13
            schema["description"] = inspect.cleandoc(schema["description"])
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Îlot backend: the operator's API",
            "version": release,
            "description": "What a backend stores, read out of snapshots of its database. Lists are paged: `next` of an"
            " answer is passed on as `after`. Times are Unix ms in readings (`time`, `begin`, `end`, names with `_ms`),"
            " Unix seconds elsewhere (`_at`, `_s`). Answers carry an ETag; If-None-Match gets 304.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "the token in `api.token`"}
            },
            "schemas": dict(sorted(schemas.items())),
        },
    }


def _operation(one: Operation) -> dict[str, Any]:
    parameters = [_path_parameter(name) for name in re.findall(r"{(\w+)}", one.path)]
    parameters += [_parameter(parameter) for parameter in one.parameters]
    if one.formats == (EVENTS,):
        about = "id of the last event that arrived, to go on after it"
        parameters.append({"name": "Last-Event-ID", "in": "header", "description": about, "schema": {"type": "string"}})
    responses: dict[str, Any] = {"200": _answer(one)}
    if one.method == "GET" and one.formats != (EVENTS,):
        responses["304"] = {"description": "The client has this answer, by its If-None-Match"}
    refusals = {"400", "401", "503"} | ({"404"} if one.missing else set())
    refusals |= {"406"} if len(one.formats) > 1 else set()
    refusals |= {"413"} if one.body is not None else set()
    for status in sorted(refusals):
        content: dict[str, Any] = {PROBLEM: {"schema": {"$ref": _REF.format(name="Problem")}}}
        if status == "400":  # a request that is no HTTP, or whose first line has more than 8,190 bytes
            content["text/plain"] = {"schema": {"type": "string"}}
        responses[status] = {"description": _REFUSALS[status], "content": content}
    found: dict[str, Any] = {
        "operationId": one.name if one.method == "GET" else f"{one.name}_{one.method.lower()}",
        "summary": one.about,
        "parameters": parameters,
        "responses": responses,
    }
    if one.body is not None:
        schema = {"$ref": _REF.format(name=one.body.__name__)}
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    return found


def _answers(one: Operation) -> tuple[Any, ...]:
    return one.answer if isinstance(one.answer, tuple) else (one.answer,)


def _answer(one: Operation) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for form in one.formats:
        if form == JSON:
            some = [{"$ref": _REF.format(name=answer.__name__)} for answer in _answers(one)]
            content[form] = {"schema": some[0] if len(some) == 1 else {"oneOf": some}}
        else:
            content[form] = {"schema": {"type": "string", "description": _ROWS.get(form, "a stream of events")}}
    found: dict[str, Any] = {"description": one.about, "content": content}
    if one.formats != (EVENTS,) and one.method == "GET":
        found["headers"] = {"ETag": {"description": "tag of this answer", "schema": {"type": "string"}}}
    if len(one.formats) > 1:
        about = "`after` of the next page; missing on the last"
        cursor = {"Next-Cursor": {"description": about, "schema": {"type": "string"}}}
        found["headers"] = found.get("headers", {}) | cursor
    return found


def _path_parameter(name: str) -> dict[str, Any]:
    about, longest = _PATH[name]
    schema = {"type": "string", "minLength": 1, "maxLength": longest}
    return {"name": name, "in": "path", "required": True, "description": about, "schema": schema}


def _parameter(one: Parameter) -> dict[str, Any]:
    found: dict[str, Any] = {"name": one.name, "in": "query", "description": one.about, "schema": one.schema()}
    if one.required:
        found["required"] = True
    return found
