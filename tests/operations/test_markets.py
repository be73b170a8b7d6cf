"""What a night of several markets decides on: each one's own newest day known by then, filled at its own next open."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import exchange_calendars as xc
import pytest

from nightdesk.errors import BadSetting
from nightdesk.operations.markets import decisions, newest_known, open_markets
from nightdesk.sessions import newest_closed, next_opened, trading_days
from nightdesk.settings import Settings
from nightdesk.sources import SourceFacts
from nightdesk.tables import BAR_DATE, DATE

HOUR = dt.timedelta(hours=1)
US = SourceFacts("files", "XNYS", "USD", "adjusted_as_known", 2 * HOUR, "rule")
B3 = SourceFacts("b3", "BVMF", "BRL", "adjusted_as_known", HOUR, "rule")
COINS = SourceFacts("crypto", "24/7", "USD", "adjusted_as_known", dt.timedelta(0), "rule")


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(f"2017-{text}")


def decided(market: SourceFacts, *days: str) -> list[tuple[dt.date, dt.date]]:
    """Bar and entry of each night."""
    found = decisions(US, [market], [day(one) for one in days])
    return list(found.select(BAR_DATE, "entry_date").iter_rows())


def test_the_lead_decides_on_its_own_day_and_fills_at_its_next_open() -> None:
    assert decided(US, "06-30", "07-03", "07-05") == [
        (day("06-30"), day("07-03")),
        (day("07-03"), day("07-05")),
        (day("07-05"), day("07-06")),
    ]


def test_a_coins_day_that_is_not_over_at_the_cut_off_is_not_known_and_nothing_is_filled_in_it() -> None:
    assert decided(COINS, "06-30", "07-03") == [(day("06-29"), day("07-01")), (day("07-02"), day("07-04"))]


@pytest.mark.parametrize(("lag", "bar", "entry"), [(0, "06-29", "07-01"), (4, "06-30", "07-01"), (5, "06-30", "07-02")])
def test_a_later_cut_off_knows_more_and_is_filled_later(lag: int, bar: str, entry: str) -> None:
    """New York closes at 20:00 UTC: four hours later the coins' day is over, and the next one opens."""
    late = replace(US, publication_lag=lag * HOUR)
    found = decisions(late, [COINS], [day("06-30")])
    assert found.select(BAR_DATE, "entry_date").row(0) == (day(bar), day(entry))


def test_a_market_on_holiday_is_decided_on_its_last_day_until_it_trades_again() -> None:
    """Corpus Christi, 15 June 2017: Sao Paulo rests, New York trades."""
    assert decided(B3, "06-14", "06-15", "06-16") == [
        (day("06-14"), day("06-16")),
        (day("06-14"), day("06-16")),
        (day("06-16"), day("06-19")),
    ]


def test_what_a_market_traded_while_the_lead_rested_is_history_to_the_next_night() -> None:
    """On 29 May New York rests; on 3 July it closes at 17:00 UTC, while Sao Paulo trades, and rests on the 4th."""
    assert decided(B3, "05-26", "05-30") == [(day("05-26"), day("05-29")), (day("05-30"), day("05-31"))]
    assert decided(B3, "07-03", "07-05") == [(day("06-30"), day("07-04")), (day("07-05"), day("07-06"))]
    assert newest_known(US, B3, day("07-03")) == day("06-30")


def test_a_slow_market_is_known_a_night_later_and_never_filled_before_the_night() -> None:
    slow = replace(B3, publication_lag=12 * HOUR)
    assert decided(slow, "06-20") == [(day("06-19"), day("06-21"))]


@pytest.mark.parametrize("market", [B3, COINS, replace(B3, calendar="XTKS"), replace(B3, publication_lag=50 * HOUR)])
def test_no_night_knows_a_bar_before_it_was_out_or_is_filled_before_it_decides(market: SourceFacts) -> None:
    nights = trading_days("XNYS", dt.date(2017, 1, 3), dt.date(2017, 12, 29))
    calendar = _closes_and_opens(market.calendar)
    lead = _closes_and_opens("XNYS")
    frame = decisions(US, [market], nights)
    assert frame[DATE].to_list() == nights
    assert frame[BAR_DATE].is_sorted()
    for night, bar, entry in frame.select(DATE, BAR_DATE, "entry_date").iter_rows():
        moment = lead[night][1] + US.publication_lag
        known = [
            one for one in _around(night) if one in calendar and calendar[one][1] + market.publication_lag <= moment
        ]
        open_then = [one for one in _around(night) if one in calendar and calendar[one][0] >= moment]
        assert (bar, entry) == (known[-1], open_then[0])


def _closes_and_opens(code: str) -> dict[dt.date, tuple[dt.datetime, dt.datetime]]:
    calendar = xc.get_calendar(code, start="2016-01-04", end="2018-12-28")
    opens, closes = (one.dt.to_pydatetime() for one in (calendar.opens, calendar.closes))
    return {day.date(): both for day, *both in zip(calendar.sessions, opens, closes, strict=True)}


def _around(night: dt.date) -> list[dt.date]:
    return [night + dt.timedelta(days=step) for step in range(-12, 13)]


def test_before_a_calendar_begins_nothing_is_known_and_after_it_ends_nothing_opens() -> None:
    ancient, far = dt.datetime(1980, 1, 2, tzinfo=dt.UTC), dt.datetime(2200, 1, 2, tzinfo=dt.UTC)
    assert newest_closed("XNYS", [ancient], HOUR) == [None]
    assert next_opened("XNYS", [far]) == [None]


def settings_with(*markets: dict[str, Any], **lead: Any) -> Settings:
    return Settings(source={"name": "synthetic", **lead}, markets=markets)  # type: ignore[arg-type]


def test_markets_keep_their_source_under_their_own_name() -> None:
    options = {"calendar": "BVMF", "symbols": 3, "days": 40}
    lead, b3 = open_markets(settings_with({"name": "b3", "source": "synthetic", "options": options}))
    assert (lead.facts.name, lead.facts.calendar) == ("synthetic", "XNYS")
    assert (b3.facts.name, b3.facts.calendar) == ("b3", "BVMF")
    days = b3.bars(None, b3.last_day())[DATE].unique().sort().to_list()
    assert days == trading_days("BVMF", b3.first_day(), b3.last_day())
    assert len(b3.fingerprint()) == 64
    assert b3.membership(b3.last_day()).is_empty()
    assert b3.actions(b3.last_day()).is_empty()


def test_a_market_named_like_a_source_is_refused() -> None:
    with pytest.raises(BadSetting, match="must not be that of a source, got 'sample': choose another, like sample-2"):
        open_markets(settings_with({"name": "sample", "source": "synthetic"}))


def test_an_observed_market_beside_a_lead_known_by_rule_is_refused() -> None:
    live = {"name": "live", "source": "http", "options": {"url": "http://127.0.0.1:1/bars.csv"}}
    with pytest.raises(BadSetting, match="the lead must be known as observed where a market beside it is, got 'live'"):
        open_markets(settings_with(live))


def test_two_markets_of_one_name_and_a_name_with_a_space_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from nightdesk.settings import read_settings

    one = '{"name": "b3", "source": "synthetic", "options": {"api_key": "hush-hush-hush"}}'
    monkeypatch.setenv("NIGHTDESK_MARKETS", f"[{one}, {one}]")
    with pytest.raises(BadSetting, match="b3 is there twice") as refused:
        read_settings()
    assert "hush" not in str(refused.value)
    monkeypatch.setenv("NIGHTDESK_MARKETS", one.replace("b3", "Sao Paulo").join("[]"))
    with pytest.raises(BadSetting, match=r"markets\.0\.name") as refused:
        read_settings()
    assert "hush" not in str(refused.value)
