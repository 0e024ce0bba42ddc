"""Reader of a segment file with a recipient's key, for evidence and rescue. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from hub.core.errors import AuthFailed, ConfigError, DecodeError
from hub.core.text import phrase, reason_of
from hub.protocol.records import framing
from hub.protocol.records.opening import (
    Block,
    ClockMark,
    Gap,
    Opener,
    Table,
    Tables,
    open_epoch,
    read_epoch,
    verify_epoch,
)


def read_segment(
    data: bytes, keys: Mapping[bytes, MLKEM768X25519PrivateKey], identity: str = ""
) -> Iterator[dict[str, Any]]:
    """Yield every record of a segment file, or of concatenated raw records, as plain data.

    A record that cannot be opened, and bytes that are none, give {"damaged": 1, "why": …}. With `identity`, the hub's
    raw public key in hex, the epoch's signature is verified; without it, whoever could write the file is believed.

    Raises ConfigError when `identity` is no key, AuthFailed when no epoch in it opens with `keys`.
    """
    public = _public(identity)
    opener: Opener | None = None
    tables = Tables()
    for item in framing.scan(data):
        if isinstance(item, framing.Damage):
            if opener is not None:  # bytes before the first record are the file's header
                why = phrase("bytes-no-record", "bytes {start} to {end} are no record", start=item.start, end=item.end)
                yield {"damaged": 1, "why": why}
            continue
        raw = data[item.offset : item.offset + item.size]
        if item.kind == framing.EPOCH:
            epoch = verify_epoch(raw, public) if public else read_epoch(raw)
            if opener is None or opener.epoch.eid != epoch.eid:
                opener, tables = open_epoch(epoch, keys), Tables()
                yield {
                    "hub": epoch.hub,
                    "run": epoch.run.hex(),
                    "stream": epoch.stream,
                    "segment": epoch.segment,
                    "first_seq": epoch.first_seq,
                    "trust_version": epoch.trust_version,
                }
        elif opener is not None and item.kind != framing.LOCAL:
            try:
                yield from _record(opener, tables, raw)
            except (AuthFailed, DecodeError) as error:
                said = reason_of(error)
                why = phrase("record-not-opened", "record {number}: {reason}", number=item.seq, reason=said)
                yield {"damaged": 1, "why": why}
    if opener is None:
        raise DecodeError(
            "no-epoch", phrase("segment-without-epoch", "no epoch in this file: is it a segment of a hub's buffer?")
        )


def render(item: dict[str, Any]) -> list[str]:
    """Return `item` as tab-separated text, one reading a line."""
    if "reports" in item:
        return [
            "\t".join(map(str, (item["seq"], _when(report), report["device"], metric, _shown(value))))
            for report in item["reports"]
            for metric, value in report["values"].items()
        ]
    return ["\t".join(f"{name}={value}" for name, value in item.items())]


def _when(report: dict[str, Any]) -> int:
    return int(report["time"] if "time" in report else report["monotonic"])


def _shown(value: object) -> str:
    """Return text of a hub with its control characters escaped, so that it cannot command the terminal."""
    return value.encode("unicode_escape").decode() if isinstance(value, str) and not value.isprintable() else str(value)


def _record(opener: Opener, tables: Tables, raw: bytes) -> Iterator[dict[str, Any]]:
    opened = opener.open(raw)
    body = opened.body
    if isinstance(body, Table):
        tables.add(body)
    elif isinstance(body, Block):
        reports = [
            {
                "device": row.subject.device,
                "place": row.subject.place,
                "zone": row.subject.zone,
                "time" if row.sure else "monotonic": row.time_ms,
                "values": dict(zip((c.metric for c in row.shape.columns), row.values, strict=True)),
                "quality": row.quality,
                "trust": row.trust,
                **({} if row.position is None else {"position": msgspec.to_builtins(row.position)}),
            }
            for row in body.rows(tables)
        ]
        yield {"seq": opened.seq, "commit_s": opened.commit_s, "boot": body.boot.hex(), "reports": reports}
    elif isinstance(body, Gap | ClockMark):
        facts = {
            name: value.hex() if isinstance(value, bytes) else value
            for name, value in msgspec.structs.asdict(body).items()
        }
        yield {"seq": opened.seq, type(body).__name__.lower(): facts}


def _public(identity: str) -> bytes:
    try:
        public = bytes.fromhex(identity)
    except ValueError as error:
        raise ConfigError(phrase("identity-form-wrong", "--identity is 64 hexadecimal digits")) from error
    if len(public) not in (0, 32):
        raise ConfigError(phrase("identity-form-wrong", "--identity is 64 hexadecimal digits"))
    return public
