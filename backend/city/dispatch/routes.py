"""Routes of the room, and its task."""

from backend.city.dispatch.dispatcher import work
from backend.city.dispatch.pages import route

__all__ = ["route", "work"]
