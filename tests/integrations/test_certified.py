"""Every integration that ships is certified by the rules that a vendor's is, and the table says so."""

from __future__ import annotations

import pytest

from tools import certified


@pytest.mark.long("each integration runs with its peer, also through outages")
def test_every_integration_that_ships_is_certified_and_the_table_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert certified.main([]) == 0, capsys.readouterr().out
