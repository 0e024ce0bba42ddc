"""What an integration, an uplink, an exporter or a notifier says when it cannot go on stands on the pages, which are
French first: every such sentence of this distribution is told in French. The words of a library, of the system or of
another machine within it are quoted."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path

import pytest

import hub
from hub.automation.commands.service import STATES
from hub.i18n.plugin_errors import _SYSTEM, _TABLE, translate
from hub.i18n.plugin_errors.outcomes import OUTCOMES
from hub.i18n.plugin_errors.table import RARE
from hub.i18n.reasons.table import REASONS
from hub.i18n.typography import ascii_spaces
from hub.operations.incidents.correlation import ADVICE
from hub.sdk.sigfox.callback import ANSWERS
from hub.web.presentation.messages import _TABLE as MESSAGES
from hub.web.presentation.refusing import _TABLE as REFUSALS
from integrations.lorawan.orders import DONE
from plugins.https import _proxy_says

ROOT = Path(hub.__file__).parents[1]
RAISED = {"NotReady", "LedElsewhere", "_Counted", "AuthFailed", "StorageError", "DiskRefuses", "BufferFull"}
PARTS = (
    "integrations", "plugins", "hub/plugin_host", "hub/sdk", "hub/devices/codecs", "hub/history/archive",
    "hub/store_and_forward/link", "hub/store_and_forward/egress.py", "hub/store_and_forward/buffer/commits.py",
    "hub/store_and_forward/buffer/journal.py", "hub/operations/backups/keeper.py",
    "hub/identity/certificate_renewal.py",
)  # fmt: skip
"""What runs all the time; commands of the shell speak English."""
HELPERS = {"_proxy_says", "complaint", "sentence", "unavailable_reason"}
"""Functions that give such a sentence, or a part of one, to what raises it."""
SHELL = {"importer.py", "monitor.py", "sim.py", "testing.py"}
"""What only commands of the shell or tests of a plugin say."""
OWN = {
    "the buffer was not started",  # a mistake of the hub itself, in its log
    "{}: {}",  # whose, and the words of a library
    "{} refuses {} ({})",  # whom, in words: each of the three is in the table
}
WORDS = ("acme", "503", "'acme'")
"""What may stand where something is filled in."""


def sentence(node: ast.expr) -> str | None:
    """As it is written, `{}` where something is filled in; None for what is made elsewhere."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values)
    return None


def sentences() -> Iterator[tuple[str, str]]:
    for part in PARTS:
        root = ROOT / part
        for path in root.rglob("*.py") if root.is_dir() else (root,):
            if path.name in SHELL or "sim" in path.relative_to(ROOT).parts:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                name = getattr(getattr(node, "func", None), "id", "") or getattr(
                    getattr(node, "func", None), "attr", ""
                )
                if isinstance(node, ast.FunctionDef) and node.name in HELPERS:
                    for inner in ast.walk(node):
                        if not (isinstance(inner, ast.Return) and inner.value):
                            continue
                        said = sentence(inner.value)
                        if said:
                            yield f"{path.relative_to(ROOT)}:{inner.lineno}", said
                if isinstance(node, ast.Call) and name in RAISED and node.args:
                    said = sentence(node.args[0])
                    if said is not None and said not in OWN:
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", said


def outcomes() -> Iterator[tuple[str, str]]:
    """What integrations answer to a command: `answer(…, "failed", "…")`, or given as such a pair."""
    ours = list((ROOT / "hub" / "automation" / "commands").rglob("*.py"))
    assert ours
    for path in [*(ROOT / "integrations").rglob("*.py"), *ours]:
        if path.name in SHELL or "sim" in path.relative_to(ROOT).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            given = getattr(node, "args", ()) if isinstance(node, ast.Call) else getattr(node, "elts", ())
            for state, detail in pairwise(given if isinstance(given, list) else ()):
                said = sentence(detail)
                if (
                    isinstance(state, ast.Constant) and state.value in STATES and " " in (said or "")
                ):  # no list of states
                    yield f"{path.relative_to(ROOT)}:{state.lineno}", said or ""


def french(said: str) -> str:
    """In French with something filled in that fits; "" where nothing does."""
    for filled in product(WORDS, repeat=min(said.count("{}"), 4)):
        one = said
        for word in filled:
            one = one.replace("{}", word, 1)
        if told := translate(one.replace("{}", "acme"))[0]:
            return told
    return ""


def test_every_sentence_with_which_a_plugin_or_a_part_of_the_hub_goes_away_is_told_in_french() -> None:
    found = list(sentences())
    assert len(found) > 150
    assert [(where, said) for where, said in found if not french(said)] == [], (
        "say it in hub/i18n/plugin_errors/table.py: it stands on a French page"
    )


def test_what_integrations_answer_to_a_command_is_told_in_french() -> None:
    found = [
        *outcomes(),
        *(("Sigfox", said) for said in ANSWERS.values()),
        *(("LoRaWAN", said) for said in DONE.values()),
    ]
    assert len(found) > 30
    assert [(where, said) for where, said in found if not french(said)] == [], (
        "say it in hub/i18n/plugin_errors/outcomes.py: it stands on the page of commands"
    )


def test_an_option_is_named_in_french_as_in_english() -> None:
    """The pages set what stands in backticks as code; « url » beside it looks like another thing."""
    named = re.compile(r"`[^`]+`")
    for french, english in REASONS.values():
        assert set(named.findall(french)) <= set(named.findall(english)), french
    tables = (*_SYSTEM, *_TABLE, *OUTCOMES, *RARE, *REFUSALS, *MESSAGES)
    told = [*(text for _, text in tables), *(french for french, _ in REASONS.values())]
    told += [french for french, _ in ADVICE.values()]
    assert len(told) > 300
    assert [text for text in told if re.search("«(?! {a} »)", text)] == []  # what somebody typed is quoted


def test_a_sentence_that_no_table_has_is_found(tmp_path: Path) -> None:
    assert sentence(ast.parse('f"{url} hums in {key}"', mode="eval").body) == "{} hums in {}"
    assert french("{} hums in {}") == ""


@pytest.mark.parametrize(
    ("said", "told", "quoted"),
    [
        ("tty1: the SIM card asks for its PIN: give it as `pin`",
         "tty1 : la carte SIM demande son code PIN : donnez `pin`", ""),
        ("opc.tcp://a:4840 refuses the user: check `user` and `password` (BadUserAccessDenied)",
         "opc.tcp://a:4840 refuse l'utilisateur : vérifiez `user` et `password`", "BadUserAccessDenied"),
        ("holding 40 (setpoint): the device has no such register: check `table` and `address`",
         "holding 40 (setpoint) : l'appareil n'a pas ce registre, vérifiez `table` et `address` (40001 est 0)", ""),
        ("10.0.0.7:502 does not answer within 3 s: it may have been written, look at the device",
         "elle a peut-être été écrite : voyez l'appareil (10.0.0.7:502 n'a pas répondu en 3 s)", ""),
        ("/mnt/usb is not there: put the stick back", "/mnt/usb est absent : remettez la clé USB", ""),
        ("https://b.example refuses this hub (403): unknown hub. Its operator admits hub-a again",
         "https://b.example refuse ce concentrateur : son exploitant doit l'admettre de nouveau", "unknown hub"),
        ("BlueZ refuses: [Errno 111] Connection refused",
         "BlueZ refuse (connexion refusée : rien n'écoute à cette adresse)", ""),
        ("10.0.0.9:503 does not answer: is it an EnOcean gateway (ESP3)?",
         "10.0.0.9:503 ne répond pas : est-ce une passerelle EnOcean (ESP3) ?", ""),
    ],
)  # fmt: skip
def test_what_is_rare_is_said_as_plainly_as_what_is_common(said: str, told: str, quoted: str) -> None:
    french, rest = translate(said)
    assert (ascii_spaces(french), rest) == (told, quoted)


def test_of_what_another_machine_says_at_length_the_beginning_is_told() -> None:
    assert translate("acme answers 503: " + "<p>" * 5000) == ("acme répond 503", ("<p>" * 200)[:581] + "…")
    assert translate("hum " * 5000) == ("", ("hum " * 150)[:599] + "…")


@pytest.mark.parametrize("status", [0, 407, 403])
def test_what_a_proxy_on_the_way_to_the_backend_says_is_french_too(status: int) -> None:
    said, quoted = translate(f"https: https://acme:8443 is not reached: {_proxy_says(status, 'hum')}")
    assert said.startswith("https\u00a0: https://acme:8443 n'est pas atteint (le mandataire "), (said, quoted)
    assert quoted in ("", "hum")
