"""Windows that a kill, a restart, a clock or another rule cuts: declared missing once, never told as if whole.

The oracle is what was said, whether the hub heard it or not: a figure that is told must be that of all of it.
"""

from __future__ import annotations

import random
from collections import Counter
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.counters import Counts
from hub.core.metric_catalogue import METRICS
from hub.privacy.rules_engine import OpenWindows, Windows, WindowSpec
from hub.privacy.rules_engine.open_windows import PREFIX
from hub.privacy.rules_engine.windows import GRACE_S, published
from hub.privacy.window_publisher import WindowPublisher
from tests.hub.path_kit import ListedBuffer

WINDOW = 60.0
DOOR = WindowSpec("door", WINDOW, "sum", count=True, total=True)
ZONES = ("hall", "cour")


class Clock:
    """Time passes by `pass_`; `step` sets the wall clock alone."""

    def __init__(self) -> None:
        self.wall, self.boot_s, self.is_sure = 1_790_000_000.0, 1000.0, True

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.boot_s

    def sure(self) -> bool:
        return self.is_sure

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.boot_s += seconds

    def step(self, seconds: float) -> None:
        self.wall += seconds


class House:
    """Lives of one hub over one disk: a commit has rows and small state together, a kill loses what came since."""

    def __init__(self, twin: str = "") -> None:
        self.twin = twin
        self.clock = Clock()
        self.local: dict[str, object] = {}
        self.rows: list[object] = []
        self.said: list[tuple[str, float, int]] = []  # (zone, true time, people)
        self.begun: set[tuple[str, float]] = set()  # windows of which the disk has that somebody spoke
        self._since_commit: set[tuple[str, float]] = set()
        self.start()

    def start(self) -> None:
        self.buffer, self.counts = ListedBuffer(), Counts()
        self.buffer.local |= self.local
        remember = (lambda key, value: None) if self.twin == "forgets" else self.buffer.put_local
        self.windows = Windows(
            self.clock.now,
            self.counts.add,
            monotonic=self.clock.monotonic,
            sure=self.clock.sure,
            unfinished=OpenWindows(self.local, remember),
        )
        if self.twin == "as-whole":
            self.windows._since = lambda cell: 1.0  # type: ignore[method-assign]
            self.windows._unfinished.cut = lambda unit, start: False  # type: ignore[method-assign]
        self.windows.set_specs([DOOR])
        privacy = SimpleNamespace(windows=self.windows, rules=(), consents=())
        self.protecting = WindowPublisher(privacy, self.buffer, self.clock)  # type: ignore[arg-type]

    def say(self, zone: str, people: int, *, heard: bool = True) -> None:
        now = self.clock.now()
        self.said.append((zone, now, people))
        if heard:
            self.windows.cell(DOOR, zone, "ecole", METRICS["count"]).take("ble:x", people, now)
            self._since_commit.add((zone, now - now % WINDOW))

    def commit(self) -> None:
        self.rows += self.buffer.rows
        self.buffer.rows.clear()
        self.local = {key: value for key, value in self.buffer.local.items() if value is not None}
        self.begun |= self._since_commit
        self._since_commit.clear()

    def kill(self, down_s: float, unheard: list[tuple[str, int]]) -> None:
        self._since_commit.clear()
        for zone, people in unheard:
            self.clock.pass_(down_s / (len(unheard) + 1))
            self.say(zone, people, heard=False)
        self.clock.pass_(down_s / (len(unheard) + 1))
        self.start()

    def turn(self) -> None:
        self.protecting.turn()

    def end(self) -> None:
        self.clock.pass_(2 * WINDOW + GRACE_S)
        self.turn()
        self.commit()

    def told(self) -> dict[tuple[str, float], list[float | None]]:
        """(device, start) → figures, None for a window that is declared missing."""
        found: dict[tuple[str, float], list[float | None]] = {}
        for row in self.rows:
            missing = row.shape.columns[0].metric.endswith("_missing")  # type: ignore[attr-defined]
            value = None if missing else row.values[0]  # type: ignore[attr-defined]
            found.setdefault((row.subject.device, row.time_ms / 1000), []).append(value)  # type: ignore[attr-defined]
        return found

    def judge(self) -> list[str]:
        """What is wrong."""
        truth: Counter[tuple[str, float]] = Counter()
        for zone, at, people in self.said:
            truth[zone, at - at % WINDOW] += people
        told, wrong = self.told(), []
        for (device, start), figures in told.items():
            if len(figures) > 1:
                wrong.append(f"{device} {start} was told {len(figures)} times")
            if device.startswith("zone:"):
                right = published(truth[device.partition(":")[2], start])
            else:
                right = sum(published(truth[zone, start]) for zone in ZONES if (zone, start) in truth)
            wrong += [f"{device} {start}: {one}, not {right}" for one in figures if one is not None and one != right]
        for zone, start in self.begun:
            for device in (f"zone:{zone}", "site:ecole"):
                if (device, start) not in told:
                    wrong.append(f"{device} {start} vanished")
        return wrong


Op = tuple[str, float, str, int]
OPS = st.lists(
    st.tuples(
        st.sampled_from(["say", "say", "say", "turn", "turn", "commit", "commit", "kill"]),
        st.floats(0.1, 70.0),
        st.sampled_from(ZONES),
        st.integers(0, 40),
    ),
    max_size=60,
)


def lived(ops: list[Op], twin: str = "") -> House:
    house = House(twin)
    for what, seconds, zone, people in ops:
        if what == "kill":
            house.kill(seconds, [(zone, people)] if people % 2 else [])
            continue
        house.clock.pass_(seconds / 4)
        if what == "say":
            house.say(zone, people)
        elif what == "turn":
            house.turn()
        else:
            house.commit()
    house.end()
    return house


@given(OPS)
def test_over_kills_a_figure_is_that_of_all_that_was_said_or_the_window_is_declared_missing_once(
    ops: list[Op],
) -> None:
    house = lived(ops)
    assert house.judge() == []
    assert not [key for key in house.local if key.startswith(PREFIX)], "nothing is unfinished at the end"


@pytest.mark.parametrize(("twin", "sign"), [("as-whole", ", not "), ("forgets", "vanished")])
def test_a_hub_that_tells_a_part_as_the_whole_and_one_that_forgets_are_seen_by_the_same_oracle(
    twin: str, sign: str
) -> None:
    rng = random.Random(5)
    found = ""
    for _ in range(40):
        ops = [
            (
                rng.choice(["say", "say", "turn", "commit", "kill"]),
                rng.uniform(1, 70),
                rng.choice(ZONES),
                rng.randrange(40),
            )
            for _ in range(60)
        ]
        assert lived(ops).judge() == []
        found += " ".join(lived(ops, twin).judge())
    assert sign in found


def test_what_outlives_a_kill_says_that_a_window_was_begun_and_nothing_of_what_was_said() -> None:
    """Two lives that heard other people, and as many reports, leave the same bytes."""
    left = []
    for people in (1, 39):
        house = House()
        to_next(house)
        house.say("hall", people)
        house.say("hall", 2 * people)
        house.commit()
        left.append(house.local)
    assert left[0] == left[1] != {}
    start = house.clock.now()
    assert sorted(map(str, left[0].values())) == sorted(
        str([*unit, [start]])
        for unit in (
            ("door", "zone:hall", "ecole", "hall", "count_count", WINDOW),
            ("door", "site:ecole", "ecole", "", "count_count", WINDOW),
        )
    )


def to_next(house: House) -> None:
    """A window begins."""
    house.clock.pass_(WINDOW - house.clock.now() % WINDOW)


def begun(house: House) -> float:
    to_next(house)
    house.say("hall", 12)
    return house.clock.now()


def test_a_clock_that_is_set_cuts_the_windows_that_are_open_and_the_next_one_is_whole() -> None:
    for by in (600.0, -20.0):
        house = House()
        start = begun(house)
        house.turn()
        house.clock.step(by)
        house.turn()
        house.say("hall", 12)
        to_next(house)
        to_next(house)
        late = house.clock.now()
        house.turn()
        house.say("hall", 30)
        house.end()
        told = house.told()
        assert told["zone:hall", start] == [None], by
        assert told["zone:hall", late] == [30], by


def test_without_a_clock_nothing_enters_a_window_and_it_is_counted() -> None:
    house = House()
    house.clock.is_sure = False
    house.start()
    house.say("hall", 12)
    house.turn()
    assert house.rows == []
    house.clock.is_sure = True
    house.turn()
    assert house.counts.of("undated-for-window", "zone:hall") == 1
    start = begun(house)
    house.end()
    assert house.told() == {("zone:hall", start): [10], ("site:ecole", start): [10]}


def test_another_rule_cuts_what_the_former_one_had_begun_and_the_same_rule_read_again_does_not() -> None:
    house = House()
    start = begun(house)
    house.windows.set_specs([DOOR])
    house.say("hall", 12)
    other = WindowSpec("door", WINDOW, "max", count=True)
    kept = House()
    kept_start = begun(kept)
    kept.windows.set_specs([other])
    house.end()
    kept.end()
    assert house.told()["zone:hall", start] == [25]
    assert kept.told()["zone:hall", kept_start] == [None]


def test_what_is_dated_before_the_start_of_the_process_is_late_and_opens_no_window() -> None:
    house = House()
    before = house.clock.now() - 5 * WINDOW
    house.windows.cell(DOOR, "hall", "ecole", METRICS["count"]).take("ble:x", 12, before)
    house.end()
    assert house.told() == {}
    assert house.counts.of("late-for-window", "zone:hall") == 1


def test_a_full_buffer_delays_a_figure_and_a_kill_meanwhile_makes_it_missing() -> None:
    from hub.core.errors import BufferFull

    house = House()
    start = begun(house)
    house.commit()
    append = house.buffer.append

    def full(row: object) -> None:
        raise BufferFull("full")

    house.buffer.append = full  # type: ignore[method-assign]
    house.clock.pass_(WINDOW + GRACE_S)
    house.turn()
    house.buffer.append = append  # type: ignore[method-assign]
    assert house.rows == []
    house.commit()
    house.kill(1.0, [])
    house.end()
    assert house.told() == {("zone:hall", start): [None], ("site:ecole", start): [None]}
