"""What is known here of releases, out of the journal and the package: keys, floor, and what a new one is judged by.
Pure but for the package's files."""

from __future__ import annotations

from typing import Protocol

from hub.core.state_dir import STATE_READS
from hub.operations.releases.acceptance import Here
from hub.operations.releases.notes import Journal
from hub.operations.releases.package import Package
from hub.protocol.documents.release import ReleaseKeys
from hub.protocol.documents.signed_payload import key_id


class System(Protocol):
    """What a release needs of the machine."""

    def architecture(self) -> str: ...
    def pythons(self) -> frozenset[str]: ...
    def now(self) -> float: ...


def trusted(package: Package, journal: Journal) -> ReleaseKeys:
    """Return the keys that may sign: the package's, or those that a release brought since."""
    if journal.keys and journal.keys_from > package.counter():
        return ReleaseKeys(tuple(journal.keys), journal.threshold)
    return package.keys()


def still_trusted(signers: list[bytes], keys: ReleaseKeys) -> bool:
    return len({key_id(key) for key in keys.keys} & set(signers)) >= keys.threshold


def here(package: Package, journal: Journal, current: int, system: System) -> Here:
    """Return by what a release is judged. `current`: the counter that the link names.

    A counter that passed counts no more once its signers are not trusted: whoever stole a key cannot shut out what
    comes after its end.
    """
    running, noted = max(current, package.counter()), journal.floor
    passed = noted is not None and still_trusted(noted.signers, trusted(package, journal))
    back = journal.kept.get(running)
    return Here(
        running=running,
        floor=max(running, noted.counter if noted is not None and passed else 0),
        architecture=system.architecture(),
        pythons=system.pythons(),
        reads=back.reads if back is not None else STATE_READS,
        failed=journal.failed,
        now=max(system.now(), journal.seen),
    )
