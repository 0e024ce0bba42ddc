"""A hub whose card is read-only when it starts: it says so at the address of its pages, and begins once it is not."""

from __future__ import annotations

import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import needs
from rig import free_port, until

from hub.cli.demo.scene import Scene
from hub.cli.hub_client import ask
from hub.core.errors import HubError, NotReady
from hub.core.state_dir import refusal

pytestmark = pytest.mark.real("clock, network, processes")


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Path]:
    where = tmp_path / "card"
    where.mkdir()
    try:
        needs.mount("-t", "tmpfs", "-o", "size=64m", "none", str(where))
    except needs.Missing as missing:
        pytest.skip(str(missing))
    yield where
    needs.unmount(where)


def remount(card: Path, how: str) -> None:
    needs.mount("-o", f"remount,{how}", str(card))


def page(port: int, lang: str) -> tuple[int, str]:
    """Status and text of the address of the pages; nobody's certificate is looked at."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(f"https://127.0.0.1:{port}/", headers={"Accept-Language": lang})
    try:
        with urllib.request.urlopen(request, timeout=20, context=trusting) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_hub_on_a_read_only_card_says_so_on_its_pages_and_begins_when_the_card_works_again(
    tmp_path: Path, card: Path
) -> None:
    scene = Scene(tmp_path, lambda text: None)
    scene.state = card / "state"
    scene.web_port = free_port()  # it stays free while no hub listens
    try:
        scene.prepare()
        assert refusal(scene.state) == ""
        scene.start_hub()
        scene.label()  # the certificate of the pages is there
        scene.stop("hub")
        remount(card, "ro")
        assert refusal(scene.state) != ""

        ready = scene.start_hub()
        process = scene.processes["hub"].pid
        assert ready["disk"] is False
        status, text = page(scene.web_port, "en")
        assert status == 503
        assert "takes nothing: Read-only file system" in text
        assert "put in a new one and restore the backup" in text
        assert "restaurer la sauvegarde" in page(scene.web_port, "fr-FR,fr;q=0.9")[1]
        with pytest.raises(NotReady, match="Read-only file system"):
            ask(scene.config, None, "status")

        remount(card, "rw")
        until(lambda: answers(scene), 90.0, (tmp_path / "hub.log").read_text)
        assert scene.processes["hub"].pid == process
        scene.label()  # waits until they are served
        assert page(scene.web_port, "en")[0] == 401  # its own entrance
    finally:
        scene.close()


def answers(scene: Scene) -> bool:
    try:
        return bool(scene.ask("status")["readings"])
    except HubError:
        return False
