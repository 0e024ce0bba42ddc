"""A pack's folder to a pack, or every problem in it with file, line and column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.core.errors import ConfigError
from hub.devices.packs.labels import Recognised, label_pattern_of, recognise
from hub.devices.packs.loader import MAX_FILE, read
from tests.hub.devices.packs.packs_kit import CODEC, PACK, VECTORS

Make = Callable[..., Path]


def problems(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(folder)
    return [str(problem).replace(str(folder) + "/", "") for problem in caught.value.problems]


def test_a_right_pack_is_read_whole(made: Make) -> None:
    pack = read(made())
    assert (pack.name, pack.keys.vendor, pack.keys.lorawan.mac, pack.keys.lorawan.class_) == (
        "acme-thermo", "Acme", "1.0.4", "C",
    )  # fmt: skip
    assert pack.keys.period is not None
    assert pack.keys.period.total_seconds() == 600
    assert [metric.key for metric in pack.own_metrics] == ["probe_2"]
    assert [vector.where for vector in pack.vectors] == [f"vectors/data.yaml:{line}" for line in (1, 7, 12)]
    assert set(pack.files) == {"pack.yaml", "codec.js", "vectors/data.yaml"}


def test_the_digest_is_of_names_and_contents(made: Make) -> None:
    first = read(made()).digest
    assert read(made()).digest == first
    assert read(made(codec_js=CODEC + "\n")).digest != first
    assert read(made(README_md="more")).digest != first


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("vendor: Acme", "vendr: Acme"), "pack.yaml:3:1: 'vendr' is not an option of this pack; there are format,"),
        (("vendor: Acme", "vendor: [1]"), "pack.yaml:3:9: expected text"),
        (("protocol: lorawan", "protocol: zigbee"), "or opcua; this is 'zigbee'"),
        (("version: 1\n", "version: 0\n"), "pack.yaml:2:10: must be at least 1; this is 0"),
        (("metric: temperature,", "metric: temprature,"), "nor in `metrics` (did you mean temperature?)"),
        (("probe_2: {", "pressure: {"), "pack.yaml:15:3: the catalogue has 'pressure' already"),
        (("path: t2, metric: probe_2", "path: t, metric: probe_2"), "pack.yaml:18:12: 't' stands here a second time"),
        (("metric: probe_2, scale", "metric: temperature, scale"), "'temperature' is read twice"),
        (('"1": true', '"1": 5'), "pack.yaml:19:58: 'door' is a flag; this is 5"),
        (("low: -50, high: 90", "low: 90, high: -50"), "pack.yaml:15:12: `low` is above `high`"),
        (("low: -50, high: 90", "low: -50"), "a number has bounds"),
        (("ports: [1]", "ports: [224]"), "must be at most 223; this is 224"),
        (("(?P<dev_eui>[0-9A-F]{16})", "(["), "this is not a regular expression"),
        (("(?P<dev_eui>[0-9A-F]{16})", "X"), "the pattern of a label names what it finds"),
        (("(?P<dev_eui>[0-9A-F]{16})", "(?P<dev_eui>(?:[0-9A-F]+)+)Z"), "pack.yaml:11:10: this pattern could take too"),
        (("vendor: Acme", 'vendor: "Ac\\e[31mme"'), "pack.yaml:3:9: this is shown to people on one line"),
        (("fr: Sonde\n", 'fr: "Sonde\\nPompe"\n'), "pack.yaml:5:5: this is shown to people on one line"),
        (("title: Thermo manual", 'title: "Thermo\\u202elaunam"'), "this is shown to people on one line"),
        (("ignore: [debug.*]", f"ignore: [{', '.join(['x'] * 257)}]"), "256"),
        (("  data: {ports: [1]}", "  data: {ports: [1]}\n  more: {ports: [1]}"), "port 1 is already that of 'data'"),
        (("  data: {ports: [1]}", "  data: {ports: [1]}\n  more: {}"), "messages are told apart by their port here"),
        (("lorawan: {mac: 1.0.4, class: C}\n", ""), "a pack of lorawan says how its device speaks it"),
        (("protocol: lorawan\nlorawan: {mac: 1.0.4, class: C}\n", "protocol: sigfox\n"), "are for packs of lorawan"),
        (("licence: Apache-2.0\n", "licence: Apache-2.0\nregisters: [{}]\n"), "`registers` is for packs of modbus"),
        (("licence: Apache-2.0\n", "licence: Apache-2.0\nrecords: [{}]\n"), "`records` is for packs of mbus"),
        (("licence: Apache-2.0\n", "licence: Apache-2.0\ncodec: {file: other.js}\n"), "there is no file 'other.js'"),
        (("licence: Apache-2.0\n", "licence: Apache-2.0\ncodec: {file: ../../x.js}\n"), "a file of the pack itself"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_pack_yaml_is_told_with_its_place(made: Make, change: tuple[str, str], says: str) -> None:
    assert PACK.count(change[0]) == 1
    assert any(says in problem for problem in problems(made(pack_yaml=PACK.replace(*change)))), says


@pytest.mark.parametrize(
    ("vectors", "says"),
    [
        (VECTORS.replace("message: data", "message: dat"), "vectors/data.yaml:3:12: there is no message 'dat'"),
        (VECTORS.replace("source: manual\n  page", "source: me\n  page"), "there is no source 'me'; there is manual"),
        (VECTORS.replace("downlink: period", "downlink: perid"), "(did you mean period?)"),
        (VECTORS.replace("probe_2: 5", "probe_3: 5"), "there is no metric 'probe_3' (did you mean probe_2?)"),
        (VECTORS.replace('"d70501"', '"d7050"'), "bytes are written in hexadecimal"),
        (VECTORS.replace('"010f"', "0100"), "vectors/data.yaml:11:10: expected text; a number"),
        (
            VECTORS.replace("refused: true", "refused: false"),
            "a vector has exactly one of readings, data, refused and downlink",
        ),
        (VECTORS.replace("  message: data\n", ""), "a vector names its message"),
        ("a: 1", "vectors/data.yaml:1:1: expected a list of vectors"),
        (VECTORS + '- {source: manual, port: 1, bytes: "d7", refused: true}\n' * 1000, "at most 1000 vectors"),
        ("- &a 1", "an anchor (&) is not allowed here"),
        ("- [", "vectors/data.yaml:"),
    ],
)
def test_what_is_wrong_in_vectors_is_told_with_its_place(made: Make, vectors: str, says: str) -> None:
    assert any(says in problem for problem in problems(made(vectors_yaml=vectors))), says


def test_all_problems_come_at_once_in_the_order_of_the_files(made: Make) -> None:
    pack = PACK.replace("vendor: Acme", "vendr: Acme").replace("mac: 1.0.4", "mac: 2.0.0")
    found = problems(made(pack_yaml=pack, vectors_yaml="a: 1"))
    assert [problem.split(":")[0] for problem in found] == ["pack.yaml", "pack.yaml", "pack.yaml", "vectors/data.yaml"]


def test_a_folder_without_a_pack_or_with_what_no_pack_holds_is_refused(made: Make, tmp_path: Path) -> None:
    assert any("cannot be read" in problem for problem in problems(tmp_path / "no-such"))
    assert any("a pack is named vendor-model" in problem for problem in problems(made("Acme")))
    assert any("a pack has vectors" in problem for problem in problems(_without(made("a-b"), "vectors/data.yaml")))
    assert any("larger than" in problem for problem in problems(made("a-c", codec_js="/" * (MAX_FILE + 1))))
    link = made("a-d")
    (link / "codec.js").unlink()
    (link / "codec.js").symlink_to("/etc/passwd")
    assert any("codec.js: this file cannot be read" in problem for problem in problems(link))
    binary = made("a-e")
    (binary / "codec.js").write_bytes(b"\xff")
    assert any("not UTF-8" in problem for problem in problems(binary))


def _without(folder: Path, file: str) -> Path:
    (folder / file).unlink()
    return folder


def test_a_label_is_recognised_by_its_pattern_and_only_whole(made: Make) -> None:
    signs = [label_pattern_of(read(made()))]
    assert recognise(signs, " ACME 70B3D5A1B2C3D4E5 ") == Recognised(("acme-thermo",), {"dev_eui": "70B3D5A1B2C3D4E5"})
    assert recognise(signs, "ACME 70B3D5A1B2C3D4E5 and more") == Recognised()
    assert recognise(signs, "ACME 70B3D5A1B2C3D4E5" + " " * 600) == Recognised()


def test_a_profile_of_tr005_names_the_pack_and_its_vendor_alone_those_it_may_be(made: Make) -> None:
    numbered = PACK + 'tr005: {vendor: "01aB", profiles: ["0013", "0014"]}\n'
    signs = [
        label_pattern_of(read(made(pack_yaml=numbered))),
        label_pattern_of(read(made("acme-other", pack_yaml=PACK))),
    ]
    assert recognise(signs, "", "01AB0014") == Recognised(("acme-thermo",))
    assert recognise(signs, "", "01AB0015") == Recognised(perhaps=("acme-thermo",))
    assert recognise(signs, "", "01280013") == Recognised()
    (problem,) = problems(made(pack_yaml=PACK + "tr005: {vendor: 128}\n"))
    assert "four hexadecimal digits" in problem or "text" in problem


_LINES = [*PACK.splitlines(keepends=True), "  x: {", "- 1\n", "\t", "? a\n", '"', "!secret x\n", "null\n"]
_TEXT = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(_LINES), max_size=30).map("".join))


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(_TEXT, st.one_of(st.just(VECTORS), st.text(max_size=80)))
def test_any_text_is_a_pack_or_problems(made: Make, pack: str, vectors: str) -> None:
    folder = made(pack_yaml=pack, vectors_yaml=vectors)
    try:
        read(folder)
    except ConfigError as error:
        told = len(error.problems)
    else:
        told = 1
    assert told > 0
