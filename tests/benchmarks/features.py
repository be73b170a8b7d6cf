"""Features: the matrix of the whole panel, warm, beside pandas and polars on the same few of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial

import numba
import numpy as np
import polars as pl

from nightdesk.features import select
from nightdesk.features.matrix import feature_matrix
from tests.benchmarks.feature_peers import SIMPLE, by_pandas, by_polars
from tests.benchmarks.page import Section, timing_rows
from tests.benchmarks.sample import sample
from tests.benchmarks.timing import Case, interleaved

HEAD = ("what", "median s", "best s", "rows a second", "times nightdesk")
FEW = f"{len(SIMPLE)} simple ones"


def measure(symbols: int | None) -> list[Section]:
    """All features and the few that the peers compute too."""
    bars = sample(symbols).verdict.good
    everything, few = f"all {len(select())} default features", f"{FEW}, all threads"
    timings = interleaved(
        [
            _ours(f"{everything}, all threads", bars, None, numba.config.NUMBA_NUM_THREADS),
            _ours(f"{everything}, one thread", bars, None, 1),
            _ours(few, bars, SIMPLE, numba.config.NUMBA_NUM_THREADS),
            _ours(f"{FEW}, one thread", bars, SIMPLE, 1),
            Case(f"peer: {FEW}, pandas groupby", partial(nullcontext, bars.to_pandas()), by_pandas),
            Case(f'peer: {FEW}, polars over("symbol")', partial(nullcontext, bars), by_polars),
        ]
    )
    found = feature_matrix(bars, SIMPLE).select(SIMPLE)
    gaps = [apart(found, peer, SIMPLE) for peer in (pl.from_pandas(by_pandas(bars.to_pandas())), by_polars(bars))]
    sentence = (
        f"{bars.height:,} bars, kernels compiled before; polars takes all threads, pandas one. The simple ones are "
        f"{', '.join(SIMPLE)}; ours differ from pandas' by at most {gaps[0]:.0e} and from polars' by {gaps[1]:.0e}."
    )
    return [Section("Features", sentence, HEAD, timing_rows(list(timings.values()), timings[few], bars.height))]


def _ours(name: str, bars: pl.DataFrame, wanted: Sequence[str] | None, threads: int) -> Case:
    compute: Callable[[object], pl.DataFrame] = lambda _: feature_matrix(bars, wanted)  # noqa: E731
    compute(None)
    return Case(name, partial(_threads, threads), compute)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = numba.get_num_threads()
    numba.set_num_threads(count)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def apart(ours: pl.DataFrame, peer: pl.DataFrame, names: Sequence[str]) -> float:
    """The largest difference where both have a value, relative to values above 1."""
    mine, other = (frame.select(names).cast(pl.Float64).to_numpy() for frame in (ours, peer))
    return float(np.nanmax(np.abs(mine - other) / np.maximum(1.0, np.abs(other))))
