"""`ilot status` for people: what was refused is said in the language of the shell, beside its name in the log."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from hub.cli.status import show, status
from hub.core.text import Phrase
from hub.rpc.control_socket import CallRefused

STATUS: dict[str, Any] = {
    "hub": "hub-a", "up_s": 61.0, "reports": 1, "readings": 2,
    "buffer": {"readings": 0, "bytes": 0, "segments": 1, "autonomy": "", "error": ""},
    "link": {"acked": 2, "last_ack_s": None, "error": "", "metered": False, "month": {"month": "", "up": 1, "down": 1}},
    "backup": {"made": None, "generation": 0, "error": "", "every": "", "backend": {}, "directory": {}},
    "mirror": {"directory": ""}, "degraded": [], "plugins": [], "last": [], "counts": {"a:1": {"repeat": 3}},
    "quarantine": [],
}  # fmt: skip
COUNTED = [
    {"subject": "a:1", "reason": "repeat", "times": 3, "meaning": Phrase("A repetition", "reason-repeat", {})},
    {"subject": "a:1", "reason": "hum", "times": 1, "meaning": ""},
]


@pytest.mark.parametrize(("shell", "said"), [("fr_FR.UTF-8", " : rien à faire"), ("C.UTF-8", "A repetition")])
def test_a_reason_is_said_in_the_language_of_the_shell(
    shell: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", shell)
    monkeypatch.setattr("hub.cli.status.status_lines", lambda backup: ["backup never made"])
    show(STATUS, COUNTED)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("a:1")]
    assert rows[0].endswith(said)
    assert [row.split()[:3] for row in rows] == [["a:1", "repeat", "3"], ["a:1", "hum", "1"]]


@pytest.mark.parametrize(
    ("shell", "backup", "why"),
    [
        ("fr_FR.UTF-8", "sauvegarde  a ; b", "chiffré : il lui faut sa clé"),
        ("C.UTF-8", "backup    a; b", "needs a key"),
    ],
)
def test_names_stand_apart_from_what_they_name_and_reasons_are_words(
    shell: str, backup: str, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", shell)
    monkeypatch.setattr("hub.cli.status.status_lines", lambda facts: ["a", "b"])
    waiting = [{"id": "a:2", "model": "m", "reason": one, "count": 1} for one in ("needs a key", "as a plugin says")]
    show({**STATUS, "quarantine": waiting}, [])
    said = capsys.readouterr().out
    assert f"\n{backup}\n" in said
    assert why in said
    assert "as a plugin says" in said


def test_a_hub_of_an_older_version_shows_what_it_has_and_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(config: object, state_dir: object, name: str) -> dict[str, Any]:
        if name != "status":
            raise CallRefused(f"this hub has no call {name!r}; it has audit, status", 2)
        return STATUS

    monkeypatch.setattr("hub.cli.status.ask", ask)
    monkeypatch.setattr("hub.cli.status.status_lines", lambda backup: ["backup never made"])
    said = CliRunner().invoke(status, [])
    assert said.exit_code == 0
    assert "a:1               repeat      3\n" in said.stdout
    assert "without its meaning: restart the hub" in said.stderr
