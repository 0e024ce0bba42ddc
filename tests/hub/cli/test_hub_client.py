"""Every question to the running hub bears the name of who typed it, on every machine."""

from __future__ import annotations

import getpass
import os

import pytest

from hub.cli.hub_client import current_user


def test_behind_sudo_it_is_the_account_that_called_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "root")
    monkeypatch.delenv("SUDO_USER", raising=False)
    assert current_user() == "cli:root"
    monkeypatch.setenv("SUDO_USER", "camille")
    assert current_user() == "cli:camille"


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_an_account_without_a_name_goes_by_its_number(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise error

    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(getpass, "getuser", nobody)
    assert current_user() == f"cli:{os.getuid()}"
