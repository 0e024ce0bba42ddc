"""How deep JSON may be nested is bounded by the hub, alike on each version of Python, wherever a stranger's is read."""

from __future__ import annotations

import ast
import contextlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hub
from hub.core.nesting import DEEPEST, shallow_json
from hub.devices.codecs.messages import Answer
from hub.sdk.session import Reply
from hub.sdk.sigfox import callback
from integrations.http_json.decode import document
from integrations.lorawan import gwmp
from integrations.lorawan_servers import things_stack_events
from integrations.mqtt_devices import paths

ROOT = Path(__file__).parents[2]
OWN = {
    "backend/hubs/alerts.py": "rows of its own database",
    "backend/owner/badges.py": "a file of its own",
    "backend/city/crisis/pages.py": "a file of its own",
    "backend/city/crisis/situation.py": "rows of its own database",
    "backend/city/dispatch/dispatcher.py": "rows of its own database",
    "backend/city/dispatch/intake.py": "rows of its own database",
    "backend/city/dispatch/lifecycle.py": "rows of its own database",
    "backend/city/dispatch/pages.py": "rows of its own database",
    "backend/city/dispatch/plan_table.py": "rows of its own database",
    "backend/city/energy/service.py": "rows of its own database",
    "backend/city/open_api/answers.py": "rows of its own database",
    "backend/city/open_api/document.py": "what it has encoded itself",
    "backend/city/open_api/exports.py": "rows of its own database",
    "backend/city/open_api/report_pages.py": "rows of its own database",
    "backend/city/open_api/reports.py": "rows of its own database",
    "backend/city/pages/latest.py": "rows of its own database",
    "backend/city/people/scopes.py": "rows of its own database",
    "backend/city/publication/desk_pages.py": "rows of its own database",
    "backend/city/publication/files.py": "rows of its own database",
    "backend/city/publication/making.py": "rows of its own database",
    "backend/city/publication/public.py": "rows of its own database",
    "backend/city/publication/sensors.py": "rows of its own database",
    "backend/city/publication/worker.py": "rows of its own database",
    "backend/city/register/sync.py": "rows of its own database",
    "backend/demo/": "what its own children say",
    "backend/owner/directory.py": "a file of its own",
    "backend/owner/page_authority.py": "a file of its own",
    "backend/storage/city/": "rows of its own database",
    "backend/storage/postgresql/texts.py": "rows of its own database",
    "backend/storage/sqlite/lookups.py": "rows of its own database",
    "backend/storage/sqlite/queries.py": "rows of its own database",
    "backend/storage/sqlite/registry.py": "rows of its own database",
    "backend/processes/supervisor.py": "what its own children say",
    "backend/queries/views.py": "rows of its own database",
    "hub/app/crash_notes.py": "a file of its own",
    "hub/operations/factory_reset.py": "a file of its own, of bounded length",
    "hub/onboarding/adoption/quarantine.py": "its own store",
    "hub/cli/demo/scene.py": "what its own children say",
    "hub/operations/crisis/sampling/service.py": "its own store",
    "hub/operations/crisis/sampling/state.py": "its own store",
    "hub/operations/crisis/state.py": "a file of its own",
    "hub/web/presentation/guides.py": "a file of the package",
    "integrations/bluetooth/gatt_layout.py": "written by `advert`, of a line that is bounded",
    "integrations/bluetooth/sim": "a simulator's",
    "hub/sdk/testing/peers": "what a test itself plays",
    "integrations/lorawan/sim.py": "a simulator's",
    "integrations/lorawan/playing_station.py": "a simulator's, of the hub that it plays to",
}
"""What is read without the bound, and whose it is."""
PARTS = (
    "'enrolment.json'",  # its own file
    "kept.read_bytes()",  # as it wrote it
    "decode(line, type=Answer)",  # the answer of this user's own hub
    "_RXPK.decode(packet)", "_STATUS.decode(said.stat)",  # parts of a body that is bounded
)  # fmt: skip
"""Of calls in other files."""


def unbounded(source: str) -> list[str]:
    """Calls that parse JSON and are handed something else than what `shallow_json` gave."""
    tree = ast.parse(source)
    parsers = {"json.loads", "json.load", "msgspec.json.decode"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and "json.Decoder(" in ast.unparse(node.value):
            parsers |= {f"{ast.unparse(target)}.decode" for target in node.targets}
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in parsers
        and "shallow_json(" not in ast.unparse(node.args[0])
    ]


def test_all_json_that_is_not_the_hubs_own_is_bounded() -> None:
    missed = [
        f"{file}: {call}"
        for folder in ("hub", "backend", "integrations", "plugins")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not (file := str(path.relative_to(ROOT))).startswith(tuple(OWN))
        for call in unbounded(path.read_text("utf-8"))
        if not any(part in call for part in PARTS)
    ]
    assert missed == []


def test_a_call_without_the_bound_would_be_found() -> None:
    assert unbounded("msgspec.json.decode(body, type=dict)\njson.loads(text)") == [
        "msgspec.json.decode(body, type=dict)",
        "json.loads(text)",
    ]
    assert unbounded("_PUSH = msgspec.json.Decoder(Push)\n_PUSH.decode(body)") == ["_PUSH.decode(body)"]
    assert unbounded("msgspec.json.decode(shallow_json(body))\njson.loads(hub.sdk.nesting.shallow_json(text))") == []


def depth(value: Any) -> int:
    """By the way of a person who counts."""
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 1 + max(map(depth, value.values()), default=0) if isinstance(value, dict) else 0


texts = st.text(st.sampled_from('[]{}"\\a,:é'), max_size=30)
values = st.recursive(
    texts | st.integers(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)


@given(values, st.integers(DEEPEST - 3, DEEPEST + 3), st.booleans())
def test_exactly_what_is_deeper_is_refused_whatever_its_texts_hold(value: Any, levels: int, named: bool) -> None:
    for _ in range(levels):
        value = {'a"[{': value} if named else [value]
    text = json.dumps(["[{" * DEEPEST, value], ensure_ascii=named)  # brackets enough that they are counted
    if depth(json.loads(text)) > DEEPEST:
        for given_ in (text, text.encode()):
            with pytest.raises(msgspec.DecodeError, match="more than 64 levels deep"):
                shallow_json(given_)
    else:
        assert shallow_json(text) == text
        assert shallow_json(text.encode()) == text.encode()


PIECES = [b"[", b"]", b"{", b"}", b'"', b"\\", b'\\"', b"\xff", b"[" * 70, b'":']


@settings.get_profile("hostile")
@given(
    st.lists(st.sampled_from([b"[", b"]", b"{", b"}", b'"', b"\\", b'\\"', b"\xff", b"[" * 70, b'":'])).map(b"".join)
)
def test_whatever_bytes_come_what_is_let_through_is_parsed_without_recursion(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        msgspec.json.decode(shallow_json(data))


HUGE = [b"[" * 10**6, b'{"a":' * 10**6, b'{"rxpk":' + b"[" * 5000 + b"]" * 5000 + b"}", b'"' + b'\\"' * 10**6]


@pytest.mark.parametrize("data", HUGE, ids=["lists", "objects", "a list that closes", "a text that does not end"])
def test_a_million_levels_are_refused_like_any_that_are_not_json(data: bytes) -> None:
    for parse in (json.loads, msgspec.json.decode, lambda given: Reply(200, {}, given).json()):
        with pytest.raises(ValueError, match=r"levels deep|Expecting|Unterminated|truncated"):
            parse(shallow_json(data))


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


READERS = {
    "a reply": lambda body: Reply(200, {}, body).json(),
    "a page of an HTTP device": document,
    "a gateway's packet": lambda body: gwmp.parse(b"\x02\x00\x00\x00" + bytes(8) + b'{"rxpk":' + body + b"}"),
    "a network server's message": lambda body: things_stack_events.read("", b'{"uplink_message":' + body + b"}"),
    "a codec's answer": lambda body: Answer(1, '{"data":' + body.decode() + "}").object(),
    "a Sigfox callback": lambda body: callback._object(b'{"a":' + body + b"}"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("levels", [DEEPEST + 1, 500, 999, 2000, 9000])
def test_the_same_depth_is_refused_on_each_version_of_python(reader: str, levels: int) -> None:
    with pytest.raises((hub.DecodeError, msgspec.DecodeError)):
        READERS[reader](nested(levels))


def test_a_payload_of_mqtt_that_is_too_deep_is_text() -> None:
    assert paths.read(nested(DEEPEST)) != nested(DEEPEST).decode()
    assert paths.read(nested(DEEPEST + 1)) == nested(DEEPEST + 1).decode()
