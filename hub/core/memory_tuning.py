"""Memory that this process need not take from its libraries. Measured on x86-64, glibc 2.41, Python 3.11, each alone,
in MiB:

    2.2   aiohttp reads the machine's CAs into two TLS contexts of its own when it is imported, which is when the first
          caller of the pages comes. No connection of a hub uses them: `hub.store_and_forward.egress` gives each its own
    1.6   frozenlist's extension, for two short lists of aiohttp, brings the whole library of C++
    0.6   pydantic looks through all that is installed for plugins of its own, which takes 30 ms too; what is not
          declared to this hub has no say in its models either
    0.8   for that it imports importlib.metadata, which brings the parsers of e-mail, ZIP and CSV: it is imported when
          somebody calls it
    0.6   glibc keeps an arena for each thread: here one thread runs at a time, so they may share
    0.2   asyncio keeps 256 KiB to read into for each TLS connection; an eighth takes the largest record twice. Above
          all it is what a caller costs who connects and says nothing more
    3.0   aiohttp imports its client, which the hub's pages have no use for: see `aiohttp_client`
    0.7   aiohttp imports a parser of command lines and the client of urllib, for functions that are not called here:
          the same
    1.9   aiohttp's server imports parsers of the headers of e-mails, HTML's names of characters and the tables of
          international names, for functions that are not called here, and attrs for eight plain classes: see there too
    0.4   aiohttp has Python read the machine's list of file types, several times; none is asked for here
    0.2   zoneinfo asks how Python was built, all of it, for the directories of time zones: the usual one is named
    1.2   what imports have freed again stays with glibc until it is asked for

And of its time: Python looks through all objects for cycles again and again while imports make 110,000 that stay, 60 of
500 ms of a start; later each such look, 50 ms, holds the event loop up, for objects that live as long as the hub. So it
looks once, SETTLED_S after the start, which gives 0.8 MiB back, and never at those again.

`spare` comes before the first import of any of them, `settle` when all runs, `give_back` after what takes much.
"""

from __future__ import annotations

import ctypes
import gc
import mimetypes
import os
import ssl
import sys
import urllib  # noqa: F401 - what stands for a part of it is put into it
from asyncio import sslproto
from types import FrameType

from hub.core.aiohttp_client import spare_client
from hub.core.later import ZONES, Later

M_ARENA_MAX = -8  # mallopt(3)
TLS_BUFFER = 32 * 1024
STARTING = 500_000
"""New objects after which Python looks for cycles while the hub starts: more than a start makes, so that only one that
waits for its disk is looked through."""
SETTLED_S = 10.0
"""Seconds after which integrations have imported their libraries."""

_usual = gc.get_threshold()
_machines = ssl.SSLContext.set_default_verify_paths


def spare() -> None:
    """Call it before there is a second thread."""
    _call("mallopt", M_ARENA_MAX, 1)
    gc.set_threshold(STARTING, *_usual[1:])
    os.environ.setdefault("FROZENLIST_NO_EXTENSIONS", "1")
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    sslproto.SSLProtocol.max_size = TLS_BUFFER
    mimetypes.knownfiles.clear()
    if os.path.isdir(ZONES):
        os.environ.setdefault("PYTHONTZPATH", ZONES)
    Later.stand_for("importlib.metadata", "entry_points", "version")
    spare_client()
    Later.stand_for("argparse", "ArgumentParser")
    Later.stand_for("urllib.request", "getproxies", "proxy_bypass")
    ssl.SSLContext.set_default_verify_paths = _trust_machine  # type: ignore[method-assign, assignment]


def _trust_machine(context: ssl.SSLContext) -> None:
    """`ssl.SSLContext.set_default_verify_paths`, but for the contexts that aiohttp makes when it is imported: they
    trust nobody."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") == "ssl":
        frame = frame.f_back
    if frame is None or frame.f_globals.get("__name__") != "aiohttp.connector":
        _machines(context)


def settle() -> None:
    """Exempt the objects of now from later garbage collection (`gc.freeze`), after one last search for cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_usual)
    give_back()


def give_back() -> None:
    """Free memory goes back to the system; a millisecond."""
    _call("malloc_trim", 0)


def _call(name: str, *values: int) -> None:
    """A function of glibc; another C library may lack it."""
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*values)
