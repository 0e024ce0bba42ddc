"""Findings about the plugins of a running hub, from its status."""

from __future__ import annotations

from typing import Any

from hub.core.text import code_of
from hub.operations.doctor.findings import NOTE, PLUGINS, Finding
from hub.operations.doctor.running import look

LINK = {"error": "", "last_ack_s": 60.0}
BUFFER = {"error": "", "readings": 0, "oldest_age_s": None}


def found(*plugins: dict[str, Any], held: dict[str, Any] | None = None) -> list[Finding]:
    status = {
        "buffer": BUFFER, "link": LINK, "clock": {}, "degraded": [], "plugins": plugins,
        "stalls": {"by": held or {}},
    }  # fmt: skip
    return [one for one in look(status) if one.what == PLUGINS]


def plugin(runs: str) -> dict[str, Any]:
    return {"name": "acme", "distribution": "ilot-acme", "version": "1.0", "runs": runs}


def test_a_plugin_of_somebody_else_in_the_hubs_process_is_a_note_with_the_remedy() -> None:
    (one,) = found(plugin("unprotected"), plugin("hub"), plugin("process"))
    assert (one.state, code_of(one.says), code_of(one.remedy)) == (
        NOTE, "plugin-runs-unprotected", "take-isolation-none-out",
    )  # fmt: skip


def test_whatever_held_the_hub_for_long_is_named_and_the_machine_is_not() -> None:
    long, short = {"count": 2, "seconds": 6.0, "longest_s": 4.0}, {"count": 9, "seconds": 5.0, "longest_s": 0.9}
    (one,) = found(held={"acme": long, "knx": short, "machine": long})
    assert "acme held the whole hub 2 times" in str(one.says)


def test_a_hub_of_a_former_version_says_nothing_of_its_plugins() -> None:
    assert found({"name": "acme"}) == []
