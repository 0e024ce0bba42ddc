"""The documentation against the code. Fails with one line for each thing that is wrong.

    python tools/check_docs.py            check
    python tools/check_docs.py --write    rewrite generated pages and injected blocks first

An injected block stands between `<!-- inject: path/of/the/file -->` and `<!-- /inject -->` and equals that file,
the path being relative to the root. `path#name` takes the part between the file's lines `# [name]` and `# [/name]`;
`path.py#docstring` takes what the module says of itself.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

import check_security_table  # noqa: E402 - found through the line above
import reference  # noqa: E402

INJECT = re.compile(r"(<!-- inject: (?P<source>\S+) -->\n)(?P<block>.*?)(<!-- /inject -->)", re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\((?P<target>[^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
README_HEADINGS = ["Devices", "Configuration", "Readings", "Limits"]
LANGUAGES = {
    ".js": "js",
    ".po": "text",
    ".py": "python",
    ".yaml": "yaml",
    ".toml": "toml",
    ".sh": "sh",
    ".json": "json",
    ".service": "ini",
}
# Written so that these lines do not match themselves.
NEVER = re.compile(
    r"(?<![\w}])/(wor[k]|far[m]|tmp/ilo[t]|home/[a-z]\w*|roo[t])/|pypi\.or[g]|pythonhoste[d]|npmj[s]\.org|piwheel[s]|"
    r"deb\.debia[n]\.org|proxy\.golan[g]|(extra-)?index-ur[l]",
    re.IGNORECASE,
)


def main(arguments: list[str]) -> int:
    write = arguments == ["--write"]
    if arguments and not write:
        print(__doc__, file=sys.stderr)
        return 2
    files = tracked()
    pages = [f for f in files if f.suffix == ".md"]
    problems = [
        *undocumented(),
        *generated(write),
        *injected(pages, write),
        *readmes(),
        *decisions(),
        *contents(),
        *links(pages),
        *mentions(pages),
        *commands(pages),
        *strangers(files),
    ]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"documentation: {len(pages)} pages, {len(problems)} problems")
    return 1 if problems else 0


def tracked() -> list[Path]:
    """Files of the repository, those not yet added included."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    paths = (ROOT / name for name in sorted(set(listing.stdout.decode().split("\0"))) if name)
    return [path for path in paths if path.is_file()]


def undocumented() -> Iterator[str]:
    """Every public name of the plugin API, and every member of it, is documented."""
    for problem in reference.undocumented():
        yield f"docs/reference/hooks.md: {problem}"


def generated(write: bool) -> Iterator[str]:
    """Pages that are written from the code equal what the code gives."""
    for page in reference.pages():
        path = ROOT / "docs" / page[0]
        if path.exists() and path.read_text() == page[1]:
            continue
        if write:
            path.write_text(page[1])
        else:
            yield f"docs/{page[0]}: the code says something else; run `make docs`"


def injected(pages: Iterable[Path], write: bool) -> Iterator[str]:
    """Blocks copied from a file equal that file."""
    for page in pages:
        text = page.read_text()
        opened, closed = text.count("\n<!-- inject: "), len(INJECT.findall(text))
        if opened != closed:
            yield f"{name(page)}: {opened} blocks are opened by `<!-- inject: … -->` and {closed} are complete"
        renewed = INJECT.sub(_renew, text)
        if renewed == text:
            continue
        if write:
            page.write_text(renewed)
        else:
            yield f"{name(page)}: an injected block differs from its file; run `make docs`"


def _renew(match: re.Match[str]) -> str:
    file, _, part = match["source"].partition("#")
    try:
        source = (ROOT / file).read_text()
    except OSError:
        return f"{match[1]}no such file: {file}\n{match[4]}"
    language = LANGUAGES.get(Path(file).suffix, "text")
    if part == "docstring":
        source, language = ast.get_docstring(ast.parse(source)) or f"no docstring: {file}", "text"
    elif part:
        found = re.search(rf"^ *# \[{part}\]\n(.*?)^ *# \[/{part}\]$", source, re.DOTALL | re.MULTILINE)
        source = found[1] if found else f"no such part: {match['source']}"
    return f"{match[1]}```{language}\n{source.strip()}\n```\n{match[4]}"


def readmes() -> Iterator[str]:
    """Each integration's README has the fixed headings, in their order."""
    for package in sorted((ROOT / "integrations").glob("*/__init__.py")):
        readme = package.with_name("README.md")
        if not readme.exists():
            yield f"{name(readme)}: missing"
            continue
        found = re.findall(r"^## (.+?)\s*$", FENCE.sub("", readme.read_text()), re.MULTILINE)
        if found != README_HEADINGS:
            yield f"{name(readme)}: second-level headings are {found}, must be {README_HEADINGS}"


def decisions() -> Iterator[str]:
    """The index of decisions has each page once, in order, under its own heading."""
    folder = ROOT / "docs/adr"
    pages = sorted(folder.glob("[0-9]*.md"))
    wanted = [f"- [{page.read_text().partition(chr(10))[0].removeprefix('# ')}]({page.name})" for page in pages]
    index = folder / "README.md"
    listed = [line for line in index.read_text().splitlines() if line.startswith("- [")] if index.exists() else []
    for line in wanted:
        if line not in listed:
            yield f"docs/adr/README.md: lacks the line {line}"
    for line in listed:
        if line not in wanted:
            yield f"docs/adr/README.md: {line} is the heading of no page"
    if sorted(listed) == sorted(wanted) and listed != wanted:
        yield "docs/adr/README.md: the decisions are not in the order of their numbers"


def contents() -> Iterator[str]:
    """The table of contents has each page of the documentation; decisions have an index of their own."""
    folder = ROOT / "docs"
    text = (folder / "README.md").read_text()
    for page in sorted(folder.rglob("*.md")):
        listed = page.parent.name == "adr" or page == folder / "README.md"
        if not listed and f"({page.relative_to(folder)})" not in text:
            yield f"docs/README.md: does not name {page.relative_to(folder)}"


def links(pages: Iterable[Path]) -> Iterator[str]:
    """Relative links lead to a file, and their anchors to a heading of it."""
    for page in pages:
        for match in LINK.finditer(FENCE.sub("", page.read_text())):
            target, _, anchor = match["target"].partition("#")
            if re.match(r"[a-z][a-z+.-]*:", target):
                continue
            path = (page.parent / target).resolve() if target else page
            if not path.exists():
                yield f"{name(page)}: link to {target}, which does not exist"
            elif anchor and path.suffix == ".md" and anchor not in anchors(path):
                yield f"{name(page)}: link to {match['target']}: no such heading"


def anchors(page: Path) -> set[str]:
    headings = HEADING.findall(FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def mentions(pages: Iterable[Path]) -> Iterator[str]:
    """A path in backticks below a folder of this house, or a test, names something that is there."""
    top = "hub|integrations|plugins|packs|backend|tests|bench|deploy|docs|tools"
    for page in pages:
        text = page.read_text()
        for path in re.findall(rf"`((?:{top})/[\w./-]+)`", text):
            if not (ROOT / path).exists():
                yield f"{name(page)}: names {path}, which does not exist"
        for problem in check_security_table.missing(check_security_table.TEST.findall(text)):
            yield f"{name(page)}: {problem}"


def commands(pages: Iterable[Path]) -> Iterator[str]:
    """`ilot …` and `make …`, in backticks or in a block, name commands and targets that exist."""
    known = reference.command_names()
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in pages:
        text = page.read_text()
        for words in re.findall(r"(?:`|^ *(?:\$ )?(?:sudo )?)ilot((?: [a-z][a-z-]*)+)", text, re.MULTILINE):
            first, *rest = words.split()
            if first not in known:
                yield f"{name(page)}: `ilot {first}` is no command"
            elif rest and known[first] and rest[0] not in known[first]:
                yield f"{name(page)}: `ilot {first} {rest[0]}` is no command"
        for target in re.findall(r"(?:`|^ *(?:\$ )?)make ([a-z][\w-]*)", text, re.MULTILINE):
            if target not in targets:
                yield f"{name(page)}: `make {target}` is no target of the Makefile"


def strangers(files: Iterable[Path]) -> Iterator[str]:
    """No path of somebody's machine, no address of a package registry."""
    for file in files:
        try:
            lines = file.read_text().splitlines()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, 1):
            found = NEVER.search(line)
            if found:
                yield f"{name(file)}:{number}: {found[0]!r} does not belong in a tracked file"


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
