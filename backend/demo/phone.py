"""Phones of the town's people. Each signs in at the town's pages, opens them, and sends the forms that it finds there,
with the fields that the page gives them, as a browser does."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from typing import NamedTuple, Self
from urllib.parse import urljoin, urlsplit

import aiohttp

from hub.core.errors import NotReady
from hub.core.text import phrase

Fields = Mapping[str, str | Sequence[str]]
"""Fields of a form; several values are as many ticks."""
SIGN_IN, CODE = "/signin", "/signin/code"


class Form(NamedTuple):
    """A form of a page: where and how it is sent, its fields as they stand, and its buttons."""

    action: str
    multipart: bool
    fields: dict[str, str]
    buttons: list[tuple[str, str]]


class Page(HTMLParser):
    """A page: its forms that change something, its links, the reason of a refusal, and a code that is shown once."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__()
        self.path = path
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.refusal = self.code = ""
        self._into = ""
        self._open = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._into = "refusal" if given.get("role") == "alert" else "code" if "data-code" in given else ""
        if tag == "a":
            self.links.append(given.get("href", ""))
        elif tag == "form":
            self._open = given.get("method", "").lower() == "post"
            if self._open:
                many = given.get("enctype") == "multipart/form-data"
                self.forms.append(Form(given.get("action") or self.path, many, {}, []))
        elif self._open and (name := given.get("name")):
            if tag == "button":
                self.forms[-1].buttons.append((name, given.get("value", "")))
            elif tag == "input" and given.get("type") not in ("checkbox", "radio", "file"):
                self.forms[-1].fields[name] = given.get("value", "")
            elif tag in ("textarea", "select"):
                self.forms[-1].fields[name] = ""

    def handle_endtag(self, tag: str) -> None:
        self._into = ""
        if tag == "form":
            self._open = False

    def handle_data(self, data: str) -> None:
        if self._into == "refusal":
            self.refusal += data
        elif self._into == "code":
            self.code += data

    def form(self, action: str, button: tuple[str, str] | None) -> Form:
        """Return the form that is sent to an address, with a button, or a field, of this name and value. Raises
        NotReady."""
        for one in self.forms:
            if one.action == action and (button is None or button in (*one.buttons, *one.fields.items())):
                return one
        wanted = action if button is None else f"{action} ({button[1]})"
        raise NotReady(phrase("demo-phone-no-form", "{page} has no form for {action}", page=self.path, action=wanted))


class Phone:
    """A person's phone, at the pages of `url`. Nothing of it is known to the town but what it sends."""

    def __init__(self, url: str, trust: ssl.SSLContext, name: str, password: str) -> None:
        self.name, self.password, self._url = name, password, url.rstrip("/")
        connector = aiohttp.TCPConnector(ssl=trust)
        jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address without a name too
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=jar,
            timeout=aiohttp.ClientTimeout(total=30),
            headers={"Accept": "text/html"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.close()

    async def choose_password(self, code: str) -> None:
        """Choose the password by a code, which signs in as well. Raises NotReady, aiohttp.ClientError."""
        given = {"name": self.name, "code": code, "password": self.password, "again": self.password}
        await self._send(await self._page(CODE), CODE, None, given)

    async def open(self, path: str) -> Page:
        """Open a page, and sign in before where that is asked. Raises NotReady, aiohttp.ClientError."""
        page = await self._page(path)
        if page.path == SIGN_IN:
            await self._send(page, SIGN_IN, None, {"name": self.name, "password": self.password})
            page = await self._page(path)
        return page

    async def press(
        self, path: str, button: str, fields: Fields | None = None, file: tuple[str, bytes] | None = None
    ) -> Page:
        """Open a page, fill its form, with a file perhaps, and press the button of this value; return the page that
        follows. Raises NotReady, aiohttp.ClientError."""
        return await self._send(await self.open(path), path, ("do", button), fields or {}, file)

    async def send(self, path: str, fields: Fields, to: str = "") -> Page:
        """Open a page, and send its form that leads to an address, without one there again. Raises NotReady,
        aiohttp.ClientError."""
        return await self._send(await self.open(path), to or path, None, fields)

    async def _send(
        self,
        page: Page,
        action: str,
        button: tuple[str, str] | None,
        fields: Fields,
        file: tuple[str, bytes] | None = None,
    ) -> Page:
        form = page.form(action, button)
        data = aiohttp.FormData(default_to_multipart=form.multipart)
        for name, value in {**form.fields, **fields, **dict([button] if button else [])}.items():
            for one in [value] if isinstance(value, str) else value:
                data.add_field(name, one)
        if file is not None:
            data.add_field("file", file[1], filename=file[0], content_type="application/octet-stream")
        headers = {"Origin": self._url, "Sec-Fetch-Site": "same-origin", "Referer": self._url + page.path}
        address = urljoin(self._url, form.action)
        async with self._session.post(address, data=data, headers=headers, allow_redirects=False) as answer:
            text = await answer.text()
            to = answer.headers.get("Location", "")
        if answer.status in (302, 303) and to.startswith("/"):
            return await self._page(to)
        return self._read(form.action, answer.status, text)

    async def _page(self, path: str) -> Page:
        headers = {"Sec-Fetch-Site": "same-origin"}
        async with self._session.get(urljoin(self._url, path), headers=headers) as answer:
            return self._read(answer.url.path, answer.status, await answer.text())

    def _read(self, path: str, status: int, text: str) -> Page:
        page = Page(path, text) if status in (200, 422) else None
        if page is None or status != 200:
            why = " ".join(page.refusal.split()) if page is not None and page.refusal else f"HTTP {status}"
            raise NotReady(
                phrase("demo-phone-refused", "{who} at {page}: {reason}", who=self.name, page=path, reason=why)
            )
        return page


def path_of(link: str) -> str:
    """Return the path of a link in a message."""
    return urlsplit(link).path
