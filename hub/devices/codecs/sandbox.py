"""Runs codecs in one JavaScript engine, isolated from each other. Imported by the worker only, never by the core.

A codec is compiled once, on an engine that has run no other, and the engine's memory is kept as a snapshot. Each call
starts from that snapshot, so it sees nothing of an earlier call, whatever that did and however it ended.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from hub.core.errors import DecodeError
from hub.devices.codecs.engine import UNDEFINED, Engine, Thrown, Value
from hub.devices.codecs.heap import Image
from hub.devices.codecs.host import Host, part
from hub.devices.codecs.messages import Codec

MEMORY = 16 << 20
STACK = 512 << 10
CPU_S = 0.05
COMPILE_S = 1.0
_DETAIL = 200
_LINE = re.compile(r"<input>:(\d+):")
_MODULE = re.compile(r"^[ \t]*(?:import\b|export\b)|;[ \t]*export\b|\bawait\b", re.MULTILINE)
_PLACES = re.compile(r"\bIntl\b|\btoLocale|\blocaleCompare\b")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")


class Compiled(NamedTuple):
    """A codec, ready to be called: the snapshot, its entry function and the other parts of `prelude.js`, its files."""

    image: Image
    enter: Value
    part: Value
    files: dict[str, str]


class Sandbox:
    """An engine that runs codecs, one call at a time."""

    def __init__(self) -> None:
        """Start the engine. Raises OSError where it is not available."""
        self.engine = engine = Engine(memory=MEMORY, stack=STACK)
        self._host, self._files, self._part = Host(), dict[str, str](), engine.host
        engine.hosted, engine.source = self._answer, self._module
        self._prelude, *self._texts = [engine.eval(part(name)) for name in ("prelude", "text", "buffer")]
        self._bare = engine.image()

    def compiled(self, codec: Codec) -> Compiled:
        """Compile a codec. Raises DecodeError: `codec-syntax`, or the reasons of `call`."""
        engine = self.engine
        engine.reset_to(self._bare)
        engine.limit(COMPILE_S)
        self._files = codec.files
        try:
            self._part = engine.call(self._prelude, engine.host, engine.json(json.dumps(codec.files)), *self._texts)
            if any(_PLACES.search(text) for text in (codec.source, *codec.files.values())):
                self._call("intl")
            exported = self._run(codec.source)
            self._call("ready", exported, engine.string(codec.source))
            enter = engine.call(self._part, engine.string("enter"))
            return Compiled(engine.image(), enter, self._part, codec.files)
        except Thrown as error:
            raise _decode_error(error) from error

    def call(self, compiled: Compiled, function: str, argument: str) -> str:
        """Call a function of a codec; JSON in, JSON out.

        Raises DecodeError: `codec-time`, `codec-memory`, `codec-stack`, or `codec-error` when the codec throws.
        """
        engine = self.engine
        engine.reset_to(compiled.image)
        engine.limit(CPU_S)
        self._part, self._files = compiled.part, compiled.files
        try:
            answer = engine.call(compiled.enter, engine.string(function), engine.string(argument))
            return engine.text(engine.settled(answer) if engine.is_object(answer) else answer)
        except Thrown as error:
            raise _decode_error(error) from error

    def _run(self, source: str) -> Value:
        """Run a codec's own file: a script, an ES module, or the body of a function, as what it can be read first.

        Returns the exports of a module.
        """
        engine = self.engine
        try:
            script = engine.compile(source)
        except Thrown as error:
            if not error.said.startswith("SyntaxError"):
                raise
            if _MODULE.search(source):
                return engine.namespace(engine.compile_module(source))
            try:
                self._call("wrapped", engine.string(source))
            except Thrown as other:
                raise (error if other.said.startswith("SyntaxError") else other) from other
        else:
            engine.run(script)
        return UNDEFINED

    def _call(self, part: str, *arguments: Value) -> Value:
        return self.engine.call(self.engine.call(self._part, self.engine.string(part)), *arguments)

    def _answer(self, name: str, *arguments: Any) -> Any:
        return self.engine.loaded(arguments[0]) if name == "load" else self._host.answer(name, *arguments)

    def _module(self, path: str) -> str | None:
        """Return the source of what a module imports; around CommonJS, one that exports its names."""
        bare = re.sub(r"^(\.\.?/)+", "", path)
        for found in (bare, *(bare + end for end in (".js", "/index.js", ".json", ".mjs", ".cjs"))):
            if found in self._files:
                if not found.endswith(".json") and not self._call("script", self.engine.string(found)).content:
                    return self._files[found]
                bare = "./" + found
                break
        else:
            if path.startswith("."):
                return None
        asked = json.dumps(bare)
        names = self.engine.text(self._call("names", self.engine.string(bare))).split(",")
        plain = [name for name in names if _NAME.fullmatch(name) and name != "default"]
        exported = "".join(
            f"const {{ {name}: _{at} }} = all; export {{ _{at} as {name} }};" for at, name in enumerate(plain)
        )
        return f"const all = require({asked}); export default all; {exported}"


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
