"""Raw history on disk is what the configuration says: kept, under one key, without people, or not there at all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hub.app.archive import build_raw_archive
from hub.config.parts.energy import History as Options
from hub.core.metric_catalogue import METRICS
from hub.core.model import Metric, Place
from hub.core.state_dir import StateDir
from hub.core.store import Store
from hub.history.memory import History
from hub.privacy.rules_engine import Privacy
from hub.sdk.testing import ManualClock

START = 1_790_000_000
OWN = Metric(key="own_count", privacy="personal")
SAID = (
    ("salle", "temperature", "0.01"), ("salle", "count", "1"), ("salle", "own_count", "1"),
    ("salle", "unheard_of", "1"), ("chambre", "temperature", "0.01"),
)  # fmt: skip


class House:
    """What `build_raw_archive` stands on; a flat and an office."""

    store: Store

    def __init__(self, path: Any) -> None:
        self.state, self.clock = StateDir(path), ManualClock(START)
        self.state.keys.mkdir()
        self.privacy = Privacy(uses={"flat": "logement"})
        self.places = {
            "chambre": Place(id="chambre", site="s", zone="flat"),
            "salle": Place(id="salle", site="s", zone="z"),
        }
        self.declared: dict[str, Any] = {"x:1": SimpleNamespace(metrics={"own_count": OWN})}

    async def build(self, **options: Any) -> Any:
        self.history = History()
        config = SimpleNamespace(history=Options.model_validate(options))
        base: Any = SimpleNamespace(
            state=self.state, store=self.store, clock=self.clock, loaded=SimpleNamespace(config=config)
        )
        path: Any = SimpleNamespace(
            metrics=dict(METRICS),
            places=self.places,
            privacy=self.privacy,
            planner=SimpleNamespace(declared=self.declared),
        )
        observer: Any = SimpleNamespace(finish=lambda: None)
        return await build_raw_archive(base, path, self.history, observer)

    async def said(self, raw: Any) -> list[tuple[str, str]]:
        for place, metric, step in SAID:
            [strip] = self.history.bind(place, [(metric, step)])
            strip.add([START, 1])
        self.history.hand_over()
        await raw.write()
        found: list[tuple[str, str]] = await raw.series()
        return sorted(found)

    def lying(self) -> list[str]:
        return sorted(str(path.relative_to(self.state.path)) for path in self.state.path.rglob("*.raw")) + sorted(
            path.name for path in self.state.keys.iterdir()
        )


@pytest.fixture
async def house(tmp_path: Any) -> Any:
    made = House(tmp_path)
    made.store = await Store.open(made.state.store, b"k" * 32)
    yield made
    await made.store.close()


@pytest.mark.real("processes")
async def test_by_default_nothing_is_made_and_nothing_of_it_is_imported(house: House) -> None:
    import subprocess
    import sys

    assert await house.build() == (None, "")
    assert not house.state.raw.exists()
    assert house.lying() == []
    code = "import sys, hub.app; print([name for name in sys.modules if name.startswith('hub.history.archive')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


async def test_personal_data_are_written_only_where_that_is_declared_too(house: House) -> None:
    raw, said = await house.build(raw_on_disk="key-file")
    assert said == ""
    assert await house.said(raw) == [("salle", "temperature")]
    raw, _ = await house.build(raw_on_disk="key-file", raw_personal=True)
    everything = await house.said(raw)
    assert len(everything) == 5
    raw, _ = await house.build(raw_on_disk="key-file")  # declared no more
    assert await house.said(raw) == [("salle", "temperature"), ("salle", "unheard_of")], (
        "of what is unknown nobody can say"
    )


async def test_a_zone_that_becomes_a_dwelling_takes_its_series_off_the_disk(house: House) -> None:
    raw, _ = await house.build(raw_on_disk="key-file")
    assert await house.said(raw) == [("salle", "temperature")]
    house.privacy.reconfigure(rules=(), uses={"z": "appartement"}, purposes={})
    await raw.write()
    assert await raw.series() == []


async def test_what_is_declared_no_more_is_destroyed_and_so_is_what_lay_under_another_key(
    house: House,
) -> None:
    raw, _ = await house.build(raw_on_disk="key-file")
    await house.said(raw)
    assert house.lying()[1:] == ["raw.key"]
    assert await house.build() == (None, "")
    assert house.lying() == []
    assert not house.state.raw.exists()
    raw, _ = await house.build(raw_on_disk="key-file")
    await house.said(raw)
    (house.state.keys / "raw.tpm").write_bytes(b"")
    before = house.lying()[0]
    raw, _ = await house.build(raw_on_disk="key-file")  # it was `tpm` in between
    assert house.lying() == ["raw.key"]
    assert before not in house.lying()
    assert await raw.series() == []


async def test_what_cannot_be_destroyed_is_said_and_the_hub_starts(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, _ = await house.build(raw_on_disk="key-file")
    await house.said(raw)
    monkeypatch.setattr("hub.history.archive.folder.Folder.clear", refuse)
    raw, said = await house.build()
    assert raw is None
    assert "could not be destroyed; the next start tries again" in said
    assert house.lying()[-1] != "raw.key", "the key went first"


def refuse(self: Any) -> None:
    from hub.core.errors import DiskRefuses

    raise DiskRefuses("read-only")
