"""Releases of the hub: verified, unpacked and switched by root, judged for a quarter of an hour, taken back when worse.

    unprivileged hub ── bundle, request ──▶ release-inbox/ ──▶ ilot-release.service (root)
                                                              verify ─▶ unpack ─▶ switch ─▶ restart ─▶ judge
                     ◀── told.json, progress.json ───────────                └──── back ◀─── worse ──┘

    knowledge    keys, floor, and what a release is judged by
    acceptance   whether a verified release may be installed: the attacks of TUF, and the state's format
    bundle       one file that holds a release: read and made
    unpacking    the files of a bundle into a directory, each hashed before anything uses it
    pace         how slowly a bundle may arrive
    trial        health before and after a switch, and the verdict. Pure
    notes        what root remembers, and what it tells
    trees        the directory of the releases, and the link that says which one runs
    machine      the service manager, and the hub that is asked
    switching    install, switch, judge, take back; goes on wherever it was killed
    root         the program of ilot-release.service; imports nothing of the hub but this folder, `core` and `protocol`
    inbox        the hub's side: hands over a bundle or a wish, reads what root tells
    offers       the calls of the running hub; what the fleet will call too

Root trusts nothing that the hub's user wrote: it verifies again, hashes while it unpacks, and remembers in a directory
of its own (ADR 0117).
"""
