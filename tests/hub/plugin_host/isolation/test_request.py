"""A request to the starter of plugins: what it reads of it, when the hub is not to be believed."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.plugin_host.isolation.request import BOUNDS, LARGEST, MOST_PATHS, Request, read

GOOD = Request("modbus_2", ("/usr/lib/ilot/lib/python3.13/site-packages", "/var/lib/ilot/plugins/acme/1.2-ab"), 1 << 26,
               50, 16, 64)  # fmt: skip


def test_it_is_read_as_it_was_written() -> None:
    assert read(GOOD.encoded()) == GOOD


@pytest.mark.parametrize(("change", "wrong"), [
    ((b"ilot-plugin 1", b"ilot-plugin 2"), "not 'ilot-plugin 1'"),
    ((b"modbus_2", b"../x"), "no instance"),
    ((b"modbus_2", b"modbus_2\ninstance other"), "no path"),
    ((b"/usr/lib", b"usr/lib"), "no path"),
    ((b"/usr/lib", b"/usr//lib"), "no path"),
    ((b"/usr/lib", b"/usr/../lib"), "with . or .."),
    ((b"/usr/lib", b"/usr/./lib"), "with . or .."),
    ((b"/usr/lib", b"/usr/l b"), "no path"),
    ((b"/usr/lib", b"/usr/l\0b"), "no path"),
    ((b"/usr/lib", "/usr/é".encode()), "not ASCII"),
    ((b"/usr/lib", b"/usr/" + b"a" * 256), "no path"),
    ((b"/usr/lib", b"/a" * 33), "no path"),
    ((b"memory 67108864", b"memory 0"), "memory is not"),
    ((b"memory 67108864", b"memory 9999999999"), "memory is not"),
    ((b"memory 67108864", b"memory 1e9"), "no memory"),
    ((b"memory 67108864", b"memory +67108864"), "no memory"),
    ((b"tasks 16", b"tasks 0"), "tasks is not"),
    ((b"files 64", b"files 100000"), "files is not"),
    ((b"processor 50", b"processor 101"), "processor is not"),
    ((b"memory 67108864\nprocessor 50", b"processor 50\nmemory 67108864"), "no memory"),
    ((b"files 64\n", b"files 64"), "cut short"),
    ((b"files 64\n", b"files 64\nfiles 64\n"), "no path"),
])  # fmt: skip
def test_what_is_wrong_is_refused_and_named(change: tuple[bytes, bytes], wrong: str) -> None:
    message = GOOD.encoded()
    assert change[0] in message
    with pytest.raises(ValueError, match=wrong):
        read(message.replace(*change, 1))


def test_too_many_folders_and_too_many_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="paths"):
        GOOD._replace(paths=("/a",) * (MOST_PATHS + 1)).encoded()
    with pytest.raises(ValueError, match="paths"):
        GOOD._replace(paths=()).encoded()
    with pytest.raises(ValueError, match="bytes"):
        read(b"x" * (LARGEST + 1))


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_else_than_being_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match="not"):
        read(message)


@given(st.data())
def test_a_request_with_a_few_bytes_changed_is_refused_or_within_bounds(data: st.DataObject) -> None:
    message = bytearray(GOOD.encoded())
    for _ in range(data.draw(st.integers(1, 3))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        asked = read(bytes(message))
        assert all(least <= getattr(asked, name) <= most for name, (least, most) in BOUNDS.items())
        assert all(one.startswith("/") and ".." not in one.split("/") for one in asked.paths)
