"""Checks of arguments that labels, scores and splits share: horizons, and the columns of a frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import polars as pl

from nightdesk.errors import BadInput

MAX_HORIZON: Final = 60


def check_horizon(horizon: int) -> None:
    """Raise BadInput unless `horizon` is 1 to 60 trading days."""
    if not 1 <= horizon <= MAX_HORIZON:
        cure = "shorter" if horizon > MAX_HORIZON else "longer"
        raise BadInput(f"horizon must be 1 to {MAX_HORIZON} trading days, got {horizon}: choose a {cure} one")


def check_horizons(horizons: Sequence[int]) -> None:
    """Raise BadInput unless `horizons` are one or more, each once, and each 1 to 60 trading days."""
    for horizon in horizons:
        check_horizon(horizon)
    if not horizons or len(set(horizons)) != len(horizons):
        raise BadInput(f"horizons must be one or more, each once, got {list(horizons)}: choose for example 5, 20, 60")


def check_columns(frame: pl.DataFrame, wanted: Iterable[str]) -> None:
    """Raise BadInput, naming the columns that `frame` lacks, unless it holds all of `wanted`."""
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        raise BadInput(f"the frame must hold {', '.join(missing)}, got {', '.join(frame.columns)}: add them")
