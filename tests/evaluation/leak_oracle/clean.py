"""Honest pipelines, as different as their users are: `PIPELINES` maps a name to a function that makes its steps.

Some look guilty and are not: a feature that hardly moves, one that is yesterday's label once that is known, a model
that knows its training rows by heart, forecasts that end because the model expires, text, constants, raw levels.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import polars as pl
from scipy.special import expit, logit
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import BayesianRidge, ElasticNet, HuberRegressor, LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import QuantileTransformer
from sklearn.tree import DecisionTreeRegressor

from nightdesk.evaluation.pipeline import KEY, Inputs, Step

from . import blocks
from .blocks import (
    ENOUGH,
    MOMENTA,
    Applied,
    Learnt,
    bars,
    each,
    excess_label,
    guessed,
    known_rows,
    made,
    matrix,
    modelled,
    momentum,
    open_to_open,
    returns_over,
    scaled,
    standard,
    triple_barrier,
)

Pipeline = Callable[[], list[Step]]
PIPELINES: Final[dict[str, Pipeline]] = {}

WEEK: Final = pl.col("date").dt.truncate("1w")
MONTH: Final = pl.col("date").dt.truncate("1mo")


def honest(pipeline: Pipeline) -> Pipeline:
    """Enter a pipeline under its function's name."""
    PIPELINES[pipeline.__name__] = pipeline
    return pipeline


def ridge(columns: list[str], name: str = "model") -> Learnt:
    return modelled(name, columns, lambda: Ridge(1.0))


# Prices ----------------------------------------------------------------------------------------------------------


@honest
def momentum_ridge() -> list[Step]:
    """The plainest: first-known bars, momentum, label, scaler, ridge."""
    return [bars(), momentum(), open_to_open(1), standard("scaler", MOMENTA), ridge(MOMENTA)]


@honest
def swing_ridge() -> list[Step]:
    """Labels that overlap for a week, so that the purge counts."""
    return [bars(), momentum(), open_to_open(5), standard("scaler", MOMENTA), modelled("model", MOMENTA, neighbours)]


def neighbours() -> Any:
    return KNeighborsRegressor(15)


def trend_as_known(name: str = "trend") -> Applied:
    """Close above the mean of ten closes, all in the versions that the day knew."""
    return Applied(name, lambda frame, inputs: with_trend(frame, blocks.closes_as_known(frame, inputs, 10)))


def with_trend(frame: pl.DataFrame, closes: pl.DataFrame) -> pl.DataFrame:
    trend = closes.group_by(KEY).agg(
        trend=pl.col("close").sort_by("lag").first() / pl.col("close").sort_by("lag").mean() - 1,
        slope=(pl.col("close").sort_by("lag").first() / pl.col("close").sort_by("lag").last()).log(),
    )
    return frame.join(trend, on=KEY, how="left")


@honest
def as_known_trend() -> list[Step]:
    """Bars as known on the day: a restatement counts from its day on, for old bars too."""
    return [trend_as_known(), open_to_open(3), modelled("model", ["trend", "slope"], LinearRegression)]


@dataclass
class RestatedBook:
    """Keeps a book of closes day by day, entering each restatement on the evening on which it became known."""

    name: str = "book"

    def fit(self, train: pl.DataFrame, inputs: Inputs, at: dt.date) -> None:
        """Learns nothing."""

    def apply(self, frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        news = self.news_of(inputs).sort("known_on", "symbol", "date").rows()
        book: dict[str, dict[dt.date, float]] = {}
        place, ratios = 0, {}
        for date, symbols in frame.group_by("date").agg(pl.col("symbol").sort()).sort("date").iter_rows():
            while place < len(news) and news[place][2] <= date:
                symbol, day, _, close = news[place]
                book.setdefault(symbol, {})[day] = close
                place += 1
            for symbol in symbols:
                closes = book.get(symbol, {})
                days = sorted(closes)[-8:]
                first, last = (closes[days[0]], closes[days[-1]]) if days else (None, None)
                ratios[symbol, date] = None if first is None or last is None else last / first - 1
        values = [ratios[key] for key in frame.select("symbol", "date").iter_rows()]
        return frame.with_columns(pl.Series("drift", values, pl.Float64))

    def news_of(self, inputs: Inputs) -> pl.DataFrame:
        """Closes and the day on which to enter each."""
        return inputs.bars.select("symbol", "date", "known_on", "close")


@honest
def restatement_book() -> list[Step]:
    """The same care in plain Python: a loop over evenings that enters restatements as they come."""
    return [RestatedBook(), open_to_open(2), modelled("model", ["drift"], BayesianRidge)]


@honest
def split_adjusted() -> list[Step]:
    """Back-adjusts old prices by what is restated, from the day on which that is known."""
    return [adjusted_range(), open_to_open(5), modelled("model", ["range_place"], LinearRegression)]


def adjusted_range(name: str = "adjusted") -> Applied:
    return Applied(name, lambda frame, inputs: with_range(frame, blocks.closes_as_known(frame, inputs, 15)))


def with_range(frame: pl.DataFrame, closes: pl.DataFrame) -> pl.DataFrame:
    span = closes.group_by(KEY).agg(
        now=pl.col("close").filter(pl.col("lag") == 0).first(), low=pl.col("close").min(), high=pl.col("close").max()
    )
    place = (pl.col("now") - pl.col("low")) / (pl.col("high") - pl.col("low") + 1e-9)
    return frame.join(span.select(*KEY, range_place=place), on=KEY, how="left")


@honest
def rolling_and_expanding() -> list[Step]:
    """Rolling volatility and skew, expanding mean and extremes."""
    columns = ["volatility", "skew", "above_mean", "below_high"]
    return [bars(), windows(), open_to_open(5), modelled("model", columns, boosted)]


def windows(name: str = "windows") -> Applied:
    count = pl.int_range(1, pl.len() + 1)
    close = pl.col("close").forward_fill()
    return made(
        name,
        volatility=each(returns_one().rolling_std(20, min_samples=10)),
        skew=each(returns_one().rolling_skew(20)),
        above_mean=each(close / (close.cum_sum() / count) - 1),
        below_high=each(close / close.cum_max() - 1),
    )


def returns_one() -> pl.Expr:
    return pl.col("close").log() - pl.col("close").log().shift(1)


def boosted() -> Any:
    return GradientBoostingRegressor(n_estimators=12, max_depth=2, random_state=0)


@dataclass
class Recursive:
    """Wilder's means and MACD in numpy: what was yesterday decides what is today."""

    name: str = "recursive"
    slow: int = 26

    def fit(self, train: pl.DataFrame, inputs: Inputs, at: dt.date) -> None:
        """Learns nothing."""

    def apply(self, frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        parts = [self.part(part) for part in frame.sort(KEY).partition_by("symbol", maintain_order=True)]
        return pl.concat(parts)

    def part(self, part: pl.DataFrame) -> pl.DataFrame:
        closes = part["close"].forward_fill().to_numpy()
        fast, slow = self.mean(closes, 12), self.mean(closes, self.slow)
        moves = np.diff(closes, prepend=np.nan)
        gains, losses = self.mean(np.clip(moves, 0, None), 27), self.mean(np.clip(-moves, 0, None), 27)
        strength = 100 * gains / (gains + losses + 1e-12)
        return part.with_columns(
            pl.Series("macd", (fast - slow) / closes).fill_nan(None), pl.Series("rsi", strength).fill_nan(None)
        )

    def mean(self, values: np.ndarray, days: int) -> np.ndarray:
        out, last, share = np.full(len(values), np.nan), np.nan, 2 / (days + 1)
        for place, value in enumerate(values):
            if not np.isnan(value):
                last = value if np.isnan(last) else last + share * (value - last)
            out[place] = last
        return out


@honest
def recursive_means() -> list[Step]:
    """Recursive means with a logistic regression of the direction."""
    model = modelled("model", ["macd", "rsi"], lambda: LogisticRegression(C=0.5), sign=True)
    return [bars(), Recursive(), open_to_open(1), standard("scaler", ["macd", "rsi"]), model]


@honest
def smoothed_forecast() -> list[Step]:
    """Smooths closes before the features and forecasts after the model, both over the days behind."""
    return [
        bars(),
        made("smooth_close", close=each(pl.col("close").rolling_mean(5, min_samples=1))),
        momentum(),
        open_to_open(2),
        ridge(MOMENTA),
        made("smooth_forecast", forecast=each(pl.col("forecast").rolling_mean(3, min_samples=1))),
    ]


@honest
def cleaned_prices() -> list[Step]:
    """Replaces a jump by the median of the days behind before the features are made."""
    middle = pl.col("close").rolling_median(5, min_samples=1)
    jump = (pl.col("close") / middle - 1).abs() > 0.04
    return [
        bars(),
        made("outliers", close=each(pl.when(jump).then(middle).otherwise(pl.col("close")))),
        momentum(),
        open_to_open(1),
        modelled("model", MOMENTA, HuberRegressor),
    ]


@honest
def market_beta() -> list[Step]:
    """Rolling beta to the market's return of the same day, and what the market leaves unexplained."""
    market = pl.col("move").mean().over("date")

    def mean(column: pl.Expr) -> pl.Expr:
        return column.rolling_mean(40, min_samples=20)

    x, y = pl.col("market"), pl.col("move")
    beta = (mean(x * y) - mean(x) * mean(y)) / (mean(x * x) - mean(x) ** 2)
    return [
        bars(),
        made("moves", move=returns_over(1)),
        made("market", market=market),
        made("beta", beta=each(beta)),
        made("rest", rest=each((y - pl.col("beta") * x).rolling_sum(5))),
        excess_label(3),
        ridge(["beta", "rest"]),
    ]


# Weeks and months ------------------------------------------------------------------------------------------------


def week_so_far(name: str = "weeks") -> Applied:
    """The week as far as it has gone, and the last close of the week before."""

    def make(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        frame = frame.with_columns(week=WEEK)
        group = ["symbol", "week"]
        closes = frame.group_by(group, maintain_order=True).agg(before=pl.col("close").drop_nulls().last())
        closes = closes.sort(group).with_columns(each(pl.col("before").shift(1)))
        return (
            frame.join(closes, on=group, how="left")
            .with_columns(
                week_return=pl.col("close") / pl.col("before") - 1,
                week_range=(pl.col("high").cum_max() / pl.col("low").cum_min()).over(group) - 1,
            )
            .drop("week", "before")
        )

    return Applied(name, make)


@honest
def weekly_bars() -> list[Step]:
    """Weekly bars as far as gone."""
    columns = ["week_return", "week_range"]
    return [bars(), week_so_far(), open_to_open(5), standard("scaler", columns), ridge(columns)]


@honest
def finished_weeks() -> list[Step]:
    """Only weeks that are over: a Friday's row still holds the week before."""
    return [bars(), last_finished_week(), open_to_open(5), modelled("model", ["finished_return"], LinearRegression)]


def last_finished_week(name: str = "finished") -> Applied:
    return Applied(name, lambda frame, _: with_finished_weeks(frame, WEEK))


def with_finished_weeks(frame: pl.DataFrame, week: pl.Expr) -> pl.DataFrame:
    """Each row with the return from one finished week's close to the next one's."""
    weeks = (
        frame.with_columns(week=week)
        .group_by("symbol", "week", maintain_order=True)
        .agg(pl.col("close").drop_nulls().last())
        .sort("symbol", "week")
        .select("symbol", "week", finished_return=each((pl.col("close") / pl.col("close").shift(1)).shift(1) - 1))
    )
    return frame.with_columns(week=week).join(weeks, on=["symbol", "week"], how="left").drop("week")


@honest
def monthly_bars() -> list[Step]:
    """Month to date: return, share of the month's volume's usual size, place in its range."""
    columns = ["month_return", "month_place", "month_volume"]
    return [bars(), month_so_far(), open_to_open(10), modelled("model", columns, lambda: ElasticNet(1e-4))]


def month_so_far(name: str = "months") -> Applied:
    group = ["symbol", MONTH]
    high, low = pl.col("high").cum_max(), pl.col("low").cum_min()
    return made(
        name,
        month_return=(pl.col("close") / pl.col("open").drop_nulls().first()).over(group).log(),
        month_place=((pl.col("close") - low) / (high - low + 1e-9)).over(group),
        month_volume=(pl.col("volume").fill_null(0).cum_sum() / pl.int_range(1, pl.len() + 1)).over(group).log1p(),
    )


# Other tables ----------------------------------------------------------------------------------------------------


def only_members(name: str = "members") -> Applied:
    """Rows of members by the list known then."""
    return Applied(
        name,
        lambda frame, inputs: frame.join(blocks.members_as_known(frame["date"], inputs), on=KEY, how="semi"),
    )


def day_rank(name: str = "ranks") -> Applied:
    share = pl.col(*MOMENTA).rank() / pl.col(*MOMENTA).count()
    return made(name, share.over("date"))


@honest
def member_ranks() -> list[Step]:
    """Ranks among the members as then known; rows of others are dropped."""
    return [bars(), momentum(), only_members(), day_rank(), excess_label(5), ridge(MOMENTA)]


@honest
def member_flag() -> list[Step]:
    """Membership as a flag and as days since it began, no row dropped."""
    return [bars(), momentum(), flag(), open_to_open(5), modelled("model", ["is_member", "momentum_5"], tree)]


def tree() -> Any:
    return DecisionTreeRegressor(max_depth=4, random_state=0)


def flag(name: str = "flag") -> Applied:
    def make(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        members = blocks.members_as_known(frame["date"], inputs).with_columns(is_member=pl.lit(True))
        return frame.join(members, on=KEY, how="left").with_columns(pl.col("is_member").fill_null(False))

    return Applied(name, make)


def facts(name: str = "facts") -> Applied:
    """The newest figure and its growth, as published by then."""
    return Applied(name, lambda frame, inputs: with_facts(frame, blocks.facts_as_known(frame, inputs)))


def with_facts(frame: pl.DataFrame, newest: pl.DataFrame) -> pl.DataFrame:
    growth = (pl.col("value") / pl.col("value_before")).log().fill_nan(None)  # figures may turn negative
    age = (pl.col("date") - pl.col("period_end")).dt.total_days().cast(pl.Float64)
    return frame.join(newest.select(*KEY, "value", growth=growth, age=age), on=KEY, how="left")


def medians(name: str = "impute", columns: tuple[str, ...] = ("value", "growth", "age")) -> Learnt:
    """Fills what is missing by the median of the training rows."""

    def learn(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> dict[str, Any]:
        return {column: train[column].median() or 0.0 for column in columns}

    return Learnt(name, learn, fill_each)


def fill_each(frame: pl.DataFrame, inputs: Inputs, fill: dict[str, float]) -> pl.DataFrame:
    return frame.with_columns(pl.col(column).fill_null(value) for column, value in fill.items())


@honest
def fundamentals() -> list[Step]:
    """Figures as published, the missing ones imputed, ridge."""
    columns = ["value", "growth", "age"]
    return [facts(), open_to_open(10), medians(), standard("scaler", columns), ridge(columns)]


@honest
def latest_publication() -> list[Step]:
    """The newest publication of any period, by a join on the day it was known."""
    return [publications(), open_to_open(5), modelled("model", ["published"], lambda: LinearRegression())]


def publications(name: str = "publications", strategy: Literal["backward", "nearest"] = "backward") -> Applied:
    def make(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        news = inputs.facts.sort("known_on", "symbol", "period_end").select(
            "symbol", date=pl.col("known_on"), published=pl.col("value")
        )
        news = news.unique(["symbol", "date"], keep="last", maintain_order=True)
        joined = frame.sort("date", "symbol").join_asof(
            news, on="date", by="symbol", strategy=strategy, check_sortedness=False
        )
        return joined.sort(KEY)

    return Applied(name, make)


@honest
def stale_facts() -> list[Step]:
    """Figures older than 120 days count as missing: null in the newest days of whoever stopped to report."""
    fresh = pl.when(pl.col("age") <= 120).then(pl.col("value"))
    return [facts(), made("fresh", fresh=fresh), open_to_open(5), modelled("model", ["fresh"], boosted)]


@honest
def fact_rank() -> list[Step]:
    """Cross-sectional rank of value to price: figures as known and first closes."""
    cheap = (pl.col("value") / pl.col("close")).rank().over("date") / pl.col("value").count().over("date")
    return [
        bars(),
        facts(),
        made("cheap", cheap=cheap),
        excess_label(10),
        modelled("model", ["cheap"], LinearRegression),
    ]


# Regimes ---------------------------------------------------------------------------------------------------------


@honest
def filtered_regime() -> list[Step]:
    """Momentum that may count differently in a wild market, by filtered probabilities."""
    columns = ["momentum_5", "wild", "both"]
    both = made("both", both=pl.col("momentum_5") * pl.col("wild"))
    return [bars(), momentum(), blocks.regime(), both, open_to_open(3), ridge(columns)]


@honest
def kalman_trend() -> list[Step]:
    """The local level of each symbol's log close by the Kalman filter, its noise learnt."""
    return [bars(), kalman(), open_to_open(1), modelled("model", ["level_gap"], LinearRegression)]


def kalman(name: str = "kalman") -> Learnt:
    def learn(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> float:
        width: Any = train.select(returns_over(1)).to_series().std()
        return float(width or 0.01)

    def use(frame: pl.DataFrame, inputs: Inputs, width: float) -> pl.DataFrame:
        return with_levels(frame, lambda closes: filter_levels(closes, width)[0])

    return Learnt(name, learn, use)


def with_levels(frame: pl.DataFrame, levels_of: Callable[[np.ndarray], np.ndarray]) -> pl.DataFrame:
    parts = []
    for part in frame.sort(KEY).partition_by("symbol", maintain_order=True):
        closes = part["close"].log().to_numpy()
        parts.append(part.with_columns(pl.Series("level_gap", closes - levels_of(closes)).fill_nan(None)))
    return pl.concat(parts)


def filter_levels(closes: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Filtered levels and their variances; a missing close leaves the level as it is."""
    level, variance, levels, variances = np.nan, 1.0, [], []
    for close in closes:
        variance += width**2
        if not np.isnan(close):
            gain = 1.0 if np.isnan(level) else variance / (variance + (3 * width) ** 2)
            level = close if np.isnan(level) else level + gain * (close - level)
            variance *= 1 - gain + 1e-9
        levels.append(level)
        variances.append(variance)
    return np.array(levels), np.array(variances)


@honest
def bull_market() -> list[Step]:
    """A bull market is one whose mean close is above that of the last 60 sessions."""
    return [bars(), momentum(), bull(), open_to_open(5), modelled("model", ["bull", "momentum_20"], tree)]


def bull(name: str = "bull") -> Applied:
    def make(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        market = blocks.market_returns(frame).with_columns(index=pl.col("move").cum_sum())
        market = market.select("date", bull=pl.col("index") > pl.col("index").rolling_mean(60, min_samples=5))
        return frame.join(market, on="date", how="left")

    return Applied(name, make)


# Labels ----------------------------------------------------------------------------------------------------------


@honest
def barriers() -> list[Step]:
    """Triple barriers as wide as the volatility known on the day: today's close sets the width, not the start."""
    model = modelled("model", ["momentum_5", "volatility"], GaussianNB, sign=True)
    return [bars(), momentum(), volatility(), triple_barrier("volatility"), model]


def volatility(name: str = "volatility") -> Applied:
    return made(name, volatility=each(returns_one().rolling_std(20, min_samples=10)))


@honest
def fixed_barriers() -> list[Step]:
    """Triple barriers of three per cent."""
    return [bars(), momentum(), triple_barrier(0.03, 8), modelled("model", MOMENTA, tree)]


@honest
def many_horizons() -> list[Step]:
    """Three horizons, three models, the mean of their forecasts."""
    models = [
        modelled(f"model_{days}", MOMENTA, lambda: Ridge(10.0), target=f"label_{days}", out=f"forecast_{days}")
        for days in (1, 5, 10)
    ]
    blend = made("blend", forecast=pl.mean_horizontal("forecast_1", "forecast_5", "forecast_10"))
    return [bars(), momentum(), open_to_open(1, 5, 10), *models, blend]


@honest
def fills_next_open() -> list[Step]:
    """Positions by the forecast's sign, filled at the next open; today's close moves the profit by the position."""
    return [bars(), momentum(), open_to_open(1), ridge(MOMENTA), positions(), fills()]


def positions(name: str = "positions") -> Applied:
    return made(name, position=pl.col("forecast").sign())


def fills(name: str = "fills") -> Applied:
    """The price at which the decision fills, and the profit of it."""

    def make(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        price = inputs.first_bars().select(*KEY, price=each(pl.col("open").shift(-1)))
        return with_fills(frame.join(price, on=KEY, how="left"))

    return Applied(name, make)


def with_fills(frame: pl.DataFrame) -> pl.DataFrame:
    known = pl.col("label_exit").is_not_null()
    return frame.with_columns(
        label_fill=pl.when(known).then(pl.col("price")),
        label_profit=pl.when(known).then(pl.col("position") * pl.col("label") - 0.0005),
    ).drop("price")


@honest
def weighted_by_overlap() -> list[Step]:
    """Training rows weighted by how few known labels run at the same time."""
    return [bars(), momentum(), open_to_open(8), Weighted()]


@dataclass
class Weighted:
    """A ridge whose rows count by their labels' uniqueness."""

    name: str = "model"
    model: Any = None

    def fit(self, train: pl.DataFrame, inputs: Inputs, at: dt.date) -> None:
        rows = known_rows(train, at, [*MOMENTA, "label"])
        weights = self.weights(rows, train)
        self.model = None if rows.height < ENOUGH else Ridge().fit(matrix(rows, MOMENTA), rows["label"], weights)

    def weights(self, rows: pl.DataFrame, train: pl.DataFrame) -> np.ndarray:
        return uniqueness(rows, rows)

    def apply(self, frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        guess = None if self.model is None else self.model.predict
        return frame.with_columns(guessed(frame, MOMENTA, guess).alias("forecast"))


def uniqueness(rows: pl.DataFrame, others: pl.DataFrame) -> np.ndarray:
    """One by the number of labels in `others` that overlap each row's."""
    starts = np.sort(others["date"].to_physical().to_numpy())
    ends = np.sort(others["label_exit"].drop_nulls().to_physical().to_numpy())
    begun = np.searchsorted(starts, rows["label_exit"].to_physical().to_numpy(), side="left")
    over = np.searchsorted(ends, rows["date"].to_physical().to_numpy(), side="right")
    weights: np.ndarray = 1 / np.maximum(begun - over, 1)
    return weights


# Scaling, imputation, selection ------------------------------------------------------------------------------------


@honest
def robust_scaled() -> list[Step]:
    """Clipped at quantiles of the training rows, then by median and interquartile range."""

    def wide(column: pl.Expr) -> pl.Expr:
        return column.quantile(0.75) - column.quantile(0.25)

    scaler = scaled("scaler", MOMENTA, pl.Expr.median, wide)
    return [bars(), momentum(), clipped(), scaler, open_to_open(1), modelled("model", MOMENTA, HuberRegressor)]


def clipped(name: str = "clip") -> Learnt:
    def learn(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> dict[str, tuple[float, float]]:
        return limits(train)

    return Learnt(name, learn, clip_each)


def limits(table: pl.DataFrame) -> dict[str, tuple[float, float]]:
    """The first and last hundredth of each momentum."""
    found = {column: (table[column].quantile(0.01), table[column].quantile(0.99)) for column in MOMENTA}
    return {
        column: (-1.0 if low is None else low, 1.0 if high is None else high) for column, (low, high) in found.items()
    }


def clip_each(frame: pl.DataFrame, inputs: Inputs, clips: dict[str, tuple[float, float]]) -> pl.DataFrame:
    return frame.with_columns(pl.col(column).clip(low, high) for column, (low, high) in clips.items())


@honest
def quantile_scaled() -> list[Step]:
    """A quantile transformer fitted on the training rows, text-book scikit-learn."""

    def learn(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> Any:
        rows = train.drop_nulls(MOMENTA)
        return None if rows.height < ENOUGH else QuantileTransformer(n_quantiles=20).fit(matrix(rows, MOMENTA))

    def use(frame: pl.DataFrame, inputs: Inputs, scaler: Any) -> pl.DataFrame:
        if scaler is None:
            return frame
        return frame.with_columns(
            guessed(frame, MOMENTA, lambda table, place=place: scaler.transform(table)[:, place]).alias(column)
            for place, column in enumerate(MOMENTA)
        )

    return [bars(), momentum(), Learnt("scaler", learn, use), open_to_open(1), ridge(MOMENTA)]


@honest
def expanding_scaled() -> list[Step]:
    """Scaled by the mean and width of all symbols' momentum up to the day."""
    return [bars(), momentum(), expanding_scale(), open_to_open(1), modelled("model", ["scaled_5"], LinearRegression)]


def expanding_scale(name: str = "scaler") -> Applied:
    def make(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        frame = frame.join(day_sums(frame), on="date", how="left")
        mean = pl.col("sum") / pl.col("count")
        width = (pl.col("squares") / pl.col("count") - mean**2).clip(1e-12).sqrt()
        return frame.with_columns(scaled_5=(pl.col("momentum_5") - mean) / width).drop("sum", "squares", "count")

    return Applied(name, make)


def day_sums(frame: pl.DataFrame) -> pl.DataFrame:
    """Sum, sum of squares and number of the momentum of all days up to each."""
    value = pl.col("momentum_5")
    days = frame.group_by("date", maintain_order=True).agg(
        sum=value.sum(), squares=(value**2).sum(), count=value.count().cast(pl.Float64)
    )
    return days.sort("date").with_columns(pl.col("sum", "squares", "count").cum_sum())


@honest
def own_history_scaled() -> list[Step]:
    """Each symbol by the range that it has had so far."""
    low, high = pl.col("close").cum_min(), pl.col("close").cum_max()
    place = each((pl.col("close") - low) / (high - low + 1e-9))
    return [bars(), made("range", place=place), open_to_open(5), modelled("model", ["place"], tree)]


@honest
def history_percentile() -> list[Step]:
    """Where today's volume stands among the symbol's last 60."""
    rank = each(pl.col("volume").rolling_rank(60, min_samples=5)) / 60
    return [bars(), made("percentile", busy=rank), open_to_open(1), modelled("model", ["busy"], LinearRegression)]


@honest
def imputed_forest() -> list[Step]:
    """Missing volumes by the symbol's training mean with a flag, random forest."""
    columns = ["volume", "volume_missing", "momentum_1"]
    return [bars(), momentum(), imputer(), open_to_open(2), modelled("model", columns, forest)]


def forest() -> Any:
    return RandomForestRegressor(8, max_depth=4, random_state=3)


def imputer(name: str = "impute") -> Learnt:
    def learn(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> pl.DataFrame:
        return train.group_by("symbol").agg(usual=pl.col("volume").mean())

    return Learnt(name, learn, impute_usual)


def impute_usual(frame: pl.DataFrame, inputs: Inputs, means: pl.DataFrame) -> pl.DataFrame:
    return (
        frame.join(means, on="symbol", how="left")
        .with_columns(
            volume_missing=pl.col("volume").is_null(), volume=pl.col("volume").fill_null(pl.col("usual")).fill_null(0.0)
        )
        .drop("usual")
    )


@honest
def carried_forward() -> list[Step]:
    """Missing numbers carried forward from the symbol's last known one."""
    fill = made("carry", each(pl.col("open", "close", "volume").forward_fill()))
    change = each(pl.col("volume").log() - pl.col("volume").log().shift(1))
    return [
        bars(),
        fill,
        made("change", change=change),
        open_to_open(1),
        modelled("model", ["change"], LinearRegression),
    ]


@honest
def warm_up_filled() -> list[Step]:
    """The first twenty days of a symbol, which have no volatility yet, get zero."""
    fill = made("warm_up", pl.col("volatility").fill_null(0.0))
    return [bars(), volatility(), fill, open_to_open(5), modelled("model", ["volatility"], tree)]


CANDIDATES: Final = [f"look_{days}" for days in (1, 2, 3, 5, 8, 13, 21, 34)]


def candidates(name: str = "candidates") -> Applied:
    return made(name, **{f"look_{days}": returns_over(days) for days in (1, 2, 3, 5, 8, 13, 21, 34)})


def best_of(rows: pl.DataFrame, count: int = 3) -> list[str]:
    """The columns that go with the label most, the first of them first."""
    if rows.height < ENOUGH:
        return CANDIDATES[:count]
    found = rows.select(pl.corr(column, "label").abs().fill_nan(0.0).alias(column) for column in CANDIDATES).row(0)
    order = sorted(zip(found, CANDIDATES, strict=True), reverse=True)
    return [column for _, column in order[:count]]


def keep_best(frame: pl.DataFrame, inputs: Inputs, best: list[str]) -> pl.DataFrame:
    """The chosen columns under names of their own, the others gone."""
    named = [pl.col(column).alias(f"best_{place}") for place, column in enumerate(best)]
    return frame.with_columns(named).drop(CANDIDATES)


def selection(name: str = "select") -> Learnt:
    def learn(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> list[str]:
        return best_of(known_rows(train, at, ["label", *CANDIDATES]))

    return Learnt(name, learn, keep_best)


@honest
def selected() -> list[Step]:
    """The best three of eight look-backs by correlation in the purged training rows."""
    return [bars(), candidates(), open_to_open(10), selection(), ridge(["best_0", "best_1", "best_2"])]


@honest
def best_look_back() -> list[Step]:
    """One look-back, learnt; the feature is made after it was chosen."""
    return [bars(), open_to_open(3), look_back(), modelled("model", ["look"], LinearRegression)]


def look_back(name: str = "look") -> Learnt:
    def learn(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> int:
        return best_days(train, known_rows(train, at, ["label"]))

    def use(frame: pl.DataFrame, inputs: Inputs, days: int) -> pl.DataFrame:
        return frame.with_columns(look=returns_over(days))

    return Learnt(name, learn, use)


def best_days(train: pl.DataFrame, rows: pl.DataFrame) -> int:
    """The look-back whose return goes with the label most."""
    found = []
    for days in (1, 2, 3, 4, 6, 9, 14, 20, 30):
        both = train.select(*KEY, look=returns_over(days)).join(rows.select(*KEY, "label"), on=KEY).drop_nulls()
        corr = both.select(pl.corr("look", "label")).item() if both.height > ENOUGH else 0.0
        found.append((abs(corr or 0.0), days))
    return max(found)[1]


@honest
def liquid_symbols() -> list[Step]:
    """The twelve symbols with the most turnover in the training rows."""
    return [bars(), momentum(), liquid(), open_to_open(1), ridge(MOMENTA)]


def liquid(name: str = "liquid") -> Learnt:
    def learn(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> list[str]:
        return most_traded(train)

    def use(frame: pl.DataFrame, inputs: Inputs, symbols: list[str]) -> pl.DataFrame:
        return frame.filter(pl.col("symbol").is_in(symbols))

    return Learnt(name, learn, use)


def most_traded(table: pl.DataFrame, count: int = 12) -> list[str]:
    turnover = table.group_by("symbol").agg(turnover=(pl.col("close") * pl.col("volume")).sum())
    return turnover.sort("turnover", "symbol", descending=[True, False])["symbol"].head(count).to_list()


@honest
def principal_parts() -> list[Step]:
    """Principal components of eight look-backs, learnt without labels."""
    return [bars(), candidates(), components(), open_to_open(5), ridge(["part_0", "part_1"])]


def components(name: str = "pca") -> Learnt:
    def learn(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> Any:
        return parts_of(train)

    return Learnt(name, learn, use_parts)


def parts_of(table: pl.DataFrame) -> Any:
    rows = table.drop_nulls(CANDIDATES)
    return PCA(2, svd_solver="full").fit(matrix(rows, CANDIDATES)) if rows.height >= ENOUGH else None


def use_parts(frame: pl.DataFrame, inputs: Inputs, parts: Any) -> pl.DataFrame:
    return frame.with_columns(
        guessed(
            frame,
            CANDIDATES,
            None if parts is None else lambda table, place=place: parts.transform(table)[:, place],
        ).alias(f"part_{place}")
        for place in range(2)
    )


@honest
def clusters() -> list[Step]:
    """Clusters of days by k-means with a seed, as text, and each cluster's mean label."""
    return [bars(), momentum(), grouped(), open_to_open(3), category_means("model", "cluster")]


def grouped(name: str = "clusters") -> Learnt:
    def learn(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> Any:
        return centres_of(train)

    return Learnt(name, learn, use_centres)


def centres_of(table: pl.DataFrame) -> Any:
    rows = table.drop_nulls(MOMENTA)
    means = KMeans(4, n_init=1, random_state=5)
    return blocks.on_one_thread(means.fit, matrix(rows, MOMENTA)) if rows.height >= ENOUGH else None


def use_centres(frame: pl.DataFrame, inputs: Inputs, centres: Any) -> pl.DataFrame:
    numbers = guessed(frame, MOMENTA, None if centres is None else centres.predict)
    text = pl.lit("cluster ") + numbers.cast(pl.Int64).cast(pl.String)
    return frame.with_columns(cluster=text)


# Models ----------------------------------------------------------------------------------------------------------


@honest
def histogram_boosting() -> list[Step]:
    """Gradient boosting on histograms, which takes nulls as they are."""

    def learn(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> Any:
        rows = known_rows(train, at, ["label"])
        if rows.drop_nulls(MOMENTA).height < ENOUGH:
            return None
        model = HistGradientBoostingRegressor(max_iter=8, max_leaf_nodes=8, early_stopping=False, random_state=0)
        return blocks.on_one_thread(model.fit, matrix(rows, columns), rows["label"].to_numpy())

    def use(frame: pl.DataFrame, inputs: Inputs, model: Any) -> pl.DataFrame:
        empty = np.full(frame.height, np.nan)
        values = empty if model is None else blocks.on_one_thread(model.predict, matrix(frame, columns))
        return frame.with_columns(pl.Series("forecast", values).fill_nan(None))

    columns = [*MOMENTA, "volume"]
    return [bars(), momentum(), open_to_open(5), Learnt("model", learn, use)]


@honest
def memoriser() -> list[Step]:
    """A tree that knows every training row by heart: perfect before the split, nothing after it."""
    keys = made(
        "keys", day=pl.col("date").to_physical(), number=pl.col("symbol").str.slice(1).cast(pl.Float64, strict=False)
    )
    deep = modelled("model", ["day", "number", "momentum_1"], lambda: DecisionTreeRegressor(random_state=1))
    return [bars(), momentum(), keys, open_to_open(5), deep]


@honest
def neural_net() -> list[Step]:
    """A small network with a seed."""
    net = modelled(
        "model", MOMENTA, lambda: MLPRegressor(hidden_layer_sizes=(6,), max_iter=12, random_state=2, tol=1.0)
    )
    return [bars(), momentum(), standard("scaler", MOMENTA), open_to_open(1), net]


@honest
def random_projection() -> list[Step]:
    """Random mixtures of the features by a seed, then extremely random trees."""
    mix = np.random.default_rng(11).normal(size=(3, 4))
    parts = {
        f"mix_{column}": sum((pl.col(name) * mix[row, column] for row, name in enumerate(MOMENTA)), pl.lit(0.0)).sin()
        for column in range(4)
    }
    trees = modelled("model", list(parts), lambda: ExtraTreesRegressor(6, max_depth=4, random_state=4))
    return [bars(), momentum(), made("project", **parts), open_to_open(1), trees]


@honest
def random_noise() -> list[Step]:
    """Noise drawn anew for each key from a seed and the key itself, so that it is the same again."""
    noise = (pl.col("symbol") + pl.col("date").cast(pl.String)).hash(seed=17).mod(10_000) / 10_000
    return [bars(), made("noise", noise=noise), open_to_open(1), modelled("model", ["noise"], LinearRegression)]


def parted(rows: pl.DataFrame, share: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows whose label is known before the hold-out's first day, and the hold-out."""
    if rows.is_empty():
        return rows, rows
    days = rows["date"].unique().sort()
    first = days[min(int(share * len(days)), len(days) - 1)]
    return rows.filter(pl.col("label_exit") < first), rows.filter(pl.col("date") >= first)


@dataclass
class Calibrated:
    """A classifier on the older training rows, calibrated on the newer, both purged."""

    make: Callable[[], Any]
    calibrate: Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]
    name: str = "model"
    model: Any = None
    calibration: Callable[[np.ndarray], np.ndarray] | None = None
    columns: list[str] = field(default_factory=lambda: list(MOMENTA))

    def fit(self, train: pl.DataFrame, inputs: Inputs, at: dt.date) -> None:
        older, newer = parted(known_rows(train, at, [*self.columns, "label"]), 0.7)
        self.model = blocks.fitted(self.make(), older, self.columns, "label", sign=True)
        self.calibration = None
        if self.model is not None:
            newer = self.hold_out(train, newer)
            raw = self.model.predict_proba(matrix(newer, self.columns))[:, 1]
            self.calibration = self.calibrate(raw, (newer["label"].to_numpy() > 0).astype(int))

    def hold_out(self, train: pl.DataFrame, newer: pl.DataFrame) -> pl.DataFrame:
        return newer

    def apply(self, frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        raw = blocks.guess_of(self.model, sign=True)
        frame = frame.with_columns(guessed(frame, self.columns, raw).alias("raw"))
        return frame.with_columns(guessed(frame, ["raw"], self.calibrated).alias("chance"))

    def calibrated(self, table: np.ndarray) -> np.ndarray:
        return table[:, 0] if self.calibration is None else self.calibration(table[:, 0])


def isotonic(raw: np.ndarray, truth: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    fitted: Callable[[np.ndarray], np.ndarray] = IsotonicRegression(out_of_bounds="clip").fit(raw, truth).predict
    return fitted


def platt(raw: np.ndarray, truth: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    odds = logit(np.clip(raw, 1e-6, 1 - 1e-6))
    if len(np.unique(truth)) < 2:
        return lambda values: values
    slope = LogisticRegression().fit(odds[:, None], truth)
    return lambda values: expit(logit(np.clip(values, 1e-6, 1 - 1e-6)) * slope.coef_[0, 0] + slope.intercept_[0])


@honest
def isotonic_calibration() -> list[Step]:
    """Naive Bayes, calibrated by isotonic regression."""
    return [bars(), momentum(), open_to_open(5), Calibrated(GaussianNB, isotonic)]


@honest
def platt_calibration() -> list[Step]:
    """Logistic regression, calibrated after Platt in a step of its own."""
    model = modelled("model", MOMENTA, LogisticRegression, sign=True, out="raw")
    return [bars(), momentum(), open_to_open(3), model, platt_step()]


def platt_step(name: str = "calibrate") -> Learnt:
    def learn(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> tuple[float, float]:
        return platt_of(known_rows(train, at, ["raw", "label"]))

    def use(frame: pl.DataFrame, inputs: Inputs, line: tuple[float, float]) -> pl.DataFrame:
        odds = (pl.col("raw") / (1 - pl.col("raw"))).log()
        return frame.with_columns(chance=1 / (1 + (-line[0] * odds - line[1]).exp()))

    return Learnt(name, learn, use)


def platt_of(rows: pl.DataFrame) -> tuple[float, float]:
    truth = (rows["label"].to_numpy() > 0).astype(int)
    if len(np.unique(truth)) < 2:
        return 1.0, 0.0
    line = LogisticRegression().fit(logit(rows["raw"].to_numpy())[:, None], truth)
    return float(line.coef_[0, 0]), float(line.intercept_[0])


@dataclass
class Stacked:
    """Two models whose out-of-fold forecasts, purged on both sides of the fold, teach a third."""

    name: str = "stack"
    bases: list[Any] = field(default_factory=list)
    blend: Any = None

    def fit(self, train: pl.DataFrame, inputs: Inputs, at: dt.date) -> None:
        rows = self.rows(train, at)
        self.bases, self.blend = [], None
        if rows.height < 10 * ENOUGH:
            return
        tables, answers = [], []
        for first, last in blocks.blocks_of(rows["date"], 4):
            fold = rows.filter(pl.col("date").is_between(first, last))
            end = fold["label_exit"].max()
            outside = (pl.col("label_exit") < first) | (pl.col("date") > end)
            tables.append(self.forecasts(self.fitted(rows.filter(outside)), fold))
            answers.append(fold["label"].to_numpy())
        self.blend = Ridge(0.1, positive=True).fit(np.vstack(tables), np.concatenate(answers))
        self.bases = self.fitted(rows)

    def rows(self, train: pl.DataFrame, at: dt.date) -> pl.DataFrame:
        return known_rows(train, at, [*MOMENTA, "label"])

    def fitted(self, rows: pl.DataFrame) -> list[Any]:
        return [model.fit(matrix(rows, MOMENTA), rows["label"].to_numpy()) for model in (Ridge(), tree())]

    def forecasts(self, models: list[Any], rows: pl.DataFrame) -> np.ndarray:
        return np.column_stack([model.predict(matrix(rows, MOMENTA)) for model in models])

    def apply(self, frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        return frame.with_columns(guessed(frame, MOMENTA, self.guess if self.bases else None).alias("forecast"))

    def guess(self, table: np.ndarray) -> np.ndarray:
        answer: np.ndarray = self.blend.predict(np.column_stack([model.predict(table) for model in self.bases]))
        return answer


@honest
def stacked() -> list[Step]:
    """Stacking with purged out-of-fold forecasts."""
    return [bars(), momentum(), open_to_open(5), Stacked()]


@honest
def target_encoded() -> list[Step]:
    """The mean label of each symbol among the purged training rows, shrunk to the mean of all."""
    return [bars(), open_to_open(5), category_means("encode", "symbol")]


def category_means(name: str, column: str) -> Learnt:
    def learn(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> pl.DataFrame:
        return means_by(known_rows(train, at, ["label"]), column)

    def use(frame: pl.DataFrame, inputs: Inputs, means: pl.DataFrame) -> pl.DataFrame:
        return frame.join(means, on=column, how="left")

    return Learnt(name, learn, use)


def means_by(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    whole: Any = rows["label"].mean() or 0.0
    label = pl.col("label").sort_by(*KEY)
    return rows.drop_nulls(column).group_by(column).agg(forecast=(label.sum() + 20 * whole) / (pl.len() + 20))


# Stateful --------------------------------------------------------------------------------------------------------


@dataclass
class Online:
    """Weights that learn day by day in `apply`, each label on the evening on which it is known."""

    name: str = "online"
    rate: float = 1.0
    begin: np.ndarray = field(default_factory=lambda: np.zeros(3))

    def fit(self, train: pl.DataFrame, inputs: Inputs, at: dt.date) -> None:
        """Begins with what a ridge makes of the known rows."""
        rows = known_rows(train, at, [*MOMENTA, "label"])
        self.begin = (
            Ridge(5.0, fit_intercept=False).fit(matrix(rows, MOMENTA), rows["label"]).coef_
            if rows.height > ENOUGH
            else np.zeros(3)
        )

    def known(self, rows: pl.DataFrame) -> pl.Expr:
        """The evening on which a row's label is learnt from."""
        return pl.col("label_exit")

    def apply(self, frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        whole = frame.drop_nulls(MOMENTA)
        lessons = whole.drop_nulls("label").with_columns(learnt_on=self.known(whole)).drop_nulls("learnt_on")
        taught = {
            day: (matrix(part, MOMENTA), part["label"].to_numpy())
            for (day,), part in lessons.sort("learnt_on", *KEY).partition_by("learnt_on", as_dict=True).items()
        }
        weights, parts = self.begin, []
        for (day,), part in (
            whole.sort("date", "symbol").partition_by("date", as_dict=True, maintain_order=True).items()
        ):
            if day in taught:
                table, answer = taught[day]
                weights = weights + self.rate * table.T @ (answer - table @ weights) / len(answer)
            parts.append(part.select(KEY).with_columns(pl.Series("forecast", matrix(part, MOMENTA) @ weights)))
        empty = frame.head(0).select(*KEY, forecast=pl.lit(None, pl.Float64))
        return frame.join(pl.concat([empty, *parts]), on=KEY, how="left")


@honest
def online_learner() -> list[Step]:
    """Learns on while it forecasts."""
    return [bars(), momentum(), open_to_open(5), Online()]


@honest
def yesterdays_label() -> list[Step]:
    """A feature that equals an earlier row's label, from the evening on which that is known."""
    return [bars(), open_to_open(1), last_label(), modelled("model", ["last_label"], LinearRegression)]


def last_label(name: str = "last_label") -> Applied:
    def make(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        known = frame.drop_nulls("label").select("symbol", date=pl.col("label_exit"), last_label=pl.col("label"))
        joined = frame.sort("date", "symbol").join_asof(
            known.sort("date", "symbol"), on="date", by="symbol", check_sortedness=False
        )
        return joined.sort(KEY)

    return Applied(name, make)


@honest
def hit_rate() -> list[Step]:
    """How often the symbol's known labels were gains, as a feature: five days behind the present."""
    return [bars(), open_to_open(5), hits(), modelled("model", ["hits"], LinearRegression)]


def hits(name: str = "hits", behind: int = 6) -> Applied:
    gain = (pl.col("label") > 0).cast(pl.Float64)
    return made(name, hits=each(gain.shift(behind).rolling_mean(20, min_samples=5)))


@honest
def expiring_model() -> list[Step]:
    """A model that is not to be used three weeks after its split: the newest forecasts are null."""

    def learn(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> dt.date:
        return at + dt.timedelta(days=21)

    def use(frame: pl.DataFrame, inputs: Inputs, end: dt.date) -> pl.DataFrame:
        return frame.with_columns(pl.when(pl.col("date") <= end).then(pl.col("forecast")).alias("forecast"))

    return [bars(), momentum(), open_to_open(1), ridge(MOMENTA), Learnt("expire", learn, use)]


@honest
def forecast_threshold() -> list[Step]:
    """Buys what is in the top tenth of the training forecasts."""
    return [bars(), momentum(), open_to_open(1), ridge(MOMENTA), top_tenth()]


def top_tenth(name: str = "decide") -> Learnt:
    def learn(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> float | None:
        return train["forecast"].quantile(0.9)

    return Learnt(name, learn, buy_above)


def buy_above(frame: pl.DataFrame, inputs: Inputs, level: float | None) -> pl.DataFrame:
    return frame.with_columns(buy=pl.col("forecast") > pl.lit(level, pl.Float64))


# Rows and odd columns --------------------------------------------------------------------------------------------


@honest
def seasoned_rows() -> list[Step]:
    """Drops young symbols, cheap ones and rows without a volume, by what the day knew."""
    return [bars(), seasoned(), momentum(), open_to_open(5), ridge(MOMENTA)]


def seasoned(name: str = "rows") -> Applied:
    age = each(pl.int_range(pl.len()))
    keep = (age >= 40) & (pl.col("close") > 15) & pl.col("volume").is_not_null()
    return Applied(name, lambda frame, _: frame.filter(keep))


@honest
def quiet_rows() -> list[Step]:
    """Drops days after a jump, and what the index does not hold, late in the pipeline."""
    calm = Applied("rows", lambda frame, _: frame.filter(pl.col("momentum_1").abs() < 0.06))
    return [bars(), momentum(), open_to_open(1), ridge(MOMENTA), calm]


@honest
def constants_and_nulls() -> list[Step]:
    """A constant, a column of nulls, a flag and the mean as the model."""
    odd = made("odd", constant=pl.lit(1.0), nothing=pl.lit(None, pl.Float64), always=pl.lit(True), word=pl.lit("same"))
    return [odd, open_to_open(1), modelled("model", ["constant"], DummyRegressor)]


@honest
def calendar_features() -> list[Step]:
    """Weekday, month and days to the month's end by the calendar alone, which is known years ahead."""
    columns = ["weekday", "month", "to_month_end", "gap"]
    return [bars(), calendar_step(), gaps(), open_to_open(1), modelled("model", columns, tree)]


def calendar_step(name: str = "calendar") -> Applied:
    def make(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        days = [calendar.monthrange(day.year, day.month)[1] - day.day for day in frame["date"]]
        return frame.with_columns(
            pl.Series("to_month_end", days), weekday=pl.col("date").dt.weekday(), month=pl.col("date").dt.month()
        )

    return Applied(name, make)


def gaps(name: str = "gap") -> Applied:
    """Days since the symbol's last bar: long after a halt."""
    return made(name, gap=each((pl.col("date") - pl.col("date").shift(1)).dt.total_days()))


@honest
def raw_volume() -> list[Step]:
    """Volume as it is, turnover in money, and volume by its mean of 20 days."""
    columns = ["volume", "turnover", "busy"]
    return [bars(), volumes(), open_to_open(1), modelled("model", columns, forest)]


def volumes(name: str = "volumes") -> Applied:
    return made(
        name,
        turnover=pl.col("volume") * pl.col("close"),
        busy=each(pl.col("volume") / pl.col("volume").rolling_mean(20, min_samples=5)),
    )


@honest
def text_columns() -> list[Step]:
    """Text: a sector, the weekday's name, a size class by training quantiles; a mean by class."""
    names = pl.concat_str(pl.lit("sector "), pl.col("symbol").str.slice(-1), ignore_nulls=True)
    return [
        bars(),
        made("names", sector=names, weekday=pl.col("date").dt.strftime("%A")),
        sizes(),
        open_to_open(2),
        category_means("model", "size"),
    ]


def sizes(name: str = "sizes") -> Learnt:
    def learn(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> list[float]:
        return thirds(train)

    return Learnt(name, learn, size_classes)


def thirds(table: pl.DataFrame) -> list[float]:
    return [table["close"].quantile(share) or 0.0 for share in (1 / 3, 2 / 3)]


def size_classes(frame: pl.DataFrame, inputs: Inputs, edges: list[float]) -> pl.DataFrame:
    close = pl.col("close")
    size = pl.when(close < edges[0]).then(pl.lit("small")).when(close < edges[1]).then(pl.lit("middle"))
    return frame.with_columns(size=size.when(close.is_not_null()).then(pl.lit("large")))


@honest
def persistent() -> list[Step]:
    """Features that hardly move from day to day: a slow mean of the level, the level itself, days since listing."""
    slow = each(pl.col("close").log().ewm_mean(half_life=120, ignore_nulls=True))
    columns = ["slow", "close", "age"]
    step = made("slow", slow=slow, age=each(pl.int_range(pl.len())))
    return [bars(), step, open_to_open(1), modelled("model", columns, boosted)]


@dataclass
class PandasFeatures:
    """Made by way of pandas, as many users do."""

    name: str = "pandas"
    days: int = 10

    def fit(self, train: pl.DataFrame, inputs: Inputs, at: dt.date) -> None:
        """Learns nothing."""

    def apply(self, frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        table: Any = frame.to_pandas()
        by_symbol = table.groupby("symbol")["close"]
        change = by_symbol.pct_change(self.days, fill_method=None)
        slope = by_symbol.transform(lambda closes: closes.rolling(self.days).mean().diff())
        return frame.with_columns(
            pl.Series("change", change.to_numpy()).fill_nan(None), pl.Series("slope", slope.to_numpy()).fill_nan(None)
        )


@honest
def by_way_of_pandas() -> list[Step]:
    """Rolling means and changes in pandas."""
    return [bars(), PandasFeatures(), open_to_open(5), modelled("model", ["change", "slope"], LinearRegression)]


@honest
def neutral_to_sector() -> list[Step]:
    """Momentum less its sector's mean of the day, then a rank, then a forecast that sums to zero."""
    sector = pl.col("symbol").str.slice(1).cast(pl.Int64, strict=False).fill_null(0) % 4
    return [
        bars(),
        momentum(),
        made("sector", sector=sector),
        made("neutral", pl.col(*MOMENTA) - pl.col(*MOMENTA).mean().over("date", "sector")),
        excess_label(5),
        ridge(MOMENTA),
        made("centred", forecast=pl.col("forecast") - pl.col("forecast").mean().over("date")),
    ]


@honest
def live_breadth() -> list[Step]:
    """How many symbols trade and how many rise on the day: the same for all rows of a date."""
    rising = (pl.col("momentum_1") > 0).mean().over("date")
    counts = made("breadth", alive=pl.len().over("date").cast(pl.Float64), rising=rising)
    return [bars(), momentum(), counts, open_to_open(1), modelled("model", ["alive", "rising"], LinearRegression)]
