"""The state directory: where everything that outlives the process lies, and the lock that gives it one owner."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

from hub.disk.files import StrangeLink, hand_over, hand_over_all, make_directory, strange_links
from hub.errors import ConfigError, Problem, StorageError

DEFAULT = Path("/var/lib/ilot")

_log = logging.getLogger("hub")

_PLAIN = re.compile(r"^[ \t]+state_dir:[ \t]+([\"']?)(/?[\w./@+-]+)\1[ \t]*(?:[ \t]#.*)?$", re.MULTILINE)
_ELSEWHERE = re.compile(r"\bhub[\"']?\s*:\s*!include\b")


def state_of(config: Path, said: Path | None = None) -> Path:
    """The state directory: what was `said`, else systemd's, else what the configuration file says. Raises ConfigError.

    What talks to a running hub must start fast, and the last good configuration must be found when the file is wrong:
    where the text says it plainly, or not at all, it is not parsed. Anything else is; and where that cannot be done
    nobody guesses.
    """
    if said is not None:
        return said
    if "STATE_DIRECTORY" in os.environ:
        return Path(os.environ["STATE_DIRECTORY"].partition(":")[0])
    try:
        text = config.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return DEFAULT
    return named_in(text, config.parent, config.name)


def named_in(text: str, directory: Path, name: str = "config.yaml") -> Path:
    """The state directory that the text of the configuration file `name` in `directory` names. Raises ConfigError."""
    spoken = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    if "state_dir" not in spoken and not _ELSEWHERE.search(spoken):
        return DEFAULT
    plain: list[tuple[str, str]] = _PLAIN.findall(spoken)
    if spoken.count("state_dir") == len(plain) == 1:
        return directory / plain[0][1]
    from hub.config.source import survey

    file = directory / name
    source = survey(file, {name: text.encode()})
    part = source.data.get("hub") if isinstance(source.data, dict) else None
    named = part.get("state_dir") if isinstance(part, dict) else None
    if source.fatal or ("hub",) in source.broken or not (named is None or isinstance(named, str)):
        why = f" ({source.problems[0].message})" if source.problems else ""
        raise ConfigError([
            Problem(f"where the state directory is cannot be told from this file{why}: mend it, or give --state-dir",
                    "hub.state_dir", str(file), source.problems[0].line if source.problems else 0)
        ])  # fmt: skip
    return directory / named if named else DEFAULT


class Held(StorageError):
    """Another process holds the state directory."""


class StateDir:
    """Names of what lies in a hub's state directory. Creating one makes nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys = path / "keys"
        self.trust = path / "trust.bin"
        self.enrolment = path / "enrolment.json"
        self.buffer = path / "buffer"
        self.store = path / "store.db"
        self.config = path / "config"
        self.packs = path / "packs"
        self.raw = path / "raw"
        self.socket = path / "hub.sock"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory for this process. Raises Held when another hub holds it: two writers
        would seal the same numbers twice. Raises StorageError when it cannot be used, or when root would follow a link
        in it that its owner made (`hub.disk.files`). What root made in it meanwhile is its owner's afterwards."""
        try:
            make_directory(self.path)
            # not through a link: root writes here too, in a directory of the hub's user
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(f"the state directory {self.path} cannot be used: {error.strerror}") from error
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                owner = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
                raise Held(
                    f"another hub (process {owner}) runs on {self.path}; stop it, or give this one another --state-dir"
                ) from error
            self._refuse_links()
            with contextlib.suppress(OSError):  # who holds it is only told; a full disk must not stop a start
                hand_over(self.path / "lock")
                if os.fstat(lock).st_nlink == 1:  # nor where it has another name elsewhere
                    os.ftruncate(lock, 0)
                    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
            try:
                yield
            finally:
                self._hand_over()
        finally:
            os.close(lock)

    def _refuse_links(self) -> None:
        """Before root follows one."""
        try:
            link = next(strange_links(self.path), None)
        except OSError as error:
            raise StorageError(f"the state directory {self.path} cannot be used: {error.strerror or error}") from error
        if link is not None:
            raise StorageError(str(StrangeLink(link)))

    def _hand_over(self) -> None:
        try:
            hand_over_all(self.path)
        except OSError as error:
            _log.error("what root made in %s stays root's, the hub's user cannot use it: %s", self.path, error)
