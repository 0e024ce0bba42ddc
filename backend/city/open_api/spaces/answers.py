"""Answers to a drop: the facts of a file, and a refusal as a problem document (RFC 9457). Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from backend.city.open_api.spaces.desk import DAY, SpaceRefused
from backend.storage.city.spaces import File, Space


def facts_of(one: File, space: Space) -> dict[str, Any]:
    """Return what is told of a file."""
    made = datetime.fromtimestamp(one.made, UTC).isoformat(timespec="seconds")
    until = datetime.fromtimestamp(one.made + space.keep_days * DAY, UTC).isoformat(timespec="seconds")
    return {"name": one.name, "bytes": one.size, "sha256": one.digest, "came": made, "until": until}


def problem_of(error: SpaceRefused) -> dict[str, Any]:
    """Return a refusal as a problem document; `again` are seconds."""
    facts = {
        "type": "about:blank", "title": HTTPStatus(error.status).phrase, "status": error.status, "detail": error.said,
    }  # fmt: skip
    return {**facts, **({"again": round(error.again)} if error.again else {}), **error.facts}
