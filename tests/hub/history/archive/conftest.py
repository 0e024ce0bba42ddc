"""Fixtures of the tests of raw history on disk."""

import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def short_path():
    """A directory with a short name: the path of a socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="tpm") as made:
        yield Path(made)
