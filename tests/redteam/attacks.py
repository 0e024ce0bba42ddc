"""What `acme_hostile` does to a whole hub, how its limit is seen to act, and the twin without that limit.

`named` is true once the limit has acted and the hub's report names the plugin; `won` is true when the attack got
through, which is so in the twin alone. `long`: why it is left to the whole run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from unittest.mock import patch

from msgspec.structs import replace

from hub.core import counters, small_state
from hub.core.model import TrustClass
from hub.pipeline import pipeline, plan
from hub.pipeline.admission.quarantine import LIMIT as MOST_STRANGERS
from hub.pipeline.admission.quarantine import Quarantine
from hub.plugin_host import manifest, runtime, supervisor
from hub.plugin_host.isolation import emits, framing, host, runs, served, served_access, streams, wire, wire_base
from hub.plugin_host.isolation.bucket import Bucket
from hub.sdk.session_rules import FactBounds
from hub.store_and_forward.egress import Egress

from .whole_hub import STEADY_DEVICE, Seen

Judge = Callable[[Seen, str], Any]
BIG = 1 << 40
MOST_LINES = 2_000
"""Of five thousand that are said. A hundred pass at once and ten a second, for as long as a busy machine takes to say
them."""
FLOOD = 30_000
LONGEST_RUN = 8_000
"""A neighbour has a turn each 5 ms, and a slice of the hub takes 2 ms: some 2,500 rows were seen between two of its
own."""


class Attack(NamedTuple):
    named: Judge
    twin: Callable[[], tuple[Any, ...]]
    won: Judge
    long: str = ""


def error(text: str) -> Judge:
    """The log tells why its run ended; its health says so too until it has got through again."""
    return lambda seen, name: any("failed: " in line and text in line for line in seen.lines.get(name, ()))


def counted(reason: str, *, device: bool = False) -> Judge:
    return lambda seen, name: seen.hub.base.counts.of(reason, f"acme:{name}" if device else name)


def kept(seen: Seen, name: str) -> Any:
    return seen.kept(name, "won")


def rows(seen: Seen, device: str) -> list[Any]:
    return [row for row in seen.rows if row.subject.device == device]


def both(*judges: Judge) -> Judge:
    return lambda seen, name: all(judge(seen, name) for judge in judges)


def lines(least: int) -> Judge:
    return lambda seen, name: len(seen.lines.get(name, ())) >= least


def longest_run(seen: Seen, name: str) -> int:
    """Rows of the flood between two of anybody else."""
    longest = now = 0
    for row in seen.rows:
        now = now + 1 if row.subject.device == f"acme:{name}" else 0
        longest = max(longest, now)
    return longest


def privacy(seen: Seen, name: str) -> str:
    declared = seen.hub.path.planner.declared.get(f"acme:{name}")
    return "" if declared is None or "people_seen" not in declared.metrics else declared.metrics["people_seen"].privacy


def strangers(seen: Seen) -> int:
    return len(seen.hub.path.quarantine)


def for_anybody(session: Any, reports: Any, note: Any = None) -> None:
    """Take reports for whoever owns the device."""
    core = session._core
    for report in reports:
        device = core.devices.get(report.device)
        core.pipeline.take(device.integration if device else session.name, (report,), note)


def lenient(body: bytes) -> Any:
    try:
        return real_up(body)
    except framing.Hostile:
        return wire.Log(10, "")


def anywhere(egress: Any, url: str, whose: str, *, listens: bool = False) -> tuple[str, str, int]:
    parts, at, port = egress._address(url)
    return parts.scheme, at, port


def roomy(instance: str, plugin: Any) -> Any:
    return replace(real_spec(instance, plugin), memory=1 << 30, files=256)


real_up, real_spec = framing.up, runs.spec_of
FLOODS = "takes seconds of both processors"
DIES = "five seconds pass until it is killed"


ATTACKS: dict[str, Attack] = {
    "speaks_for_another": Attack(
        both(counted("not-its-own"), error("a device of 'is_steady'")),
        lambda: (patch.object(runtime.InProcessSession, "take", for_anybody),),
        lambda seen, _: [row for row in rows(seen, STEADY_DEVICE) if 33.25 in row.values],
    ),
    "speaks_for_a_scheme": Attack(
        error("grants no device ids of that scheme"),
        lambda: (patch.object(manifest.Grants, "device", lambda *_: None),),
        kept,
    ),
    "asserts_authenticity": Attack(
        counted("authenticity-not-granted", device=True),
        lambda: (
            patch.object(manifest.Grants, "report", lambda _, report, **__: report),
            patch.object(pipeline, "claims_unfounded", lambda *_: False),
            patch.object(plan, "trust_class", lambda proof, **_: TrustClass.A if proof else TrustClass.C),
        ),
        lambda seen, name: [row for row in rows(seen, f"acme:{name}") if row.trust < TrustClass.C],
    ),
    "lowers_a_class": Attack(
        both(lambda seen, name: privacy(seen, name) == "personal", counted("withheld-personal", device=True)),
        lambda: (patch.object(manifest, "classed", lambda metric, _: metric),),
        lambda seen, name: privacy(seen, name) == "technical",
    ),
    "floods_emits": Attack(
        lambda seen, name: len(rows(seen, f"acme:{name}")) >= FLOOD and seen.health(name).emits > 0,
        lambda: (patch.object(host, "SLICE_S", 1e9), patch.object(emits, "SLICE_S", 1e9)),
        lambda seen, name: longest_run(seen, name) > LONGEST_RUN,
        FLOODS,
    ),
    "floods_foreign_emits": Attack(
        lambda seen, name: counted("not-its-own")(seen, name) >= 5_000,
        lambda: (patch.object(runtime.InProcessSession, "take", for_anybody),),
        lambda seen, _: [row for row in rows(seen, STEADY_DEVICE) if 33.25 in row.values],
        FLOODS,
    ),
    "floods_the_log": Attack(
        both(kept, lines(100)),
        lambda: (patch.object(Bucket, "passes", lambda *_: True),),
        lines(MOST_LINES),
    ),
    "floods_stderr": Attack(
        both(kept, lines(100)),
        lambda: (patch.object(Bucket, "passes", lambda *_: True),),
        lines(MOST_LINES),
    ),
    "floods_facts": Attack(
        error("facts of more than 8192 subjects"),
        lambda: (patch.object(FactBounds, "take", lambda *_: None),),
        kept,
        FLOODS,
    ),
    "floods_decode_errors": Attack(
        both(kept, counted("other", device=True)),
        lambda: (patch.object(counters, "EVENTS", BIG),),
        lambda seen, name: len(seen.hub.base.counts.about(f"acme:{name}")) > 1_000,
    ),
    "floods_candidates": Attack(
        lambda seen, name: kept(seen, name) and strangers(seen) > 1_000,
        lambda: (patch.object(Quarantine.__init__, "__defaults__", (BIG,)),),
        lambda seen, _: strangers(seen) > MOST_STRANGERS,
        FLOODS,
    ),
    "floods_calls": Attack(
        error("1024 calls of"),
        lambda: (patch.object(wire_base, "MOST_CALLS", BIG),),
        kept,
    ),
    "floods_loops": Attack(
        error("more than 1000 loops at once"),
        lambda: (patch.object(served, "MOST_LOOPS", BIG),),
        kept,
    ),
    "floods_metrics": Attack(
        error("more than 2000 metrics"),
        lambda: (patch.object(served, "MOST_METRICS", BIG),),
        kept,
    ),
    "corrupts_frames": Attack(
        error("a frame that is none"),
        lambda: (patch.object(framing, "up", lenient),),
        kept,
    ),
    "oversizes_frames": Attack(
        error("a frame of 6291475 bytes"),
        lambda: (
            patch.object(framing.Frames.__init__, "__defaults__", (BIG,)),
            patch.object(wire, "most_of", lambda _: BIG),
            patch.object(served, "expect_facts", lambda *_: 0),
            patch.object(FactBounds, "take", lambda *_: None),
        ),
        kept,
    ),
    "answers_unasked": Attack(
        error("which it never made"),
        lambda: (
            patch.object(served_access.AccessServed, "_judge", lambda *_: None),
            patch.object(host.Host, "_takes", lambda it, said: isinstance(said, wire.Pong) or real_takes(it, said)),
        ),
        kept,
    ),
    "oversizes_state": Attack(
        error("a plugin may keep 262144"),
        lambda: (patch.object(small_state, "STATE_LIMIT", BIG),),
        kept,
    ),
    "calls_undeclared_hosts": Attack(
        error("is not declared, so this hub does not call it"),
        lambda: (patch.object(Egress, "stream", anywhere),),
        kept,
    ),
    "opens_without_end": Attack(
        lambda seen, name: seen.callers == streams.MOST_STREAMS and error("its process was ended")(seen, name),
        lambda: (patch.object(streams, "MOST_STREAMS", BIG),),
        lambda seen, _: seen.callers > 64 and not seen.health("opens_without_end").restarts,
        DIES,
    ),
    "never_reads": Attack(
        error("it did not answer"),
        lambda: (patch.object(host, "MOST_UNREAD", BIG),),
        lambda seen, _: seen.unread > UNREAD,
        FLOODS,
    ),
    "reads_slowly": Attack(
        error("it did not answer"),
        lambda: (patch.object(host, "MOST_UNREAD", BIG),),
        lambda seen, _: seen.unread > UNREAD,
        FLOODS,
    ),
    "holds_its_loop": Attack(
        both(error("it did not answer"), lambda seen, name: any("in holds_its_loop" in x for x in seen.lines[name])),
        lambda: (patch.object(host, "MISSES", BIG),),
        kept,
        DIES,
    ),
    "exits": Attack(
        both(error("with exit code 9"), lambda seen, name: seen.health(name).state == supervisor.QUARANTINED),
        lambda: (patch.object(supervisor, "APART_QUARANTINE", BIG),),
        kept,
        "half a minute passes with five starts",
    ),
    "takes_memory": Attack(
        error("Cannot allocate memory"),
        lambda: (patch.object(runs, "spec_of", roomy),),
        kept,
    ),
    "leaks_descriptors": Attack(
        both(lambda seen, name: seen.health(name).crashes, lines(1)),
        lambda: (patch.object(runs, "spec_of", roomy),),
        kept,
    ),
}
"""Two more have tests of their own: a plugin that burns the processor, and one that is not to be stopped."""
UNREAD = host.MOST_UNREAD + (1 << 20)
real_takes = host.Host._takes
QUICK = [name for name, attack in ATTACKS.items() if not attack.long]
