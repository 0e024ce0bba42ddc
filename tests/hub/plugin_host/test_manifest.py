"""Nothing that a plugin of somebody else says of trust or privacy counts beyond its manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import pytest

from hub.core.errors import PluginError
from hub.core.metric_catalogue import METRICS
from hub.core.model import Candidate, Decoded, Frame, Metric, NeedKey, PrivacyClass, Proof, Report
from hub.plugin_host import manifest
from hub.plugin_host.entry_points import Entry
from hub.plugin_host.manifest import (
    NOTHING,
    Grants,
    Manifest,
    Permissions,
    classed,
    fixed_hosts,
    judged_decoder,
    may_listen,
    may_open,
    may_reach,
    permissions_of,
    widened,
)
from hub.plugin_host.registry import Plugin
from hub.plugin_host.runtime import InProcessSession
from hub.plugin_host.session_parts import Core
from hub.sdk.testing import FakeHttp
from tests.hub.path_kit import TAG, Path

MAY = Permissions(
    hosts=("configured", "api.acme.example:443", "*.acme.example:8883"),
    buses=("rs485-1",),
    device_files=("/dev/ttyUSB*",),
    listens=("tcp:8502",),
    device_schemes=("acme",),
    data_classes=("technical", "environment"),
)
PERSONAL = next(key for key, metric in METRICS.items() if metric.privacy == "personal" and metric.kind == "number")
PLAIN = next(key for key, metric in METRICS.items() if metric.privacy == "technical" and metric.kind == "number")


class Judge:
    def __init__(self, may: Permissions, own: frozenset[str] = frozenset(), named: tuple[str, ...] = ()) -> None:
        self.counted: Counter[str] = Counter()
        self.grants = Grants("hall", may, own.__contains__, lambda reason, whose: self.counted.update([reason]), named)


class Claim(NamedTuple):
    """A claim returns whether it counted; `twin` takes away what stands against it."""

    name: str
    counts: Callable[[], bool]
    twin: Callable[[pytest.MonkeyPatch], None]


def authentic() -> bool:
    proof = Proof(scheme="acme", counter=7, authenticated=True, sealed=True)
    taken = Judge(MAY).grants.report(Report(device="acme:1", values={PLAIN: 1.0}, proof=proof)).proof
    return taken is not None and (taken.authenticated or taken.sealed)


def authentic_by_a_decoder() -> bool:
    def decode(frame: Frame, keys: object) -> Decoded:
        return Decoded(device="acme:1", values={}, proof=Proof(scheme="acme", authenticated=True))

    found = judged_decoder(decode, "acme", MAY)(FRAME, lambda device: None)
    return isinstance(found, Decoded) and found.proof is not None and found.proof.authenticated


FRAME = Frame(kind="acme", address="1", data={})


def a_person_s_data() -> bool:
    """It says that it brings technical data, and sends who is at home."""
    judge = Judge(MAY)
    taken = judge.grants.report(Report(device="acme:1", values={PERSONAL: 1.0, PLAIN: 1.0}))
    assert PLAIN in taken.values
    return PERSONAL in taken.values


def a_class_too_low() -> bool:
    """A metric of its own, said to be technical, though it handles environmental data too."""
    (found,) = Judge(MAY).grants.metrics([Metric(key="acme_people", privacy="technical")])
    return found.privacy == "technical"


def _judges_nothing(what: str) -> Callable[[pytest.MonkeyPatch], None]:
    def twin(patch: pytest.MonkeyPatch) -> None:
        if what == "metrics":
            patch.setattr(manifest, "classed", lambda metric, permissions: metric)
        elif what == "decoder":
            patch.setitem(globals(), "judged_decoder", lambda decode, plugin, may: decode)
        else:
            patch.setattr(Grants, "report", lambda self, report, proven=False: report)

    return twin


def another_scheme() -> bool:
    """A thermometer's plugin speaks for a badge reader."""
    try:
        Judge(MAY).grants.report(Report(device="ble:AA", values={}))
    except PluginError:
        return False
    return True


def another_s_frame() -> bool:
    try:
        Judge(MAY).grants.frame(Frame(kind="ble", address="AA", data={}))
    except PluginError:
        return False
    return True


def _any_device(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Grants, "device", lambda self, device: None)


CLAIMS = (
    Claim("authentic", authentic, _judges_nothing("report")),
    Claim("authentic by a decoder", authentic_by_a_decoder, _judges_nothing("decoder")),
    Claim("a person's data", a_person_s_data, _judges_nothing("report")),
    Claim("a class too low", a_class_too_low, _judges_nothing("metrics")),
    Claim("another scheme", another_scheme, _any_device),
    Claim("another's frame", another_s_frame, _any_device),
)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_a_claim_beyond_the_manifest_counts_for_nothing_and_a_twin_that_believes_it_is_caught(
    claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not claim.counts()
    claim.twin(monkeypatch)
    assert claim.counts()


def test_what_is_granted_counts_and_what_is_left_out_is_counted() -> None:
    proof = Proof(scheme="acme", counter=7, authenticated=True)
    report = Report(device="acme:1", values={PERSONAL: 1.0}, proof=proof)
    whole = Permissions(
        device_schemes=("acme",), data_classes=("technical", "environment", "personal"), asserts_authenticity=True
    )
    assert Judge(whole).grants.report(report) is report
    judge = Judge(MAY)
    judge.grants.report(report)
    assert judge.counted == {"authenticity-not-granted": 1, "data-class-not-granted": 1}
    assert judge.grants.report(report, proven=True).proof is proof  # the hub's own decoder found it


@pytest.mark.parametrize(
    ("privacy", "lowers", "counts"),
    [("technical", False, "environment"), ("technical", True, "technical"), ("environment", False, "environment")],
)
def test_its_own_metrics_have_the_strictest_class_unless_it_may_lower_it(
    privacy: PrivacyClass, lowers: bool, counts: str
) -> None:
    may = Permissions(data_classes=("technical", "environment"), lowers_privacy=lowers)
    assert classed(Metric(key="acme_x", privacy=privacy), may).privacy == counts
    with pytest.raises(PluginError, match="manifest grants technical, environment"):
        classed(Metric(key="acme_x", privacy="personal"), may)


def test_without_a_manifest_only_what_the_operator_configured_counts() -> None:
    stranger = Plugin("acme", "ilot-acme", "1.0", Entry("acme", "acme", "ilot-acme", "1.0"))
    assert permissions_of(stranger) is NOTHING
    assert permissions_of(Plugin("modbus", "ilot", "1", Entry("modbus", "integrations.modbus", "ilot", "1"))) is None
    judge = Judge(NOTHING, frozenset({"acme:1"}), ("rs485-1",))
    judge.grants.device("acme:1")
    judge.grants.bus("rs485-1")
    with pytest.raises(PluginError, match="no device ids of that scheme"):
        judge.grants.device("acme:2")
    with pytest.raises(PluginError, match="bus 'rs485-2'"):
        judge.grants.bus("rs485-2")
    assert classed(Metric(key="acme_x", privacy="technical"), NOTHING).privacy == "personal"
    stranger.manifest = Manifest(
        id="acme", version="1.0", api=(1, 1), languages=("en",), owner="", security_contact="", vendor_country="FR",
        end_of_support="2031-12-31", permissions=MAY,
    )  # fmt: skip
    assert permissions_of(stranger) is MAY


def test_a_bus_that_the_options_do_not_name_is_not_configured() -> None:
    may = Permissions(buses=("configured",))
    Judge(may, named=("line-a",)).grants.bus("line-a")
    with pytest.raises(PluginError):
        Judge(may, named=("line-a",)).grants.bus("line-b")


def test_hosts_files_and_ports_are_judged_by_what_is_written_in_full() -> None:
    assert may_reach(MAY, "api.acme.example", 443, configured=False)
    assert may_reach(MAY, "API.acme.example", 443, configured=False)
    assert may_reach(MAY, "mqtt.acme.example", 8883, configured=False)
    assert may_reach(MAY, "192.0.2.7", 80, configured=True)
    assert not may_reach(MAY, "192.0.2.7", 80, configured=False)
    assert not may_reach(MAY, "acme.example.evil.example", 8883, configured=False)
    assert not may_reach(Permissions(), "192.0.2.7", 80, configured=True)
    assert fixed_hosts(MAY) == [("api.acme.example", 443)]
    assert may_open(MAY, "/dev/ttyUSB0", configured=False)
    assert not may_open(MAY, "/dev/ttyUSB0/x", configured=False)
    assert not may_open(MAY, "/dev/ttyUSB/../mem", configured=False)
    assert not may_open(MAY, "/etc/shadow", configured=True)
    assert may_listen(MAY, "tcp", 8502, configured=False)
    assert not may_listen(MAY, "udp", 8502, configured=False)


def test_every_permission_that_grows_is_told_and_none_that_shrinks() -> None:
    small = Permissions()
    wide = Permissions(
        hosts=("a.b:1",), buses=("x",), device_files=("/dev/x",), listens=("tcp:1",), device_schemes=("acme",),
        data_classes=("technical", "personal"), asserts_authenticity=True, lowers_privacy=True,
    )  # fmt: skip
    assert len(widened(small, wide)) == len(Permissions.__struct_fields__)
    assert widened(wide, small) == ()
    assert widened(wide, wide) == ()


def test_a_decoder_of_somebody_else_speaks_for_its_own_devices_only() -> None:
    def decode(frame: Frame, keys: object) -> NeedKey:
        return NeedKey(device="ble:AA", model="x")

    with pytest.raises(PluginError, match="'acme' spoke for 'ble:AA'"):
        judged_decoder(decode, "acme", MAY)(FRAME, lambda device: None)


async def test_a_session_takes_what_is_judged_on_every_way() -> None:
    path = Path()
    core = Core(
        path.pipeline, path.planner, path.devices, path.buffer, path.clock, path.counts, lambda _: FakeHttp(),
        lambda kind: [],
    )  # fmt: skip
    may = Permissions(device_schemes=("ble",), data_classes=("technical", "environment"))
    grants = Grants("bluetooth", may, lambda device: True, path.counts.add)
    session = InProcessSession("bluetooth", core, lambda: None, grants=grants)
    proof = Proof(scheme="ble", counter=1, authenticated=True, sealed=True)
    await session.emit(Report(device=TAG.id, values={"temperature": 20.0, PERSONAL: 1.0}, proof=proof))
    assert path.counts.of("authenticity-not-granted", TAG.id) == 1
    assert path.counts.of("data-class-not-granted", TAG.id) == 1
    with pytest.raises(PluginError, match="no device ids of that scheme"):
        await session.emit(Report(device="modbus:1", values={}))
    with pytest.raises(PluginError, match="no device ids of that scheme"):
        session.devices.discovered(Candidate(id="lorawan:1", integration=""))
    with pytest.raises(PluginError, match="no device ids of that scheme"):
        await session.radio.submit_frame(Frame(kind="lorawan", address="1", data={}))
    with pytest.raises(PluginError, match="which its manifest does not grant"):
        session.bus("rs485-1")
    session.devices.declare(TAG.id, metrics=(Metric(key="acme_people"),))
    assert path.planner.declared[TAG.id].metrics["acme_people"].privacy == "environment"
