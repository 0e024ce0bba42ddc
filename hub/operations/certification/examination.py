"""Examines a project by all rules that hold for it. Blocking, and for minutes: its tests run."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version as version_of
from importlib.util import find_spec
from typing import TYPE_CHECKING

from hub.core.errors import ConfigError, HubError
from hub.core.text import Phrase, phrase, reason_of
from hub.devices.packs.loader import Pack, read
from hub.operations.certification import contract, rules, sources
from hub.operations.certification.project import GROUP, Project
from hub.operations.certification.report import Judged, Report
from hub.operations.certification.rules import Rule
from hub.plugin_host.manifest import FILE, Manifest
from hub.plugin_host.manifest_file import read_manifest
from hub.plugin_host.plugin_types import part_models
from hub.plugin_host.registry import Registry

if TYPE_CHECKING:
    from hub.devices.packs.vector_tests import Verdict

_LAST_LINES = 12


def examine(project: Project, done: Callable[[Judged], None] = lambda _: None, now: float | None = None) -> Report:
    """Examine a project. `done` is called with each result as it comes; `now`: Unix seconds."""
    began, now = time.monotonic(), time.time() if now is None else now
    judged = []
    digest = project.digest()
    for one in _judged(project, datetime.fromtimestamp(now, UTC).date()):
        judged.append(one)
        done(one)
    return Report(
        name=project.name, version=_version(project), kind=project.kind, digest=digest, rules=rules.VERSION,
        by=_own_version(), at=now, seconds=round(time.monotonic() - began, 1), judged=tuple(judged),
    )  # fmt: skip


def _judged(project: Project, today: date) -> Iterator[Judged]:
    asked = rules.rules_of(project.kind)
    by_contract = [rule for rule in asked if rules.is_contract(rule)]
    if project.kind == "pack":
        yield from _pack(project, asked)
        return
    for rule in asked:
        if rule not in by_contract:
            yield _result(rule, _CHECKS[rule.name](project, today))
    named = {rule.name: rule for rule in by_contract}
    for verdict in contract.verdicts(project, named):
        rule = named[verdict.test]
        yield Judged(
            rule=rule.name, asks=rule.asks, outcome=verdict.outcome, problems=verdict.problems, why=verdict.why
        )


def _result(rule: Rule, problems: Iterable[str]) -> Judged:
    try:
        found = tuple(problems)
    except (HubError, SyntaxError) as error:
        found = (reason_of(error),)
    return Judged(rule=rule.name, asks=rule.asks, outcome="failed" if found else "passed", problems=found)


def _distribution(project: Project, _: date) -> Iterator[Phrase]:
    facts = project.facts
    for key in ("name", "version"):
        if not facts.get(key):
            yield phrase("project-lacks", "pyproject.toml lacks project.{key}", key=key)
    if not facts.get("license"):
        yield phrase("project-lacks-licence", "pyproject.toml lacks project.license: may a district use it, and how?")
    if not project.module:
        yield phrase("project-lacks-entry", "pyproject.toml lacks an entry point in the group {group}", group=GROUP)


def _manifest_of(project: Project) -> Manifest:
    """Raises ConfigError."""
    file = project.root.joinpath(*project.module.split(".")) / FILE
    try:
        return read_manifest(file.read_bytes(), str(file.relative_to(project.path)))
    except OSError as error:
        raise ConfigError(
            phrase(
                "project-lacks-manifest",
                "{file} cannot be read ({reason}): the manifest says what the plugin may do",
                file=file,
                reason=reason_of(error),
            )
        ) from error


def _manifest(project: Project, _: date) -> Iterator[Phrase]:
    found = _manifest_of(project)
    if found.version != project.version:
        yield phrase(
            "manifest-of-other-version",
            "the manifest is of version {manifest}, the distribution of {distribution}",
            manifest=found.version,
            distribution=project.version,
        )
    if not found.serves:
        yield phrase("manifest-of-other-api", "the manifest knows other versions of the plugin API than this one")


def _supported(project: Project, today: date) -> Iterator[Phrase]:
    found = _manifest_of(project)
    if date.fromisoformat(found.end_of_support) < today + timedelta(days=rules.SUPPORT_DAYS):
        yield phrase(
            "support-too-short",
            "its support ends on {date}, and {days} days are the least",
            date=found.end_of_support,
            days=rules.SUPPORT_DAYS,
        )


def _readme(project: Project, _: date) -> Iterator[Phrase]:
    if not any((project.path / name).is_file() for name in ("README.md", "README.rst", "README.txt", "README")):
        yield phrase("project-lacks-readme", "it has no README")


def _public_api(project: Project, _: date) -> Iterator[Phrase]:
    for file, text in project.sources():
        yield from sources.private_imports(text, file)


def _confined(project: Project, _: date) -> Iterator[Phrase]:
    for file, text in project.sources():
        yield from sources.own_ways_out(text, file)


def _typed(project: Project, _: date) -> Iterator[Phrase]:
    if find_spec("mypy") is None:
        yield phrase("mypy-not-here", "mypy is not installed here: `pip install mypy`")
        return
    yield from _passes(project, "mypy", "--strict", "--no-error-summary", "-p", project.module)


def _own_tests(project: Project, _: date) -> Iterator[Phrase]:
    if find_spec("pytest") is None:
        yield phrase("pytest-not-here", "pytest is not installed here: `pip install pytest`")
        return
    if not project.tests.exists():
        yield phrase(
            "project-lacks-tests",
            "there is no {folder}: put the tests there, or say where they are with --tests",
            folder=project.tests,
        )
        return
    yield from _passes(project, "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers", str(project.tests))


def _passes(project: Project, module: str, *words: str) -> Iterator[Phrase]:
    """Run a tool in the project. Yields what it complains of."""
    command = [sys.executable, "-m", module, *words]
    try:
        done = subprocess.run(
            command, cwd=project.root if module == "mypy" else project.path, capture_output=True, check=False,
            timeout=rules.TESTS_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        yield phrase("tool-too-slow", "{tool} took more than {seconds:.0f} s", tool=module, seconds=rules.TESTS_S)
        return
    lines, complaints = (text.decode("utf-8", "replace").strip().splitlines() for text in (done.stdout, done.stderr))
    if done.returncode:
        errors = [line for line in complaints if line.startswith("ERROR")] if lines else complaints
        said = " / ".join([*lines, *errors][-_LAST_LINES:])[:2000]
        yield phrase("tool-complains", "{tool}: {said}", tool=module, said=said)
    elif module == "pytest" and any(" skipped" in line for line in lines[-1:]):
        yield phrase("tests-skipped", "tests are skipped: {said}", said=lines[-1])


def _pack(project: Project, asked: list[Rule]) -> Iterator[Judged]:
    """Judge a pack by its own vectors."""
    named = {rule.name: rule for rule in asked}
    try:
        pack, verdict = asyncio.run(_vectors(project))
    except HubError as error:
        problems = [str(one) for one in error.problems] if isinstance(error, ConfigError) else [reason_of(error)]
        yield _result(named["pack-valid"], problems)
        why = phrase("pack-not-read", "the pack cannot be read")
        yield from (_result(named[name], [why]) for name in ("vectors", "decided"))
        return
    yield _result(named["pack-valid"], [])
    wrong = [f"{one.vector}: {one.wrong}" for one in verdict.outcomes if one.wrong]
    if pack.keys.untested:
        wrong.append(phrase("pack-calls-itself-untested", "it calls itself untested: take `untested` out"))
    yield _result(named["vectors"], [*wrong, *verdict.untested])
    left = [phrase("value-not-decided", "nobody has decided on {value}", value=one) for one in verdict.undecided]
    yield _result(named["decided"], [*left, *([verdict.unconfirmed_count] if verdict.unconfirmed else [])])


async def _vectors(project: Project) -> tuple[Pack, Verdict]:
    """Raises ConfigError for a pack that cannot be read, NotReady where no codec worker starts."""
    from hub.devices.codecs import Codecs  # late: only for packs
    from hub.devices.packs.vector_tests import run_vectors

    pack = read(project.path, parts=part_models(Registry.discover()))
    async with Codecs() as codecs:
        return pack, await run_vectors(pack, codecs)


def _version(project: Project) -> str:
    if project.kind == "pack":
        try:
            return str(read(project.path, parts=part_models(Registry.discover())).keys.version)
        except HubError:  # a rule says so
            return ""
    return _own_version() if project.kind == "shipped" else project.version


def _own_version() -> str:
    for name in ("ilot", "ilot-sdk"):
        try:
            return version_of(name)
        except ModuleNotFoundError:
            continue
    return ""


_CHECKS: dict[str, Callable[[Project, date], Iterable[str]]] = {
    "distribution": _distribution, "manifest": _manifest, "supported": _supported, "readme": _readme,
    "public-api": _public_api, "confined": _confined, "typed": _typed, "own-tests": _own_tests,
}  # fmt: skip
