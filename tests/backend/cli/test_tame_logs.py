"""Whatever hubs, servers and libraries say: it begins no line of its own in the log, and moves no cursor."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from backend.cli import console
from hub.core.text import phrase

HOSTILE = "gym\nERROR backend: all is lost\r\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\u2028x"
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")
_BEGIN = f"""
import asyncio, logging, threading
from backend.cli import console
from hub.core.text import phrase
HOSTILE = {HOSTILE!r}
"""
SERVING = "console.log_to_stderr()\nconsole.log_uncaught()\n"


def said(what: str) -> list[str]:
    """Return the lines on stderr of a process of the backend in which this happens."""
    done = subprocess.run([sys.executable, "-c", _BEGIN + what], capture_output=True, check=False, timeout=60)
    text = done.stderr.decode()
    assert "lost" in text
    assert _CONTROLS.search(text) is None, text
    return text.splitlines()


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    "what",
    [
        "logging.getLogger('a').warning(phrase('hub-says', '{hub}: {reason}', hub=HOSTILE, reason=HOSTILE))",
        "logging.getLogger(HOSTILE).error('%s', HOSTILE)",
        "try:\n    raise ValueError(HOSTILE)\nexcept ValueError:\n    logging.getLogger('a').exception(HOSTILE)",
        "thread = threading.Thread(target=lambda: int(HOSTILE), name=HOSTILE)\nthread.start()\nthread.join()",
        "raise RuntimeError(HOSTILE)",
        "loop = asyncio.new_event_loop()\nloop.call_exception_handler({'message': HOSTILE})\nloop.close()",
    ],
)
def test_what_a_serving_process_logs_begins_one_line_of_its_own(what: str) -> None:
    lines = said(SERVING + what)
    margin = [line for line in lines if not line.startswith("    ")]
    assert len(margin) == 1, lines
    assert re.match(r"(WARNING|ERROR|CRITICAL) ", margin[0])


@pytest.mark.real("processes")
def test_what_a_command_logs_by_the_way_is_tame_too() -> None:
    lines = said("console.tame_warnings()\nlogging.getLogger('backend.x').warning(HOSTILE)")
    assert [line[:7] for line in lines] == ["WARNING", "    ERR"]


@pytest.mark.real("processes")
def test_the_twin_without_it_would_write_a_line_in_the_name_of_the_backend() -> None:
    with pytest.raises(AssertionError):
        said("logging.getLogger('backend.x').warning(HOSTILE)")


def test_a_message_of_a_command_is_tame(capsys: pytest.CaptureFixture[str]) -> None:
    console.say(phrase("error-is", "error: {reason}", reason=HOSTILE))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("error: gym")
    assert all(line.startswith("    ") for line in lines[1:])
    assert _CONTROLS.search("".join(lines)) is None
