"""Payload codecs in the real worker, and the same codecs in Node.js."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.devices.codecs import Codec, Codecs

NODE = Path(__file__).parents[3] / "peers" / "node"


@pytest.fixture
async def codecs() -> AsyncIterator[Codecs]:
    async with Codecs(starved_s=300.0) as made:  # its worker comes last where the machine has other work
        yield made


@pytest.fixture(scope="session")
def in_node() -> Iterator[Callable[..., Any]]:
    """Runs `decodeUplink` of a codec in Node.js; what it returned, or the name of the error as text.

    `entry` is an expression for the function, where it is another one.
    """
    process = subprocess.Popen(
        ["node", "codec.mjs"],
        cwd=NODE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def ask(codec: Codec, argument: Any, entry: str = "") -> Any:
        asked = {"source": codec.source, "files": codec.files, "argument": argument, "entry": entry}
        stdin.write(json.dumps(asked) + "\n")
        stdin.flush()
        answer = json.loads(stdout.readline())
        return answer["result"] if "result" in answer else str(answer["error"])

    yield ask
    process.kill()
    process.wait()
    stdin.close()
    stdout.close()
