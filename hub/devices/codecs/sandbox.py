"""Runs codecs in one JavaScript engine, isolated from each other. Imported by the worker only, never by the core.

A codec is compiled once, on an engine that has run no other, and the engine's memory is kept as a snapshot. Each call
starts from that snapshot, so it sees nothing of an earlier call, whatever that did and however it ended.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from hub.core.errors import DecodeError
from hub.devices.codecs.engine import DETAIL, INPUT, UNDEFINED, Engine, Thrown, Value, placed, ran
from hub.devices.codecs.heap import Image
from hub.devices.codecs.host import Host, part
from hub.devices.codecs.messages import Codec

MEMORY = 16 << 20
STACK = 512 << 10
CPU_S = 0.05
COMPILE_S = 1.0
_WRAPPED = "module, exports, require"
"""Parameters of the function around a file of CommonJS."""
_MODULE = re.compile(r"\b(?:import|export|await)\b")
_STATEMENT = re.compile(r"^[ \t]*(?:import|export)\b", re.MULTILINE)
_PLACES = re.compile(r"\bIntl\b|\btoLocale|\blocaleCompare\b")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")


class Compiled(NamedTuple):
    """A codec, ready to be called: the snapshot, its entry function and the other parts of `prelude.js`, its files, and
    what its own file is called."""

    image: Image
    enter: Value
    part: Value
    files: dict[str, str]
    name: str


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
            return Compiled(engine.image(), enter, self._part, codec.files, codec.name)
        except Thrown as error:
            raise _decode_error(error, codec.files, codec.name) from error

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
            raise _decode_error(error, compiled.files, compiled.name) from error

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
            try:
                if _MODULE.search(source):
                    return engine.namespace(engine.compile_module(source))
            except Thrown as other:
                if _STATEMENT.search(source) or not other.said.startswith("SyntaxError"):
                    raise
            try:
                body = engine.function(_WRAPPED, source)
            except Thrown:
                raise error from None
            self._call("wrapped", body)
        else:
            engine.run(script)
        return UNDEFINED

    def _call(self, part: str, *arguments: Value) -> Value:
        return self.engine.call(self.engine.call(self._part, self.engine.string(part)), *arguments)

    def _answer(self, name: str, *arguments: Any) -> Any:
        if name not in ("load", "function"):
            return self._host.answer(name, *arguments)
        try:
            if name == "load":
                return self.engine.loaded(arguments[0])
            return self.engine.function(_WRAPPED, self._files[arguments[0]], arguments[0])
        except Thrown as error:  # its place is lost where it becomes an error of the script that asked
            raise Thrown(_placed(error, self._files, ""), error.stack, error.late) from error

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


def _decode_error(error: Thrown, files: Mapping[str, str], name: str) -> DecodeError:
    said = error.said.partition("\n")[0][:DETAIL]
    if error.late:
        return DecodeError("codec-time", "InternalError: interrupted")
    if said == "InternalError: out of memory":
        return DecodeError("codec-memory", said)
    told = _placed(error, files, name)
    if "call stack size exceeded" in said:
        return DecodeError("codec-stack", told)
    return DecodeError("codec-syntax" if "SyntaxError" in said and not ran(error) else "codec-error", told)


def _placed(error: Thrown, files: Mapping[str, str], name: str) -> str:
    """Return what a script threw, with the line of the pack's own file; `name` is what the codec's is called."""
    return placed(error, lambda file: name if file == INPUT else file if file in files else "")
