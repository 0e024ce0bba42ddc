"""Reports: each numbered requirement has its section, gaps are said, estimates marked, operators get their share."""

import csv
import io
import json
import re
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from hub.core.errors import HubError
from hub.core.text import code_of, reason_of
from hub.energy import operat
from hub.energy.day_types import Almanac
from hub.energy.drift_watch import RULE, DriftWatch
from hub.energy.evidence import verify
from hub.energy.figures import Survey
from hub.energy.reports import Reports
from hub.energy.service import Energy
from tests.hub.history.rollups.kit import TEMPERATURE, H, Hub, at, meter_place

BEGIN = at("2026-01-01 00:00")
KEY = Ed25519PrivateKey.from_private_bytes(b"1" * 32)
ALERTS = [
    {"rule": "bin", "severity": "warning", "state": "raised", "raised": at("2026-03-01 12:00"), "place": "tgbt",
     "text": "The bin is full", "text_fr": "La benne est pleine"},
    {"rule": "cold", "severity": "critical", "state": "cleared", "raised": at("2025-12-31 23:59"),
     "text": "It was cold", "text_fr": "Il a fait froid"},
]  # fmt: skip


def listing(alerts):
    """As `hub.automation.alert_engine` answers to `alert.list`."""

    def listed(asked):
        if not asked.get("all"):
            return {"alerts": [one for one in alerts if one["state"] != "cleared"]}
        return {"alerts": [one for one in alerts if asked["from"] <= one["raised"] < asked["to"]][: asked["limit"]]}

    return listed


CALLS = {
    "status": {"plugins": [{"name": "mbus", "state": "running"}]},
    "devices": {"devices": [
        {"id": "x:1", "name": "", "place": "tgbt", "zone": "technique", "integration": "mbus", "state": "green"},
        {"id": "x:2", "name": "Lampe", "place": "", "zone": "", "integration": "knx", "state": "red"},
    ]},
    "command.list": {"commands": []}, "alert.list": listing(ALERTS),
}  # fmt: skip


class Book:
    def __init__(self):
        self.raised, self.cleared, self.owners = [], [], set()

    async def raise_(self, alert):
        self.raised.append(alert)

    async def clear(self, rule, key, by):
        self.cleared.append((rule, key))


def energy_of(hub, outdoor=("dehors", "temperature"), writable=()):
    async def call(name, arguments):
        return CALLS[name](arguments) if callable(CALLS[name]) else CALLS[name]

    survey = Survey(
        hub.rollups,
        places=lambda: hub.places.values(),  # noqa: PLW0108 - a test changes it
        zones={"technique": ("Locaux", "s", "plant"), "z2": ("", "s", "")},
        outdoor=outdoor,
        base=18.0,
        trust=lambda device: "A",
        now=hub.clock.now,
    )
    book = Book()
    drift = DriftWatch(survey, hub.store, book)
    reports = Reports(
        survey,
        drift,
        hub="hub-x",
        title="École",
        titles={"s": "École <Jaurès>"},
        call=call,
        writable=lambda: list(writable),
        operators={
            "cvc": ("Chauffagiste", frozenset({"tgbt"}), frozenset()),
            "eau": ("", frozenset(), frozenset({"z2"})),
        },
    )
    service = Energy(
        survey, drift, reports, clock=hub.clock, key=KEY, timezone="Europe/Paris", drain=hub.observer.drain
    )
    return SimpleNamespace(calls=service.calls(), service=service, book=book, drift=drift, survey=survey)


@pytest.fixture
async def hub(tmp_path):
    swap = (at("2026-02-10 12:00"), "40", None)
    place = meter_place(
        swaps=[swap], serial="A1", accuracy="MID B", calibrated="2021-06-01", use="chauffage", reference=120.0
    )
    other = meter_place(zone="z2", name="eau")
    async with Hub(tmp_path, at("2026-04-02 00:00"), places=[place, other]) as made:
        for n in range(31 * 24 + 1):
            made.say(BEGIN + n * H, n / 31)  # 24 kWh in January, then silence until a reading in March
            made.say(BEGIN + n * H, 5.0, metric=TEMPERATURE, device="x:9", place="dehors")
        made.say(at("2026-03-01 00:00"), 30.0)
        made.say(at("2026-03-01 01:00"), 31.0)
        await made.write(everything=True)
        yield made


async def test_the_report_has_each_requirement_and_says_what_is_missing(hub):
    energy = energy_of(hub)
    answer = await energy.calls["energy.report"]({"kind": "r175", "year": 2026})
    page = answer["document"]
    for number in ("1°", "2°", "3°", "4°"):
        assert re.search(rf"<h2>{number}", page)
    assert "A1" in page
    assert "MID B" in page
    assert "01/06/2021" in page
    assert "École" in page
    assert "lacune" in page  # April has nothing
    assert "non relevé" in page  # nobody read the new dial
    assert "Aucune grandeur n'est déclarée commandable" in page.replace("&#39;", "'")
    assert verify(page.encode()).hub.startswith("hub-")


async def test_each_sheet_of_a_printed_report_says_of_which_hub_it_is(hub):
    energy = energy_of(hub)
    energy.service._reports._title = 'École "A"}</style>'
    page = (await energy.calls["energy.report"]({"kind": "r175", "year": 2026}))["document"]
    style = page.partition("<style>")[2].partition("</style>")[0]
    told = re.search(r'@bottom-left{content:"([^"]*)"', style)[1]
    read = re.sub(r"\\([0-9a-f]{6})", lambda found: chr(int(found[1], 16)), told)
    assert read == 'École "A"}</style> · hub-x · 02/04/2026 00:00'
    assert "counter(page)" in style  # and the rest of the style still stands


async def test_figures_of_the_report_are_those_of_the_meter(hub):
    energy = energy_of(hub)
    found = (await energy.calls["energy.meters"]({"year": 2026}))["meters"][0]
    january = found["months"][0]
    assert (january["month"], january["used"], january["estimated"], january["completeness"]) == (
        "2026-01",
        24.0,
        0,
        100.0,
    )
    assert found["months"][1]["estimated"] == found["months"][1]["used"] == 16.0  # to the old dial's last figure
    assert found["months"][2]["used"] == 1.0
    report = await energy.service._reports.make("r175", 2026)
    assert report["meters"][0]["compared"] == {"used": 41.0, "due": 30.0, "ratio": 1.3667, "unit": "kWh"}
    [january_days, *_] = report["degree_days"]["months"]
    assert january_days == {"month": "2026-01", "degree_days": 403.0, "days": 31, "missing": 0}


@pytest.mark.parametrize(
    ("now", "due"), [
        ("2026-01-31 23:00", 9.987), ("2026-02-01 12:00", 10.179),  # half a day of 28
        ("2026-03-29 12:00", 29.192),  # 11 hours of that day have passed: 683 of the 743 of its month
    ],
)  # fmt: skip
async def test_a_month_under_way_is_compared_for_as_much_of_it_as_has_passed(tmp_path, now, due):
    async with Hub(tmp_path, at(now), places=[meter_place(reference=120.0)]) as made:
        for moment in range(BEGIN, at(now) + 1, 6 * H):
            made.say(moment, (moment - BEGIN) / H)
        await made.write(everything=True)
        report = await energy_of(made).service._reports.make("r175", 2026)
    assert report["meters"][0]["compared"]["due"] == due


@pytest.mark.parametrize(
    ("readings", "used", "missing"),
    [
        # the last reading ends February: of March it says nothing
        ({"01-01": 0, "02-01": 10, "03-01": 30}, [10.0, 20.0, None, None], ["2026-03", "2026-04"]),
        ({"02-10": 5}, [None] * 4, ["2026-01", "2026-02", "2026-03", "2026-04"]),  # one reading is no consumption
        (
            {"01-01": 0, "02-01": 10, "04-01": 10},
            [10.0, 0.0, 0.0, None],
            ["2026-04"],
        ),  # nothing was used: that is known
    ],
)
async def test_a_month_of_which_no_two_readings_tell_is_a_gap_and_one_between_two_that_are_alike_is_none(
    tmp_path, readings, used, missing
):
    async with Hub(tmp_path, at("2026-04-20 12:00"), places=[meter_place()]) as made:
        for day, index in readings.items():
            made.say(at(f"2026-{day} 00:00"), float(index))
        await made.write(everything=True)
        [meter] = (await energy_of(made).service._reports.make("r175", 2026))["meters"]
    assert ([month["used"] for month in meter["months"]], meter["missing"]) == (used, missing)


async def test_degree_days_are_those_of_whole_days_and_the_day_under_way_is_no_gap(tmp_path):
    outdoor = {"metric": TEMPERATURE, "device": "x:9", "place": "dehors"}
    async with Hub(tmp_path, at("2027-01-01 09:00"), places=[meter_place()]) as made:
        for moment in range(at("2026-12-30 00:00"), at("2027-01-03 12:00"), H):
            if moment > made.clock.now():
                made.clock.set(moment)
            made.say(moment, 5.0, **outdoor)
            if moment == at("2027-01-01 09:00"):
                await made.write(everything=True)
                young = energy_of(made)
                [december] = (await young.service._reports.make("r175", 2026))["degree_days"]["months"][-1:]
                page = (await young.calls["energy.report"]({"kind": "r175", "year": 2027}))["document"]
        await made.write(everything=True)
        found = (await energy_of(made).service._reports.make("r175", 2027))["degree_days"]["months"]
    assert (december["month"], december["days"], december["missing"]) == ("2026-12", 31, 29)
    assert "Aucun jour entier de cette année n&#39;est encore passé." in page
    assert "Aucune température extérieure" not in page
    assert found == [{"month": "2027-01", "degree_days": 26.0, "days": 2, "missing": 0}]


async def test_an_operator_is_given_its_share_and_nothing_else(hub, monkeypatch):
    command = {"at": BEGIN, "metric": "light", "value": True, "values": None, "by": "web:zoe", "state": "done"}
    asked = [{**command, "device": device} for device in ("x:1", "x:2", "gone:1")]
    monkeypatch.setitem(CALLS, "command.list", {"commands": asked})
    other = {**ALERTS[0], "rule": "elsewhere", "place": "", "zone": "z2"}
    monkeypatch.setitem(CALLS, "alert.list", listing([other, *ALERTS]))
    bounds = {"metric": "light", "low": None, "high": None, "role": "technicien"}
    energy = energy_of(hub, writable=[{"device": device, **bounds} for device in ("x:1", "x:2")])
    report = await energy.service._reports.make("r175", 2026, "cvc")
    assert [meter["place"] for meter in report["meters"]] == ["tgbt"]
    assert [zone["zone"] for zone in report["zones"]] == ["technique"]
    assert [meter["place"] for meter in (await energy.service._reports.make("dossier", 2026, "eau"))["meters"]] == [
        "eau"
    ]
    dossier = await energy.service._reports.make("dossier", 2026, "cvc")  # nor what is done elsewhere, and by whom
    assert [one["id"] for one in dossier["devices"]] == ["x:1"]
    assert [one["device"] for one in dossier["control"]["writable"]] == ["x:1"]
    assert [one["device"] for one in dossier["control"]["commands"]] == ["x:1"]
    assert [one["devices"] for one in dossier["interoperability"]] == [1]
    assert ([one["rule"] for one in dossier["alerts"]["raised"]], dossier["alerts"]["open"]) == (["bin"], 1)
    whole = await energy.service._reports.make("dossier", 2026)
    assert [one["device"] for one in whole["control"]["commands"]] == ["x:1", "x:2", "gone:1"]
    # its own commands are older than all that were given elsewhere since
    given = [{**command, "device": device} for device in ["x:2"] * 70 + ["x:1"] * 60]
    monkeypatch.setitem(CALLS, "command.list", lambda asked: {"commands": given[: asked["limit"]]})
    for operator, devices in (("cvc", {"x:1"}), ("", {"x:2"})):
        commands = (await energy.service._reports.make("r175", 2026, operator))["control"]["commands"]
        assert ({one["device"] for one in commands}, len(commands)) == (devices, 50)
    with pytest.raises(HubError, match="there is no operator 'x'"):
        await energy.calls["energy.report"]({"kind": "r175", "operator": "x"})


async def test_the_yearly_table_opens_in_a_french_spreadsheet_and_is_signed_beside(hub):
    energy = energy_of(hub)
    answer = await energy.calls["energy.report"]({"kind": "operat", "year": 2026})
    assert answer["document"].startswith("\ufeff")
    heads, line, end = answer["document"].lstrip("\ufeff").split("\r\n")
    assert heads.startswith("Année;Site;Énergie;Consommation;Unité;Consommation en kWh (gaz : PCS);Dont estimée;")
    # what a meter of the same carrier did not say is in no sum, and is said
    assert line.startswith("2026;École <Jaurès>;électricité;41,0;kWh;41,0;16,0;12,5;")
    assert line.endswith(";tgbt : avril / eau : janvier à avril;tgbt (n° A1) / eau")
    assert end == ""
    assert verify(answer["document"].encode(), answer["signature"].encode())


async def test_the_yearly_table_is_english_for_who_asks_for_english_and_objects_as_json(hub):
    energy = energy_of(hub)
    table = (await energy.calls["energy.report"]({"kind": "operat", "year": 2026, "lang": "en"}))["document"]
    [line] = list(csv.DictReader(io.StringIO(table)))
    assert (line["Carrier"], line["Consumption"], line["Unit"]) == ("electricity", "41.0", "kWh")
    assert line["Missing months"] == "tgbt: April / eau: January to April"
    made = (await energy.calls["energy.report"]({"kind": "operat", "year": 2026, "format": "json"}))["document"]
    [row] = json.loads(made)["report"]["rows"]
    assert (row["site"], row["carrier"], row["unit"], row["used"]) == ("École <Jaurès>", "electricity", "kW.h", 41.0)
    assert (row["meters"][0]["place"], row["meters"][0]["missing"]) == ("tgbt", ["2026-04"])


def test_nothing_in_the_yearly_table_begins_a_formula_and_numbers_of_meters_stay_text():
    meter = {
        "site": "s", "carrier": "gas", "unit": "m3", "months": ["2026-01"], "missing": [], "used": 2.5, "kwh": None,
        "estimated": 0.0, "completeness": 100.0, "place": "p", "name": "=1+1", "serial": "00123456789012",
    }  # fmt: skip
    [one] = operat.lines(2026, [meter], {"s": "@site"})
    _, line, _ = operat.as_csv([one], "fr").decode("utf-8-sig").split("\r\n")
    assert line == "2026;'@site;gaz;2,5;m³;;0,0;100,0;;'=1+1 (n° 00123456789012)"


@pytest.mark.parametrize(
    ("months", "french", "english"),
    [
        ((), "", ""), ((4,), "avril", "April"), ((1, 2), "janvier, février", "January, February"),
        ((1, 2, 3, 7, 11, 12), "janvier à mars, juillet, novembre, décembre",
         "January to March, July, November, December"),
        (range(1, 13), "janvier à décembre", "January to December"),
    ],
)  # fmt: skip
def test_missing_months_are_said_in_words(months, french, english):
    names = [f"2026-{month:02}" for month in months]
    assert (operat.months_text(names, "fr"), operat.months_text(names, "en")) == (french, english)


async def test_a_dossier_calls_things_as_people_do_in_both_languages(hub, monkeypatch):
    monkeypatch.setitem(
        CALLS,
        "command.list",
        {
            "commands": [
                {
                    "at": at("2026-03-01 12:00"),
                    "device": "x:2",
                    "metric": "light",
                    "value": True,
                    "values": None,
                    "by": "rule:night",
                    "state": "done",
                },
                {
                    "at": at("2026-03-01 12:01"),
                    "device": "x:2",
                    "metric": "light",
                    "value": None,
                    "values": None,
                    "by": "web:zoe",
                    "state": "done",
                },
                {
                    "at": at("2026-03-01 12:02"),
                    "device": "x:9",
                    "metric": "downlink",
                    "value": None,
                    "values": {"led": False},
                    "by": "cli",
                    "state": "failed",
                },
            ]
        },
    )
    writable = [{"device": "x:1", "metric": "temperature", "low": 5.0, "high": 26.5, "role": "technicien"},
                {"device": "x:2", "metric": "light", "low": None, "high": None, "role": "administrateur"}]  # fmt: skip
    hub.places["tgbt"] = replace(hub.places["tgbt"], name="Tableau général")
    calls = energy_of(hub, writable=writable).calls
    shown = {
        lang: re.sub(
            r"[\u00a0\u202f]", " ", (await calls["energy.report"]({"kind": "dossier", "lang": lang}))["document"]
        )
        for lang in ("fr", "en")
    }
    for said in (
        "<td>Tableau général</td>",
        'Lampe <span class="id">x:2</span></td><td>Lumière</td><td>oui</td><td>règle night',
        "<td>main rendue</td><td>zoe</td>", "<td>led : non</td><td>la ligne de commande</td><td>échec</td>",
        "<td>de 5 à 26,5 °C</td><td>technicien</td>", "Alertes déclenchées en 2026", "1 en tout.",
        "En cours aujourd&#39;hui : 1.",
        "La benne est pleine", 'mbus</th><td>en service</td><td class="n">1</td>',
    ):  # fmt: skip
        assert said in shown["fr"], said
    for said in (
        "<td>Light</td><td>yes</td><td>rule night",
        "<td>from 5 to 26.5 °C</td><td>technician</td>",
        "The bin is full",
        '<span class="whole">2026-03-01</span> 12:00',
        "Degree days",
    ):
        assert said in shown["en"], said
    assert not re.search("Il a fait froid|It was cold|True|False", shown["fr"] + shown["en"])  # of another year


async def test_each_gap_and_each_estimated_stretch_is_declared_to_the_hour(hub):
    [meter, nothing] = (await energy_of(hub).service._reports.make("r175", 2026))["meters"]
    # hourly until 1 February, then nothing before 1 March 00:00; the old dial's last figure is known, the new one's not
    assert meter["estimates"][0]["from"] == at("2026-02-01 00:00")
    assert sum(one["used"] for one in meter["estimates"]) == meter["estimated"] == 16.0
    assert meter["gaps"][-1] == {
        "from": at("2026-03-01 01:00"), "to": at("2026-04-01 23:00"), "hours": 765, "used": 0.0,
    }  # fmt: skip
    known = {*range(BEGIN, at("2026-04-01 23:00"), H)}
    for one in (*meter["gaps"], *meter["estimates"]):
        stretch = set(range(one["from"], one["to"], H))
        assert len(stretch) == one["hours"]
        assert stretch <= known  # no hour is both
        known -= stretch
    assert nothing["gaps"] == [{"from": BEGIN, "to": at("2026-04-01 23:00"), "hours": 2182, "used": 0.0}]


async def test_two_estimated_hours_that_begin_at_two_and_end_at_three_say_at_which_two(tmp_path):
    async with Hub(tmp_path, at("2026-10-26 12:00"), places=[meter_place()]) as made:
        first = at("2026-10-25 02:00")  # of the hour that comes twice
        for n in (-3, -2, -1, 0, 2, 3):
            made.say(first + n * H, 10.0 + n)
        await made.write(everything=True)
        page = (await energy_of(made).calls["energy.report"]({"kind": "r175", "year": 2026}))["document"]
    assert '<td>25/10/2026 02:00\u00a0UTC+2</td><td>25/10/2026 03:00</td><td class="n">2</td>' in page


async def test_class_and_calibration_are_those_of_the_meter_that_hangs_there(hub):
    place = hub.places["tgbt"]
    swap = replace(place.meter.swaps[0], serial="B7")
    hub.places["tgbt"] = replace(place, meter=replace(place.meter, swaps=(swap,)))
    [meter, _] = (await energy_of(hub).service._reports.make("r175", 2026))["meters"]
    assert (meter["serial"], meter["accuracy"], meter["calibrated"]) == ("B7", "", "")
    assert (meter["swaps"][0]["before"], meter["swaps"][0]["calibrated"]) == ("A1", "2021-06-01")
    declared = replace(swap, accuracy="MID C", calibrated="2026-02-01")
    hub.places["tgbt"] = replace(place, meter=replace(place.meter, swaps=(declared,)))
    page = (await energy_of(hub).calls["energy.report"]({"kind": "r175", "year": 2026}))["document"]
    assert "<td>B7</td><td>MID C</td><td>01/02/2026</td>" in page
    assert "A1\u00a0: classe MID B, étalonné le 01/06/2021" in page.replace("&#160;", "\u00a0")


async def test_a_french_report_has_french_dates_numbers_and_states_and_says_what_is_empty(hub, monkeypatch):
    monkeypatch.setitem(CALLS, "alert.list", listing([]))
    page = (await energy_of(hub).calls["energy.report"]({"kind": "dossier", "year": 2026}))["document"]
    for said in (
        "janvier 2026",
        "en service",
        "remonte",
        "Aucune alerte cette année-là.",
        "100\u202f%",
        "41&#8239;kWh",
        "bâtiment\u202f; elles",
        "«\u00a0estimée\u00a0»",
        "Complétude\u00a0:",
    ):
        assert said in page
    assert not re.search(r">[^<]*\d{4}-\d{2}", page.split("<!-- ilot")[0])
    english = (await energy_of(hub).calls["energy.report"]({"kind": "dossier", "year": 2026, "lang": "en"}))["document"]
    assert "January 2026" in english
    assert "running" in english


@pytest.mark.parametrize(("year", "counted"), [(2025, {"bin": 1, "boiler": 1}), (2026, {"bin": 2})])
async def test_the_dossier_counts_the_alerts_of_its_year_and_those_that_are_open_today(hub, monkeypatch, year, counted):
    kept = [
        ("boiler", "cleared", "2024-12-31 23:59:59"), ("bin", "cleared", "2025-01-01 00:00:00"),
        ("boiler", "raised", "2025-12-31 23:59:59"), ("bin", "cleared", "2026-01-01 00:00:00"),
        ("bin", "cleared", "2026-03-29 03:00:00"),
    ]  # fmt: skip

    found = [{"rule": rule, "state": state, "raised": at(moment)} for rule, state, moment in kept]
    monkeypatch.setitem(CALLS, "alert.list", listing(found))
    report = await energy_of(hub).service._reports.make("dossier", year)
    assert (report["alerts"]["by_rule"], report["alerts"]["open"]) == (counted, 1)
    newest = [one["raised"] for one in report["alerts"]["raised"]]
    assert newest == sorted(newest, reverse=True)
    assert len(newest) == sum(counted.values())


async def test_names_from_the_configuration_are_text_and_no_markup(hub):
    hub.places["tgbt"] = meter_place(serial="<script>alert(1)</script>", name="tgbt")
    page = (await energy_of(hub).calls["energy.report"]({"kind": "dossier", "lang": "en"}))["document"]
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


async def test_what_cannot_be_made_is_refused_in_words(hub):
    calls = energy_of(hub).calls
    for arguments, code in (
        ({"kind": "x"}, "report-kind-unknown"), ({"kind": "operat", "format": "html"}, "report-format-unknown"),
        ({"kind": "r175", "lang": "de"}, "report-language-unknown"),
        ({"kind": "r175", "year": 2050}, "report-year-wrong"), ({"kind": "r175", "year": "soon"}, "report-year-wrong"),
    ):  # fmt: skip
        with pytest.raises(HubError) as raised:
            await calls["energy.report"](arguments)
        assert code_of(reason_of(raised.value)) == code
    with pytest.raises(HubError, match="has no meter"):
        await calls["energy.meter"]({"place": "nowhere"})


async def test_a_meter_learns_says_what_it_lacks_and_a_swap_that_nobody_declared_is_a_complaint(hub):
    energy = energy_of(hub)
    states = (await energy.calls["energy.judge"]({}))["drift"]
    assert states["tgbt"] == {"state": "learning", "days": 9, "needed": 120}
    assert energy.service.complaints() == []
    hub.say(at("2026-04-01 00:00"), 3.0, device="x:2")
    hub.observer.drain()
    (said,) = energy.service.complaints()
    assert (said.code, said.params) == ("meter-swaps-undeclared", {"place": "tgbt", "count": 1})
    assert "was replaced 1 time and nobody said what its dials showed" in said
    blind = energy_of(hub, outdoor=None)
    assert (await blind.calls["energy.judge"]({}))["drift"]["tgbt"] == {"state": "no-outdoor"}


async def test_a_drift_becomes_an_alert_once_and_is_cleared_by_a_new_reference(tmp_path):
    from tests.hub.energy.test_drift import days_of

    days = days_of(9, fault=lambda n: 1.15 if n >= 420 else 1.0)
    async with Hub(tmp_path, BEGIN, places=[meter_place()]) as hub:
        energy = energy_of(hub)

        async def those(place, meter, begin):
            return days[:480]

        energy.survey.days = those
        hub.say(BEGIN, 1.0)
        hub.observer.drain()
        await energy.calls["energy.judge"]({})
        await energy.calls["energy.judge"]({})
        assert {(alert.rule, alert.key) for alert in energy.book.raised} == {(RULE, "tgbt")}
        assert "plus que ce que la météo" in energy.book.raised[0].text_fr
        assert energy.drift.states["tgbt"]["reference_whole"] is True
        assert (await energy.calls["energy.restart"]({"place": "tgbt", "dry_run": True})) == {"place": "tgbt"}
        hub.clock.set(BEGIN + 86_400 * 4000)
        restarted = await energy.calls["energy.restart"]({"place": "tgbt", "by": "web:zoe"})
        assert restarted["state"] == "learning"
        noted = [(one.who, one.what) for one in await hub.store.audited()]
        assert noted[-1] == ("web:zoe", {"energy": "new reference period", "place": "tgbt"})
        assert energy.book.cleared[-1] == (RULE, "tgbt")


async def test_another_region_sorts_the_reference_period_anew_from_its_first_day_on_and_once(tmp_path, monkeypatch):
    from hub.energy import drift_watch
    from tests.hub.energy.test_drift import days_of

    days, learnt, fitted = days_of(9)[:420], [], drift_watch.learn
    monkeypatch.setattr(drift_watch, "learn", lambda reference: learnt.append(reference[0].number) or fitted(reference))
    async with Hub(tmp_path, BEGIN, places=[meter_place()]) as hub:
        energy = energy_of(hub)

        async def those(place, meter, begin):
            return days

        energy.survey.days = those
        hub.say(BEGIN, 1.0)
        hub.observer.drain()
        for region in ("", "reunion", "reunion"):
            energy.survey.almanac = lambda meter, region=region: Almanac(region and "ile", region or "metropole")
            await energy.calls["energy.judge"]({})
        assert learnt == [days[0].number] * 2
        assert energy.drift.states["tgbt"]["schedule"] == "ile"
        assert energy.drift.states["tgbt"]["reference_whole"] is True


async def test_a_report_bears_the_names_that_the_configuration_says_by_now(hub):
    made = energy_of(hub)
    made.service.reconfigure({"z2": ("Cour", "s", "")}, "Indian/Reunion", "Collège", {"s": "Collège Zola"})
    page = (await made.calls["energy.report"]({"kind": "r175", "year": 2026}))["document"]
    assert "Collège" in page
    assert "Cour" in page
    assert "École" not in page
    table = (await made.calls["energy.report"]({"kind": "operat", "year": 2026, "format": "csv"}))["document"]
    assert "Collège Zola" in table
    assert "Jaurès" not in table


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("fr", "5P : socle, chauffage sous 15,5 °C, froid au-dessus de 21 °C · 0,94 · 7,7 % · -0,4 %"),
        ("en", "5P: base load, heating below 15.5 °C, cooling above 21 °C · 0.94 · 7.7 % · -0.4 %"),
    ],
)
async def test_the_report_names_the_model_of_a_meter_and_how_well_it_fits(hub, lang, said):
    energy = energy_of(hub)
    energy.drift.states["tgbt"] = {
        "state": "steady", "reference": ["2025-01-01", "2025-12-31"], "reference_whole": True, "finds": 0.084,
        "r2": 0.941, "cv": 0.077, "nmbe": -0.004, "parameters": 5, "heating_below": 15.5, "cooling_above": 21.0,
    }  # fmt: skip
    answer = await energy.calls["energy.report"]({"kind": "r175", "year": 2026, "lang": lang})
    page = answer["document"].replace("\u00a0", " ").replace("\u202f", " ")
    assert said in page


async def test_a_bias_that_is_none_has_no_sign(hub):
    energy = energy_of(hub)
    energy.drift.states["tgbt"] = {
        "state": "steady", "reference": ["2025-01-01", "2025-12-31"], "reference_whole": True, "finds": 0.084,
        "r2": 0.941, "cv": 0.077, "nmbe": -0.0003, "parameters": 1, "heating_below": None, "cooling_above": None,
    }  # fmt: skip
    page = (await energy.calls["energy.report"]({"kind": "r175", "year": 2026}))["document"]
    assert "1P\u00a0: socle · 0,94 · 7,7\u202f% · 0\u202f%" in page
