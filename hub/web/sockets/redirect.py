"""Redirect of plain HTTP to the pages, for people who type the address without https. Cookies, forms and other headers
are ignored; a name that is not the hub's is answered with 421."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

from hub.core.errors import NotReady
from hub.core.text import phrase, system_error
from hub.page_kit.request.guard import host_is_ours, split_host

MOST, HEAD, PATIENCE_S = 32, 4096, 5.0
_TARGET = re.compile(r"/[!-~]{0,2000}")


def answer(head: bytes, names: frozenset[str], local: str, port: int, pages: int) -> bytes:
    """Return the whole answer to a request's head that came to `local`:`port`; `pages` is the port of the pages.
    Pure."""
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    hosts = [line.partition(":")[2].strip() for line in lines[1:] if line.lower().startswith("host:")]
    if len(words) != 3 or not _TARGET.fullmatch(words[1]) or not words[2].startswith("HTTP/1."):
        return _reply("400 Bad Request")
    if words[0] not in ("GET", "HEAD"):
        return _reply("405 Method Not Allowed", "Allow: GET, HEAD\r\n")
    name, said = split_host(hosts[0]) if len(hosts) == 1 else ("", None)
    if (
        not name
        or not host_is_ours(f"[{name}]:{port}" if ":" in name else f"{name}:{port}", names, local, port)
        or (said if said is not None else 80) != port
    ):
        return _reply("421 Misdirected Request")
    shown = f"[{name}]" if ":" in name else name
    target = words[1] if not words[1].startswith("//") else "/"
    return _reply(
        "307 Temporary Redirect", f"Location: https://{shown}{'' if pages == 443 else f':{pages}'}{target}\r\n"
    )


def _reply(status: str, more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\n{more}Content-Length: 0\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    return head.encode("ascii")


@contextlib.asynccontextmanager
async def serving(address: str, port: int, names: frozenset[str], pages: int) -> AsyncIterator[int]:
    """Answer inside this scope; yields the port. Raises NotReady."""
    room = asyncio.Semaphore(MOST)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not room.locked():
                async with room, asyncio.timeout(PATIENCE_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    local, here = writer.get_extra_info("sockname")[:2]
                    writer.write(answer(head, names, local, here, pages))
                    await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(talk, address, port, limit=HEAD, backlog=MOST)
    except OSError as error:
        raise NotReady(
            phrase(
                "plain-http-cannot",
                "plain HTTP cannot listen on port {port}: {reason}",
                port=port,
                reason=system_error(error),
            )
        ) from error
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
