"""The worker: `python -m integrations.opcua.worker SOCKET`, a file descriptor as a number.

It ends when the hub closes its end of the socket.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import selectors
import socket
import sys
from importlib.metadata import version

from hub.sdk import sandbox
from integrations.opcua.messages import Hello
from integrations.opcua.worker.engine import Engine
from integrations.opcua.worker.warming import warm

NICENESS = 5
MEMORY = 96 << 20


def main(arguments: list[str]) -> None:
    with socket.socket(fileno=int(arguments[0])) as hub:
        hub.setblocking(False)
        logging.disable()
        os.nice(NICENESS)
        warm()
        found = version("asyncua")
        # a jailed worker may not call epoll(7), and poll(2) is refused where no file may be opened
        loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
        loop.set_exception_handler(lambda *_: None)
        asyncio.set_event_loop(loop)
        gc.collect()
        gc.freeze()
        sandbox.shut(memory=MEMORY)
        engine = Engine(hub)
        engine.send(Hello(found))
        loop.run_until_complete(engine.run())


if __name__ == "__main__":
    main(sys.argv[1:])
