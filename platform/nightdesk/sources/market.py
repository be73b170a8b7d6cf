"""A synthetic market as arrays: prices with a planted drift of known rank IC, one factor, and regimes.

Interval d runs from the open of day d to the open of day d+1; its log return is

    s[d] * (beta[i] * f[d] + sigma[i] * (gain * a[d-1, i] + e[d, i]))

with f the market factor, s the volatility regime's multiplier, e unit noise, and a the drift: autoregressive,
unit variance, fixed at the close of day d-1 and shown by that day's volume. A decision on the close of t
fills at the open of t+1, so the label at horizon h holds the intervals t+1 to t+h, whose drift terms a[t] ..
a[t+h-1] the score a[t] forecasts.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nightdesk.errors import BadSetting

Floats = NDArray[np.float64]

CODE_VERSION: Final = 1
"""Part of the fingerprint: raised whenever the same settings would give other bars."""

_STREAMS: Final = (
    *("traits", "regime", "factor", "drift", "noise", "intraday", "range", "volume"),
    *("faults", "listing", "delisting"),
)
_INTRADAY: Final = 0.7  # share of a day's variance between open and close; the rest is overnight
_STAY: Final = 0.98  # probability that a regime holds another day
_CALM_TO_WILD: Final = 3.0  # volatility of the wildest regime over that of the calmest
_VOLUME_PER_DRIFT: Final = 0.5  # log volume for one unit of drift
_RANGES: Final = {
    "seed": (int, 0, 2**32 - 1),
    "symbols": (int, 1, 5000),
    "days": (int, 2, 20000),
    "signal_ic": (float, 0.0, 0.3),
    "horizon": (int, 1, 60),
    "persistence": (float, 0.0, 0.99),
    "annual_volatility": (float, 0.01, 2.0),
    "market_volatility": (float, 0.0, 1.0),
    "regimes": (int, 1, 9),
}


@dataclass(frozen=True, slots=True)
class SyntheticMarket:
    """Settings of a synthetic market; equal settings give equal bars, and `days` only decides where they end.

    Attributes
    ----------
    seed, symbols, first_day, days, calendar
        Seed of every random stream; number of symbols and of trading days of `calendar` from `first_day` on.
    signal_ic
        Rank IC of the drift at the open-to-open label of `horizon` trading days; 0 is pure noise.
    persistence
        Daily autocorrelation of the drift (0.9: half of it is left after a week).
    annual_volatility, market_volatility
        Of the median symbol's own noise and of the market factor; fractions a year.
    regimes
        Number of volatility regimes, taking turns as a Markov chain; 1 is none.
    faults
        Whether faults are planted (see `faults.py`).

    Raises BadSetting where a value lies outside its range, or no drift so short-lived can have that IC.
    """

    seed: int = 7
    symbols: int = 50
    first_day: dt.date = dt.date(2016, 1, 4)
    days: int = 750
    calendar: str = "XNYS"
    signal_ic: float = 0.0
    horizon: int = 5
    persistence: float = 0.9
    annual_volatility: float = 0.3
    market_volatility: float = 0.15
    regimes: int = 2
    faults: bool = False

    def __post_init__(self) -> None:
        """Validate every range, then the reach of the signal."""
        for name, (kind, low, high) in _RANGES.items():
            value = getattr(self, name)
            allowed = (int, float) if kind is float else (int,)
            if isinstance(value, bool) or not isinstance(value, allowed) or not low <= value <= high:
                kind_name = "a whole number" if kind is int else "a number"
                raise BadSetting(f"synthetic {name} must be {kind_name} from {low} to {high}, got {value!r}")
            object.__setattr__(self, name, kind(value))  # 0 and 0.0 are one setting, and one fingerprint
        if not isinstance(self.first_day, dt.date) or not isinstance(self.faults, bool):
            raise BadSetting(
                "synthetic first_day must be a date and faults true or false, "
                f"got {self.first_day!r} and {self.faults!r}"
            )
        weight, variance = _drift_sums(self.horizon, self.persistence)
        reach = 0.8 * weight / math.sqrt(variance)  # nearer to 1 the noise would have to vanish
        if self.signal_ic > reach:
            raise BadSetting(
                f"synthetic signal_ic must be at most {reach:.3f} at horizon {self.horizon} and persistence "
                f"{self.persistence}, got {self.signal_ic}: lower it, or raise the persistence"
            )


@dataclass(frozen=True, slots=True)
class Panel:
    """Arrays of shape (days, symbols): prices, volume (shares), drift; and (days,): regime, 0 the calmest."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    drift: Floats
    regime: NDArray[np.int64]


def stream(market: SyntheticMarket, name: str) -> np.random.Generator:
    """Random stream `name` of `market`, independent of the others and of the number of days drawn from it."""
    return np.random.default_rng([market.seed, _STREAMS.index(name)])


def simulate(market: SyntheticMarket) -> Panel:
    """Draw the market, without faults or nulls; row t is the same however many days follow."""
    shape = (market.days, market.symbols)
    a_year = 365 if market.calendar == "24/7" else 252
    own, beta, start, turnover = _traits(market, a_year)
    wild = market.market_volatility / math.sqrt(a_year)
    regime = _regimes(market)
    scale = _multipliers(market.regimes)[regime][:, None]
    drift = _drift(market)

    nothing = np.zeros((1, market.symbols))
    known = np.vstack([nothing, drift[:-1]])
    factor = wild * stream(market, "factor").standard_normal(market.days)[:, None]
    noise = stream(market, "noise").standard_normal(shape)
    to_next_open = scale * (beta * factor + own * (_gain(market, own, beta, wild) * known + noise))

    log_open = np.log(start) + np.cumsum(np.vstack([nothing, to_next_open[:-1]]), axis=0)
    bridge = math.sqrt(_INTRADAY * (1 - _INTRADAY)) * stream(market, "intraday").standard_normal(shape)
    log_close = log_open + _INTRADAY * to_next_open + scale * own * bridge
    reach = np.abs(stream(market, "range").standard_normal((market.days, 2, market.symbols)))
    wicks = 0.5 * scale[:, None] * own * reach
    log_volume = _VOLUME_PER_DRIFT * drift + 0.1 * stream(market, "volume").standard_normal(shape)
    return Panel(
        open=np.exp(log_open),
        high=np.exp(np.maximum(log_open, log_close) + wicks[:, 0]),
        low=np.exp(np.minimum(log_open, log_close) - wicks[:, 1]),
        close=np.exp(log_close),
        volume=np.rint(turnover * scale * np.exp(log_volume)),
        drift=drift,
        regime=regime,
    )


def _traits(market: SyntheticMarket, a_year: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Own daily volatility, beta, first price and usual volume of each symbol."""
    own, beta, start, turnover = stream(market, "traits").standard_normal((market.symbols, 4)).T
    return (
        market.annual_volatility / math.sqrt(a_year) * np.exp(0.25 * own),
        1 + 0.3 * beta,
        50 * np.exp(0.6 * start),
        2e6 * np.exp(turnover),
    )


def _regimes(market: SyntheticMarket) -> NDArray[np.int64]:
    """Regime of each day: it holds until a day that draws anew, and that day's draw decides."""
    anew, which = stream(market, "regime").random((market.days, 2)).T
    drawn_on = np.where(anew >= _STAY, np.arange(market.days), 0)
    regime: NDArray[np.int64] = np.floor(which * market.regimes).astype(np.int64)
    return regime[np.maximum.accumulate(drawn_on)]


def _multipliers(regimes: int) -> Floats:
    """Volatility of each regime over the average one: their mean square is 1."""
    steps = np.geomspace(1.0, _CALM_TO_WILD, regimes)
    level: Floats = steps / np.sqrt(np.mean(steps**2))
    return level


def _drift(market: SyntheticMarket) -> Floats:
    """Stationary autoregression of unit variance, an independent one for each symbol."""
    drift = stream(market, "drift").standard_normal((market.days, market.symbols))
    fresh = math.sqrt(1 - market.persistence**2)
    for day in range(1, market.days):
        drift[day] = market.persistence * drift[day - 1] + fresh * drift[day]
    return drift


def _drift_sums(horizon: int, persistence: float) -> tuple[float, float]:
    """Covariance with a[t] of a[t] + ... + a[t+h-1], and that sum's variance."""
    lags = persistence ** np.arange(horizon)
    pairs = 2 * (horizon - np.arange(horizon)) * lags
    return float(lags.sum()), float(pairs.sum() - horizon)


def _gain(market: SyntheticMarket, own: Floats, beta: Floats, wild: float) -> float:
    """Drift in units of daily noise that gives the stated rank IC.

    Between normal variables Spearman's is 6/pi asin(r/2) of Pearson's r. Symbols of unequal volatility, and
    the factor through unequal betas, mix the label's scales, which lowers a small rank correlation by
    `mixing`.
    """
    weight, variance = _drift_sums(market.horizon, market.persistence)
    own, beta = own[:500], beta[:500]  # enough for a mean over pairs
    total = np.hypot(own, (beta - 1) * wild)
    mixing = math.sqrt(2) * float(np.mean(own[:, None] / np.hypot(total[:, None], total[None, :])))
    pearson = 2 * math.sin(math.pi * market.signal_ic / 6) / mixing
    return pearson * math.sqrt(market.horizon / (weight**2 - pearson**2 * variance))
