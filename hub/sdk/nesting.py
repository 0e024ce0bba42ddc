"""Bounded nesting of JSON from strangers: `hub.core.nesting`, for plugins, which import no other room."""

from hub.core.nesting import shallow_json

__all__ = ["shallow_json"]
