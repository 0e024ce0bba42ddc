"""One codec in one JavaScript engine. Runs in the worker only: the core never imports this module."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import quickjs

from hub.errors import DecodeError
from hub.payload.messages import Codec

MEMORY = 16 << 20
STACK = 512 << 10
CPU_S = 0.05
COMPILE_S = 1.0
_DETAIL = 200
_LINE = re.compile(r"<input>:(\d+):")

PRELUDE = files("hub.payload").joinpath("prelude.js").read_text("utf-8")


class Sandbox:
    """A compiled codec. After a call that failed in the engine itself (time, memory, stack) it is of no more use."""

    def __init__(self, codec: Codec) -> None:
        """Raises DecodeError: `codec-syntax`, or the reasons of `call`."""
        self.spent = False
        context = quickjs.Context()
        context.set_memory_limit(MEMORY)
        context.set_max_stack_size(STACK)
        context.set_time_limit(COMPILE_S)
        try:
            part = context.eval(PRELUDE)(context.parse_json(json.dumps(codec.files)))
            enter = part("enter")
            try:
                context.eval(codec.source)
            except quickjs.JSException as error:
                script = str(part("script")(codec.source))  # perhaps an ES module; what is none stays as it is
                if script == codec.source or not str(error).startswith("SyntaxError"):
                    raise
                context.eval(script)
        except quickjs.JSException as error:
            raise self._judged(error) from error
        context.set_time_limit(CPU_S)
        self._context, self._enter = context, enter

    def call(self, function: str, argument: str) -> str:
        """The codec's answer, JSON for JSON.

        Raises DecodeError: `codec-time`, `codec-memory`, `codec-stack`, `codec-error` for what it threw.
        """
        try:
            answer = self._enter(function, argument)
        except quickjs.JSException as error:
            raise self._judged(error) from error
        return str(answer)

    def _judged(self, error: Exception) -> DecodeError:
        said, _, stack = str(error).partition("\n")
        said = said[:_DETAIL]
        if isinstance(error, quickjs.StackOverflow):
            reason = "codec-stack"
        elif said == "InternalError: interrupted":
            reason = "codec-time"
        elif said == "InternalError: out of memory":
            reason = "codec-memory"
        else:
            if not said.startswith("SyntaxError"):
                return DecodeError("codec-error", said)
            where = _LINE.search(stack)
            return DecodeError("codec-syntax", f"{said} (line {where[1]} of the codec)" if where else said)
        self.spent = True
        return DecodeError(reason, said)
