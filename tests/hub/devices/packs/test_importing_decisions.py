"""Nothing imported is installed before a person has decided on each of its values."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from pathlib import Path

import msgspec
import pytest

from hub.core.errors import HubError
from hub.devices.packs.importing.pack_files import files_of
from hub.devices.packs.importing.run import payload_given
from hub.devices.packs.library import Library
from hub.devices.packs.loader import Pack
from hub.devices.packs.vector_tests import Verdict, run_vectors
from tests.hub.devices.packs.importing_kit import CODEC, SCALE, TTN, Bench, imported, lay, pack_at


@pytest.mark.real("processes")
def test_a_pack_is_installed_only_when_a_person_has_decided_on_every_value(bench: Bench, tmp_path: Path) -> None:
    codecs, run = bench
    (draft,) = imported(bench, lay(tmp_path / "windco", TTN), only="wind").drafts
    library = Library(tmp_path / "state/packs", tmp_path / "none")
    folder = tmp_path / draft.name
    pack = pack_at(folder, files_of(draft))
    with pytest.raises(HubError, match="has fields that no person has decided"):
        library.install(pack, msgspec.structs.replace(run(run_vectors(pack, codecs)), ok=True))
    text = (folder / "pack.yaml").read_text()
    decided = pack_at(folder, {"pack.yaml": text.replace(", decision: ask", ", decision: leave")})
    assert library.install(decided, run(run_vectors(decided, codecs))).is_dir()
    assert (decided.fields, decided.ignores("humidity")) == ({}, True)
    taken = text.replace(", decision: ask", ", decision: take", 1).replace(", decision: ask", ", decision: leave")
    pack = pack_at(folder, {"pack.yaml": taken.replace("version: 1\n", "version: 2\n")})
    assert pack.fields is not None
    assert [field.metric for field in pack.fields.values()] == ["temperature"]
    assert run(run_vectors(pack, codecs)).ok


@pytest.mark.real("processes")
def test_an_untested_pack_is_installed_only_where_a_person_wants_it(bench: Bench, tmp_path: Path) -> None:
    codecs, run = bench
    lay(tmp_path, {"acme-thermo.js": CODEC, "scale.js": SCALE})
    (draft,) = imported(bench, tmp_path / "acme-thermo.js", payloads=[payload_given("2:d728")]).drafts
    draft.proposals = [
        msgspec.structs.replace(one, decision="take" if one.metric else "leave") for one in draft.proposals
    ]
    library, pack = (
        Library(tmp_path / "state/packs", tmp_path / "none"),
        pack_at(tmp_path / draft.name, files_of(draft)),
    )
    verdict = run(run_vectors(pack, codecs))
    assert verdict.ok
    with pytest.raises(HubError, match="is untested"):
        library.install(pack, verdict)
    assert library.install(pack, verdict, untested=True).is_dir()
    assert library.get(pack.name).keys.untested


class Hasty(Library):
    """A broken twin: it installs what nobody has decided, and what nobody wants untested."""

    def install(self, pack: Pack, verdict: Verdict, *, untested: bool = False) -> Path:
        keys = pack.keys.model_copy(update={"proposed": (), "untested": False})
        return super().install(dataclasses.replace(pack, keys=keys), msgspec.structs.replace(verdict, ok=True))


def installed_too_early(bench: Bench, folder: Path, library: type[Library]) -> list[tuple[object, ...]]:
    """Try every mixture of decisions on a tested and on an untested draft; return those installed without a person's
    word on each value, or untested without one on that."""
    codecs, run = bench
    lay(folder / "untested", {"acme-thermo.js": CODEC, "scale.js": SCALE})
    drafts = [
        *imported(bench, folder / "untested/acme-thermo.js", payloads=[payload_given("2:d728")]).drafts,
        *imported(bench, lay(folder / "windco", TTN), only="wind").drafts,
    ]
    wrong: list[tuple[object, ...]] = []
    mixtures = itertools.product(drafts, itertools.product(("ask", "leave"), repeat=3), (False, True))
    for number, (draft, words, wanted) in enumerate(mixtures):
        pairs = zip(draft.proposals, words, strict=True)
        proposals = [msgspec.structs.replace(one, decision=word) for one, word in pairs]
        proposals.append(msgspec.structs.replace(proposals[0], path="further", metric="co2", decision="take"))
        chosen = msgspec.structs.replace(draft, proposals=proposals)
        pack = pack_at(folder / str(number) / draft.name, files_of(chosen))
        with contextlib.suppress(HubError):
            library(folder / str(number) / "state", folder / "none").install(
                pack, run(run_vectors(pack, codecs)), untested=wanted
            )
            if "ask" in words or (draft.untested and not wanted):
                wrong.append((draft.name, words, wanted))
    return wrong


@pytest.mark.real("processes")
def test_no_mixture_of_decisions_installs_a_value_that_nobody_decided(bench: Bench, tmp_path: Path) -> None:
    assert installed_too_early(bench, tmp_path, Library) == []


@pytest.mark.real("processes")
def test_a_library_that_installs_too_early_is_caught(bench: Bench, tmp_path: Path) -> None:
    assert len(installed_too_early(bench, tmp_path, Hasty)) > 10


@pytest.mark.real("processes")
def test_proposals_that_contradict_each_other_are_told_with_their_place(tmp_path: Path, bench: Bench) -> None:
    from hub.core.errors import ConfigError

    (draft,) = imported(bench, lay(tmp_path / "windco", TTN), only="wind").drafts
    text = files_of(draft)["pack.yaml"].replace('metric: "humidity"', 'metric: "temperature"')
    pack_at(tmp_path / draft.name, {**files_of(draft), "pack.yaml": text})  # nobody has decided
    both = text.replace("decision: ask", "decision: take")
    with pytest.raises(ConfigError) as caught:
        pack_at(tmp_path / draft.name, {"pack.yaml": both})
    told = [str(problem) for problem in caught.value.problems]
    assert any("'temperature' is read twice" in one for one in told) or any("needs a `metric`" in one for one in told)
    unknown = text.replace('metric: "temperature"', 'metric: "temprature"', 1)
    with pytest.raises(ConfigError, match="did you mean temperature"):
        pack_at(tmp_path / draft.name, {"pack.yaml": unknown})
