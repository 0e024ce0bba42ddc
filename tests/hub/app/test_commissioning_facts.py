"""What a report of commissioning says of who holds the hub's keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hub.app.commissioning_facts import BY_TPM, KEYS, CommissioningFacts
from hub.core.state_dir import StateDir
from hub.identity import keys
from hub.web.pictures.table import PictureStore


def answering(value: Any) -> Callable[..., Awaitable[Any]]:
    async def call(*_: Any) -> Any:
        return value

    return call


async def test_it_says_that_a_card_gives_up_no_key_only_where_none_lies_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PictureStore, "proved", answering([]))
    state = StateDir(tmp_path / "state")
    config = SimpleNamespace(hub=SimpleNamespace(name="Mairie"), sites={}, zones={})
    base = SimpleNamespace(
        loaded=SimpleNamespace(config=config),
        state=state,
        enrolled=SimpleNamespace(hub="hub-x"),
        store=None,
        clock=SimpleNamespace(now=lambda: 0.0),
    )
    field = SimpleNamespace(radio=SimpleNamespace(call=answering({"devices": []})), plugins=SimpleNamespace(health=[]))
    path, web = SimpleNamespace(devices=[], live=None), SimpleNamespace(status=dict)
    recording = CommissioningFacts(cast(Any, base), cast(Any, path), cast(Any, field), cast(Any, web))

    keys.create(state.keys)
    assert (await recording.facts())["keys"]["en"] == KEYS
    (state.keys / keys.SEALED).touch()
    assert (await recording.facts())["keys"]["en"] == KEYS, "files lie beside it"
    former = state.path / "former-1795859893" / "keys"
    former.mkdir(parents=True)
    for name in keys.FILES.values():
        (state.keys / name).rename(former / name)
    assert (await recording.facts())["keys"]["en"] == KEYS, "a restoration set them aside"
    for name in keys.FILES.values():
        (former / name).unlink()
    assert (await recording.facts())["keys"]["en"] == BY_TPM
