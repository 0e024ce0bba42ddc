"""A distribution that knows only `import hub` builds, installs, is described and runs; a broken one loses itself."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .conftest import QUIET, command, copy_of_the_source, wheel

pytestmark = pytest.mark.real("processes")


def describe(stranger: Path, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(
        command(stranger / "python", "-m", "hub.plugin_host.isolation", "describe", name).stdout
    )
    return answer


def test_the_hub_under_test_comes_from_its_wheel(stranger: Path) -> None:
    where = command(stranger / "python", "-c", "import hub; print(hub.__file__)").stdout.strip()
    assert Path(where).is_relative_to(stranger.parent)


def test_the_wheel_holds_every_file_that_the_pages_load_and_the_licence_of_those_of_others(stranger: Path) -> None:
    """Git does not hold the reader of QR codes: npm brings it before a wheel is built."""
    code = (
        "from hub.page_kit import assets; from hub.page_kit.renderer import KIT; from hub.web.areas import FILES; "
        "from hub.web.render import HERE; names = {*assets.FILES, *FILES, 'qr/LICENSE-MIT'}; "
        "print(len(names), [n for n in names if not any((f / 'static' / n).is_file() for f in (HERE, KIT))])"
    )
    count, _, missing = command(stranger / "python", "-c", code).stdout.strip().partition(" ")
    assert int(count) >= 10
    assert missing == "[]"


def test_two_builds_of_one_source_are_equal_byte_for_byte(stranger: Path, tmp_path: Path) -> None:
    (first,) = (stranger.parent.parent / "wheels").glob("ilot-[0-9]*.whl")
    second = wheel(copy_of_the_source(tmp_path / "elsewhere"), tmp_path / "wheels")
    assert second.name == first.name
    assert second.read_bytes() == first.read_bytes()


def test_a_strangers_plugin_is_described_without_running_in_the_hub(stranger: Path) -> None:
    description = describe(stranger, "acme_thermo")
    assert description["distribution"] == "ilot-acme-thermo"
    assert description["version"] == "1.0"
    assert not description["shipped"]
    assert not description["error"]
    (integration,) = description["integrations"]
    assert integration["name"] == "acme_thermo"
    assert integration["schema"]["required"] == ["url"]
    assert integration["schema"]["properties"]["interval"]["default"] == "PT1M"


@pytest.mark.parametrize(
    ("name", "passed"), [("acme_thermo", "1 passed"), ("acme_valve", "2 passed"), ("acme_former", "1 passed")]
)
def test_a_vendors_own_tests_pass_with_the_test_kit(stranger: Path, name: str, passed: str) -> None:
    test = stranger.parent.parent / name / f"test_{name}.py"
    assert passed in command(stranger / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", test).stdout


def strictly_typed(stranger: Path, *files: Path) -> str:
    """What mypy says in the folder of these files, with no setting but `--strict`."""
    words = [stranger / "python", "-m", "mypy", "--strict", "--cache-dir", files[0].parent / ".mypy", *files]
    done = subprocess.run(words, env=QUIET, cwd=files[0].parent, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_the_examples_type_check_from_a_vendors_own_folder_and_a_mistake_is_found(
    stranger: Path, tmp_path: Path
) -> None:
    folder = stranger.parent.parent
    valve = folder / "acme_valve" / "acme_valve" / "__init__.py"
    files = [
        valve,
        folder / "acme_valve" / "test_acme_valve.py",
        folder / "acme_thermo" / "acme_thermo" / "__init__.py",
    ]
    assert strictly_typed(stranger, *files).startswith("Success: no issues found in 3 source files")
    wrong = tmp_path / "wrong.py"
    text = valve.read_text()
    for right, mistake in (
        ('commands.answer(command, "done")', 'commands.answer(command, "finished")'),
        ("async def run(config: Gateway,", "async def run(config: Valve,"),
        ("known.settings_as(Valve).name}", "known.settings_as(Valve).channel}"),
        ("self.session.polling.poll_cycles(", "self.session.rounds("),
    ):
        assert right in text
        text = text.replace(right, mistake)
    wrong.write_text(text)
    found = strictly_typed(stranger, wrong)
    for said in (
        '"answer" of "Commands"',
        'to "Plugin"',
        'no attribute "channel"',
        'no attribute "rounds"',
        '"Register"',
    ):
        assert said in found, found


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("broken_import", "no licence found"),
        ("broken_registration", "'region'"),
        ("broken_exit", "no dongle found"),
    ],
)
def test_a_plugin_that_cannot_load_is_described_by_its_error(stranger: Path, name: str, reason: str) -> None:
    description = describe(stranger, name)
    assert reason in description["error"]
    assert "ilot-broken-vendor 0.3" in description["error"]
    assert description["integrations"] == []


def test_one_that_forges_its_description_is_who_its_installation_says_and_leaves_no_process(stranger: Path) -> None:
    code = (
        "import msgspec, sys; from hub.plugin_host.isolation.describe import describe; "
        "from hub.plugin_host.registry import Registry; "
        "sys.stdout.buffer.write(msgspec.json.encode(describe(Registry.discover().plugins['broken_forging'])))"
    )
    described = json.loads(command(stranger / "python", "-c", code).stdout)
    assert (described["name"], described["distribution"]) == ("broken_forging", "ilot-broken-vendor")
    assert not described["shipped"]
    asked = b"hub.plugin_host.isolation\0describe\0broken_forging"
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert asked not in process.read_bytes()
        except OSError:
            continue
