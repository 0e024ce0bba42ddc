"""Makes a draft of a found codec: runs each payload through the codecs' process, and guesses what its values are.

A draft is a pack that a person has not seen yet. What others say of a payload becomes a vector where the codec returns
just that; where it returns something else the example is left out, and the draft says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from hub.core.errors import DecodeError
from hub.core.logs import tame
from hub.core.metric_catalogue import METRICS
from hub.core.model import Metric, Value
from hub.core.text import phrase
from hub.devices.codecs import Codecs
from hub.devices.codecs.bundle import load_bundle
from hub.devices.codecs.guesses import Guess, guess
from hub.devices.codecs.mapping import leaves
from hub.devices.codecs.messages import Codec
from hub.devices.packs.importing.found import Example, FoundCodec
from hub.devices.packs.importing.plain import defines_decoder
from hub.devices.packs.loader import content_of
from hub.devices.packs.vector_tests import FATAL_LIMIT, difference

MOST_PROPOSALS = 256
DEFAULT_PORT = 1
"""Port of a vector where neither the example nor the maker gives one."""
_MAC = re.compile(r"1\.0\.[0-4]")
_FATAL = frozenset({"codec-time", "codec-crash"})


class Vector(msgspec.Struct, frozen=True, kw_only=True):
    """A payload that the codec reads as somebody says: `data`, or refused where it is None."""

    payload: bytes
    port: int
    data: dict[str, Any] | None = None


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A leaf of the codec's answers and the metric that it may be; see `hub.devices.packs.format.ProposedKeys`."""

    path: str
    sample: Value
    metric: str = ""
    scale: float = 1.0
    offset: float = 0.0
    values: dict[str, Value] | None = None
    confidence: str = "none"
    why: str = ""
    decision: str = "ask"


class Draft(msgspec.Struct, kw_only=True):
    """A pack to be. `layout` says where it comes from; `ports`: [] for any; `files` are those of the codec, by name;
    `metrics`: those that the proposals need beyond the catalogue, by key; `examples`: how many there were."""

    name: str
    vendor: str
    model: str
    layout: str
    mac: str
    listens: str
    licence: str
    untested: bool
    ports: list[int]
    files: dict[str, str]
    vectors: list[Vector]
    proposals: list[Proposal]
    metrics: dict[str, Metric]
    remarks: list[str]
    examples: int = 0
    version: int = 1

    @property
    def undecided(self) -> int:
        return sum(one.decision == "ask" for one in self.proposals)

    @property
    def shown(self) -> int:
        """Number of vectors that show data."""
        return sum(one.data is not None for one in self.vectors)


class _Run(NamedTuple):
    """Result of a codec for an example: its answer, or why there is none."""

    example: Example
    port: int
    answer: Mapping[str, Any] | None = None
    wrong: str = ""

    @property
    def data(self) -> dict[str, Any] | None:
        if self.answer is None or self.answer.get("errors"):
            return None
        data = self.answer.get("data")
        return data if isinstance(data, dict) and data else None

    @property
    def refuses(self) -> bool:
        return bool(self.answer and self.answer.get("errors"))


async def draft_of(found: FoundCodec, codecs: Codecs, payloads: Iterable[Example] = ()) -> Draft:
    """Make a draft. `payloads` are further ones that a person gave. Raises ValueError with the reason why the codec
    cannot be used at all, NotReady without the codecs' process."""
    codec = _loaded(found)
    examples = [*found.examples, *payloads]
    ports = [one.port for one in found.examples if one.port is not None]
    usual = found.port or (max(set(ports), key=ports.count) if ports else DEFAULT_PORT)
    probes = examples or [Example(b"\0")]
    runs = await _runs(codec, codecs, probes, usual)
    if not examples:
        runs = []
    vectors, wrong = _vectors(runs)
    remarks = [*dict.fromkeys(found.remarks), *_remarks(found, runs, wrong)]
    untested = not any(vector.data is not None for vector in vectors)
    proposals, metrics = _proposals(runs)
    if untested:
        remarks.append(phrase("import-untested", "no example shows that it reads its payloads right: it is untested"))
    if not proposals:
        remarks.append(
            phrase("import-without-values", "nothing shows its values: import it again with a payload of the device")
        )
    mac = _MAC.fullmatch(found.mac)
    return Draft(
        name=pack_name(found.vendor, found.name),
        vendor=_line(found.vendor) or "?",
        model=_line(found.model) or "?",
        layout=found.layout,
        mac=found.mac if mac else "1.0.3",
        listens=found.listens,
        licence=_line(found.licence) or "unknown",
        untested=untested,
        ports=_ports(found, vectors, runs),
        files={"codec.js": codec.source, **codec.files},
        vectors=vectors,
        proposals=proposals,
        metrics=metrics,
        remarks=remarks,
        examples=len(found.examples),
    )


def pack_name(vendor: str, name: str) -> str:
    """Return vendor-model in the letters that a pack's name has."""
    return f"{_slug(vendor)[:24].strip('-')}-{_slug(name)[:36].strip('-')}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "unknown"


def _line(text: str) -> str:
    return " ".join(tame(text).split())[:100].strip()


def _loaded(found: FoundCodec) -> Codec:
    codec = Codec(found.source, {}) if found.code is None else load_bundle(found.code, content_of)
    if not defines_decoder(codec.source) and not any(map(defines_decoder, codec.files.values())):
        raise ValueError(
            phrase("import-no-decoder", "it decodes no uplinks: it defines no decodeUplink, Decoder or Decode")
        )
    return codec


async def _runs(codec: Codec, codecs: Codecs, examples: list[Example], usual: int) -> list[_Run]:
    """Run each example. Raises ValueError for a codec that does not even load."""
    runs, spoilt = list[_Run](), 0
    for example in examples:
        port = example.port or usual
        if spoilt >= FATAL_LIMIT:
            break
        try:
            runs.append(_Run(example, port, await codecs.decode_uplink(codec, example.payload, port)))
        except DecodeError as error:
            if error.reason == "codec-syntax":
                raise ValueError(
                    phrase("import-codec-does-not-load", "its code cannot be loaded: {reason}", reason=error.detail)
                ) from error
            spoilt += error.reason in _FATAL
            runs.append(_Run(example, port, None, error.detail))
    return runs


def _vectors(runs: list[_Run]) -> tuple[list[Vector], list[str]]:
    """Return the examples that hold, and why others do not."""
    vectors, wrong = list[Vector](), list[str]()
    for run in runs:
        example = run.example
        if example.data is not None:
            why = run.wrong or difference(example.data, run.data if run.data is not None else dict(run.answer or {}))
        elif example.refused and not run.wrong:  # a vector is refused by an answer; what a codec throws is no refusal
            why = "" if run.refuses else phrase("vector-not-refused", "it is decoded, and should be refused")
        else:
            continue
        if why:
            wrong.append(why)
        else:
            vectors.append(Vector(payload=example.payload, port=run.port, data=example.data))
    return vectors, wrong


def _ports(found: FoundCodec, vectors: list[Vector], runs: list[_Run]) -> list[int]:
    """Return the ports that the pack declares: those of its vectors, or any where an example gives none."""
    if found.port is not None:
        return [found.port]
    shown = [vector for vector in vectors if vector.data is not None]
    if not shown or any(run.example.port is None for run in runs if run.example.data is not None):
        return []
    return sorted({vector.port for vector in shown})


def _remarks(found: FoundCodec, runs: list[_Run], wrong: list[str]) -> Iterable[str]:
    if not found.vendor:
        yield phrase("import-maker-unknown", "nothing says who makes the device: name it in `vendor`")
    if found.mac and not _MAC.fullmatch(found.mac):
        yield phrase(
            "import-version-other",
            "its LoRaWAN version is given as {version}: 1.0.3 is written there, check it",
            version=found.mac[:20],
        )
    elif not found.mac:
        yield phrase("import-version-unknown", "its LoRaWAN version is not given: 1.0.3 is written there, check it")
    if found.port is None and any(run.example.port is None for run in runs if run.example.data is not None):
        yield phrase("import-port-unknown", "not every example gives a port: payloads of any port are read")
    silent = [run for run in runs if run.data is None and run.example.data is None and not run.example.refused]
    for run in silent[:3]:
        errors = (run.answer or {}).get("errors")
        yield phrase(
            "import-payload-unread",
            "it makes nothing of the payload {payload}: {reason}",
            payload=run.example.payload.hex()[:64],
            reason=run.wrong
            or _line(str(errors or ""))
            or phrase("codec-returned-no-data", "the codec returned no `data`"),
        )
    if wrong:
        yield phrase(
            "import-examples-contradicted",
            "{count} [example does|examples do] not hold and [is|are] left out: {reason}",
            count=len(wrong),
            reason=wrong[0],
        )


def _proposals(runs: list[_Run]) -> tuple[list[Proposal], dict[str, Metric]]:
    samples: list[dict[str, Value]] = []
    for run in runs:
        if run.data is None:
            continue
        try:
            samples.append(leaves(run.data))
        except DecodeError:
            continue  # too large or too deep for readings: the vector tells
    guesses = guess(samples)[:MOST_PROPOSALS]
    metrics = {one.key: one.defined() for one in guesses if one.channel and one.key not in METRICS}
    return [_proposal(one) for one in guesses if 1 <= len(one.path) <= 256], metrics


def _proposal(one: Guess) -> Proposal:
    return Proposal(
        path=one.path,
        sample=_line(one.sample)[:64] if isinstance(one.sample, str) else one.sample,
        metric=one.key,
        scale=one.scale,
        offset=one.offset,
        values=None if one.values is None else dict(one.values),
        confidence=one.confidence,
        why=one.reason,
    )
