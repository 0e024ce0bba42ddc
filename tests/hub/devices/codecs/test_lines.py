"""Errors of a codec tell the line of the maker's own file that they came from."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.errors import DecodeError
from hub.devices.codecs.messages import Codec
from hub.devices.codecs.sandbox import Sandbox

SANDBOX = Sandbox()
CALL = '{"bytes": [1], "fPort": 1}'
LIBRARY = {
    "lib.js": "exports.x = function (i) {\n\n  foo.bar();\n};",
    "m.mjs": "export function x(i) {\n  foo.bar();\n}",
}


def fails(source: str, **files: str) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        SANDBOX.call(
            SANDBOX.compiled(
                Codec(source, {name.replace("_", "."): text for name, text in files.items()}, name="a.js")
            ),
            "decodeUplink",
            CALL,
        )
    return caught.value


@pytest.mark.parametrize(
    ("source", "files", "reason", "says"),
    [
        ("\nfunction decodeUplink(i) {\n  foo.bar();\n}", {}, "codec-error", "foo is not defined (line 3 of a.js)"),
        (
            "function decodeUplink(i) {\n  return x(i);\n}\nfunction x() {\n  foo.bar();\n}",
            {},
            "codec-error",
            "(line 5 of a.js)",
        ),
        ("var a = 1;\nfoo.x = 1;", {}, "codec-error", "(line 2 of a.js)"),
        ("function decodeUplink(i) {\n\n  return retrun x;\n}", {}, "codec-syntax", "(line 3 of a.js)"),
        ("export function decodeUplink(i) {\n  foo.bar();\n}", {}, "codec-error", "(line 2 of a.js)"),
        ("export function decodeUplink(i) {\n  foo.bar(;\n}", {}, "codec-syntax", "(line 2 of a.js)"),
        ("var data = {};\nfoo.bar();\nreturn data;", {}, "codec-error", "(line 2 of a.js)"),
        (
            "function decodeUplink(i) {\n\n  return { data: { x: Buffer.from(i.bytes).readUInt16BE(0) } };\n}",
            {},
            "codec-error",
            "outside buffer bounds (line 3 of a.js)",
        ),
        ("function decodeUplink(i) {\n  return JSON.parse('{');\n}", {}, "codec-error", "(line 2 of a.js)"),
        ("function decodeUplink(i) {\n  return decodeUplink(i) + 1;\n}", {}, "codec-stack", "(line 2 of a.js)"),
        (
            "var h = require('./lib');\nfunction decodeUplink(i) {\n  return h.x(i);\n}",
            {"lib_js": LIBRARY["lib.js"]},
            "codec-error",
            "foo is not defined (line 3 of lib.js)",
        ),
        ("require('./lib');", {"lib_js": "\n\nfoo.bar();"}, "codec-error", "(line 3 of lib.js)"),
        ("require('./lib');", {"lib_js": "var a = 1;\nfoo.bar(;"}, "codec-error", "(line 2 of lib.js)"),
        (
            "import { x } from './m.mjs';\nexport function decodeUplink(i) {\n  return x(i);\n}",
            {"m_mjs": LIBRARY["m.mjs"]},
            "codec-error",
            "(line 2 of m.mjs)",
        ),
        ("function decodeUplink(i) { throw 'no'; }", {}, "codec-error", "no"),
        ("var x = 1;", {}, "codec-error", "the codec has no decodeUplink, Decoder or Decode"),
    ],
)
def test_an_error_tells_the_line_of_the_file_that_its_author_wrote(
    source: str, files: dict[str, str], reason: str, says: str
) -> None:
    error = fails(source, **files)
    assert (error.reason, error.detail.endswith(says)) == (reason, True), error.detail


@given(
    st.integers(0, 40),
    st.integers(0, 40),
    st.sampled_from(["function decodeUplink(i) {", "export function decodeUplink(i) {"]),
)
@settings(max_examples=60, deadline=None)
def test_the_line_is_right_wherever_it_stands(before: int, within: int, head: str) -> None:
    source = "\n" * before + head + "\n" * within + " foo.bar(); }"
    assert fails(source).detail == f"ReferenceError: foo is not defined (line {before + within + 1} of a.js)"


def test_a_codec_that_writes_a_line_into_its_own_error_is_not_believed_more_than_that() -> None:
    """It may say what it likes; it names no file of the hub by it, and it is cut."""
    error = fails(
        "function decodeUplink(i) { const e = Error('x'.repeat(5000)); e.stack = 'at f (/etc/passwd:1:1)'; throw e }"
    )
    assert "passwd" not in error.detail
    assert len(error.detail) <= 300
    fails("function decodeUplink(i) { const e = Error('x'); e.stack = 'at ' + ' ('.repeat(200000); throw e }")
