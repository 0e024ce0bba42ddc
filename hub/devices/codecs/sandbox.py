"""Runs codecs in one JavaScript engine, isolated from each other. Imported by the worker only, never by the core.

A codec is compiled once, on an engine that has run no other, and the engine's memory is kept as a snapshot. Each call
starts from that snapshot, so it sees nothing of an earlier call, whatever that did and however it ended.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import NamedTuple

from hub.core.errors import DecodeError
from hub.devices.codecs.engine import Engine, Thrown, Value
from hub.devices.codecs.heap import Image
from hub.devices.codecs.messages import Codec

MEMORY = 16 << 20
STACK = 512 << 10
CPU_S = 0.05
COMPILE_S = 1.0
_DETAIL = 200
_LINE = re.compile(r"<input>:(\d+):")

PRELUDE = files("hub.devices.codecs").joinpath("prelude.js").read_text("utf-8")


class Compiled(NamedTuple):
    """A codec, ready to be called: the snapshot and its entry function."""

    image: Image
    enter: Value


class Sandbox:
    """An engine that runs codecs, one call at a time."""

    def __init__(self) -> None:
        """Start the engine. Raises OSError where it is not available."""
        self.engine = Engine(memory=MEMORY, stack=STACK)
        self._prelude = self.engine.eval(PRELUDE)
        self._bare = self.engine.image()

    def compiled(self, codec: Codec) -> Compiled:
        """Compile a codec. Raises DecodeError: `codec-syntax`, or the reasons of `call`."""
        engine = self.engine
        engine.reset_to(self._bare)
        engine.limit(COMPILE_S)
        try:
            part = engine.call(self._prelude, engine.json(json.dumps(codec.files)))
            enter = engine.call(part, engine.string("enter"))
            try:
                engine.eval(codec.source)
            except Thrown as error:
                read = engine.call(
                    part, engine.string("script")
                )  # perhaps an ES module; other scripts come back unchanged
                script = engine.text(engine.call(read, engine.string(codec.source)))
                if script == codec.source or not error.said.startswith("SyntaxError"):
                    raise
                engine.eval(script)
        except Thrown as error:
            raise _decode_error(error) from error
        return Compiled(engine.image(), enter)

    def call(self, compiled: Compiled, function: str, argument: str) -> str:
        """Call a function of a codec; JSON in, JSON out.

        Raises DecodeError: `codec-time`, `codec-memory`, `codec-stack`, or `codec-error` when the codec throws.
        """
        engine = self.engine
        engine.reset_to(compiled.image)
        engine.limit(CPU_S)
        try:
            return engine.text(engine.call(compiled.enter, engine.string(function), engine.string(argument)))
        except Thrown as error:
            raise _decode_error(error) from error


def _decode_error(error: Thrown) -> DecodeError:
    said = error.said.partition("\n")[0][:_DETAIL]
    if error.late:
        return DecodeError("codec-time", "InternalError: interrupted")
    if "call stack size exceeded" in said:
        return DecodeError("codec-stack", said)
    if said == "InternalError: out of memory":
        return DecodeError("codec-memory", said)
    if not said.startswith("SyntaxError"):
        return DecodeError("codec-error", said)
    where = _LINE.search(error.stack)
    return DecodeError("codec-syntax", f"{said} (line {where[1]} of the codec)" if where else said)
