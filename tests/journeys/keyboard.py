"""Somebody who has a keyboard alone, before a page in a browser: Tab, Shift+Tab, Enter, Space, arrows, and typing.

Each step looks where the focus is: that it is seen, covered by nothing, and goes on as one reads (WCAG 2.2, 2.1.1,
2.1.2, 2.4.3, 2.4.7, 2.4.11). The page notes every pointer, so that a test which uses one fails.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, FileChooser, Page

from .patience import PATIENCE_S

MOST = 250
"""Presses of Tab that no page takes."""
WATCHED = """
    window.pointers = 0;
    for (const kind of ["pointerdown", "mousedown", "touchstart"]) {
        addEventListener(kind, () => { window.pointers += 1; }, true);
    }
"""
FOCUSED = """() => {
    const one = document.activeElement, last = window.lastFocused;
    if (!one || one === document.body || one === document.documentElement) return null;
    window.lastFocused = one;
    const css = getComputedStyle(one), box = one.getBoundingClientRect(), labels = [...(one.labels || [])];
    const x = Math.max(box.left + 2, Math.min(box.left + box.width / 2, innerWidth - 2));
    const y = Math.max(box.top + 2, Math.min(box.top + box.height / 2, innerHeight - 2));
    const hit = document.elementFromPoint(x, y);
    const part = (place) => place.closest("header, nav, main, aside, footer");
    const there = last && last.isConnected, follows = Node.DOCUMENT_POSITION_FOLLOWING;
    const was = there && part(last) === part(one) ? last.getBoundingClientRect() : null;
    const said = one.getAttribute("aria-label") || labels.map((label) => label.innerText).join(" ") || one.innerText;
    return {
        name: (said || one.textContent).replace(/\\s+/g, " ").trim(), tag: one.tagName, text: one.innerText || "",
        seen: css.outlineStyle !== "none" && parseFloat(css.outlineWidth) >= 2,
        covered: !(hit && (one.contains(hit) || hit.contains(one) || labels.some((label) => label.contains(hit)))),
        round: one.className === "skip" && Boolean(last),
        after: !there || Boolean(last.compareDocumentPosition(one) & follows), below: !was || box.bottom > was.top,
    };
}"""
REACHED = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary")].filter((one) =>
    one.checkVisibility({ visibilityProperty: true }) && !one.disabled && one.type !== "hidden" && one.tabIndex >= 0
).length"""
LIVE = """() => {
    const box = document.querySelector("[data-live]");
    return !box || !box.hidden;
}"""
"""The button of the live values is there once the hub has answered."""
TOP = """() => {
    window.lastFocused = null;
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute("tabindex");
}"""


class Keyboard:
    """On one page. Raises AssertionError at the first step at which somebody would be lost."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._choosers: list[FileChooser] = []
        page.on("filechooser", self._asked)  # from the beginning: a press may be quicker than the asking

    def _asked(self, chooser: FileChooser) -> None:
        self._choosers.append(chooser)

    @staticmethod
    def context(context: BrowserContext) -> None:
        context.add_init_script(WATCHED)

    def at(self) -> dict[str, Any] | None:
        """What has the focus, None while it is nowhere."""
        found: dict[str, Any] | None = self.page.evaluate(FOCUSED)
        return found

    def settled(self) -> dict[str, Any]:
        """What has the focus once the page has put it: it does so a moment after it was loaded."""
        end = time.monotonic() + PATIENCE_S
        while (found := self.at()) is None:
            assert time.monotonic() < end, f"{self.page.url}: the focus is lost"
            self.page.wait_for_timeout(20)
        return found

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def tab(self, *, back: bool = False) -> dict[str, Any] | None:
        """One step on, looked at; None behind the last."""
        self.press("Shift+Tab" if back else "Tab")
        found = self.at()
        if found is not None and found["round"] and not back:
            return None  # behind the last comes the first again
        if found is not None:
            where = f"{self.page.url}: {found['tag']} {found['name']!r}"
            assert found["seen"], f"the focus is not seen: {where}"
            assert not found["covered"], f"something lies over the focus: {where}"
            if not back:
                assert found["after"], f"the focus went back: {where}"
                assert found["below"], f"the focus jumps up: {where}"
        return found

    def to(self, name: str, tag: str = "", *, back: bool = False) -> dict[str, Any]:
        """On to what is called so."""
        passed = []
        for _ in range(MOST):
            found = self.tab(back=back)
            assert found is not None, f"{self.page.url} has no {name!r} from here on: {passed}"
            passed.append(found["name"][:60])
            if re.search(name, found["name"]) and tag.upper() in ("", found["tag"]):
                return found
        raise AssertionError(f"{self.page.url}: a trap before {name!r}: {passed[-6:]}")

    def fill(self, name: str, text: str) -> None:
        """The field of that label, with this text in it."""
        self.to(name, "input")
        self.press("Control+a")
        self.page.keyboard.type(text)

    def choose(self, name: str, option: str) -> None:
        """An option of a list, by the arrows."""
        self.to(name, "select")
        self.press("Home")
        for _ in range(50):
            chosen = self.page.evaluate("document.activeElement.selectedOptions[0].textContent")
            if chosen == option:
                return
            self.press("ArrowDown")
        raise AssertionError(f"{name} has no {option!r}")

    def file(self, name: str, path: Path) -> None:
        self.to(name, "input")
        self.press("Space")
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if self._choosers:
                self._choosers.pop().set_files(path)
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{name} lets nobody choose a file by the keyboard")

    @contextmanager
    def sent(self) -> Iterator[None]:
        """Something that brings another page; the focus is in its content after it, and seen."""
        with self.page.expect_navigation():
            yield
        self.page.wait_for_load_state()
        found = self.settled()
        assert found["seen"], f"{self.page.url}: the focus is not seen on {found['tag']} {found['name']!r}"
        assert self.page.evaluate("document.activeElement.closest('main') !== null")

    def go(self, name: str, tag: str = "button") -> dict[str, Any]:
        """On to that button, Enter; what has the focus then."""
        self.to(name, tag)
        with self.sent():
            self.press("Enter")
        found = self.at()
        assert found is not None
        return found

    def follow(self, name: str) -> None:
        """A link: the page begins at its top, and its first link leads to the content."""
        self.to(name, "a")
        with self.page.expect_navigation():
            self.press("Enter")
        self.page.wait_for_load_state()
        self.content()

    def top(self) -> None:
        """As somebody who begins the page anew."""
        self.page.evaluate(TOP)
        self.content()

    def content(self) -> None:
        """From the top to the content."""
        first = self.tab()
        assert first is not None
        if self.page.evaluate("document.activeElement.className") == "skip":
            self.press("Enter")
            self.page.wait_for_function("() => document.activeElement.id === 'content'")

    def walk(self) -> None:
        """From the top to the end: everything that can be reached is. Then back to the content."""
        self.page.wait_for_function(LIVE)
        self.page.evaluate(TOP)
        reached = []
        for _ in range(MOST):
            found = self.tab()
            if found is None:
                break
            reached.append(found["name"])
        else:
            raise AssertionError(f"{self.page.url}: a trap: {reached[-6:]}")
        wanted = self.page.evaluate(REACHED)
        assert len(reached) >= wanted, f"{self.page.url}: {wanted} can be reached, {len(reached)} are: {reached}"
        before = self.tab(back=True) or self.tab(back=True)
        assert before is not None
        for name in reversed(reached[-3:]):
            assert before is not None
            assert before["name"] == name, f"{self.page.url}: the way back is another one"
            before = self.tab(back=True)
        self.top()

    def no_pointer(self) -> None:
        assert self.page.evaluate("window.pointers") == 0
