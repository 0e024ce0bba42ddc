"""The how-to of the test kit: each of its blocks is run as a vendor's tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.real("processes")

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "how-to" / "test-an-integration.md"


def test_every_block_passes(tmp_path: Path) -> None:
    said = PAGE.read_text(encoding="utf-8").rpartition("<!-- /inject -->")[2]
    blocks = re.findall(r"^```python\n(.*?)^```$", said, re.DOTALL | re.MULTILINE)
    for number, block in enumerate(blocks):
        (tmp_path / f"test_block_{number}.py").write_text(block)
    shutil.copytree(Path(__file__).parent / "acme_boiler", tmp_path / "acme_boiler")
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("hub", "texts", "acme_boiler")
    options = ("-q", "-c", os.devnull, "--rootdir", ".", "-p", "no:cacheprovider", "-p", "hub.sdk.pytest_plugin")
    assert f"{len(blocks) + 7} passed" in run("pytest", *options, ".")
