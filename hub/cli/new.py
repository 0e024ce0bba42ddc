"""`ilot new`: the first files of a configuration, an integration or a pack; in a checkout, of a page."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from hub.cli import output
from hub.core.errors import HubError
from hub.core.system_errors import file_not_written
from hub.core.text import phrase

_DIRECTORY = click.Path(path_type=Path, file_okay=False, exists=True)
_IN = click.option(
    "--in", "directory", type=_DIRECTORY, default=".", show_default=True, help="Where to put its folder."
)
_CHECKOUT = click.option(
    "--checkout", type=_DIRECTORY, default=".", show_default=True, help="A directory in the checkout of Îlot."
)


@click.group(cls=output.Group)
def new() -> None:
    """Start something new: the files, to be filled in."""


@output.of_hub
@new.command("config")
@click.option("--name", default="", help="The building's name, for people.")
@click.option(
    "--first",
    is_flag=True,
    help="The configuration of a hub that nobody has set up yet: its pages are on, so that it can be claimed and "
    "enrolled from them. A file that is there is left as it is, without an error.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default="config.yaml",
    show_default=True,
    help="The file to write; never one that is there.",
)
@click.option("--url", default="", help="The backend's address; by default that of the enrolment in --state-dir.")
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="ILOT_STATE_DIR",
    default="/var/lib/ilot",
    show_default=True,
    help="The state directory of `ilot enroll`.",
)
def new_config(name: str, first: bool, out: Path, url: str, state_dir: Path) -> None:
    """Write a first configuration: one building that reports this machine's health, and the way to the backend."""
    from hub.config.first_file import FIRST_NAME, configuration

    if not (name or first):
        raise click.UsageError(phrase("building-name-missing", "give the building's name with --name, or --first"))
    state = state_dir.absolute()
    if first:
        _write_first(out, configuration(name or FIRST_NAME, str(state), url, pages=True))
        return
    url = url or _enrolled(state)
    text = configuration(name, str(state), url)
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise HubError(
            phrase("file-there-already", "{file} is there already; name another file with --out", file=out)
        ) from None
    except OSError as error:
        raise HubError(file_not_written(out, error)) from error
    if not url:
        output.say(
            phrase(
                "no-hub-enrolled-in",
                "no hub is enrolled in {directory} yet: `ilot enroll TOKEN`, or its pages once it runs",
                directory=state,
            )
        )
    output.say(
        phrase(
            "new-configuration-next",
            "{file}: add your zones, places and devices, then run: ilot check --config {file}",
            file=out,
        )
    )


def _write_first(out: Path, text: str) -> None:
    """Write a configuration that belongs to whom its directory belongs to; never over one that is there."""
    from hub.core.disk.atomic_files import owner_of, write_atomically

    if out.exists():
        output.say(phrase("first-config-kept", "{file} is there already, and is left as it is", file=out))
        return
    try:
        write_atomically(out, text.encode(), 0o640, owner=owner_of(out.parent))
    except OSError as error:
        raise HubError(file_not_written(out, error)) from error
    output.say(phrase("first-config-written", "{file}: `ilot run` can be claimed and enrolled with it", file=out))


@new.command("pack")
@click.argument("name")
@_IN
def new_pack(name: str, directory: Path) -> None:
    """Write the files of a new pack NAME (vendor-model, for instance acme-thermo)."""
    from hub.devices.packs.naming import NAME
    from hub.devices.packs.template import files

    if not NAME.fullmatch(name):
        raise click.UsageError(
            phrase(
                "pack-name-form",
                "a pack is named vendor-model: small letters, digits and '-'; {name!r} is not",
                name=name,
            )
        )
    folder = directory / name
    write(folder, files(name))
    output.say(
        phrase(
            "new-pack-next",
            "{folder}: fill in pack.yaml, codec.js and vectors/, then run: ilot pack test {folder}",
            folder=folder,
        )
    )


@new.command("integration")
@click.argument("name")
@click.option(
    "--in", "directory", type=_DIRECTORY, help="Where to put the folder of a distribution of your own; by default here."
)
@click.option(
    "--checkout",
    type=_DIRECTORY,
    help="A directory in a checkout of Îlot: write an integration that ships with it. Default: here, if it is one.",
)
def new_integration(name: str, directory: Path | None, checkout: Path | None) -> None:
    """Write the files of a new integration NAME (for instance acme_thermo): a distribution of your own, with its
    manifest, French, tests and CI. In a checkout of Îlot: one that ships with it, and its line in pyproject.toml."""
    module = _module(name)
    if directory is None and (checkout is not None or _root_of_checkout(Path()) is not None):
        _write_shipped(module, _checkout(checkout or Path()))
    else:
        _write_own(module, directory or Path())


@new.command("plugin", hidden=True)
@click.argument("name")
@click.option("--in", "directory", type=_DIRECTORY, default=".")
def new_plugin(name: str, directory: Path) -> None:
    """Former name of `ilot new integration` for a distribution of your own."""
    _write_own(_module(name), directory)


def _write_own(module: str, directory: Path) -> None:
    """Write a vendor's distribution, its French compiled."""
    from hub.cli import templates
    from hub.i18n.compiling import compiled, parsed

    folder = directory / templates.folder(module)
    files = templates.vendor(module)
    catalogues = {name: compiled(parsed(text)) for name, text in files.items() if name.endswith(".po")}
    write(folder, files)
    for name, content in catalogues.items():
        (folder / name).with_suffix(".mo").write_bytes(content)
    output.say(
        phrase("new-own-integration-next", "{folder}: it is a whole example: change it for your device", folder=folder)
    )
    output.say(f"  cd {folder}")
    output.say('  pip install --editable ".[dev]"')
    output.say("  pytest && mypy --strict . && ruff check && ruff format --check")


def _write_shipped(module: str, root: Path) -> None:
    """Write an integration into a checkout of Îlot."""
    from hub.cli import new_parts

    project = root / "pyproject.toml"
    files = new_parts.integration(module)
    try:
        named = new_parts.with_entry_point(project.read_text("utf-8"), module)
    except ValueError as error:
        raise HubError(f"{project}: {error}") from error
    write_into(root, files)
    project.write_text(named, "utf-8")
    for file in (*files, "pyproject.toml"):
        output.say(f"  {file}")
    output.say(
        phrase(
            "new-integration-next",
            "it is a whole example: change it for your device. `make setup` installs its entry point; then:",
        )
    )
    output.say(f"  .venv/bin/python -m pytest tests/integrations/{module}")
    output.say(phrase("new-part-last", "`make check` says what it lacks"))


@output.of_hub
@new.command("page")
@click.argument("key")
@click.option("--fr", required=True, help="What the menu calls it in French.")
@click.option("--en", required=True, help="What the menu calls it in English.")
@_CHECKOUT
def new_page(key: str, fr: str, en: str, checkout: Path) -> None:
    """Write the files of a new page of the hub at /KEY: its area, its template, its words, and its test."""
    from hub.cli import new_parts

    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", key):
        raise click.UsageError(
            phrase("page-key-form", "a page is named by small letters, digits and '-'; {key!r} is not", key=key)
        )
    for text in (fr, en):
        if not re.fullmatch(r"[\w' -]{1,40}", text):
            raise click.UsageError(
                phrase(
                    "page-title-form",
                    'a page is called by letters, digits, spaces and "\'"; {text!r} is not',
                    text=text,
                )
            )
    root, files = _checkout(checkout), new_parts.page(key, fr, en)
    french = Path("hub/locale/fr/LC_MESSAGES/hub.po")
    write_into(root, files)
    with (root / french).open("a", encoding="utf-8") as file:
        file.write(new_parts.page_in_french(key, fr, en))
    for name in (*files, french):
        output.say(f"  {name}")
    output.say(phrase("new-page-next", "it is a whole example: change what it shows. Then:"))
    output.say("  .venv/bin/python tools/catalogues.py update && .venv/bin/python tools/catalogues.py compile")
    output.say(f"  .venv/bin/python -m pytest tests/hub/web/test_{key.replace('-', '_')}.py")
    output.say(phrase("new-part-last", "`make check` says what it lacks"))


def _module(name: str) -> str:
    """The name of a Python module that no plugin has yet. Raises UsageError."""
    from importlib.metadata import entry_points

    module = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", module):
        raise click.UsageError(
            phrase(
                "plugin-name-form",
                "a plugin is named as a Python module: small letters, digits and '_'; {name!r} is not",
                name=name,
            )
        )
    if module in sys.stdlib_module_names or module in {one.name for one in entry_points(group="hub.plugins")}:
        raise click.UsageError(
            phrase(
                "plugin-name-taken",
                "there is a module or plugin {module!r} already: choose another name",
                module=module,
            )
        )
    return module


def _checkout(directory: Path) -> Path:
    """The root of the checkout of Îlot around a directory. Raises UsageError."""
    root = _root_of_checkout(directory)
    if root is None:
        raise click.UsageError(
            phrase(
                "not-in-checkout",
                "{folder} is in no checkout of Îlot: go there, or name it with --checkout",
                folder=directory.resolve(),
            )
        )
    return root


def _root_of_checkout(directory: Path) -> Path | None:
    here = directory.resolve()
    parts = ("hub/web/areas", "integrations", "pyproject.toml")
    return next((root for root in (here, *here.parents) if all((root / part).exists() for part in parts)), None)


def write_into(root: Path, files: dict[str, str]) -> None:
    """New files below a folder. Raises HubError when one is there already; then none is written."""
    if there := [name for name in files if (root / name).exists()]:
        raise HubError(
            phrase(
                "file-there-choose-name",
                "{file} is there already; remove it, or choose another name",
                file=root / there[0],
            )
        )
    try:
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, "utf-8")
    except OSError as error:
        raise HubError(file_not_written(root, error)) from error


def write(folder: Path, files: dict[str, str]) -> None:
    """A new folder with these files. Raises HubError when it is there already."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
        for name, text in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
    except FileExistsError:
        raise HubError(
            phrase(
                "folder-there-choose-place",
                "{folder} is there already; remove it, or choose another place",
                folder=folder,
            )
        ) from None
    except OSError as error:
        raise HubError(file_not_written(folder, error)) from error


def _enrolled(state: Path) -> str:
    """The address of the enrolment that lies there, "" without one."""
    from hub.identity.enrolment import load

    try:
        return load(state)[0].url
    except HubError:
        return ""
