"""The messages that go to a modem, read by npm `node-pdu`: a library that shares no code with the plugin, nor with the
modem of the other tests."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.sms.alphabet import plain, septets
from plugins.sms.pdu import MOST, PART, submits

pytestmark = pytest.mark.real("processes")

FOLDER = Path(__file__).parents[2] / "peers" / "node"
Read = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def read() -> Iterator[Read]:
    if not (FOLDER / "node_modules" / "node-pdu").is_dir():
        raise RuntimeError("the peers in JavaScript are not installed: run `make setup`")
    with subprocess.Popen(
        ["node", FOLDER / "sms.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as peer:
        assert peer.stdin is not None
        assert peer.stdout is not None

        def ask(pdu: str) -> dict[str, Any]:
            assert peer.stdin is not None
            assert peer.stdout is not None
            peer.stdin.write(json.dumps({"pdu": pdu}) + "\n")
            peer.stdin.flush()
            found: dict[str, Any] = json.loads(peer.stdout.readline())
            return found

        yield ask
        peer.stdin.close()


@given(
    text=st.text(  # it knows no form feed, and reads § (5F in 3GPP TS 23.038, 6.2.1) as a grave accent
        st.characters(codec="latin-1", exclude_categories=["Cc"], exclude_characters="§") | st.sampled_from("\n€"),
        min_size=1,
        max_size=MOST * 120,
    ),
    number=st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True),
    reference=st.integers(0, 255),
)
@settings(max_examples=150, deadline=None)
def test_a_library_that_is_not_ours_reads_what_was_sent(read: Read, text: str, number: str, reference: int) -> None:
    pdus = submits(number, text, reference)
    found = [read(pdu.hex) for pdu in pdus]
    assert {one.get("number") for one in found} == {number}, found
    if len(septets(plain(text))) <= MOST * (PART - 1):
        assert "".join(one["text"] for one in found) == plain(text)
    if len(pdus) > 1:
        assert [one["part"] for one in found] == [[reference, len(pdus), at + 1] for at in range(len(pdus))]


def test_an_alert_with_accents_and_a_euro_is_read_by_a_library_that_is_not_ours(read: Read) -> None:
    text = "Alerte (critique) : Chaufferie à l'école élémentaire, boucle à 51.2 °C depuis 3 h ; coût 12 € [été]"
    [one] = [read(pdu.hex) for pdu in submits("+33612345678", text, 7)]
    assert one == {"number": "+33612345678", "text": plain(text), "part": None}
