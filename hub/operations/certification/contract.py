"""The contract tests of a project, in a process of their own: the code of the vendor may do anything there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator

import msgspec

from hub.core.nesting import shallow_json
from hub.core.text import phrase
from hub.operations.certification.project import Project
from hub.sdk.testing.contract import Verdict

LIMIT_S = 300.0
_SAID = 2000


def verdicts(project: Project, tests: Iterable[str]) -> Iterator[Verdict]:
    """Yield what came of each contract test. One that was not made failed, with the reason."""
    left = list(tests)
    command = [
        sys.executable, "-P", "-m", "hub.operations.certification.contract_child",
        str(project.root if project.kind == "shipped" else project.path), str(project.tests), project.module, *left,
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=False, cwd=project.path)
        out, complaint = done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        out, complaint = late.stdout or b"", b""
    for line in out.splitlines():
        try:
            made = msgspec.json.decode(shallow_json(line), type=Verdict)
        except (msgspec.MsgspecError, ValueError):
            continue
        if made.test in left:
            left.remove(made.test)
            yield made
    last = complaint.decode("utf-8", "replace").strip().splitlines()[-1:]
    why = (
        phrase("contract-not-made", "the contract test was not made: {reason}", reason=last[0][:_SAID])
        if last
        else phrase("contract-took-too-long", "the contract tests took more than {seconds:.0f} s", seconds=LIMIT_S)
    )
    for name in left:
        yield Verdict(test=name, outcome="failed", problems=(why,))
