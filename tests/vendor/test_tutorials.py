"""The tutorials for vendors, as somebody new follows them: every block, in an environment with the SDK alone."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from .conftest import ROOT, environment

TUTORIALS = ROOT / "docs/tutorials"
VENDOR = "tests/vendor/"
BLOCK = re.compile(r"(?:^<!-- inject: (\S+) -->\n)?^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """A fenced block: the file of this repository that it equals, its language, its text."""

    source: str
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(page.read_text())]


def target(work: Path, source: str) -> Path:
    """Where somebody who follows the page writes a file: a distribution lies in its folder, a pack in its own."""
    name, _, rest = source.removeprefix(VENDOR).partition("/")
    folder = name if "-" in name else f"ilot-{name.replace('_', '-')}"
    return work / folder / rest


def lines_of(block: Block) -> list[tuple[str, int]]:
    """Each command with how it ends: 0, or the exit code of what is wrong where the page says that it fails."""
    commands = (line.partition("  # fails") for line in block.text.splitlines())
    return [(command, 3 if fails else 0) for command, fails, _ in commands]


def shell(work: Path, env: dict[str, str], block: Block) -> str:
    """Run a block in one shell that begins where the last one ended, and return what it said."""
    said, place = "", work / ".place"
    for command, code in lines_of(block):
        here = place.read_text().strip() if place.exists() else str(work)
        script = (
            f"cd '{here}'\n. '{work}/.venv/bin/activate' 2>/dev/null\n{command}\ncode=$?\npwd > '{place}'\nexit $code"
        )
        done = subprocess.run(
            ["bash", "-c", script],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == code, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        said += done.stdout + done.stderr
    return said


def follow(page: Path, work: Path, env: dict[str, str]) -> None:
    """Do what a page says, block by block. Raises AssertionError for a block that says something else."""
    said = ""
    for block in blocks(page):
        if block.source:
            assert block.source.startswith(VENDOR), block.source
            file = target(work, block.source)
            assert file.parent.parent.exists(), f"{file}: the page has not made its folder"
            file.parent.mkdir(exist_ok=True)
            file.write_text(block.text)
        elif block.language == "sh":
            said = shell(work, env, block)
        else:
            assert block.language == "text", f"nobody runs this block of {page.name}: {block.text[:60]}"
            for line in block.text.splitlines():
                found = re.escape(line).replace("…", ".*")
                assert re.search(found, said), f"{page.name} shows {line!r}, and this was said:\n{said}"


def test_each_block_of_a_tutorial_is_a_command_a_file_or_what_a_command_says() -> None:
    pages = sorted(TUTORIALS.glob("*.md"))
    assert [page.name for page in pages] == ["first-integration.md", "first-pack.md"]
    for page in pages:
        found = blocks(page)
        assert page.read_text().count("\n```") == 2 * len(found)
        for before, block in zip([None, *found], found, strict=False):
            if block.language == "text" and not block.source:
                assert before is not None
                assert before.language == "sh"
            else:
                assert block.source.startswith(VENDOR) or block.language == "sh"
    shown = {block.source for page in pages for block in blocks(page)}
    for name in ("acme_pump", "acme_room", "acme-thermo"):
        files = (
            path for path in (ROOT / VENDOR / name).rglob("*") if path.is_file() and "__pycache__" not in path.parts
        )
        assert {str(path.relative_to(ROOT)) for path in files if path.suffix not in (".mo", ".pyc")} <= shown


@pytest.mark.real("processes")
def test_a_tutorial_that_lies_is_caught(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for wrong in (
        "```sh\nfalse\n```\n",
        "```sh\necho 3 passed\n```\n\n```text\n4 passed\n```\n",
        "```yaml\na: b\n```\n",
    ):
        page.write_text(wrong)
        with pytest.raises(AssertionError):
            follow(page, tmp_path, {"PATH": "/usr/bin:/bin"})
    page.write_text("```sh\ncd /\n```\n\n```sh\npwd\nexit 3  # fails\n```\n\n```text\n/\n```\n")
    follow(page, tmp_path, {"PATH": "/usr/bin:/bin"})


@pytest.mark.long("fetches the SDK's packages from the registry, and makes two distributions and a pack")
@pytest.mark.parametrize("name", ["first-pack", "first-integration"])
def test_whoever_follows_a_tutorial_gets_what_it_shows(sdk_wheel: Path, tmp_path: Path, name: str) -> None:
    _, env = environment(tmp_path / ".probe")
    reached = subprocess.run(
        [tmp_path / ".probe/bin/pip", "download", "--quiet", "--no-deps", "--dest", tmp_path / ".probe", "click"],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if reached.returncode:
        pytest.skip(f"the registry gives nothing here: {reached.stderr[-300:]}")
    (tmp_path / sdk_wheel.name).write_bytes(sdk_wheel.read_bytes())
    follow(TUTORIALS / f"{name}.md", tmp_path, {**env, "PATH": "/usr/bin:/bin", "ILOT_RELEASE_PASSWORD": "four words"})
