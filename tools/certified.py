"""Certifies every integration that ships, and keeps the table of results in docs/reference/certified.md.

    python tools/certified.py [--write]

Each runs with its peer in a process of its own, as `ilot certify integrations/NAME --tests …/worlds.py` does.
Ends 1 when one is not certified, or the table says something else than what came out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hub.operations.certification.examination import examine  # noqa: E402
from hub.operations.certification.project import read_project  # noqa: E402
from hub.operations.certification.report import Report  # noqa: E402
from hub.operations.certification.rules import VERSION, rules_of  # noqa: E402

PAGE = ROOT / "docs" / "reference" / "certified.md"
WORLDS = ROOT / "tests" / "integrations" / "worlds.py"
SIGNS = {"passed": "✓", "failed": "FAILED", "exempt": "–"}


def names() -> list[str]:
    """Return the integrations that ship."""
    return sorted(one.parent.name for one in (ROOT / "integrations").glob("*/__init__.py"))


def certified(name: str) -> Report:
    return examine(read_project(ROOT / "integrations" / name, WORLDS))


def page(reports: Sequence[Report]) -> str:
    """Return the page. It holds no figure that another machine would give otherwise."""
    rules = rules_of("shipped")
    head = [one.name for one in rules]
    lines = [
        "# Certified integrations",
        "",
        "Written by `tools/certified.py --write`. Every integration of Îlot keeps the rules that `ilot certify` asks",
        f"of a vendor's plugin, version {VERSION} of them; `make test-all` runs them again. The rules about a vendor's",
        "distribution hold for Îlot as a whole. How to examine yours: [certify a plugin](../how-to/certify.md).",
        "",
        "| integration | " + " | ".join(head) + " |",
        "|---|" + "---|" * len(head),
    ]
    for report in reports:
        signs = {one.rule: SIGNS[one.outcome] for one in report.judged}
        lines.append(f"| {report.name} | " + " | ".join(signs[name] for name in head) + " |")
    lines += ["", "A dash is a rule that says nothing of this integration:", ""]
    for report in reports:
        lines += [f"- {report.name}, `{one.rule}`: {one.why}" for one in report.judged if one.outcome == "exempt"]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> int:
    reports = []
    for name in names():
        print(name, end=" ", flush=True)
        reports.append(report := certified(name))
        print("certified" if report.certified else "NOT certified")
        for one in report.judged:
            for problem in one.problems:
                print(f"    {one.rule}: {problem}")
    made = page(reports)
    if "--write" in arguments:
        PAGE.write_text(made, "utf-8")
    elif not PAGE.is_file() or PAGE.read_text("utf-8") != made:
        print(f"{PAGE.relative_to(ROOT)} says something else: run `python tools/certified.py --write`")
        return 1
    return 0 if all(one.certified for one in reports) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
