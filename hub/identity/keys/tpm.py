"""Seals a secret so that only this machine's TPM 2.0 gives it back. Blocking; uses the programs of tpm2-tools.

The secret is a sealed data object below the primary key that the TPM derives from its owner seed by the default ECC
template, the same each time until the TPM is cleared. Both are exempt from dictionary attack protection (noDA; TPM 2.0
Part 1, 19.8): there is no password to guess, and a TPM counts each power cut after the use of a non-exempt object as a
failed guess; after a few it would keep the hub from starting. No PCR is bound: a card taken out of its machine opens
nothing, but a thief of the whole machine is not hindered (boot is not measured here). Between processor and chip the
secret is encrypted by a session salted with the primary key, against listeners on the bus. The secret passes through
pipes only, never through a file or an argument.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from shutil import which

from hub.core.errors import DecodeError, NotReady
from hub.core.text import phrase, reason_of
from hub.protocol.length_prefix import lp, unlp

DEVICE = Path("/dev/tpmrm0")
TOOLS = ("createprimary", "startauthsession", "sessionconfig", "create", "load", "unseal", "flushcontext")
PATIENCE_S = 30.0
_PRIMARY = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|decrypt|noda"
_SEALED = "fixedtpm|fixedparent|userwithauth|noda"
_NO_DA = 1 << 10
"""The noDA bit in the attributes of an object (TPM 2.0 Part 2, 8.3)."""


def unavailable_reason() -> str:
    """Return what keeps this hub from its TPM, with the remedy; "" if nothing does."""
    missing = [f"tpm2_{tool}" for tool in TOOLS if which(f"tpm2_{tool}") is None]
    if missing:
        return phrase("tpm-tools-missing", "{program} is not installed: apt install tpm2-tools", program=missing[0])
    if "TPM2TOOLS_TCTI" in os.environ:  # tpm2-tools are configured to reach it another way
        return ""
    if not DEVICE.exists():
        return phrase(
            "tpm-missing", "this machine has no {device}: no TPM 2.0, or its driver is not loaded", device=DEVICE
        )
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return phrase(
            "tpm-not-permitted",
            "the hub's user may not open {device}: make it a member of the group tss (deploy/README.md)",
            device=DEVICE,
        )
    return ""


def seal(secret: bytes, label: bytes) -> bytes:
    """Seal at most 128 bytes for `unseal` on this machine; `label` names the purpose.

    Raises NotReady, also when the TPM does not give the secret back at once.
    """
    with _Tools() as tools:
        tools.session()
        tools(
            "create",
            "-C",
            "primary",
            "-P",
            "session:session",
            "-a",
            _SEALED,
            "-i",
            "-",
            "-u",
            "public",
            "-r",
            "private",
            given=secret,
        )
        blob = lp(label, tools.read("public"), tools.read("private"))
    if unseal(blob, label) != secret:
        raise NotReady(phrase("tpm-does-not-unseal", "the TPM does not give back what it sealed: nothing was changed"))
    return blob


def unseal(blob: bytes, label: bytes) -> bytes:
    """Return the secret. Raises NotReady when the TPM is unavailable or refuses; DecodeError when it was not sealed
    under `label`."""
    public, private = _parts(blob, label)
    with _Tools() as tools:
        tools.write("public", public)
        tools.write("private", private)
        tools.session(exempt=_exempt(public))
        tools("load", "-C", "primary", "-u", "public", "-r", "private", "-c", "object")
        return tools("unseal", "-c", "object", "-p", "session:session", said=True)


def _parts(blob: bytes, label: bytes) -> tuple[bytes, bytes]:
    parts = unlp(blob)
    if len(parts) != 3 or parts[0] != label:
        raise DecodeError(
            "sealed-by-tpm", phrase("not-sealed-by-tpm", "this was not sealed by a TPM, or for another purpose")
        )
    return parts[1], parts[2]


def _exempt(public: bytes) -> bool:
    """Return whether a TPM2B_PUBLIC (size, type, nameAlg, attributes, …) was sealed below an exempt primary key, as all
    now are."""
    return bool(int.from_bytes(public[6:10], "big") & _NO_DA)


class _Tools:
    """The tpm2-tools programs, run in a scratch directory for the files they exchange."""

    def __init__(self) -> None:
        problem = unavailable_reason()
        if problem:
            raise NotReady(problem)
        self._session = False
        # the kernel's resource manager flushes what a program loaded; without it we have to
        self._managed = "TPM2TOOLS_TCTI" not in os.environ

    def __enter__(self) -> _Tools:
        self._scratch = tempfile.TemporaryDirectory(prefix="ilot-tpm-")
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if self._session:
                self("flushcontext", "session")
        except NotReady:
            pass  # it ends with the next reset of the TPM; the result is known already
        finally:
            self._scratch.cleanup()

    def session(self, *, exempt: bool = True) -> None:
        """Create the primary key, and a session that encrypts parameters."""
        self("createprimary", "-C", "o", "-G", "ecc", "-c", "primary", *(("-a", _PRIMARY) if exempt else ()))
        self("startauthsession", "--hmac-session", "--tpmkey-context", "primary", "-S", "session")
        self._session = True
        self("sessionconfig", "session", "--enable-decrypt", "--enable-encrypt")

    def __call__(self, tool: str, *arguments: str, given: bytes = b"", said: bool = False) -> bytes:
        quiet = () if tool in ("unseal", "flushcontext") else ("-Q",)
        done = self._run([f"tpm2_{tool}", *quiet, *arguments], given)
        if done.returncode:
            lines = done.stderr.decode(errors="replace").splitlines()
            why = next((line for line in reversed(lines) if "tpm:" in line), lines[-1] if lines else "")
            raise NotReady(
                phrase(
                    "tpm-refuses",
                    "the TPM refuses tpm2_{tool}: {reason}",
                    tool=tool,
                    reason=why.removeprefix("ERROR: ")[:200] or phrase("no-reason-given", "no reason given"),
                )
            )
        if not self._managed and tool != "flushcontext":
            self._run(["tpm2_flushcontext", "-t"], b"")
        return done.stdout if said else b""

    def _run(self, command: list[str], given: bytes) -> subprocess.CompletedProcess[bytes]:
        keep = {name: value for name, value in os.environ.items() if name in ("PATH", "TPM2TOOLS_TCTI")}
        try:
            return subprocess.run(
                command,
                input=given,
                capture_output=True,
                cwd=self._scratch.name,
                timeout=PATIENCE_S,
                check=False,
                env={"PATH": os.defpath, **keep},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotReady(
                phrase(
                    "command-does-not-answer",
                    "{command} does not answer: {reason}",
                    command=command[0],
                    reason=reason_of(error),
                )
            ) from error

    def read(self, name: str) -> bytes:
        return (Path(self._scratch.name) / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        (Path(self._scratch.name) / name).write_bytes(data)
