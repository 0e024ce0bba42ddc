"""A software TPM 2.0 (swtpm on libtpms), spoken to by the tools that speak to a real one."""

import contextlib
import subprocess
import time


@contextlib.contextmanager
def chip(directory, monkeypatch):
    """A software TPM (swtpm, libtpms) that keeps its seeds in `directory`."""
    directory.mkdir(exist_ok=True)
    path = directory / "s"
    process = subprocess.Popen(
        [
            "swtpm",
            "socket",
            "--tpm2",
            "--tpmstate",
            f"dir={directory}",
            "--server",
            f"type=unixio,path={path}",
            "--ctrl",
            f"type=unixio,path={directory / 's.ctrl'}",
            "--flags",
            "not-need-init,startup-clear",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 60
        while not path.exists() or not path.with_name("s.ctrl").exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        monkeypatch.setenv("TPM2TOOLS_TCTI", f"swtpm:path={path}")
        yield
    finally:
        process.kill()
        process.wait()
        for name in ("s", "s.ctrl"):
            (directory / name).unlink(missing_ok=True)
