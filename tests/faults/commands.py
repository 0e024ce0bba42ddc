"""Commands of `ilot`, each in a process of its own, forked from one that has imported their modules already.

    python commands.py DESCRIPTOR

To import them costs half a second of a core, and the tests give more than a thousand commands. Nothing else differs
from `python -m hub`: own process, own arguments, own environment, own directory, standard streams and exit code.

DESCRIPTOR is a socket of kind SOCK_SEQPACKET. Each message on it brings one descriptor, a socket of the same kind for
one command. There one message comes, JSON (`arguments`, `environment`, `directory`) with the descriptors of the three
standard streams; two go back, the process id and, at its end, the exit code as `subprocess` has it. When the first
socket is closed, this process ends.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import signal
import socket
import sys
from pathlib import Path

LATE = ("backend.processes.ingest_process", "hub.config.load", "hub.identity.enrolment", "hub.plugin_host.registry")
"""What commands import when they run."""

LIMIT = 1 << 20
"""Bytes of a request."""


def load() -> None:
    from hub.cli.main import COMMANDS

    for place in COMMANDS.values():
        importlib.import_module(place.partition(":")[0])
    for entry in importlib.metadata.entry_points(group="ilot.commands"):
        entry.load()
    for name in LATE:
        importlib.import_module(name)


def serve(talk: socket.socket) -> None:
    """One command. Comes back in the process that is the command, its streams in place."""
    raw, streams, _, _ = socket.recv_fds(talk, LIMIT, 3)
    request = json.loads(raw)
    child = os.fork()
    if child:
        for stream in streams:
            os.close(stream)
        talk.send(str(child).encode())
        _, status = os.waitpid(child, 0)
        talk.send(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    talk.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    sys.argv = ["ilot", *request["arguments"]]


def main() -> None:
    from hub.__main__ import main as ilot

    load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who serves a command is waited for by nobody
    with socket.socket(fileno=int(sys.argv[1])) as control:
        while True:
            word, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            if not word:
                return
            talk = socket.socket(fileno=descriptors[0])
            if os.fork() == 0:
                Path("/proc/self/comm").write_text("ilot")  # tests/limits.py knows it from this one by it
                break
            talk.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    serve(talk)
    ilot()


if __name__ == "__main__":
    main()
