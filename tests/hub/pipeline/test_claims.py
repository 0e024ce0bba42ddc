"""What a plugin claims of its proofs counts as far as the core knows a key: its word alone gives no trust."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.app.reading_path import holds_keys_of
from hub.core.model import Device, Proof, TrustClass
from hub.pipeline.admission.trust import KnownKey, trust_class
from hub.plugin_host.registry import Registry
from hub.sdk.options import Config
from tests.hub.path_kit import TAG, Path

KEYLESS = Device(id="acme:1", integration="acme", place="classe-1")
CLAIMS = Proof("acme-sec", 7, authenticated=True, sealed=True)

PROOFS = st.builds(
    Proof, st.sampled_from(["acme", "lorawan-1.0-abp"]), st.none() | st.integers(0, 9), st.booleans(), st.booleans()
)


class Keyed(Config):
    def holds_keys(self) -> bool:
        return True


def path() -> Path:
    made = Path()
    made.devices.assign([TAG, KEYLESS], {})
    return made


async def test_a_claim_for_a_device_whose_key_the_core_does_not_hold_gives_no_trust_and_is_counted() -> None:
    hub = path()
    (row,) = await hub.emit("acme", KEYLESS.id, values={"temperature": 20.0}, proof=CLAIMS)
    assert row.trust is TrustClass.C
    assert hub.counts.by_subject()[KEYLESS.id] == {"key-not-held": 1}
    (_, row) = await hub.emit(values={"temperature": 20.0}, proof=CLAIMS)
    assert row.trust is TrustClass.A, "of this one it holds the key"


async def test_a_hub_that_takes_a_plugin_at_its_word_gives_class_a(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin, which the test above would catch."""
    monkeypatch.setattr("hub.pipeline.pipeline.claims_unfounded", lambda proof, key: False)
    monkeypatch.setattr(
        "hub.pipeline.plan.trust_class", lambda proof, protected, key: trust_class(proof, protected=protected)
    )
    (row,) = await path().emit("acme", KEYLESS.id, values={"temperature": 20.0}, proof=CLAIMS)
    assert row.trust is TrustClass.A


async def test_its_counter_moves_no_window_and_its_claim_is_not_shown() -> None:
    hub = path()
    for counter in (9, 9, 4):
        await hub.emit("acme", KEYLESS.id, values={"temperature": 20.0}, proof=Proof("acme-sec", counter, True))
    assert len(hub.buffer.rows) == 3, "what proves nothing is neither fresh nor a replay"
    assert hub.buffer.local == {}
    report = hub.live.last_report(KEYLESS.id)
    assert report is not None
    assert report.proof == Proof("acme-sec", 4)


async def test_keys_of_the_integration_give_class_b_at_most() -> None:
    hub = path()
    hub.planner._holds_keys = lambda integration: integration == "acme"
    (row,) = await hub.emit("acme", KEYLESS.id, values={"temperature": 20.0}, proof=CLAIMS)
    assert row.trust is TrustClass.B
    assert hub.counts.by_subject() == {}


@given(PROOFS | st.none(), st.booleans(), st.sampled_from(KnownKey))
def test_without_a_key_a_proof_weighs_as_one_that_claims_nothing(
    proof: Proof | None, protected: bool, key: KnownKey
) -> None:
    found = trust_class(proof, protected=protected, key=key)
    bare = TrustClass.B if protected else TrustClass.C
    if key is KnownKey.NONE:
        assert found is bare
    assert found <= bare, "a claim never lowers the class"
    assert (found is TrustClass.A) == (
        key is KnownKey.OF_DEVICE
        and proof is not None
        and proof.authenticated
        and proof.counter is not None
        and proof.scheme == "acme"
    )


@pytest.mark.parametrize(
    ("distribution", "config", "holds"),
    [("ilot", Keyed(), True), ("ilot", Config(), False), ("acme-vendor", Keyed(), False)],
)
def test_that_an_integration_holds_keys_is_believed_of_one_of_this_distribution_alone(
    distribution: str, config: Config, holds: bool
) -> None:
    registry: Any = SimpleNamespace(plugins={"acme": SimpleNamespace(shipped=distribution == "ilot")})
    loaded: Any = SimpleNamespace(integrations=[SimpleNamespace(name="one", type="acme", config=config)])
    assert holds_keys_of(loaded, registry)("one") is holds
    assert not holds_keys_of(loaded, registry)("two")


def test_the_integrations_that_prove_under_other_keys_than_a_devices_say_so_by_their_options() -> None:
    """Each integration of this distribution that claims a proof without a device's key is in this list."""
    from integrations.enocean import Config as EnOcean
    from integrations.knx.settings import Config as Knx
    from integrations.lorawan_servers.chirpstack import Config as ChirpStack
    from integrations.opcua.settings import Config as OpcUa

    assert EnOcean(port="/dev/ttyUSB0").holds_keys()
    assert not Knx().holds_keys()
    assert Knx(keyring="/etc/k.knxkeys", keyring_password="x").holds_keys()  # type: ignore[arg-type]
    assert not ChirpStack(host="broker").holds_keys()
    assert ChirpStack(host="broker", tls=True).holds_keys()
    assert OpcUa(url="opc.tcp://192.0.2.4:4840").holds_keys()
    assert not OpcUa(url="opc.tcp://192.0.2.4:4840", security="none").holds_keys()
    registry = Registry.discover()
    told = set()
    for name, plugin in registry.plugins.items():
        if plugin.shipped:
            told |= {
                one.name for one in registry.load(name).integrations if one.config.holds_keys is not Config.holds_keys
            }
    assert told == {"enocean", "knx", "opcua", "chirpstack", "things_stack"}
