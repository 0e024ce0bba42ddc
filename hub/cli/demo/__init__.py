"""`ilot demo`: the whole path on this machine, from simulated radio and bus to the backend's database."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.demo.showcase import OUTAGE_AT_S, OUTAGE_S, Showcase, events, story
from hub.core.errors import HubError, NotReady
from hub.core.text import phrase

DRAIN_S = 30.0


@click.group(invoke_without_command=True)
@click.option("--seconds", type=float, default=None, help="End by itself after this long.  [default: until Ctrl-C]")
@click.option(
    "--outage",
    type=float,
    default=None,
    help="Cut the backend off for so many seconds, then let it return; 0: never.  "
    "[default: 15 after 40 seconds; with --seconds 0]",
)
@click.option("--keep", is_flag=True, help="Keep the demo's directory (keys, buffer, database, logs) afterwards.")
@output.as_json
@click.pass_context
def demo(ctx: click.Context, seconds: float | None, outage: float | None, keep: bool, json: bool) -> None:
    """Run a backend, a simulated school and a hub on loopback, and show readings arrive.

    The school speaks real protocols: Modbus TCP, KNX/IP, LoRaWAN by a gateway's UDP, Bluetooth advertisements over
    D-Bus, and this machine's own health. Keys are demo grade: the owner's root lies beside the server. With --json, one
    object at the end.
    """
    if ctx.invoked_subcommand is not None:
        return
    signal.signal(signal.SIGTERM, _interrupt)
    if shutil.which("dbus-daemon") is None:
        raise HubError(
            phrase(
                "demo-needs-dbus",
                "the simulated radio needs dbus-daemon: apt-get install dbus (or run `make setup`)",
            )
        )
    root = Path(tempfile.mkdtemp(prefix="ilot-demo-"))
    scene = Showcase(root, output.say)
    watch = DemoMonitor(scene, seconds, outage, quiet=json or not sys.stdout.isatty())
    try:
        scene.prepare()
        watch.start()
        with contextlib.suppress(KeyboardInterrupt):
            watch.run()
        summary = watch.finish()
    finally:
        with _no_interrupt():
            scene.close()
            if keep:
                output.say(phrase("demo-kept", "kept: {directory}", directory=root))
            else:
                shutil.rmtree(root, ignore_errors=True)
    if json:
        output.data(summary)
    else:
        _closing(summary if keep else {name: value for name, value in summary.items() if name != "state_dir"})
    if summary["lost"] or summary["duplicates"]:
        raise click.exceptions.Exit(7)


@demo.command()
@click.option("--seconds", type=float, default=None, help="End by itself after this long.  [default: until Ctrl-C]")
@click.option("--keep", is_flag=True, help="Keep the town's directory (keys, database, log) afterwards.")
@output.as_json
def district(seconds: float | None, keep: bool, json: bool) -> None:
    """Run a simulated town: a backend with its pages, twenty hubs on a map, alerts that happen, a crew that answers.

    Prints the address and an account of each role. Keys are demo grade."""
    words = ["--seconds", str(seconds)] if seconds is not None else []
    words += [name for name, given in (("--keep", keep), ("--json", json)) if given]
    os.execv(  # noqa: S606 the same program, which goes on in the place of this one
        sys.executable, [sys.executable, "-m", "hub", "backend", "demo-district", *words]
    )


class DemoMonitor:
    """Monitor that polls the hub and the backend once a second, until `seconds` have passed; the backend is down from
    second 5 on, for `outage` seconds. With neither, for as long as the events last."""

    def __init__(self, scene: Showcase, seconds: float | None, outage: float | None, *, quiet: bool) -> None:
        self.cut_s = OUTAGE_AT_S if outage is None else 5.0
        self.outage_s = (OUTAGE_S if seconds is None else 0.0) if outage is None else outage
        needed = self.cut_s + self.outage_s + 5.0 if self.outage_s else 0.0
        self.end_s = None if seconds is None else max(seconds, needed)
        self.scene = scene
        self.quiet = quiet
        self.began = 0.0
        self.start_s = 0.0
        self.first_ack_s: float | None = None
        self.memory: dict[str, Any] = {"private_mib": 0.0}
        """The largest memory of the hub and its workers so far."""
        self.most_buffered = 0
        self.status: dict[str, Any] = {}
        self.stats: dict[str, Any] = {}
        self.counted_at: float | None = None
        """When the backend last gave its count, in seconds since `start`; None while it cannot be reached."""
        self._lines = 0

    def start(self) -> None:
        self.began = time.monotonic()
        ready = self.scene.start_hub()
        self.start_s = ready["start_s"]
        output.say(
            phrase(
                "demo-hub-ready",
                "hub: {hub} ready in {seconds:.2f} s; Ctrl-C ends the demo",
                hub=ready["hub"],
                seconds=self.start_s,
            )
        )
        label = self.scene.label()
        self.scene.furnish()
        output.say("")
        for line in (
            phrase("demo-pages", "pages: {url}", url=f"{label['url']}claim"),
            phrase(
                "demo-claim-code", "       claim code {code}: used once, to make your own account", code=label["code"]
            ),
            phrase(
                "demo-fingerprint",
                "       the browser warns you: the certificate is the hub's own. Its fingerprint is",
            ),
            f"       {label['fingerprint']}",
        ):
            output.say(line)
        output.say("")
        ilot = Path(sys.argv[0]).resolve()
        with contextlib.suppress(ValueError):
            ilot = ilot.relative_to(Path.cwd())
        happens = events(self.cut_s, self.outage_s, self.end_s)
        known = ilot if ilot.name == "ilot" else "ilot"
        output.say(story(happens, self.scene.config, known))

    def run(self) -> None:
        """Poll until the end."""
        cut = self.cut_s if self.outage_s else None
        back: float | None = None
        shown = 0.0
        while self.end_s is None or time.monotonic() - self.began < self.end_s:
            elapsed = time.monotonic() - self.began
            if cut is not None and elapsed >= cut:
                cut, back = None, elapsed + self.outage_s
                output.say(
                    phrase(
                        "demo-backend-cut",
                        "--- backend cut off for {seconds:.0f} s: readings stay sealed in the buffer",
                        seconds=self.outage_s,
                    )
                )
                self.scene.stop("backend")
            if back is not None and elapsed >= back:
                back = None
                output.say(phrase("demo-backend-returns", "--- backend returns: the buffer drains"))
                self.scene.start_backend()
            self.scene.check()
            self.look()
            if elapsed >= shown:
                shown = elapsed + 1.0
                self.show()
            time.sleep(0.2 if self.first_ack_s is None else 1.0)

    def look(self) -> None:
        # Poll the hub before the backend: an ack follows a commit, so the rows include every acknowledged one.
        self.status = self.scene.ask("status")
        self._count()
        self.memory = max(self.memory, self.status["memory"], key=lambda one: one["private_mib"])
        self.most_buffered = max(self.most_buffered, self.status["buffer"]["readings"])
        if self.first_ack_s is None and self.status["link"]["acked"]:
            self.first_ack_s = time.monotonic() - self.began

    def _count(self) -> bool:
        """Get the number of rows from the backend. Returns False, and keeps the former count, while it is
        unreachable."""
        try:
            self.stats = self.scene.stats()
        except NotReady:
            self.counted_at = None
            return False
        self.counted_at = time.monotonic() - self.began
        return True

    def show(self) -> None:
        """Print the live summary, redrawn in place on a terminal, one line a second elsewhere."""
        s = self.status
        line = live_line(s, self._bytes_per_reading(), None if self.counted_at is None else self.stats)
        troubles = [f"! {output.translated(sentence)}" for sentence in s["degraded"]]
        if self.quiet:
            output.say(" ".join([line, *troubles]))
            return
        lines = [line, *troubles, ""] + [
            f"  {v['series']:<34} {_text(v['value']):>12} {v['unit']:<6} {_trust(v)}" for v in s["last"]
        ]
        lines = lines[: max(5, shutil.get_terminal_size().lines - 2)]
        up = f"\x1b[{self._lines}F" if self._lines else ""
        click.echo(up + "".join(f"\x1b[2K{text}\n" for text in lines), nl=False)
        self._lines = len(lines)

    def finish(self) -> dict[str, Any]:
        """Stop the hub in order, wait for the backend's count, and return the result."""
        if "backend" not in self.scene.processes:
            self.scene.start_backend()
        self._drained()
        last = self.scene.stop("hub", timeout=DRAIN_S + 15)
        if not self._count():
            raise NotReady(
                phrase(
                    "demo-backend-silent",
                    "the backend does not answer at the end, so nothing can be said of what it holds",
                )
            )
        readings = last.get("readings", self.status.get("readings", 0))
        acked = last.get("acked", 0)
        # alerts and audit anchors are no readings of a device
        rows, buffered = self.stats.get("of_stream", {}).get("readings", 0), last.get("buffered", 0)
        return {
            "readings": readings,
            "acked": acked,
            "rows": rows,
            "buffered": buffered,
            "lost": max(0, readings - rows - buffered),
            "duplicates": max(0, rows - readings),
            "most_buffered": self.most_buffered,
            "first_ack_s": self.first_ack_s and round(self.first_ack_s, 3),
            "start_s": round(self.start_s, 3),
            "pss_mib": round(self.memory.get("pss_mib", 0.0), 1),
            "private_mib": round(self.memory["private_mib"], 1),
            "private_mib_of": {one["name"]: round(one["private_mib"], 1) for one in self.memory.get("processes", ())},
            "bytes_per_reading": round(self._bytes_per_reading(), 2),
            "state_dir": str(self.scene.state),
            "integrations": {p["name"]: p["state"] for p in self.status.get("plugins", []) if p["type"] != "uplink"},
        }

    def _drained(self) -> None:
        """Wait until everything durable is acknowledged, or the deadline."""
        end = time.monotonic() + DRAIN_S
        with contextlib.suppress(HubError, KeyboardInterrupt):
            while time.monotonic() < end:
                self.look()
                if self.status["buffer"]["readings"] == 0 and self.status["link"]["acked"]:
                    return
                time.sleep(0.2)

    def _bytes_per_reading(self) -> float:
        buffer = self.status.get("buffer", {})
        return buffer["written_bytes"] / buffer["written_readings"] if buffer.get("written_readings") else 0.0


def live_line(status: dict[str, Any], bytes_per_reading: float, stats: dict[str, Any] | None) -> str:
    """Return the current figures: `status` of the hub, then `stats` of the backend, None while it is unreachable.

    A count from before an outage is never shown beside newer acks: it would look as if the hub had been given acks for
    rows that the backend does not hold.
    """
    if stats is None:
        rows = phrase("demo-backend-unreachable", "backend not reachable")
    else:
        rows = phrase("demo-backend-rows", "{count} backend rows", count=stats["of_stream"].get("readings", 0))
    return output.translated(
        phrase(
            "demo-live-line",
            "{seconds:5.0f} s  {reports} reports  {readings} readings  {buffered} buffered  {acked} acked  "
            "{size:.1f} B/reading  {rows}",
            seconds=float(status["up_s"]),
            reports=status["reports"],
            readings=status["readings"],
            buffered=status["buffer"]["readings"],
            acked=status["link"]["acked"],
            size=bytes_per_reading,
            rows=rows,
        )
    )


def _closing(s: dict[str, Any]) -> None:
    facts = [(key, value) for key, value in s.items() if key not in ("integrations", "private_mib_of")]
    facts += [(f"private_mib {name}", value) for name, value in s["private_mib_of"].items()]
    output.table(("fact", "figure"), facts)
    output.echo(
        phrase(
            "demo-result",
            "{readings} readings emitted, {rows} rows at the backend: {lost} lost, {duplicates} twice",
            **{name: s[name] for name in ("readings", "rows", "lost", "duplicates")},
        )
    )


def _trust(value: dict[str, Any]) -> str:
    return output.translated(phrase("value-trust", "trust {trust}", trust=value["trust"]))


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def _no_interrupt() -> Any:
    """Ignore a second Ctrl-C, which must not leave processes behind."""
    former = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
