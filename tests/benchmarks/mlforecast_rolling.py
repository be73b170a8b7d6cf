"""Thirty rolling features by mlforecast: run by the Python of an environment that holds it, on bars of a Parquet file.

`python mlforecast_rolling.py BARS OUT ROUNDS`: bars with symbol, date, open, high, low, close and volume. mlforecast
computes on one target; the columns go in one after the other, as series of their own. Its values, over the target where
they are compared so, go to OUT. The last line printed is the seconds that the values took, one number a round.
"""

import sys
import time

import numpy as np
import pandas as pd
from mlforecast import MLForecast
from mlforecast.lag_transforms import RollingMax, RollingMean, RollingMin, RollingStd

WINDOWS = (5, 10, 20, 30, 60)
KINDS = {
    "close": {"MA": RollingMean, "STD": RollingStd},
    "high": {"MAX": RollingMax},
    "low": {"MIN": RollingMin},
    "volume": {"VMA": RollingMean},
}


def made(bars: pd.DataFrame, threads: int) -> dict[str, np.ndarray]:
    """Each feature, as a lag of 1 sees it on the bar after: shifted back by the caller."""
    found = {}
    for column, kinds in KINDS.items():
        frame = pd.DataFrame({"unique_id": bars["symbol"], "ds": bars["place"], "y": bars[column]})
        transforms = [kind(window) for kind in kinds.values() for window in WINDOWS]
        lags = [window + 1 for window in WINDOWS] if column == "close" else None
        model = MLForecast(models=[], freq=1, lags=lags, lag_transforms={1: transforms}, num_threads=threads)
        out = model.preprocess(frame, dropna=False, static_features=[])
        for name, kind in kinds.items():
            for window in WINDOWS:
                found[f"{name}{window}"] = out[f"{_snake(kind.__name__)}_lag1_window_size{window}"].to_numpy()
        if lags:
            found |= {f"ROC{window}": out[f"lag{window + 1}"].to_numpy() for window in WINDOWS}
    return found


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def main(source: str, out: str, rounds: str) -> None:
    bars = pd.read_parquet(source)
    bars["symbol"] = bars["symbol"].astype("category")
    bars["place"] = bars.groupby("symbol", observed=True).cumcount()
    made(bars[bars["symbol"].cat.codes < 3].assign(symbol=lambda own: own["symbol"].cat.remove_unused_categories()), 2)
    seconds = []
    for _ in range(int(rounds)):
        began = time.perf_counter()
        found = made(bars, 2)
        seconds.append(time.perf_counter() - began)
    values = pd.DataFrame(found).groupby(bars["symbol"].to_numpy(), observed=True).shift(-1)
    for name in values:
        over = "volume" if name.startswith("VMA") else "close"
        values[name] = values[name] / bars[over]
    values.astype("float32").to_parquet(out)
    print(*seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
