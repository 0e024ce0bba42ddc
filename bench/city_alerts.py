"""Dispatch of alerts: from an alert's arrival to the e-mail, and incidents. `python bench/city_alerts.py`

    mail      alerts that arrive one by one in the backend's database, while the dispatcher runs as it does in the API
              process: seconds from the commit of ingest until the mail server has accepted the e-mail (p50, p95, max).
              The gate is p95 <= 5 s
    one       300 sites with one cause, all their alerts within 3 and 30 seconds: incidents, and messages to each of
              three services. The gate is 1 and 1; alerts that come one every two seconds are shown beside
    year      independent alerts of 300 sites and 20 families for a year, at several rates: incidents of the correlation
              that runs (gate: 25 at any of them), those that a plain rule of three sites in an hour would
              open, and the bound that chance alone gives for each
    kills     a process that dispatches, killed again and again while alerts arrive: alerts of which no e-mail came
              (gate: 0), and e-mails that came twice under one Message-ID

A part by its name alone: `python bench/city_alerts.py year`. SQLite; `--url postgresql://…` for PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from measure import figure

sys.path.remove(str(Path(__file__).parent))  # aiosmtpd needs a module that is called as one here
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "backend"))
from dispatch_kit import Mailbox, arrive, change, mail_server

from backend.city.city import City
from backend.city.dispatch import plan_file, plan_table
from backend.city.dispatch.dispatcher import Dispatcher
from backend.city.dispatch.lifecycle import Lifecycle
from backend.city.incidents import rules
from backend.city.store import CityStore
from backend.owner import directory as owners
from backend.queries.views import Views
from backend.storage.city import dispatch as table
from backend.storage.city import incidents as incident_table
from backend.storage.city.database import open_city
from backend.storage.opening import open_queries, open_storage
from backend.storage.shared import SharedStorage

SITES, FAMILIES = 300, 20
SERVICES = ("waste", "heat", "night")
PLAN = """
services: {waste: {name: W}, heat: {name: H}, night: {name: N}}
people:
  w: {name: W, service: waste, email: w@ville.example}
  h: {name: H, service: heat, email: h@ville.example}
  n: {name: N, service: night, email: n@ville.example}
rota: [{service: waste, people: [w]}, {service: heat, people: [h]}, {service: night, people: [n]}]
routes:
  - {id: w, rules: ["f-0*"], sectors: [], service: waste, chain: [{by: email}]}
  - {id: h, rules: ["f-1*"], service: heat, chain: [{by: email}]}
  - {id: rest, service: night, chain: [{by: email}]}
families: {power: ["*-power"]}
"""


@asynccontextmanager
async def city(directory: Path, url: str = "") -> AsyncIterator[City]:
    """A city over an owner's directory."""
    if not await asyncio.to_thread(directory.exists):
        owners.init(directory, owner="bench")
    owner = owners.load(directory)
    address: Path | str = url or owner.database
    open_storage(address).close()
    queries, storage = open_queries(address), SharedStorage(address)
    made = City(directory, owner, address, CityStore(open_city(directory, address)), queries, Views(queries), storage,
                time.time, "https://ville.example")  # fmt: skip
    try:
        plan = plan_file.read_yaml(PLAN)
        if (await made.store.read(plan_table.current))[0] == 0:
            await made.store.write(lambda t: plan_table.store(t, plan, "bench", time.time()))
        yield made
    finally:
        await made.store.close()
        await storage.close()


def settings(directory: Path, box: Mailbox) -> None:
    """Let a directory's dispatcher send to a mail server."""
    directory.mkdir(exist_ok=True)
    (directory / "channels.yaml").write_text(
        f"email: {{host: 127.0.0.1, port: {box.port}, security: none, sender: ilot@ville.example}}\n"
    )


def said(part: str, note: str, **values: float) -> None:
    """Print figures of a part, one a line; `_s` at the end of a name is its unit."""
    for name, value in values.items():
        figure(f"city_alerts_{part}_{name}", float(value), "s" if name.endswith("_s") else "", note)


async def mail(root: Path, url: str, count: int) -> None:
    async with mail_server() as box, city(root / "mail", url) as town:
        settings(root / "mail", box)
        running = asyncio.create_task(Dispatcher(town).run())
        draw, sent = random.Random(1), dict[str, float]()
        accepted: dict[str, float] = {}
        try:
            for n in range(count):
                name = f"m{n:04d}"
                await asyncio.sleep(draw.expovariate(4.0))
                now = time.time()
                await arrive(town, change(name, hub=f"h{n}", site=f"s{n}", rule=f"f-{n:04d}", at=now))
                sent[name] = time.monotonic()
                _noted(box, accepted)
            end = time.monotonic() + 60
            while len(accepted) < count and time.monotonic() < end:
                await asyncio.sleep(0.02)
                _noted(box, accepted)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    took = sorted(accepted[name] - at for name, at in sent.items() if name in accepted)
    said("mail", f"{count} alerts", lost=count - len(took), p50_s=round(took[len(took) // 2], 2),
           p95_s=round(took[int(len(took) * 0.95)], 2), max_s=round(took[-1], 2))  # fmt: skip


def _noted(box: Mailbox, accepted: dict[str, float]) -> None:
    """Note e-mails that came since the last look: at most 20 ms late, or one pause of the loop above."""
    for letter in box.letters[len(accepted) :]:
        accepted.setdefault(str(letter["X-Ilot-Alert"]), time.monotonic())


async def one(root: Path, url: str, seconds: float) -> None:
    """All sites within so many seconds; a third of the alerts for each of three services."""
    async with mail_server() as box, city(root / f"one-{seconds:g}", url) as town:
        settings(root / f"one-{seconds:g}", box)
        running = asyncio.create_task(Dispatcher(town).run())
        try:
            kinds = ("f-0-power", "f-1-power", "g-power")
            for n in range(SITES):
                await arrive(town, change(f"o{n}", hub=f"h{n}", site=f"s{n}", rule=kinds[n % 3], at=time.time()))
                await asyncio.sleep(seconds / SITES)
            await asyncio.sleep(8)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        opened = await town.store.read(incident_table.standing)
        children = [len(await town.store.read(lambda r, number=i.id: table.children(r, number))) for i in opened]
    told = Counter(str(letter["To"]) for letter in box.letters if str(letter["X-Ilot-Alert"]).startswith("incident:"))
    alone = sum(not str(letter["X-Ilot-Alert"]).startswith("incident:") for letter in box.letters)
    said(f"one_{seconds:g}s", f"{SITES} sites within {seconds:g} s", incidents=len(opened), alerts_in_it=sum(children),
         most_messages_a_service=max(told.values(), default=0), services=len(told), told_before_it=alone)  # fmt: skip


async def year(root: Path, per_week: float, days: int) -> None:
    """Independent alerts, by a clock that jumps from one to the next; the first 28 days set the rates."""
    name = f"year-{per_week:g}"
    draw, now = random.Random(5), 1_800_000_000.0
    rate_s = SITES * per_week / (7 * 86_400)
    plain, windows = 0, {f: list[tuple[float, str]]() for f in range(FAMILIES)}
    async with city(root / name) as town:
        plan = plan_file.read_yaml(PLAN)
        begin, end = now + rules.BASE_S, now + rules.BASE_S + days * 86_400
        before, count, raised = 0, 0, list[tuple[float, str, str]]()
        while now < end:
            batch = []
            for _ in range(200):  # one transaction for many alerts, each at its own moment
                now += draw.expovariate(rate_s)
                batch.append((now, draw.randrange(FAMILIES), draw.randrange(SITES)))

            def work(t: object, batch: list[tuple[float, int, int]] = batch) -> None:
                nonlocal count
                for at, family, site in batch:
                    life = Lifecycle(t, 1, plan, [], at, hold_s=0.0)  # type: ignore[arg-type]
                    while raised and raised[0][0] < at - 4 * 3600:  # each ends four hours after its beginning
                        _, hub, alert = raised.pop(0)
                        life.take([change(alert, n=2, state="cleared", hub=hub, at=at)])
                    alert = f"y{count}"
                    count += 1
                    life.take([change(alert, hub=f"h{site}", site=f"s{site}", rule=f"g-{family}", at=at)])
                    raised.append((at, f"h{site}", alert))

            await town.store.write(work)
            for at, family, site in batch:
                recent = [x for x in windows[family] if at - x[0] <= 3600.0]
                recent.append((at, f"s{site}"))
                if at >= begin and len({s for _, s in recent}) >= rules.LEAST_SITES:
                    plain, recent = plain + 1, []
                windows[family] = recent
            if not before and now >= begin:
                before = len(await town.store.read(lambda r: incident_table.listed(r, 100_000)))
        found = len(await town.store.read(lambda r: incident_table.listed(r, 100_000))) - before
    rate_h = rate_s * 3600 / FAMILIES
    least = rules.least_sites(rate_h, rules.WINDOW_S)
    note = f"{per_week:g} alerts a site and week, {days} days, {count} alerts"
    said(f"year_{per_week:g}_a_week", note, incidents=found, sites_needed=least,
         chance_bound=round(FAMILIES * rules.chance_a_year(rate_h, 3600.0, least) * days / 365.25, 1),
           plain_three_sites=plain,
           chance_of_three=round(FAMILIES * rules.chance_a_year(rate_h, 3600.0, 3) * days / 365.25, 1))  # fmt: skip


async def kills(root: Path, url: str, count: int, times: int) -> None:
    directory = root / "kills"
    async with mail_server() as box, city(directory, url) as town:
        settings(directory, box)
        draw, process = random.Random(3), _life(directory, url)
        for n in range(count):
            await arrive(town, change(f"k{n}", hub=f"h{n}", site=f"s{n}", rule=f"f-{n:04d}", at=time.time()))
            await asyncio.sleep(0.05)
            if n % max(1, count // times) == 0:
                await asyncio.sleep(draw.uniform(0.5, 3.0))
                process.send_signal(signal.SIGKILL)
                await asyncio.to_thread(process.wait)
                process = _life(directory, url)
        end = time.monotonic() + 240
        while len({str(m["X-Ilot-Alert"]) for m in box.letters}) < count and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.wait)
    told = Counter(str(m["Message-ID"]) for m in box.letters)
    alerts = {str(m["X-Ilot-Alert"]) for m in box.letters}
    said("kills", f"{count} alerts, {times} kills", lost=count - len(alerts), message_ids=len(told),
         repeated_under_one_id=sum(n - 1 for n in told.values()))  # fmt: skip


def _life(directory: Path, url: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "LEASE": "5"}
    return subprocess.Popen([sys.executable, __file__, "--dispatch", str(directory), "--url", url], env=environment)


async def dispatching(directory: Path, url: str) -> None:
    """One life of a process that dispatches, for `kills`; its leases are short, so that the run is."""
    from backend.city.dispatch import dispatcher

    dispatcher.LEASE_S = float(os.environ.get("LEASE", "180"))
    async with city(directory, url) as town:
        await Dispatcher(town).run()


async def main() -> None:
    reading = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reading.add_argument("part", nargs="*", help="mail, one, year, kills")
    reading.add_argument("--url", default="")
    reading.add_argument("--days", type=int, default=365)
    reading.add_argument("--count", type=int, default=200)
    reading.add_argument("--dispatch", default="")
    given = reading.parse_args()
    if given.dispatch:
        await dispatching(Path(given.dispatch), given.url)
        return
    parts = given.part or ["mail", "one", "year", "kills"]
    with tempfile.TemporaryDirectory() as root:
        if "mail" in parts:
            await mail(Path(root), given.url, given.count)
        if "one" in parts:
            for seconds in (3.0, 30.0, 600.0):
                await one(Path(root), given.url, seconds)
        if "year" in parts:
            for per_week in (0.25, 1.0, 4.0):
                await year(Path(root), per_week, given.days)
        if "kills" in parts:
            await kills(Path(root), given.url, given.count, 20)


if __name__ == "__main__":
    asyncio.run(main())
