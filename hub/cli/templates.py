"""The first files of a configuration and of a plugin, to be filled in. Pure."""

from __future__ import annotations

import json
import re
import unicodedata

from hub.config.scalars import resolve

SOME_URL = "https://backend.example.org:8443"

_CONFIGURATION = """\
# A first configuration. `ilot check` says what is wrong, with its line; every option is in the reference,
# docs/reference/configuration.md. Indent with spaces. Durations have a unit: 30s, 15min, 1d. A secret stands in
# secrets.yaml beside this file (chmod 600), and here `!secret NAME`.

hub:
  name: {name}
  site: {site}
  state_dir: {state}

sites:
  {site}:
    name: {name}
    timezone: Europe/Paris

# Rooms, or groups of rooms. What may tell of people is dropped unless its zone says for what it is kept (`personal:`).
zones:
  technique: {{site: {site}, name: Locaux techniques}}

# What devices stand for. A place outlives the hardware.
places:
  hub: {{zone: technique, name: Le concentrateur}}

# What speaks to devices: `ilot plugins` lists what is installed.
integrations:
  host: {{}} # the health of this machine

# Naming a device admits it.
devices:
  host:local: {{integration: host, place: hub}}

# The way to the owner's backend.
link:
  uplinks:
    https: {{url: {url}}}

# The hub's own pages, HTTPS on port 8443 of this machine alone; without `address`, of every address.
# web: {{address: 127.0.0.1}}
"""

_PROJECT = """\
[build-system]
requires = ["setuptools>=80"]
build-backend = "setuptools.build_meta"

[project]
name = "ilot-{words}"
version = "1.0"
dependencies = ["ilot"]

[project.entry-points."hub.plugins"]
{module} = "{module}"

[tool.setuptools]
py-modules = ["{module}"]
"""

_CODE = """\
from datetime import timedelta

import hub


class {title}(hub.Config):
    url: hub.HttpUrl
    interval: timedelta = timedelta(seconds=60)


def decode(body: dict[str, float]) -> hub.Report:
    return hub.Report(device=f"{scheme}:{{body['sn']}}", values={{"temperature": body["t"] / 10}})


async def run(config: {title}, session: hub.Session) -> None:
    async for _ in session.every(config.interval):
        reply = await session.http.request("GET", str(config.url))
        await session.emit(decode(reply.json()))


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("{module}", {title}, run)
"""

_TEST = """\
import asyncio

from {module} import {title}, run

from hub.sdk.testing import FakeSession, Reply


def test_it_reports_what_the_thermometer_says():
    session = FakeSession("{module}")
    session.http.replies["GET", "http://192.168.1.20/"] = Reply(200, {{}}, b'{{"sn": 42, "t": 215}}')
    asyncio.run(session.run(run, {title}(url="http://192.168.1.20/")))
    assert session.reports[0].device == "{scheme}:42"
    assert session.reports[0].values == {{"temperature": 21.5}}
"""


def configuration(name: str, state: str, url: str) -> str:
    """The text of a configuration that is right as it stands. `name` is for people; the site's id is made of it."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    site = re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "site"
    site = site if site[0].isalpha() and isinstance(resolve(site), str) else f"site-{site}"  # `true` is no text in YAML
    return _CONFIGURATION.format(name=_quoted(name), site=site, state=_quoted(state), url=_quoted(url))


def plugin(module: str) -> dict[str, str]:
    """Text by file name, for the plugin that is the Python module `module`."""
    parts = module.split("_")
    words = {"module": module, "words": "-".join(parts), "title": "".join(map(str.capitalize, parts)),
             "scheme": parts[0]}  # fmt: skip
    return {
        "pyproject.toml": _PROJECT.format(**words),
        f"{module}.py": _CODE.format(**words),
        f"test_{module}.py": _TEST.format(**words),
    }


def _quoted(text: str) -> str:
    """A YAML scalar in double quotes: those of JSON are among them (YAML 1.2, 1.3)."""
    return json.dumps(text, ensure_ascii=False)
