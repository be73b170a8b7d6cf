"""The honest steps that the pipelines are put together from, and the two plain forms that most steps have."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from nightdesk.evaluation.pipeline import KEY, Inputs

ENOUGH: Final = 30
Apply = Callable[[pl.DataFrame, Inputs], pl.DataFrame]
Learn = Callable[[pl.DataFrame, Inputs, dt.date], Any]
Use = Callable[[pl.DataFrame, Inputs, Any], pl.DataFrame]


@dataclass
class Applied:
    """A step that learns nothing."""

    name: str
    make: Apply

    def fit(self, train: pl.DataFrame, inputs: Inputs, at: dt.date) -> None:
        """Learns nothing."""

    def apply(self, frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        return self.make(frame, inputs)


@dataclass
class Learnt:
    """A step that keeps what `learn` returned and hands it to `use`."""

    name: str
    learn: Learn
    use: Use
    state: Any = None

    def fit(self, train: pl.DataFrame, inputs: Inputs, at: dt.date) -> None:
        self.state = self.learn(train, inputs, at)

    def apply(self, frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        return self.use(frame, inputs, self.state)


def made(name: str, *expressions: pl.Expr, **named: pl.Expr) -> Applied:
    """A step that adds columns made from the frame alone."""
    return Applied(name, lambda frame, _: frame.with_columns(*expressions, **named))


def each(expression: pl.Expr) -> pl.Expr:
    """Over each symbol's rows in the order of their dates, which is how frames are sorted."""
    return expression.over("symbol")


def bars(name: str = "bars") -> Applied:
    """Every bar as it was first known, beside its key."""
    return Applied(name, lambda frame, inputs: frame.join(inputs.first_bars(), on=KEY, how="left"))


def returns_over(days: int) -> pl.Expr:
    return each(pl.col("close").log() - pl.col("close").log().shift(days))


def momentum(name: str = "momentum") -> Applied:
    return made(name, **{f"momentum_{days}": returns_over(days) for days in (1, 5, 20)})


MOMENTA: Final = ["momentum_1", "momentum_5", "momentum_20"]


# Labels --------------------------------------------------------------------------------------------------------


def open_to_open(*horizons: int, name: str = "label") -> Applied:
    """Returns from the next bar's open to the open so many bars later; several horizons are known with the last."""

    def make(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        columns = {"label" if len(horizons) == 1 else f"label_{days}": days for days in horizons}
        start = pl.col("open").shift(-1)
        prices = inputs.first_bars().select(
            *KEY,
            each(pl.col("date").shift(-1 - max(horizons))).alias("label_exit"),
            **{column: each(pl.col("open").shift(-1 - days) / start - 1) for column, days in columns.items()},
        )
        return with_labels(frame, prices, list(columns))

    return Applied(name, make)


def with_labels(frame: pl.DataFrame, prices: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The frame with labels and their exit; all are null where one is: a row's labels are known together."""
    whole = pl.all_horizontal(pl.col(*columns, "label_exit").is_not_null())
    kept = prices.select(
        *KEY, *(pl.when(whole).then(pl.col(column)).alias(column) for column in [*columns, "label_exit"])
    )
    return frame.join(kept, on=KEY, how="left")


def excess_label(horizon: int = 5, name: str = "label") -> Applied:
    """Return above the day's mean of all symbols, all from and to the same two sessions, so that all end together."""

    def make(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        opens = inputs.first_bars().select(*KEY, "open")
        sessions = opens.select(pl.col("date").unique().sort()).with_columns(
            enter=pl.col("date").shift(-1), label_exit=pl.col("date").shift(-1 - horizon)
        )
        prices = (
            opens.select(KEY)
            .join(sessions, on="date")
            .join(opens.rename({"date": "enter", "open": "bought"}), on=["symbol", "enter"], how="left")
            .join(opens.rename({"date": "label_exit", "open": "sold"}), on=["symbol", "label_exit"], how="left")
            .with_columns(label=pl.col("sold") / pl.col("bought") - 1)
            .with_columns(label=pl.col("label") - pl.col("label").mean().over("date"))
        )
        return with_labels(frame, prices, ["label"])

    return Applied(name, make)


def triple_barrier(width: str | float, horizon: int = 10, name: str = "label") -> Applied:
    """Which of three is met first from the next open on: a gain (1) or a loss (-1) of `width`, or the time (0)."""

    def make(frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        wide = pl.lit(width) if isinstance(width, float) else 2 * pl.col(width)
        table = inputs.first_bars().join(frame.select(*KEY, wide=wide), on=KEY, how="left").sort(KEY)
        parts = [barriers_of(part, horizon) for part in table.partition_by("symbol", maintain_order=True)]
        return with_labels(frame, pl.concat(parts), ["label"])

    return Applied(name, make)


def barriers_of(part: pl.DataFrame, horizon: int) -> pl.DataFrame:
    """One symbol's barriers; where a bar meets both, the loss counts."""
    opens, wide, dates = part["open"].to_list(), part["wide"].to_list(), part["date"].to_list()
    highs, lows = part["high"].to_list(), part["low"].to_list()
    labels: list[float | None] = []
    exits: list[dt.date | None] = []
    for here in range(part.height):
        start = opens[here + 1] if here + 1 < part.height else None
        found = (
            None if start is None or wide[here] is None else first_met(start, wide[here], highs, lows, here, horizon)
        )
        labels.append(None if found is None else found[0])
        exits.append(None if found is None else dates[found[1]])
    return part.select(KEY).with_columns(
        pl.Series("label", labels, pl.Float64), pl.Series("label_exit", exits, pl.Date)
    )


def first_met(
    start: float, wide: float, highs: list[float | None], lows: list[float | None], here: int, horizon: int
) -> tuple[float, int] | None:
    """The label and the place of the bar that decides it; None where the bars end before."""
    for place in range(here + 1, min(here + horizon, len(highs) - 1) + 1):
        low, high = lows[place], highs[place]
        if low is not None and low <= start * (1 - wide):
            return -1.0, place
        if high is not None and high >= start * (1 + wide):
            return 1.0, place
    return (0.0, here + horizon) if here + horizon < len(highs) else None


# Models --------------------------------------------------------------------------------------------------------


def known_rows(train: pl.DataFrame, at: dt.date, columns: Sequence[str]) -> pl.DataFrame:
    """Rows to learn from: the label was known at the split, and nothing is missing."""
    return train.filter(pl.col("label_exit") <= at).drop_nulls(list(columns))


def matrix(frame: pl.DataFrame, columns: Sequence[str]) -> np.ndarray:
    return frame.select(pl.col(*columns).cast(pl.Float64)).to_numpy()


def guessed(frame: pl.DataFrame, columns: Sequence[str], guess: Callable[[np.ndarray], np.ndarray] | None) -> pl.Series:
    """What `guess` says of every row that has all columns; null of the others, and where nothing was learnt."""
    values = np.full(frame.height, np.nan)
    table = matrix(frame, columns)
    whole = ~np.isnan(table).any(axis=1)
    if guess is not None and whole.any():
        values[whole] = on_one_thread(guess, table[whole])
    return pl.Series(values).fill_nan(None)


def on_one_thread(call: Callable[..., Any], *arguments: Any) -> Any:
    """The call's answer; small fits that share their cores wait longer for each other than they work."""
    with threadpool_limits(1):
        return call(*arguments)


def fitted(model: Any, rows: pl.DataFrame, columns: Sequence[str], target: str, sign: bool) -> Any:
    """The model after its fit, or None where the rows are too few or all of one class."""
    answers = rows[target].to_numpy()
    answers = (answers > 0).astype(int) if sign else answers
    if rows.height < ENOUGH or (sign and len(np.unique(answers)) < 2):
        return None
    return on_one_thread(model.fit, matrix(rows, columns), answers)


def guess_of(model: Any, sign: bool) -> Callable[[np.ndarray], np.ndarray] | None:
    if model is None:
        return None
    return (lambda table: model.predict_proba(table)[:, 1]) if sign else model.predict


def modelled(
    name: str,
    columns: Sequence[str],
    make: Callable[[], Any],
    *,
    target: str = "label",
    sign: bool = False,
    out: str = "forecast",
) -> Learnt:
    """A scikit-learn model of the label, or with `sign` of the chance that it is above zero."""

    def learn(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> Any:
        return fitted(make(), known_rows(train, at, [*columns, target]), columns, target, sign)

    def use(frame: pl.DataFrame, inputs: Inputs, model: Any) -> pl.DataFrame:
        return frame.with_columns(guessed(frame, columns, guess_of(model, sign)).alias(out))

    return Learnt(name, learn, use)


def scaled(
    name: str, columns: Sequence[str], centre: Callable[[pl.Expr], pl.Expr], wide: Callable[[pl.Expr], pl.Expr]
) -> Learnt:
    """Columns less their centre and by their width in the training rows."""

    def learn(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> dict[str, tuple[float, float]]:
        return spans(train, columns, centre, wide)

    return Learnt(name, learn, use_spans)


def spans(
    table: pl.DataFrame,
    columns: Sequence[str],
    centre: Callable[[pl.Expr], pl.Expr],
    wide: Callable[[pl.Expr], pl.Expr],
) -> dict[str, tuple[float, float]]:
    """Centre and width of each column."""
    both = {
        column: table.select(centre(pl.col(column)), wide(pl.col(column)).alias("wide")).row(0) for column in columns
    }
    return {column: (at or 0.0, width or 1.0) for column, (at, width) in both.items()}


def use_spans(frame: pl.DataFrame, inputs: Inputs, spans: dict[str, tuple[float, float]]) -> pl.DataFrame:
    return frame.with_columns((pl.col(column) - at) / width for column, (at, width) in spans.items())


def standard(name: str, columns: Sequence[str]) -> Learnt:
    return scaled(name, columns, pl.Expr.mean, pl.Expr.std)


# What was known on the day ---------------------------------------------------------------------------------------


def closes_as_known(keys: pl.DataFrame, inputs: Inputs, lags: int) -> pl.DataFrame:
    """For each key and lag the close of so many bars ago in the version that the key's day knew: long, by lag."""
    places = inputs.first_bars().select(*KEY, place=each(pl.int_range(pl.len())))
    asked = (
        keys.select(KEY)
        .join(places, on=KEY)
        .join(pl.DataFrame({"lag": range(lags)}), how="cross")
        .select(*KEY, "lag", place=pl.col("place") - pl.col("lag"))
    )
    versions = inputs.bars.join(places, on=KEY).select("symbol", "place", "close", "known_on")
    return (
        asked.join(versions, on=["symbol", "place"])
        .filter(pl.col("known_on") <= pl.col("date"))
        .sort(*KEY, "lag", "known_on")
        .unique([*KEY, "lag"], keep="last", maintain_order=True)
    )


def facts_as_known(keys: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """For each key the value of the newest period and of the one before, as published by then."""
    return newest_facts(keys.select(KEY).join(inputs.facts, on="symbol").filter(pl.col("known_on") <= pl.col("date")))


def newest_facts(published: pl.DataFrame) -> pl.DataFrame:
    """The newest two periods of each key in `published`, each in its newest version there."""
    return (
        published.sort(*KEY, "period_end", "known_on")
        .unique([*KEY, "period_end"], keep="last", maintain_order=True)
        .group_by(KEY, maintain_order=True)
        .agg(
            value=pl.col("value").last(),
            value_before=pl.col("value").shift(1).last(),
            period_end=pl.col("period_end").last(),
        )
    )


def members_as_known(dates: pl.Series, inputs: Inputs) -> pl.DataFrame:
    """Symbol and date of every member on every date by the newest list that was known then."""
    return newest_lists(
        dates.unique()
        .sort()
        .to_frame("date")
        .join(inputs.members, how="cross")
        .filter(pl.col("known_on") <= pl.col("date"))
    )


def newest_lists(lists: pl.DataFrame) -> pl.DataFrame:
    """Of each date's lists the newest that is not of a day to come."""
    past = lists.filter(pl.col("snapshot_date") <= pl.col("date"))
    return past.filter(pl.col("snapshot_date") == pl.col("snapshot_date").max().over("date")).select(KEY).unique()


# Regimes -------------------------------------------------------------------------------------------------------

STAY: Final = 0.96


def market_returns(frame: pl.DataFrame) -> pl.DataFrame:
    """The mean return of each date's symbols, in order of date."""
    return (
        frame.select(*KEY, move=returns_over(1))
        .group_by("date")
        .agg(pl.col("move").sort_by("symbol").mean())
        .sort("date")
        .with_columns(pl.col("move").fill_null(0.0))
    )


def widths_of(moves: np.ndarray) -> tuple[float, float]:
    """Standard deviations of the calm and the wild half of the days."""
    if len(moves) < ENOUGH:
        return 0.005, 0.02
    size = np.abs(moves)
    middle = np.median(size)
    return float(1.2 * moves[size <= middle].std() + 1e-9), float(moves[size > middle].std() + 1e-9)


def chances(moves: np.ndarray, widths: tuple[float, float]) -> np.ndarray:
    """How likely each move is in the calm and in the wild regime."""
    wide = np.array(widths)
    likely: np.ndarray = np.exp(-0.5 * (moves[:, None] / wide) ** 2) / wide + 1e-12
    return likely


def filtered(moves: np.ndarray, widths: tuple[float, float]) -> np.ndarray:
    """Probability of each regime on each day from the days up to it."""
    turn = np.array([[STAY, 1 - STAY], [1 - STAY, STAY]])
    belief, beliefs = np.array([0.5, 0.5]), []
    for chance in chances(moves, widths):
        belief = (belief @ turn) * chance
        belief = belief / belief.sum()
        beliefs.append(belief)
    return np.array(beliefs).reshape(-1, 2)


def with_regime(frame: pl.DataFrame, dates: pl.Series, wild: np.ndarray) -> pl.DataFrame:
    return frame.join(
        pl.DataFrame({"date": dates, "wild": wild}, schema_overrides={"wild": pl.Float64}), on="date", how="left"
    )


def regime(name: str = "regime") -> Learnt:
    """Probability of the wild regime by the filter, its widths learnt."""

    def learn(train: pl.DataFrame, inputs: Inputs, at: dt.date) -> tuple[float, float]:
        return widths_of(market_returns(train)["move"].to_numpy())

    def use(frame: pl.DataFrame, inputs: Inputs, widths: tuple[float, float]) -> pl.DataFrame:
        market = market_returns(frame)
        return with_regime(frame, market["date"], filtered(market["move"].to_numpy(), widths)[:, 1])

    return Learnt(name, learn, use)


def blocks_of(dates: pl.Series, count: int) -> list[tuple[dt.date, dt.date]]:
    """The dates cut into `count` blocks of about equal length: the first and last date of each."""
    days = dates.unique().sort().to_list()
    edges = np.linspace(0, len(days), count + 1).astype(int)
    return [(days[left], days[right - 1]) for left, right in itertools.pairwise(edges) if right > left]
