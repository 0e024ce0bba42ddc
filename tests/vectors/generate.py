"""Makes a set of test vectors: python tests/vectors/generate.py DIRECTORY

Keys, names, times and reports are always the same. Epoch keys, HPKE capsules and ML-DSA signatures are random, so that
no two sets are the same bytes: the set in this directory was made once and stays (README.md).
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from hub.protocol.enrolment import Token, make_csr, token_proof

sys.path.insert(0, str(Path(__file__).parents[2]))

from hub.core.errors import StorageError
from hub.protocol.documents import backup
from hub.protocol.documents.badges import Badge, make_badge, make_revoked
from hub.protocol.documents.trust import fingerprint, sign_trust
from hub.protocol.length_prefix import lp
from hub.protocol.link_messages import Ack, State, StreamAck, pack_message, pack_reply, sign_ack, sign_state
from hub.protocol.pem import private_pem
from hub.protocol.records import framing
from hub.protocol.records.bodies import ClockMark, Gap
from hub.protocol.records.opening import read_epoch
from hub.protocol.records.rows import ALERTS, READINGS, Row
from hub.protocol.records.seal import AES, CHACHA, SealingKeys
from hub.store_and_forward.buffer.batch import Batch, BufferConfig
from hub.store_and_forward.buffer.journal import Journal
from hub.store_and_forward.buffer.recovery import record_digest
from hub.store_and_forward.buffer.segment import MAGIC
from tests.hub.store_and_forward.buffer.buffer_kit import Clock, FaultyDisk
from tests.peers.told import as_clock, as_gap, as_report
from tests.vectors.school import (
    ACK_KEY,
    ACK_PUBLIC,
    BADGE,
    BADGE_KEY,
    BOOT,
    EVERYWHERE,
    FIRST_ALERTS,
    FIRST_RUN,
    FOREIGN_BADGE_KEY,
    FORMER_BADGE_KEY,
    HUB,
    IDENTITY,
    INGEST_FILE,
    PASSPHRASE,
    PUBLIC,
    RECOVERY_FILE,
    REVOKED,
    ROOT,
    SECOND_RUN,
    SMALL,
    START_S,
    STORE_KEY,
    SUPERSEDED,
    TIGHT,
    TLS,
    TRUST,
    TRUST_OF_BADGES,
    run,
    secret,
)

CONFIG = BufferConfig(segment_bytes=1 << 20, max_bytes=1 << 23)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    make(Path(arguments[0]))
    return 0


def make(directory: Path) -> None:
    """A whole set, in a directory that has none."""
    keys = directory / "keys"
    keys.mkdir(parents=True)
    (keys / "ingest.key").write_bytes(INGEST_FILE)
    (keys / "recovery.key").write_bytes(RECOVERY_FILE)
    known = {"hub": HUB, "identity": PUBLIC, "ack_key": ACK_PUBLIC, "owner_root": fingerprint(ROOT.public)}
    write_json(keys / "public.json", known)
    write_segments(directory / "small", [(run("small"), SMALL)])
    write_segments(directory / "school", [(run("first"), FIRST_RUN), (run("second"), SECOND_RUN)], FIRST_ALERTS)
    write_segments(directory / "superseded", [(run("superseded"), SUPERSEDED)], failing=1)
    write_segments(directory / "tight", [(run("tight"), TIGHT)])
    write_damaged(directory / "damaged", directory / "small")
    write_unfinished(directory / "unfinished")
    write_link(directory / "link", directory / "small")
    write_together(directory / "link", directory / "small")
    write_backup(directory / "backup")
    write_enrolment(directory)
    write_badges(directory / "badges")


# -- segments ------------------------------------------------------------------------------------------------------


def write_segments(
    directory: Path,
    runs: list[tuple[bytes, list[list[Row] | ClockMark]]],
    alerts: Iterable[list[Row] | Gap] = (),
    failing: int = -1,
) -> None:
    """Segments of each run, one record a commit, and what they hold. The sync of commit `failing` fails once."""
    told: dict[str, list[dict[str, Any]]] = {READINGS: [], ALERTS: []}
    for number, (name, records) in enumerate(runs):
        clock, disk = Clock(), FaultyDisk()
        clock.wall, clock.boot = float(START_S), BOOT
        journal = Journal(
            directory,
            disk=disk,
            clock=clock,
            keys=SealingKeys(HUB, IDENTITY, STORE_KEY, CHACHA if number else AES),
            run=name,
            trust=TRUST,
            config=CONFIG,
        )
        for at, record in enumerate([] if number else alerts, 1):
            commit(journal, record, ALERTS)
            told[ALERTS] += as_told(record, at, int(clock.wall))
        for at, record in enumerate(records):
            clock.advance(60)
            if at == failing:
                disk.fail["sync"] = [OSError(errno.EIO, os.strerror(errno.EIO))]
            commit(journal, record, READINGS)
            told[READINGS] += as_told(record, at + 1, int(clock.wall))
        journal.close()
        for stream, items in told.items():
            write_told(directory / stream, name, items)
            items.clear()
    (directory / "ballast").unlink()
    for stream in told:
        if not any((directory / stream).iterdir()):
            (directory / stream).rmdir()


def commit(journal: Journal, record: list[Row] | ClockMark | Gap, stream: str) -> None:
    batch = Batch()
    if isinstance(record, Gap):
        journal.declare(record)
    elif isinstance(record, ClockMark):
        batch.marks = [record]
    elif stream == ALERTS:
        batch.alerts = record
    else:
        batch.rows, batch.readings = record, sum(len(row.values) for row in record)
    try:
        journal.commit(batch)
    except StorageError:
        journal.commit(batch)


def as_told(record: list[Row] | ClockMark | Gap, seq: int, commit_s: int) -> list[dict[str, Any]]:
    if isinstance(record, ClockMark):
        made = [as_clock(record)]
    elif isinstance(record, Gap):
        made = [as_gap(record)]
    else:
        made = [as_report(row, BOOT) for row in record]
    return [{**item, "seq": seq, "commit": commit_s} for item in made]


def write_told(directory: Path, name: bytes, items: list[dict[str, Any]]) -> None:
    """Beside each segment of a run what it holds, one JSON object a line: the epoch, then reports, gaps and clocks."""
    paths = sorted(directory.glob(f"*-{name.hex()}-*.seg"))
    for path in paths:
        first = int(path.stem.split("-")[2])
        end = min([int(p.stem.split("-")[2]) for p in paths if p > path], default=1 << 62)
        data = path.read_bytes()
        raw = {h.seq: r for h, r in records_of(data) if h.kind in framing.NUMBERED}
        lines = [as_epoch(next(r for h, r in records_of(data) if h.kind == framing.EPOCH))]
        lines += [
            {**item, "digest": record_digest(raw[item["seq"]]).hex()} for item in items if first <= item["seq"] < end
        ]
        write_lines(path.with_suffix(".jsonl"), lines)


def as_epoch(raw: bytes) -> dict[str, Any]:
    epoch = read_epoch(raw)
    return {
        "kind": "epoch", "eid": epoch.eid.hex(), "hub": epoch.hub, "run": epoch.run.hex(), "stream": epoch.stream,
        "segment": epoch.segment, "first_seq": epoch.first_seq,
        "previous": {
            "run": epoch.previous_run.hex(), "seq": epoch.previous_seq, "digest": epoch.previous_digest.hex(),
        },
        "cipher": epoch.aead, "signer": epoch.signer.hex(), "kids": [kid.hex() for kid in epoch.kids],
        "trust_version": epoch.trust_version,
    }  # fmt: skip


def records_of(data: bytes) -> list[tuple[framing.Head, bytes]]:
    heads = [head for head in framing.scan(data, len(MAGIC)) if isinstance(head, framing.Head)]
    return [(head, data[head.offset : head.offset + head.size]) for head in heads]


def write_damaged(directory: Path, small: Path) -> None:
    """The small segment with three bits flipped: in its first epoch, its first TABLE and its CLOCK."""
    (path,) = small.rglob("*.seg")
    data = bytearray(path.read_bytes())
    records = records_of(bytes(data))
    hit = [
        next(head for head, _ in records if head.kind == kind) for kind in (framing.EPOCH, framing.TABLE, framing.CLOCK)
    ]
    for head in hit:
        data[head.offset + head.size // 2] ^= 0x10
    directory /= READINGS
    directory.mkdir(parents=True)
    (directory / path.name).write_bytes(data)
    lines = [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]
    epoch, *rest = [line for line in lines if line["kind"] != "clock"]
    damage = [{"kind": "damage", "from": head.offset, "to": head.offset + head.size} for head in hit]
    write_lines((directory / path.name).with_suffix(".jsonl"), [epoch, *damage[:2], *rest, damage[2]])


def write_unfinished(directory: Path) -> None:
    """Three commits of a block and a CLOCK each; the power went while the last of them was written: its block is whole,
    its CLOCK is cut short."""
    clock, name = Clock(), run("unfinished")
    clock.wall, clock.boot = float(START_S), BOOT
    journal = Journal(
        directory,
        disk=FaultyDisk(),
        clock=clock,
        keys=SealingKeys(HUB, IDENTITY, STORE_KEY, AES),
        run=name,
        trust=TRUST,
        config=CONFIG,
    )
    rows, mark = SMALL
    assert isinstance(rows, list)
    assert isinstance(mark, ClockMark)
    told: list[dict[str, Any]] = []
    for at in range(3):
        clock.advance(60)
        batch = Batch()
        batch.rows, batch.readings, batch.marks = rows, sum(len(row.values) for row in rows), [mark]
        journal.commit(batch)
        if at < 2:
            told += as_told(rows, 2 * at + 1, int(clock.wall)) + as_told(mark, 2 * at + 2, int(clock.wall))
    journal.close()
    (directory / "ballast").unlink()
    (directory / ALERTS).rmdir()
    directory /= READINGS
    write_told(directory, name, told)
    (path,) = directory.glob("*.seg")
    data = path.read_bytes()
    block = [head for head, _ in records_of(data) if head.kind == framing.BLOCK][-1]
    path.write_bytes(data[: block.offset + block.size + 50])
    lines = [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]
    end = {"kind": "unfinished", "from": block.offset, "to": block.offset + block.size + 50}
    write_lines(path.with_suffix(".jsonl"), [*lines, end])


# -- the link ------------------------------------------------------------------------------------------------------


def write_link(directory: Path, small: Path) -> None:
    """A message with the small segment's records, and what goes back and forth about it."""
    directory.mkdir()
    group, numbered = group_of(small)
    (directory / "message.bin").write_bytes(pack_message([group]))
    state = State(
        hub=HUB,
        boot=BOOT,
        nonce=secret("nonce", 16),
        n=12,
        generation=5,
        trust_version=TRUST.version,
        streams={READINGS: (run("small"), 2, record_digest(numbered[-1]))},
        oldest={READINGS: (run("small"), 1)},
        heard=START_S + 90.25,
    )
    ack = Ack(
        hub=HUB,
        stream=READINGS,
        run=run("small"),
        db=secret("database", 16),
        n=77,
        through=2,
        ranges=((5, 9), (11, 11)),
        rejected=((10, 10),),
        want=((4, 4),),
        nonce=state.nonce,
        now=START_S + 120.5,
    )
    trust = sign_trust(ROOT, TRUST)
    for name, body, told in (
        ("state", sign_state(state, IDENTITY), state),
        ("ack", sign_ack(ack, ACK_KEY), ack),
        ("trust", trust, json.loads(msgspec.json.encode(TRUST))),
    ):
        (directory / f"{name}.bin").write_bytes(body)
        write_json(directory / f"{name}.json", told)
    (directory / "reply.bin").write_bytes(pack_reply([sign_ack(ack, ACK_KEY)], [secret("an epoch")], trust))


def group_of(small: Path) -> tuple[tuple[bytes, list[bytes]], list[bytes]]:
    """The small segment's records as the group of a message, and those of them that have a number."""
    (path,) = small.rglob("*.seg")
    records = records_of(path.read_bytes())
    context = {raw: None for head, raw in records if head.kind in (framing.EPOCH, framing.TABLE)}
    numbered = [raw for head, raw in records if head.kind in framing.NUMBERED]
    return (read_epoch(next(iter(context))).eid, [*context, *numbered]), numbered


def write_together(directory: Path, small: Path) -> None:
    """What hub and backend say that both speak 2: a state with records in one message, one ack of two runs."""
    group, numbered = group_of(small)
    state = State(
        hub=HUB,
        boot=BOOT,
        nonce=secret("another nonce", 16),
        n=13,
        generation=5,
        trust_version=TRUST.version,
        streams={READINGS: (run("small"), 2, record_digest(numbered[-1]))},
        oldest={READINGS: (run("small"), 1)},
        heard=START_S + 120.5,
        speaks=2,
    )
    ack = Ack(
        hub=HUB,
        stream=READINGS,
        run=run("small"),
        db=secret("database", 16),
        n=78,
        through=2,
        nonce=state.nonce,
        now=START_S + 121.5,
        also=(StreamAck(ALERTS, run("small"), 3, ((5, 6),), ((7, 7),), ((4, 4),)),),
    )
    signed = sign_ack(ack, ACK_KEY)
    (directory / "together.bin").write_bytes(pack_message([group], sign_state(state, IDENTITY)))
    (directory / "together-reply.bin").write_bytes(pack_reply([signed], speaks=2))
    write_json(directory / "together.json", {"state": in_hex(state), "ack": in_hex(ack)})


def write_badges(directory: Path) -> None:
    """A trust document that names two badge keys, a badge by each, a list of those withdrawn, and what must be
    refused."""
    directory.mkdir()
    (directory / "trust.bin").write_bytes(sign_trust(ROOT, TRUST_OF_BADGES))
    write_json(directory / "trust.json", json.loads(msgspec.json.encode(TRUST_OF_BADGES)))
    text = make_badge(BADGE, BADGE_KEY)
    other = make_badge(EVERYWHERE, FORMER_BADGE_KEY)
    badges = [
        {"text": text, "says": told_badge(BADGE), "passphrase": PASSPHRASE, "typed": "k7m2q 9xrth"},
        {"text": other, "says": told_badge(EVERYWHERE), "passphrase": PASSPHRASE, "typed": "K7M2Q9XRTH"},
    ]
    write_json(directory / "badges.json", badges)
    middle = len(text) // 2
    flipped = text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :]
    foreign = make_badge(BADGE, FOREIGN_BADGE_KEY)
    refused = {
        "altered": flipped, "stranger": foreign, "cut": text[:-9], "of-another-kind": text.replace("ILOT1:", "ILOT2:")
    }  # fmt: skip
    write_json(directory / "refused.json", refused)
    (directory / "revoked.bin").write_bytes(make_revoked(REVOKED, BADGE_KEY))
    write_json(directory / "revoked.json", msgspec.to_builtins(REVOKED, builtin_types=(bytes,)))


def told_badge(badge: Badge) -> dict[str, Any]:
    return {field: getattr(badge, field) for field in badge.__struct_fields__}


def write_backup(directory: Path) -> None:
    """A state backup, with small stand-ins for its files."""
    directory.mkdir()
    contents = backup.Contents(
        config="config.yaml",
        files={"config.yaml": b"hub:\n  name: vector\n", "sites/a.yaml": b"{}\n"},
        keys={"identity": private_pem(IDENTITY), "tls": private_pem(TLS), "store": STORE_KEY},
        trust=b"TRUST",
        enrolment=b"{}",
        certificate=b"PEM",
        store=b"SQLite",
        local={"replay/ble:A4:C1:38:00:00:01": 41, "sent/acme:42": 7},
        streams=[backup.StreamEnd(READINGS, run("small"), 2, [(1, 1)])],
    )
    document = backup.seal(
        contents,
        identity=IDENTITY,
        generation=6,
        made=START_S + 3600.0,
        trust_version=TRUST.version,
        recipients=TRUST.recipients,
    )
    (directory / "backup.bin").write_bytes(document)
    told = {"head": msgspec.to_builtins(backup.read(document).head, builtin_types=(bytes,)), "contents": contents}
    write_json(directory / "backup.json", told)


def write_enrolment(directory: Path) -> None:
    """A token, what a hub sends for it, and the proof that it holds the secret."""
    token = Token(
        url="https://backend.example:8443",
        root=fingerprint(ROOT.public).hex(),
        id="vector",
        secret=secret("token", 16),
        expires=float(START_S + 86_400),
    )
    request = make_csr(TLS, HUB)
    asked = {
        "token": str(token), "secret": token.secret, "identity": PUBLIC, "csr": request.decode(),
        "signed": lp(PUBLIC, request), "mac": token_proof(token.secret, PUBLIC, request),
    }  # fmt: skip
    write_json(directory / "enrolment.json", asked)


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(in_hex(value), indent=2, ensure_ascii=False) + "\n")


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(in_hex(line), ensure_ascii=False) + "\n" for line in lines))


def in_hex(value: Any) -> Any:
    """Plain data, bytes as hex."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value, builtin_types=(bytes,))
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: in_hex(item) for key, item in value.items()}
    return [in_hex(item) for item in value] if isinstance(value, list | tuple) else value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
