"""Rendering of the hub's templates: those of `templates/`, then those of the kit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hub.core.actor import who
from hub.core.memory_tuning import SETTLED_S, give_back
from hub.i18n.catalogues import translate
from hub.page_kit.menu import Entry
from hub.page_kit.renderer import PageRenderer
from hub.page_kit.request.visit import Visit
from hub.web.presentation import guides, views
from hub.web.roles import ADMINISTRATEUR, WORKS
from hub.web.words import BOOK

HERE = Path(__file__).parent


class Renderer(PageRenderer):
    """Renderer of the hub's pages. `hub` is its id; `said`: allowed values of `?said=`."""

    def __init__(self, hub: str, menu: Sequence[Entry], said: frozenset[str]) -> None:
        super().__init__(hub, BOOK, [HERE / "templates"], menu=menu, said=said)
        self._hub = hub
        self._compiled = 0
        self._tidying: asyncio.TimerHandle | None = None
        self.environment.globals.update(loudness=views.signal_word, strongest=views.strongest)

    def page(self, name: str, visit: Visit, /, **what: Any) -> str:
        made = super().page(name, visit, **what)
        compiled = len(self.environment.cache or ())
        if compiled != self._compiled:
            self._compiled = compiled
            self._tidy_later()
        return made

    def _tidy_later(self) -> None:
        """Have the C library give back what compiling leaves, 4 MiB of all pages, once there is quiet."""
        if self._tidying is not None:
            self._tidying.cancel()
        self._tidying = asyncio.get_running_loop().call_later(SETTLED_S, give_back)

    def context(self, name: str, visit: Visit) -> dict[str, Any]:
        role = visit.account.role if visit.account else ""
        return {
            **super().context(name, visit),
            "hub": self._hub,
            "guide_here": guides.OF_PAGE.get(name, ""),
            "works": role in WORKS,
            "counts": {"raised": 0, "todo": 0},
            "rules": role == ADMINISTRATEUR,
            "who": lambda by: translate(who(by), visit.lang),
        }
