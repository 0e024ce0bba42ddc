"""The goals, each with the figure that decides it. Pure.

A goal is met, missed, or not measured; a range of names (`*`) is decided by the worst of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

MOST, LEAST = "at most", "at least"
MET, MISSED, OPEN = "met", "missed", "not measured"


class Figure(NamedTuple):
    """One line that a benchmark printed; `value` None when it says why there is none."""

    source: str
    name: str
    value: float | None
    unit: str
    note: str = ""


class Gate(NamedTuple):
    """`figure` is a name, or a pattern with `*`, in the benchmark `source`; `divided_by` another figure, of which the
    first is taken as a share. `bound` says what keeps it from being better, or why it is not measured."""

    number: int
    goal: str
    source: str
    figure: str
    kind: str
    limit: float
    unit: str
    bound: str = ""
    divided_by: tuple[str, str] | None = None


class Verdict(NamedTuple):
    gate: Gate
    value: float | None
    result: str


def judge(gate: Gate, figures: Sequence[Figure]) -> Verdict:
    """The worst of the figures that the gate names."""
    found = _values(gate.source, gate.figure, figures)
    if gate.divided_by is not None:
        others = _values(*gate.divided_by, figures)
        found = [value / max(others) for value in found] if others and max(others) > 0 else []
    if not found:
        return Verdict(gate, None, OPEN)
    worst = max(found) if gate.kind == MOST else min(found)
    met = worst <= gate.limit if gate.kind == MOST else worst >= gate.limit
    return Verdict(gate, worst, MET if met else MISSED)


def _values(source: str, name: str, figures: Sequence[Figure]) -> list[float]:
    return [
        figure.value
        for figure in figures
        if figure.source == source and figure.value is not None and fnmatchcase(figure.name, name)
    ]


FLOOD = "end to end, emit() to signed ack"

# fmt: off
# ruff: noqa: E501 - a table is read across
GATES = (
    Gate(1, "end to end, sealed and acknowledged, against thingsboard-gateway", "peers", "ours / thingsboard: end to end", LEAST, 10, "x", "two Python processes on two cores: the hub takes 3 µs a reading and holds the interpreter's lock for most of it"),
    Gate(1, "the same against what the buffer alone takes on this machine", "pipeline", FLOOD, LEAST, 0.25, "of it", "the buffer alone: rows are there, nothing is emitted, read back or sent", ("commit", "append to durable, blocks of 1,000 readings")),
    Gate(2, "from a local MQTT source, against thingsboard-gateway by MQTT", "ingest_mqtt", "ours / thingsboard by MQTT: end to end", LEAST, 5, "x"),
    Gate(2, "the same against a bare MQTT client of this machine", "ingest_mqtt", "ours by MQTT against the limit", LEAST, 60, "%", "one core does both: what the client library takes for a message, and the topic, the payload, the report and its sealing"),
    Gate(3, "CPU for 1,000 readings, against thingsboard-gateway", "peers", "ours / thingsboard: cpu", MOST, 0.1, "x"),
    Gate(3, "the same by MQTT", "ingest_mqtt", "ours / thingsboard by MQTT: cpu", MOST, 0.2, "x"),
    Gate(3, "CPU at the quiet site, 33 readings/s", "cpu", "CPU, quiet site", MOST, 1.4, "% of a core"),
    Gate(3, "CPU idle", "cpu", "CPU, idle", MOST, 0.5, "% of a core"),
    Gate(4, "memory with three integrations, the link and the web pages on", "memory", "RSS, host, modbus, bluetooth*", MOST, 75, "MiB", "imports: 41 MiB are code and classes, of pydantic, asyncio, bleak and our own; 30 are files mapped, of cryptography 7, OpenSSL 6, Python 5, pydantic 4, SQLite 3. The pages are loaded for the first caller: 6 more from then on"),
    Gate(4, "raw readings in 8 MiB at 2,000 a minute", "history", "synthetic: hours held of 2000 readings a minute in 8 MiB", LEAST, 24, "h", "counters that all leap in each report take 3 bytes a reading, metrics that are each reported at a moment of their own 4"),
    Gate(4, "memory gained in an outage", "memory", "RSS gained in an outage*", MOST, 16, "MiB", "rows that wait for the disk, 350 bytes each, at most buffer.pending of them: a flood of 250,000 readings/s, not 33"),
    Gate(5, "bytes a reading, 5 s window, synthetic site", "bytes", "500 room sensors, one commit each 5 s", MOST, 3.5, "B"),
    Gate(5, "bytes a reading, 30 s window, synthetic site", "bytes", "500 room sensors, one commit each 30 s", MOST, 2.5, "B"),
    Gate(5, "bytes a reading, 5 s window, worst recorded trace", "bytes", "recorded: * devices, one commit each 5 s", MOST, 3.5, "B", "the kernel's counters: a block stands alone, so each value is told in full, 3.38 B with the frame and the signature for any code: docs/adr/0061; the other traces take 2.0 to 2.6"),
    Gate(5, "bytes a reading, 30 s window, worst recorded trace", "bytes", "recorded: * devices, one commit each 30 s", MOST, 2.5, "B"),
    Gate(5, "link overhead over records, a backlog", "drain", "link overhead*", MOST, 5, "%"),
    Gate(5, "a month of 18 sensors, a report a minute, on a metered line, TLS included, buffer.window 5min", "metered", "a month, TLS included, *", MOST, 15, "MB", "the records themselves; state and head of the audit log ride with them, one ack answers all: docs/adr/0014"),
    Gate(5, "the same with the default window of 5 s", "metered_5s", "a month, TLS included, *", MOST, 15, "MB", "124 bytes of frame, tag and signature for each commit, 6 readings; see docs/how-to/reach-the-backend.md"),
    Gate(6, "device bytes a reading, quiet site, 5 s window", "flash", "device bytes a reading, 5 s window", MOST, 60, "B"),
    Gate(6, "device bytes a reading, quiet site, 30 s window", "flash", "device bytes a reading, 30 s window", MOST, 13, "B"),
    Gate(6, "device bytes a flush", "flash", "device bytes a flush, *", MOST, 10, "KiB", "data, inode and journal of ext4; room is taken ahead: docs/adr/0041"),
    Gate(7, "drain, against thingsboard-gateway", "peers", "ours / thingsboard: drain", LEAST, 10, "x", "the backend's one process is the slower end"),
    Gate(7, "drain, against NATS", "peers", "ours / nats: drain", LEAST, 3, "x"),
    Gate(7, "live delay p99 while a backlog drains, two commit windows", "drain", "live delay p99, backlog*", MOST, 10, "s"),
    Gate(7, "the same at 64 kbit/s", "drain", "live delay p99, 64 kbit/s", MOST, 10, "s"),
    Gate(8, "sealing and signing, AES", "pipeline_seal", "sealing and signing, aes*", MOST, 5, "%"),
    Gate(8, "sealing and signing, ChaCha20", "pipeline_seal", "sealing and signing, chacha*", MOST, 10, "%"),
    Gate(9, "start to ready", "start", "start to ready, whole process, median", MOST, 0.8, "s", "modules; measured with their bytecode, as an installed hub has it: without, it compiles itself at each start and takes twice to three times as long"),
    Gate(9, "start to ready with 1 GB of backlog", "start", "start to ready, whole process, with*", MOST, 0.8, "s"),
    Gate(9, "ilot doctor, whatever hangs", "doctor", "doctor, *", MOST, 5, "s", "deadlines: 1.5 s for the hub, then 2.5 s for all else at once"),
    Gate(10, "group commits against the disk's own syncs", "commit", "group commits against the raw rate", LEAST, 80, "%", "this disk takes 0.2 ms a sync; the writer's own work (encode, compress, seal, sign: 0.1 to 0.2 ms) and two hand-overs between threads (0.1 ms) weigh as much. More commits would be fewer reports: docs/adr/0016"),
    Gate(10, "the same with each sync 2 ms slower, as an eMMC or a good SD card", "commit", "group commits against the raw rate, each*", LEAST, 80, "%", "two hand-overs between threads, each of which wakes a sleeping core of this virtual machine"),
    Gate(11, "BLE adverts decoded a second, a mix of kinds", "decoders", "decoder.mix", LEAST, 20_000, "1/s"),
    Gate(11, "LoRaWAN frames a second, MIC and decryption", "lorawan", "lorawan.mic+decrypt", LEAST, 50_000, "1/s"),
    Gate(11, "M-Bus frames a second, telegrams of the wire", "meters", "mbus.wired", LEAST, 10_000, "1/s"),
    Gate(11, "M-Bus frames a second, telegrams of the air, opened with their keys", "meters", "mbus.air", LEAST, 10_000, "1/s"),
    Gate(11, "the slowest frame of a meter, forged and random ones among them", "meters", "longest", MOST, 5, "ms"),
    Gate(11, "codec calls a second of the sandbox's processor time, the slowest mix", "codecs", "*, worker", LEAST, 10_000, "1/s"),
    Gate(11, "the same by the clock, all packs in turn, hub and sandbox on two cores", "codecs", "codecs of all * packs in turn, wall", LEAST, 10_000, "1/s"),
    Gate(11, "codec calls that found something of an earlier call", "codecs", "*calls that found something", MOST, 0, "calls"),
    Gate(11, "memory that 100,000 calls of a codec leave in the sandbox", "codecs", "*memory after*", MOST, 2, "MiB"),
    Gate(12, "somebody new waits for a page while a thousand slow callers knock", "callers", "somebody new waits for a page, at most*", MOST, 2, "s"),
    Gate(12, "readings lost meanwhile", "callers", "readings of them not at the backend", MOST, 0, "readings"),
    Gate(12, "the first page with its assets, gzip", "web", "first page with its assets, *", MOST, 60, "kB gzip"),
    Gate(12, "the slowest page with 500 devices", "web", "server time, 500 devices, *", MOST, 150, "ms", "the page of the configuration judges the file when it has changed"),
    Gate(12, "the slowest page with 2,000 devices", "web", "server time, 2000 devices, *", MOST, 300, "ms", "the same"),
    Gate(12, "20 open tabs, a stream of events each", "web", "CPU of 20 open tabs", MOST, 5, "% of a core"),
    Gate(13, "backend on one core", "backend", "acknowledged, *", LEAST, 300_000, "readings/s"),
    Gate(13, "a chunk of an hour, bytes a reading, synthetic site", "chunks", "rooms, an hour: chunk", MOST, 1.0, "B", "times and noise: 0.72 of the 0.99 B are the entropy of times and values"),
    Gate(13, "readings into a chunk", "chunks", "*: encode", MOST, 2, "µs/reading"),
    Gate(13, "one series out of a chunk of an hour", "chunks", "*, an hour: pick", MOST, 0.25, "ms"),
    Gate(13, "bodies into chunks, putting together included", "compaction", "compaction, loose chunks put together", MOST, 6, "µs CPU/reading", "a reading is decoded twice and encoded twice: once in minutes, so that queries need not search bodies, and once for the hour"),
    Gate(13, "disk, steady state, account and names included", "ingest", "database, account and index included, bodies and chunks, *", MOST, 3, "bytes/reading"),
    Gate(13, "write-ahead log of ingest", "ingest", "write-ahead log of ingest, bodies and chunks, *", MOST, 15, "bytes/reading"),
    Gate(13, "chunks on disk, indexes included", "compaction", "chunks with pages, *", MOST, 3, "B/reading"),
    Gate(13, "one series of a day", "compaction", "one series, a day, p95", MOST, 15, "ms"),
    Gate(13, "its last hour", "compaction", "one series, last hour, p95", MOST, 20, "ms"),
    Gate(13, "its last hour, compactor dead for an hour", "compaction", "one series, last hour, compactor dead*", MOST, 80, "ms"),
    Gate(13, "one series of a month, a report every 45 s", "ranges", "one series, 30 days, raw, *", MOST, 100, "ms", "57,600 readings in 744 chunks, each opened for one of its devices: rollups beside the chunks would spare that, as would chunks of days"),
    Gate(13, "its newest reading", "compaction", "one series, newest reading, p95", MOST, 10, "ms"),
    Gate(13, "a copy of a backend's 1.3 GB under ingest, verified", "copies", "SQLite, copy of 1.3 GB under ingest, verified", MOST, 20, "s"),
    Gate(14, "100 Modbus devices × 20 registers every 10 s", "polling", "cpu", MOST, 5, "% of a core"),
    Gate(14, "one dead unit among 50: the others' p99 period", "polling", "dead.p99", MOST, 1.05, "times"),
    Gate(15, "admission, privacy and 100 rules, 500 devices", "rules", "admission, 100 privacy rules and 100 rules", MOST, 1.5, "µs a reading", "the whole straight path is in it, from the report to the row: what it takes without a rule stands beside it"),
    Gate(15, "five years of hourly readings, a kill a month: months missing", "archive", "* hourly meters: months missing", MOST, 0, "months"),
    Gate(15, "the sums of their months against the dials", "archive", "* hourly meters: sums of the months off the dials", MOST, 0, "Wh off"),
    Gate(16, "a step of 10 % found within 14 days, days that scatter by 4 %", "drift", "plain, daily noise 4%: step of 10 % found*", LEAST, 90, "% of them"),
    Gate(16, "the same at 6 %", "drift", "plain, daily noise 6%: step of 10 % found*", LEAST, 90, "% of them", "the same mean finds 96 % where baseline and noise are known; the rest is lost to learning both from one year"),
    Gate(16, "the same at 8 %", "drift", "plain, daily noise 8%: step of 10 % found*", LEAST, 90, "% of them", "chance: no test at all, told baseline, noise and size, finds more than 90 % at one false alarm a year"),
    Gate(16, "10 % put into a public real load, found within 14 days", "drift", "real: *, all years: put-in 10 %*", LEAST, 90, "% of them"),
    Gate(16, "its false alarms a year, untouched", "drift", "real: *, all years: alarms*", MOST, 1, "a year"),
    Gate(16, "false alarms a system and year, days that scatter by 4 to 8 %", "drift", "plain, *: false alarms*", MOST, 1, "a year"),
    Gate(16, "the same, simulated rooms with sun, wind and people", "drift", "rooms, all: false alarms*", MOST, 1, "a year"),
    Gate(16, "the same, simulated halls that are cooled too, never used to lay the detector out", "drift", "halls, all: false alarms*", MOST, 1, "a year"),
    Gate(17, "apt install to a hub that can be claimed, without network", "package", "apt install to claimable", MOST, 180, "s"),
    Gate(17, "what an installed hub takes", "package", "installed", MOST, 190, "MB"),
    Gate(17, "private memory of hub and codecs, the demo's configuration, nobody at the pages", "rest", "private memory, the demo's configuration, nobody at the pages, all together", MOST, 75, "MiB"),
    Gate(17, "the same, its pages called", "rest", "private memory, the demo's configuration, with pages, all together", MOST, 75, "MiB", "what Python makes of the code of 1,600 modules: 25 of 70 MiB; pages are 9 MiB of aiohttp, Jinja and their own"),
    Gate(17, "the same of host, Modbus and pages", "rest", "private memory, host, Modbus, with pages, all together", MOST, 60, "MiB"),
    Gate(17, "written to the card at rest, host only", "rest", "device bytes a minute at rest, host", MOST, 12, "KiB/min"),
    Gate(17, "written to the card at rest, the demo's configuration", "rest", "device bytes a minute at rest, the demo's configuration", MOST, 200, "KiB/min"),
    Gate(18, "a plugin in a process of its own starts", "isolation", "isolated plugin, start, median", MOST, 0.4, "s", "Python, pydantic, msgspec and asyncio: 0.15 s of it are imports"),
    Gate(18, "its private memory", "isolation", "isolated plugin, private memory", MOST, 32, "MiB"),
    Gate(18, "readings a second through its socket, one a report", "isolation", "isolated plugin, readings through the socket, 1 *", LEAST, 20_000, "readings/s"),
    Gate(18, "how late another plugin's reading is taken while it floods, p99", "isolation", "a reading of another plugin while*", MOST, 50, "ms"),
    Gate(18, "the same while a hostile plugin attacks, p99, the worst of 28 attacks", "redteam", "a neighbour's reading, p99, while a plugin *", MOST, 50, "ms"),
    Gate(18, "durable readings of its neighbours that never arrived", "redteam", "durable readings of both neighbours*", MOST, 0, "readings"),
    Gate(19, "a page of the list of 10,000 hubs, a server just started", "registry", "list of *, the first page, *", MOST, 100, "ms", "500 hubs, whose signed states are verified once: two thirds of it"),
    Gate(19, "readings a core of PostgreSQL, ten messages a transaction", "postgresql", "PostgreSQL, readings a core, 10 *", LEAST, 2_000_000, "1/s", "the engine's normal path alone, without a worker before it"),
    Gate(19, "the same, one message a transaction", "postgresql", "PostgreSQL, readings a core, 1 *", LEAST, 300_000, "1/s"),
    Gate(19, "write-ahead log of PostgreSQL a reading", "postgresql", "PostgreSQL, write-ahead log a reading, *", MOST, 15, "B"),
    Gate(19, "one series of a day from PostgreSQL, 100 M readings stored", "postgresql_reading", "PostgreSQL, one series, a day, p95", MOST, 15, "ms"),
    Gate(19, "its last hour", "postgresql_reading", "PostgreSQL, one series, last hour, p95", MOST, 20, "ms"),
    Gate(19, "its last hour, compactor dead for an hour", "postgresql_reading", "PostgreSQL, one series, last hour, compactor dead*", MOST, 80, "ms"),
    Gate(19, "its newest reading", "postgresql_reading", "PostgreSQL, one series, newest reading, p95", MOST, 10, "ms"),
    Gate(19, "chunks in PostgreSQL, indexes included", "postgresql_reading", "PostgreSQL, chunks on disk, *", MOST, 3, "B/reading"),
    Gate(19, "a worker, a message over TLS, SQLite", "district", "SQLite, ingest, processor a message over TLS", MOST, 1.5, "ms"),
    Gate(19, "the same over PostgreSQL", "district", "PostgreSQL, ingest, processor a message over TLS", MOST, 1.5, "ms"),
    Gate(19, "two workers held to 0.4 of a core each, against one", "district", "two workers held to 0.4 of a core each, against one", LEAST, 1.8, "times"),
    Gate(19, "their processor a message, hubs at either, against one", "district", "two workers, processor a message, against one", MOST, 1.5, "times"),
    Gate(19, "200 hubs return after a day: processor a hub", "district", "*, * hubs return, processor a hub", MOST, 9, "ms", "24 records each, of 160 readings"),
    Gate(19, "the longest wait of a live message meanwhile", "district", "*, * hubs return, a live message waits at most", MOST, 5, "s"),
    Gate(19, "a copy of 1.3 GB by pgBackRest", "copies", "PostgreSQL, copy of 1.3 GB by pgBackRest, at rest", MOST, 20, "s"),
    Gate(19, "tokens of a table of 300 hubs", "registry", "tokens of a table of 300 hubs", MOST, 5, "s"),
    Gate(19, "enrolment of a table of 300 request files", "registry", "enrolment of a table of 300 *", MOST, 5, "s"),
    Gate(24, "map of 5,000 things: first paint", "city_pages", "map of 5,000 things, first paint", MOST, 1.5, "s"),
    Gate(24, "map of 20,000 things: first paint", "city_pages", "map of 20,000 things, first paint", MOST, 2.5, "s"),
    Gate(24, "bytes of the map, without a background", "city_pages", "map of *, bytes that came", MOST, 150, "kB"),
    Gate(24, "main thread a frame while the map is dragged, p95", "city_pages", "map of *, dragged, main thread a frame, p95", MOST, 20, "ms"),
    Gate(24, "its longest task", "city_pages", "map of *, dragged, longest task", MOST, 50, "ms"),
    Gate(24, "a page of the list of 10,000 hubs", "city_pages", "a page of the list of *, median", MOST, 300, "ms"),
    Gate(24, "the crisis page of an operator, 10,000 hubs", "city_crisis", "page /crisis, operator", MOST, 300, "ms"),
    Gate(24, "SensorThings: a day of one series, 100 M readings stored, p95", "city_open_api", "a day of one series, p95", MOST, 100, "ms"),
    Gate(24, "SensorThings: the newest of 5,000 series, p95", "city_open_api", "the newest of 5,000 series, p95", MOST, 500, "ms"),
    Gate(24, "open data of 500 flats over 90 days: cells below the threshold that follow from all that was published", "city_publication", "90 days, 500 flats: cells recovered below the threshold", MOST, 0, "cells"),
    Gate(24, "the attack catches each broken twin", "city_publication", "recovered *", LEAST, 1, "cells"),
    Gate(24, "from an alert's arrival to its e-mail at the mail server, p95", "city_alerts", "city_alerts_mail_p95_s", MOST, 5, "s", "1.5 s of it every alert waits for others of its cause"),
    Gate(24, "alerts of which no e-mail came", "city_alerts", "city_alerts_mail_lost", MOST, 0, ""),
    Gate(24, "the same, the dispatching process killed 20 times", "city_alerts", "city_alerts_kills_lost", MOST, 0, ""),
    Gate(24, "300 sites with one cause within 3 and 30 s: incidents", "city_alerts", "city_alerts_one_3*s_incidents", MOST, 1, ""),
    Gate(24, "alerts of them in an incident", "city_alerts", "city_alerts_one_3*s_alerts_in_it", LEAST, 300, ""),
    Gate(24, "messages to each service about it", "city_alerts", "city_alerts_one_3*s_most_messages_a_service", MOST, 1, ""),
    Gate(24, "independent alerts of 300 sites for a year: incidents of chance", "city_alerts", "city_alerts_year_*_a_week_incidents", MOST, 25, "", "0.25, 1 and 4 alerts a site and week, the worst of them"),
)
# fmt: on
