"""Time servers, package mirrors and name servers of a machine, read from its own files. Pure except for `read`.

systemd-timesyncd.conf(5), chrony.conf(5), ntp.conf(5), sources.list(5), deb822(5), resolv.conf(5), pip's configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

MOST = 256 * 1024
TIME = ("etc/systemd/timesyncd.conf", "etc/systemd/timesyncd.conf.d/*.conf", "etc/chrony/chrony.conf",
        "etc/chrony/sources.d/*.sources", "etc/ntpsec/ntp.conf", "etc/ntp.conf")  # fmt: skip
MIRRORS = ("etc/apt/sources.list", "etc/apt/sources.list.d/*.list", "etc/apt/sources.list.d/*.sources",
           "etc/pip.conf", "etc/xdg/pip/pip.conf")  # fmt: skip
RESOLVERS = ("etc/resolv.conf",)


class Source(NamedTuple):
    """A host that a file names."""

    host: str
    file: str


def time_servers(files: Mapping[str, str]) -> list[Source]:
    """Return the time servers; `files`: name → text."""
    found = []
    for name, text in files.items():
        for line in _lines(text):
            if "timesyncd" in name:
                key, _, value = line.partition("=")
                hosts = value.split() if key.strip() in ("NTP", "FallbackNTP") else []
            else:
                words = line.split()
                hosts = words[1:2] if words[:1] in (["server"], ["pool"], ["peer"]) else []
            found += [Source(host.lower(), name) for host in hosts]
    return found


def mirrors(files: Mapping[str, str]) -> list[Source]:
    """Return the hosts of every URL in lines that name a package source."""
    found = []
    for name, text in files.items():
        for line in _lines(text):
            for url in re.findall(r"(?:https?|ftp|mirror\+https?)://[^\s\"']+", line):
                try:
                    host = urlsplit(url.removeprefix("mirror+")).hostname
                except ValueError:
                    host = None
                found.append(Source((host or url).lower(), name))
    return found


def resolvers(files: Mapping[str, str]) -> list[Source]:
    return [
        Source(line.split()[1].lower(), name)
        for name, text in files.items()
        for line in _lines(text)
        if line.startswith("nameserver") and len(line.split()) > 1
    ]


def read(root: Path, patterns: Iterable[str]) -> dict[str, str]:
    """Return name → text of the existing files. Blocking."""
    found: dict[str, str] = {}
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            try:
                with path.open(encoding="utf-8", errors="replace") as file:
                    found[f"/{path.relative_to(root)}"] = file.read(MOST)
            except OSError:
                continue
    return found


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        plain = line.strip()
        if plain and not plain.startswith(("#", ";", "!", "%")):
            yield plain
