"""QuickJS on a heap of our own, by its C interface (quickjs.h), so that its whole state can be reset to a snapshot.

The classes of the quickjs package allocate where Python does, which allows no reset. The same library is called here:
`JS_NewRuntime2` takes the allocation functions. The engine requests 4 KiB at a time and divides these itself, so it
matters little that the functions are Python. The engine changes nothing outside the heap: its static data are tables,
and a lock used by `Atomics.wait`, which is refused.

Values are never freed: resetting to an image discards them.
"""

from __future__ import annotations

import ctypes
import struct
import time
from ctypes import PYFUNCTYPE, c_bool, c_char_p, c_int, c_int64, c_size_t, c_uint64, c_void_p
from typing import Any

import quickjs

from hub.devices.codecs.heap import Heap, Image

VERSION = "0.17."
"""Version of the quickjs.h that the structures and functions below were written from."""
ROOM = 32 << 20
"""Twice a script's memory limit: a growing block exists twice while it is copied, and freed blocks are not merged."""
GARBAGE = 1 << 20
"""Bytes a call may allocate before cycles are collected: most calls allocate less, and all of it goes with the call."""
SMALL = (*range(16, 128, 8), *range(128, 256, 16), *range(256, 513, 32))
"""Block sizes into which the engine divides 4 KiB (`arena_block_sizes`), its own 8 bytes included."""

_EXCEPTION, _UNDEFINED, _OBJECT = 6, 3, -1


class Value(ctypes.Structure):
    """JSValue of a 64-bit machine: a number or an address, and a tag."""

    _fields_ = (("content", c_uint64), ("tag", c_int64))


class Thrown(Exception):
    """A script threw or was stopped: `said` is the error as text, `stack` the stack trace, `late` whether its time was
    up."""

    def __init__(self, said: str, stack: str, late: bool) -> None:
        super().__init__(said)
        self.said, self.stack, self.late = said, stack, late


class _Memory(ctypes.Structure):
    """JSMallocFunctions of quickjs.h."""

    _fields_ = (
        ("calloc", PYFUNCTYPE(c_void_p, c_void_p, c_size_t, c_size_t)),
        ("malloc", PYFUNCTYPE(c_void_p, c_void_p, c_size_t)),
        ("free", PYFUNCTYPE(None, c_void_p, c_void_p)),
        ("realloc", PYFUNCTYPE(c_void_p, c_void_p, c_void_p, c_size_t)),
        ("usable", PYFUNCTYPE(c_size_t, c_void_p)),
    )


_Interrupt = PYFUNCTYPE(c_int, c_void_p, c_void_p)

_INTERFACE: dict[str, tuple[Any, ...]] = {  # result type, then argument types
    "JS_GetVersion": (c_char_p,),
    "JS_NewRuntime2": (c_void_p, ctypes.POINTER(_Memory), c_void_p),
    "JS_NewContext": (c_void_p, c_void_p),
    "JS_SetMemoryLimit": (None, c_void_p, c_size_t),
    "JS_SetMaxStackSize": (None, c_void_p, c_size_t),
    "JS_SetInterruptHandler": (None, c_void_p, _Interrupt, c_void_p),
    "JS_UpdateStackTop": (None, c_void_p),
    "JS_RunGC": (None, c_void_p),
    "js_malloc_rt": (c_void_p, c_void_p, c_size_t),
    "JS_SetGCThreshold": (None, c_void_p, c_size_t),
    "JS_Eval": (Value, c_void_p, c_char_p, c_size_t, c_char_p, c_int),
    "JS_Call": (Value, c_void_p, Value, Value, c_int, ctypes.POINTER(Value)),
    "JS_ParseJSON": (Value, c_void_p, c_char_p, c_size_t, c_char_p),
    "JS_NewStringLen": (Value, c_void_p, c_char_p, c_size_t),
    "JS_ToCStringLen2": (c_void_p, c_void_p, ctypes.POINTER(c_size_t), Value, c_bool),
    "JS_GetException": (Value, c_void_p),
    "JS_GetPropertyStr": (Value, c_void_p, Value, c_char_p),
}


def _library() -> ctypes.PyDLL:
    """Load the library and declare its functions. Raises OSError for another version, or a machine that is not
    64-bit."""
    library = ctypes.PyDLL(quickjs._quickjs.__file__)
    for name, (result, *arguments) in _INTERFACE.items():
        if not hasattr(library, name):
            raise OSError(f"this quickjs-ng does not show {name}: install version {VERSION}x")
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    version = library.JS_GetVersion().decode(errors="replace")
    if not version.startswith(VERSION):
        raise OSError(f"this quickjs-ng is version {version}: install version {VERSION}x")
    if struct.calcsize("P") != 8:
        raise OSError("codecs need a 64-bit system")
    return library


class Engine:
    """A QuickJS runtime with one context. Values returned by `eval` and the like are valid until `reset_to`."""

    def __init__(self, *, memory: int, stack: int) -> None:
        """Start an engine. `memory` and `stack` are limits in bytes, for all scripts together.

        Raises OSError for an unsupported library.
        """
        self._js = _library()
        self.heap = heap = Heap(ROOM)
        self._late, self._until = False, float("inf")
        self._memory = _Memory(  # referenced here, as is _interrupt, because the engine calls them as long as it lives
            _Memory._fields_[0][1](lambda _, count, size: heap.calloc(count, size)),
            _Memory._fields_[1][1](lambda _, size: heap.malloc(size)),
            _Memory._fields_[2][1](lambda _, block: heap.free(block or 0)),
            _Memory._fields_[3][1](lambda _, block, size: heap.realloc(block or 0, size)),
            _Memory._fields_[4][1](heap.usable),
        )
        self._interrupt = _Interrupt(self._ask)
        self._runtime = self._js.JS_NewRuntime2(ctypes.byref(self._memory), None)
        self._context = self._js.JS_NewContext(self._runtime)
        if not self._context:
            raise OSError("QuickJS does not come up")
        self._js.JS_SetMemoryLimit(self._runtime, memory)
        self._js.JS_SetMaxStackSize(self._runtime, stack)
        self._js.JS_SetInterruptHandler(self._runtime, self._interrupt, None)

    def limit(self, seconds: float) -> None:
        """Stop scripts after this many seconds of processor time from now."""
        self._until, self._late = time.process_time() + seconds, False

    def image(self) -> Image:
        """Take a snapshot of everything scripts have made so far, after a garbage collection."""
        self._js.JS_RunGC(self._runtime)
        for size in SMALL:  # keep one block of each size, or the engine returns and requests pages again and again
            self._js.js_malloc_rt(self._runtime, size - 8)
        self._js.JS_SetGCThreshold(self._runtime, self.heap.used + GARBAGE)
        return self.heap.image()

    def reset_to(self, image: Image) -> None:
        self.heap.reset_to(image)
        self._js.JS_UpdateStackTop(self._runtime)

    def eval(self, source: str) -> Value:
        """Run a script and return its value. Raises Thrown."""
        text = source.encode()
        return self._checked(self._js.JS_Eval(self._context, text, len(text), b"<input>", 0))

    def json(self, text: str) -> Value:
        data = text.encode()
        return self._checked(self._js.JS_ParseJSON(self._context, data, len(data), b"<json>"))

    def string(self, text: str) -> Value:
        data = text.encode()
        return self._checked(self._js.JS_NewStringLen(self._context, data, len(data)))

    def call(self, function: Value, *arguments: Value) -> Value:
        """Call a function and return its result. Raises Thrown."""
        passed = (Value * len(arguments))(*arguments)
        undefined = Value(0, _UNDEFINED)
        return self._checked(self._js.JS_Call(self._context, function, undefined, len(arguments), passed))

    def text(self, value: Value) -> str:
        """Convert a value to text; an object's own `toString` runs. Raises Thrown."""
        size = c_size_t()
        at = self._js.JS_ToCStringLen2(self._context, ctypes.byref(size), value, False)
        if not at:
            raise self._thrown()
        return ctypes.string_at(at, size.value).decode(errors="replace")

    def _ask(self, _runtime: int, _nothing: int) -> int:
        self._late = self._late or time.process_time() >= self._until
        return self._late

    def _checked(self, value: Value) -> Value:
        if value.tag == _EXCEPTION:
            raise self._thrown()
        return value

    def _thrown(self) -> Thrown:
        error = self._js.JS_GetException(self._context)
        said = self._said(error)
        stack = ""
        if error.tag == _OBJECT:
            found = self._js.JS_GetPropertyStr(self._context, error, b"stack")
            stack = "" if found.tag == _EXCEPTION else self._said(found)
        return Thrown(said, stack, self._late)

    def _said(self, value: Value) -> str:
        """Convert an error to text, "" where that throws in turn."""
        size = c_size_t()
        at = self._js.JS_ToCStringLen2(self._context, ctypes.byref(size), value, False)
        return ctypes.string_at(at, size.value).decode(errors="replace") if at else ""
