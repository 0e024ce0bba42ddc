"""The files of a new integration and of a new page in a checkout of Îlot: small, and right as they stand. Pure."""

from __future__ import annotations

# Lint sorts `hub` among the others' packages where it is one, in a vendor's distribution.
_IMPORTS = "from pydantic import Field\n\nimport hub"
_OWN_IMPORTS = "import hub\nfrom pydantic import Field\n"
_TEST_IMPORTS = """\
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hub
from hub.sdk.testing import FakeSession, Reply"""
_OWN_TEST_IMPORTS = """\
import hub
import pytest
from hub.sdk.testing import FakeSession, Reply
from hypothesis import given
from hypothesis import strategies as st
"""
_INTEGRATION = '''\
"""{title}: a device that answers `{{"id": 42, "t": 215}}` over HTTP, in tenths of a degree. Write yours here."""

from __future__ import annotations

from datetime import timedelta

{imports}
from {module}.decode import decode
from {module}.reasons import REASONS

__all__ = ["Config", "register_integrations", "run"]


class Config(hub.Config):
    """One server that is polled."""

    url: hub.HttpUrl = Field(description="Address of the server: http://host:port.")
    interval: timedelta = Field(
        default=timedelta(seconds=60),
        ge=timedelta(seconds=1),
        le=timedelta(days=1),
        description="Time between two polls.",
    )


async def run(config: Config, session: hub.Session) -> None:
    """Poll the server until cancelled. Raises NotReady when it does not answer."""
    async for _ in session.every(config.interval):
        reply = await session.http.request("GET", str(config.url))
        try:
            report = decode(reply.body)
        except hub.DecodeError as error:
            # Counted, and shown with its words from REASONS.
            session.radio.report_decode_error("", error)
        else:
            await session.emit(report)


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("{name}", Config, run, reasons=REASONS)
'''

_DECODE = '''\
"""Decode the answer of a device into a report. Pure."""

from __future__ import annotations

import json

import hub

LONGEST = 4096
"""Bytes of an answer."""


def decode(body: bytes) -> hub.Report:
    """Raises DecodeError: `answer-size`, `answer-json`, `answer-shape`."""
    if len(body) > LONGEST:
        raise hub.DecodeError("answer-size", f"{{len(body)}} bytes")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise hub.DecodeError("answer-json", str(error)) from error
    said = said if isinstance(said, dict) else {{}}
    number, tenths = said.get("id"), said.get("t")
    if type(number) is not int or type(tenths) is not int:
        raise hub.DecodeError("answer-shape", "id and t are whole numbers")
    if not 0 <= number < 1 << 32 or not -1000 <= tenths <= 2000:
        raise hub.DecodeError("answer-shape", "id has 32 bits, t is -1000 to 2000")
    device = f"{scheme}:{{number}}"
    return hub.Report(device=device, values={{"temperature": tenths / 10}})
'''

_REASONS = '''\
"""Words for the refusals counted for {title}: reason -> English. Pure data."""

from __future__ import annotations

PREFIX = "{name}.reason-"
REASONS: dict[str, str] = {{
    "answer-size": "An answer longer than allowed",
    "answer-json": "An answer that is no JSON: check `url`",
    "answer-shape": "An answer of another form: is it the right device?",
}}
'''

README = """\
# {title}

One sentence: which devices, and what they are read for.

## Devices

Which makers and models, and how a device is named here: `{scheme}:` and its number.

## Configuration

```yaml
integrations:
  {name}:
    url: http://192.0.2.50        # the server
    interval: 60s                 # between two polls
```

## Readings

| metric | of |
|---|---|
| `temperature` | `t`, in tenths of a degree |

## Limits

What it does not do, and what was not tried with a real device.
"""

_INTEGRATION_TEST = '''\
"""{title}: what the device says becomes a report; anything else is refused by name."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

{test_imports}
from {module} import Config, run
from {module}.decode import LONGEST, decode
from {module}.reasons import REASONS

URL = "http://192.0.2.50/"
CONFIG = Config.model_validate({{"url": URL}})


def test_it_reports_what_the_device_says() -> None:
    session = FakeSession("{name}")
    session.http.replies["GET", URL] = Reply(200, {{}}, b'{{"id": 42, "t": 215}}')
    asyncio.run(session.run(run, CONFIG))
    (report,) = session.reports
    assert report.device == "{scheme}:42"
    assert report.values == {{"temperature": 21.5}}


def test_an_answer_that_is_none_is_counted_and_it_goes_on() -> None:
    session = FakeSession("{name}")
    session.http.replies["GET", URL] = Reply(200, {{}}, b"<html>")
    asyncio.run(session.run(run, CONFIG))
    assert session.reports == []
    assert session.unworded(REASONS) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b" " * (LONGEST + 1), "answer-size"),
        (b"{{", "answer-json"),
        (b"[" * LONGEST, "answer-json"),
        (b"[]", "answer-shape"),
        (b'{{"id": 1, "t": true}}', "answer-shape"),
        (b'{{"id": 1, "t": 100000}}', "answer-shape"),
    ],
)
def test_what_is_wrong_has_a_reason_with_words(body: bytes, reason: str) -> None:
    with pytest.raises(hub.DecodeError) as refused:
        decode(body)
    assert refused.value.reason == reason
    assert reason in REASONS


NUMBER = rb"-?[0-9]{{1,12}}"
ANSWERS = st.from_regex(rb'\\{{"id": %b, "t": %b\\}}' % (NUMBER, NUMBER), fullmatch=True)


@given(st.one_of(st.binary(max_size=200), ANSWERS))
def test_whatever_comes_gives_a_finite_reading_or_a_decode_error(body: bytes) -> None:
    reason = ""
    values: Mapping[str, object] = {{}}
    try:
        values = decode(body).values
    except hub.DecodeError as error:
        reason = error.reason
    assert bool(values) != (reason in REASONS)
    assert all(isinstance(one, float) and math.isfinite(one) for one in values.values())
'''

_AREA = '''\
"""{en}: one sentence of what the page is for."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hub.page_kit.menu import Entry
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Visit
from hub.web.area import Area, get
from hub.web.roles import READS
from hub.web.site import Site


class Pages:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def shown(self, visit: Visit) -> Any:
        return {{"readings": (await self._site.cached_call("status"))["readings"]}}

    async def page(self, visit: Visit) -> web.Response:
        return self._site.page("{key}", visit, **await self.shown(visit))


def routes(site: Site) -> list[Route]:
    do = Pages(site)
    return [
        Route("GET", "/{key}", do.page, READS),
        get("/{key}", do.shown, "{en}"),
    ]


AREA = Area(routes, (Entry("{key}", "/{key}", "group-field"),))
'''

_TEMPLATE = """\
{{% extends "base.html" %}}
{{% block content %}}
<h1>{{{{ _("{key}") }}}}</h1>
<p>{{{{ _("{key}-readings", count=readings) }}}}</p>
{{% endblock %}}
"""

_WORDS = '''\
"""{en}. Key: English; `[one|many]` is chosen by `count`. French: `hub/locale`."""

PREFIX = "page-"
PHRASES: dict[str, str] = {{
    "{key}": "{en}",
    "about-{key}": "The readings that the hub took.",
    "{key}-readings": "{{count}} [reading|readings]",
}}
'''

_CATALOGUE = """\
msgid ""
msgstr ""
"Project-Id-Version: ilot {name}\\n"
"Language: fr\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"""

_IN_FRENCH = (
    ("option-Config-help", "One server that is polled.", "Un serveur interrogé.", "__init__.py"),
    ("option-Config-interval-help", "Time between two polls.", "Temps entre deux lectures.", "__init__.py"),
    (
        "option-Config-url-help",
        "Address of the server: http://host:port.",
        "Adresse du serveur : http://hôte:port.",
        "__init__.py",
    ),
    (
        "reason-answer-json",
        "An answer that is no JSON: check `url`",
        "Réponse qui n'est pas du JSON : vérifiez `url`",
        "reasons.py",
    ),
    (
        "reason-answer-shape",
        "An answer of another form: is it the right device?",
        "Réponse d'une autre forme : est-ce le bon appareil ?",
        "reasons.py",
    ),
    ("reason-answer-size", "An answer longer than allowed", "Réponse plus longue que permis", "reasons.py"),
)

_PAGE_TEST = '''\
"""The page {en}."""

from __future__ import annotations

import html
from pathlib import Path

import pytest

from .web_kit import Pages


@pytest.mark.real("network")
@pytest.mark.parametrize(("lang", "title"), [("fr", "{fr}"), ("en", "{en}")])
async def test_the_page_says_it_in_the_readers_language(tmp_path: Path, lang: str, title: str) -> None:
    async with Pages(tmp_path) as pages:
        browser = await pages.claimed()
        status, text, _ = await browser.get(f"/{key}?lang={{lang}}")
        assert (status, f"<h1>{{title}}</h1>" in html.unescape(text)) == (200, True)
        assert (await browser.api("GET", "/{key}"))[0] == 200
'''


def integration(name: str) -> dict[str, str]:
    """Text by path, for the integration that is the Python module `name` in `integrations/`."""
    words = named(name, f"integrations.{name}")
    folder, tests = f"integrations/{name}", f"tests/integrations/{name}"
    return package(folder, words) | {
        f"{folder}/README.md": README.format(**words),
        f"{tests}/test_{name}.py": _INTEGRATION_TEST.format(**words),
    }


def named(name: str, module: str) -> dict[str, str]:
    """Return what stands in the files of the integration `name`, which is imported as `module`: for a vendor's own
    distribution the same word."""
    parts = name.split("_")
    title = " ".join(map(str.capitalize, parts))
    own = name == module
    return {
        "name": name,
        "module": module,
        "words": "-".join(parts),
        "scheme": parts[0],
        "title": title,
        "imports": _OWN_IMPORTS if own else _IMPORTS,
        "test_imports": _OWN_TEST_IMPORTS if own else _TEST_IMPORTS,
    }


def package(folder: str, words: dict[str, str]) -> dict[str, str]:
    """Text by path, for the package of an integration in a folder."""
    return {
        f"{folder}/__init__.py": _INTEGRATION.format(**words),
        f"{folder}/decode.py": _DECODE.format(**words),
        f"{folder}/reasons.py": _REASONS.format(**words),
        f"{folder}/locale/fr/LC_MESSAGES/{words['name']}.po": _CATALOGUE.format(**words)
        + "".join(
            _entry(f"{words['name']}.{code}", english, french, f"{folder}/{file}")
            for code, english, french, file in _IN_FRENCH
        ),
    }


def integration_test(words: dict[str, str]) -> str:
    """Return the test of an integration."""
    return _INTEGRATION_TEST.format(**words)


def page(key: str, fr: str, en: str) -> dict[str, str]:
    """Text by path, for the page at `/key`, called `fr` and `en`."""
    words = {"key": key, "fr": fr, "en": en}
    module = key.replace("-", "_")
    return {
        f"hub/web/areas/{module}.py": _AREA.format(**words),
        f"hub/web/templates/{key}.html": _TEMPLATE.format(**words),
        f"hub/web/words/{module}.py": _WORDS.format(**words),
        f"tests/hub/web/test_{module}.py": _PAGE_TEST.format(**words),
    }


def page_in_french(key: str, fr: str, en: str) -> str:
    """Return entries for the hub's French catalogue: the words of the page at `/key`."""
    module = key.replace("-", "_")
    words = (
        (key, en, fr),
        (f"about-{key}", "The readings that the hub took.", "Les relevés que le concentrateur a pris."),
        (f"{key}-readings", "{count} [reading|readings]", "{count} [relevé|relevés]"),
    )
    return "".join(
        _entry(f"page-{code}", english, french, f"hub/web/words/{module}.py") for code, english, french in words
    )


def _entry(code: str, english: str, french: str, file: str) -> str:
    return f'\n#. {file}\nmsgctxt "{code}"\nmsgid "{english}"\nmsgstr "{french}"\n'


def with_entry_point(project: str, name: str) -> str:
    """pyproject.toml with one more line under `hub.plugins`. Raises ValueError where it has no such table."""
    head = '[project.entry-points."hub.plugins"]\n'
    if head not in project:
        raise ValueError("it has no table of hub.plugins")
    return project.replace(head, f'{head}{name} = "integrations.{name}"\n', 1)
