"""The owner, another process: opens an export with the recipient's key.

argv: file. stdin: keys. stdout: row numbers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[4]))

from hub.protocol.records import framing
from hub.protocol.records.opening import Block, Table, Tables, kid_of, load_private, open_epoch, split, verify_epoch

told = json.loads(sys.stdin.readline())
keys = {kid_of(bytes.fromhex(told["public"])): load_private(bytes.fromhex(told["private"]))}
seen: dict[tuple[str, bytes, int], bytes] = {}
for raw in split(Path(sys.argv[1]).read_bytes()):
    if framing.parse(raw).head.kind == framing.EPOCH:
        epoch = verify_epoch(raw, bytes.fromhex(told["hub"]))
        if not seen or epoch.eid != opener.epoch.eid:  # noqa: F821 - the second copy changes nothing
            opener, tables = open_epoch(epoch, keys), Tables()
        continue
    opened = opener.open(raw)
    if isinstance(opened.body, Table):
        tables.add(opened.body)
    elif isinstance(opened.body, Block):
        key = epoch.stream, epoch.run, opened.seq
        if seen.setdefault(key, opened.digest) != opened.digest:
            sys.exit(f"two records claim {key}")
        for row in opened.body.rows(tables):
            print(int(row.values[0]))
