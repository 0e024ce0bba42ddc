"""What may go into a buffer, drawn by hypothesis: commits of reports, alerts, clocks and losses of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import strategies as st
from msgspec.structs import replace

from hub.core.model import Position
from hub.protocol.records.bodies import ClockMark, Gap
from hub.protocol.records.rows import STREAMS, Column, Row, Shape, Subject
from hub.store_and_forward.buffer.batch import Batch

RESOLUTIONS = ["1", "10", "1000", "0.5", "0.1", "0.01", "0.005", "0.0025", "0.3", "1.5", "0.000000000001"]

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
quiet = st.integers(-300, 300)
wide = st.integers(-(1 << 50), 1 << 50)
positions = st.none() | st.builds(
    Position,
    latitude=st.integers(-(9 * 10**8), 9 * 10**8).map(lambda n: n / 10**7),
    longitude=st.integers(-(18 * 10**8), 18 * 10**8).map(lambda n: n / 10**7),
    accuracy=st.none() | st.integers(0, 10**6).map(lambda n: n / 100),
    altitude=st.none() | st.integers(-(10**5), 10**6).map(lambda n: n / 100),
)


def on_grid(resolution: str, steps: int) -> float | int:
    """`steps` × `resolution`, whole where the resolution is."""
    exact = Decimal(resolution) * steps
    return float(exact) if "." in resolution else int(exact)


@st.composite
def a_shape(draw: st.DrawFn) -> Shape:
    kinds = draw(st.lists(st.sampled_from(["number", "number", "flag", "text"]), min_size=1, max_size=4))
    resolutions = st.sampled_from(RESOLUTIONS)
    return Shape(
        tuple(
            Column(f"metric_{at}", draw(words), draw(resolutions), kind, draw(words), draw(words), draw(words))
            for at, kind in enumerate(kinds)
        )
    )


@st.composite
def some_rows(draw: st.DrawFn, shapes: Sequence[Shape], subjects: Sequence[Subject]) -> list[Row]:
    steps = draw(st.sampled_from([quiet, wide]))
    times = draw(st.sampled_from([st.integers(0, 5000), st.integers(-(1 << 62), 1 << 62)]))
    values = {"number": steps, "flag": st.booleans(), "text": words}
    made = []
    for _ in range(draw(st.integers(0, 12))):
        shape = draw(st.sampled_from(shapes))
        drawn = [(column, draw(values[column.kind])) for column in shape.columns]
        made.append(
            Row(
                draw(st.sampled_from(subjects)),
                shape,
                draw(times),
                draw(st.booleans()),
                tuple(on_grid(c.resolution, v) if c.kind == "number" else v for c, v in drawn),
                draw(st.integers(0, 3)),
                draw(st.integers(1, 3)),
                draw(st.none() | st.integers(-32767, 32767)),
                draw(positions),
            )
        )
    return made


gaps = st.builds(
    Gap,
    stream=st.sampled_from(STREAMS),
    run=st.binary(min_size=16, max_size=16),
    first=st.integers(1, 9),
    last=st.integers(9, 1 << 60),
    readings=st.integers(0, 1 << 60),
    from_s=st.integers(0, 1 << 32),
    to_s=st.integers(0, 1 << 32),
    reason=st.sampled_from(["damaged", "evicted"]),
)
marks = st.builds(
    ClockMark,
    boot=st.binary(min_size=16, max_size=16),
    wall_minus_monotonic_ms=st.integers(-(1 << 62), 1 << 62),
    error_ms=st.integers(0, 1 << 40),
    source=words,
)


@st.composite
def commits(draw: st.DrawFn) -> list[tuple[Batch, list[Gap]]]:
    shapes = draw(st.lists(a_shape(), min_size=1, max_size=3))
    subjects = draw(st.lists(st.builds(Subject, *[words] * 6), min_size=1, max_size=4))
    made = []
    for _ in range(draw(st.integers(1, 3))):
        one = Batch()
        one.rows, one.alerts = draw(some_rows(shapes, subjects)), draw(some_rows(shapes, subjects))
        one.marks = draw(st.lists(marks, max_size=2))
        lost = draw(st.lists(gaps, max_size=2))
        # what was declared once is not declared again: each in a run of its own
        made.append((one, [replace(gap, run=bytes([len(made), at]) + gap.run[2:]) for at, gap in enumerate(lost)]))
    return made
