"""The operator: `operator.mjs` in a process of its own, and the templates of the how-to page that it uses."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import subprocess
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "sigfox.md").read_text("utf-8")
TEMPLATES = dict(
    re.findall(r"^### [A-Z_, ]+: `/sigfox/([a-z]+)`\n.*?```json\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
)
"""What the page says to paste, by kind."""

Answer = tuple[int, str]
"""Status, body; status 0: no answer, and why."""


class Operator:
    """Sends callbacks. Thread-safe; answers come in any order."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", str(Path(__file__).with_name("operator.mjs"))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._numbers = itertools.count()
        self._waiting: dict[int, Future[Answer]] = {}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(120)
        self._reader.join(30)
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            told = json.loads(line)
            answer = (told.get("status", 0), told.get("body", told.get("error", "")))
            self._waiting.pop(told["id"]).set_result(answer)

    def begin(self, url: str, **asked: Any) -> Future[Answer]:
        number = next(self._numbers)
        future: Future[Answer] = Future()
        self._waiting[number] = future
        line = json.dumps({"id": number, "url": url, **asked}).encode() + b"\n"
        with self._lock:
            assert self._process.stdin
            self._process.stdin.write(line)
            self._process.stdin.flush()
        return future

    def call(self, url: str, kind: str, secret: str, values: dict[str, Any], wait: float = 10.0) -> Future[Answer]:
        """One callback by the page's template."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {secret}"}
        return self.begin(f"{url}/sigfox/{kind}", template=TEMPLATES[kind], headers=headers, values=values, wait=wait)

    async def send(self, url: str, **asked: Any) -> Answer:
        return await asyncio.wrap_future(self.begin(url, **asked))

    async def tell(self, url: str, kind: str, secret: str, values: dict[str, Any]) -> Answer:
        return await asyncio.wrap_future(self.call(url, kind, secret, values))


def message(n: int = 0, device: str = "1D2F3", data: str = "d2072d", **more: Any) -> dict[str, Any]:
    """The operator's variables for the n-th message of a device, ten minutes after the one before."""
    return {"device": device, "time": 1_760_000_000 + 600 * n, "seqNumber": n % 4096, "data": data, **more}


def results(futures: Iterable[Future[Answer]], timeout: float = 60.0) -> list[Answer]:
    return [future.result(timeout) for future in futures]
