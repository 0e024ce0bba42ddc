"""The plan on disk: one file, written at once. A systemd path unit starts the forwarder anew when it changes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TypeGuard

from hub.core.errors import ConfigError, HubError
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of

FOLDER = Path("/var/lib/ilot-radio")
PLAN = FOLDER / "radio.json"
RUNTIME = Path("/run/ilot-radio")
LOG = RUNTIME / "station.log"
FORWARDERS = Path("/usr/lib/ilot-radio")
MOST = 64 * 1024
NAMES = frozenset({"station.conf", "tc.uri", "tc.trust", "tc.key"})


def read(path: Path = PLAN) -> dict[str, Any] | None:
    """Return the plan, None where there is none. Raises ConfigError when it is not one."""
    try:
        with path.open("rb") as file:
            raw = file.read(MOST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(
            phrase("radio-plan-unreadable", "{file}: {reason}", file=path, reason=reason_of(error))
        ) from error
    try:
        said = json.loads(shallow_json(raw.decode())) if len(raw) <= MOST else None
    except (ValueError, RecursionError):
        said = None
    if not _is_plan(said):
        raise ConfigError(
            phrase(
                "radio-plan-malformed",
                "{file} is no plan of a concentrator: `ilot radio setup` writes it anew",
                file=path,
            )
        )
    return dict(said)


def _is_plan(said: Any) -> TypeGuard[dict[str, Any]]:
    if not isinstance(said, dict) or said.get("version") != 1 or said.get("family") not in ("sx1301", "sx1302"):
        return False
    files, lines, device = said.get("files"), said.get("lines"), said.get("device")
    return (
        isinstance(files, dict)
        and {"station.conf", "tc.uri"} <= set(files) <= NAMES
        and all(isinstance(text, str) for text in files.values())
        and board_of(files["station.conf"]) is not None
        and isinstance(lines, dict)
        and set(lines) <= {"reset", "power", "sx1261_reset"}
        and all(type(pin) is int and 0 <= pin < 64 for pin in lines.values())
        and isinstance(device, str)
        and device.startswith("/dev/")
        and all(isinstance(said.get(name), str) for name in ("model", "eui"))
    )


def board_of(text: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the content of a `station.conf` and its part about the board; None where it is no such file."""
    try:
        conf = json.loads(shallow_json(text))
    except (ValueError, RecursionError):
        return None
    parts = (
        [part for key, part in conf.items() if key in ("SX1301_conf", "SX1302_conf")] if isinstance(conf, dict) else []
    )
    if len(parts) != 1 or not isinstance(parts[0], dict) or not isinstance(parts[0].get("device"), str):
        return None
    return conf, parts[0]


def write(document: dict[str, Any], path: Path = PLAN) -> None:
    """Write the plan. Raises HubError with the remedy."""
    made = dict(document["files"])
    if trust := made.get("tc.trust"):
        try:
            made["tc.trust"] = Path(trust).read_text()
        except (OSError, UnicodeError) as error:
            raise HubError(
                phrase("radio-certificate-unreadable", "{file}: {reason}", file=trust, reason=reason_of(error))
            ) from error
    new = path.with_suffix(".new")
    try:
        new.unlink(missing_ok=True)
        # readable by the group of the folder, which is the forwarder's: it holds the token
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "w") as file:
            os.fchmod(file.fileno(), 0o640)
            if os.geteuid() == 0:  # root writes for the hub, which reads it
                folder = path.parent.stat()
                os.fchown(file.fileno(), folder.st_uid, folder.st_gid)
            file.write(json.dumps({**document, "files": made}, indent=1))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise HubError(
            phrase(
                "radio-plan-not-written",
                "{file} cannot be written: {reason}; `systemd-tmpfiles --create` makes its folder, which belongs to "
                "ilot",
                file=path,
                reason=reason_of(error),
            )
        ) from error
