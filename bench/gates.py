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


FLOOD = "end to end, emit() to signed ack, backend with --journal"

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
    Gate(13, "backend, indexed rows on one core", "backend", "acknowledged, indexed rows, *", LEAST, 120_000, "readings/s"),
    Gate(13, "backend, --journal on one core", "backend", "acknowledged, --journal, *", LEAST, 300_000, "readings/s"),
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
)
# fmt: on
