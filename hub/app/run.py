"""`ilot run`: called by `hub.cli.run`, and by `hub.__main__` itself for plain command lines.

A hub runs for months and parses its command line once: for plain options `click`, 1.5 MiB, is not imported. Anything
else (help, errors, abbreviations) is left to `click`, with the same meaning.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from hub.config.state_dir import default_config
from hub.core.errors import HubError
from hub.core.text import phrase, reason_of, with_codes

DATA_AT_RISK = 7
LEFT_S = 1.0
"""How long tasks that were left behind may take to end with the process."""
_BEGAN = "ILOT_BEGAN"
"""When a process that became an enrolled hub began to be one, in seconds since the machine started."""


class Options(NamedTuple):
    """The options of `ilot run`."""

    config: Path
    state_dir: Path | None = None
    drain: float = 10.0
    verbose: bool = False
    json: bool = False


_NAMES = {"-c": "config", "--config": "config", "--state-dir": "state_dir", "--drain": "drain"}
_FLAGS = {"-v": "verbose", "--verbose": "verbose", "--json": "json"}


def plain(arguments: Sequence[str], environ: Mapping[str, str]) -> Options | None:
    """Parse the options of `ilot run …` if they are unambiguous, else return None."""
    if arguments[:1] != ["run"]:
        return None
    said: dict[str, str] = {}
    flags: set[str] = set()
    rest = list(arguments[1:])
    while rest:
        word = rest.pop(0)
        if word in _FLAGS:
            flags.add(_FLAGS[word])
            continue
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if name not in _NAMES or not (equals or rest):
            return None
        value = value if equals else rest.pop(0)
        if not value or value.startswith("-"):
            return None
        said[_NAMES[name]] = value
    try:
        drain = float(said.get("drain", 10.0))
    except ValueError:
        return None
    config = Path(said.get("config") or environ.get("ILOT_CONFIG") or default_config())
    state = said.get("state_dir") or environ.get("ILOT_STATE_DIR") or None
    if config.is_dir() or (state is not None and Path(state).is_file()):
        return None
    return Options(config, Path(state) if state else None, drain, "verbose" in flags, "json" in flags)


def main(options: Options) -> int:
    """Run a hub and print a HubError like every command. Returns the exit code."""
    try:
        return run(options)
    except HubError as error:
        _tell(reason_of(error))
        return error.exit_code
    except KeyboardInterrupt:
        _tell(phrase("command-interrupted", "interrupted"))
        return 130


def _tell(sentence: str) -> None:
    translate = _translator()
    print(f"ilot: {translate(sentence) if translate else sentence}", file=sys.stderr)


def run(options: Options) -> int:
    """Run until SIGTERM or SIGINT and return the exit code. Raises HubError when it cannot start."""
    from hub.config.state_dir import state_of
    from hub.core.process_hardening import harden

    _expect_config_or_enrolment(options)
    open_still = harden()  # before any key is read, plugin imported or child started
    from hub.core.memory_tuning import SETTLED_S, give_back, settle, spare

    spare()
    from hub.app.hub import Settings, serve
    from hub.core.service_manager import ServiceManager
    from hub.core.state_dir import refusal
    from hub.plugin_host.registry import Registry

    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # output of plugins goes to stderr, so that stdout holds only our answers
    _log_to_stderr(options.verbose)
    for sentence in open_still:
        logging.getLogger("hub").warning(sentence)
    settings = Settings(config=options.config, state_dir=options.state_dir, drain_s=options.drain, traces=True)
    manager = ServiceManager(os.environ, _translator() or str)

    def ready(facts: dict[str, object]) -> None:
        give_back()
        asyncio.get_running_loop().call_later(SETTLED_S, settle)
        facts["start_s"] = round(_process_age_s(), 3)
        if options.json:
            answers.write(msgspec.json.encode(facts) + b"\n")
        elif facts.get("enrolled", True) and facts.get("disk", True):
            logging.getLogger("hub").info(
                phrase("hub-ready", "{hub} ready in {seconds:.2f} s", hub=facts["hub"], seconds=facts["start_s"])
            )

    state = state_of(options.config, options.state_dir)
    if refusal(state):
        from hub.app import unwritable

        if not asyncio.run(unwritable.serve(settings, Registry.discover(), ready, manager)):
            return 0
        _begin_anew(answers.fileno())
    if _reset_is_asked(state):
        from hub.app import factory
        from hub.core.state_dir import StateDir

        factory.resume(StateDir(state), options.config)
    if not (state / "enrolment.json").exists():
        from hub.app import waiting

        if not asyncio.run(waiting.serve(settings, Registry.discover(), ready, manager)):
            return 0
        _begin_anew(answers.fileno())
    with asyncio.Runner() as runner:
        last = runner.run(serve(settings, Registry.discover(), ready, manager))
        if options.json:
            answers.write(msgspec.json.encode(with_codes(last)) + b"\n")
        if runner.run(_left_behind()):
            # Everything is written and closed. What ignores its end would keep the process from ending too.
            sys.stderr.flush()
            if _reset_is_asked(state):
                _begin_anew(answers.fileno())
            os._exit(DATA_AT_RISK if last["error"] else 0)
    if _reset_is_asked(state):
        _begin_anew(answers.fileno())
    return DATA_AT_RISK if last["error"] else 0


async def _left_behind() -> bool:
    """Cancel what still runs, and return whether some of it ignores that."""
    from hub.app.plugin_tasks import cancel

    return bool(await cancel(asyncio.all_tasks() - {asyncio.current_task()}, LEFT_S))


def _reset_is_asked(state: Path) -> bool:
    """Return whether `hub.app.factory` has something to do; not imported for a hub that nobody wants to reset."""
    return (state / "reset-requested").exists() or os.path.exists("/boot/firmware/ilot-factory-reset")


def _begin_anew(answers: int) -> None:
    """Become the process that was started, from its beginning: an enrolled hub carries nothing of one that waited, and
    whoever started it sees no end. Its answers go to stdout again."""
    os.dup2(answers, 1)
    os.environ[_BEGAN] = str(time.clock_gettime(time.CLOCK_BOOTTIME))
    sys.stderr.flush()
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - the very words of this process


def _expect_config_or_enrolment(options: Options) -> None:
    """Raise ConfigError if there is neither a configuration nor an enrolled hub, which starts from its last
    configuration."""
    from hub.config.state_dir import state_of

    if options.config.exists() or (state_of(options.config, options.state_dir) / "enrolment.json").exists():
        return
    from hub.config.source import MISSING
    from hub.core.errors import ConfigError, Problem

    raise ConfigError([Problem(MISSING, file=str(options.config))])


def _process_age_s() -> float:
    """Return the seconds since this hub's process began, imports included."""
    if _BEGAN in os.environ:
        return time.clock_gettime(time.CLOCK_BOOTTIME) - float(os.environ[_BEGAN])
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def _translator() -> Callable[[str], str] | None:
    """Return what translates sentences into the language of the environment; None where that is English, which needs no
    catalogue in memory."""
    from hub.i18n.shell import language

    if (lang := language()) == "en":
        return None
    from hub.i18n.catalogues import translate

    return lambda sentence: translate(sentence, lang)


def _log_to_stderr(verbose: bool) -> None:
    from hub.core.logs import IndentingFormatter

    handler = logging.StreamHandler(sys.stderr)
    # Times without a date: under systemd the journal dates each line.
    form = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    handler.setFormatter(IndentingFormatter(form, "%H:%M:%S", _translator()))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("hub").setLevel(logging.DEBUG if verbose else logging.INFO)
