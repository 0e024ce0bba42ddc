"""`ilot doctor` says who could read raw history that lies on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.cli.doctor.identity import look_at_raw
from hub.identity.keys import tpm
from hub.operations.doctor.findings import OK, WRONG


def test_a_key_beside_what_it_opens_is_noted_and_nothing_is_said_where_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    assert list(look_at_raw(tmp_path)) == []
    (tmp_path / "keys" / "raw.key").touch()
    [found] = look_at_raw(tmp_path)
    assert found.state == OK
    assert "a stolen disk shows every raw reading" in found.remedy


@pytest.mark.parametrize(
    ("problem", "state"), [("", OK), ("tpm2_unseal is not installed: apt install tpm2-tools", WRONG)]
)
def test_a_key_that_the_tpm_holds_is_right_as_long_as_the_tpm_can_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str, state: str
) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "raw.tpm").touch()
    monkeypatch.setattr(tpm, "unavailable_reason", lambda: problem)
    [found] = look_at_raw(tmp_path)
    assert (found.state, found.remedy) == (state, problem)
