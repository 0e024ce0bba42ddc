"""A hub and a backend made for one run of `ilot sim --pack --demo`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from hub.cli import output
from hub.cli.demo.scene import HEAD, Scene
from hub.cli.sim.lines import Lines, flow
from hub.core.text import phrase

HOUSE = """\
  name: Simulation
  site: sim
sites:
  sim: {name: Simulation, timezone: Europe/Paris}
zones:
  sim: {site: sim, name: Simulation, use: essai, personal: PERSONAL}
"""
BEYOND = """\
link:
  uplinks:
    https: {{url: "{url}"}}
buffer:
  window: 1s
"""


class PackScene(Scene):
    """A hub whose only devices are those of a pack. Its zone keeps what says something of people: nobody is there."""

    zone = "sim"

    def __init__(
        self, lines: Lines, personal: Collection[str], folder: Path | None, environment: Mapping[str, str]
    ) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="ilot-sim-")), output.say)
        self._lines, self._personal, self._folder = lines, sorted(personal), folder
        self._environment = environment

    def begin(self) -> None:
        """Start the backend and the hub. Raises HubError."""
        self.found()
        kept = self.root / "secrets.yaml"
        kept.touch(mode=0o600)
        kept.write_text(self._lines.kept_secrets(), encoding="utf-8")
        if self._folder is not None:
            self._ilot("pack", "install", str(self._folder), "--untested", "--json", "--state-dir", str(self.state))
        self.config.write_text(self._text(), encoding="utf-8")
        self.enrol()
        ready = self.start_hub()
        self.say(
            phrase(
                "sim-hub-ready",
                "hub: {hub} ready in {seconds:.2f} s, with the configuration {config}",
                hub=ready["hub"],
                seconds=ready["start_s"],
                config=self.config,
            )
        )

    def _text(self) -> str:
        house = HOUSE.replace("PERSONAL", flow(dict.fromkeys(self._personal, "Essai de matériel")))
        head = HEAD.format(state=self.state) + house
        return head + self._lines.text() + BEYOND.format(url=self.backend["url"].rstrip("/"))

    def start_hub(self) -> dict[str, Any]:
        return self._start("hub", "-m", "hub", "run", "--config", str(self.config), "--json", **dict(self._environment))

    def end(self) -> None:
        """Stop both, and remove their files."""
        self.close()
        shutil.rmtree(self.root, ignore_errors=True)
