"""A hostile plugin in a whole hub: each attack is bounded and named, the neighbours lose nothing, and the twin without
that limit is caught. The hub, its starter, its backend and the plugin are the real ones; see `whole_hub`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.core.errors import PluginError
from hub.plugin_host.isolation import host
from hub.plugin_host.plugins import INTEGRATION

from .attacks import ATTACKS, QUICK
from .role_attacks import DECODES, SEARCHES, heard, searched
from .vehicle import needs_root
from .whole_hub import NEIGHBOUR, STEADY_DEVICE, Seen, Town, attacked, eventually, founded

pytestmark = [pytest.mark.real("network, processes"), needs_root]
LONG = [name for name in ATTACKS if name not in QUICK]


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with tempfile.TemporaryDirectory(prefix="ilot-redteam-") as folder, founded(Path(folder)) as town:
        yield town


async def named(seen: Seen, *names: str) -> None:
    before = seen.said
    for name in names:
        await eventually(lambda name=name: ATTACKS[name].named(seen, name), f"{name} was not named")  # type: ignore[misc]
    await eventually(lambda: all(seen.said[one] > before[one] for one in before), "the neighbours stand still")


@pytest.fixture(scope="module")
def at_once(town: Town) -> Seen:
    """A hub that has all the quick ones at the same time."""
    return attacked(town, QUICK, lambda seen: named(seen, *QUICK))


@pytest.mark.parametrize("name", QUICK)
def test_it_is_bounded_and_named_while_all_the_others_attack(name: str, at_once: Seen) -> None:
    assert ATTACKS[name].named(at_once, name)
    assert not ATTACKS[name].won(at_once, name)


def test_the_neighbours_of_all_of_them_lose_nothing(at_once: Seen) -> None:
    assert at_once.lost() == {NEIGHBOUR: [], STEADY_DEVICE: []}
    assert min(at_once.said.values()) > 0
    assert at_once.health("is_steady").crashes == 0


@pytest.mark.long("a hub for each, seconds of it")
@pytest.mark.parametrize("name", LONG)
def test_a_lasting_attack_is_bounded_and_named_and_its_neighbours_lose_nothing(name: str, town: Town) -> None:
    seen = attacked(town, [name], lambda seen: named(seen, name))
    assert not ATTACKS[name].won(seen, name)
    assert seen.lost() == {NEIGHBOUR: [], STEADY_DEVICE: []}


@pytest.mark.long("a hub for each")
@pytest.mark.parametrize("name", ATTACKS)
def test_the_twin_without_that_limit_is_caught(name: str, town: Town) -> None:
    async def wins(seen: Seen) -> None:
        await eventually(lambda: ATTACKS[name].won(seen, name), f"{name} did not get through")

    attacked(town, [name], wins, *ATTACKS[name].twin())


@pytest.mark.long("a hub for each")
@pytest.mark.parametrize("without", [(), ("nice",)])
def test_who_burns_the_processor_is_asked_last_and_named_by_what_it_uses(without: tuple[str, ...], town: Town) -> None:
    priorities: list[int] = []

    async def burns(seen: Seen) -> None:
        await eventually(lambda: seen.health("burns").cpu_s > 1.0, "its use is not told")
        await eventually(lambda: min(seen.said.values()) > 20, "the neighbours stand still")
        priorities.extend(os.getpriority(os.PRIO_PROCESS, pid) for pid in seen.pids)
        assert seen.health("burns").state == "running"
        assert seen.health("is_steady").cpu_s < seen.health("burns").cpu_s

    usual = town.socket
    try:
        with town.machine.starter(without) as town.socket:
            seen = attacked(town, ["burns"], burns)
    finally:
        town.socket = usual
    assert seen.lost() == {NEIGHBOUR: [], STEADY_DEVICE: []}
    assert len(priorities) == 2
    assert set(priorities) == {os.getpriority(os.PRIO_PROCESS, 0) if without else 10}


@pytest.mark.long("a hub for each, and the patience of its end")
@pytest.mark.parametrize("limit", [True, False])
def test_who_swallows_cancellation_is_killed_when_it_is_stopped(
    limit: bool, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not limit:
        monkeypatch.setattr(host, "STOP_S", 3600.0)
    name = "swallows_cancellation"
    said: list[str] = []

    async def stops(seen: Seen) -> None:
        await eventually(lambda: len(seen.pids) == 2, "it does not run")
        await eventually(lambda: seen.kept(name, "here"), "it has not begun")
        try:
            await seen.hub.field.plugins.stop((INTEGRATION, name))
        except PluginError as error:
            said.append(str(error))

    seen = attacked(town, [name], stops)
    assert seen.lost() == {NEIGHBOUR: [], STEADY_DEVICE: []}
    assert bool(said) == (not limit)
    assert all(f"{name} did not stop" in one for one in said)


async def plays_other_roles(seen: Seen) -> None:
    """Each search and each frame, one after the other, in a hub whose neighbours go on."""
    for name, attack in SEARCHES.items():
        if attack.long:
            continue
        state = await searched(seen, name)
        assert attack.named(seen, state), f"{name}: {state}"
        assert not attack.won(seen, state), name
    for name, attack in DECODES.items():
        await heard(seen, name)
        assert attack.named(seen, {}), name
        assert not attack.won(seen, {}), name
    before = seen.said
    await eventually(lambda: all(seen.said[one] > before[one] for one in before), "the neighbours stand still")


@pytest.mark.long("a hub, and a process for each search")
def test_a_search_and_a_decoder_do_what_they_are_for_and_nothing_else(town: Town) -> None:
    seen = attacked(town, [], plays_other_roles)
    assert seen.lost() == {NEIGHBOUR: [], STEADY_DEVICE: []}
    assert seen.health("is_steady").crashes == 0


@pytest.mark.long("five seconds pass until it is killed")
def test_a_search_that_holds_its_process_is_killed_and_costs_nobody_else(town: Town) -> None:
    async def holds(seen: Seen) -> None:
        state = await searched(seen, "holds_its_search")
        assert SEARCHES["holds_its_search"].named(seen, state), state

    seen = attacked(town, [], holds)
    assert seen.lost() == {NEIGHBOUR: [], STEADY_DEVICE: []}


@pytest.mark.long("a hub for each")
@pytest.mark.parametrize("name", [*SEARCHES, *DECODES])
def test_the_twin_of_another_role_without_that_limit_is_caught(name: str, town: Town) -> None:
    async def wins(seen: Seen) -> None:
        if name in SEARCHES:
            state = await searched(seen, name)
            assert SEARCHES[name].won(seen, state), state
        else:
            await heard(seen, name)
            await eventually(lambda: DECODES[name].won(seen, {}), f"{name} did not get through")

    attacked(town, [], wins, *({**SEARCHES, **DECODES}[name].twin()))
