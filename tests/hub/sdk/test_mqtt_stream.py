"""A broker over a stream that the session opened, with a real mosquitto at the other end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hub.core.errors import AuthFailed, NotReady
from hub.sdk.mqtt import Version, connect_mqtt
from tests.hub.store_and_forward.test_egress import Authority
from tests.hub.store_and_forward.test_egress_network import way_out
from tests.mosquitto import mosquitto

pytestmark = pytest.mark.real("network, processes")


@contextmanager
def broker(tmp_path: Path, *more: str) -> Iterator[int]:
    with mosquitto(tmp_path, *more) as (port, _):
        yield port


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_plugin_publishes_and_hears_through_the_way_out(tmp_path: Path, version: Version) -> None:
    with broker(tmp_path, "allow_anonymous true") as port:
        url = f"mqtt://127.0.0.1:{port}"
        _, network = way_out(url)
        async with connect_mqtt(network, url, version=version) as client:
            await client.subscribe("acme/#", qos=1)
            await client.publish("acme/one", b"21.5", qos=1)
            message = await anext(aiter(client.messages))
            assert (str(message.topic), message.payload) == ("acme/one", b"21.5")


async def test_a_broker_that_refuses_and_one_that_is_not_there_say_who_must_act(tmp_path: Path) -> None:
    with broker(tmp_path, "allow_anonymous false") as port:
        url = f"mqtt://127.0.0.1:{port}"
        _, network = way_out(url)
        with pytest.raises(AuthFailed, match=f"127.0.0.1:{port} refuses"):
            async with connect_mqtt(network, url, username="nobody", password="wrong"):
                pass
    with pytest.raises(NotReady, match="does not answer"):
        async with connect_mqtt(network, url):
            pass


async def test_mqtts_believes_the_given_ca_alone(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("broker")
    with broker(tmp_path, "allow_anonymous true", f"certfile {certificate}", f"keyfile {key}", "user root") as port:
        url = f"mqtts://127.0.0.1:{port}"
        _, network = way_out(url)
        async with connect_mqtt(network, url, ca=authority.pem) as client:
            await client.publish("acme/one", b"1", qos=1)
        with pytest.raises(NotReady, match="does not answer"):
            async with connect_mqtt(network, url):
                pass
