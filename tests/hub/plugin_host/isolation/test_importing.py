"""A plugin whose import hangs is ended by what its process uses, and a slow board's is not."""

from __future__ import annotations

import sys

import pytest

from hub.config.instances import Instance
from hub.core.errors import PluginError
from hub.plugin_host.entry_points import Entry
from hub.plugin_host.isolation import describe, host, usage
from hub.plugin_host.isolation.usage import BUSY_S, SLEEPS_S, ImportWatch, Use
from hub.plugin_host.plugin_types import Unread
from hub.plugin_host.probing import probe
from hub.plugin_host.registry import Plugin, Registry
from tests.hub.plugin_host.isolation.apart_kit import EXAMPLES, MANIFEST, directly


def looks(*seen: tuple[float, bool]) -> list[str]:
    """What a watch says of (seconds of the processor in all, whether it sleeps), once a second."""
    watch = ImportWatch()
    return [str(watch.stuck(Use(int(seconds * 1e6), 1 << 20, asleep)) or "") for seconds, asleep in seen]


def test_one_that_sleeps_is_stuck_after_five_seconds() -> None:
    said = looks(*[(0.2, True)] * (SLEEPS_S + 1))
    assert said[:SLEEPS_S] == [""] * SLEEPS_S
    assert "waited 5 s" in said[-1]


def test_one_that_reads_a_slow_disk_or_has_to_wait_for_the_processor_is_not() -> None:
    assert not any(looks(*[(0.2, False)] * 20))


def test_one_that_goes_on_between_its_waits_is_not() -> None:
    assert not any(looks(*[(0.3 + at // SLEEPS_S * 0.5, True) for at in range(20)]))


def test_one_that_computes_has_its_time_and_no_more() -> None:
    assert looks((BUSY_S - 0.1, False), (BUSY_S, False)) == ["", ""]
    assert "10 s of the processor" in looks((BUSY_S + 0.1, False))[0]


def test_a_process_that_is_gone_says_nothing() -> None:
    assert usage.used(1 << 22) == Use()
    assert ImportWatch().stuck(Use()) is None


@pytest.mark.real("processes")
async def test_a_process_whose_import_waits_is_ended_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    directly(monkeypatch)
    monkeypatch.setattr(host, "BEAT_S", 0.1)
    entry = Entry("acme", "acme_waits", "ilot-acme", "1.0")
    registry = Registry([Plugin("acme", "ilot-acme", "1.0", entry, paths=(str(EXAMPLES),), manifest=MANIFEST)])
    (found,) = await probe([Instance(name="acme", type="acme", config=Unread())], registry)
    assert found.ok is False
    assert "importing it waited" in found.said


@pytest.mark.real("processes")
def test_a_description_whose_import_waits_is_ended_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(describe, "USE_S", 0.1)
    with pytest.raises(PluginError, match="importing it waited"):
        describe._run([sys.executable, "-c", f"import sys; sys.path.append({str(EXAMPLES)!r}); import acme_waits"])
