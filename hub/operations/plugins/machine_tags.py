"""Whether a wheel is for this interpreter and this machine: its tags (PEP 425, 600), and its native files (ELF). Pure
but for what Python says of itself."""

from __future__ import annotations

import platform
import re
import sys
from itertools import product

from hub.core.errors import ConfigError
from hub.core.text import phrase

_MACHINES = {"x86_64": 62, "aarch64": 183}
"""`e_machine` of ELF (gABI, chapter 4): EM_X86_64, EM_AARCH64."""
ELF = b"\x7fELF"
_LINUX = re.compile(
    r"(?:linux|manylinux1|manylinux2010|manylinux2014|manylinux_2_(?P<minor>[0-9]{1,3}))_(?P<machine>.+)"
)


def expect_tags(wheel: str, pythons: str, abis: str, platforms: str) -> None:
    """Raise ConfigError for a wheel of another Python, another machine or another system."""
    tags = product(pythons.split("."), abis.split("."), platforms.split("."))
    if not any(_python_fits(python, abi) and _platform_fits(where) for python, abi, where in tags):
        raise ConfigError(
            phrase(
                "wheel-for-another",
                "{wheel} is for {wanted}, and this hub has Python {python} on {machine}: ask its vendor for that one",
                wheel=wheel,
                wanted=f"{pythons}-{abis}-{platforms}",
                python=".".join(map(str, sys.version_info[:2])),
                machine=platform.machine(),
            )
        )


def expect_native(wheel: str, file: str, head: bytes, *, pure: bool) -> None:
    """Raise ConfigError for machine code in a wheel that says it has none, or for another machine. `head`: its first
    64 bytes."""
    if head.startswith(ELF):
        fits = not pure and len(head) >= 20 and head[4] == 2 and head[5] == 1
        if not fits or int.from_bytes(head[18:20], "little") != _MACHINES.get(platform.machine()):
            raise ConfigError(
                phrase(
                    "wheel-code-for-another",
                    "{wheel}: {file} is machine code for another machine than {machine}, or the wheel says that it has "
                    "none",
                    wheel=wheel,
                    file=file[:200],
                    machine=platform.machine(),
                )
            )
    elif head[:2] == b"MZ" or head[:4] in (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xcf\xfa\xed\xfe"):
        raise ConfigError(
            phrase("wheel-code-of-other-system", "{wheel}: {file} is a program for another system", wheel=wheel,
                   file=file[:200])
        )  # fmt: skip


def _python_fits(python: str, abi: str) -> bool:
    minor = sys.version_info.minor
    if python == "py3" or re.fullmatch(r"py3[0-9]{1,2}", python):
        return abi == "none" and int(python[3:] or 0) <= minor
    if re.fullmatch(r"cp3[0-9]{1,2}", python):
        exact = int(python[3:]) == minor
        return (exact and abi in (f"cp3{minor}", "none")) or (abi == "abi3" and int(python[3:]) <= minor)
    return False


def _platform_fits(where: str) -> bool:
    if where == "any":
        return True
    match = _LINUX.fullmatch(where)
    if match is None or match["machine"] != platform.machine():
        return False
    name, _, version = platform.libc_ver()[1].partition(".")
    return match["minor"] is None or (name == "2" and version.isdecimal() and int(match["minor"]) <= int(version))
