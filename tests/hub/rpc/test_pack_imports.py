"""Codecs of others through the pages' calls: a draft waits, a person decides, and only then a pack is installed."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.core.errors import HubError
from hub.core.text import Phrase
from hub.devices.packs.importing.pending import MOST, Pending
from hub.devices.packs.library import Library
from hub.rpc.pack_imports import MAX_CODECS, MAX_IMPORT_BYTES, ImportCalls
from hub.rpc.packs import PackCalls
from tests.hub.devices.packs.importing_kit import CODEC, PROFILE, SCALE, TTN, zipped


class Nobody:
    def __init__(self) -> None:
        self.audited: list[Any] = []

    async def reload(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"frames": []}

    async def audit(self, at: float, who: str, what: Any) -> None:
        self.audited.append((who, what))


class Hub:
    def __init__(self, folder: Path) -> None:
        self.store = Nobody()
        self.library = Library(folder / "packs", folder / "none")
        packs = PackCalls(self.library, self.store, self.store, list, lambda: 1.0)  # type: ignore[arg-type]
        self.drafts = folder / "packs/.imports"
        self.calls = ImportCalls(self.library, packs, self.drafts).calls()

    async def call(self, name: str, /, **arguments: Any) -> Any:
        return await self.calls[name]({"by": "web:anne", **arguments})

    async def bring(self, data: bytes, name: str = "x.zip", **more: Any) -> Any:
        return await self.call("pack.import", archive=base64.b64encode(data).decode(), name=name, **more)


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path)


def words(draft: dict[str, Any], **chosen: dict[str, str]) -> list[dict[str, str]]:
    """Each value left out, but for those chosen."""
    left = {"decision": "leave"}
    return [{"path": one["path"], **chosen.get(one["path"], left)} for one in draft["proposed"]]


@pytest.mark.real("processes")
async def test_what_a_folder_holds_waits_with_a_sample_and_a_guess_of_each_value(hub: Hub) -> None:
    made = await hub.bring(zipped(TTN, "windco/"))
    assert [one["pack"] for one in made["drafts"]] == ["windco-bare", "windco-wind"]
    assert set(made["left_out"]) == {"gone-codec", "up-codec"}
    waiting = (await hub.call("pack.drafts"))["drafts"]
    assert [(one["pack"], one["untested"], one["undecided"]) for one in waiting] == [
        ("windco-bare", True, 0), ("windco-wind", False, 3),
    ]  # fmt: skip
    draft = await hub.call("pack.draft", pack="windco-wind")
    first = draft["proposed"][0]
    assert (first["path"], first["sample"], first["metric"], first["reading"]) == (
        "temperature",
        21.5,
        "temperature",
        21.5,
    )
    assert isinstance(first["why"], Phrase), "said in the language of the page"
    assert all(isinstance(one, Phrase) for one in draft["remarks"])
    assert hub.library.names() == [], "nothing is installed by an import"
    again = Hub(hub.drafts.parents[1])
    assert (await again.call("pack.draft", pack="windco-wind"))["proposed"] == draft["proposed"], "also after a start"


@pytest.mark.real("processes")
async def test_only_a_whole_decision_installs_and_the_next_import_is_a_higher_version(hub: Hub) -> None:
    await hub.bring(zipped(TTN, "windco/"))
    draft = await hub.call("pack.draft", pack="windco-wind")
    with pytest.raises(HubError, match="3 values are not decided: temperature, Ünit, humidity"):
        await hub.call("pack.decide", pack="windco-wind")
    with pytest.raises(HubError, match="1 value is not decided: humidity"):
        await hub.call("pack.decide", pack="windco-wind", decisions=words(draft)[:2])
    twice = words(draft, temperature={"decision": "take"}, humidity={"decision": "take", "metric": "temperature"})
    with pytest.raises(HubError, match="temperature is taken of temperature and of humidity"):
        await hub.call("pack.decide", pack="windco-wind", decisions=twice)
    for wrong, says in (
        ({"decision": "perhaps"}, "decide on temperature"),
        ({"decision": "take", "metric": "temprature"}, "did you mean temperature"),
        ({"decision": "take", "scale": "nan"}, "the factor of temperature"),
        ({"decision": "take", "scale": "0"}, "the factor of temperature"),
    ):
        with pytest.raises(HubError, match=says):
            await hub.call("pack.decide", pack="windco-wind", decisions=words(draft, temperature=wrong))
    right = words(
        draft,
        temperature={"decision": "take", "metric": "temperature", "scale": "1"},
        humidity={"decision": "take", "metric": "battery", "scale": "0,5"},
    )
    dry = await hub.call("pack.decide", pack="windco-wind", decisions=right, dry_run=True)
    assert (dry["installed"], hub.library.names()) == (False, [])
    facts = {"vendor": "Wind & Co", "model": "W1", "mac": "1.0.3", "class": "A"}
    answer = await hub.call("pack.decide", pack="windco-wind", decisions=right, **facts)
    assert (answer["installed"], answer["version"], answer["vectors"]) == (True, 1, 2)
    pack = hub.library.get("windco-wind")
    assert pack.fields is not None
    assert {field.path: (field.metric, field.scale) for field in pack.fields.values()} == {
        "temperature": ("temperature", 1.0), "humidity": ("battery", 0.5),
    }  # fmt: skip
    assert (pack.keys.vendor, pack.keys.models, pack.undecided) == ("Wind & Co", ("W1",), ())
    assert pack.keys.lorawan is not None
    assert pack.keys.lorawan.class_ == "A"
    who, what = hub.store.audited[-1]
    assert (who, what["pack"], what["name"], "untested" in what) == ("web:anne", "installed", "windco-wind", False)
    assert [one["pack"] for one in (await hub.call("pack.drafts"))["drafts"]] == ["windco-bare"]
    await hub.bring(zipped(TTN, "windco/"))
    assert (await hub.call("pack.decide", pack="windco-wind", decisions=words(draft)))["version"] == 2


@pytest.mark.real("processes")
async def test_an_untested_codec_is_installed_only_where_a_person_says_so(hub: Hub) -> None:
    (draft,) = (await hub.bring(PROFILE.encode(), "Profil d'été.json", vendor="Wind & Co", payload="1:2a"))["drafts"]
    assert (draft["pack"], draft["untested"]) == ("wind-co-wind-profile", True)
    shown = await hub.call("pack.draft", pack=draft["pack"])
    taken = words(shown, t={"decision": "take", "metric": "temperature"})
    with pytest.raises(HubError, match="is untested"):
        await hub.call("pack.decide", pack=draft["pack"], decisions=taken)
    assert (await hub.call("pack.decide", pack=draft["pack"], decisions=taken, untested=True))["installed"]
    assert hub.store.audited[-1][1]["untested"] is True
    packs = PackCalls(hub.library, hub.store, hub.store, list, lambda: 1.0)  # type: ignore[arg-type]
    (listed,) = (await packs.calls()["pack.list"]({}))["packs"]
    assert (listed["pack"], listed["untested"]) == (draft["pack"], True)


@pytest.mark.real("processes")
async def test_a_discarded_draft_is_gone_and_no_name_leads_out_of_the_directory(hub: Hub, tmp_path: Path) -> None:
    await hub.bring(CODEC.encode(), "acme-thermo.js")
    await hub.call("pack.discard", pack="acme-thermo")
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    for name in ("acme-thermo", "../../secret", "", "x", "a-b/../c-d", "\0-x"):
        for call in ("pack.draft", "pack.decide", "pack.discard"):
            with pytest.raises(HubError, match="no imported pack"):
                await hub.call(call, pack=name)
    assert secret.exists()


@pytest.mark.parametrize(
    ("data", "name", "says"),
    [
        (b"x", "notes.txt", "ends in zip, js"),
        (b"x", "", "ends in zip, js"),
        (b"x", "x.zip", "not a ZIP archive"),
        (b"{}", "x.json", "holds no codec"),
        (b"", "x.js", "PORT:HEX"),
        (zipped({"readme.md": "x"}), "x.zip", "holds no codec"),
        (zipped({f"acme-{n}.js": CODEC for n in range(MAX_CODECS + 1)}), "x.zip", f"more than {MAX_CODECS} codecs"),
        (b" " * (MAX_IMPORT_BYTES + 1), "x.js", "4 MiB at most"),
    ],
)
async def test_what_is_no_codec_is_refused_with_a_sentence(hub: Hub, data: bytes, name: str, says: str) -> None:
    with pytest.raises(HubError, match=says):
        await hub.bring(data, name, payload="nonsense" if not data else "")
    assert not hub.drafts.exists()
    with pytest.raises(HubError, match="not base64"):
        await hub.call("pack.import", archive="§", name="x.js")


@pytest.mark.real("processes")
async def test_the_name_of_a_file_is_nothing_but_letters(hub: Hub) -> None:
    for name in ("../../etc/acme-thermo.js", "C:\\x\\acme-thermo.JS", "acme thermo.js", "été-é.js"):
        made = await hub.bring(f"{CODEC}\n{SCALE}".encode(), name)
        assert made["left_out"] or made["drafts"]
    assert all(path.parent == hub.drafts for path in hub.drafts.rglob("*"))


@pytest.mark.real("processes")
async def test_drafts_that_wait_are_bounded(hub: Hub) -> None:
    await hub.bring(CODEC.encode(), "acme-thermo.js")
    draft = Pending(hub.drafts).get("acme-thermo")
    for number in range(MOST - 1):
        draft.name = f"acme-{number}"
        Pending(hub.drafts).save(draft)
    with pytest.raises(HubError, match=f"{MOST} imported packs wait already"):
        await hub.bring(CODEC.encode(), "other-one.js")


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
async def test_a_kept_draft_that_was_damaged_is_no_draft(tmp_path: Path, content: Any) -> None:
    (tmp_path / "acme-thermo.json").write_text(json.dumps(content))
    with pytest.raises(HubError, match="no imported pack"):
        Pending(tmp_path).get("acme-thermo")
