"""A plugin that cannot be what its author meant is told with the reason, and not taken for one that does nothing."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from hub.config.instances import Instance
from hub.core.errors import AuthFailed, NotReady, PluginError
from hub.plugin_host.declared_hosts import declared_hosts
from hub.plugin_host.manifest import Permissions
from hub.plugin_host.registry import GROUP, Plugin, Registry
from hub.sdk.options import Config
from hub.store_and_forward.device_files import opened
from hub.store_and_forward.egress import ANY_ADDRESS, DEVICE


def registry(name: str) -> Registry:
    return Registry([Plugin(name, "ilot-vendor", "1.0", EntryPoint(name, name, GROUP))])


def test_a_hook_that_nobody_marked_is_named_as_the_likely_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vendor_unmarked.py").write_text("def register_integrations(register): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match=r"vendor_unmarked.*registers nothing.*@hub\.hookimpl"):
        registry("vendor_unmarked").load("vendor_unmarked")


def test_a_directory_that_hides_a_plugins_module_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vendor_hidden").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match=r"/vendor_hidden is a mere directory and hides the module"):
        registry("vendor_hidden").load("vendor_hidden")


def test_a_module_that_ends_the_program_ends_nothing_but_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vendor_script.py").write_text("import sys\nsys.exit('no dongle found')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match=r"vendor_script.*cannot be loaded: SystemExit: no dongle found"):
        registry("vendor_script").load("vendor_script")


def test_no_stranger_takes_the_name_of_what_ships_and_the_first_of_two_strangers_counts() -> None:
    def plugin(distribution: str) -> Plugin:
        return Plugin("modbus", distribution, "1.0", EntryPoint("modbus", "x", GROUP))

    first, ours, last = plugin("a-vendor"), plugin("ilot"), plugin("z-vendor")
    for order in ([first, ours, last], [ours, first, last], [first, last, ours]):
        found = Registry(order)
        assert found.plugins == {"modbus": ours}
        assert sorted(one.distribution for one in found.hidden) == ["a-vendor", "z-vendor"]
    assert Registry([first, last]).plugins == {"modbus": first}


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("Sampling(reason='dear', why=('trop cher', 'too dear'))", True),
        ("'pushes'", False),
        ("Sampling(reason='Not A Slug', why=('a', 'b'))", False),
        ("Sampling(reason='dear', why=('seul',))", False),
    ],
)
def test_what_a_registration_says_of_sampling_is_kept_or_named_as_wrong(
    said: str, right: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vendor_slow.py").write_text(
        "import hub\nfrom hub.sdk.sampling import Sampling\nasync def run(config, session): ...\n@hub.hookimpl\n"
        f"def register_integrations(register): register('vendor_slow', hub.Config, run, sampling={said})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "vendor_slow", raising=False)
    if right:
        assert registry("vendor_slow").integration("vendor_slow").sampling.why == ("trop cher", "too dear")
    else:
        with pytest.raises(PluginError, match=r"vendor_slow.*`sampling`"):
            registry("vendor_slow").load("vendor_slow")


def test_what_ships_registers_something() -> None:
    found = Registry.discover()
    for name, plugin in found.plugins.items():
        if plugin.shipped:
            found.load(name)


def test_a_text_that_only_begins_like_an_address_names_no_host_and_stops_nothing() -> None:
    class Options(Config):
        texts: list[str]

    config = Options(texts=["http://[alert", "https://a:b/", "http://a:99999/", "https://b.example.org/x"])
    hosts = declared_hosts([Instance(name="x", type="x", config=config)])
    assert [(host.host, host.port) for host in hosts] == [("b.example.org", 443)]


def with_metric(name: str, said: str, folder: Path) -> None:
    (folder / f"{name}.py").write_text(
        "import hub\nasync def run(config, session): ...\n@hub.hookimpl\ndef register_integrations(register):\n"
        f"    register({name!r}, hub.Config, run, metrics=[{said}])\n"
    )
    sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("hub.Metric(key='wibble', privacy='Personal')", "privacy is 'Personal'"),
        ("hub.Metric(key='wibble', unit='kWh')", "write kW.h"),
        ("hub.Metric(key='wibble', low=2, high=1)", "low 2 is above high 1"),
        ("hub.Metric(key='co2', unit='[ppm]', privacy='technical')", "the catalogue has one of that name"),
        ("hub.Metric(key='temperature', unit='[degF]', privacy='environment')", "the catalogue has one of that name"),
        ("'wibble'", "a metric is a hub.Metric, not str"),
    ],
)
def test_a_metric_that_is_none_or_weakens_the_catalogue_keeps_its_plugin_out(
    said: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    with_metric("vendor_metric", said, tmp_path)
    plugins = registry("vendor_metric")
    with pytest.raises(PluginError, match=f"vendor_metric.*{says}"):
        plugins.load("vendor_metric")
    assert plugins.metrics() == {}


def test_a_stranger_takes_no_name_of_another_plugins_metric_for_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    with_metric("vendor_first", "hub.Metric(key='wibble', unit='m3', privacy='personal')", tmp_path)
    with_metric("vendor_second", "hub.Metric(key='wibble', unit='L', privacy='personal')", tmp_path)
    with_metric("vendor_third", "hub.Metric(key='wibble', unit='m3', privacy='personal', low=0)", tmp_path)
    names = ("vendor_first", "vendor_second", "vendor_third")
    plugins = Registry([Plugin(name, name, "1.0", EntryPoint(name, name, GROUP)) for name in names])
    plugins.load("vendor_first")
    with pytest.raises(PluginError, match=r"metric wibble is a number in L.*'vendor_first'.*has one of that name"):
        plugins.load("vendor_second")
    assert plugins.load("vendor_third").metrics["wibble"].low == 0
    assert plugins.metrics_of("vendor_second") == {}


def test_of_two_metrics_with_one_name_the_more_protected_counts_where_the_plugin_is_not_known() -> None:
    for order in (("linky", "bluetooth"), ("bluetooth", "linky")):
        registry = Registry.discover()
        for name in order:
            registry.load(name)
        assert registry.metrics()["current_2"].privacy == "personal"
        assert registry.metrics_of("bluetooth")["current_2"].privacy == "technical"
        assert registry.metrics_of("linky")["current_2"].privacy == "personal"


def test_a_stream_that_the_options_name_is_declared_with_its_scheme_and_port() -> None:
    class Lines(Config):
        lines: tuple[str, ...] = (
            "tcp://10.0.0.5:4001",
            "mqtts://broker.test",
            "tls://gateway.test",
            "udp://[2001:db8::1]:99",
        )

    hosts = declared_hosts([Instance(name="x", type="x", config=Lines())])
    assert [(one.stream, one.host, one.port, one.listens) for one in hosts] == [
        ("tcp", "10.0.0.5", 4001, False), ("tcp", "10.0.0.5", 4001, True), ("mqtts", "broker.test", 8883, False),
        ("udp", "2001:db8::1", 99, False), ("udp", "2001:db8::1", 99, True),
    ]  # fmt: skip
    assert {one.whose for one in hosts} == {"x"}


def test_a_manifest_bounds_the_streams_and_ports_of_its_plugin() -> None:
    class Lines(Config):
        lines: tuple[str, ...] = ("tcp://10.0.0.5:4001", "tcp://0.0.0.0:9000")

    def of(**given: tuple[str, ...]) -> set[tuple[str, str, int, bool]]:
        hosts = declared_hosts([Instance(name="x", type="x", config=Lines())], lambda _: Permissions(**given))  # type: ignore[arg-type]
        return {(one.stream, one.host, one.port, one.listens) for one in hosts}

    assert of() == set()
    assert of(hosts=("configured",)) == {("tcp", "10.0.0.5", 4001, False), ("tcp", "0.0.0.0", 9000, False)}
    assert of(listens=("tcp:9000",)) == {("tcp", ANY_ADDRESS, 9000, True), ("tcp", "0.0.0.0", 9000, True)}
    assert ("tls", "api.acme.test", 8443, False) in of(hosts=("api.acme.test:8443",))


def test_a_manifest_bounds_the_device_files_of_its_plugin() -> None:
    class Lines(Config):
        lines: tuple[str, ...] = ("/dev/ttyUSB0", "/dev/../etc/shadow", "/dev/mem")

    def of(*files: str) -> set[str]:
        hosts = declared_hosts(
            [Instance(name="x", type="x", config=Lines())], lambda _: Permissions(device_files=files)
        )
        return {one.host for one in hosts if one.stream == DEVICE}

    assert of() == set()
    assert of("/dev/ttyUSB*") == {"/dev/ttyUSB0"}
    assert of("/dev/hidraw0") == {"/dev/hidraw0"}
    assert of("configured") == {"/dev/ttyUSB0", "/dev/mem"}


@pytest.mark.parametrize("path", ["/dev/null", "/dev"])
def test_a_device_of_memory_and_what_is_no_device_is_no_device_file(path: str) -> None:
    with pytest.raises(AuthFailed, match="no device that a plugin may have"):
        opened(path)


def test_a_device_file_that_is_not_there_is_not_ready() -> None:
    with pytest.raises(NotReady, match="/dev/no-such-line cannot be opened"):
        opened("/dev/no-such-line")
