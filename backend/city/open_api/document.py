"""The open API as an OpenAPI 3.1 document, made of the tables of its routes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from backend.api.operations import CSV, JSON, JSON_LINES, PARQUET
from backend.api.parameters import Parameter
from backend.city.open_api import feeds, files, open311, sensorthings
from backend.city.open_api.exports import JSON_LD, READING_FORMATS, SERIES_FORMATS, THING_FORMATS
from backend.city.open_api.model import SETS, EntitySet
from backend.city.open_api.options import DEFAULT_TOP, MOST_SKIP, MOST_TOP
from backend.city.open_api.reports import LONGEST, LONGEST_ADDRESS, SHORTEST
from backend.city.open_api.spaces import document as spaces

_OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "$top": ({"type": "integer", "minimum": 0, "maximum": MOST_TOP, "default": DEFAULT_TOP}, "entities of a page"),
    "$skip": ({"type": "integer", "minimum": 0, "maximum": MOST_SKIP, "default": 0}, "entities before the first"),
    "$count": ({"type": "boolean", "default": False}, "tell how many there are in all"),
    "$select": ({"type": "string"}, "properties, joined by commas"),
    "$orderby": ({"type": "string"}, "up to 5 properties with asc or desc; paths with one value"),
    "$expand": ({"type": "string"}, "links, nested or by path, at most 4 deep"),
    "$filter": (
        {"type": "string", "maxLength": 8000},
        "comparisons, and, or, not, startswith, endswith, substringof, geo.intersects; times with their offset",
    ),
    "$skiptoken": ({"type": "string", "maxLength": 2048}, "of @iot.nextLink"),
}
_TYPES: dict[str, dict[str, Any]] = {
    "text": {"type": ["string", "null"]}, "number": {"type": "integer"}, "object": {"type": "object"}, "any": {},
    "time": {"type": ["string", "null"], "format": "date-time"}, "geometry": {"type": ["object", "null"]},
}  # fmt: skip
_ABOUT = {
    "things": "Things, with their newest values in GeoJSON", "series": "Series with their newest values",
    "readings": "Readings of series in a range of time, at most 366 days",
    "ngsi-ld": "Things and sites as NGSI-LD entities of Smart Data Models",
}  # fmt: skip
_REFUSALS = {
    "400": "The question is wrong, or costs too much; the message says what would be right",
    "401": "The token is missing, wrong, over, or for another use", "403": "Not with this role",
    "404": "There is nothing here that this token may see", "429": "The quota of this hour is spent; see Retry-After",
    "503": "Come again; see Retry-After",
}  # fmt: skip
_SERVICE = (
    "service_code", "service_name", "description", "type", "keywords", "group",
)  # fmt: skip
_REQUEST = (
    "service_request_id", "status", "status_notes", "service_name", "service_code", "description",
    "agency_responsible", "service_notice", "requested_datetime", "updated_datetime", "address",
)  # fmt: skip


def document(release: str) -> dict[str, Any]:
    """Return the document."""
    paths: dict[str, Any] = {}
    _add_sensorthings(paths)
    for name, (formats, parameters) in {
        "things": (THING_FORMATS, files.CHOSEN), "series": (SERIES_FORMATS, files.CHOSEN),
        "readings": (READING_FORMATS, files.READINGS), "ngsi-ld": ((JSON_LD,), (*files.CHOSEN, files.MODEL)),
    }.items():  # fmt: skip
        paths[f"{files.PATH}/{name}"] = {"get": _export(name, formats, parameters)}
    _add_open311(paths)
    _, shapes = msgspec.json.schema_components([feeds.Message], ref_template="#/components/schemas/{name}")
    which = {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "enum": [*feeds.KINDS]}}
    post = _operation("feed", "Readings of a feed, each moment of a series once", [which], {JSON: {"type": "object"}})
    message = {"$ref": "#/components/schemas/Message"}
    post["requestBody"] = {"required": True, "content": {JSON: {"schema": message}}}
    paths["/open/feeds/{name}"] = {"post": post}
    paths |= spaces.paths()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Îlot: the city's open API",
            "version": release,
            "description": "OGC SensorThings 1.1 (reading), exports and NGSI-LD within the scope of a token,"
            " Open311 GeoReport v2, and provider spaces."
            " Tokens are made on the page /tokens; each has uses, an end and a quota an hour.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {one.single: _entity(one) for one in SETS.values()}
            | msgspec.json.decode(msgspec.json.encode(shapes))  # without tuples: as it is read again
            | spaces.schemas()
            | {
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {
                        "code": {"type": "integer"}, "type": {"type": "string"}, "message": {"type": "string"},
                        "error": {"type": "string"}, "error_text": {"type": "object"},
                    },
                }
            },
        },
    }  # fmt: skip


def _add_sensorthings(paths: dict[str, Any]) -> None:
    base = sensorthings.PATH
    paths[base] = {"get": _operation("sta_root", "Entity sets and conformance", [], {JSON: {"type": "object"}})}
    for one in SETS.values():
        page = {
            "type": "object",
            "required": ["value"],
            "properties": {
                "@iot.count": {"type": "integer"},
                "@iot.nextLink": {"type": "string", "format": "uri"},
                "value": {"type": "array", "items": {"$ref": f"#/components/schemas/{one.single}"}},
            },
        }
        options = [_query(name, *of) for name, of in _OPTIONS.items()]
        about = f"{one.name}; links lead on: {', '.join(one.links)}"
        paths[f"{base}/{one.name}"] = {"get": _operation(f"sta_{one.name}", about, options, {JSON: page})}
        number = {"type": "string"} if one.name == "Observations" else {"type": "integer", "minimum": 1}
        quoted = "'{id}'" if one.name == "Observations" else "{id}"
        parameters = [{"name": "id", "in": "path", "required": True, "schema": number}]
        parameters += [_query(name, *_OPTIONS[name]) for name in ("$select", "$expand")]
        entity = {"$ref": f"#/components/schemas/{one.single}"}
        paths[f"{base}/{one.name}({quoted})"] = {
            "get": _operation(f"sta_{one.single}", f"One of {one.name}", parameters, {JSON: entity})
        }


def _add_open311(paths: dict[str, Any]) -> None:
    base = open311.PATH
    services = {"type": "array", "items": _texts(_SERVICE)}
    requests = {"type": "array", "items": _texts(_REQUEST)}
    paths[f"{base}/services.json"] = {
        "get": _open(_operation("services", "Categories of reports", [], {JSON: services}))
    }
    asked = [
        _query(name, {"type": "string"}, about)
        for name, about in (
            ("service_request_id", "numbers, joined by commas"), ("service_code", "categories, joined by commas"),
            ("status", "open, closed"), ("start_date", "RFC 3339"), ("end_date", "RFC 3339, at most 90 days later"),
        )
    ]  # fmt: skip
    body = {
        "type": "object",
        "required": ["service_code", "description", "lat", "long"],
        "properties": {
            "service_code": {"type": "string"},
            "description": {"type": "string", "minLength": SHORTEST, "maxLength": LONGEST},
            "lat": {"type": "number", "minimum": -90, "maximum": 90},
            "long": {"type": "number", "minimum": -180, "maximum": 180},
            "address_string": {"type": "string", "maxLength": LONGEST_ADDRESS},
            "media": {"type": "string", "format": "binary"},
            "api_key": {"type": "string"},
        },
    }
    post = _open(_operation("report", "Report something broken", [], {JSON: requests}, status="201"))
    post["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": body}}}
    listed = _open(_operation("requests", "Reports, the newest first", asked, {JSON: requests}))
    paths[f"{base}/requests.json"] = {"get": listed, "post": post}
    number = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    paths[f"{base}/requests/{{id}}.json"] = {
        "get": _open(_operation("request", "One report", [number], {JSON: requests}))
    }


def _export(name: str, formats: Sequence[str], parameters: Sequence[Parameter]) -> dict[str, Any]:
    shapes: dict[str, Any] = {
        CSV: {"type": "string"}, PARQUET: {"type": "string", "format": "binary"}, JSON_LINES: {"type": "string"},
        JSON_LD: {"type": "array", "items": {"type": "object"}},
    }  # fmt: skip
    told = [
        {"name": one.name, "in": "query", "description": one.about, "required": one.required, "schema": one.schema()}
        for one in parameters
    ]
    content = {form: shapes.get(form, {"type": "object"}) for form in formats}
    return _operation(f"open_{name.replace('-', '_')}", _ABOUT[name], told, content)


def _operation(
    name: str, about: str, parameters: list[Any], content: dict[str, Any], status: str = "200"
) -> dict[str, Any]:
    refused = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    responses: dict[str, Any] = {
        status: {"description": about, "content": {form: {"schema": shape} for form, shape in content.items()}}
    }
    responses |= {code: {"description": said, "content": refused} for code, said in _REFUSALS.items()}
    return {"operationId": name, "summary": about, "parameters": parameters, "responses": responses}


def _open(operation: dict[str, Any]) -> dict[str, Any]:
    return operation | {"security": [{}, {"token": []}]}


def _query(name: str, schema: dict[str, Any], about: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": about, "schema": schema}


def _texts(names: Sequence[str]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": ["string", "null"]} for name in names}}


def _entity(one: EntitySet) -> dict[str, Any]:
    properties: dict[str, Any] = {"@iot.selfLink": {"type": "string", "format": "uri"}}
    for name, field in one.fields.items():
        properties["@iot.id" if name == "id" else name] = _TYPES[field.kind]
    if one.name == "Observations":
        properties["@iot.id"] = {"type": "string"}
    for name in one.links:
        properties[f"{name}@iot.navigationLink"] = {"type": "string", "format": "uri"}
    return {"type": "object", "properties": properties}
