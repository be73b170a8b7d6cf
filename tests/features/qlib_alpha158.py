"""Alpha158 by qlib itself: run by the Python of an environment that holds pyqlib, on bars of a Parquet file.

`python qlib_alpha158.py BARS FOLDER OUT [PROCESSES]`: bars with symbol, date, open, high, low, close, volume and vwap,
where all symbols have the same days; qlib's own files go to FOLDER, its values to OUT. The last line printed is the
seconds that the values took.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import qlib
from qlib.contrib.data.loader import Alpha158DL
from qlib.data import D

FIELDS = ("open", "high", "low", "close", "volume", "vwap")


def write_store(bars: pd.DataFrame, folder: Path) -> list[pd.Timestamp]:
    days = sorted(bars["date"].unique())
    names = [pd.Timestamp(day).strftime("%Y-%m-%d") for day in days]
    (folder / "calendars").mkdir(parents=True)
    (folder / "calendars" / "day.txt").write_text("\n".join(names) + "\n")
    place = {day: number for number, day in enumerate(days)}
    lines = []
    for symbol, own in bars.groupby("symbol"):
        lines.append(f"{symbol}\t{names[place[own['date'].iloc[0]]]}\t{names[place[own['date'].iloc[-1]]]}")
        (folder / "features" / symbol.lower()).mkdir(parents=True)
        index = own["date"].map(place).to_numpy()
        for field in FIELDS:
            column = np.full(index[-1] - index[0] + 1, np.nan, dtype="<f4")
            column[index - index[0]] = own[field]
            path = folder / "features" / symbol.lower() / f"{field}.day.bin"
            np.concatenate((np.array([index[0]], dtype="<f4"), column)).tofile(path)
    (folder / "instruments").mkdir()
    (folder / "instruments" / "all.txt").write_text("\n".join(lines) + "\n")
    return days


def main(source: str, folder: str, out: str, processes: str = "1") -> None:
    bars = pd.read_parquet(source)
    days = write_store(bars, Path(folder))
    qlib.init(provider_uri=folder, region="us", kernels=int(processes), joblib_backend="multiprocessing")
    fields, names = Alpha158DL.get_feature_config()
    began = time.perf_counter()
    found = D.features(sorted(bars["symbol"].unique()), fields, days[0], days[-1], freq="day", disk_cache=0)
    seconds = time.perf_counter() - began
    found.columns = names
    found.reset_index().rename(columns={"instrument": "symbol", "datetime": "date"}).to_parquet(out)
    print(seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
