"""Every feature of sessions again, as a plain loop over the measures of one symbol's sessions."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import fmean

from session_samples import Measured

Days = list[Measured]
Slow = tuple[int, tuple[str, ...], Callable[[Days], float]]


def mean(days: Days, name: str) -> float:
    return fmean(day[name] for day in days)  # type: ignore[misc]


def share(part: str, flat: float, whole: str = "realized_variance") -> Callable[[Days], float]:
    return lambda days: mean(days, part) / mean(days, whole) if mean(days, whole) else flat


def volatility(name: str) -> Callable[[Days], float]:
    return lambda days: math.sqrt(252 * mean(days, name))


def fast_over_slow(days: Days) -> float:
    return math.sqrt(share("fast", 1.0, "slow")([{"fast": mean(days[-5:], _RV), "slow": mean(days, _RV)}]))


def jumps(days: Days) -> float:
    above = [{"jump": max(day[_RV] - day["bipower_variation"], 0.0), _RV: day[_RV]} for day in days]  # type: ignore[operator]
    return share("jump", 0.0)(above)  # type: ignore[arg-type]


def last(name: str) -> Callable[[Days], float]:
    return lambda days: days[-1][name]  # type: ignore[return-value]


def over_mean(name: str) -> Callable[[Days], float]:
    return lambda days: days[-1][name] / mean(days, name) if mean(days, name) else 1.0  # type: ignore[operator]


_RV, _HOUR_RV, _DOWN = "realized_variance", "hour_realized_variance", "downside_semivariance"
SLOW: dict[str, Slow] = {"realized_volatility_ratio_5_20": (20, (_RV,), fast_over_slow)}
for _n in (5, 20):
    SLOW |= {
        f"realized_volatility_{_n}": (_n, (_RV,), volatility(_RV)),
        f"hour_realized_volatility_{_n}": (_n, (_HOUR_RV,), volatility(_HOUR_RV)),
        f"realized_downside_share_{_n}": (_n, (_DOWN, _RV), share(_DOWN, 0.5)),
        f"realized_jump_share_{_n}": (_n, ("bipower_variation", _RV), jumps),
        f"realized_skewness_{_n}": (_n, ("realized_skewness",), lambda days: mean(days, "realized_skewness")),
    }
SLOW["hour_variance_ratio_20"] = (20, (_HOUR_RV, _RV), share(_HOUR_RV, 1.0))
for _name, _measure in {
    "first_bar_return": "first_return",
    "last_bar_return": "last_return",
    "session_vwap_gap": "vwap_gap",
    "hour_first_return": "hour_first_return",
    "hour_last_return": "hour_last_return",
}.items():
    SLOW[_name] = (1, (_measure,), last(_measure))
    SLOW[f"{_name}_mean_20"] = (20, (_measure,), lambda days, name=_measure: mean(days, name))  # type: ignore[misc]
for _name in ("first", "last"):
    SLOW[f"{_name}_bar_volume_share"] = (1, (f"{_name}_volume_share",), last(f"{_name}_volume_share"))
    SLOW[f"{_name}_bar_volume_share_ratio_20"] = (20, (f"{_name}_volume_share",), over_mean(f"{_name}_volume_share"))


def slow_values(
    sessions: list[Measured], window: int, inputs: tuple[str, ...], value: Callable[[Days], float]
) -> list[float | None]:
    """The feature on each session of a symbol; None before the window is full, and where it holds an unknown one."""
    found: list[float | None] = []
    for t in range(len(sessions)):
        days = sessions[max(t - window + 1, 0) : t + 1]
        known = len(days) == window and all(day[name] is not None for day in days for name in inputs)
        found.append(value(days) if known else None)
    return found
