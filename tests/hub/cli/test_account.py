"""`ilot account`, asked of the calls that the pages ask too."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub.cli.account import account
from hub.cli.hub_client import current_user
from hub.rpc import control_socket

from ..web.web_kit import NAME, Pages

pytestmark = pytest.mark.real("network")

OTHER = "une autre phrase bien longue"


async def ilot(state: Path, *arguments: str, stdin: str = "") -> Result:
    words = [*arguments, "--state-dir", str(state)]
    return await asyncio.to_thread(CliRunner().invoke, account, words, input=stdin)


async def test_an_account_made_on_the_command_line_signs_in_and_one_that_is_removed_does_not(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages, control_socket.serving(tmp_path / "hub.sock", pages.calls()):
        await pages.claimed()
        made = await ilot(
            tmp_path, "set", "Zoe", "--role", "technicien", "--password-file", "-", stdin=f"{OTHER}\r\nmore"
        )
        assert (made.exit_code, made.stderr) == (0, "zoe signs in as technicien\n")
        browser = pages.browser()
        assert (await browser.sign_in("zoe", OTHER))[0] == 303
        listed = (await ilot(tmp_path, "list")).stdout
        assert [line.split()[:2] for line in listed.splitlines()[1:]] == [
            [NAME, "administrateur"],
            ["zoe", "technicien"],
        ]

        again = await ilot(tmp_path, "set", "zoe", "--password-file", "-", stdin=f"{OTHER} encore")
        assert again.stderr == "zoe signs in as technicien\n"  # another password is no other role
        assert (await browser.get("/account"))[0] == 401
        assert (await browser.sign_in("zoe", f"{OTHER} encore"))[0] == 303
        new = await ilot(tmp_path, "set", "ida", "--password-file", "-", stdin=OTHER)
        assert new.stderr == "ida signs in as lecteur\n"
        await ilot(tmp_path, "remove", "ida")

        gone = await ilot(tmp_path, "remove", "Zoe")
        assert (gone.exit_code, gone.stderr) == (0, "zoe signs in no more\n")
        assert (await browser.get("/account"))[0] == 401
        noted = [(one.who, one.what["web"]) for one in await pages.store.audited() if one.who == current_user()]
        assert [what for _, what in noted[-3:]] == ["account", "account removed", "account removed"]


async def test_what_the_pages_refuse_the_command_line_is_refused_too(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages, control_socket.serving(tmp_path / "hub.sock", pages.calls()):
        await pages.claimed()
        last = await ilot(tmp_path, "remove", NAME)
        assert isinstance(last.exception, control_socket.CallRefused)
        assert "has to remain" in str(last.exception)
        asked = await ilot(tmp_path, "set", "zoe", stdin="court\ncourt\n")
        assert isinstance(asked.exception, control_socket.CallRefused)
        assert "too short" in str(asked.exception)
        assert "court" not in asked.output
        pages.hub.read_only = True
        frozen = await ilot(tmp_path, "set", "zoe", "--password-file", "-", stdin=OTHER)
        assert isinstance(frozen.exception, control_socket.CallRefused)
        assert (frozen.exception.exit_code, "is read-only" in str(frozen.exception)) == (5, True)
        assert [one.name for one in pages.site.accounts.all()] == [NAME]
