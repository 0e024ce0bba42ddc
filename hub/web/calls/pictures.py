"""Calls about plans of floors and photographs of sites: add, list, show, remove."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from hub.core.actor import asker
from hub.core.calls import Call
from hub.core.errors import HubError
from hub.core.text import phrase, system_error
from hub.web.calls.common import picture_bytes, text
from hub.web.pictures.table import PictureStore
from hub.web.refusals import Refused


class PictureCalls:
    """Calls about pictures. `sites`: those of the configuration, by id."""

    def __init__(self, shelf: PictureStore, sites: Callable[[], Collection[str]]) -> None:
        self._shelf, self._sites = shelf, sites

    def calls(self) -> dict[str, Call]:
        return {
            "picture.list": self._list, "picture.show": self._show, "picture.add": self._add,
            "picture.remove": self._remove,
        }  # fmt: skip

    async def _list(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer with {pictures}: {id, site, name, at} of each, the oldest first; `site` is "" for a plan."""
        return {"pictures": await self._shelf.listed()}

    async def _show(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {id} with {type, data}: content type and bytes (base64 on the socket); `data` is empty where there is
        no such picture."""
        kind, data = await self._shelf.show(text(arguments, "id")) or ("", b"")
        return {"type": kind, "data": data}

    async def _add(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {file | data, name, site, by} with {id}: a PNG or JPEG, as a file that this hub may read or as its
        bytes (base64 on the socket). With `site` it is a photograph of that site, otherwise a plan. Raises Refused."""
        site = text(arguments, "site")
        if site and site not in self._sites():
            raise Refused("site-unknown")
        given = arguments.get("data")
        if given is None:
            data = await asyncio.to_thread(_read, Path(text(arguments, "file")))
        else:
            data = picture_bytes(given)
        return await self._shelf.add(data, text(arguments, "name"), by=asker(arguments), site=site)

    async def _remove(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {id, by} with {id}."""
        return await self._shelf.remove(text(arguments, "id"), by=asker(arguments))


def _read(path: Path) -> bytes:
    """Read just enough of a file to see whether it is too large. Raises HubError."""
    from hub.page_kit.picture_sanitizer import MOST_BYTES

    if not path.is_absolute():
        raise HubError(phrase("file-whole-path", "file is the whole path of a PNG or JPEG"))
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise HubError(
            phrase("hub-cannot-read", "this hub cannot read {path}: {reason}", path=path, reason=system_error(error))
        ) from error
