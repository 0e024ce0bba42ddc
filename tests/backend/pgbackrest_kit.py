"""Copies of a private PostgreSQL server by pgBackRest, with the settings of `deploy/district`."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from string import Template

import postgres_kit as kit

SETTINGS = Path(__file__).parents[2] / "deploy" / "district" / "machine" / "pgbackrest.conf"
MISSING = "pgbackrest is missing: apt-get install pgbackrest (tools/setup.sh test does it)"
STANZA = "trial"
MOST_S = 600.0
"""Longest time that one command may take."""
RECOVERY = ("restore_command", "recovery_target_time", "recovery_target_action")
"""Settings that a restoration leaves: a standby made of this server would stop at the same moment, and promote."""


class Copies:
    """Copies of a server, and its log, below a folder. `options` of pgBackRest replace those of `deploy/district`, or
    stand beside them."""

    def __init__(self, where: Path, server: kit.Cluster, options: Mapping[str, str] | None = None) -> None:
        self._server, conf = server, where / "pgbackrest.conf"
        self.repository = where / "repository"
        for name in ("repository", "var", "var/log", "var/log/pgbackrest", "var/spool", "var/spool/pgbackrest", "run",
                     "run/postgresql"):  # fmt: skip
            (where / name).mkdir(exist_ok=True)
            kit.give(where / name)
        common, _, _ = (
            Template(SETTINGS.read_text())
            .substitute(root=where, repository="/repository", repository_more="", backup_password="x", scope=STANZA)
            .partition(f"[{STANZA}]")
        )
        told = dict(line.split("=", 1) for line in common.splitlines() if "=" in line and not line.startswith("#"))
        told |= {"log-level-console": "error", **(options or {})}
        lines = [f"{name}={value}" for name, value in told.items() if value]
        place = f"pg1-path={server.data}\npg1-socket-path={server.where}\npg1-port={server.port}\npg1-user=ilot\n"
        conf.write_text("\n".join(["[global]", *lines, f"[{STANZA}]", place]))
        kit.give(conf)
        self._command = ["pgbackrest", f"--config={conf}", f"--stanza={STANZA}"]
        self._env = {**os.environ, "PGPASSWORD": kit.PASSWORD, "HOME": str(where)}
        self.archive_command = " ".join([*self._command, "archive-push", "%p"])

    def do(self, *words: str) -> float:
        """Run a command of pgBackRest; return the seconds that it took. Raises RuntimeError with what it says."""
        began = time.monotonic()
        try:
            done = subprocess.run(
                [*self._command, *words], check=False, capture_output=True, text=True, cwd="/", env=self._env,
                timeout=MOST_S, **kit.as_who(),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"pgbackrest {words[0]} has not ended for {MOST_S:.0f} s") from None
        if done.returncode:
            raise RuntimeError(f"pgbackrest {words[0]}: {(done.stdout + done.stderr)[-2000:]}")
        return time.monotonic() - began

    def put_back(self, *words: str) -> float:
        """Restore where the data were, which are gone; return the seconds that it took. The server is not started."""
        shutil.rmtree(self._server.data, ignore_errors=True)
        self._server.data.mkdir(mode=0o700)
        kit.give(self._server.data)
        return self.do("restore", *words)

    def forget_recovery(self) -> None:
        """Remove what the restoration set, once the server is promoted, as Patroni does."""
        self._server.run(*(f"alter system reset {name}" for name in RECOVERY), "select pg_reload_conf()")
