"""A finding of the backend's doctor, and the names of what it looks at. Pure."""

from __future__ import annotations

from typing import NamedTuple

from hub.core.text import phrase

OK, NOTE, WRONG = "ok", "note", "wrong"
"""Right; to be seen to, the backend goes on; wrong."""
DIRECTORY = phrase("finding-directory", "directory")
FILES = phrase("finding-files", "files and rights")
KEYS = phrase("finding-offline-keys", "offline keys")
DISK = phrase("finding-disk", "disk")
WRITING = phrase("finding-writing", "writing")
CLOCK = phrase("finding-clock", "clock")
TIME_SERVER = phrase("finding-time-server", "time server")
CERTIFICATE = phrase("finding-certificate", "certificate")
DATABASE = phrase("finding-database", "database")
COPY = phrase("finding-copy", "copy")
HUBS = phrase("finding-hubs", "hubs")
STANDBY = phrase("finding-standby", "standby")
WRITE_AHEAD_LOG = phrase("finding-write-ahead-log", "write-ahead log")
BACKLOG = phrase("finding-backlog", "backlog")
WAITING = phrase("finding-for-a-person", "for a person")

RELEASE = phrase("finding-release", "release")
SERVER = phrase("finding-server", "running server")

DAY_S = 86_400.0
MOST_SHOWN = 5
"""Names in one sentence."""


class Finding(NamedTuple):
    """A checked item. `remedy` is empty when nothing is to be done."""

    what: str
    state: str
    says: str
    remedy: str = ""
