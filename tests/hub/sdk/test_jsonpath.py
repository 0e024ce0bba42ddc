"""Paths into a JSON document, as HTTP and MQTT devices are configured with them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.sdk.jsonpath import JsonPath


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("", ()),
        ("a.b", ("a", "b")),
        ("a[0].b", ("a", 0, "b")),
        ("['a b'][\"c\"]", ("a b", "c")),
        ("ENERGY.Total", ("ENERGY", "Total")),
    ],
)
def test_paths(path: str, steps: tuple[str | int, ...]) -> None:
    assert JsonPath.parse(path) == steps


@pytest.mark.parametrize("path", ["a..b", "a[", "a[x]", "1a", "a b", "." * 3, "a." + "b." * 20 + "c"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        JsonPath.parse(path)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("", {"a": [{"b c": 1}, None]}), ("a[0]['b c']", 1), ("a[1]", None), ("a[2]", None), ("a.b", None), ("x", None),
        ("a[0][0]", None),
    ],
)  # fmt: skip
def test_what_stands_there_is_found_and_nothing_where_nothing_does(path: str, value: Any) -> None:
    assert JsonPath.parse(path).of({"a": [{"b c": 1}, None]}) == value


KEYS = st.text("abcxyz_", min_size=1, max_size=5) | st.integers(0, 9)
JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
)


@given(st.lists(KEYS, max_size=16), JSON)
def test_a_path_that_is_written_out_is_read_as_it_was(keys: list[str | int], data: Any) -> None:
    written = "".join(f"[{key}]" if isinstance(key, int) else f"['{key}']" for key in keys)
    path = JsonPath.parse(written)
    assert path == tuple(keys)
    path.of(data)  # whatever it is


@given(st.text(max_size=40))
def test_any_text_is_a_path_or_a_value_error(text: str) -> None:
    try:
        assert len(JsonPath.parse(text)) <= 16
    except ValueError as error:
        assert "not a path" in str(error)  # noqa: PT017 - what is raised is the law here
