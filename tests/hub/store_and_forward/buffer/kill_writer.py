"""A hub that writes until it is killed.

argv: state directory, first row number. stdin: keys. stdout: what is durable.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[4]))
sys.path.insert(0, str(Path(__file__).parent))

from buffer_kit import SMALL, Recipient, Trust, row
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.core.clock import SystemClock
from hub.protocol.records.seal import SealingKeys
from hub.store_and_forward.buffer import Buffer


async def main(directory: Path, number: int) -> None:
    told = json.loads(sys.stdin.readline())
    public = bytes.fromhex(told["public"])
    buffer = Buffer.open(
        directory,
        keys=SealingKeys("hub-test", Ed25519PrivateKey.from_private_bytes(bytes.fromhex(told["identity"])), bytes(32)),
        trust=Trust(1, (Recipient(bytes(32), "ingest", public),)),
        clock=SystemClock(),
        config=SMALL,
    )
    buffer.start(asyncio.get_running_loop())
    rng = random.Random(number)
    while True:
        count = rng.choice([1, 5, 60, 400])
        for at in range(number, number + count):
            buffer.append(row(at), "alerts" if rng.random() < 0.05 else "readings")
        buffer.put_local("next", number + count)
        await buffer.flush()
        print(f"{number} {number + count} {buffer.local['next']}", flush=True)
        number += count


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
