"""The first file of a configuration: of a new hub, and of one that was reset. Pure."""

from __future__ import annotations

import json
import re

from hub.config.scalars import resolve

FIRST_NAME = "Bâtiment"
"""Name of a building until somebody names it."""

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
    https: {{{url}}} # without `url`, the address of the enrolment

# The hub's own pages, HTTPS on port 8443 of this machine alone; without `address`, of every address.
{web}
"""


def configuration(name: str, state: str, url: str = "", *, pages: bool = False) -> str:
    """The text of a configuration that is right as it stands. `name` is for people; the site's id is made of it.
    `pages`: they are served to the building's network, so that the hub can be claimed and enrolled from there."""
    import unicodedata  # imported late: rarely needed

    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    site = re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "site"
    site = site if site[0].isalpha() and isinstance(resolve(site), str) else f"site-{site}"  # `true` is no text in YAML
    way = f"url: {_quoted(url)}" if url else ""
    web = "web: {}" if pages else "# web: {address: 127.0.0.1}"
    return _CONFIGURATION.format(name=_quoted(name), site=site, state=_quoted(state), url=way, web=web)


def _quoted(text: str) -> str:
    """A YAML scalar in double quotes: those of JSON are among them (YAML 1.2, 1.3)."""
    return json.dumps(text, ensure_ascii=False)
