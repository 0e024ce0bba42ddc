"""Runs the vectors of a pack through the real codec worker and reports the result.

A pack passes when every vector does, and every message, each of its ports, and every downlink it declares has one; with
a map, every metric. A pack that calls itself untested needs none, but passes those it has. What an import proposed has
been decided by a person.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from hub.core.errors import DecodeError
from hub.core.model import Sample, Value
from hub.core.text import Phrase, phrase, reason_of
from hub.devices.codecs import Codecs
from hub.devices.codecs.messages import FATAL_REASONS
from hub.devices.packs.causes import (
    Shown,
    because,
    cause_of_missing,
    cause_of_unnamed,
    causes_of_skipped,
    leaves_of,
    reader_of,
)
from hub.devices.packs.decoding import NO_PORT, Reading, read_answer, run_codec
from hub.devices.packs.downlinks import SIGFOX_DOWNLINK, codec_input, parse_codec_answer
from hub.devices.packs.expectations import expects_nothing, unused_metrics
from hub.devices.packs.loader import Pack, Vector
from hub.devices.packs.vectors import VectorKeys

FATAL_LIMIT = 3
"""After this many vectors on which the codec loops or dies, the others are skipped."""
UNTRIED = phrase("vector-not-tried", "not tried: the codec loops or dies")
LONGEST = 400
"""Maximum length of the text on one failed vector."""


class Outcome(msgspec.Struct, frozen=True):
    """The result of one vector. `wrong` is empty when it passed; `fatal`: the codec looped or died."""

    vector: str
    source: str
    message: str
    wrong: str = ""
    fatal: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """The result of a pack. `untested`: declarations that no vector shows; `undecided`: paths that an import proposed
    and no person has decided; `unshown`: fields and raw values that no vector shows. They are told and the pack passes:
    a maker's examples seldom show them all. `unconfirmed`: vectors that expect what the pack itself said; they show
    nothing until a person has confirmed them."""

    pack: str
    version: int
    digest: str
    ok: bool
    outcomes: tuple[Outcome, ...]
    untested: tuple[str, ...]
    undecided: tuple[str, ...] = ()
    unshown: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()

    @property
    def unconfirmed_count(self) -> Phrase:
        """Return how many vectors wait for a person."""
        return phrase(
            "vectors-unconfirmed",
            "{count} [vector is|vectors are] unconfirmed: compare with the device, then take `unconfirmed` away",
            count=len(self.unconfirmed),
        )

    def as_data(self) -> dict[str, Any]:
        """Return the verdict as data for JSON; its sentences stay phrases."""
        outcomes = [
            {"vector": one.vector, "source": one.source, "message": one.message, "wrong": one.wrong}
            for one in self.outcomes
        ]
        return {
            "pack": self.pack,
            "version": self.version,
            "digest": self.digest,
            "ok": self.ok,
            "outcomes": outcomes,
            "untested": list(self.untested),
            "undecided": list(self.undecided),
            "unshown": list(self.unshown),
            "unconfirmed": list(self.unconfirmed),
        }


async def run_vectors(pack: Pack, codecs: Codecs) -> Verdict:
    """Run all vectors of a pack. Raises NotReady when there is no worker."""
    outcomes, spoilt, seen = list[Outcome](), 0, Shown()
    for vector in pack.vectors:
        if spoilt < FATAL_LIMIT:
            told = await _outcome(pack, codecs, vector, Shown() if vector.keys.unconfirmed else seen)
        else:
            told = _outcome_of(pack, vector, UNTRIED)
        outcomes.append(told)
        spoilt += told.fatal
    left = tuple(_of_map(pack) if pack.keys.part is not None else _untested(pack))
    shown = pack.keys.untested or not left
    unconfirmed = tuple(vector.where for vector in pack.vectors if vector.keys.unconfirmed)
    ok = shown and not pack.undecided and not unconfirmed and not any(outcome.wrong for outcome in outcomes)
    rest = () if pack.keys.untested else tuple(seen.missing(pack))
    return Verdict(
        pack.name, pack.keys.version, pack.digest, ok, tuple(outcomes), left, pack.undecided, rest, unconfirmed
    )


async def _outcome(pack: Pack, codecs: Codecs, vector: Vector, seen: Shown) -> Outcome:
    keys, wrong, fatal = vector.keys, "", False
    try:
        if expects_nothing(keys, pack.keys):
            wrong = phrase(
                "vector-expects-nothing", "it expects nothing, so it shows nothing: list the readings of the payload"
            )
        elif keys.heard is not None:
            wrong = _map_difference(pack, keys)
        elif keys.downlink is not None:
            wrong = await _downlink_difference(pack, codecs, keys)
        else:
            wrong = await _uplink_difference(pack, codecs, keys, seen)
    except DecodeError as error:
        wrong, fatal = reason_of(error), error.reason in FATAL_REASONS
    return _outcome_of(pack, vector, wrong, fatal)


def _outcome_of(pack: Pack, vector: Vector, wrong: str, fatal: bool = False) -> Outcome:
    keys = vector.keys
    source = pack.keys.sources[keys.source]
    cited = f"{source.by}: {source.title}, {source.version}{', ' + keys.page if keys.page else ''}"
    wrong = wrong if len(wrong) <= LONGEST else f"{wrong[:LONGEST]}…"  # a codec may return very long texts
    return Outcome(vector.where, cited, keys.message or keys.downlink or "", wrong, fatal)


async def _downlink_difference(pack: Pack, codecs: Codecs, keys: VectorKeys) -> str:
    given = codec_input(pack, str(keys.downlink), keys.given)
    port, payload = parse_codec_answer(await codecs.encode_downlink(pack.codec, given, keys.port or NO_PORT))
    if keys.port is not None and port != keys.port:
        return phrase("vector-other-port", "port {found}, not {wanted}", found=port, wanted=keys.port)
    if pack.keys.protocol == "sigfox" and len(payload) != SIGFOX_DOWNLINK:
        return phrase(
            "sigfox-downlink-wrong-size",
            "{size} bytes; a Sigfox downlink has {wanted}",
            size=len(payload),
            wanted=SIGFOX_DOWNLINK,
        )
    wanted = bytes.fromhex(keys.bytes or "")
    if payload == wanted:
        return ""
    return phrase("vector-other-bytes", "{found}, not {wanted}", found=payload.hex(), wanted=wanted.hex())


async def _uplink_difference(pack: Pack, codecs: Codecs, keys: VectorKeys, seen: Shown) -> str:
    received = 0.0 if any(former.ago is not None for former in keys.history) else None
    try:
        port = keys.port or NO_PORT
        answer = await run_codec(pack, codecs, bytes.fromhex(keys.bytes or ""), port, received)
        parts = leaves_of(pack, answer)
        for part in parts:
            seen.see(part)
        if keys.data is not None:
            found = {"data": answer.get("data"), "message": read_answer(pack, port, answer).message}
            return difference({"data": keys.data, "message": keys.message}, found)
        reading = read_answer(pack, port, answer, 0.0)
    except DecodeError as error:
        if keys.refused and error.reason not in FATAL_REASONS:
            if error.reason == "codec-refused":
                return ""
            return phrase("vector-fails-to-refuse", "it fails instead of refusing: {reason}", reason=reason_of(error))
        raise
    if keys.refused:
        return phrase("vector-not-refused", "it is decoded, and should be refused")
    now, *before = reading.samples
    wanted: dict[str, Any] = {
        "message": keys.message,
        "readings": keys.readings,
        "time": keys.time,
        "history": [
            {"time": former.time if former.ago is None else -former.ago, "readings": former.readings}
            for former in keys.history
        ],
        "skipped": sorted(keys.skipped),
    }
    got = {
        "message": reading.message,
        "readings": now.values,
        "time": now.time,
        "history": [_plain(sample) for sample in before],
        "skipped": sorted(reading.skipped),
    }
    left = [path for path in reading.unmapped if not pack.ignores(path)]
    if left and pack.fields is not None:
        said = phrase("vector-paths-unnamed", "no field and no `ignore` names {paths}", paths=left)
        return because(said, cause_of_unnamed(pack, parts[0], left))
    wrong = difference(wanted, got)
    return wrong and because(wrong, _cause(pack, parts[0], keys, reading))


def _cause(pack: Pack, found: Mapping[str, Value], keys: VectorKeys, reading: Reading) -> str:
    """Return why a message differs from its vector in readings or in what was skipped, "" for anything else."""
    if reading.message != keys.message:
        return ""
    if metric := _other(keys.readings or {}, got := reading.samples[0].values):
        return reader_of(pack, metric) if metric in got else cause_of_missing(pack, found, metric)
    if sorted(reading.skipped) != sorted(keys.skipped):
        return next(causes_of_skipped(pack, found), "")
    return ""


def _other(wanted: Mapping[str, Value], got: Mapping[str, Value]) -> str:
    """Return the first metric whose readings differ, "" without one."""
    both = {**wanted, **got}
    return next((one for one in both if one not in wanted or one not in got or not same(wanted[one], got[one])), "")


def _map_difference(pack: Pack, keys: VectorKeys) -> str:
    """Check a vector of a pack with a map: what the integration reads from it."""
    if pack.part is None:
        return phrase(
            "no-reader-of-packs",
            "nothing that is installed here reads packs of {protocol}",
            protocol=pack.keys.protocol,
        )
    try:
        readings = pack.part.readings(keys.heard or {})
    except (KeyError, ValueError) as error:
        return phrase("vector-heard-unreadable", "`heard` cannot be read: {reason}", reason=reason_of(error))
    wrong = difference({"readings": keys.readings}, {"readings": dict(readings)})
    return wrong and because(wrong, reader_of(pack, _other(keys.readings or {}, readings)))


def _of_map(pack: Pack) -> list[str]:
    """Return metrics of the map that no vector shows."""
    if pack.part is None:
        return [phrase("map-without-reader", "its map, which nothing that is installed here reads")]
    shown = {key for vector in pack.vectors for key in vector.keys.readings or {}}
    return [
        phrase("untested-metric-at", "metric {metric} ({place})", metric=one, place=pack.place_of("metric", one))
        for one in sorted(set(pack.part.metrics()) - shown)
    ]


def _plain(sample: Sample) -> dict[str, Any]:
    return {"time": sample.time, "readings": sample.values}


def difference(wanted: Any, got: Any, where: str = "") -> str:
    """Return the first difference in words, "" when there is none. Numbers agree to a millionth."""
    if isinstance(wanted, Mapping) and isinstance(got, Mapping):
        for key in [*wanted, *(key for key in got if key not in wanted)]:
            inner = f"{where}.{key}" if where else str(key)
            if key not in got:
                return phrase(
                    "vector-value-missing", "{path} is missing; expected {wanted}", path=inner, wanted=repr(wanted[key])
                )
            if key not in wanted:
                return phrase(
                    "vector-value-unexpected",
                    "{path} is {found}, and is not expected",
                    path=inner,
                    found=repr(got[key]),
                )
            if found := difference(wanted[key], got[key], inner):
                return found
        return ""
    if isinstance(wanted, list | tuple) and isinstance(got, list | tuple):
        if len(wanted) != len(got):
            return phrase(
                "vector-entries-differ",
                "{path} has {found} entries, not {wanted}",
                path=where,
                found=len(got),
                wanted=len(wanted),
            )
        pairs = enumerate(zip(wanted, got, strict=True))
        return next((found for n, (a, b) in pairs if (found := difference(a, b, f"{where}.{n}"))), "")
    if same(wanted, got):
        return ""
    return phrase(
        "vector-value-differs", "{path} is {found}, not {wanted}", path=where, found=repr(got), wanted=repr(wanted)
    )


def same(wanted: Any, got: Any) -> bool:
    """Return whether two readings agree: numbers to a millionth."""
    numbers = (int, float)
    if isinstance(wanted, bool) or isinstance(got, bool):
        return wanted is got
    if isinstance(wanted, numbers) and isinstance(got, numbers):
        return math.isclose(wanted, got, rel_tol=1e-6, abs_tol=1e-6)
    return bool(wanted == got)


def _untested(pack: Pack) -> Iterator[str]:
    confirmed = [v.keys for v in pack.vectors if not v.keys.unconfirmed]
    shown = {(keys.message, keys.port) for keys in confirmed if not keys.refused and keys.message}
    told = {v.keys.downlink for v in pack.vectors}
    for name, message in pack.keys.messages.items():
        place = pack.place_of("message", name)
        if not any(known == name for known, _ in shown):
            yield phrase("untested-message-at", "message {message} ({place})", message=name, place=place)
        else:
            yield from (
                phrase(
                    "untested-message-on-port-at",
                    "message {message} on port {port} ({place})",
                    message=name,
                    port=port,
                    place=place,
                )
                for port in message.ports
                if (name, port) not in shown
            )
    for name in pack.keys.downlinks:
        if name not in told:
            place = pack.place_of("downlink", name)
            yield phrase("untested-downlink-at", "downlink {downlink} ({place})", downlink=name, place=place)
    for name in unused_metrics(pack.keys):
        yield phrase(
            "untested-own-metric",
            "metric {metric} ({place}), which no field gives",
            metric=name,
            place=pack.place_of("metric", name),
        )
