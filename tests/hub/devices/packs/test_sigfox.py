"""Packs of Sigfox: a payload in the operator's grammar instead of a codec, no ports, downlinks of eight bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import ConfigError, DecodeError
from hub.devices.packs.library import Library
from hub.devices.packs.loader import read
from hub.devices.packs.service import Packs, facts_of
from hub.devices.packs.vector_tests import run_vectors
from tests.hub.devices.packs.packs_kit import SHIPPED

PACK = """\
format: 1
version: 1
vendor: Acme
models: [Bin]
fr: Sonde
en: Probe
licence: Apache-2.0
protocol: sigfox
codec: {format: "cm::uint:16 temp::int:8"}
messages: {level: {}}
fields:
  - {path: cm, metric: distance, scale: 10}
  - {path: temp, metric: temperature}
sources:
  manual: {kind: document, title: Bin manual, version: "2", by: Acme, licence: facts only}
"""
VECTORS = """\
- {source: manual, message: level, bytes: "00eef6", readings: {distance: 2380, temperature: -10}}
"""
CODEC = "function encodeDownlink(i) { return { bytes: Array(i.data.size).fill(1) }; }\n"
TELLS = """\
downlinks:
  say: {fr: Dire, en: Say, fields: {size: {low: 0, high: 99, fr: Taille, en: Size}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    def made(pack: str = PACK, vectors: str = VECTORS, codec: str = "") -> Path:
        place = tmp_path / "packs" / "acme-bin"
        (place / "vectors").mkdir(parents=True)
        (place / "pack.yaml").write_text(pack, "utf-8")
        (place / "vectors" / "all.yaml").write_text(vectors, "utf-8")
        if codec:
            (place / "codec.js").write_text(codec, "utf-8")
        return place

    return made


@pytest.mark.real("processes")
def test_a_pack_with_a_format_needs_no_codec_and_is_judged_by_its_vectors(folder: Any, bench: Any) -> None:
    codecs, run = bench
    verdict = run(run_vectors(read(folder()), codecs))
    assert verdict.ok, verdict


@pytest.mark.real("processes")
def test_a_vector_that_the_format_does_not_give_fails(folder: Any, bench: Any) -> None:
    codecs, run = bench
    verdict = run(run_vectors(read(folder(vectors=VECTORS.replace("-10", "-11"))), codecs))
    assert [outcome.wrong for outcome in verdict.outcomes] == [
        "readings.temperature is -10.0, not -11.0: read from temp by pack.yaml:13"
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("cm::uint:16", "cm::uint:65"), "a uint has 1 to 64 bits"),
        (("level: {}", "level: {ports: [1]}"), "Sigfox has no ports"),
        (("protocol: sigfox\n", "protocol: sigfox\nlorawan: {mac: 1.0.3}\n"), "are for packs of lorawan"),
        (("protocol: sigfox\n", "protocol: lorawan\nlorawan: {mac: 1.0.3}\n"), "a pack of lorawan has a codec file"),
        (("sources:\n", TELLS + "sources:\n"), "downlinks need a codec file"),
    ],
)
def test_what_a_pack_of_sigfox_cannot_say_is_told(folder: Any, change: tuple[str, str], says: str) -> None:
    assert PACK.count(change[0]) == 1
    with pytest.raises(ConfigError) as failure:
        read(folder(pack=PACK.replace(*change)))
    assert says in str(failure.value)


def test_a_vector_of_sigfox_has_no_port(folder: Any) -> None:
    with pytest.raises(ConfigError, match="Sigfox has no ports"):
        read(folder(vectors=VECTORS.replace("message:", "port: 1, message:")))


@pytest.mark.real("processes")
@pytest.mark.parametrize(("size", "ok"), [(8, True), (7, False), (9, False)])
def test_a_downlink_that_is_no_eight_bytes_does_not_pass(folder: Any, bench: Any, size: int, ok: bool) -> None:
    pack = PACK.replace('codec: {format: "cm::uint:16 temp::int:8"}\n', "").replace("sources:\n", TELLS + "sources:\n")
    codec = CODEC + "function decodeUplink(i) { return { data: { cm: 238, temp: -10 } }; }\n"
    said = f'- {{source: manual, downlink: say, given: {{size: {size}}}, bytes: "{"01" * size}"}}\n'
    codecs, run = bench
    verdict = run(run_vectors(read(folder(pack=pack, vectors=VECTORS + said, codec=codec)), codecs))
    assert verdict.ok is ok
    assert ok or "a Sigfox downlink has 8" in verdict.outcomes[1].wrong


async def test_a_running_hub_decodes_by_the_format_without_a_worker(folder: Any) -> None:
    packs = Packs(Library(None, folder().parent))  # never entered: there is no worker to ask
    reading = await packs.decode("acme-bin", 1, bytes.fromhex("00eef6"), None)
    assert reading.samples[0].values == {"distance": 2380.0, "temperature": -10.0}
    with pytest.raises(DecodeError, match="truncated"):
        await packs.decode("acme-bin", 1, b"", None)


def test_what_an_integration_is_told_of_it_has_no_lorawan_in_it() -> None:
    facts = facts_of(SHIPPED.get("sensit-discovery-v3"))
    assert (facts.mac, facts.listens, set(facts.downlinks)) == ("", "A", {"configure"})


def test_three_packs_of_sigfox_ship_one_of_them_by_its_format() -> None:
    packs = [SHIPPED.get(name) for name in SHIPPED.names()]
    ours = {pack.name: pack.grammar is not None for pack in packs if pack.keys.protocol == "sigfox"}
    assert ours == {"adeunis-sigfox-temp": False, "hummbox-level-16": True, "sensit-discovery-v3": False}
