"""Raw values of people, looked for in every file of the machine, opened with every key there is; and a consent, from
the form to the backend's word that all is erased.

The sealed buffer is opened with the owner's recovery key, the stores with their own: what is not in there was never
written. The twin is the same hub with its rules broken; the same search finds every raw value in it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from backend.owner import directory as owners
from backend.queries.views import Views
from backend.storage.opening import open_queries
from hub.identity import keys
from hub.rpc.control_socket import call

from .ending import end_all
from .patience import PATIENCE_S

PEOPLE = Path(__file__).with_name("people.py")

TAG, TAG_PLACE = "people:kestrel-7719", "cradle-5521"
LINKY = "linky:041876097549"
FLAT, FLAT_PLACE, FLAT_ZONE = "people:rook-1204", "bedroom-8813", "flat-3307"
DROPPED, COARSE, COUNTED, TAGGED, CLIMATE = 73619.284517, 51734.912843, 730528164937, 61528.739462, 23.715
"""With so many digits that no time and no number of another kind has them by chance."""
MEANS = (812.271931, 934.618274, 776.195382, 1093.427163, 685.934725)
VAN = (48.8566123, 2.3522987)

SAYS = {
    "people:plain": {"plain_number": 12.5}, "people:drop": {"dropped_number": DROPPED, "plain_number": 13.5},
    "people:coarse": {"coarse_number": COARSE}, "people:door": {"counted_number": COUNTED},
    TAG: {"tag_number": TAGGED}, "people:van": {"battery": 80}, FLAT: {"temperature": CLIMATE}, LINKY: {"energy": 5.0},
    **{f"people:co2-{n}": {"mean_number": mean} for n, mean in enumerate(MEANS)},
}  # fmt: skip
PLACES = {TAG: TAG_PLACE, FLAT: FLAT_PLACE}

CONFIG = {
    "sites": {"s": {}},
    "zones": {"z": {"site": "s"}, FLAT_ZONE: {"site": "s", "use": "logement"}},
    "places": {
        PLACES.get(device, f"place-{n}"): {"zone": FLAT_ZONE if device == FLAT else "z"}
        for n, device in enumerate(SAYS)
    },
    "devices": {
        device: {"integration": "people", "place": PLACES.get(device, f"place-{n}")} for n, device in enumerate(SAYS)
    },
    "integrations": {"people": {"says": SAYS, "positions": {"people:van": list(VAN)}}},
    "privacy": {"rules": {
        "no": {"plugin_metrics": ["dropped_number"], "drop": True},
        "soft": {"plugin_metrics": ["coarse_number"], "coarsen": {"step": 1000}},
        "air": {"plugin_metrics": ["mean_number"], "purpose": "air", "aggregate": {"least": 5}},
        "door": {"plugin_metrics": ["counted_number"], "purpose": "hours", "count": {"of": "max"}},
        "tags": {"plugin_metrics": ["tag_number"], "purpose": "use", "pseudonymise": {"rotate": "1h"}},
        "vans": {"metrics": ["position"], "purpose": "rounds", "coarsen": {"grid": 200}},
        "flat": {"zones": [FLAT_ZONE], "metrics": ["temperature"], "purpose": "healthy", "consent": "climate"},
    }},
    "buffer": {"window": "200ms"},
}  # fmt: skip

RAW = {
    "drop": [DROPPED], "coarsen value": [COARSE], "aggregate": [*MEANS], "count": [COUNTED],
    "coarsen position": [*VAN],
}  # fmt: skip
"""What each kind of rule lets into no file at all."""
IDS = {
    "pseudonymise": [TAG, TAG_PLACE], "consent": [FLAT, FLAT_PLACE, FLAT_ZONE], "linky id": [LINKY.partition(":")[2]],
}  # fmt: skip
"""What lets no id leave; the hub's own encrypted store knows its devices."""


class Home:
    """A hub's machine, and the owner's backend."""

    def __init__(self, root: Path, twin: str) -> None:
        self.machine, self.owner = root / "machine", root / "owner"
        self.machine.mkdir()
        self.processes: list[subprocess.Popen[bytes]] = []
        self.env = {**os.environ, "PEOPLE_TWIN": twin, "PYTHONDONTWRITEBYTECODE": "1"}
        self.state = self.machine / "state"
        try:
            self.begin()
        except BaseException:
            end_all(self.processes)
            raise

    def begin(self) -> None:
        self.ilot("backend", "init", str(self.owner))
        self.backend, facts = self.start("backend", "run", str(self.owner), "--port", "0")
        link = {"uplinks": {"https": {"url": facts["url"].rstrip("/")}}}
        self.config = self.machine / "config.yaml"
        sections = {**CONFIG, "link": link}
        plain = "hub: {state_dir: state, site: s}\n"
        self.config.write_text(
            plain + "".join(f"{name}: {json.dumps(section)}\n" for name, section in sections.items())
        )
        token = self.ilot("backend", "token", str(self.owner), "--url", facts["url"])["token"]
        self.ilot("enroll", "--token-file", "-", "--config", str(self.config), stdin=token)
        self.hub, _ = self.start("run", "--config", str(self.config), "--drain", "5")
        self.views = Views(open_queries(owners.load(self.owner).database))

    def ilot(self, *arguments: str, stdin: str = "") -> Any:
        with (self.machine / "log").open("ab") as log:
            done = subprocess.run(
                [sys.executable, str(PEOPLE), *arguments, "--json"],
                input=stdin.encode(),
                stdout=subprocess.PIPE,
                stderr=log,
                env=self.env,
                cwd=self.machine,
                timeout=PATIENCE_S,
                check=False,
            )
        assert done.returncode == 0, (arguments, (self.machine / "log").read_text())
        return json.loads(done.stdout)

    def privacy(self, *arguments: str) -> Any:
        return self.ilot("privacy", *arguments, "--config", str(self.config))

    def start(self, *arguments: str) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
        with (self.machine / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, str(PEOPLE), *arguments, "--json"],
                stdout=subprocess.PIPE,
                stderr=log,
                env=self.env,
                cwd=self.machine,
            )
        self.processes.append(process)
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], PATIENCE_S)[0], (self.machine / "log").read_text()
        return process, json.loads(process.stdout.readline())

    def ask(self, name: str, **arguments: Any) -> Any:
        return call(self.state / "hub.sock", name, **arguments)

    def until(self, what: str, true: Callable[[], Any]) -> Any:
        end = time.monotonic() + PATIENCE_S
        while not (found := true()):
            assert time.monotonic() < end, (what, (self.machine / "log").read_text())
            time.sleep(0.1)
        return found

    def series(self) -> list[dict[str, Any]]:
        return self.views.series()

    def stop(self) -> None:
        for process in (self.hub, self.backend):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=PATIENCE_S)

    # what lies on the disk, opened

    def sealed(self) -> bytes:
        """Every record of the sealed buffer: what left or will leave."""
        found = b""
        for segment in sorted((self.state / "buffer").rglob("*.seg")):
            done = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "hub",
                    "backend",
                    "open",
                    str(segment),
                    "--json",
                    "--key-file",
                    str(self.owner / "recovery.key"),
                ],
                capture_output=True,
                timeout=PATIENCE_S,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            found += done.stdout
        return found

    def beside(self) -> bytes:
        """Every page of the stores, in clear, and every other file but the operator's own."""
        key = keys.load(self.state / "keys").store_key
        stores = b"".join(in_clear(self.state / name, key) for name in ("store.db", "rollups.db"))
        return stores + b"".join(
            path.name.encode() + path.read_bytes()
            for path in self.machine.rglob("*")
            if path.is_file() and path.name != "config.yaml"
        )


def in_clear(file: Path, key: bytes) -> bytes:
    """The pages of a store without their encryption, in a copy."""
    copy = file.with_name("copy-of-" + file.name)
    copy.write_bytes(file.read_bytes())
    try:
        db = apsw.Connection(str(copy))
        db.execute("PRAGMA cipher = 'chacha20'")
        db.execute(f"PRAGMA key = 'raw:{key.hex()}'")
        db.execute("PRAGMA journal_mode = delete")
        db.execute("PRAGMA rekey = ''")
        db.close()
        return copy.read_bytes()
    finally:
        copy.unlink()


def forms(raw: float | str) -> list[bytes]:
    """A raw value as it may lie in bytes."""
    if isinstance(raw, str):
        return [raw.encode()]
    scaled = [round(raw * 10**places) for places in (0, 6, 7)]
    packed = [struct.pack(form, number) for number in scaled if number > 2**24 for form in ("<q", ">q")]
    return [str(raw).encode(), struct.pack("<d", raw), struct.pack(">d", raw), *packed]


def leaked(data: bytes, wanted: Mapping[str, list[Any]] = RAW) -> set[str]:
    """The kinds of rules of which a raw value was found."""
    return {kind for kind, raws in wanted.items() for raw in raws for form in forms(raw) if form in data}


@contextmanager
def home(root: Path, twin: str = "") -> Iterator[Home]:
    made = Home(root, twin)
    try:
        yield made
        made.stop()
    finally:
        end_all(made.processes)


@pytest.mark.real("clock, processes")
def test_no_raw_value_is_in_any_file_a_consent_opens_the_way_and_its_withdrawal_ends_with_the_backends_word(
    tmp_path: Path,
) -> None:
    with home(tmp_path) as made:
        made.until("two windows", lambda: made.ask("status")["privacy"]["figures"] >= 6)
        came = {"mean_number_mean", "latitude", "counted_number_count", "coarse_number"}
        made.until("at the backend", lambda: came <= {s["metric"] for s in made.series()})
        told = {one["metric"]: one for one in made.series()}
        assert told["mean_number_mean"]["devices"] == ["zone:z"]
        assert "temperature" not in told
        assert told["latitude"]["devices"] == ["positions:z"]
        assert made.views.latest(told["counted_number_count"]["id"])["value"] == 730528164935
        assert made.views.latest(told["coarse_number"]["id"])["value"] == 52000

        # the form is signed
        made.privacy("consent", "loc-12", "--purpose", "climate", "--zone", FLAT_ZONE)
        climate = made.until("climate", lambda: [one for one in made.series() if one["metric"] == "temperature"])[0]
        assert climate["place"].startswith("~")
        assert climate["devices"][0].startswith("~")
        (one,) = made.privacy("access", "loc-12")["homes"]
        assert (one["group"], one["devices"][0]["device"]) == (climate["zone"], FLAT)
        assert made.views.latest(climate["id"])["value"] == CLIMATE

        # and taken back
        made.privacy("withdraw", "loc-12")
        began = time.monotonic()
        before = made.ask("status")["counts"][FLAT]["withheld-no-consent"]
        made.until("dropped", lambda: made.ask("status")["counts"][FLAT]["withheld-no-consent"] > before + 2)
        assert time.monotonic() - began < 60
        done = made.until("confirmed", lambda: made.ask("consent.list")["erasures"][0]["confirmed"] is not None)
        assert done
        (erasure,) = made.ask("consent.list")["erasures"]
        assert erasure["readings"] > 0
        assert not [one for one in made.series() if climate["zone"] in (one["zone"], one["place"])]
        assert made.views.erased()[0]["name"] == climate["zone"]
        made.stop()
        sealed = made.sealed()
        assert b"plain_number" in sealed, "the buffer was opened"
        assert str(TAGGED).encode() in sealed, "what a pseudonym says is there, under another name"
        assert leaked(sealed + made.beside()) == set()
        assert leaked(sealed, IDS) == set()


@pytest.mark.real("clock, processes")
def test_the_same_search_finds_every_raw_value_of_a_hub_whose_rules_are_broken(tmp_path: Path) -> None:
    with home(tmp_path, "unprotected") as made:
        made.until("sent", lambda: made.ask("status")["link"]["acked"] > 100)
        made.stop()
        assert leaked(made.sealed()) == set(RAW)
        assert leaked(made.sealed(), IDS) == set(IDS)


@pytest.mark.parametrize(("kind", "raw"), [("drop", DROPPED), ("aggregate", MEANS[2]), ("coarsen position", VAN[0])])
def test_the_search_finds_a_value_in_each_form(kind: str, raw: float) -> None:
    for form in forms(raw):
        assert leaked(b"\x00" + form + b"\x00") == {kind}
