"""Settings of the network as people give them."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import HubError
from hub.operations.network import profiles, settings

from .test_changes import code

SECRET = "sept huit neuf et demi"
STATIC = {"interface": "eth0", "ipv4": "manual", "address": "192.168.1.20/24"}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"interface": "../etc"}, "network-interface-wrong"),
        ({"interface": "eth0 up"}, "network-interface-wrong"),
        ({"interface": "a" * 16}, "network-interface-wrong"),
        ({"address": "192.168.1.20"}, "network-address-wrong"),
        ({"address": "192.168.1.300/24"}, "network-address-wrong"),
        ({"address": "fd00::1/64"}, "network-address-wrong"),
        ({"address": ""}, "network-address-wrong"),
        ({"address": "192.168.1.0/24"}, "network-address-unusable"),
        ({"address": "192.168.1.255/24"}, "network-address-unusable"),
        ({"address": "127.0.0.1/8"}, "network-address-unusable"),
        ({"address": "224.0.0.1/24"}, "network-address-unusable"),
        ({"address": "0.0.0.0/0"}, "network-address-unusable"),
        ({"gateway": "192.168.2.1"}, "network-gateway-far"),
        ({"gateway": "192.168.1.20"}, "network-gateway-far"),
        ({"gateway": "router"}, "network-gateway-wrong"),
        ({"gateway": "fe80::1"}, "network-gateway-far"),
        ({"gateway": "192.168.1.1", "default_route": "no"}, "network-gateway-without-route"),
        ({"ipv4": "auto"}, "network-address-not-manual"),
        ({"ipv4": "bootp"}, "network-choice-wrong"),
        ({"ipv4": "off", "address": "", "ipv6": "off"}, "network-no-address"),
        ({"ipv6": "manual", "address6": "fe80::1%eth0/64"}, "network-address-wrong"),
        ({"dns": "ns1.example.org"}, "network-dns-wrong"),
        ({"dns": "0.0.0.0"}, "network-dns-wrong"),
        ({"dns": "1.1.1.1 " * 7}, "network-too-many-dns"),
        ({"ssid": "é" * 17}, "network-ssid-wrong"),
        ({"ssid": "a\nb"}, "network-ssid-wrong"),
        ({"ssid": "a", "key": "1234567"}, "network-key-wrong"),
        ({"ssid": "a", "key": "clé secrète"}, "network-key-wrong"),
        ({"ssid": "a", "key": "x" * 64}, "network-key-wrong"),
        ({"ssid": "a", "key": "a" * 64, "security": "wpa3"}, "network-key-wpa3"),
        ({"ssid": "a", "security": "wep"}, "network-choice-wrong"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_own_reason(changed: dict[str, Any], expected: str) -> None:
    with pytest.raises(HubError) as refused:
        settings.interface_settings({**STATIC, **changed})
    assert code(refused) == expected


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({"apn": ""}, "network-apn-wrong"),
        ({"apn": "a b"}, "network-apn-wrong"),
        ({"apn": "a..b"}, "network-apn-wrong"),
        ({"apn": "a", "pin": "123"}, "network-pin-wrong"),
        ({"apn": "a", "pin": "12e4"}, "network-pin-wrong"),
        ({"apn": "a", "pin": "١٢٣٤"}, "network-pin-wrong"),
        ({"apn": "a", "password": "x"}, "network-apn-user-missing"),
        ({"apn": "a", "user": "\x00"}, "network-apn-user-wrong"),
    ],
)
def test_a_wrong_setting_of_a_modem_is_refused_by_its_own_reason(given_: dict[str, Any], expected: str) -> None:
    with pytest.raises(HubError) as refused:
        settings.modem_settings(given_)
    assert code(refused) == expected


def test_right_settings_pass_in_the_forms_that_people_write() -> None:
    found = settings.interface_settings(
        {**STATIC, "gateway": "192.168.1.1", "dns": "192.168.1.53, 2001:db8::53;9.9.9.9", "ipv6": "manual",
         "address6": "2001:DB8:0::20/64", "gateway6": "fe80::1"}
    )  # fmt: skip
    assert found.dns == ("192.168.1.53", "2001:db8::53", "9.9.9.9")
    assert found.ipv6 == settings.Addressing("manual", "2001:db8::20/64", "fe80::1")
    profile = profiles.interface_profile(found, profiles.ETHERNET)
    assert profile["ipv4"]["dns-data"] == ("as", ["192.168.1.53", "9.9.9.9"])
    assert profile["ipv6"]["dns-data"] == ("as", ["2001:db8::53"])
    plant = settings.interface_settings({**STATIC, "default_route": "no"})
    assert profiles.interface_profile(plant, profiles.ETHERNET)["ipv4"]["never-default"] == ("b", True)
    assert settings.time_servers("a.example.org b.example.org,a.example.org") == ("a.example.org", "b.example.org")
    assert settings.time_servers(["2001:db8::1"]) == ("2001:db8::1",)
    for wrong in ("http://a", "0.0.0.0", "a_b", "-a", "a b c d e f g"):
        with pytest.raises(HubError):
            settings.time_servers(wrong)


def test_two_interfaces_are_never_put_into_one_network() -> None:
    wanted = settings.interface_settings(STATIC)
    settings.refuse_overlap(wanted, [("eth0", "192.168.1.7/24"), ("eth1", "192.168.2.1/24"), ("eth1", "fd00::1/64")])
    for other in ("192.168.1.1/24", "192.168.0.1/16", "192.168.1.128/25"):
        with pytest.raises(HubError) as refused:
            settings.refuse_overlap(wanted, [("eth1", other)])
        assert code(refused) == "network-overlaps"


values = st.one_of(st.text(max_size=80), st.none(), st.booleans(), st.integers(), st.lists(st.text(max_size=20)))
addresses = st.one_of(
    st.ip_addresses().map(str), st.tuples(st.ip_addresses(), st.integers(0, 130)).map("{0[0]}/{0[1]}".format)
)
names = st.sampled_from(["ipv4", "ipv6", "address", "gateway", "address6", "gateway6", "dns", "default_route", "ssid"])


@given(st.dictionaries(names, st.one_of(values, addresses, st.sampled_from(["manual", "auto", "off", "link-local"]))))
def test_any_settings_are_refused_or_make_a_profile_whose_addresses_are_usable(given_: dict[str, Any]) -> None:
    try:
        found = settings.interface_settings({"interface": "eth0", "key": SECRET, **given_})
    except HubError as error:
        said = str(error)
    else:
        said = ""
        for one in (found.ipv4, found.ipv6):
            if one.address:
                here = ip_interface(one.address)
                assert not here.is_loopback
                assert not here.is_multicast
                assert not here.is_unspecified
        profiles.interface_profile(found, profiles.WIFI if found.wifi else profiles.ETHERNET)
    assert SECRET not in said


@given(st.dictionaries(st.sampled_from(["apn", "user", "password", "pin"]), values))
def test_any_settings_of_a_modem_are_refused_or_make_a_profile(given_: dict[str, Any]) -> None:
    try:
        found = settings.modem_settings(given_)
    except HubError:
        return
    assert found.pin == "" or found.pin.isdecimal()
    profiles.modem_profile(found, "cdc-wdm0", "1")


def test_secrets_are_in_no_repr() -> None:
    assert "secret99" not in repr(settings.interface_settings({**STATIC, "ssid": "a", "key": "secret99"}))
    assert "4711" not in repr(settings.modem_settings({"apn": "a", "pin": "4711"}))
