"""What source code imports of the hub, and what it opens by itself. Pure: the code is read, not run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import MappingProxyType

from hub.core.text import Phrase, phrase

_API = (*import_module("hub").__all__, "sdk", "*")  # the names that are a plugin's, by their own list
NETWORK = phrase("use-session-network", "use `session.http` or `session.network`")
PROCESS = phrase("no-process-of-its-own", "a plugin has one process, and starts no other")
ALONE: Mapping[str, Phrase] = MappingProxyType({
    **dict.fromkeys(("requests", "httpx", "urllib.request", "urllib3", "http.client", "ftplib", "smtplib", "telnetlib",
                     "websockets", "serial"), NETWORK),
    **dict.fromkeys(("subprocess", "multiprocessing", "ctypes", "cffi"), PROCESS),
})  # fmt: skip
"""Module that a confined process can do nothing with → what to use."""
CALLS: Mapping[str, Phrase] = MappingProxyType({
    **dict.fromkeys(("socket.socket", "socket.create_connection", "socket.create_server", "asyncio.open_connection",
                     "asyncio.start_server", "aiohttp.ClientSession"), NETWORK),
    **dict.fromkeys(("os.system", "os.fork", "os.popen", "os.execv", "os.execve", "os.posix_spawn",
                     "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell"), PROCESS),
})  # fmt: skip
"""Call that fails there → what to use. With `sock=` it uses a socket of the session, and is right."""


def private_imports(source: str, file: str) -> Iterator[Phrase]:
    """Yield each import of a part of the hub that is not for plugins, with its line. Raises SyntaxError."""
    for line, module in _imports(source):
        if module.partition(".")[0] == "hub" and module != "hub" and not f"{module}.".startswith("hub.sdk."):
            yield phrase(
                "imports-private-part",
                "{file} line {line} imports {module}, which may change at any time: plugins have `hub` and `hub.sdk`",
                file=file,
                line=line,
                module=module,
            )


def own_ways_out(source: str, file: str) -> Iterator[Phrase]:
    """Yield each import and call by which code opens a socket or starts a process by itself. Raises SyntaxError."""
    for line, module in _imports(source):
        if (remedy := ALONE.get(module) or ALONE.get(module.partition(".")[0])) is not None:
            yield _alone(file, line, module, remedy)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and not any(one.arg == "sock" for one in node.keywords):
            name = ast.unparse(node.func)
            if (remedy := CALLS.get(name)) is not None:
                yield _alone(file, node.lineno, name, remedy)


def _alone(file: str, line: int, what: str, remedy: Phrase) -> Phrase:
    return phrase(
        "does-by-itself",
        "{file} line {line}: {what} does not work in a process that is shut in: {remedy}",
        file=file,
        line=line,
        what=what,
        remedy=remedy,
    )


def _imports(source: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module
            if node.module == "hub":  # `from hub import core` names a part too
                yield from ((node.lineno, f"hub.{one.name}") for one in node.names if one.name not in _API)
