"""Operations of the operator's API: what each asks for and answers. Routes and the OpenAPI document are made of them.

Every list is paged: an answer's `next` is passed on as `after`, and is null on the last page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from backend.api import answers
from backend.api.parameters import Parameter
from backend.queries.intervals import DEFAULT_ZONE, STEPS
from backend.queries.views import MAX_HUBS, MAX_LIMIT, MAX_LISTED

MOST_TIME = 2**53
MOST_ROWS = 100_000
"""Rows of ranges in one page."""
MOST_SERIES, MOST_IN_QUERY = 1000, 64
"""Series of one question, in a body and in a query."""
MOST_WATCHED = 100
"""Series of which one client is told new values."""
LONGEST_SERIES = 1024
EVENT_KINDS = ("alarm", "alert", "hub", "latest")

JSON = "application/json"
JSON_LINES = "application/x-ndjson"
CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
EVENTS = "text/event-stream"
FORMATS = (JSON, JSON_LINES, CSV, PARQUET)


class RangeRequest(
    msgspec.Struct, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}, omit_defaults=True
):
    """A question for ranges. `from` and `to` are whole Unix ms, a date, or a date and time with its offset."""

    series: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=LONGEST_SERIES)]], Meta(min_length=1, max_length=MOST_SERIES)
    ]
    start: Annotated[int, Meta(ge=0, le=MOST_TIME)] | Annotated[str, Meta(min_length=1, max_length=40)]
    end: Annotated[int, Meta(ge=0, le=MOST_TIME)] | Annotated[str, Meta(max_length=40)] = ""
    step: Literal["raw", "minute", "hour", "day", "month"] = "raw"
    zone: Annotated[str, Meta(min_length=1, max_length=64)] = DEFAULT_ZONE
    period: Annotated[int, Meta(ge=0, le=31 * 86_400)] = 0
    limit: Annotated[int, Meta(ge=1, le=MOST_ROWS)] = 10_000
    after: Annotated[str, Meta(max_length=2048)] = ""


class AlertRequest(msgspec.Struct, frozen=True):
    """The operator's request to a hub about an alert."""

    state: Literal["acknowledged", "muted", "cleared"]
    by: Annotated[str, Meta(min_length=1, max_length=64)]
    why: Annotated[str, Meta(max_length=200)] = ""
    hub: Annotated[str, Meta(max_length=128)] = ""
    seconds: Annotated[float, Meta(gt=0, le=31 * 86_400)] | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One request: `name` is that of its handler, `answer` the type of what it says, or several of which it is one.
    Where there are `formats`, the Accept header chooses."""

    name: str
    path: str
    about: str
    answer: Any
    parameters: tuple[Parameter, ...] = ()
    method: str = "GET"
    body: Any = None
    formats: tuple[str, ...] = (JSON,)
    missing: bool = False  # may say 404


def _after(about: str = "`next` of the page before", longest: int = 2048) -> Parameter:
    return Parameter("after", about, longest=longest)


def _limit(most: int, default: int = 0) -> Parameter:
    return Parameter("limit", "most lines of the page", "number", default or most, 1, most)


_HUB = Parameter("hub", "id of one hub, empty: all", longest=128)
_RANGE = (
    Parameter(
        "series", "id of a series, repeated for several", "texts", high=MOST_IN_QUERY, longest=LONGEST_SERIES,
        required=True,
    ),
    Parameter("from", "first moment: Unix ms, a date of the zone, or RFC 3339", longest=40, required=True),
    Parameter("to", "moment after the last; now, where it is missing", longest=40),
    Parameter("step", "raw readings, or what is told of each interval", default="raw", choices=("raw", *STEPS)),
    Parameter("zone", "IANA time zone of hours, days and months", default=DEFAULT_ZONE, longest=64),
    Parameter(
        "period", "s between two readings, for completeness; 0: 60 in an interval are all", "number", 0, 0, 31 * 86_400
    ),
    _limit(MOST_ROWS, 10_000),
    _after(),
)  # fmt: skip

OPERATIONS = (
    Operation(
        "hubs", "/v1/hubs", "Hubs, by their ids, with what their last states said", answers.Hubs,
        (_HUB, _after("id of a hub", 256), _limit(MAX_HUBS)),
    ),
    Operation(
        "verify", "/v1/verify", "Which record numbers of a hub are stored", answers.Streams,
        (
            _HUB, Parameter("run", "hex of one run", longest=64), Parameter("stream", "name of one stream"), _after(),
            _limit(MAX_LISTED),
        ),
    ),
    Operation(
        "series", "/v1/series", "Series, by their ids", answers.SeriesList,
        (
            _HUB, Parameter("place", "one place"), Parameter("metric", "one metric"),
            _after("id of a series", LONGEST_SERIES), _limit(MAX_LIMIT),
        ),
    ),
    Operation("latest", "/v1/series/{id}/latest", "The newest reading of a series", answers.Latest, missing=True),
    Operation(
        "history", "/v1/series/{id}/history",
        "Readings of one series by pages of time, and those without a time. `next` is the `from` of the next page.",
        answers.OneHistory,
        (
            Parameter("from", "first moment, Unix ms", "number", 0, 0, MOST_TIME),
            Parameter("to", "moment after the last, Unix ms", "number", MOST_TIME, 0, MOST_TIME),
            _limit(MAX_LIMIT, 1000),
        ),
        missing=True,
    ),
    Operation(
        "newest", "/v1/latest", "The newest readings of many series", answers.LatestList, (_RANGE[0],), missing=True
    ),
    Operation(
        "ranges", "/v1/history",
        "Readings of many series in a range of time, raw or by interval; the rows of a page in JSON, JSON lines, CSV or"
        " Parquet, with the cursor of the next page in the header Next-Cursor",
        (answers.RawHistory, answers.IntervalHistory), _RANGE, formats=FORMATS, missing=True,
    ),
    Operation(
        "ranges", "/v1/history", "The same, asked in a body: of up to 1,000 series",
        (answers.RawHistory, answers.IntervalHistory), method="POST", body=RangeRequest, formats=FORMATS, missing=True,
    ),
    Operation(
        "gaps", "/v1/gaps", "Records that hubs declared lost", answers.Gaps,
        (_HUB, Parameter("after", "number of a gap", "number", 0, 0, MOST_TIME), _limit(MAX_LIMIT)),
    ),
    Operation(
        "forks", "/v1/forks", "Numbers that arrived with two contents", answers.Forks, (_after(), _limit(MAX_LISTED))
    ),
    Operation(
        "alarms", "/v1/alarms", "Alarms: open ones, the newest first, then cleared ones", answers.Alarms,
        (_HUB, Parameter("open", "1: open ones alone", "flag"), _after(), _limit(MAX_LISTED)),
    ),
    Operation(
        "raised", "/v1/raised", "Alerts of the hubs, the newest first", answers.Alerts,
        (_HUB, Parameter("all", "1: cleared ones too", "flag"), _after(), _limit(MAX_LISTED)),
    ),
    Operation(
        "wanted", "/v1/raised/{alert}", "Ask a hub to change an alert", answers.AlertWanted, method="POST",
        body=AlertRequest, missing=True,
    ),
    Operation(
        "erased", "/v1/erased", "Erasures that hubs ordered, the newest first", answers.Erasures,
        (_HUB, _after(), _limit(MAX_LIMIT)),
    ),
    Operation("retention", "/v1/retention", "For how long each class is kept", answers.Classes),
    Operation(
        "asked", "/v1/whereabouts", "Which hubs asked where a device is, the newest first", answers.Lookups,
        (_HUB, _after(), _limit(MAX_LISTED)),
    ),
    Operation(
        "callbacks", "/v1/callbacks", "Tokens of callbacks, and what waits for hubs", answers.Callbacks,
        (_after(), _limit(MAX_LISTED)),
    ),
    Operation("stats", "/v1/stats", "Totals, and the counts of the process that answers hubs", answers.Stats),
    Operation(
        "events", "/v1/events",
        "New alarms, alerts, hubs and newest readings as they come. An event's id is sent back as Last-Event-ID to go"
        " on; `reset` says that something may have been missed",
        None,
        (
            Parameter(
                "kind", "one of the kinds, repeated; all, where it is missing", "texts", high=4, choices=EVENT_KINDS
            ),
            Parameter(
                "series", "id of a series whose newest readings are told", "texts", high=MOST_WATCHED,
                longest=LONGEST_SERIES,
            ),
        ),
        formats=(EVENTS,), missing=True,
    ),
)  # fmt: skip
