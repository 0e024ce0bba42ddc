"""A PostgreSQL database is destroyed and put back by pgBackRest to a moment, under a fleet that goes on.

The primary has a synchronous standby, and its log is archived. After a full copy the fleet is served for some seconds
more; then the primary's data are gone, and the copy and its log give them back as they were at a moment in between. The
old standby is ahead of that moment: it cannot follow, `ilot backend doctor` says so, and it is made anew. `ilot backend
begin-again` gives the database another identity, so that hubs, which keep what was acknowledged as real ones do for
seven days, send again what it lacks. In the end each reading is there once, and no number of an acknowledgement
repeated. Twin: the database is served as it was put back, and hubs believe what it had acknowledged.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from pathlib import Path

import needs
from broken_database import EVERY_S, HUBS, Broken, over
from district import kit
from fleet_rows import audit_of, sailing, verdict
from pgbackrest_kit import Copies
from rig import Verdict, until

from backend.storage.opening import begin_again
from hub.core.errors import StorageError

STRICT = {"synchronous_standby_names": "standby", "wal_keep_size": "64MB", "archive_mode": "on"}
LACKS_S = 8.0
"""Seconds between the moment and the destruction, of which the copy has nothing: longer than a run of a hub that
restarts."""
SOON_S = 90.0
ALONE_S = 3.0
"""Seconds for which the old standby may try to follow."""


def put_back_to_a_moment(root: Path, runs: int, seed: int) -> Verdict:
    """So many times destroyed, and put back."""
    return _put_back(root, runs, seed, "PostgreSQL put back to a moment", again=True)


def twin_served_as_it_was_put_back(root: Path, runs: int, seed: int) -> Verdict:
    """The same without another identity."""
    return _put_back(root, runs, seed, "twin: served as it was put back", again=False)


def _put_back(root: Path, runs: int, seed: int, fault: str, *, again: bool) -> Verdict:
    needs.tool("pgbackrest", "pgbackrest", goal="faults")
    if not kit.available():
        raise needs.Missing(kit.MISSING)
    with kit.pair(archive_mode="on") as (first, second), kit.folder() as where:
        copies = Copies(where, first)
        first.run(f"alter system set archive_command = '{copies.archive_command}'", "select pg_reload_conf()")
        url = first.url(first.create("town"))
        with over(url, root, seed) as broken:
            copies.do("stanza-create")
            with sailing(broken.rig, hubs=HUBS, every=EVERY_S, seed=seed, keeps=True) as finish:
                for _ in range(runs):
                    _destroyed(broken, first, copies)
                    _standby_made_anew(broken, first, second)
                    if again:
                        _begun_again(url)
                    broken.again()
                told = finish()
            if again and told["databases"] != HUBS * (runs + 1):
                raise RuntimeError(f"{HUBS} hubs saw {told['databases']} databases, not {runs + 1} each")
            audit = asyncio.run(audit_of(broken.rig))
            print(told, dict(audit.counts), *audit.findings[:3], sep="\n", file=sys.stderr, flush=True)
            return verdict(fault, runs, told, audit)


def _destroyed(broken: Broken, first: kit.Cluster, copies: Copies) -> None:
    """Copy the primary, let it take more, destroy it, and put it back to a moment in between."""
    before = broken.stored()
    until(lambda: broken.stored() > before >= 0, SOON_S, lambda: f"nothing is stored: {broken.rig.logs()}")
    copies.do("backup", "--type=full")
    time.sleep(broken.rng.uniform(1.5, 4.0))  # a copy is chosen by whole seconds
    ((moment,),) = first.run("select clock_timestamp()::text")
    time.sleep(LACKS_S)
    ((last,),) = first.run("select pg_walfile_name(pg_switch_wal())")
    reached = "select coalesce(last_archived_wal, '') from pg_stat_archiver"
    until(lambda: first.run(reached)[0][0] >= last, SOON_S, lambda: f"{last} does not reach the copies")
    broken.rig.kill(broken.rig.backend)
    first.end()
    copies.put_back("--type=time", f"--target={moment}", "--target-action=promote")
    first.start(**STRICT)
    recovers = "select pg_is_in_recovery()"
    until(lambda: first.run(recovers) == [(False,)], SOON_S, lambda: f"{moment} is not reached: {said(first)}")
    copies.forget_recovery()


def _standby_made_anew(broken: Broken, first: kit.Cluster, second: kit.Cluster) -> None:
    """See that the old standby does not follow and that the doctor says so; make it anew, and see that it says that."""
    time.sleep(ALONE_S)
    until(lambda: broken.finding("standby") == "wrong", SOON_S, lambda: f"the doctor sees no end: {said(second)}")
    second.end()
    shutil.rmtree(second.data)
    second.copy_of(first)
    second.start()
    until(lambda: broken.finding("standby") == "ok", SOON_S, lambda: f"the new standby is not seen: {said(second)}")


def _begun_again(url: str) -> None:
    """Begin again, once the doctor's session has ended."""

    def begun() -> bool:
        try:
            begin_again(url)
        except StorageError as error:
            refused.append(str(error))
            return False
        return True

    refused: list[str] = []
    until(begun, SOON_S, lambda: f"it does not begin again: {refused[-1]}")


def said(server: kit.Cluster) -> str:
    return server.log.read_text(errors="replace")[-2000:]
