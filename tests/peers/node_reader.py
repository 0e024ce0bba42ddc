"""The reader in JavaScript (`node/`) as a function: what it reads in the same bytes, without a line of our code."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "node"


class Refused(Exception):
    """The reader takes nothing of it."""


class NodeReader:
    """One process that answers until `close`. Bytes in arguments, at any depth, travel as base64."""

    def __init__(self) -> None:
        if not (FOLDER / "node_modules").is_dir():
            raise RuntimeError("the peers in JavaScript are not installed: run `make setup`")
        self._process = subprocess.Popen(
            ["node", FOLDER / "serve.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def __call__(self, call: str, **arguments: Any) -> Any:
        """The result, bytes in it as hex. Raises Refused with the reader's reason."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = {"call": call, **{name: _told(value) for name, value in arguments.items()}}
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "refused" in answer:
            raise Refused(answer["refused"])
        return answer["result"]

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(120)
        self._process.stdout.close()


def _told(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return [_told(item) for item in value] if isinstance(value, list | tuple) else value
