"""Shipped and installed packs on disk. Blocking: never on the event loop.

    <distribution>/packs/<vendor-model>/                              shipped
    <state directory>/packs/<vendor-model>/<version>-<digest>/        installed; the digest is the first 16 hex digits

The folder of an installed pack appears whole, by one rename. The highest version is used, shipped or installed; an
older one, and another content under the same version, are not installed. A pack whose files were changed after its
installation is refused. The last KEPT versions of each pack stay. One that is removed leaves the file `floor`: its
version, below which none is installed.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hub.config.pydantic_findings import nearest
from hub.core.disk.atomic_files import Owner, give, hand_over_all, make_directory, refuse_strange_links
from hub.core.disk.safe_paths import leading
from hub.core.errors import ConfigError, HubError, Problem
from hub.core.text import phrase, system_error
from hub.devices.packs.naming import NAME, PACK

if TYPE_CHECKING:
    from hub.devices.packs.loader import Pack, Parts
    from hub.devices.packs.vector_tests import Verdict

SHIPPED = Path(__file__).resolve().parents[3] / "packs"
MARK = 16
KEPT = 3
"""Number of installed versions of a pack kept on disk."""
FLOOR = "floor"

_INSTALLED = re.compile(rf"([0-9]{{1,7}})-([0-9a-f]{{{MARK}}})")


class Library:
    """`installed` is the directory of installed packs, None: shipped ones only. `parts`: see
    `hub.devices.packs.loader`."""

    def __init__(self, installed: Path | None = None, shipped: Path = SHIPPED, parts: Parts | None = None) -> None:
        self._installed = installed
        self._shipped = shipped
        self.parts = parts

    def names(self) -> list[str]:
        """Return every pack that is there, readable or not, sorted."""
        found = {entry.name for entry in _folders(self._shipped) if (entry / PACK).is_file()}
        if self._installed is not None:
            found |= {entry.name for entry in _folders(self._installed) if self._versions(entry.name)}
        return sorted(name for name in found if NAME.fullmatch(name))

    def get(self, name: str) -> Pack:
        """Read the highest version of a pack. Raises ConfigError when there is none, or it is invalid."""
        from hub.devices.packs.loader import read  # late: its models are 0.6 MiB, and not every hub has packs

        versions = self._versions(name)
        shipped = read(self._shipped / name, name, self.parts) if self._is_shipped(name) else None
        if not versions and shipped is None:
            raise ConfigError([_unknown(name, self.names())])
        if versions and (shipped is None or versions[-1][0] > shipped.keys.version):
            folder = versions[-1][1]
            pack = read(folder, name, self.parts)
            if not pack.digest.startswith(folder.name.partition("-")[2]):
                raise ConfigError(
                    [
                        Problem(
                            phrase(
                                "pack-changed-after-install",
                                "this pack was changed after it was installed; install it again",
                            ),
                            file=str(folder),
                        )
                    ]
                )
            self._expect_not_revoked(pack)
            return pack
        assert shipped is not None  # noqa: S101 - the line above says so, for mypy
        return shipped

    def _expect_not_revoked(self, pack: Pack) -> None:
        """Raise ConfigError for an installed pack that the district's index revokes."""
        from hub.devices.vendor_index import stored_index  # late: few hubs have one

        index = stored_index(self._installed.parent / "plugins") if self._installed is not None else None
        found = index.revocation(pack.name, pack.keys.version, "", ()) if index is not None else None
        if found is not None:
            raise ConfigError(
                phrase(
                    "pack-revoked",
                    "pack {pack} {version} is revoked: {reason}",
                    pack=pack.name,
                    version=pack.keys.version,
                    reason=found.reason,
                )
            )

    def stamp(self, name: str) -> tuple[tuple[str, int, int], ...]:
        """Return path, size and time (ns) of each file of the pack, to detect changes."""
        folders = [self._shipped / name, *(folder for _, folder in self._versions(name))]
        files = sorted(file for folder in folders if folder.is_dir() for file in folder.rglob("*") if file.is_file())
        return tuple((str(file), (facts := file.stat()).st_size, facts.st_mtime_ns) for file in files)

    def installed(self) -> tuple[tuple[str, int], ...]:
        """Return each pack ever installed with its folder's time (ns), to detect installations. Shipped packs change
        only with the distribution."""
        if self._installed is None:
            return ()
        return tuple(sorted((entry.name, entry.stat().st_mtime_ns) for entry in _folders(self._installed)))

    def origin(self, pack: Pack) -> str:
        """Return "shipped" or "installed"."""
        return (
            "installed" if any(f.name.endswith(pack.digest[:MARK]) for _, f in self._versions(pack.name)) else "shipped"
        )

    def install(self, pack: Pack, verdict: Verdict, *, untested: bool = False) -> Path:
        """Put a tested pack into the state directory and return its folder. `untested`: a person wants it although
        nobody has tested it. Raises HubError when it may not be installed."""
        if self._installed is None:
            raise HubError(phrase("no-state-directory-for-packs", "there is no state directory to install packs in"))
        if pack.fields is None or pack.undecided:
            raise HubError(
                phrase(
                    "pack-fields-unreviewed",
                    "pack {pack} has fields that no person has decided; look at `proposed` in its pack.yaml",
                    pack=pack.name,
                )
            )
        if pack.keys.untested and not untested:
            raise HubError(
                phrase(
                    "pack-untested",
                    "pack {pack} is untested: no example shows that it reads its payloads right; say that you want it "
                    "all the same",
                    pack=pack.name,
                )
            )
        if verdict.digest != pack.digest or not verdict.ok:
            raise HubError(
                phrase(
                    "pack-fails-own-tests",
                    "pack {pack} does not pass its own tests; `ilot pack test` shows where",
                    pack=pack.name,
                )
            )
        target = self._installed / pack.name / f"{pack.keys.version}-{pack.digest[:MARK]}"
        if target.is_dir():
            return target
        with contextlib.suppress(ConfigError):
            known = self.get(pack.name)
            if known.digest == pack.digest:
                return target.parent
            if known.keys.version >= pack.keys.version:
                raise HubError(
                    phrase(
                        "pack-version-not-higher",
                        "pack {pack} is installed in version {version}; another one needs a higher `version`",
                        pack=pack.name,
                        version=known.keys.version,
                    )
                )
        if (floor := self._floor(pack.name)) > pack.keys.version:
            raise HubError(
                phrase(
                    "pack-below-floor",
                    "pack {pack} was here in version {version} until it was removed; an older one is not installed",
                    pack=pack.name,
                    version=floor,
                )
            )
        state = self._installed.parent
        try:
            refuse_strange_links(target.parent, state)
            _place(pack, target, state)
            hand_over_all(state)  # otherwise the hub's user could not read what root installs
        except OSError as error:
            raise HubError(
                phrase(
                    "pack-install-failed",
                    "pack {pack} cannot be installed in {directory}: {reason}",
                    pack=pack.name,
                    directory=target.parent,
                    reason=system_error(error),
                )
            ) from error
        self._forget_old(pack.name)
        return target

    def remove(self, name: str) -> int:
        """Remove all installed versions of a pack and return the highest. One that ships with the hub stays, and counts
        again. Raises HubError."""
        versions = self._versions(name)
        if self._installed is None or not versions:
            raise HubError(
                phrase("pack-only-shipped", "pack {pack} ships with the hub; it is not removed", pack=name)
                if self._is_shipped(name)
                else _unknown(name, self.names()).sentence
            )
        folder, highest = self._installed / name, versions[-1][0]
        floor = b"%d" % max(highest, self._floor(name))
        try:
            with leading(folder / FLOOR, self._installed.parent, follow=False) as spot:
                whose = spot.owner()
                spot.write(floor, give=partial(give, owner=Owner(whose.st_uid, whose.st_gid)))
                _remove_folders(spot.directory, [one.name for _, one in versions])
        except OSError as error:
            raise HubError(
                phrase(
                    "pack-not-removed",
                    "pack {pack} cannot be removed from {directory}: {reason}",
                    pack=name,
                    directory=folder,
                    reason=system_error(error),
                )
            ) from error
        return highest

    def _floor(self, name: str) -> int:
        """Return the version that a removal noted, 0 without one."""
        try:
            return int((self._installed / name / FLOOR).read_bytes()[:8]) if self._installed is not None else 0
        except (OSError, ValueError):
            return 0

    def _forget_old(self, name: str) -> None:
        """Delete old versions; the last KEPT stay for reference."""
        import shutil

        for _, folder in self._versions(name)[:-KEPT]:
            shutil.rmtree(folder, ignore_errors=True)

    def _is_shipped(self, name: str) -> bool:
        return NAME.fullmatch(name) is not None and (self._shipped / name / PACK).is_file()

    def _versions(self, name: str) -> list[tuple[int, Path]]:
        """Return the installed versions of a pack, the highest last."""
        if self._installed is None or not NAME.fullmatch(name):
            return []
        found = [
            (match, entry) for entry in _folders(self._installed / name) if (match := _INSTALLED.fullmatch(entry.name))
        ]
        return sorted(((int(match[1]), entry) for match, entry in found), key=lambda one: one[0])


def _unknown(name: str, known: list[str]) -> Problem:
    return Problem(
        phrase("no-such-pack", "there is no pack {name!r}; `ilot pack list` shows them", name=name[:64]),
        suggestion=nearest(name, known),
    )


def _folders(directory: Path) -> list[Path]:
    try:
        return [entry for entry in directory.iterdir() if entry.is_dir()]
    except OSError:
        return []


def _place(pack: Pack, target: Path, state: Path) -> None:
    """Write the pack by directory descriptors, so that links in the state directory cannot redirect root. Raises
    OSError."""
    make_directory(state)
    import shutil

    scratch = target.parent / f".new-{secrets.token_hex(8)}"
    try:
        for name, content in pack.files.items():
            with leading(scratch / name, state, _made) as spot:
                spot.write(content)
        with leading(scratch, state, follow=False) as new, leading(target, state, follow=False) as there:
            new.move_to(there)
            os.fsync(there.directory)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _remove_folders(directory: int, names: list[str]) -> None:
    """Remove folders from a directory that is held open, each at once, the last of them last: cut off, what counts is
    there whole, or not at all. Raises OSError."""
    import shutil

    for name in names:
        os.rename(name, f".gone-{secrets.token_hex(8)}", src_dir_fd=directory, dst_dir_fd=directory)
    os.fsync(directory)
    for name in os.listdir(directory):
        if name.startswith(".gone-"):
            shutil.rmtree(name, ignore_errors=True, dir_fd=directory)


def _made(fresh: int, holder: os.stat_result) -> None:
    """Set the mode of a new directory: private to the hub."""
    os.fchmod(fresh, 0o700)
