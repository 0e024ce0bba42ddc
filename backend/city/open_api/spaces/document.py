"""Provider spaces by HTTPS in the document of the open API. Pure."""

from __future__ import annotations

from typing import Any

from backend.city.open_api.spaces.desk import LONGEST_NAME, MOST_FILE
from backend.storage.city.spaces import Space, Used

PROBLEM = "application/problem+json"
_SPACE = {
    "name": "space", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$"},
}  # fmt: skip
_NAME = {
    "name": "file", "in": "path", "required": True, "schema": {"type": "string", "maxLength": LONGEST_NAME},
    "description": "letters, digits, spaces and ( ) . , @ + = _ -, beginning with a letter or digit",
}  # fmt: skip
_REFUSED = {
    "400": "A name, or lines of readings, that cannot be taken", "401": "The key is missing, wrong, over or revoked",
    "403": "Not with this role, or no readings here", "404": "No such space or file that this key may see",
    "408": "Too slow: given up", "409": "Other content lies there under this name", "413": "Too large",
    "415": "Not in this form", "429": "A quota is spent; see Retry-After",
    "507": "The space is full, or the server's disk",
}  # fmt: skip
_WHOLE = {"type": "integer", "minimum": 0}


def paths() -> dict[str, Any]:
    """Return the paths."""
    lines = {"application/x-ndjson": {"schema": {"type": "string"}}, "text/csv": {"schema": {"type": "string"}}}
    data = {"type": "string", "format": "binary", "maxLength": MOST_FILE}
    listed = {
        "type": "object", "required": ["space", "used", "files"],
        "properties": {
            "space": _of(Space._fields, {"name": {"type": "string"}, "provider": {"type": "string"},
                                         "service": {"type": "string"}, "made": {"type": "number"}}),
            "used": _of(Used._fields, {}), "files": {"type": "array", "items": {"$ref": _ref("File")}},
        },
    }  # fmt: skip
    taken = {"type": "object", "required": ["readings", "new"], "properties": {"readings": _WHOLE, "new": _WHOLE}}
    file = {"application/json": {"schema": {"$ref": _ref("File")}}}
    body = {"required": True, "content": {"application/octet-stream": {"schema": data}}}
    put = _operation("space_put", "Drop a file", [_SPACE, _NAME], {"201": file, "200": file}) | {"requestBody": body}
    got = {"200": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
    told = {"200": {"application/json": {"schema": taken}}}
    post = _operation("space_readings", "Drop readings, all lines or none", [_SPACE], told)
    listing = {"200": {"application/json": {"schema": listed}}}
    return {
        "/spaces/{space}/files": {
            "get": _operation("space_files", "What lies there, and its limits", [_SPACE], listing),
        },
        "/spaces/{space}/files/{file}": {
            "put": put, "get": _operation("space_file", "A file as it was dropped", [_SPACE, _NAME], got),
            "delete": _operation("space_delete", "Delete a file", [_SPACE, _NAME], {"204": {}}),
        },
        "/spaces/{space}/readings": {"post": post | {"requestBody": {"required": True, "content": lines}}},
    }  # fmt: skip


def schemas() -> dict[str, Any]:
    """Return the shapes that the paths refer to."""
    text = {"type": "string"}
    lines = {"type": "array", "items": {"type": "object", "properties": {"line": _WHOLE, "said": text}}}
    return {
        "File": {
            "type": "object", "required": ["name", "bytes", "sha256", "came", "until"],
            "properties": {
                "name": text, "bytes": _WHOLE, "sha256": text, "came": text | {"format": "date-time"},
                "until": text | {"format": "date-time"},
            },
        },
        "Problem": {
            "type": "object", "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": text, "title": text, "status": _WHOLE, "detail": text, "detail_text": {"type": "object"},
                "again": _WHOLE, "most": _WHOLE, "at_once": _WHOLE, "sha256": text, "lines": lines,
            },
        },
    }  # fmt: skip


def _operation(name: str, about: str, parameters: list[Any], told: dict[str, Any]) -> dict[str, Any]:
    problem = {PROBLEM: {"schema": {"$ref": _ref("Problem")}}}
    answers: dict[str, Any] = {
        status: {"description": about} | ({"content": content} if content else {}) for status, content in told.items()
    }
    refusals = {
        status: {"description": said, "content": {"application/json": {"schema": {"$ref": _ref("Error")}}}}
        if status in ("401", "403")
        else {"description": said, "content": problem}
        for status, said in _REFUSED.items()
    }
    return {"operationId": name, "summary": about, "parameters": parameters, "responses": answers | refusals}


def _of(names: tuple[str, ...], others: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": [*names], "properties": {name: others.get(name, _WHOLE) for name in names}}


def _ref(name: str) -> str:
    return f"#/components/schemas/{name}"
