"""Keys and enrolment of the hub, as the user that looks can use them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from hub.core.errors import ConfigError, HubError, NotReady
from hub.core.text import phrase, reason_of
from hub.operations.doctor.findings import (
    ENROLMENT,
    KEYS_AT_REST,
    OK,
    RAW_HISTORY,
    STATE_DIRECTORY,
    WRONG,
    Finding,
)


def look(state: Path) -> Iterator[Finding]:
    """Yield the state directory, whose the keys are, and the enrolment."""
    if not os.path.lexists(state):
        yield Finding(
            STATE_DIRECTORY,
            WRONG,
            phrase("directory-missing", "{directory} does not exist", directory=state),
            phrase("enroll-makes-it", "`ilot enroll TOKEN` makes it"),
        )
    else:
        yield _directory(state)
        yield look_at_keys(state)
        yield from look_at_raw(state)
    yield look_at_enrolment(state)


def _directory(state: Path) -> Finding:
    try:
        mode = state.stat().st_mode & 0o077
    except OSError as error:
        return Finding(STATE_DIRECTORY, WRONG, reason_of(error), _AS_ITS_USER)
    return Finding(
        STATE_DIRECTORY,
        WRONG if mode else OK,
        str(state),
        phrase("others-can-read", "others can read it: chmod 700 {directory}", directory=state) if mode else "",
    )


_AS_ITS_USER = phrase(
    "doctor-as-root", "`sudo ilot doctor` looks as the hub's own user; with --fix it gives files back to that user"
)


def look_at_keys(state: Path) -> Finding:
    """Return who can read the hub's own keys."""
    from hub.identity import keys

    try:
        by_tpm, plain = keys.held_by_tpm(state / "keys"), keys.key_files(state / "keys")
    except ConfigError as error:
        return Finding(KEYS_AT_REST, WRONG, reason_of(error), "")
    if not by_tpm:
        return Finding(
            KEYS_AT_REST,
            OK,
            phrase("keys-on-disk", "key files on the same disk"),
            phrase(
                "stolen-disk-shows-keys",
                "a stolen disk shows keys, devices and settings, never buffered readings: "
                "docs/explanation/security.md, T1",
            ),
        )
    if plain:
        return Finding(
            KEYS_AT_REST,
            WRONG,
            phrase("keys-beside-tpm", "held by the TPM, and key files lie beside it: {files}", files=plain),
            phrase("seal-destroys-key-files", "stop the hub; `ilot keys seal` destroys them"),
        )
    from hub.identity.keys.tpm import unavailable_reason

    if not (problem := unavailable_reason()) and (apart := keys.stray_key_files(state / "keys")):
        return Finding(
            KEYS_AT_REST,
            WRONG,
            phrase(
                "keys-apart-of-tpm",
                "held by the TPM, and key files lie in clear apart: {files}",
                files=[str(one) for one in apart],
            ),
            phrase("shred-key-files", "once they are not needed: shred -u {files}", files=" ".join(map(str, apart))),
        )
    return Finding(
        KEYS_AT_REST,
        WRONG if problem else OK,
        phrase("finding-keys-in-tpm", "held by this machine's TPM"),
        problem,
    )


def look_at_raw(state: Path) -> Iterator[Finding]:
    """Yield who can read raw history on the disk."""
    if os.path.lexists(state / "keys" / "raw.key"):
        yield Finding(
            RAW_HISTORY,
            OK,
            phrase("raw-key-on-disk", "on disk, its key file beside it"),
            phrase(
                "stolen-disk-shows-raw",
                "a stolen disk shows every raw reading of `history.raw_days`: `raw_on_disk: tpm` holds it to this "
                "machine",
            ),
        )
    elif os.path.lexists(state / "keys" / "raw.tpm"):
        from hub.identity.keys.tpm import unavailable_reason

        problem = unavailable_reason()
        yield Finding(
            RAW_HISTORY,
            WRONG if problem else OK,
            phrase("raw-key-in-tpm", "on disk, its key held by the TPM"),
            problem,
        )


def look_at_enrolment(state: Path) -> Finding:
    """Return whether the hub is enrolled and its keys can be used."""
    from hub.identity import enrolment, keys

    try:
        enrolled, trust = enrolment.load(state)
        keys.load(state / "keys")
    except NotReady as error:  # of the TPM: the error states its remedy, and a token does not help
        return Finding(ENROLMENT, WRONG, reason_of(error), "")
    except (HubError, OSError, ValueError) as error:
        return Finding(ENROLMENT, WRONG, reason_of(error), remedy_for(error, state))
    return Finding(
        ENROLMENT,
        OK,
        phrase(
            "enrolled-trust-version",
            "{hub} at {url}, trust version {version}",
            hub=enrolled.hub,
            url=enrolled.url,
            version=trust.version,
        ),
    )


def remedy_for(error: BaseException, state: Path) -> str:
    """Return what helps a hub whose enrolment cannot be read: a token only where it never was enrolled."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, PermissionError):
            return _AS_ITS_USER
        cause = cause.__cause__ or cause.__context__
    try:
        was_enrolled = any((state / name).exists() for name in ("enrolment.json", "buffer"))
    except OSError:
        return _AS_ITS_USER
    if was_enrolled:
        return phrase(
            "restore-what-is-lost",
            "this hub was enrolled: mend what is named, or restore its backup (`ilot restore`); a token would make "
            "another hub of it",
        )
    return phrase("ask-for-token", "ask the backend's operator for a token: `ilot enroll TOKEN`")
