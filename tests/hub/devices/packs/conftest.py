"""The shipped packs, the real worker, and Adeunis's own codecs in Node.js."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.devices.codecs import Codec, Codecs
from tests.hub.devices.packs.packs_kit import CODEC, PACK, VECTORS

NODE = Path(__file__).parents[3] / "peers" / "node"


@pytest.fixture(scope="module")
def bench() -> Iterator[tuple[Codecs, Callable[[Any], Any]]]:
    """One worker for a whole module, and how to wait for it outside of an event loop."""
    codecs = Codecs(starved_s=300.0)  # its worker comes last where the machine has other work
    with asyncio.Runner() as runner:

        async def enter() -> None:
            await codecs.__aenter__()
            await codecs.decode_uplink(Codec("function decodeUplink() { return { data: {} } }"), b"", 1)  # starts it

        async def leave() -> None:
            await codecs.__aexit__(None, None, None)

        runner.run(enter())
        yield codecs, runner.run
        runner.run(leave())


@pytest.fixture(scope="module")
def adeunis() -> Iterator[Callable[[str, bytes], dict[str, Any]]]:
    """(product, frame) → what Adeunis's own codecs say of it."""
    process = subprocess.Popen(
        ["node", "adeunis.mjs"], cwd=NODE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def ask(product: str, frame: bytes) -> dict[str, Any]:
        stdin.write(json.dumps({"product": product, "bytes": frame.hex()}) + "\n")
        stdin.flush()
        said: dict[str, Any] = json.loads(stdout.readline())
        return said

    yield ask
    process.kill()
    process.wait()
    stdin.close()
    stdout.close()


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    """Writes a small pack that is right, with whatever a test changes in it; its folder."""

    def make(name: str = "acme-thermo", **files: str) -> Path:
        folder = tmp_path / name
        (folder / "vectors").mkdir(parents=True, exist_ok=True)
        for file, text in {"pack_yaml": PACK, "codec_js": CODEC, "vectors_yaml": VECTORS, **files}.items():
            target = "vectors/data.yaml" if file == "vectors_yaml" else file.replace("_", ".")
            (folder / target).write_text(text)
        return folder

    return make
