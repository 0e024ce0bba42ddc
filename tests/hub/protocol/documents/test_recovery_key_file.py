"""A recipient key's file: read back as it was written, and refused when it is anything else."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import ConfigError
from hub.protocol.documents.recovery_key_file import read_file, read_recovery_key, write_file


def made(role: str):
    return write_file(role, MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())


KEY, FILE = made("recovery")
OTHER, _ = made("recovery")
TOLD = json.loads(FILE)


def test_a_key_reads_back_as_it_was_written():
    read = read_recovery_key(FILE)
    assert read[:3] == KEY[:3]


def test_an_ingest_key_is_no_recovery_key():
    key, file = made("ingest")
    assert read_file(file).kid == key.kid
    with pytest.raises(ConfigError, match="recovery key alone"):
        read_recovery_key(file)


def test_a_file_whose_key_is_not_the_one_it_names_is_damaged():
    with pytest.raises(ConfigError, match="damaged"):
        read_file(json.dumps({**TOLD, "kid": OTHER.kid.hex()}).encode())
    with pytest.raises(ConfigError, match="damaged"):
        read_file(json.dumps({**TOLD, "format": "ilot-recipient-key/2"}).encode())


@given(st.binary(max_size=200) | st.sampled_from([b"{}", json.dumps({**TOLD, "private": "AAAA"}).encode(), FILE[:-20]]))
def test_what_is_no_key_file_is_a_clear_error(data):
    with pytest.raises(ConfigError, match="not a recipient key file"):
        read_file(data)
