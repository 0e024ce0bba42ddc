"""Modules that a process does without until it asks for them; each seen in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import hub

pytestmark = pytest.mark.real("processes")

ROOT = Path(hub.__file__).parents[1]
BROUGHT = {"asyncio", "ssl", "logging", "inspect", "ast", "concurrent.futures", "importlib.resources", "zipfile"}
"""What the imports of a codec worker would bring, each for a function that it never calls."""


def run(code: str) -> object:
    """What a process prints that begins as a worker does."""
    boot = f"import json, sys; sys.path[:] = {[str(ROOT), *filter(None, sys.path)]!r}; "
    done = subprocess.run([sys.executable, "-I", "-S", "-c", boot + code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_codec_worker_does_without_what_it_never_calls() -> None:
    code = "{}from hub.devices.codecs.worker import main; from hub.devices.codecs.sandbox import Sandbox; Sandbox(); {}"
    names = "print(json.dumps([name for name, module in sys.modules.items() if getattr(module, '__file__', None)]))"
    spared = run(code.format("from hub.core.later import spare_worker; spare_worker(); ", names))
    assert isinstance(spared, list)
    assert BROUGHT.isdisjoint(spared), BROUGHT.intersection(spared)
    usual = run(code.format("", names))
    assert isinstance(usual, list)
    assert len(spared) < len(usual)


def test_a_dataclass_is_made_without_inspect_and_inspect_is_there_when_it_is_asked_for() -> None:
    code = (
        "from hub.core.later import spare_worker; spare_worker(); from dataclasses import asdict, dataclass\n"
        "@dataclass(frozen=True, slots=True)\nclass Pair:\n    'A pair.'\n    a: int\n    b: str = 'x'\n"
        "early = 'ast' in sys.modules; import inspect\n"
        "print(json.dumps([asdict(Pair(1)), early, str(inspect.signature(Pair)), 'ast' in sys.modules]))"
    )
    assert run(code) == [{"a": 1, "b": "x"}, False, "(a: int, b: str = 'x') -> None", True]


def test_a_module_that_is_there_already_is_left_alone() -> None:
    code = "import inspect; from hub.core.later import Later; Later.stand_for('inspect'); "
    assert run(code + "print(json.dumps(type(inspect).__name__))") == "module"
