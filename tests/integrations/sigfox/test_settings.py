"""What the configuration may say, and what it is told when it may not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from integrations.sigfox.settings import Config, DeviceSettings

SECRET = "a" * 24


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({}, "give listen or backend"),
        ({"listen": {}}, "Field required"),
        ({"listen": {"secret": "short"}}, "at least 20 characters"),
        ({"listen": {"secret": SECRET, "address": "localhost"}}, "expected an address of this machine"),
        ({"listen": {"secret": SECRET, "address": "0.0.0.0"}}, "the secret would travel in clear"),
        ({"listen": {"secret": SECRET, "address": "192.0.2.1"}}, "the secret would travel in clear"),
        ({"listen": {"secret": SECRET, "certificate": "x.pem"}}, "belong together"),
        ({"backend": "http://backend.example.org"}, "an https:// address"),
        ({"listen": {"secret": SECRET, "header": "X Y"}}, "pattern"),
    ],
)
def test_what_is_wrong_in_the_configuration_is_told(said: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as failure:
        Config.model_validate(said)
    assert says in str(failure.value)
    assert SECRET not in str(failure.value)


def test_a_certificate_lets_it_listen_on_another_interface() -> None:
    listen = {"secret": SECRET, "address": "192.0.2.1", "certificate": "c.pem", "certificate_key": "k.pem"}
    assert Config.model_validate({"listen": listen}).listen


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"format": "t::uint:8"}, "format and values belong together"),
        ({"values": {"temperature": {}}}, "format and values belong together"),
        ({"format": "t::uint:99", "values": {"temperature": {"field": "t"}}}, "a uint has 1 to 64 bits"),
        ({"format": "t::uint:8", "values": {"warmth": {"field": "t"}}}, "no metric of the catalogue"),
        ({"format": "t::uint:8", "values": {"temperature": {}}}, "the format has no field 'temperature'"),
        ({"downlink": "00"}, "a downlink is 8 bytes"),
    ],
)
def test_what_is_wrong_in_a_device_is_told(said: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as failure:
        DeviceSettings.model_validate(said)
    assert says in str(failure.value)
