"""QuickJS on a heap of our own, by its C interface (quickjs.h), so that its whole state can be reset to a snapshot.

The classes of the quickjs package allocate where Python does, which allows no reset. The same library is called here:
`JS_NewRuntime2` takes the allocation functions. The engine requests 4 KiB at a time and divides these itself, so it
matters little that the functions are Python. The engine changes nothing outside the heap: its static data are tables,
and a lock used by `Atomics.wait`, which is refused.

Values are never freed: resetting to an image discards them.

A script calls Python by one function, `Engine.host`. ctypes cannot return a structure from a callback, so this is
JavaScript around a function from number to number; arguments and result lie in an object that no script can reach.
"""

from __future__ import annotations

import ctypes
import re
import struct
import time
from collections.abc import Callable
from ctypes import PYFUNCTYPE, c_bool, c_char_p, c_double, c_int, c_int64, c_size_t, c_uint64, c_void_p
from typing import Any

import _quickjs  # type: ignore[import-not-found]  # the library alone: the package around it brings thread pools

from hub.devices.codecs.heap import Heap, Image

VERSION = "0.17."
"""Version of the quickjs.h that the structures and functions below were written from."""
ROOM = 32 << 20
"""Twice a script's memory limit: a growing block exists twice while it is copied, and freed blocks are not merged."""
GARBAGE = 1 << 20
"""Bytes a call may allocate before cycles are collected: most calls allocate less, and all of it goes with the call."""
SMALL = (*range(16, 128, 8), *range(128, 256, 16), *range(256, 513, 32))
"""Block sizes into which the engine divides 4 KiB (`arena_block_sizes`), its own 8 bytes included."""

_MODULE, _OBJECT, _INT, _BOOL, _NULL, _UNDEFINED, _EXCEPTION, _FLOAT = -3, -1, 0, 1, 2, 3, 6, 8
_STRINGS = (-7, -6)
_AS_MODULE, _COMPILE_ONLY = 1 << 0, 1 << 5  # flags of JS_Eval
_FROM_NUMBER_TO_NUMBER = 6  # JS_CFUNC_f_f
_PENDING, _FULFILLED = 0, 1
INPUT = "<codec>"
"""Name of the codec's own file in stack traces."""
_OURS = "<hub>"


class Value(ctypes.Structure):
    """JSValue of a 64-bit machine: a number or an address, and a tag."""

    _fields_ = (("content", c_uint64), ("tag", c_int64))


UNDEFINED = Value(0, _UNDEFINED)


class Thrown(Exception):
    """A script threw or was stopped: `said` is the error as text, `stack` the stack trace, `late` whether its time was
    up."""

    def __init__(self, said: str, stack: str, late: bool) -> None:
        super().__init__(said)
        self.said, self.stack, self.late = said, stack, late


DETAIL = 200
"""Characters of what a script threw."""
_STACK = 2000
"""Characters of its stack trace, which a script may write itself."""
_FRAME = re.compile(r"^\s*at (?:(?P<inside>.*) \()?(?P<file>[^\s()]+):(?P<line>\d+):\d+\)?\s*$", re.MULTILINE)
_PLACED = re.compile(r" \(line \d+ of [^()]+\)$")


def placed(error: Thrown, called: Callable[[str], str]) -> str:
    """Return what a script threw, in one line, with the line that it came from. `called` gives what people call a file,
    "" for one that tells them nothing: the hub's own."""
    said = error.said.partition("\n")[0][:DETAIL]
    for frame in _FRAME.finditer(error.stack) if not _PLACED.search(said) else ():
        if name := called(frame["file"].removeprefix("./")):
            return f"{said} (line {frame['line']} of {name})"
    return said


def ran(error: Thrown) -> bool:
    """Return whether an error came from a function that ran: `JSON.parse` throws a SyntaxError of what it reads."""
    return any(frame["inside"] for frame in _FRAME.finditer(error.stack))


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
_Ring = PYFUNCTYPE(c_double, c_double)
_Loader = PYFUNCTYPE(c_void_p, c_void_p, c_char_p, c_void_p)
_ARGUMENTS = (b"a", b"b", b"c", b"d", b"e", b"f", b"g")
_HOST = """(function (box, ring) {
    const names = ["a", "b", "c", "d", "e", "f", "g", "result"];
    for (const name of names) box[name] = undefined;
    return function host(...values) {
        for (let at = 0; at < 7; at++) box[names[at]] = values[at];
        if (ring(values.length) !== 0) throw new RangeError(box.result);
        return box.result;
    };
})"""
"""The properties exist from the start, so that nothing which a script does to prototypes is asked for them."""

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
    "JS_SetPropertyStr": (c_int, c_void_p, Value, c_char_p, Value),
    "JS_NewCFunction2": (Value, c_void_p, _Ring, c_char_p, c_int, c_int, c_int),
    "JS_GetUint8Array": (c_void_p, c_void_p, ctypes.POINTER(c_size_t), Value),
    "JS_NewUint8ArrayCopy": (Value, c_void_p, c_char_p, c_size_t),
    "JS_EvalFunction": (Value, c_void_p, Value),
    "JS_SetModuleLoaderFunc": (None, c_void_p, c_void_p, _Loader, c_void_p),
    "JS_LoadModule": (Value, c_void_p, c_char_p, c_char_p),
    "JS_GetModuleNamespace": (Value, c_void_p, c_void_p),
    "JS_ThrowSyntaxError": (Value, c_void_p, c_char_p, c_char_p),
    "JS_IsJobPending": (c_bool, c_void_p),
    "JS_ExecutePendingJob": (c_int, c_void_p, ctypes.POINTER(c_void_p)),
    "JS_PromiseState": (c_int, c_void_p, Value),
    "JS_PromiseResult": (Value, c_void_p, Value),
}


def _library() -> ctypes.PyDLL:
    """Load the library and declare its functions. Raises OSError for another version, or a machine that is not
    64-bit."""
    library = ctypes.PyDLL(_quickjs.__file__)
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
        self._interrupt, self._ring, self._loader = _Interrupt(self._ask), _Ring(self._rung), _Loader(self._load)
        self.hosted: Callable[..., Any] = _nothing
        """Answers a call of `host`: text, numbers and bytes in and out. Raises ValueError, which the script sees."""
        self.source: Callable[[str], str | None] = lambda name: None
        """Gives the source of a module that another imports, by its path."""
        self._memory_limit = memory
        self._runtime = self._js.JS_NewRuntime2(ctypes.byref(self._memory), None)
        self._context = self._js.JS_NewContext(self._runtime)
        if not self._context:
            raise OSError("QuickJS does not come up")
        self._js.JS_SetMemoryLimit(self._runtime, memory)
        self._js.JS_SetMaxStackSize(self._runtime, stack)
        self._js.JS_SetInterruptHandler(self._runtime, self._interrupt, None)
        self._js.JS_SetModuleLoaderFunc(self._runtime, None, self._loader, None)
        self._box = self.eval("Object.create(null)")
        ring = self._js.JS_NewCFunction2(self._context, self._ring, b"ring", 1, _FROM_NUMBER_TO_NUMBER, 0)
        self.host = self.call(self.eval(_HOST), self._box, ring)

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
        """Run a script of the hub's and return its value. Raises Thrown."""
        return self.run(self.compile(source, _OURS))

    def compile(self, source: str, name: str = INPUT) -> Value:
        """Compile a script for `run`. Raises Thrown."""
        return self._compiled(source, name, _COMPILE_ONLY)

    def function(self, parameters: str, body: str, name: str = INPUT) -> Value:
        """Return the function with this body, whose lines are told as those of the file `name`. Raises Thrown."""
        return self.run(self.compile(f"(function ({parameters}) {{{body}\n}})", name))

    def compile_module(self, source: str, name: str = INPUT) -> Value:
        """Compile an ES module and those it imports, for `namespace`. Raises Thrown."""
        return self._compiled(source, name, _COMPILE_ONLY | _AS_MODULE)

    def run(self, compiled: Value) -> Value:
        return self._checked(self._js.JS_EvalFunction(self._context, compiled))

    def namespace(self, module: Value) -> Value:
        """Run a compiled module and return its exports. Raises Thrown."""
        self.settled(self.run(module))
        return self._checked(self._js.JS_GetModuleNamespace(self._context, module.content))

    def loaded(self, name: str) -> Value:
        """Return the exports of a module by its path; it runs once. Raises Thrown."""
        return self.settled(self._checked(self._js.JS_LoadModule(self._context, b"", name.encode())))

    def is_object(self, value: Value) -> bool:
        return bool(value.tag == _OBJECT)

    def settled(self, promise: Value) -> Value:
        """Run all that waits, and return what a promise came to. Raises Thrown, also where nothing will settle it."""
        context = c_void_p()
        while self._js.JS_IsJobPending(self._runtime):
            if self._js.JS_ExecutePendingJob(self._runtime, ctypes.byref(context)) < 0:
                raise self._thrown()
            if self._ask(0, 0):
                raise Thrown("interrupted", "", late=True)
        state = self._js.JS_PromiseState(self._context, promise)
        if state == _PENDING:
            raise Thrown("Error: the codec waits for something that never comes: it has no timers", "", late=False)
        result: Value = self._js.JS_PromiseResult(self._context, promise)
        if state != _FULFILLED:
            raise self._told(result)
        return result

    def json(self, text: str) -> Value:
        data = text.encode()
        return self._checked(self._js.JS_ParseJSON(self._context, data, len(data), b"<json>"))

    def string(self, text: str) -> Value:
        data = text.encode(errors="surrogatepass")
        return self._checked(self._js.JS_NewStringLen(self._context, data, len(data)))

    def call(self, function: Value, *arguments: Value) -> Value:
        """Call a function and return its result. Raises Thrown."""
        passed = (Value * len(arguments))(*arguments)
        return self._checked(self._js.JS_Call(self._context, function, UNDEFINED, len(arguments), passed))

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

    def _compiled(self, source: str, name: str, flags: int) -> Value:
        text = source.encode()
        return self._checked(self._js.JS_Eval(self._context, text, len(text), name.encode(), flags))

    def _rung(self, count: float) -> float:
        """Answer a call of `host`; 1 when it fails. No exception may leave: ctypes would print and forget it."""
        try:
            names = _ARGUMENTS[: int(count)]
            values = [self._native(self._js.JS_GetPropertyStr(self._context, self._box, name)) for name in names]
            result, failed = self._value(self.hosted(*values)), 0.0
        except Thrown as error:
            result, failed = self.string(error.said), 1.0
        except Exception as error:  # whatever a script's arguments lead to is the script's failure
            result, failed = self.string(str(error) or type(error).__name__), 1.0
        self._js.JS_SetPropertyStr(self._context, self._box, b"result", result)
        return failed

    def _native(self, value: Value) -> str | bytes | float | None:
        if value.tag in _STRINGS:
            return self.text(value)
        if value.tag in (_INT, _BOOL):
            return ctypes.c_int32(value.content & 0xFFFFFFFF).value
        if value.tag == _FLOAT:
            return float(struct.unpack("d", struct.pack("Q", value.content))[0])
        if value.tag in (_UNDEFINED, _NULL):
            return None
        size = c_size_t()
        at = self._js.JS_GetUint8Array(self._context, ctypes.byref(size), value)
        if not size.value:
            self._js.JS_GetException(self._context)  # forgotten, if it is no array of bytes
            return b""
        return ctypes.string_at(at, size.value)

    def _value(self, result: str | bytes | float | Value | None) -> Value:
        if isinstance(result, Value):
            return result
        if isinstance(result, str):
            return self.string(result)
        if isinstance(result, bytes):
            return self._checked(self._js.JS_NewUint8ArrayCopy(self._context, result, len(result)))
        if result is None:
            return UNDEFINED
        return Value(struct.unpack("Q", struct.pack("d", result))[0], _FLOAT)

    def _load(self, _context: int, name: bytes, _nothing: int) -> int | None:
        """Compile a module that another imports; None leaves an exception in the engine."""
        path = name.decode(errors="replace")
        try:
            source = self.source(path)
            if source is not None:
                return int(self.compile_module(source, path).content)
            said = b"Cannot find module '%s': a codec has the files of its pack"
            self._js.JS_ThrowSyntaxError(self._context, said, name)
        except Thrown as error:
            told = placed(error, lambda file: file if file == path.removeprefix("./") else "")
            self._js.JS_ThrowSyntaxError(self._context, b"%s", told.partition(": ")[2].encode() or b"?")
        return None

    def _checked(self, value: Value) -> Value:
        if value.tag == _EXCEPTION:
            raise self._thrown()
        return value

    def _thrown(self) -> Thrown:
        return self._told(self._js.JS_GetException(self._context))

    def _told(self, error: Value) -> Thrown:
        said = self._said(error)
        stack = ""
        if error.tag == _OBJECT:
            found = self._js.JS_GetPropertyStr(self._context, error, b"stack")
            stack = "" if found.tag == _EXCEPTION else self._said(found)[:_STACK]
        if error.tag == _NULL and self.heap.used > self._memory_limit // 4 * 3:  # no memory was left for the error
            said = "InternalError: out of memory"
        return Thrown(said, stack, self._late)

    def _said(self, value: Value) -> str:
        """Convert an error to text, "" where that throws in turn."""
        size = c_size_t()
        at = self._js.JS_ToCStringLen2(self._context, ctypes.byref(size), value, False)
        return ctypes.string_at(at, size.value).decode(errors="replace") if at else ""


def _nothing(*_: Any) -> None:
    raise ValueError("there is no host")
