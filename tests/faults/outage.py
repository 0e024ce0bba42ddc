"""A week without the backend at 500 readings a minute, then it is back: what is new arrives at once, the rest follows.

The week is told, not waited for: the generator gives its reports the times of a week and emits them as fast as they are
taken, then goes on at 500 a minute. `runs` is thousandths of a week.
"""

from __future__ import annotations

import time
from pathlib import Path

from rig import BASE, Rig, Verdict, newest, until

PER_MINUTE = 500
WEEK_S = 7 * 86_400
PER_REPORT = 2
CURRENT_S, BEHIND_S = 5.0, 10.0
FASTER = 20.0


def outage(root: Path, runs: int, seed: int) -> Verdict:
    """Raises RuntimeError when the hub is not current 5 s after the first answer, when anything newer comes later than
    10 s while the backlog drains, or when that takes more than a twentieth of the outage. The short run shares its
    machine with other tests: what comes later than that may do so if it came before half of the week."""
    away_s = WEEK_S * runs / 1000
    reports = round(away_s * PER_MINUTE / 60 / PER_REPORT)
    rig = Rig(root)
    try:
        rig.kill(rig.backend)
        rig.start_hub(PER_MINUTE / 60 / PER_REPORT, options=["--burst", str(reports), "--per-durable", "1000"])
        until(lambda: _durable(rig) >= reports, 60.0 + runs * 3, lambda: f"the week does not pass: {rig.logs()}")
        waiting = rig.status()["buffer"]["readings"]
        assert waiting >= reports * PER_REPORT, f"only {waiting} readings wait"
        tried, current, worst, drained = _return(rig, 120.0 + runs * 3)
        rig.stop(rig.hub)
        rig.settle()
        speed, behind = away_s / drained, _behind_the_new(rig, reports) / reports
        verdict = rig.verdict(
            f"{away_s / 86_400:.2f} days away, {waiting} readings waited: tried again after {tried:.1f} s, current "
            f"{current:.1f} s later, at most {worst:.1f} s behind while the rest followed, {behind:.0%} of the week "
            f"behind something new, all in {drained:.1f} s: {speed:.0f} times as fast",
            runs,
        )
        timely = current <= CURRENT_S and worst <= BEHIND_S
        if not timely and (runs >= 1000 or behind < 0.5):
            raise RuntimeError(f"what is new waits for what is old: {verdict}")
        if speed < FASTER:
            raise RuntimeError(f"too slow: {verdict}")
        return verdict
    finally:
        rig.close()


def _return(rig: Rig, timeout: float) -> tuple[float, float, float, float]:
    """Seconds until the hub tried again (its pauses grow to a minute) and had its first answer; from then on, until
    what was newest had arrived; the most that anything newer came late, while the backlog drained; from the return
    until that was done."""
    rig.start_backend()
    back = time.monotonic()
    until(lambda: _newest(rig) > 0, 90.0, lambda: f"it does not come back: {rig.logs()}")
    began = time.monotonic()
    goal = _durable(rig)
    seen = [(began, goal)]  # when each number was first seen to be durable
    current, worst, asked = 0.0, 0.0, began
    while True:
        now = time.monotonic()
        if now - began > timeout:
            raise RuntimeError(f"the backlog does not drain: {rig.logs()}")
        durable, stored = _durable(rig), _newest(rig)
        if durable > seen[-1][1]:
            seen.append((now, durable))
        if stored >= goal:
            current = current or now - began
            worst = max(worst, max((now - at for at, number in seen if number > stored), default=0.0))
        if now - asked >= 0.5:
            asked = now
            if current and rig.status()["buffer"]["readings"] <= 40:
                return began - back, current, worst, now - back
        time.sleep(0.1)


def _durable(rig: Rig) -> int:
    """The last number that was acknowledged as durable, from the journal's end."""
    if not rig.journal.exists():
        return 0
    with rig.journal.open("rb") as file:
        file.seek(max(0, rig.journal.stat().st_size - (1 << 17)))
        lines = file.read().split(b"\n")[1:-1]
    return max((int(line.split()[1]) for line in lines if line.startswith(b"durable ")), default=0)


def _behind_the_new(rig: Rig, reports: int) -> int:
    """How many of the week's reports the backend had only after one that was said since the week was over."""
    series = "SELECT id FROM series WHERE metric = 'uptime' AND place = 'generator'"
    (first,) = rig.sql(f"SELECT min(origin) FROM readings WHERE series = ({series}) AND value > {reports}")[0]
    later = f"SELECT count(*) FROM readings WHERE series = ({series}) AND value <= {reports} AND origin > {first}"
    return int(rig.sql(later)[0][0])


def _newest(rig: Rig) -> int:
    found = newest(rig.backend_dir / "backend.db", "generator", "uptime")
    return rig.number("uptime", found or 1000 * BASE, 0.0)
