"""Planted leaks: `LEAKS` lists honest pipelines with exactly one step made wrong in each.

A leak replaces one step of its twin in `clean.PIPELINES` and leaves the others as they are. How the wrong step came
about is told by the decorator: its `apply` was replaced (`applies`), its learning (`learns`), or all of it (`made_by`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl
from scipy.signal import savgol_filter
from sklearn.linear_model import Ridge
from sklearn.naive_bayes import GaussianNB

from nightdesk.evaluation.pipeline import KEY, Inputs, Step

from . import blocks, clean
from .blocks import MOMENTA, Applied, Apply, Learn, Learnt, each, returns_over, with_labels
from .clean import CANDIDATES, MONTH, PIPELINES, WEEK


@dataclass(frozen=True)
class Leak:
    """A pipeline with one thing wrong.

    Attributes
    ----------
    name : unique; kind : one of `KINDS`; step : the name of the step that is wrong, the only one.
    why : a sentence that says what it saw too early.
    twin : the honest pipeline's name in `clean.PIPELINES`.
    weak : whether it touches only few symbols, dates or rows, or only what a fit learns.
    steps : makes the list of steps afresh.
    """

    name: str
    kind: str
    step: str
    why: str
    twin: str
    weak: bool
    steps: Callable[[], list[Step]]


LEAKS: Final[list[Leak]] = []

SHIFT: Final = "shift by one day"
CENTRED: Final = "centred window"
GLOBAL: Final = "global scaling"
SELECTION: Final = "full-sample selection"
REGIME: Final = "smoothed regime"
RESTATED: Final = "restated before known"
UNFINISHED: Final = "unfinished period"
NO_PURGE: Final = "label overlap"
LAG: Final = "publication lag"
FILL: Final = "fill at own close"
BACK_FILL: Final = "back-fill"
SURVIVORS: Final = "survivors only"
ROWS: Final = "rows by the future"
LABEL: Final = "label before known"
KINDS: Final = (
    SHIFT, CENTRED, GLOBAL, SELECTION, REGIME, RESTATED, UNFINISHED, NO_PURGE, LAG, FILL, BACK_FILL, SURVIVORS, ROWS,
    LABEL,
)  # fmt: skip


def planted(
    kind: str, twin: str, step: str, function: Callable[..., Any], wrong: Callable[[Step], Any], weak: bool
) -> None:
    """Enter the leak that `wrong` makes of the twin's step, under the function's name and docstring."""

    def steps() -> list[Step]:
        return [wrong(own) if own.name == step else own for own in PIPELINES[twin]()]

    LEAKS.append(Leak(function.__name__, kind, step, " ".join((function.__doc__ or "").split()), twin, weak, steps))


def applies(kind: str, twin: str, step: str, *, weak: bool = False) -> Callable[[Apply], Apply]:
    """The step's `apply` is replaced; it learns nothing."""

    def enter(function: Apply) -> Apply:
        planted(kind, twin, step, function, lambda _: Applied(step, function), weak)
        return function

    return enter


def learns(kind: str, twin: str, step: str, *, weak: bool = False) -> Callable[[Learn], Learn]:
    """What the step learns from is wrong, its `apply` is not."""

    def enter(function: Learn) -> Learn:
        planted(kind, twin, step, function, lambda own: replace(own, learn=function), weak)  # type: ignore[type-var]
        return function

    return enter


def made_by(
    kind: str, twin: str, step: str, *, weak: bool = False
) -> Callable[[Callable[[], Step]], Callable[[], Step]]:
    """The whole step is another one."""

    def enter(function: Callable[[], Step]) -> Callable[[], Step]:
        planted(kind, twin, step, function, lambda _: function(), weak)
        return function

    return enter


# Shift by one day ------------------------------------------------------------------------------------------------


@applies(SHIFT, "momentum_ridge", "momentum")
def momentum_to_tomorrow(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Momentum ends at tomorrow's close, because the shift has the wrong sign."""
    return frame.with_columns(each(returns_over(days).shift(-1)).alias(f"momentum_{days}") for days in (1, 5, 20))


@applies(SHIFT, "neutral_to_sector", "momentum", weak=True)
def tomorrow_for_two_symbols(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Two symbols from another time zone are stamped a day early, so that they show tomorrow's return."""
    early = pl.col("symbol").is_in(["S03", "S07"])
    return frame.with_columns(
        pl.when(early).then(each(returns_over(days).shift(-1))).otherwise(returns_over(days)).alias(f"momentum_{days}")
        for days in (1, 5, 20)
    )


@applies(SHIFT, "filtered_regime", "momentum", weak=True)
def tomorrow_at_month_ends(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """On the 28th of a month and later, momentum is taken from the symbol's next bar."""
    late = pl.col("date").dt.day() >= 28
    return frame.with_columns(
        pl.when(late).then(each(returns_over(days).shift(-1))).otherwise(returns_over(days)).alias(f"momentum_{days}")
        for days in (1, 5, 20)
    )


@applies(SHIFT, "raw_volume", "volumes")
def tomorrows_turnover(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Turnover is tomorrow's volume at today's close."""
    right = clean.volumes().apply(frame, inputs)
    return right.with_columns(turnover=each(pl.col("volume").shift(-1)) * pl.col("close"))


@applies(SHIFT, "calendar_features", "gap", weak=True)
def days_to_next_bar(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The gap is the one to the next bar, not from the last: it tells of halts to come."""
    return frame.with_columns(gap=each((pl.col("date").shift(-1) - pl.col("date")).dt.total_days()))


@made_by(SHIFT, "by_way_of_pandas", "pandas")
def pandas_shifted() -> Step:
    """The pandas change is moved a row up, in code that users write by way of alignment."""

    class Shifted(clean.PandasFeatures):
        def apply(self, frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
            right = super().apply(frame, inputs)
            return right.with_columns(each(pl.col("change").shift(-1)))

    return Shifted()


@applies(SHIFT, "live_breadth", "breadth", weak=True)
def breadth_of_tomorrow(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The count of living symbols is tomorrow's: it falls on the eve of a delisting or a halt."""
    counts = frame.group_by("date").agg(alive=pl.len().cast(pl.Float64)).sort("date")
    rising = (pl.col("momentum_1") > 0).mean().over("date")
    counts = counts.with_columns(pl.col("alive").shift(-1))
    return frame.join(counts, on="date", how="left").with_columns(rising=rising)


@applies(SHIFT, "persistent", "slow", weak=True)
def slow_mean_with_tomorrow(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """A slow mean of closes whose newest close is tomorrow's: the feature hardly moves, and yet it knows."""
    close = pl.col("close").shift(-1).fill_null(pl.col("close")).log()
    slow = each(close.ewm_mean(half_life=120, ignore_nulls=True))
    return frame.with_columns(slow=slow, age=each(pl.int_range(pl.len())))


# Centred window --------------------------------------------------------------------------------------------------


@applies(CENTRED, "smoothed_forecast", "smooth_close")
def centred_mean(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Closes are smoothed by a centred mean, which holds two days to come."""
    return frame.with_columns(close=each(pl.col("close").rolling_mean(5, min_samples=1, center=True)))


@applies(CENTRED, "smoothed_forecast", "smooth_forecast")
def centred_forecast(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Forecasts are smoothed with the next day's forecast, at the very end of the pipeline."""
    return frame.with_columns(forecast=each(pl.col("forecast").rolling_mean(3, min_samples=1, center=True)))


@applies(CENTRED, "barriers", "volatility")
def centred_volatility(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The volatility that also sets the barriers is centred on the day."""
    return frame.with_columns(volatility=each(clean.returns_one().rolling_std(20, min_samples=10, center=True)))


@applies(CENTRED, "cleaned_prices", "outliers", weak=True)
def outliers_by_both_sides(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """A jump is replaced by the median of both sides: only the few days of a jump differ."""
    middle = pl.col("close").rolling_median(5, min_samples=1)
    both = pl.col("close").rolling_median(5, min_samples=1, center=True)
    jump = (pl.col("close") / middle - 1).abs() > 0.04
    return frame.with_columns(close=each(pl.when(jump).then(both).otherwise(pl.col("close"))))


@applies(CENTRED, "rolling_and_expanding", "windows")
def savitzky_golay(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The distance from the mean is measured on closes that a symmetric filter has smoothed."""
    right = clean.windows().apply(frame, inputs)
    parts = []
    for part in right.partition_by("symbol", maintain_order=True):
        closes = part["close"].forward_fill()
        smooth = savgol_filter(closes.fill_null(0.0).to_numpy(), min(7, part.height), min(2, part.height - 1))
        parts.append(part.with_columns(above_mean=pl.col("above_mean") + 1 - closes / pl.Series(smooth)))
    return pl.concat(parts)


@applies(CENTRED, "market_beta", "beta")
def centred_beta(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The rolling beta looks as far ahead as behind."""
    x, y = pl.col("market"), pl.col("move")

    def mean(column: pl.Expr) -> pl.Expr:
        return column.rolling_mean(40, min_samples=20, center=True)

    return frame.with_columns(beta=each((mean(x * y) - mean(x) * mean(y)) / (mean(x * x) - mean(x) ** 2)))


# Global scaling --------------------------------------------------------------------------------------------------


@applies(GLOBAL, "momentum_ridge", "scaler")
def scaled_by_whole_frame(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Mean and deviation are those of the whole frame."""
    return frame.with_columns((pl.col(*MOMENTA) - pl.col(*MOMENTA).mean()) / pl.col(*MOMENTA).std())


@learns(GLOBAL, "weekly_bars", "scaler", weak=True)
def scaler_fitted_on_inputs(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> Any:
    """The scaler is fitted on features made anew from all inputs, those after the split too."""
    keys = inputs.bars.select(KEY).unique().sort(KEY)
    whole = clean.week_so_far().apply(blocks.bars().apply(keys, inputs), inputs)
    return blocks.spans(whole, ["week_return", "week_range"], pl.Expr.mean, pl.Expr.std)


@learns(GLOBAL, "robust_scaled", "clip", weak=True)
def clipped_at_whole_quantiles(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> Any:
    """The limits of clipping are quantiles of all bars' momentum: only extreme rows differ."""
    keys = inputs.bars.select(KEY).unique().sort(KEY)
    return clean.limits(blocks.momentum().apply(blocks.bars().apply(keys, inputs), inputs))


@applies(GLOBAL, "expanding_scaled", "scaler")
def width_of_all_days(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The mean expands with the days, but the width is that of all of them."""
    joined = frame.join(clean.day_sums(frame), on="date", how="left")
    scaled = (pl.col("momentum_5") - pl.col("sum") / pl.col("count")) / pl.col("momentum_5").std()
    return joined.with_columns(scaled_5=scaled).drop("sum", "squares", "count")


@applies(GLOBAL, "own_history_scaled", "range")
def range_of_whole_life(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Each symbol's place in the range of its whole life, highs to come among it."""
    low, high = pl.col("close").min(), pl.col("close").max()
    return frame.with_columns(place=each((pl.col("close") - low) / (high - low + 1e-9)))


@applies(GLOBAL, "history_percentile", "percentile")
def percentile_of_whole_life(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Volume's rank is taken among all the symbol's days."""
    return frame.with_columns(busy=each(pl.col("volume").rank() / pl.col("volume").count()))


@applies(GLOBAL, "text_columns", "sizes")
def size_classes_of_all_days(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Size classes, as text, by thirds of the whole frame's closes."""
    return clean.size_classes(frame, inputs, clean.thirds(frame))


@applies(GLOBAL, "forecast_threshold", "decide")
def top_tenth_of_all_forecasts(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Buys the top tenth of all forecasts, those of later days too: the last step is the wrong one."""
    return clean.buy_above(frame, inputs, frame["forecast"].quantile(0.9))


@applies(GLOBAL, "imputed_forest", "impute", weak=True)
def imputed_by_whole_mean(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Missing volumes get the symbol's mean over all days: only those few rows differ."""
    return clean.impute_usual(frame, inputs, frame.group_by("symbol").agg(usual=pl.col("volume").mean()))


# Full-sample selection -------------------------------------------------------------------------------------------


@applies(SELECTION, "selected", "select")
def selected_on_whole_frame(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The best features are those of the whole frame, labels after the split among it."""
    return clean.keep_best(frame, inputs, clean.best_of(frame.drop_nulls(["label", *CANDIDATES])))


@learns(SELECTION, "best_look_back", "look", weak=True)
def look_back_by_all_days(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> int:
    """The look-back is chosen in the fit on bars and labels of all days, made anew from the inputs."""
    keys = inputs.bars.select(KEY).unique().sort(KEY)
    whole = blocks.open_to_open(3).apply(blocks.bars().apply(keys, inputs), inputs)
    return clean.best_days(whole, whole.drop_nulls("label"))


@learns(SELECTION, "liquid_symbols", "liquid", weak=True)
def most_traded_of_all_days(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> list[str]:
    """The symbols kept are those most traded over all days: it shows only in which rows exist."""
    return clean.most_traded(inputs.first_bars())


@applies(SELECTION, "principal_parts", "pca")
def components_of_whole_frame(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The components are those of the whole frame: no label seen, and yet later days' covariance."""
    return clean.use_parts(frame, inputs, clean.parts_of(frame))


@applies(SELECTION, "clusters", "clusters")
def clusters_of_whole_frame(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The clusters' centres are found among all days; the column is text."""
    return clean.use_centres(frame, inputs, clean.centres_of(frame))


@learns(SELECTION, "swing_ridge", "model")
def model_of_all_days(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> Any:
    """The final model is refitted on all inputs, scaled like the training rows, and then judged on them."""
    keys = inputs.bars.select(KEY).unique().sort(KEY)
    whole = blocks.momentum().apply(blocks.bars().apply(keys, inputs), inputs)
    raw = whole.filter(pl.col("date") <= at)
    whole = blocks.use_spans(whole, inputs, blocks.spans(raw, MOMENTA, pl.Expr.mean, pl.Expr.std))
    rows = blocks.open_to_open(5).apply(whole, inputs).drop_nulls(["label", *MOMENTA])
    return blocks.fitted(clean.neighbours(), rows, MOMENTA, "label", sign=False)


# Smoothed regime -------------------------------------------------------------------------------------------------


def backward(beliefs: np.ndarray, likely: np.ndarray) -> np.ndarray:
    """Probabilities of the regimes from the filtered ones and all days' chances."""
    turn = np.array([[blocks.STAY, 1 - blocks.STAY], [1 - blocks.STAY, blocks.STAY]])
    back, out = np.ones(2), beliefs.copy()
    for place in range(len(beliefs) - 1, -1, -1):
        out[place] = beliefs[place] * back / (beliefs[place] * back).sum()
        back = turn @ (likely[place] * back)
        back = back / back.sum()
    return out


def smoothed(moves: np.ndarray, widths: tuple[float, float]) -> np.ndarray:
    """Probability of the wild regime from all days."""
    return backward(blocks.filtered(moves, widths), blocks.chances(moves, widths))[:, 1]


def viterbi(moves: np.ndarray, widths: tuple[float, float]) -> np.ndarray:
    """The likeliest path of regimes over all days."""
    turn = np.log(np.array([[blocks.STAY, 1 - blocks.STAY], [1 - blocks.STAY, blocks.STAY]]))
    logs = np.log(blocks.chances(moves, widths))
    score, came = logs[0], []
    for log in logs[1:]:
        options = score[:, None] + turn
        came.append(options.argmax(axis=0))
        score = options.max(axis=0) + log
    path = [int(score.argmax())]
    for before in reversed(came):
        path.append(int(before[path[-1]]))
    return np.array(path[::-1], dtype=float)


def regime_by(wild_of: Callable[[np.ndarray, tuple[float, float]], np.ndarray]) -> Step:
    """The twin's regime with another way from moves to the probability of the wild one."""

    def use(frame: pl.DataFrame, inputs: Inputs, widths: tuple[float, float]) -> pl.DataFrame:
        market = blocks.market_returns(frame)
        return blocks.with_regime(frame, market["date"], wild_of(market["move"].to_numpy(), widths))

    return Learnt("regime", blocks.regime().learn, use)


@made_by(REGIME, "filtered_regime", "regime")
def smoothed_probability() -> Step:
    """The regime's probability is smoothed by a pass backward over all days."""
    return regime_by(smoothed)


@made_by(REGIME, "filtered_regime", "regime", weak=True)
def likeliest_path() -> Step:
    """The regime is that of the likeliest path over all days (Viterbi)."""
    return regime_by(viterbi)


@made_by(REGIME, "filtered_regime", "regime", weak=True)
def smoothed_by_three_days() -> Step:
    """The probability is smoothed over only three days to come (fixed lag)."""

    def lagged(moves: np.ndarray, widths: tuple[float, float]) -> np.ndarray:
        beliefs, likely = blocks.filtered(moves, widths), blocks.chances(moves, widths)
        both = [backward(beliefs[place : place + 4], likely[place : place + 4])[0] for place in range(len(moves))]
        return np.array(both).reshape(-1, 2)[:, 1]

    return regime_by(lagged)


@learns(REGIME, "filtered_regime", "regime", weak=True)
def widths_of_all_days(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> tuple[float, float]:
    """The regimes' widths are learnt from all bars, those after the split too; the filter is honest."""
    return blocks.widths_of(blocks.market_returns(inputs.first_bars())["move"].to_numpy())


@made_by(REGIME, "kalman_trend", "kalman")
def kalman_smoother() -> Step:
    """The level comes from the smoother's pass backward, not from the filter."""

    def levels(closes: np.ndarray, width: float) -> np.ndarray:
        means, variances = clean.filter_levels(closes, width)
        out = means.copy()
        for place in range(len(out) - 2, -1, -1):
            gain = variances[place] / (variances[place] + width**2)
            if not np.isnan(out[place]):
                out[place] = means[place] + gain * (out[place + 1] - means[place])
        return out

    def use(frame: pl.DataFrame, inputs: Inputs, width: float) -> pl.DataFrame:
        return clean.with_levels(frame, lambda closes: levels(closes, width))

    return Learnt("kalman", clean.kalman().learn, use)


@applies(REGIME, "bull_market", "bull")
def dated_by_hindsight(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """A bull market is dated by hindsight: the market stands higher 20 sessions on."""
    market = blocks.market_returns(frame).with_columns(index=pl.col("move").cum_sum())
    market = market.select("date", bull=pl.col("index").shift(-20).forward_fill() > pl.col("index"))
    return frame.join(market, on="date", how="left")


# Restated before known -------------------------------------------------------------------------------------------


def last_bars(inputs: Inputs) -> pl.DataFrame:
    """Every bar in its last version, whenever that became known."""
    return inputs.bars.sort(*KEY, "known_on").unique(KEY, keep="last", maintain_order=True).drop("known_on")


@applies(RESTATED, "momentum_ridge", "bars")
def latest_versions(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Bars are taken in their latest version, restatements to come among them."""
    return frame.join(last_bars(inputs), on=KEY, how="left")


@applies(RESTATED, "raw_volume", "bars", weak=True)
def latest_volume(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Prices are as first known, only the volume is the latest version's."""
    volume = last_bars(inputs).select(*KEY, "volume")
    return frame.join(inputs.first_bars().drop("volume").join(volume, on=KEY), on=KEY, how="left")


@made_by(RESTATED, "restatement_book", "book", weak=True)
def book_entered_a_day_early() -> Step:
    """A restatement enters the book on the eve of the day on which it became known."""

    class Early(clean.RestatedBook):
        def news_of(self, inputs: Inputs) -> pl.DataFrame:
            eve = pl.max_horizontal("date", pl.col("known_on") - pl.duration(days=1))
            return super().news_of(inputs).with_columns(known_on=eve)

    return Early()


@applies(RESTATED, "as_known_trend", "trend", weak=True)
def restated_by_week(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Restatements are used from the Monday of the week in which they became known."""
    monday = pl.max_horizontal("date", pl.col("known_on").dt.truncate("1w"))
    return clean.with_trend(frame, closes_since(frame, inputs, monday))


def closes_since(frame: pl.DataFrame, inputs: Inputs, since: pl.Expr) -> pl.DataFrame:
    """Closes of the last ten bars, a version counting from the day of `since`; of several the newest counts."""
    places = inputs.first_bars().select(*KEY, place=each(pl.int_range(pl.len())))
    asked = (
        frame.select(KEY)
        .join(places, on=KEY)
        .join(pl.DataFrame({"lag": range(10)}), how="cross")
        .select(*KEY, "lag", place=pl.col("place") - pl.col("lag"))
    )
    versions = inputs.bars.with_columns(since=since).join(places, on=KEY)
    return (
        asked.join(versions.select("symbol", "place", "close", "known_on", "since"), on=["symbol", "place"])
        .filter(pl.col("since") <= pl.col("date"))
        .sort(*KEY, "lag", "known_on")
        .unique([*KEY, "lag"], keep="last", maintain_order=True)
    )


@applies(RESTATED, "split_adjusted", "adjusted", weak=True)
def adjusted_for_split_to_come(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Closes are adjusted for a split before it: only the split symbol's older bars differ."""
    whole = inputs.bars.filter((pl.col("symbol") == "S05") | (pl.col("known_on") == pl.col("date")))
    last = whole.sort(*KEY, "known_on").unique(KEY, keep="last", maintain_order=True)
    known = pl.concat(
        [
            inputs.bars.filter(pl.col("symbol") != "S05"),
            last.filter(pl.col("symbol") == "S05").with_columns(known_on=pl.col("date")),
        ]
    )
    closes = blocks.closes_as_known(frame, Inputs(known, inputs.facts, inputs.members), 15)
    return clean.with_range(frame, closes)


@applies(RESTATED, "market_beta", "label")
def label_of_latest_versions(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Labels are made of the latest versions of opens, and yet say that they were known on the bar's own day."""
    first = last_bars(inputs).with_columns(known_on=pl.col("date"))
    return blocks.excess_label(3).apply(frame, Inputs(first, inputs.facts, inputs.members))


# Unfinished period -----------------------------------------------------------------------------------------------


@applies(UNFINISHED, "weekly_bars", "weeks")
def whole_week(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Each row holds its week's last close and whole range, on a Monday too."""
    group = ["symbol", "week"]
    weeks = (
        frame.with_columns(week=WEEK)
        .group_by(group, maintain_order=True)
        .agg(pl.col("close").drop_nulls().last(), pl.col("high").max(), pl.col("low").min())
        .sort(group)
        .select(
            *group,
            week_return=each(pl.col("close") / pl.col("close").shift(1) - 1),
            week_range=pl.col("high") / pl.col("low") - 1,
        )
    )
    return frame.with_columns(week=WEEK).join(weeks, on=group, how="left").drop("week")


@applies(UNFINISHED, "finished_weeks", "finished")
def running_week_taken_as_finished(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The last finished week is the running one: its label was moved a week."""
    return running_week(frame)


def running_week(frame: pl.DataFrame) -> pl.DataFrame:
    """Each row with the return of its own week, to the last close there is."""
    group = ["symbol", "week"]
    frame = frame.with_columns(week=WEEK)
    weeks = frame.group_by(group, maintain_order=True).agg(pl.col("close").drop_nulls().last()).sort(group)
    weeks = weeks.select(*group, finished_return=each(pl.col("close") / pl.col("close").shift(1)) - 1)
    return frame.join(weeks, on=group, how="left").drop("week")


@applies(UNFINISHED, "finished_weeks", "finished", weak=True)
def thursday_as_week_end(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """From Thursday on the week counts as finished, Friday's close included."""
    right = clean.last_finished_week().apply(frame, inputs)
    running = running_week(frame).select(*KEY, running="finished_return")
    late = pl.col("date").dt.weekday() >= 4
    both = right.join(running, on=KEY, how="left")
    return both.with_columns(
        finished_return=pl.when(late).then(pl.col("running")).otherwise(pl.col("finished_return"))
    ).drop("running")


@applies(UNFINISHED, "monthly_bars", "months")
def range_of_whole_month(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The place in the month's range is by the highest high of the whole month."""
    right = clean.month_so_far().apply(frame, inputs)
    high, low = pl.col("high").max(), pl.col("low").min()
    place = ((pl.col("close") - low) / (high - low + 1e-9)).over("symbol", MONTH)
    return right.with_columns(month_place=place)


@applies(UNFINISHED, "monthly_bars", "months")
def volume_of_whole_month(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The month's mean volume is that of the whole month."""
    right = clean.month_so_far().apply(frame, inputs)
    return right.with_columns(month_volume=pl.col("volume").mean().over("symbol", MONTH).log1p())


@applies(UNFINISHED, "neutral_to_sector", "centred")
def centred_by_month(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Forecasts are centred within the calendar month, not within the day: the last step is the wrong one."""
    return frame.with_columns(forecast=pl.col("forecast") - pl.col("forecast").mean().over(MONTH))


@applies(UNFINISHED, "calendar_features", "calendar", weak=True)
def month_end_by_last_bar(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Days to the month's end are counted to the symbol's last bar in it: it tells of delistings and halts."""
    right = clean.calendar_step().apply(frame, inputs)
    left = (pl.col("date").max().over("symbol", MONTH) - pl.col("date")).dt.total_days()
    return right.with_columns(to_month_end=left)


# Label overlap ---------------------------------------------------------------------------------------------------


@learns(NO_PURGE, "many_horizons", "model_10", weak=True)
def model_without_purge(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> Any:
    """The model learns from rows before the split whose ten-day labels end after it."""
    rows = train.drop_nulls(["label_10", *MOMENTA])
    return blocks.fitted(Ridge(10.0), rows, MOMENTA, "label_10", sign=False)


@learns(NO_PURGE, "barriers", "model", weak=True)
def barrier_model_without_purge(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> Any:
    """The classifier learns from barriers that are met only after the split."""
    columns = ["momentum_5", "volatility"]
    return blocks.fitted(GaussianNB(), train.drop_nulls(["label", *columns]), columns, "label", sign=True)


@learns(NO_PURGE, "selected", "select", weak=True)
def selection_without_purge(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> list[str]:
    """Only the selection of features sees the labels that end after the split; the model is purged."""
    return clean.best_of(train.drop_nulls(["label", *CANDIDATES]))


@learns(NO_PURGE, "platt_calibration", "calibrate", weak=True)
def calibration_without_purge(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> tuple[float, float]:
    """Only the calibration learns from labels that end after the split."""
    return clean.platt_of(train.drop_nulls(["raw", "label"]))


@made_by(NO_PURGE, "isotonic_calibration", "model", weak=True)
def hold_out_without_purge() -> Step:
    """The hold-out of the calibration reaches to the split, its labels beyond it; the classifier is purged."""

    class Unpurged(clean.Calibrated):
        def hold_out(self, train: pl.DataFrame, newer: pl.DataFrame) -> pl.DataFrame:
            return train.filter(pl.col("date") >= newer["date"].min()).drop_nulls([*self.columns, "label"])

    return Unpurged(GaussianNB, clean.isotonic)


@made_by(NO_PURGE, "stacked", "stack", weak=True)
def stacking_without_purge() -> Step:
    """The folds are purged against each other but not against the split."""

    class Unpurged(clean.Stacked):
        def rows(self, train: pl.DataFrame, at: dt.date) -> pl.DataFrame:
            return train.drop_nulls([*MOMENTA, "label"])

    return Unpurged()


@learns(NO_PURGE, "target_encoded", "encode", weak=True)
def encoding_without_purge(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> pl.DataFrame:
    """The mean label of each symbol has labels in it that end after the split."""
    return clean.means_by(train.drop_nulls("label"), "symbol")


@learns(NO_PURGE, "histogram_boosting", "model", weak=True)
def purge_in_calendar_days(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> Any:
    """The purge counts calendar days for sessions: five days, where the label takes eight."""
    purged = train.filter(pl.col("date") <= at - dt.timedelta(days=5)).with_columns(label_exit=pl.lit(at))
    own = next(step for step in PIPELINES["histogram_boosting"]() if step.name == "model")
    assert isinstance(own, Learnt)
    return own.learn(purged.filter(pl.col("label").is_not_null()), inputs, at)


@made_by(NO_PURGE, "weighted_by_overlap", "model", weak=True)
def weights_of_unpurged() -> Step:
    """Only the weights count labels that end after the split, by their true ends; the rows are purged."""

    class Unpurged(clean.Weighted):
        def weights(self, rows: pl.DataFrame, train: pl.DataFrame) -> np.ndarray:
            return clean.uniqueness(rows, train.drop_nulls("label"))

    return Unpurged()


@applies(NO_PURGE, "swing_ridge", "label")
def exit_told_too_early(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The label says that it ends a session before it does, so that an honest purge keeps too much."""
    days = inputs.first_bars().select(*KEY, early=each(pl.col("date").shift(-5)))
    right = blocks.open_to_open(5).apply(frame, inputs).join(days, on=KEY, how="left")
    early = pl.when(pl.col("label_exit").is_not_null()).then(pl.col("early"))
    return right.with_columns(label_exit=early).drop("early")


@applies(NO_PURGE, "fixed_barriers", "label", weak=True)
def exit_at_first_session(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Barriers that are met late say that they end on the second session."""
    days = inputs.first_bars().select(*KEY, early=each(pl.col("date").shift(-2)))
    right = blocks.triple_barrier(0.03, 8).apply(frame, inputs).join(days, on=KEY, how="left")
    early = pl.when(pl.col("label_exit").is_not_null()).then(pl.min_horizontal("label_exit", "early"))
    return right.with_columns(label_exit=early).drop("early")


# Publication lag -------------------------------------------------------------------------------------------------


def facts_since(frame: pl.DataFrame, inputs: Inputs, since: pl.Expr) -> pl.DataFrame:
    """The newest figures, each counted as published from the day of `since`."""
    told = frame.select(KEY).join(inputs.facts, on="symbol").filter(since <= pl.col("date"))
    return clean.with_facts(frame, blocks.newest_facts(told))


@applies(LAG, "fundamentals", "facts")
def facts_at_period_end(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Figures are used from the period's end on, weeks before they were published."""
    return facts_since(frame, inputs, pl.col("period_end"))


@applies(LAG, "fact_rank", "facts")
def fixed_lag_of_forty_days(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """All figures are held to be known 40 days after the period: those published later leak."""
    return facts_since(frame, inputs, pl.col("period_end").dt.offset_by("40d"))


@applies(LAG, "stale_facts", "facts", weak=True)
def restated_figures_on_time(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The day of the first publication, but the figure as restated later."""
    return facts_since(frame, inputs, pl.col("known_on").min().over(*KEY, "period_end"))


@applies(LAG, "latest_publication", "publications")
def nearest_publication(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The join takes the nearest publication, before or after."""
    return clean.publications(strategy="nearest").apply(frame, inputs)


@applies(LAG, "member_ranks", "members", weak=True)
def lists_from_their_snapshot(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Lists of members count from the snapshot's day, days before they were known: it shows in which rows exist."""
    lists = frame.select("date").unique().join(inputs.members, how="cross")
    return frame.join(blocks.newest_lists(lists), on=KEY, how="semi")


@applies(LAG, "member_flag", "flag")
def flag_of_next_list(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The flag is by the list of the month's end, whose changes are still to come."""
    ends = inputs.members.select("symbol", month=pl.col("snapshot_date").dt.truncate("1mo").dt.offset_by("-1mo"))
    flags = ends.unique().with_columns(is_member=pl.lit(True))
    joined = frame.with_columns(month=MONTH).join(flags, on=["symbol", "month"], how="left").drop("month")
    return joined.with_columns(pl.col("is_member").fill_null(False))


@learns(LAG, "fundamentals", "impute", weak=True)
def median_of_all_facts(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> dict[str, float]:
    """What fills a missing figure is the median of all facts, those published after the split too."""
    fill: dict[str, float] = clean.medians().learn(train, inputs, at)
    return {**fill, "value": inputs.facts["value"].median()}  # type: ignore[dict-item]


# Fill at own close -----------------------------------------------------------------------------------------------


def priced(frame: pl.DataFrame, inputs: Inputs, start: pl.Expr, end: pl.Expr, days: int) -> pl.DataFrame:
    """Labels from `start` to `end`, known with the bar so many rows on."""
    prices = inputs.first_bars().select(*KEY, label=each(end / start - 1), label_exit=each(pl.col("date").shift(-days)))
    return with_labels(frame, prices, ["label"])


@applies(FILL, "momentum_ridge", "label")
def close_to_close(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The label begins at the very close that the signal is made of."""
    return priced(frame, inputs, pl.col("close"), pl.col("close").shift(-1), 1)


@applies(FILL, "smoothed_forecast", "label")
def close_to_open(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Bought at the signal's close, sold at an open: the night's gap is earned unseen."""
    return priced(frame, inputs, pl.col("close"), pl.col("open").shift(-3), 3)


@applies(FILL, "cleaned_prices", "label")
def open_of_same_day(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The label begins at the open of the signal's own day."""
    return priced(frame, inputs, pl.col("open"), pl.col("open").shift(-2), 2)


@applies(FILL, "live_breadth", "label", weak=True)
def close_where_open_is_missing(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Where the next open is missing, the label begins at the signal's close."""
    start = pl.coalesce(pl.col("open").shift(-1), pl.col("close"))
    return priced(frame, inputs, start, pl.col("open").shift(-2), 2)


@applies(FILL, "raw_volume", "label", weak=True)
def close_on_fridays(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """On Fridays, not to wait over the weekend, the label begins at the close."""
    start = pl.when(pl.col("date").dt.weekday() == 5).then(pl.col("close")).otherwise(pl.col("open").shift(-1))
    return priced(frame, inputs, start, pl.col("open").shift(-2), 2)


@applies(FILL, "fixed_barriers", "label")
def barriers_around_own_close(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The barriers lie around the signal's close, not around the next open."""
    own = inputs.first_bars().with_columns(open=each(pl.col("close").shift(1)), known_on=pl.col("date"))
    return blocks.triple_barrier(0.03, 8).apply(frame, Inputs(own, inputs.facts, inputs.members))


@applies(FILL, "fills_next_open", "fills")
def filled_at_own_close(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The fill's price is the signal's close; the returns are right."""
    return clean.with_fills(frame.with_columns(price=pl.col("close")))


@applies(FILL, "fills_next_open", "fills", weak=True)
def profit_with_own_gap(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Fills are at the next open, but the profit has the gap from the signal's close in it."""
    gap = inputs.first_bars().select(*KEY, gap=each(pl.col("open").shift(-1) / pl.col("close") - 1))
    right = clean.fills().apply(frame, inputs).join(gap, on=KEY, how="left")
    return right.with_columns(label_profit=pl.col("label_profit") + pl.col("position") * pl.col("gap")).drop("gap")


# Back-fill -------------------------------------------------------------------------------------------------------


@applies(BACK_FILL, "carried_forward", "carry", weak=True)
def back_filled(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Missing numbers get the next known one."""
    return frame.with_columns(each(pl.col("open", "close", "volume").backward_fill()))


@applies(BACK_FILL, "carried_forward", "carry", weak=True)
def interpolated(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Missing numbers are interpolated between the one before and the one after."""
    return frame.with_columns(each(pl.col("open", "close", "volume").interpolate()))


@applies(BACK_FILL, "warm_up_filled", "warm_up", weak=True)
def warm_up_from_the_future(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The first days of a symbol get its first volatility, which is known weeks later."""
    return frame.with_columns(each(pl.col("volatility").backward_fill()).fill_null(0.0))


@applies(BACK_FILL, "stale_facts", "facts")
def facts_filled_back(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Days before a symbol's first publication get that publication."""
    right = clean.facts().apply(frame, inputs)
    first = (
        inputs.facts.sort("known_on", "period_end")
        .group_by("symbol")
        .agg(first=pl.col("value").drop_nulls().first(), end=pl.col("period_end").first())
    )
    age = (pl.col("date") - pl.col("end")).dt.total_days().cast(pl.Float64)
    early = pl.col("age").is_null()
    return (
        right.join(first, on="symbol", how="left")
        .with_columns(
            value=pl.when(early).then(pl.col("first")).otherwise(pl.col("value")),
            age=pl.when(early).then(age).otherwise(pl.col("age")),
        )
        .drop("first", "end")
    )


@applies(BACK_FILL, "seasoned_rows", "bars", weak=True)
def filled_from_neighbours_to_come(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """A missing volume gets the next one while the bars are read, so that rows are kept that had none."""
    return blocks.bars().apply(frame, inputs).with_columns(each(pl.col("volume").backward_fill()))


# Survivors only --------------------------------------------------------------------------------------------------


def survivors(inputs: Inputs) -> list[str]:
    """Symbols that have a bar on the last date of the inputs."""
    return inputs.bars.filter(pl.col("date") == pl.col("date").max())["symbol"].unique().sort().to_list()


@applies(SURVIVORS, "quiet_rows", "rows")
def only_survivors(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Rows of symbols that are delisted later are dropped."""
    return frame.filter((pl.col("momentum_1").abs() < 0.06) & pl.col("symbol").is_in(survivors(inputs)))


@applies(SURVIVORS, "member_ranks", "members")
def members_of_last_list(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The members are those of the last list, on all days."""
    last = inputs.members.filter(pl.col("snapshot_date") == pl.col("snapshot_date").max())
    return frame.join(last.select("symbol").unique(), on="symbol", how="semi")


@applies(SURVIVORS, "text_columns", "names", weak=True)
def status_as_text(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """A text column tells whether the symbol is listed on the last date: true to today's master file."""
    listed = pl.col("symbol").is_in(survivors(inputs))
    names = pl.when(listed).then(pl.lit("listed ")).otherwise(pl.lit("gone "))
    return frame.with_columns(
        sector=pl.concat_str(names, pl.col("symbol").str.slice(-1)), weekday=pl.col("date").dt.strftime("%A")
    )


@applies(SURVIVORS, "seasoned_rows", "rows")
def long_lives_only(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Symbols must have 200 bars in all, not 40 up to the day."""
    keep = (pl.len().over("symbol") >= 200) & (pl.col("close") > 15) & pl.col("volume").is_not_null()
    return frame.filter(keep)


@applies(SURVIVORS, "seasoned_rows", "rows", weak=True)
def last_week_dropped(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The last five bars of each symbol are dropped, because prices before a delisting are odd."""
    left = each(pl.len() - pl.int_range(pl.len()))
    right = clean.seasoned().apply(frame.with_columns(left=left), inputs)
    return right.filter(pl.col("left") > 5).drop("left")


@learns(SURVIVORS, "recursive_means", "scaler", weak=True)
def scaler_of_survivors(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> Any:
    """The scaler is fitted on the past of those only that live on after the split."""
    kept = train.filter(pl.col("symbol").is_in(survivors(inputs)))
    return blocks.spans(kept, ["macd", "rsi"], pl.Expr.mean, pl.Expr.std)


@applies(SURVIVORS, "member_ranks", "ranks")
def ranks_among_survivors(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Ranks are by the count of survivors among the members of the day."""
    alive = pl.col("symbol").is_in(survivors(inputs)).sum().clip(1).over("date")
    return frame.with_columns(pl.col(*MOMENTA).rank().over("date") / alive)


# Rows by the future ----------------------------------------------------------------------------------------------


@applies(ROWS, "quiet_rows", "rows")
def rows_with_label_only(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Rows without a label are dropped: which rows exist tells who trades on."""
    return frame.filter((pl.col("momentum_1").abs() < 0.06) & pl.col("label").is_not_null())


@applies(ROWS, "quiet_rows", "rows", weak=True)
def outlying_labels_dropped(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Rows whose return to come is beyond five per cent are dropped as bad data."""
    usual = (pl.col("label").abs() < 0.05).fill_null(True)
    return frame.filter((pl.col("momentum_1").abs() < 0.06) & usual)


@applies(ROWS, "seasoned_rows", "rows", weak=True)
def restated_rows_dropped(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Bars that are restated later are dropped as unsure (the split's restatements aside)."""
    restated = inputs.bars.filter((pl.col("known_on") > pl.col("date")) & (pl.col("symbol") != "S05"))
    return clean.seasoned().apply(frame, inputs).join(restated.select(KEY).unique(), on=KEY, how="anti")


@applies(ROWS, "quiet_rows", "rows", weak=True)
def eve_of_a_halt_dropped(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The last row before a pause of a week or more is dropped: few rows, and only by which exist."""
    sessions = inputs.first_bars().select(*KEY, wait=each((pl.col("date").shift(-1) - pl.col("date")).dt.total_days()))
    waits = frame.join(sessions, on=KEY, how="left").filter(pl.col("wait").fill_null(1) < 7).drop("wait")
    return waits.filter(pl.col("momentum_1").abs() < 0.06)


# Label before known ----------------------------------------------------------------------------------------------


@applies(LABEL, "yesterdays_label", "last_label")
def label_of_the_row_before(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The feature is the label of the row before, which ends a session after today."""
    return frame.with_columns(last_label=each(pl.col("label").shift(1)))


@applies(LABEL, "hit_rate", "hits")
def hits_of_running_labels(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """The hit rate has labels in it that still run: five rows behind, where six are needed."""
    return clean.hits(behind=5).apply(frame, inputs)


@made_by(LABEL, "online_learner", "online")
def online_without_delay() -> Step:
    """The online learner learns from a five-day label on the evening after the decision."""

    class Hasty(clean.Online):
        def known(self, rows: pl.DataFrame) -> pl.Expr:
            return each(pl.col("date").shift(-1))

    return Hasty()


@learns(LABEL, "text_columns", "model", weak=True)
def means_with_own_future(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> pl.DataFrame:
    """The mean label of a size class has the newest training rows in it, whose labels are still to come."""
    newest = train["date"].unique().sort().tail(2).to_list()
    rows = train.filter((pl.col("label_exit") <= at) | pl.col("date").is_in(newest)).drop_nulls("label")
    return clean.means_by(rows, "size")
