"""Jumps of single symbols: suspected splits and spin-offs, prices that revert, and large moves that look like news."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nightdesk.quality.evidence import Floats, Move, Reason, at_its_close, confidence, in_words, reverting, since_then
from nightdesk.quality.finding import Finding
from nightdesk.quality.thresholds import Thresholds
from nightdesk.tables import CLOSE, DATE, HIGH, LOW, OPEN, PRICES, SYMBOL, VOLUME

SUSPECTED_ACTION: Final = "suspected_action"
PRICE_ERROR: Final = "price_error"
LARGE_MOVE: Final = "large_move"

LOOK_BACK: Final = 60  # bars before a jump to which it is compared
AFTERWARDS: Final = 20  # bars after it, as far as they are known
_LEAST: Final = 3  # bars before it without which nothing usual is known
_UNUSUAL: Final = 6  # times the median daily move
_MARKET: Final = 10  # symbols that make a market

Whole = NDArray[np.int64]


def jump_findings(rows: pl.DataFrame, since: dt.date, thresholds: Thresholds) -> list[Finding]:
    """Notes on the jumps in `rows`, by symbol and date: only what could first be said at the close of `since` or later.

    Parameters
    ----------
    rows
        `tables.BARS`, sorted by symbol and date: the batch, and the days before it to which it is compared. Broken
        rows may be among them; one without four positive prices is passed over.
    since
        First day of the batch. What a day before it looked like was told then.
    thresholds
        `price_error`, `action_gap`, `action_confidence` and `large_move`.

    Returns
    -------
    list
        `price_error` stands at the wrong bar, the others at the day of the jump. Nothing is read but `rows`: on the
        night of a jump its evidence ends there, and in a longer batch the days after it are told apart from it.
    """
    panel = _Panel.of(rows)
    errors = _errors(panel, since, thresholds)
    taken = {at for at, _ in errors} | {at + 1 for at, _ in errors}
    found = [finding for _, finding in errors if finding is not None]
    large = abs(np.expm1(panel.move)) > thresholds.large_move
    wide = abs(panel.gap) >= np.log1p(thresholds.action_gap) / 2  # the other half may be the market's
    jumped = np.flatnonzero((panel.day >= _number(since)) & (large | wide))
    beyond = panel.gap[jumped] - panel.market_gaps(jumped)
    for at, gap in zip(map(int, jumped), map(float, beyond), strict=True):
        if at in taken or not (large[at] or abs(np.expm1(gap)) >= thresholds.action_gap):
            continue
        if (finding := _cause(panel, at, gap, bool(large[at]), thresholds)) is not None:
            found.append(finding)
    return sorted(found, key=lambda one: (one.symbol or "", one.date or since))


_EPOCH: Final = dt.date(1970, 1, 1).toordinal()


def _number(day: dt.date) -> int:
    return day.toordinal() - _EPOCH


@dataclass(frozen=True, slots=True, eq=False)
class _Panel:
    """Bars as arrays, with what every row has: log returns overnight and from close to close; nan at a first bar."""

    names: pl.Series
    code: Whole
    day: Whole
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    gap: Floats
    move: Floats

    @classmethod
    def of(cls, rows: pl.DataFrame) -> _Panel:
        whole = rows.filter(pl.all_horizontal(pl.col(p).is_finite() & (pl.col(p) > 0) for p in PRICES))
        code = whole[SYMBOL].rle_id().to_numpy().astype(np.int64)
        day = whole[DATE].to_physical().to_numpy().astype(np.int64)
        prices = {name: whole[name].to_numpy() for name in (OPEN, HIGH, LOW, CLOSE)}
        volume = whole[VOLUME].cast(pl.Float64).fill_null(np.nan).to_numpy()
        first = np.ones(len(code), dtype=np.bool_)
        first[1:] = code[1:] != code[:-1]
        before = np.where(first, np.nan, np.roll(prices[CLOSE], 1))
        gap, move = np.log(prices[OPEN] / before), np.log(prices[CLOSE] / before)
        return cls(whole[SYMBOL], code, day, prices[OPEN], prices[HIGH], prices[LOW], prices[CLOSE], volume, gap, move)

    def market_gaps(self, rows: Whole) -> Floats:
        """Median gap of each row's day over all symbols; 0 where there are too few to call it the market's."""
        days = np.unique(self.day[rows])
        gaps = pl.DataFrame({"day": self.day, "gap": self.gap}).filter(pl.col("day").is_in(days))
        by_day = (
            gaps.filter(pl.col("gap").is_finite())
            .group_by("day")
            .agg(pl.when(pl.len() >= _MARKET).then(pl.col("gap").median()).otherwise(0.0))
        )
        asked = pl.DataFrame({"day": self.day[rows]})
        return asked.join(by_day, on="day", how="left", maintain_order="left")["gap"].fill_null(0.0).to_numpy()

    def earlier(self, at: int) -> slice:
        """Up to `LOOK_BACK` bars of the same symbol before a row."""
        return slice(max(int(np.searchsorted(self.code, self.code[at])), at - LOOK_BACK), at)

    def later(self, at: int) -> slice:
        """Up to `AFTERWARDS` bars of the same symbol after a row."""
        return slice(at + 1, min(int(np.searchsorted(self.code, self.code[at], side="right")), at + 1 + AFTERWARDS))

    def usual_move(self, where: slice) -> float:
        """Median absolute daily log return there; nan of fewer than three."""
        return _median(abs(self.move[where]))

    def turnover(self, at: int) -> float:
        """Money traded on a day over its median before; nan where either is not known."""
        before = self.earlier(at)
        usual = _median(self.close[before] * self.volume[before])
        return float(self.close[at] * self.volume[at] / usual) if usual > 0 else float("nan")

    def named(self, at: int) -> tuple[str, dt.date]:
        return self.names[at], dt.date.fromordinal(int(self.day[at]) + _EPOCH)


def _median(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) >= _LEAST else float("nan")


def _errors(panel: _Panel, since: dt.date, thresholds: Thresholds) -> list[tuple[int, Finding | None]]:
    """Rows whose price is wrong and what is said of each; None where that was said before `since`."""
    least = np.log1p(thresholds.price_error)
    outside = np.maximum(np.log(panel.low / panel.close), np.log(panel.close / panel.high))
    follows = np.zeros(len(panel.code), dtype=np.bool_)
    follows[:-1] = panel.code[1:] == panel.code[:-1]
    after_open = np.where(follows, np.roll(panel.gap, -1), np.nan) + panel.move
    after_close = np.where(follows, np.roll(panel.move, -1), np.nan) + panel.move
    size = abs(panel.move)
    inward = np.maximum(panel.gap * np.sign(panel.move), outside)
    back = (
        (size >= least) & (abs(after_open) <= 0.35 * size) & (abs(after_close) <= 0.5 * size) & (inward >= 0.65 * size)
    )
    first, found = _number(since), []
    for at in map(int, np.flatnonzero(back | ((outside >= least) & (size >= least)))):
        if size[at] < _UNUSUAL * panel.usual_move(panel.earlier(at)):
            continue
        reasons = [Reason(3.0, "the close lies outside the day's own range")] if outside[at] >= least else []
        told = panel.day[at] >= first and bool(reasons)
        if back[at]:
            reasons += reverting(float(panel.move[at]), float(after_open[at]), panel.turnover(at))
            told = told or panel.day[at + 1] >= first
        sure = confidence(reasons)
        if sure >= 0.5:
            found.append((at, _error(panel, at, reasons, sure) if told else None))
    return found


def _error(panel: _Panel, at: int, reasons: list[Reason], sure: float) -> Finding:
    symbol, day = panel.named(at)
    before, after = panel.close[at - 1], panel.later(at)
    then = f", {panel.close[at + 1]:g} after" if after.stop > after.start else ""
    value = f"close {panel.close[at]:g}, {before:g} before{then}; {in_words(reasons)}"
    return Finding(PRICE_ERROR, "note", symbol, day, value, "a price that the next one takes back", 1, round(sure, 2))


def _cause(panel: _Panel, at: int, gap: float, large: bool, thresholds: Thresholds) -> Finding | None:
    """A suspected action, or else a large move; None for what is neither. `gap` is beyond the market's."""
    move, size = float(panel.move[at]), abs(gap)
    usual = panel.usual_move(panel.earlier(at))
    stays = gap * move > 0 and abs(move) >= 0.5 * size
    candidate = abs(np.expm1(gap)) >= thresholds.action_gap and not size < _UNUSUAL * usual and stays
    if not (candidate or large):
        return None
    seen = Move(gap, move, float(np.log(panel.high[at] / panel.low[at])) / max(size, 1e-9), panel.turnover(at))
    now = at_its_close(seen) if candidate else [Reason(-3.0, "no gap overnight that stayed")]
    later = since_then(_followed(panel, at, seen, usual))
    sure, first = confidence([*now, *later]), confidence(now)
    symbol, day = panel.named(at)
    moved = f"{np.expm1(move):+.1%} from close to close"
    since = f"; {first:.2f} at its own close, since then {in_words(later)}" if later else ""
    if candidate and sure >= thresholds.action_confidence:
        value = f"{moved}, {np.expm1(gap):+.1%} overnight beyond the market; {in_words(now)}{since}"
        meaning = "a split, spin-off or special dividend that is not in the prices"
        return Finding(SUSPECTED_ACTION, "note", symbol, day, value, meaning, 1, round(sure, 2))
    if not large:
        return None
    speaks = in_words([Reason(-one.weight, one.words) for one in now])
    turned = in_words([Reason(-one.weight, one.words) for one in later])
    since = f"; {1 - first:.2f} at its own close, since then {turned}" if later else ""
    meaning = "a large move that looks like news"
    return Finding(LARGE_MOVE, "note", symbol, day, f"{moved}; {speaks}{since}", meaning, 1, round(1 - sure, 2))


def _followed(panel: _Panel, at: int, seen: Move, usual: float) -> Move:
    """What came after a jump, as far as it is known."""
    after = panel.later(at)
    if after.stop - after.start < 5:
        return seen
    level = np.log(panel.close[after.start : after.start + 5] / panel.close[at])
    back = float(np.max(-level * np.sign(seen.move))) / max(abs(seen.move), 1e-9)
    calm = panel.usual_move(after) / usual if usual > 0 else float("nan")
    return Move(seen.gap, seen.move, seen.share, seen.turnover, calm, back)
