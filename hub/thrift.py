"""Memory that this process need not take from its libraries. Measured on x86-64, glibc 2.41, Python 3.11, each alone,
in MiB; a whole hub is 3.3 smaller for all of it, because what comes later takes up part of the room:

    2.2   aiohttp reads the machine's CAs into a TLS context of its own when it is imported. No connection of a hub
          uses that context: `hub.egress` gives each its own
    1.6   frozenlist's extension, for two short lists of aiohttp, brings the whole library of C++
    0.6   pydantic looks through all that is installed for plugins of its own, which takes 30 ms too; what is not
          declared to this hub has no say in its models either
    0.6   glibc keeps an arena for each thread: here one thread runs at a time, so they may share
    0.2   asyncio keeps 256 KiB to read into for each TLS connection; an eighth takes the largest record twice. Above
          all it is what a caller costs who connects and says nothing more
    0.4   aiohttp has Python read the machine's list of file types, several times; none is asked for here
    1.2   what imports have freed again stays with glibc until it is asked for

`spare` comes before the first import of aiohttp, `give_back` after the last of the others.
"""

from __future__ import annotations

import ctypes
import mimetypes
import os
import sys
from asyncio import sslproto

M_ARENA_MAX = -8  # mallopt(3)
TLS_BUFFER = 32 * 1024
_CAS = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def spare() -> None:
    """Import aiohttp without what it does not need here. Call it before there is a second thread: for that moment, the
    environment names no CA."""
    _call("mallopt", M_ARENA_MAX, 1)
    os.environ.setdefault("FROZENLIST_NO_EXTENSIONS", "1")
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    sslproto.SSLProtocol.max_size = TLS_BUFFER
    mimetypes.knownfiles.clear()
    if "aiohttp" in sys.modules:
        return
    before = {name: os.environ.get(name) for name in _CAS}
    os.environ.update(dict.fromkeys(_CAS, os.devnull))
    try:
        import aiohttp  # noqa: F401 - for what it does at import
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def give_back() -> None:
    """Free memory goes back to the system; a millisecond."""
    _call("malloc_trim", 0)


def _call(name: str, *values: int) -> None:
    """A function of glibc; another C library may lack it."""
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*values)
