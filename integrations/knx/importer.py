"""Reads an ETS project (.knxproj) and proposes its group addresses as devices, its rooms as zones.

The file is read here, by Îlot itself: ETS is not needed, and nothing is asked of the bus.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

import hub
from hub.sdk.phrases import phrase, system_error
from integrations.knx.project.reader import read
from integrations.knx.proposal import Wish
from integrations.knx.proposal import propose as propose_project
from integrations.knx.zones import LEVELS

LONGEST_PASSWORD = 1024


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE.knxproj", help="the project as exported from ETS 4, 5 or 6")
    parser.add_argument(
        "--password-file", type=Path, metavar="FILE", help="a file that holds the project's password; - is stdin"
    )
    parser.add_argument(
        "--site", default="", help="the site of the zones (default: a new one, named after the project)"
    )
    parser.add_argument(
        "--zones", choices=[*LEVELS, "none"], default="room", help="what of the building becomes a zone (default: room)"
    )
    parser.add_argument("--read", action="store_true", help="ask at the start for what ETS says can be read")
    parser.add_argument("--host", default="", help="the KNX/IP interface, when the file has no knx integration yet")


def brings_zones(asked: argparse.Namespace) -> bool:
    return bool(asked.zones != "none")


async def propose(asked: argparse.Namespace) -> dict[str, Any]:
    """Propose a configuration. Raises DecodeError (the project cannot be read; the text has the remedy), NotReady (no
    such file)."""
    password = _password(asked.password_file)
    project = await asyncio.to_thread(read, asked.file, password)
    wish = Wish(asked.instance, asked.site, asked.zones, asked.zone, asked.read)
    found = propose_project(project, wish, asked.devices)
    if asked.config is None and found.get("devices"):
        way = {"connection": "tunnelling", "host": asked.host} if asked.host else {"connection": "routing"}
        hint = {} if asked.host else {"#": "or tunnelling, and `host`"}
        kind = {} if asked.instance == "knx" else {"type": "knx"}
        found = {**found, "integrations": {asked.instance: {**kind, **way, **hint}}}
    return found


def _password(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        with sys.stdin if str(file) == "-" else file.open(encoding="utf-8") as source:
            text = source.read(LONGEST_PASSWORD)
    except UnicodeDecodeError as error:
        raise hub.DecodeError(
            "wrong-password", phrase("knx.file-not-utf-8", "{file} is not text in UTF-8", file=file)
        ) from error
    except OSError as error:
        raise hub.NotReady(
            phrase("knx.file-unreadable", "{file} cannot be read: {reason}", file=file, reason=system_error(error))
        ) from error
    return text.rstrip("\r\n")
