"""The default path of a configuration, and the state directory that one names, found without parsing the file where its
text is plain."""

from __future__ import annotations

import os
import re
from pathlib import Path

from hub.core.errors import ConfigError, Problem
from hub.core.text import phrase

DEFAULT = Path("/var/lib/ilot")

_PLAIN = re.compile(r"^[ \t]+state_dir:[ \t]+([\"']?)(/?[\w./@+-]+)\1[ \t]*(?:[ \t]#.*)?$", re.MULTILINE)
_ELSEWHERE = re.compile(r"\bhub[\"']?\s*:\s*!include\b")


def default_config() -> str:
    """Return the default path of the configuration."""
    return "config.yaml" if os.path.exists("config.yaml") else "/etc/ilot/config.yaml"


def state_of(config: Path, said: Path | None = None) -> Path:
    """Return the state directory: `said`, else systemd's, else that of the configuration file. Raises ConfigError.

    Clients of a running hub must start fast, and the last good configuration must be found when the file is wrong:
    where the text sets it plainly, or not at all, it is not parsed. Anything else is; and where that fails there is no
    guess.
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
    """Return the state directory in the text of the configuration file `name` in `directory`. Raises ConfigError."""
    spoken = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    if "state_dir" not in spoken and not _ELSEWHERE.search(spoken):
        return DEFAULT
    plain: list[tuple[str, str]] = _PLAIN.findall(spoken)
    if spoken.count("state_dir") == len(plain) == 1:
        return directory / plain[0][1]
    from hub.config.source import read_all

    file = directory / name
    source = read_all(file, {name: text.encode()})
    part = source.data.get("hub") if isinstance(source.data, dict) else None
    named = part.get("state_dir") if isinstance(part, dict) else None
    if source.fatal or ("hub",) in source.broken or not (named is None or isinstance(named, str)):
        if not source.problems:
            message = phrase(
                "state-directory-unknown",
                "where the state directory is cannot be told from this file: mend it, or give --state-dir",
            )
            raise ConfigError([Problem(message, "hub.state_dir", str(file))])
        first = source.problems[0]
        message = phrase(
            "state-directory-unknown-because",
            "where the state directory is cannot be told from this file ({reason}): mend it, or give --state-dir",
            reason=first.message,
        )
        raise ConfigError([Problem(message, "hub.state_dir", str(file), first.line)])
    return directory / named if named else DEFAULT
