"""`ilot version`."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version as installed

import click

from hub.cli import output


@click.command()
@output.as_json
def version(json: bool) -> None:
    """The versions of Îlot, Python and what the buffer is sealed with."""
    from cryptography.hazmat.backends.openssl import backend

    facts = {
        "ilot": installed("ilot"),
        "python": platform.python_version(),
        "cryptography": installed("cryptography"),
        "openssl": backend.openssl_version_text(),
        "machine": f"{sys.platform} {platform.machine()}",
    }
    if json:
        output.data(facts)
    else:
        output.table(("fact", "version"), facts.items())
