"""Packets that others published, as a technician would decode them; and the simulator, which shares nothing with us."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

import hub
import integrations.enocean
from hub.cli.decode import decode
from hub.sdk.testing import FakeSession
from integrations.enocean import Config, run
from integrations.enocean.decode import METRICS

HERE = Path(integrations.enocean.__file__).parent
EXAMPLES = YAML(typ="safe").load((HERE / "examples.yaml").read_text())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["name"])
def test_each_example_says_what_its_source_says(example: dict[str, Any], tmp_path: Path) -> None:
    assert example["source"]
    line = {key: str(example[key]) for key in ("packet", "eep", "slf", "rlc") if key in example}
    arguments = ["enocean", json.dumps(line)]
    if "key" in example:
        (tmp_path / "key").write_text(example["key"])
        arguments += ["--key-file", str(tmp_path / "key")]
    done = CliRunner().invoke(decode, arguments)
    told: dict[str, Any] = {}
    for text in done.stdout.splitlines():
        told |= json.loads(text)
    assert done.exit_code == (6 if "error" in example else 0)
    for key in ("readings", "teach_in", "error"):
        assert told.get(key) == example.get(key)
    if "opened" in example:
        assert {key: told[key] for key in example["opened"]} == {k: str(v) for k, v in example["opened"].items()}
        assert told["authenticated"] is True


@pytest.mark.real("network, processes")
async def test_the_simulator_is_heard_as_it_says(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "integrations.enocean.sim", "--interval", "0.01"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        devices = [
            hub.Device(
                id=name,
                integration="enocean",
                place=name[-2:],
                key=bytes.fromhex(facts.pop("key", "")) or None,
                settings=facts,
            )
            for name, facts in told["devices"].items()
        ]

        class Enough(FakeSession):
            async def emit(self, *reports: hub.Report, **more: Any) -> None:
                await super().emit(*reports, **more)
                if len(self.reports) == 12:
                    process.terminate()

        session = Enough("enocean", devices=devices, metrics=METRICS)
        with pytest.raises(hub.NotReady, match="is gone"):
            await session.run(run, Config(port=told["port"]), timeout=30)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
    assert {report.device for report in session.reports} == set(told["devices"])
    assert session.drops == []
    sealed = [report.proof for report in session.reports if report.proof and report.proof.authenticated]
    assert [proof.counter for proof in sealed[:3]] == [1, 2, 3]
