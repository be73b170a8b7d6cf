"""Raw bars adjusted on reading, proven on Apple, whose adjusted prices another vendor computed."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
import sqlalchemy as sa
from apple_samples import FIRST, LAST, SPLIT_2014, SPLIT_2020, apple_actions, apple_bars, apple_factors
from polars.testing import assert_frame_equal
from store_samples import DAYS, MICROSECOND, NO_BROKEN, arrival, bars, count, moment

from nightdesk.errors import DataRefused
from nightdesk.labels.forward import forward_returns
from nightdesk.sessions import session_close, trading_days
from nightdesk.sources import SourceFacts
from nightdesk.store import schema
from nightdesk.store.adjusted import adjusted, panel_as_known
from nightdesk.store.inputs import Added, actions_as_known, bars_as_known, load_actions, load_bars
from nightdesk.tables import (
    CLOSE,
    CORPORATE_ACTIONS,
    DATE,
    DIVIDEND,
    EX_DATE,
    OBSERVED,
    PRICES,
    RULE,
    SPLIT,
    SYMBOL,
    VOLUME,
)

DAY = dt.timedelta(days=1)
EVE = SPLIT_2014 - 3 * DAY  # a Friday
LAG = dt.timedelta(hours=2)
RAW = SourceFacts("test", "XNYS", "USD", "raw", LAG, RULE)
ROUNDING = 1e-6  # of factors written to seven digits


def actions(*rows: tuple[str, dt.date, str, float]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=CORPORATE_ACTIONS, orient="row")


def by_the_vendors_factors(raw: pl.DataFrame, *, dividends: bool) -> pl.DataFrame:
    """Raw bars times the factors of their day over those of the last one; volume over the split factor alone."""
    file = apple_factors().rows(named=True)
    factors = [next(row for row in file if day <= row[DATE]) for day in raw[DATE]]
    splits = [one["split_factor"] / factors[-1]["split_factor"] for one in factors]
    paid = [one["price_factor"] / factors[-1]["price_factor"] if dividends else 1.0 for one in factors]
    return raw.with_columns(
        *(raw[price] * pl.Series(splits) * pl.Series(paid) for price in PRICES), raw[VOLUME] / pl.Series(splits)
    )


@pytest.mark.parametrize("dividends", [False, True])
@pytest.mark.parametrize("until", [EVE, SPLIT_2014, SPLIT_2020 - 3 * DAY, SPLIT_2020, LAST])
def test_apples_adjusted_prices_equal_the_vendors(until: dt.date, dividends: bool) -> None:
    raw = apple_bars().filter(pl.col(DATE) <= until)
    ours = adjusted(raw, apple_actions(), until, dividends=dividends)
    assert_frame_equal(ours, by_the_vendors_factors(raw, dividends=dividends), rel_tol=ROUNDING, abs_tol=0.0)
    assert ours[-1].equals(raw[-1])


def test_apples_split_is_no_fall_and_its_dividend_is_one() -> None:
    ours = adjusted(apple_bars(), apple_actions(), LAST)
    change = ours.select(DATE, change=pl.col(CLOSE).pct_change()).drop_nulls()
    told = dict(change.iter_rows())
    assert told[SPLIT_2014] == pytest.approx(93.70 * 7 / 645.57 - 1, abs=1e-12)
    assert max(abs(move) for move in told.values()) < 0.13
    (paid,) = apple_actions().filter(ex_date=dt.date(2014, 8, 7), kind=DIVIDEND)["value"]
    whole = adjusted(apple_bars(), apple_actions(), LAST, dividends=True)
    again = dict(whole.select(DATE, change=pl.col(CLOSE).pct_change()).drop_nulls().iter_rows())
    before = apple_bars().filter(date=dt.date(2014, 8, 6))[CLOSE].item()
    assert (1 + again[dt.date(2014, 8, 7)]) / (1 + told[dt.date(2014, 8, 7)]) == pytest.approx(
        before / (before - paid), rel=1e-12
    )


def test_apples_later_splits_are_invisible_before_their_day(store: sa.Engine) -> None:
    raw = apple_bars()
    history = arrival(dt.datetime(2022, 1, 1, tzinfo=dt.UTC))
    load_bars(store, raw, NO_BROKEN, [], history)
    assert load_actions(store, apple_actions(), history).new == apple_actions().height
    for day in (EVE, SPLIT_2014, SPLIT_2020 - 3 * DAY, SPLIT_2020):
        panel = panel_as_known(store, RAW, session_close("XNYS", day) + LAG, day)
        known = raw.filter(pl.col(DATE) <= day)
        shares = 28.0 if day >= SPLIT_2020 else 7.0 if day >= SPLIT_2014 else 1.0
        assert panel.height == known.height
        assert panel[-1].equals(known[-1])
        assert known[CLOSE][0] / panel[CLOSE][0] == pytest.approx(shares)
        assert panel[VOLUME][0] / known[VOLUME][0] == pytest.approx(shares)
    assert_frame_equal(bars_as_known(store, "test", moment(31) + 3000 * DAY), raw)  # what is stored stays as traded


def test_apples_label_over_the_split_is_its_price_return() -> None:
    raw = apple_bars().filter(pl.col(DATE).is_between(dt.date(2014, 5, 1), dt.date(2014, 7, 1)))
    days = trading_days("XNYS", raw[DATE].min(), raw[DATE].max())
    labels = forward_returns(adjusted(raw, apple_actions(), days[-1]), days, [5])
    label = labels.filter(date=dt.date(2014, 6, 4))
    entry, exit_ = (raw.filter(date=label[name].item())["open"].item() for name in ("entry_date", "exit_date"))
    assert label["forward_return"].item() == pytest.approx(7 * exit_ / entry - 1, abs=1e-12)


def test_without_an_action_every_bit_stays() -> None:
    raw = bars({(name, day): (0.1 + number / 3, 7.0) for name in "AB" for number, day in enumerate(DAYS)})
    assert adjusted(raw, actions(), DAYS[-1]) is raw
    assert adjusted(raw, actions(("A", DAYS[4], SPLIT, 3.0)), DAYS[3]) is raw
    split = adjusted(raw, actions(("A", DAYS[2], SPLIT, 3.0)), DAYS[-1])
    same = (pl.col(SYMBOL) == "B") | (pl.col(DATE) >= DAYS[2])
    assert split.filter(same).equals(raw.filter(same))
    assert not split.filter(~same)[CLOSE].equals(raw.filter(~same)[CLOSE])


def test_a_dividend_on_the_day_of_a_split_is_of_the_new_shares() -> None:
    raw = bars({("A", DAYS[0]): (80.0, 10.0), ("A", DAYS[1]): (None, None), ("A", DAYS[2]): (38.0, 20.0)})
    both = actions(("A", DAYS[2], DIVIDEND, 4.0), ("A", DAYS[2], SPLIT, 2.0), ("A", DAYS[0], DIVIDEND, 99.0))
    whole = adjusted(raw, both, DAYS[2], dividends=True)
    assert whole[CLOSE].to_list() == [36.0, None, 38.0]  # 80 for one old share is 40 for a new one, less its dividend
    assert whole[VOLUME].to_list() == [20.0, None, 20.0]
    assert adjusted(raw, both, DAYS[2])[CLOSE].to_list() == [40.0, None, 38.0]


def test_a_dividend_not_below_the_close_is_refused() -> None:
    raw = bars({("A", DAYS[0]): (5.0, 1.0), ("A", DAYS[1]): (5.0, 1.0)})
    with pytest.raises(DataRefused, match=r"got 5 for A on 2024-01-03 after a close of 5"):
        adjusted(raw, actions(("A", DAYS[1], DIVIDEND, 5.0)), DAYS[1], dividends=True)


def test_actions_are_versions_known_from_their_day_or_their_arrival(store: sa.Engine) -> None:
    first = actions(("A", DAYS[0], SPLIT, 2.0), ("B", DAYS[1], DIVIDEND, 0.5))
    assert load_actions(store, first, arrival(moment(9))) == Added(2, 2, 0)
    assert load_actions(store, first, arrival(moment(10))) == Added(2, 0, 0)
    right = actions(("A", DAYS[0], SPLIT, 4.0), ("B", DAYS[2], SPLIT, 3.0))
    assert load_actions(store, right, arrival(moment(12), OBSERVED)) == Added(2, 1, 1)
    assert count(store, schema.corporate_actions) == 4

    def known(cutoff: dt.datetime) -> list[tuple[str, float]]:
        return actions_as_known(store, "test", cutoff, DAYS[-1]).select(SYMBOL, "value").rows()

    assert known(moment(2) - MICROSECOND) == []
    assert known(moment(2)) == [("A", 2.0)]
    assert known(moment(12) - MICROSECOND) == [("A", 2.0), ("B", 0.5)]
    assert known(moment(12)) == [("A", 4.0), ("B", 0.5), ("B", 3.0)]
    assert actions_as_known(store, "test", moment(12), DAYS[1])[EX_DATE].to_list() == [DAYS[0], DAYS[1]]
    assert actions_as_known(store, "other", moment(12), DAYS[-1]).is_empty()


def test_bars_of_another_basis_come_as_they_are(store: sa.Engine) -> None:
    raw = bars({("A", DAYS[0]): (8.0, 1.0), ("A", DAYS[1]): (4.0, 2.0)})
    load_bars(store, raw, NO_BROKEN, [], arrival(moment(9)))
    load_actions(store, actions(("A", DAYS[1], SPLIT, 2.0)), arrival(moment(9)))
    later = SourceFacts("test", "XNYS", "USD", "adjusted_later", LAG, RULE)
    assert panel_as_known(store, later, moment(20), DAYS[-1]).equals(raw)
    assert panel_as_known(store, RAW, moment(20), DAYS[-1])[CLOSE].to_list() == [4.0, 4.0]
    assert panel_as_known(store, RAW, moment(20), DAYS[0])[CLOSE].to_list() == [8.0]


def test_the_recorded_sample_is_whole() -> None:
    raw, told = apple_bars(), apple_actions()
    assert (raw.height, raw[DATE].min(), raw[DATE].max()) == (2326, FIRST, LAST)
    paid = told.filter(pl.col("kind") == DIVIDEND, pl.col(EX_DATE).dt.year() == 2014)
    assert paid["value"].to_list() == [3.05, 3.29, 0.47, 0.47]  # as Apple declared them
    assert told.filter(kind=SPLIT)["value"].to_list() == [2.0, 2.0, 7.0, 4.0]
