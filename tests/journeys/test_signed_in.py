"""Somebody is signed in to a whole hub; the hub is killed, and started again."""

from __future__ import annotations

import http.client
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from hub.rpc.control_socket import call

from ..faults.rig import Rig, free_port, until
from .patience import PATIENCE_S

pytestmark = [pytest.mark.real("clock, network, processes"), pytest.mark.long("starts whole hubs", of="tests/journeys")]

NAME, PASSWORD = "camille", "trois lampes et un chat"
COOKIE = "__Host-ilot"


class Browser:
    """A browser that checks no certificate, and keeps what it is given."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, **fields: str) -> tuple[int, str]:
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=PATIENCE_S)
        host = f"https://127.0.0.1:{self.port}"
        head = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), "Origin": host,
                "Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}  # fmt: skip
        connection.request(method, path, urlencode(fields) if fields else None, head)
        answer = connection.getresponse()
        text = answer.read().decode()
        for said in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = said.partition(";")[0].partition("=")
            self.cookies[name] = value
        connection.close()
        return answer.status, text

    def form(self, at: str, to: str, **fields: str) -> int:
        found = re.search(r'name="csrf" value="([^"]+)"', self.ask("GET", at)[1])
        assert found, at
        return self.ask("POST", to, csrf=found[1], **fields)[0]

    def signed_in(self) -> bool:
        return self.ask("GET", "/api/1/session")[0] == 200


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def test_who_is_signed_in_outlives_a_kill_and_who_left_does_not(rig: Rig) -> None:
    port = free_port()
    rig.config.write_text(f"{rig.config.read_text()}\nweb: {{address: 127.0.0.1, port: {port}}}\n")

    def started() -> None:
        rig.start_hub(per_second=20.0)
        until(lambda: call(rig.state / "hub.sock", "status")["web"]["served"], PATIENCE_S, rig.logs)

    started()
    code = call(rig.state / "hub.sock", "web.label", new=True)["code"]
    stays, leaves = Browser(port), Browser(port)
    assert stays.form("/claim", "/claim", code=code, name=NAME, password=PASSWORD, again=PASSWORD) == 303
    assert leaves.form("/signin", "/signin", name=NAME, password=PASSWORD) == 303
    left = dict(leaves.cookies)
    assert leaves.form("/account", "/signout") == 303
    form = re.search(r'name="csrf" value="([^"]+)"', stays.ask("GET", "/account")[1])
    assert form is not None

    rig.kill(rig.hub)
    started()
    assert stays.signed_in()
    leaves.cookies = left
    assert not leaves.signed_in()
    again = {"former": PASSWORD, "password": "un tout autre mot de passe", "again": "un tout autre mot de passe"}
    assert stays.ask("POST", "/account/password", csrf=form[1], **again)[0] == 303, "a form from before the kill"

    assert rig.stop(rig.hub) == 0
    started()
    assert stays.signed_in()
    held = b"".join(path.read_bytes() for path in rig.state.rglob("*") if path.is_file())
    assert stays.cookies[COOKIE].encode() not in held
