"""SFTP port of provider spaces: a user is a space, its files are the only directory.

    sftp -P 2222 acme-waste@city.example.org        with the space's key as the password, or a public key of it

There is no shell, no command, no forwarding and no path to a disk: each request is answered out of the city's database.
A file is taken when it is closed, never when a connection ends. One that is called `….part` or `….filepart` is taken
when it is renamed. What is closed in `/readings` is taken as readings.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519

from backend.city.city import City
from backend.city.open_api.spaces.arrivals import arrivals_of
from backend.city.open_api.spaces.gate import Gate
from backend.owner.key_files import read, signing_key, write_key_file
from backend.owner.lock import locked
from hub.core.errors import ConfigError, StorageError
from hub.core.system_errors import file_not_written
from hub.core.text import phrase
from hub.protocol.pem import private_pem

HOST_KEY = "sftp_host.pem"
LOGIN_S = 20.0
ALIVE_S, MOST_UNANSWERED = 30.0, 4
"""Seconds after which a silent client is asked, and how often without an answer."""
BACKLOG = 128


@asynccontextmanager
async def serving(city: City, host: str, port: int) -> AsyncIterator[int]:
    """Answer SFTP until the block is left; gives the port. Raises ConfigError, StorageError, OSError."""
    if find_spec("asyncssh") is None:
        raise ConfigError(
            phrase("spaces-no-asyncssh", "asyncssh is not installed, which speaks SFTP: install ilot[sftp]")
        )
    import asyncssh

    from backend.city.open_api.spaces.sftp_door import Door

    logging.getLogger("asyncssh").setLevel(logging.CRITICAL)  # strangers must not be able to fill the log
    key = asyncssh.import_private_key(await asyncio.to_thread(host_key, city.directory))
    arrivals = arrivals_of(city)
    gate = arrivals.gate = Gate(time.monotonic)
    acceptor = await asyncssh.listen(
        host, port, backlog=BACKLOG, server_factory=lambda: Door(city, arrivals, gate), server_host_keys=[key],
        config=None, gss_host=None, host_based_auth=False, kbdint_auth=False, allow_pty=False, line_editor=False,
        x11_forwarding=False, agent_forwarding=False, allow_scp=False, compression_algs=["none"],
        login_timeout=LOGIN_S, keepalive_interval=ALIVE_S, keepalive_count_max=MOST_UNANSWERED, server_version="Ilot",
    )  # fmt: skip
    try:
        yield acceptor.get_port()
    finally:
        acceptor.close()
        await acceptor.wait_closed()


def host_key(directory: Path) -> bytes:
    """Return the private key by which clients know this server, in PEM, and make it where there is none. Raises
    ConfigError, StorageError."""
    with locked(directory):
        if not (directory / HOST_KEY).exists():
            try:
                write_key_file(directory, HOST_KEY, private_pem(ed25519.Ed25519PrivateKey.generate()))
            except OSError as error:
                raise StorageError(file_not_written(directory / HOST_KEY, error)) from error
    signing_key(directory / HOST_KEY)
    return read(directory / HOST_KEY)
