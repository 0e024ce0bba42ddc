"""The uplink behind a town's proxy: CONNECT, credentials, and what is said when the proxy says no."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from backend.hubs.registry import Registry
from backend.owner import directory as owners
from backend.processes.ingest_process import serving
from backend.storage.opening import open_storage
from hub.config.model import Link
from hub.core.clock import SystemClock
from hub.core.errors import NotReady
from hub.identity import enrolment, keys
from hub.sdk.transport import Message
from hub.store_and_forward.egress import Egress
from hub.store_and_forward.egress_http import EgressHttp
from hub.store_and_forward.link.traffic import Traffic
from plugins.https import Https, run

from ...proxy import Proxy, proxy

PASSWORD = "canary/p@ss:w%rd"
MESSAGE = Message(1, "state", "", b"not a state", 0)


class Hub:
    """One message to carry, by way of the real egress of an enrolled hub."""

    def __init__(self, state: Path, proxy_url: str | None) -> None:
        enrolled, trust = enrolment.load(state)
        self.hub, self.url = enrolled.hub, enrolled.url
        self.traffic = Traffic(lambda: 1_790_000_000.0)  # a month does not end meanwhile
        self.replies: list[bytes] = []
        owned = keys.load(state / "keys")
        self._egress = Egress(
            trust, SystemClock(), certificate=state / enrolment.CERTIFICATE, key=owned.tls_key, proxy=proxy_url
        )
        self.connection, self.socket, self.share_connection = (
            self._egress.connection,
            self.traffic.socket,
            self._egress.lend,
        )

    async def messages(self):
        yield MESSAGE

    def answered(self, message: Message, body: bytes) -> None:
        self.replies.append(body)

    async def carry(self) -> str:
        """What the uplink ends with when it cannot carry."""
        try:
            await run(Https.model_validate({"url": self.url}), self)
        except ExceptionGroup as group:
            (error,) = group.exceptions
            assert isinstance(error, NotReady)
            return str(error)
        return ""


def through(server: Proxy, user: str = "hub", password: str = PASSWORD) -> str:
    link = Link(proxy=server.address, proxy_user=user, proxy_password=SecretStr(password) if user else None)
    url = link.proxy_url()
    assert url is not None
    assert PASSWORD not in repr(link)
    return url


@pytest.fixture
async def state(tmp_path: Path):
    """An enrolled hub's directory, its backend running; enrolled through a proxy, as it would be in a town."""
    owners.init(tmp_path / "owner", owner="Ville")
    async with serving(tmp_path / "owner", port=0) as running:
        with closing(open_storage(running.owner.database)) as storage:
            token = Registry(storage).issue(
                url=running.url, root=running.owner.settings.root, name="t", now=time.time(), lifetime=60.0
            )
        with proxy(f"hub:{PASSWORD}") as server:
            await enrolment.enrol(str(token), tmp_path / "hub", proxy=through(server))
            assert server.asked
            assert set(server.statuses) == {200}
        yield tmp_path / "hub"


@pytest.mark.real("network")
async def test_a_message_passes_the_proxy_with_its_credentials_and_every_byte_is_counted(state: Path) -> None:
    with proxy(f"hub:{PASSWORD}") as server:
        hub = Hub(state, through(server))
        said = await hub.carry()
        assert "answers 400 to a state message" in said, "the backend itself was reached, through TLS"
        assert server.asked == [hub.url.removeprefix("https://")]
    head = 4096  # CONNECT and its answer are counted too
    assert len(server.up) < hub.traffic.month().up < len(server.up) + head
    assert len(server.down) < hub.traffic.month().down < len(server.down) + head
    assert MESSAGE.body not in server.up


@pytest.mark.real("network")
async def test_wrong_credentials_are_told_by_name_and_shown_to_nobody(state: Path) -> None:
    with proxy("hub:other") as server:
        said = await Hub(state, through(server)).carry()
    assert "wants other credentials (407)" in said
    assert "proxy_password" in said
    for part in (PASSWORD, "canary", f"127.0.0.1:{server.server_address[1]}"):
        assert part not in said


@pytest.mark.real("network")
async def test_a_proxy_that_forbids_the_host_and_one_that_is_gone_are_told_apart(state: Path) -> None:
    with proxy() as server:
        server.refuses = True
        url = through(server, user="")
        said = await Hub(state, url).carry()
        assert "refuses to connect there (403)" in said
    said = await Hub(state, url).carry()
    assert "the proxy does not answer" in said
    assert "link.proxy" in said


@pytest.mark.real("network")
async def test_what_a_plugin_asks_over_the_same_proxy_shows_no_credentials_either(state: Path) -> None:
    with proxy("hub:other") as server:
        hub = Hub(state, through(server))
        http = EgressHttp(hub._egress)
        with pytest.raises(NotReady) as caught:
            await http.request("GET", f"{hub.url}/v1/trust")
        await http.close()
    assert "407" in str(caught.value)
    assert "canary" not in f"{caught.value}{caught.value.__cause__!r}{caught.value.__cause__}"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"proxy": "http://u:p@proxy:3128"}, "use proxy_user and proxy_password"),
        ({"proxy": "socks5://proxy:1080"}, "http://proxy.example.org:3128"),
        ({"proxy": "proxy:3128"}, "http://proxy.example.org:3128"),
        ({"proxy": "http://proxy:99999"}, "http://proxy.example.org:3128"),
        ({"proxy": "http://proxy/path"}, "http://proxy.example.org:3128"),
        ({"proxy_user": "u"}, "need proxy"),
        ({"proxy": "http://proxy", "proxy_password": "p"}, "needs proxy_user"),
    ],
)
def test_a_proxy_that_is_none_is_refused_when_the_file_is_read(options: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Link(**options)
