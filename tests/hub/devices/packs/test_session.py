"""What an integration has of a device's pack: over the real path, codec worker included, and in its own tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path as FilePath

import msgspec
import pytest

from hub.core.errors import DecodeError, NotReady, PluginError
from hub.core.model import PackFacts, Proof, Report, Sample
from hub.devices.packs.library import Library
from hub.devices.packs.loader import read
from hub.devices.packs.service import Packs
from hub.devices.packs.vector_tests import Verdict
from hub.plugin_host.runtime import InProcessSession
from hub.plugin_host.session_parts import Core
from hub.sdk.testing import FakeHttp, FakeSession
from tests.hub.path_kit import METER, TAG, Path

Make = Callable[..., FilePath]


class Stage(Path):
    """The real path, two devices with packs, one without."""

    def __init__(self, packs: Packs | None) -> None:
        super().__init__()
        core = Core(
            self.pipeline,
            self.planner,
            self.devices,
            self.buffer,
            self.clock,
            self.counts,
            lambda _: FakeHttp(),
            lambda kind: [],
            packs,
        )
        self.session = InProcessSession(TAG.integration, core, lambda: None)
        self.give("acme-thermo")

    def give(self, pack: str) -> None:
        self.devices.put(msgspec.structs.replace(TAG, pack=pack))


@pytest.fixture
async def stage(made: Make, tmp_path: FilePath) -> AsyncIterator[Stage]:
    library = Library(tmp_path / "installed", tmp_path / "none")
    pack = read(made())
    library.install(pack, Verdict(pack.name, pack.keys.version, pack.digest, True, (), ()))
    async with Packs(library) as packs:
        yield Stage(packs)


@pytest.mark.real("processes")
async def test_a_payload_becomes_samples_and_the_pack_s_own_metrics_are_known_at_once(stage: Stage) -> None:
    samples = await stage.session.packs.decode(TAG.id, 1, b"\xd7\x05\x01", 1_800_000_000.0)
    assert samples == (Sample(values={"temperature": 21.5, "probe_2": 5.0, "door": True}),)
    proof = Proof("lorawan-1.0", 7, True)
    await stage.session.emit(Report(device=TAG.id, values=samples[0].values, proof=proof))
    (row,) = stage.buffer.rows
    assert len(row.values) >= 2, "temperature and the metric that only the pack knows"
    assert stage.counts.by_subject().get(TAG.id, {}).get("unknown-metric") is None
    assert stage.planner.declared[TAG.id].model == "Acme Thermo"


async def test_facts_tell_an_integration_what_it_needs_to_speak_to_the_device(stage: Stage) -> None:
    assert await stage.session.packs.get(TAG.id) == PackFacts(
        name="acme-thermo",
        version=1,
        vendor="Acme",
        models=("Thermo",),
        mac="1.0.4",
        listens="C",
        period_s=600.0,
        downlinks={"period": ("minutes",)},
    )
    stage.give("")
    assert await stage.session.packs.get(TAG.id) is None


@pytest.mark.real("processes")
async def test_a_downlink_is_encoded_within_its_bounds(stage: Stage) -> None:
    assert await stage.session.packs.encode(TAG.id, "period", {"minutes": 15}) == (2, b"\x01\x0f")
    with pytest.raises(DecodeError, match="minutes must be from 1 to 255 min"):
        await stage.session.packs.encode(TAG.id, "period", {"minutes": 500})


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    ("pack", "port", "payload", "reason"),
    [
        ("acme-thermo", 1, b"\xd7", "codec-refused"),
        ("acme-thermo", 2, b"\xd7\x05\x01", "undeclared-port"),
        ("", 1, b"\xd7\x05\x01", "no-pack"),
        ("acme-nothing", 1, b"\xd7\x05\x01", "bad-pack"),
    ],
)
async def test_a_frame_that_cannot_be_read_is_counted_with_its_reason(
    stage: Stage, pack: str, port: int, payload: bytes, reason: str
) -> None:
    stage.give(pack)
    with pytest.raises(DecodeError) as caught:
        await stage.session.packs.decode(TAG.id, port, payload)
    assert caught.value.reason == reason
    assert stage.counts.by_subject()[TAG.id] == {reason: 1}


@pytest.mark.real("processes")
async def test_leaves_that_are_no_readings_are_counted_and_the_others_are_kept(stage: Stage) -> None:
    samples = await stage.session.packs.decode(
        TAG.id, 1, b"\xd7\xff\x07"
    )  # 25.5 °C is 255 tenths; 7 is neither open nor shut
    assert samples[0].values["temperature"] == 21.5
    assert stage.counts.by_subject()[TAG.id] == {"codec-value": 1, "implausible": 1}


async def test_a_session_reads_no_other_integration_s_payloads(stage: Stage) -> None:
    for call in (stage.session.packs.decode(METER.id, 1, b""), stage.session.packs.encode(METER.id, "period", {}),
                 stage.session.packs.get(METER.id)):  # fmt: skip
        with pytest.raises(PluginError, match="is not a device of"):
            await call


async def test_packs_that_are_not_here_or_are_wrong_are_complaints_not_stops(made: Make, tmp_path: FilePath) -> None:
    library = Library(tmp_path / "installed", tmp_path / "shipped")
    pack = read(made())
    folder = library.install(pack, Verdict(pack.name, pack.keys.version, pack.digest, True, (), ()))
    (folder / "codec.js").write_text("changed")
    async with Packs(library) as packs:
        await packs.expect({"acme-thermo", "acme-gone"})
        assert packs.complaints() == ["pack acme-gone is missing: install it, its devices' payloads are lost"]
        for name in ("acme-thermo", "acme-gone"):
            with pytest.raises(DecodeError):
                await packs.decode(name, 1, b"", None)
        assert packs.status() == {
            "used": ["acme-gone", "acme-thermo"], "missing": ["acme-gone"], "unreadable": ["acme-thermo"],
            "restarts": 0,
        }  # fmt: skip
        assert "acme-thermo is wrong" in packs.complaints()[1]


async def test_without_packs_the_hub_says_so() -> None:
    with pytest.raises(NotReady, match="without packs"):
        await Stage(None).session.packs.decode(TAG.id, 1, b"")


async def test_an_integration_s_own_tests_read_payloads_from_a_table() -> None:
    session = FakeSession(TAG.integration, devices=[TAG])
    session.packs.payloads[TAG.id, 1, b"\x01"] = (Sample(values={"temperature": 1.0}),)
    session.packs.downlinks[TAG.id, "period", (("minutes", 5.0),)] = (2, b"\x05")
    session.packs.facts[TAG.id] = PackFacts(name="a-b", version=1, vendor="A", models=("B",), mac="1.0.3")
    assert (await session.packs.decode(TAG.id, 1, b"\x01"))[0].values == {"temperature": 1.0}
    assert await session.packs.encode(TAG.id, "period", {"minutes": 5.0}) == (2, b"\x05")
    assert (await session.packs.get(TAG.id)) is session.packs.facts[TAG.id]
    with pytest.raises(DecodeError):
        await session.packs.decode(TAG.id, 1, b"\x02")
    assert session.drops == [(TAG.id, "no-pack")]
