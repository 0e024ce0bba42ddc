"""`ilot pack test` says why a pack fails: the file, the line, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.core.errors import ConfigError
from hub.devices.codecs import Codecs
from hub.devices.packs.loader import read
from hub.devices.packs.vector_tests import Verdict, run_vectors
from tests.hub.devices.packs.packs_kit import CODEC, PACK, PARTS, VECTORS

Make = Callable[..., Path]
Bench = tuple[Codecs, Callable[[Any], Any]]
FIRST = VECTORS.partition("- source: manual\n  downlink")[0]
NO_ENUM = '{path: open, metric: door, values: {"0": false, "1": true}}'

REGISTERS = """\
format: 1
version: 1
vendor: Acme
models: [Meter]
fr: Compteur
en: Meter
licence: Apache-2.0
protocol: modbus
registers:
  - {metric: voltage, address: 0, type: uint16}
  - {metric: current, address: 1, type: uint16}
  - {metric: power, address: 3, type: uint16}
sources:
  manual: {kind: document, title: manual, version: "2", by: Acme, licence: facts only}
"""
HEARD = """\
- source: manual
  heard: {"holding 0": [230, 1, 2, 3]}
  readings: {voltage: 230, current: 1, power: 3}
"""


def problems(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(folder, parts=PARTS)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def judged(bench: Bench, folder: Path) -> Verdict:
    codecs, run = bench
    verdict: Verdict = run(run_vectors(read(folder, parts=PARTS), codecs))
    return verdict


def wrong(verdict: Verdict) -> list[str]:
    return [f"{one.vector}: {one.wrong}" for one in verdict.outcomes if one.wrong]


# -- before anything runs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (
            {"pack_yaml": PACK.replace("unit: Cel", "unit: °C")},
            "pack.yaml:15:19: '°C' is no unit of UCUM: write Cel",
        ),
        (
            {"pack_yaml": PACK.replace("    period: minutes\n", "").replace("unit: min", "unit: minutes")},
            "pack.yaml:25:49: 'minutes' is no unit of UCUM: write min",
        ),
        (
            {"pack_yaml": PACK.replace('resolution: "0.1"', 'resolution: "0"')},
            "pack.yaml:15:36: a resolution is a decimal number above zero, in quotes: '0.01'",
        ),
        (
            {"pack_yaml": PACK.replace("privacy: environment", "privacy: Personal")},
            "pack.yaml:15:72: expected technical, environment or personal; this is 'Personal' (did you mean personal?)",
        ),
        (
            {"pack_yaml": PACK.replace('{"0": false', '{"0": 3')},
            "pack.yaml:19:46: 'door' is a flag; this is 3.0",
        ),
        (
            {
                "pack_yaml": PACK.replace(NO_ENUM, "{path: open, metric: humidity, values: {wet: 900}}"),
                "vectors_yaml": VECTORS.replace(", door: true", ""),
            },
            "pack.yaml:19:50: 'humidity' cannot be 900.0: in the catalogue it is from 0 to 100 %",
        ),
        (
            {"vectors_yaml": VECTORS.replace("21.5", "2150")},
            "vectors/data.yaml:6:27: 'temperature' cannot be 2150.0: in the catalogue it is from -100 to 200 Cel",
        ),
        (
            {"vectors_yaml": VECTORS.replace("probe_2: 5", "probe_2: 500")},
            "vectors/data.yaml:6:42: 'probe_2' cannot be 500.0: its own `low` and `high` are -50 and 90 Cel",
        ),
        (
            {"vectors_yaml": VECTORS.replace("21.5", '"21.5"')},
            "vectors/data.yaml:6:27: 'temperature' is a number; this is '21.5'",
        ),
        (
            {"vectors_yaml": VECTORS.replace("door: true", "door: 1")},
            "vectors/data.yaml:6:51: 'door' is a flag; this is 1.0",
        ),
        (
            {"vectors_yaml": VECTORS.replace("probe_2:", "probe_3:")},
            "vectors/data.yaml:6:33: there is no metric 'probe_3' (did you mean probe_2?)",
        ),
        (
            {"vectors_yaml": VECTORS.replace("door: true", "pressure: 1013")},
            "vectors/data.yaml:6:45: no field of this pack gives 'pressure'",
        ),
        (
            {"vectors_yaml": VECTORS.replace("21.5, probe", "21.5, temperature: 3, probe")},
            "'temperature' stands here a second time",
        ),
        ({"vectors_yaml": ""}, "vectors/data.yaml: this file is empty: write a vector for each payload"),
        ({"vectors_yaml": "[]"}, "vectors/data.yaml: this file is empty: write a vector for each payload"),
        ({"vectors_yaml": "# none yet\n"}, "vectors/data.yaml: this file is empty: write a vector for each payload"),
        (
            {"pack_yaml": PACK.replace("messages:", "codec: {file: codc.js}\nmessages:")},
            (
                "pack.yaml:12:15: there is no file 'codc.js' beside pack.yaml: put the codec there, or name its "
                "file in "
                "`codec: {file: …}` (did you mean codec.js?)"
            ),
        ),
        ({"vectors_yaml": VECTORS.replace("  page", "\tpage")}, "vectors/data.yaml:2:1: a tab stands here"),
        ({"pack_yaml": PACK.replace("  probe_2", "\tprobe_2")}, "pack.yaml:15:1: a tab stands here"),
    ],
)
def test_what_can_be_seen_without_running_is_told_with_its_place(made: Make, files: dict[str, str], says: str) -> None:
    found = problems(made(**files))
    assert [one for one in found if says in one], found
    assert len(found) == 1, "one cause, told once"


def test_a_file_that_is_no_utf_8_is_told_with_the_line_where_it_is_not(made: Make) -> None:
    folder = made()
    (folder / "codec.js").write_bytes(CODEC.encode() + "// température\n".encode("latin-1"))
    assert problems(folder) == ["codec.js:6:8: this is not UTF-8 text: save the file as UTF-8"]
    folder = made()
    (folder / "vectors" / "data.yaml").write_bytes(VECTORS.replace("p. 3", "p. 3 °").encode("latin-1"))
    assert problems(folder) == ["vectors/data.yaml:2:14: this is not UTF-8 text: save the file as UTF-8"]


def test_a_codec_that_is_not_there_is_told_of_the_pack_with_the_file_that_may_be_it(made: Make) -> None:
    folder = made()
    (folder / "codec.js").rename(folder / "decoder.js")
    assert problems(folder) == [
        (
            "pack.yaml: there is no file 'codec.js' beside pack.yaml: put the codec there, or name its file "
            "in `codec: {file: "
            "…}` (did you mean decoder.js?)"
        )
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            ("address: 1, type: uint16", "address: 1, type: flot32"),
            (
                "pack.yaml:11:41: expected int16, uint16, int32, uint32, int64, uint64, float32, float64, bool "
                "or string; this "
                "is 'flot32' (did you mean float32?)"
            ),
        ),
        (("address: 3", "address: 70000"), "pack.yaml:12:30: must be at most 65535; this is 70000"),
        (
            ("metric: power,", "metric: wobble, unit: kWh, privacy: technical,"),
            "pack.yaml:12:28: 'kWh' is no unit of UCUM: write kW.h",
        ),
    ],
)
def test_what_is_wrong_with_a_register_is_told_at_its_own_line(made: Make, change: tuple[str, str], says: str) -> None:
    found = problems(made(pack_yaml=REGISTERS.replace(*change), vectors_yaml=HEARD))
    assert found == [says]


# -- what a run shows ----------------------------------------------------------------------------------------------


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    ("pack", "vectors", "says"),
    [
        (
            PACK.replace("metric: temperature, scale: 0.1", "metric: temperature, scale: 10"),
            FIRST,
            (
                "vectors/data.yaml:1: readings.temperature is missing; expected 21.5: t is 215; 'temperature' "
                "cannot be 2150.0: "
                "in the catalogue it is from -100 to 200 Cel; look at `scale` and `offset` of pack.yaml:17"
            ),
        ),
        (
            PACK,
            FIRST.replace("d70501", "d70502").replace(", door: true", ""),
            (
                "vectors/data.yaml:1: skipped has 1 entries, not 0: open is '2', and `values` of pack.yaml:19 "
                "has only '0', "
                "'1'"
            ),
        ),
        (
            PACK.replace("path: t2", "path: t_2"),
            FIRST,
            (
                "vectors/data.yaml:1: no field and no `ignore` names t2: pack.yaml:18 reads t_2, which the "
                "codec does not give "
                "here; did you mean t2?"
            ),
        ),
        (
            PACK.replace("ignore: [debug.*]", "  - {path: gone, metric: humidity}\nignore: [debug.*]"),
            FIRST.replace("door: true", "door: true, humidity: 40"),
            (
                "vectors/data.yaml:1: readings.humidity is missing; expected 40.0: pack.yaml:20 reads gone, "
                "which the codec "
                "does not give here; it gives t, t2, open, debug.n"
            ),
        ),
        (
            PACK.replace("invalid: [-999]", "invalid: [215]"),
            FIRST,
            (
                "vectors/data.yaml:1: readings.temperature is missing; expected 21.5: t is 215, which `invalid` "
                "of pack.yaml:17 "
                "takes for no reading"
            ),
        ),
        (
            PACK.replace(NO_ENUM, "{path: open, metric: text}"),
            FIRST.replace("door: true", "text: open"),
            (
                "vectors/data.yaml:1: readings.text is missing; expected 'open': open is 1, which is no reading "
                "of text; "
                "pack.yaml:19 reads it"
            ),
        ),
        (
            PACK,
            FIRST.replace("readings: {temperature: 21.5, probe_2: 5, door: true}", "readings: {}"),
            "vectors/data.yaml:1: it expects nothing, so it shows nothing: list the readings of the payload",
        ),
    ],
)
def test_why_a_vector_fails_is_told_with_the_line_that_reads_it(
    bench: Bench, made: Make, pack: str, vectors: str, says: str
) -> None:
    assert wrong(judged(bench, made(pack_yaml=pack, vectors_yaml=vectors))) == [says]


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            ("return { data", "foo.bar(); return { data"),
            "codec-error: ReferenceError: foo is not defined (line 3 of codec.js)",
        ),
        (
            ("return { bytes: [1,", "foo.bar(); return { bytes: [1,"),
            "ReferenceError: foo is not defined (line 5 of codec.js)",
        ),
        (("return { data", "retrun { data"), "codec-syntax: SyntaxError: expecting ';' (line 3 of codec.js)"),
    ],
)
def test_an_error_of_the_script_is_told_with_its_line(
    bench: Bench, made: Make, change: tuple[str, str], says: str
) -> None:
    assert any(says in one for one in wrong(judged(bench, made(codec_js=CODEC.replace(*change)))))


@pytest.mark.real("processes")
def test_a_reading_that_differs_names_the_register_that_gave_it(bench: Bench, made: Make) -> None:
    found = wrong(judged(bench, made(pack_yaml=REGISTERS, vectors_yaml=HEARD.replace("power: 3", "power: 4"))))
    assert found == ["vectors/data.yaml:1: readings.power is 3, not 4.0: read by pack.yaml:12"]
    found = wrong(judged(bench, made(pack_yaml=REGISTERS, vectors_yaml=HEARD.replace("holding", "input"))))
    assert found == [
        (
            "vectors/data.yaml:1: `heard` cannot be read: no register of the pack begins in 'input 0' with "
            "4 words; it has "
            "holding 0, holding 1, holding 3"
        )
    ]


@pytest.mark.real("processes")
def test_declarations_that_no_vector_shows_are_told_with_their_line(bench: Bench, made: Make) -> None:
    verdict = judged(
        bench, made(pack_yaml=REGISTERS, vectors_yaml=HEARD.replace(", 2, 3]", "]").replace(", power: 3", ""))
    )
    assert verdict.untested == ("metric power (pack.yaml:12)",)
    pack = PACK.replace("  - {path: t2, metric: probe_2, scale: 0.1}\n", "").replace("[debug.*]", "[debug.*, t2]")
    verdict = judged(bench, made(pack_yaml=pack, vectors_yaml=VECTORS.replace(" probe_2: 5,", "")))
    assert verdict.untested == ("metric probe_2 (pack.yaml:15), which no field gives",)
    assert not verdict.ok


@pytest.mark.real("processes")
def test_values_and_fields_that_no_vector_shows_are_told_and_the_pack_passes(bench: Bench, made: Make) -> None:
    pack = PACK.replace('"1": true', '"1": true, "2": true').replace(
        "ignore: [debug.*]", "  - {path: gone, metric: humidity}\nignore: [debug.*]"
    )
    verdict = judged(bench, made(pack_yaml=pack))
    assert verdict.ok, "a maker's examples seldom show them all"
    assert verdict.unshown == (
        "pack.yaml:19: open '0', read as door false",
        "pack.yaml:19: open '2', read as door true",
        "pack.yaml:20: gone, read as humidity",
    )
    shown = (
        VECTORS + '- {source: manual, message: data, port: 1, bytes: "d70500", readings: {temperature: 21.5, '
        "probe_2: 5, door: false}}\n"
    )
    assert judged(bench, made(vectors_yaml=shown)).unshown == ()


VALUES = st.one_of(st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.text("ab1", max_size=3))


@pytest.mark.real("processes")
@given(st.sampled_from(["temperature", "probe_2", "door"]), VALUES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_value_a_vector_expects_it_passes_or_is_told_why_with_its_line(
    bench: Bench, made: Make, metric: str, value: Any
) -> None:
    readings = {"temperature": 21.5, "probe_2": 5.0, "door": True} | {metric: value}
    said = ", ".join(f"{key}: {_yaml(one)}" for key, one in readings.items())
    vectors = FIRST.replace("{temperature: 21.5, probe_2: 5, door: true}", "{" + said + "}")
    folder = made(vectors_yaml=vectors)
    try:
        found = wrong(judged(bench, folder))
    except ConfigError as error:
        found = [str(problem).replace(f"{folder}/", "") for problem in error.problems]
        assert found[0].startswith("vectors/data.yaml:6:")
        return
    assert all("pack.yaml:" in one for one in found)


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else repr(value)
