"""State of the concentrator: the plan, its service, its log and what the hub hears, judged together.

`Machine` is the seam: what needs hardware or systemd is read there, and tests give recorded answers.
"""

from __future__ import annotations

import grp
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hub.core.errors import ConfigError
from hub.core.text import phrase, reason_of
from hub.operations.concentrator import detect, log_faults, store
from hub.operations.concentrator.models import MODELS

UNIT = "ilot-radio.service"
REGIONS = ("EU868", "EU863")
"""Names by which Basics Station says EU863-870."""
TAIL = 64 * 1024
FORWARDERS_GROUPS = frozenset({"spi", "gpio", "i2c", "dialout"})
DOUBLED = 3
"""Connections beside an open one that no broken network explains."""
FLAPPING = 5
"""Restarts that are no accident any more."""
_PROPERTIES = ("ActiveState", "SubState", "NRestarts", "Result", "ExecMainStatus", "LoadState")


class Verdict(NamedTuple):
    """A finding: `state` is "ok", "note" or "wrong"; `code` names it for programs."""

    code: str
    state: str
    says: str
    remedy: str = ""


@dataclass
class Machine:
    """This machine, as far as radios need it."""

    root: Path = Path("/")
    plan: Path = store.PLAN
    log: Path = store.LOG

    def look(self) -> detect.Found:
        return detect.look(self.root)

    def read_plan(self) -> dict[str, Any] | None:
        return store.read(self.plan)

    def log_lines(self) -> list[str]:
        """Return the end of the forwarder's log, a former file before it."""
        lines: list[str] = []
        for path in (self.log.with_name(self.log.name + ".1"), self.log):
            try:
                with path.open("rb") as file:
                    file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
                    lines += file.read(TAIL).decode("utf-8", "replace").splitlines()
            except OSError:
                continue
        return lines

    def service(self) -> dict[str, str]:
        """Return the unit's properties; {} without systemd. Blocks."""
        try:
            done = subprocess.run(
                ["/usr/bin/systemctl", "show", UNIT, f"--property={','.join(_PROPERTIES)}"],
                capture_output=True,
                text=True,
                timeout=5,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return {}
        return dict(line.partition("=")[::2] for line in done.stdout.splitlines() if "=" in line)

    def forwarder(self, family: str) -> Path | None:
        """Return the installed program, or None."""
        path = store.FORWARDERS / f"station-{family}"
        return path if path.exists() else None

    def holders(self, device: str) -> list[tuple[int, str]]:
        """Return process number and name of those that hold a device, as far as this user may see them."""
        real, found = os.path.realpath(device), []
        for process in (self.root / "proc").glob("[0-9]*"):
            try:
                held = any(os.readlink(one) in (device, real) for one in (process / "fd").iterdir())
                if held:
                    found.append((int(process.name), (process / "comm").read_text().strip()))
            except OSError:  # of another user, or gone
                continue
        return found

    def denied(self, device: str) -> bool:
        """Return whether a device is there and the forwarder's user may not open it."""
        try:
            found = os.stat(device)
            group = grp.getgrgid(found.st_gid).gr_name
        except (OSError, KeyError):
            return False
        return found.st_mode & 0o006 != 0o006 and not (found.st_mode & 0o060 == 0o060 and group in FORWARDERS_GROUPS)


@dataclass(frozen=True)
class Heard:
    """What the hub hears of the concentrator's gateway. `quiet_s`: since its last message, None: never any;
    `listed`: the configuration names it; `duty_spent`: sub-bands without airtime left; `displaced`:
    connections of this gateway that came while another one was open."""

    listed: bool = False
    quiet_s: float | None = None
    duty_spent: tuple[str, ...] = ()
    known: bool = False
    silence_s: float = 300.0
    displaced: int = 0


def judge(machine: Machine, heard: Heard | None = None) -> Iterator[Verdict]:
    """Judge the concentrator; `heard` None: no hub runs. The first fault found is the cause of later ones."""
    found = machine.look()
    yield from _strays(found)
    try:
        plan = machine.read_plan()
    except ConfigError as error:
        yield Verdict("plan", "wrong", reason_of(error))
        return
    if plan is None:
        yield _unplanned(found)
        return
    hardware = list(_hardware(plan, found))
    yield from hardware
    if any(one.state == "wrong" for one in hardware):
        return
    story = log_faults.read(machine.log_lines())
    broken = list(_forwarder(plan, machine, story))
    yield from broken
    if not any(one.state == "wrong" for one in broken):
        yield from _air(plan, story, heard)


def _strays(found: detect.Found) -> Iterator[Verdict]:
    for one in found.usb:
        if one.ports and one.kind:
            yield Verdict(
                "serial-radio",
                "ok",
                phrase(
                    "radio-serial-found",
                    "{kind}: {name}, {ports}",
                    kind=one.kind,
                    name=f"{one.maker} {one.product}".strip(),
                    ports=[f"/dev/{port}" for port in one.ports],
                ),
            )
    if found.bluetooth:
        yield Verdict(
            "bluetooth", "ok", phrase("radio-bluetooth-found", "Bluetooth: {names}", names=list(found.bluetooth))
        )


def _unplanned(found: detect.Found) -> Verdict:
    models = found.models()
    if not models:
        return Verdict(
            "none",
            "note",
            phrase("radio-none-found", "no LoRa concentrator is set up here, and none is seen"),
            _spi_remedy() if found.board else "",
        )
    return Verdict(
        "not-set-up",
        "note",
        phrase(
            "radio-not-set-up",
            "no LoRa concentrator is set up; possible here: {models}",
            models=[m.key for m in models],
        ),
        phrase("radio-run-setup", "`ilot radio setup` sets it up"),
    )


def _spi_remedy() -> str:
    return phrase(
        "radio-spi-line",
        "for a HAT, write the lines dtparam=spi=on and dtparam=i2c_arm=on into /boot/firmware/config.txt and restart "
        "the "
        "machine",
    )


def _hardware(plan: dict[str, Any], found: detect.Found) -> Iterator[Verdict]:
    model = MODELS.get(plan["model"])
    name = model.name if model else plan["model"]
    device = str(plan["device"])
    short = device.removeprefix("/dev/")
    if short.startswith("spidev") and short not in found.spi:
        yield Verdict(
            "no-spi",
            "wrong",
            phrase("radio-no-spi", "{model}: there is no {device}", model=name, device=device),
            _spi_remedy(),
        )
        return
    ports = {port for one in found.usb for port in one.ports}
    if short.startswith("tty") and short not in ports:
        yield Verdict(
            "no-usb",
            "wrong",
            phrase("radio-no-usb", "{model}: there is no {device}", model=name, device=device),
            phrase(
                "radio-plug-it",
                "plug it in; where its number changed, `ilot radio setup` again with its name in /dev/serial/by-id",
            ),
        )
        return
    yield Verdict("device", "ok", phrase("radio-device-there", "{model} at {device}", model=name, device=device))


def _forwarder(plan: dict[str, Any], machine: Machine, story: log_faults.Story) -> Iterator[Verdict]:
    program = store.FORWARDERS / f"station-{plan['family']}"
    if machine.forwarder(plan["family"]) is None:
        yield Verdict(
            "no-forwarder",
            "wrong",
            phrase("radio-forwarder-missing", "the forwarder {file} is not installed", file=program),
            phrase("radio-build-forwarder", "docs/how-to/lora-concentrator.md says how it is built"),
        )
        return
    unit = machine.service()
    restarts = int(said) if (said := unit.get("NRestarts", "")).isdigit() else 0
    causes = list(_causes(plan, story))
    if not unit or unit.get("LoadState") == "not-found":
        yield Verdict(
            "no-unit",
            "wrong",
            phrase("radio-no-unit", "the service {unit} is not there", unit=UNIT),
            phrase("radio-install-package", "the package ilot brings it; systemctl enable --now ilot-radio.path"),
        )
    elif unit.get("ActiveState") != "active":
        yield Verdict(
            "flapping" if restarts >= FLAPPING else "not-running",
            "wrong",
            phrase(
                "radio-not-running",
                "the forwarder does not run ({state}, {result}; restarts: {count})",
                state=unit.get("SubState", ""),
                result=unit.get("Result", ""),
                count=restarts,
            ),
            "" if causes else phrase("radio-read-journal", "journalctl -u {unit} says why", unit=UNIT),
        )
    elif restarts >= FLAPPING:
        yield Verdict(
            "flapping",
            "wrong",
            phrase("radio-flapping", "the forwarder was started {count} times anew", count=restarts),
        )
    else:
        yield Verdict("running", "ok", phrase("radio-running", "the forwarder runs"))
    others = [(number, name) for number, name in machine.holders(plan["device"]) if not name.startswith("station")]
    if others and log_faults.IN_USE not in story.faults:
        causes.append(_fault(plan, log_faults.IN_USE, f"{others[0][0]} ({others[0][1][:40]})"))
    if machine.denied(plan["device"]) and log_faults.DENIED not in story.faults:
        causes.insert(0, _fault(plan, log_faults.DENIED, ""))
    yield from dict.fromkeys(causes)


def _causes(plan: dict[str, Any], story: log_faults.Story) -> Iterator[Verdict]:
    for kind, detail in story.faults.items():
        if kind in (log_faults.START_FAILED,) and len(story.faults) > 1:
            continue  # a consequence
        yield _fault(plan, kind, detail, story.counts.get(kind, 1))


def _fault(plan: dict[str, Any], kind: str, detail: str, count: int = 1) -> Verdict:
    from hub.operations.concentrator.fault_texts import TEXTS  # imported late: most logs have none

    text = TEXTS[kind]
    return Verdict(kind, text.state, text.says(plan, detail, count), text.remedy(plan))


def _air(plan: dict[str, Any], story: log_faults.Story, heard: Heard | None) -> Iterator[Verdict]:
    if story.started:
        yield Verdict(
            "started",
            "ok",
            phrase("radio-started", "the concentrator answers; frames in the log: {count}", count=story.received),
        )
    if story.region and story.region not in REGIONS:
        yield _fault(plan, log_faults.REGION, story.region)
    if heard is None:
        yield Verdict("no-hub", "note", phrase("radio-no-hub", "no hub runs here, so nobody says what is heard"))
        return
    if not heard.listed:
        yield Verdict(
            "not-listed",
            "wrong",
            phrase("radio-eui-not-listed", "the gateway {eui} is not in the hub's configuration", eui=plan["eui"]),
            phrase("radio-setup-lists-it", "`ilot radio setup` adds it"),
        )
    elif not heard.known or heard.quiet_s is None:
        yield Verdict(
            "never-heard",
            "wrong",
            phrase("radio-never-heard", "the hub has not heard the gateway {eui} since it started", eui=plan["eui"]),
            phrase(
                "radio-check-way",
                "is the integration running, and its section `station` the one in tc.uri ({uri})?",
                uri=plan["files"]["tc.uri"].strip(),
            ),
        )
    elif heard.quiet_s > heard.silence_s:
        yield Verdict(
            "nothing-heard",
            "note",
            phrase("radio-nothing-heard", "nothing heard for {minutes} min", minutes=round(heard.quiet_s / 60)),
            phrase("radio-check-antenna", "antenna screwed on, devices of EU863-870 near, and sending?"),
        )
    else:
        yield Verdict(
            "heard", "ok", phrase("radio-heard", "the hub heard it {seconds} s ago", seconds=round(heard.quiet_s))
        )
    if heard.displaced >= DOUBLED:
        yield Verdict(
            "eui-double",
            "wrong",
            phrase(
                "radio-eui-double",
                "the gateway {eui} connected {count} times while it was connected: two have this EUI",
                eui=plan["eui"],
                count=heard.displaced,
            ),
            phrase("radio-another-eui", "give one of them another: `ilot radio setup --eui`"),
        )
    if heard.duty_spent:
        yield Verdict(
            "airtime",
            "note",
            phrase("radio-airtime-spent", "no airtime left this hour in {bands}", bands=list(heard.duty_spent)),
            phrase("radio-airtime-waits", "downlinks wait; fewer commands, or another gateway"),
        )
