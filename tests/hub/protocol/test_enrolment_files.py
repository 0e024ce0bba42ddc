"""Files of an enrolment without a network: whatever comes, it is an enrolment or a clear error."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from hub.core.errors import AuthFailed, ConfigError
from hub.protocol import enrolment_files as files

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
ROOT = "0123456789abcdef" * 4


def request(name: str = "école", csr: str = "csr") -> files.Request:
    signature = KEY.sign(files.request_statement(csr, name))
    return files.Request(identity=KEY.public_key().public_bytes_raw(), csr=csr, name=name, signature=signature)


def answer(**change: object) -> bytes:
    made = files.Answer(hub="hub-a", url="https://b:1", root=ROOT, certificate="c", trust=b"t")
    return files.write(msgspec.structs.replace(made, **change))


def test_what_is_written_is_read_back() -> None:
    assert files.read_request(files.write(request())) == request()
    assert files.read_answer(answer(), "0123 4567-89AB:cdef").hub == "hub-a"


def test_a_request_counts_only_as_its_hub_signed_it() -> None:
    for changed in (
        {"name": "autre"},
        {"csr": "autre"},
        {"identity": b"x" * 32},
        {"identity": b""},
        {"signature": b"s"},
    ):
        with pytest.raises(AuthFailed, match="not signed"):
            files.read_request(files.write(msgspec.structs.replace(request(), **changed)))


@pytest.mark.parametrize("typed", ["", ROOT[:15], ROOT[:14] + "zz", "é" * 16, ROOT + "0"])
def test_too_few_digits_are_no_comparison(typed: str) -> None:
    with pytest.raises(ConfigError, match="first 16 digits"):
        files.read_answer(answer(), typed)


@pytest.mark.parametrize("root", ["f" * 64, ROOT.upper(), ROOT[:16], "", "0123456789abcdef\n" * 4])
def test_another_root_or_one_of_another_form_is_refused(root: str) -> None:
    with pytest.raises(AuthFailed, match="another owner"):
        files.read_answer(answer(root=root), ROOT[:16])


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
@example(b"[" * 100_000)
@example(b"{}")
@example(files.write(request()) * 2)
@example(b" " * (files.MAX_ANSWER + 1))
@example(answer(kind="ilot/enrolment-answer/2"))
def test_whatever_comes_is_an_error_of_the_hubs_own(data: bytes) -> None:
    for read in (files.read_request, lambda one: files.read_answer(one, ROOT)):
        with contextlib.suppress(AuthFailed), pytest.raises(ConfigError, match="take the whole file"):
            read(data)
