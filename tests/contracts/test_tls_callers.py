"""Each plugin that calls a customer's server by TLS accepts what `hub.core.tls` accepts, and says why it refuses
another, on the pages in French too."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import hub
from hub.core.text import Phrase, reason_of
from hub.i18n.catalogues import split
from hub.plugin_host.supervisor import Health
from hub.protocol.documents.trust import Trust
from hub.sdk.testing import ManualClock
from hub.store_and_forward.egress import Egress, Host
from hub.store_and_forward.egress_http import EgressHttp
from integrations import mqtt_devices
from integrations.lorawan_servers import chirpstack
from plugins import email, homeassistant, mqtt_notifier
from tests.hub.core.test_tls import ACCEPTED, REFUSED

from ..certificates import Made, files, serving
from ..plugins.homeassistant.test_homeassistant import FakeView
from ..plugins.notify_kit import alert, notifying, until

Tried = tuple[str, str]
"""What the plugin says, and the kind of error or the state of the notifier."""


async def by_homeassistant(port: int, ca: Path) -> Tried:
    config = homeassistant.Config(host="127.0.0.1", port=port, tls=True, ca=ca)
    return await raised(homeassistant.run(config, FakeView()))


async def by_chirpstack(port: int, ca: Path) -> Tried:
    config = chirpstack.Config(host="127.0.0.1", port=port, tls=True, ca=ca)  # type: ignore[arg-type]
    return await raised(chirpstack.probe(config))


async def by_mqtt_devices(port: int, ca: Path) -> Tried:
    return await raised(mqtt_devices.probe(mqtt_devices.Config(host="127.0.0.1", port=port, tls=True, ca=ca)))


async def by_http(port: int, ca: Path) -> Tried:
    """What `Session.http` is for a host that the configuration names."""
    trust = Trust(version=1, owner="o", recipients=(), ack_keys=(), egress=())
    egress = Egress(trust, ManualClock(), hosts=[Host(host="127.0.0.1", port=port, ca_pem=ca.read_text())])
    http = EgressHttp(egress)
    try:
        return await raised(http.request("GET", f"https://127.0.0.1:{port}/"))
    finally:
        await http.close()


async def by_mqtt_notifier(port: int, ca: Path) -> Tried:
    config = mqtt_notifier.Config(host="127.0.0.1", port=port, tls=True, ca=ca)
    async with notifying("mqtt_notifier", mqtt_notifier.run, config) as (queue, _, health):
        queue.offer(alert())
        return await told(health)


async def by_email(port: int, ca: Path) -> Tried:
    config = email.Config(
        host="127.0.0.1", port=port, security="tls", ca=ca, sender="ilot@ville.example", to=["a@ville.example"]
    )
    async with notifying("email", email.run, config) as (queue, _, health):
        queue.offer(alert())
        return await told(health)


async def raised(call: Awaitable[object]) -> Tried:
    with pytest.raises((hub.NotReady, hub.AuthFailed)) as found:
        await call
    return reason_of(found.value), type(found.value).__name__


async def told(health: Health) -> Tried:
    await until(lambda: health.error)
    return health.error, {"stopped": "AuthFailed", "waiting": "NotReady"}[health.state]


CALLERS: dict[str, Callable[[int, Path], Awaitable[Tried]]] = {
    name: call for name, call in globals().items() if name.startswith("by_")
}
NOTIFIERS = {"by_email", "by_mqtt_notifier"}


async def tried(caller: str, trusted: Made, shown: Made, directory: Path) -> Tried:
    """Its server hangs up after the handshake: it says no other protocol."""
    ca, _ = files(Made(trusted.certificate, trusted.key), directory, "ca")
    try:
        with serving(shown, directory) as port:
            return await CALLERS[caller](port, ca)
    finally:
        await asyncio.to_thread(int)  # the thread that connected holds its socket until it has something else to do
        gc.collect()  # paho leaves a socket whose handshake failed to the garbage collector


pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning")


@pytest.mark.real("network")
@pytest.mark.parametrize("case", ["no authority key identifier", "an intermediate CA that is trusted itself"])
@pytest.mark.parametrize("caller", CALLERS)
async def test_a_customers_ca_that_one_python_would_refuse_is_accepted(
    tmp_path: Path, caller: str, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.mqtt_devices.client.ANSWER_S", 2.0)  # aiomqtt does not see that a broker hangs up
    said, kind = await tried(caller, *ACCEPTED[case](), tmp_path)
    assert "certificate" not in said
    assert kind == "NotReady", "what follows is that the other end hangs up"


@pytest.mark.real("network")
@pytest.mark.parametrize(
    "case", ["by another CA", "signed by itself", "expired", "not good yet", "another address", "a CA that is none"]
)
@pytest.mark.parametrize("caller", CALLERS)
async def test_a_certificate_that_is_refused_is_told_with_its_cause(tmp_path: Path, caller: str, case: str) -> None:
    make, code, kind = REFUSED[case]
    said, error = await tried(caller, *make(), tmp_path)
    assert "shows a certificate that is refused: " in said
    assert f"(OpenSSL {code}: " in said
    assert ("clock" in said) is (kind == "dates")
    assert isinstance(said, Phrase)
    french, quoted = split(said, "fr")
    assert "montre un certificat refusé" in french
    assert f"(OpenSSL {code}\u00a0: " in french
    assert quoted == ""
    stops = caller in NOTIFIERS and kind != "dates"  # a clock that is set, a renewal: nobody has to start it again
    assert error == ("AuthFailed" if stops else "NotReady")


def test_no_caller_is_forgotten() -> None:
    """Who asks for a context is tried here, or by what it is: an uplink gets its own from the hub, which has tests."""
    root = Path(hub.__file__).parents[1]
    asking = {
        path.relative_to(root).parts[1]
        for part in ("integrations", "plugins")
        for path in (root / part).rglob("*.py")
        if "Tls.client" in path.read_text()
    }
    assert asking == {"homeassistant", "lorawan_servers", "mqtt_devices", "mqtt_notifier", "email"}
