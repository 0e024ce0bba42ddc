"""`ilot audit`: an entry is shown whole, and a sentence in it in the language of the shell."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from hub.cli.audit import audit
from hub.core.text import phrase


@pytest.mark.parametrize(
    ("shell", "said"), [("fr_FR.UTF-8", "la règle nuit est vérifiée"), ("C.UTF-8", "rule nuit holds")]
)
def test_an_entry_may_hold_a_sentence(shell: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    what = {"command": "c1", "why": phrase("rule-holds", "rule {rule} holds", rule="nuit")}
    entry = {"n": 1, "at": 0.0, "who": "rule:nuit", "what": what}
    monkeypatch.setenv("LC_ALL", shell)
    monkeypatch.setattr("hub.cli.audit.ask", lambda *_, **__: {"entries": [entry]})
    shown = CliRunner().invoke(audit, ["list"])
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.endswith(f'{{"command":"c1","why":"{said}"}}\n')
