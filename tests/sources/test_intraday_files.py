"""Files of hourly bars: read in any zone, placed in their sessions, judged one by one, and made into daily bars."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from bar_samples import csv_of, parquet_of, put

from nightdesk.errors import BadSetting, SourceBroken
from nightdesk.operations.night import plan_night
from nightdesk.operations.quality import hour_notes
from nightdesk.quality.bars import check_bars
from nightdesk.quality.hours import hour_findings
from nightdesk.sessions import session_spans, trading_days
from nightdesk.settings import Settings
from nightdesk.sources import open_source
from nightdesk.sources.files import FilesSource
from nightdesk.tables import BARS, DATE, INTRADAY_BARS, SYMBOL

NEW_YORK = ZoneInfo("America/New_York")
HALF = dt.date(2024, 7, 3)  # New York closes at 13:00
DAYS = [dt.date(2024, 7, 1), dt.date(2024, 7, 2), HALF, dt.date(2024, 7, 5)]
COLUMNS = ("symbol", "date", "open", "high", "low", "close", "volume")
Hour = tuple[str, dt.datetime, float, float, float, float, float]


def hours(days: list[dt.date] = DAYS, symbols: str = "AB") -> list[Hour]:
    """Hourly bars of New York from 9:30, the last one of a day half as long; and one before and after each session."""
    made = []
    for symbol in symbols:
        for day in days:
            last = 12 if day == HALF else 15
            for hour in (7, *range(9, last + 1), last + 2):
                at, price = dt.datetime(day.year, day.month, day.day, hour, 30, tzinfo=NEW_YORK), 50.0 + hour + day.day
                outside = 900.0 if hour in (7, last + 2) else 0.0  # would be seen in every daily value
                price += outside
                made.append((symbol, at, price, price + 2, price - 2, price + 1, 10.0 * hour + outside))
    return made


def slow_daily(bars: list[Hour]) -> pl.DataFrame:
    """In plain Python: first open, highest, lowest, last close and all volume of the hours in each session."""
    days: dict[tuple[str, dt.date], list[Hour]] = {}
    for one in sorted(bars, key=lambda bar: (bar[0], bar[1])):
        close = dt.time(13 if one[1].date() == HALF else 16)
        if dt.time(8, 30) < one[1].time() < close:
            days.setdefault((one[0], one[1].date()), []).append(one)
    rows = [
        (*key, own[0][2], max(b[3] for b in own), min(b[4] for b in own), own[-1][5], sum(b[6] for b in own))
        for key, own in days.items()
    ]
    return pl.DataFrame(rows, schema=BARS, orient="row")


def csv(bars: list[Hour], written: str = "%Y-%m-%d %H:%M", zone: str | None = "America/New_York") -> bytes:
    lines = [
        ",".join([symbol, (at.astimezone(ZoneInfo(zone)) if zone else at).strftime(written), *map(str, values)])
        for symbol, at, *values in bars
    ]
    return "\n".join([",".join(COLUMNS), *lines, ""]).encode()


def source(folder: Path, content: bytes, name: str = "hours.csv", **options: Any) -> FilesSource:
    put(folder, {name: content})
    opened = open_source("files", folder=folder, **{"bar_minutes": 60, **options})
    assert isinstance(opened, FilesSource)
    return opened


def notes(of: FilesSource) -> list[tuple[str, str | None, dt.date | None, str]]:
    spans = session_spans("XNYS", DAYS[0], DAYS[-1])
    found = hour_findings(of.intraday(None, DAYS[-1]), spans, 60)
    return [(one.rule, one.symbol, one.date, one.value) for one in found]


@pytest.mark.parametrize(
    ("written", "zone", "options"),
    [
        ("%Y-%m-%d %H:%M", "America/New_York", {}),
        ("%Y-%m-%dT%H:%M:%S", "America/New_York", {}),
        ("%Y-%m-%d %H:%M:%S", "UTC", {"zone": "UTC"}),
        ("%Y-%m-%d %H:%M:00-04:00", "America/New_York", {"zone": "Asia/Tokyo"}),
        ("%Y-%m-%dT%H:%MZ", "UTC", {"zone": "Asia/Tokyo"}),
        ("%d.%m.%Y %H:%M", "Asia/Tokyo", {"zone": "Asia/Tokyo", "date_format": "%d.%m.%Y %H:%M"}),
        ("%Y%m%d %H%M %z", "Asia/Tokyo", {"date_format": "%Y%m%d %H%M %z"}),
    ],
)
def test_hours_in_any_zone_become_the_same_days(
    tmp_path: Path, written: str, zone: str, options: dict[str, Any]
) -> None:
    bars = hours()
    opened = source(tmp_path, csv(bars, written, zone), **options)
    assert opened.bars(None, DAYS[-1]).equals(slow_daily(bars))
    assert opened.bars(DAYS[1], HALF).equals(slow_daily(hours(DAYS[1:3])))
    assert (opened.first_day(), opened.last_day()) == (DAYS[0], DAYS[-1])
    assert notes(opened) == []


def test_parquet_a_file_a_symbol_and_times_of_the_end(tmp_path: Path) -> None:
    bars = hours(symbols="A")
    frame = pl.DataFrame(bars, schema=list(COLUMNS), orient="row").with_columns(
        pl.col("date").dt.convert_time_zone("UTC") + pl.duration(hours=1), pl.exclude("date", "symbol") * 100
    )
    frame = frame.with_columns(volume=pl.col("volume") / 100)
    opened = source(tmp_path, parquet_of(frame), "A.parquet", layout="symbol", stamped="end", price_divisor=100)
    assert opened.bars(None, DAYS[-1]).equals(slow_daily(bars))
    naive = frame.with_columns(pl.col("date").dt.convert_time_zone("America/New_York").dt.replace_time_zone(None))
    again = source(tmp_path, parquet_of(naive), "A.parquet", layout="symbol", stamped="end", price_divisor=100)
    assert again.bars(None, DAYS[-1]).equals(slow_daily(bars))


def test_the_hours_themselves_are_to_be_had(tmp_path: Path) -> None:
    bars = hours()
    opened = source(tmp_path, csv(bars))
    told = opened.intraday(DAYS[1], HALF)
    assert dict(told.schema) == dict(INTRADAY_BARS)
    inside = [one for one in bars if one[1].hour not in (7, 17) and not (one[1].hour > 12 and one[1].date() == HALF)]
    wanted = [one for one in inside if DAYS[1] <= one[1].date() <= HALF]
    assert told.select("symbol", "start", "close").rows() == [
        (symbol, at.astimezone(dt.UTC), close) for symbol, at, _, _, _, close, _ in wanted
    ]
    assert told["fault"].null_count() == told.height
    assert opened.facts.bar_minutes == 60
    before = opened.fingerprint()
    changed = [(*one[:3], one[3] + 0.5, *one[4:]) if one[1].hour == 11 else one for one in bars]
    assert source(tmp_path, csv(changed)).fingerprint() != before  # no day's high has changed, an hour's has


def test_a_day_whose_hours_are_not_all_there_is_told(tmp_path: Path) -> None:
    lacking = [
        one for one in hours() if (one[0], one[1].date(), one[1].hour) not in {("A", HALF, 12), ("B", DAYS[0], 10)}
    ]
    opened = source(tmp_path, csv(lacking))
    assert notes(opened) == [
        ("incomplete_hours", "A", HALF, "180 of 210 minutes covered, the last bar from 15:30 UTC"),
        ("incomplete_hours", "B", DAYS[0], "330 of 390 minutes covered, the last bar from 19:30 UTC"),
    ]
    assert opened.bars(None, DAYS[-1]).equals(slow_daily(lacking))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda h: [(*h[:3], 1.0, *h[4:])], "prices out of order"),
        (lambda h: [(*h[:2], -5.0, *h[3:])], "a price not above zero"),
        (lambda h: [(*h[:5], "", h[6])], "a missing price or volume"),
        (lambda h: [(*h[:6], -1.0)], "a volume below zero"),
        (lambda h: [h, (*h[:6], 77.0)], "a second bar of the same time"),
    ],
    ids=["order", "below zero", "missing", "volume", "twice"],
)
def test_a_broken_hour_holds_its_day_back_and_is_named(tmp_path: Path, change: Any, says: str) -> None:
    spoiled = [new for one in hours() for new in (change(one) if one[:2] == ("A", hours()[3][1]) else [one])]
    opened = source(tmp_path, csv(spoiled))
    told = notes(opened)
    assert {one[:3] for one in told} == {("broken_hour", "A", DAYS[0])}
    assert told[0][3] == f"{says} at 15:30 UTC"
    verdict = check_bars(opened.bars(None, DAYS[-1]), DAYS)
    assert verdict.broken.select(SYMBOL, DATE).rows() == [("A", DAYS[0])]
    assert verdict.good.equals(slow_daily([one for one in hours() if (one[0], one[1].date()) != ("A", DAYS[0])]))
    with pytest.raises(SourceBroken, match=rf"a bar must be sound, got {says} at 2024-07-01 15:30 UTC in line \d+"):
        source(tmp_path, csv(spoiled), row_faults="refuse").bars(None, DAYS[-1])


def test_equal_hours_count_once(tmp_path: Path) -> None:
    assert source(tmp_path, csv(hours() + hours())).bars(None, DAYS[-1]).equals(slow_daily(hours()))


def test_a_market_around_the_clock_has_days_of_utc(tmp_path: Path) -> None:
    at = [dt.datetime(2024, 7, 6, tzinfo=dt.UTC) + dt.timedelta(hours=n) for n in range(48)]
    bars = [("BTC/USD", one, 1.0 + n, 2.0 + n, 0.5 + n, 1.5 + n, 1.0) for n, one in enumerate(at)]
    opened = source(tmp_path, csv(bars, zone="UTC"), calendar="24/7")
    days = opened.bars(None, dt.date(2024, 7, 8))
    assert days.select(DATE, "open", "close", "volume").rows() == [
        (dt.date(2024, 7, 6), 1.0, 24.5, 24.0),
        (dt.date(2024, 7, 7), 25.0, 48.5, 24.0),
    ]


@pytest.mark.parametrize(
    ("line", "options", "says"),
    [
        (
            "A,2024-07-01,1,1,1,1,1",
            {},
            "a bar's time must be written as YYYY-MM-DD HH:MM .* got '2024-07-01' in line 2",
        ),
        ("A,,1,1,1,1,1", {}, "got an empty cell in line 2 of hours.csv"),
        ("A,2024-11-03 01:30,1,1,1,1,1", {}, "be one instant in America/New_York, got '2024-11-03 01:30'"),
        ("A,2024-07-06 12:30,1,1,1,1,1", {}, "bars must lie in sessions of XNYS, got 1 bars and none that does"),
        ("A,1950-07-06 12:30,1,1,1,1,1", {}, "set first_day to leave older bars out"),
    ],
    ids=["no time", "empty", "twice that night", "a Saturday", "before the calendar"],
)
def test_a_file_whose_times_cannot_be_placed_is_refused(
    tmp_path: Path, line: str, options: dict[str, Any], says: str
) -> None:
    content = f"{','.join(COLUMNS)}\n{line}\n".encode()
    with pytest.raises(SourceBroken, match=says):
        source(tmp_path, content, **options).last_day()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"layout": "wide"}, "bar_minutes needs layout long or symbol"),
        ({"zone": "Mars/Olympus"}, "zone: must be a time zone of IANA, .* got 'Mars/Olympus'"),
        ({"bar_minutes": 0}, "bar_minutes: .* greater than or equal to 1"),
    ],
)
def test_options_that_do_not_hold_are_refused(tmp_path: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(BadSetting, match=says):
        source(tmp_path, csv(hours()), **options)


def test_a_night_tells_the_days_that_lack_hours(tmp_path: Path) -> None:
    days = trading_days("XNYS", dt.date(2024, 1, 2), dt.date(2024, 7, 2))
    whole = [one for one in hours(days, "A") if (one[1].date(), one[1].hour) != (days[-1], 15)]
    opened = source(tmp_path / "bars", csv(whole))
    settings = Settings(
        home=tmp_path / "home",
        horizons=(5,),
        source={"name": "files", "options": {"folder": tmp_path / "bars", "bar_minutes": 60}},  # type: ignore[arg-type]
        training={"first_train": 100},  # type: ignore[arg-type]
    )
    night = plan_night(settings, "live", days[-1], "auto", dt.datetime(2025, 1, 1, tzinfo=dt.UTC))
    (note,) = hour_notes(night.source, days[0], night.as_of)
    assert (note.rule, note.symbol, note.date) == ("incomplete_hours", "A", days[-1])
    assert opened.bars(None, days[-1])["close"][-1] == 50.0 + 14 + days[-1].day + 1
    daily = open_source("files", folder=put(tmp_path / "daily", {"a.csv": csv_of(opened.bars(None, days[-1]))}))
    assert daily.intraday(None, days[-1]).is_empty()  # type: ignore[attr-defined]
